public import ParleyWire

/// What one side of a session tells the other about its journal, first on every channel.
///
/// `[3, ver, inc, your_inc, sent, sent_link, recv, recv_link, limits, now]`
public struct Sync: Hashable, Sendable {
  /// What the sender of a ``Sync`` accepts from the other side.
  public struct Limits: Hashable, Sendable {
    /// Dialogues open at once.
    public var dialogues: Int64
    /// Bytes of statements not acknowledged.
    public var unackedBytes: Int64
    /// Statements a second.
    public var statementsPerSecond: Int64
    /// Requests a minute.
    public var requestsPerMinute: Int64
  }

  /// The sender's incarnation, 16 bytes.
  public var incarnation: [UInt8]
  /// The receiver's incarnation as the sender knows it; zeros if it does not.
  public var peerIncarnation: [UInt8]
  /// The number of the last statement that the sender signed.
  public var sent: Int64
  /// The link at ``sent``.
  public var sentLink: Hash256
  /// The number of the last statement that the sender received.
  public var received: Int64
  /// The link at ``received``.
  public var receivedLink: Hash256
  /// What the sender accepts.
  public var limits: Limits
  /// The sender's clock; it decides nothing.
  public var now: UnixNanoseconds

  /// Whether the sender knows the receiver's incarnation.
  public var knowsPeer: Bool { peerIncarnation != [UInt8](repeating: 0, count: PairSession.incarnationByteCount) }
}

/// One frame of a session.
public enum Frame: Hashable, Sendable {
  /// The n-th statement of this direction.
  case data(n: Int64, statement: [UInt8])
  /// Statements 1...n, their effects and answers are durable.
  case ack(n: Int64, link: Hash256)
  /// Where the sender stands.
  case sync(Sync)
  /// Asks what the other side's clock shows; `t1` is the sender's.
  case ping(t1: UnixNanoseconds)
  /// The answer: `t1` again, when the PING arrived, and when this left, by the sender's clock.
  case pong(t1: UnixNanoseconds, t2: UnixNanoseconds, t3: UnixNanoseconds)
  /// The sender signs nothing more in this pair.
  case freeze(code: NegotiationCode, evidence: [UInt8])
  /// Where the sender stands, whose pair is frozen.
  case repair(RepairPosition)
  /// What the sender hands back to a side that lost it, or its Incarnation.
  case returned(ReturnedKind, n: Int64, statement: [UInt8])
  /// Means nothing.
  case bye

  /// The longest frame, in bytes.
  public static let byteLimit = 32_768
  /// The longest evidence, in bytes.
  public static let evidenceByteLimit = 25_600

  /// The frame's bytes.
  public var encoded: [UInt8] {
    switch self {
    case .data(let n, let statement):
      var writer = MessagePackWriter(reservingCapacity: statement.count + 16)
      writer.appendArray(count: 3)
      writer.append(1 as UInt8)
      writer.append(n)
      writer.appendBinary(statement)
      return writer.bytes
    case .ack(let n, let link):
      var writer = MessagePackWriter(reservingCapacity: 48)
      writer.appendArray(count: 3)
      writer.append(2 as UInt8)
      writer.append(n)
      writer.append(link)
      return writer.bytes
    case .sync(let sync): return sync.encoded
    case .ping(let t1): return Self.times(4, [t1])
    case .pong(let t1, let t2, let t3): return Self.times(5, [t1, t2, t3])
    case .freeze(let code, let evidence):
      var writer = MessagePackWriter(reservingCapacity: evidence.count + 16)
      writer.appendArray(count: 3)
      writer.append(6 as UInt8)
      writer.append(code)
      writer.appendBinary(evidence)
      return writer.bytes
    case .repair(let position): return position.encoded
    case .returned(let kind, let n, let statement):
      var writer = MessagePackWriter(reservingCapacity: statement.count + 16)
      writer.appendArray(count: 4)
      writer.append(9 as UInt8)
      writer.append(kind.rawValue)
      writer.append(n)
      writer.appendBinary(statement)
      return writer.bytes
    case .bye: return [0x91, 0x07]
    }
  }

  private static func times(_ type: UInt8, _ times: [UnixNanoseconds]) -> [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 32)
    writer.appendArray(count: 1 + times.count)
    writer.append(type)
    for time in times { writer.append(time) }
    return writer.bytes
  }

  /// Reads a frame.
  ///
  /// - Throws: MALFORMED, also for a type that is not served: the channel closes either way.
  public static func decode(_ bytes: [UInt8]) throws(Fault) -> Frame {
    guard bytes.count <= byteLimit, bytes.count >= 2 else { throw Fault(.malformed) }
    let span = bytes.rawSpan
    // The array head (fixarray) and the type (positive fixint) are one byte each in every frame.
    switch (bytes[0], bytes[1]) {
    case (0x93, 1):
      var reader = try FieldReader(span, count: 3, base: 0)
      _ = try reader.uint(1)
      let n = try reader.int(2, in: 1...Int64.max)
      let statement = try reader.bin(3, limit: byteLimit)
      try reader.finish()
      return .data(n: n, statement: statement)
    case (0x93, 2):
      var reader = try FieldReader(span, count: 3, base: 0)
      _ = try reader.uint(1)
      let n = try reader.uint(2)
      let link = try reader.hash(3)
      try reader.finish()
      return .ack(n: n, link: link)
    case (0x9A, 3): return .sync(try Sync.decode(span))
    case (0x92, 4):
      var reader = try FieldReader(span, count: 2, base: 0)
      _ = try reader.uint(1)
      let t1 = try reader.time(2)
      try reader.finish()
      return .ping(t1: t1)
    case (0x94, 5):
      var reader = try FieldReader(span, count: 4, base: 0)
      _ = try reader.uint(1)
      let (t1, t2, t3) = (try reader.time(2), try reader.time(3), try reader.time(4))
      try reader.finish()
      guard t2 <= t3 else { throw Fault(.malformed, field: 4) }
      return .pong(t1: t1, t2: t2, t3: t3)
    case (0x93, 6):
      var reader = try FieldReader(span, count: 3, base: 0)
      _ = try reader.uint(1)
      let code = try reader.code(2)
      let evidence = try reader.bin(3, limit: evidenceByteLimit)
      try reader.finish()
      return .freeze(code: code, evidence: evidence)
    case (0x99, 8): return .repair(try RepairPosition.decode(span))
    case (0x94, 9):
      var reader = try FieldReader(span, count: 4, base: 0)
      _ = try reader.uint(1)
      let kind = try reader.choice(2, ReturnedKind.self)
      let n = try reader.uint(3)
      let statement = try reader.bin(4, limit: byteLimit)
      try reader.finish()
      return .returned(kind, n: n, statement: statement)
    case (0x91, 7):
      guard bytes.count == 2 else { throw Fault(.malformed) }
      return .bye
    default: throw Fault(.malformed, field: 1, "unknown frame")
    }
  }
}

extension Sync {
  var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 192)
    writer.appendArray(count: 10)
    writer.append(3 as UInt8)
    writer.append(1 as UInt8)
    writer.appendBinary(incarnation)
    writer.appendBinary(peerIncarnation)
    writer.append(sent)
    writer.append(sentLink)
    writer.append(received)
    writer.append(receivedLink)
    writer.appendArray(count: 4)
    writer.append(limits.dialogues)
    writer.append(limits.unackedBytes)
    writer.append(limits.statementsPerSecond)
    writer.append(limits.requestsPerMinute)
    writer.append(now)
    return writer.bytes
  }

  static func decode(_ bytes: RawSpan) throws(Fault) -> Sync {
    var reader = try FieldReader(bytes, count: 10, base: 0)
    _ = try reader.uint(1)
    _ = try reader.int(2, in: 1...1)
    let incarnation = try reader.bin(3, count: PairSession.incarnationByteCount)
    let peerIncarnation = try reader.bin(4, count: PairSession.incarnationByteCount)
    let sent = try reader.uint(5)
    let sentLink = try reader.hash(6)
    let received = try reader.uint(7)
    let receivedLink = try reader.hash(8)
    try reader.array(9, count: 4)
    let limits = Limits(
      dialogues: try reader.int(9, in: 1...Int64.max), unackedBytes: try reader.int(9, in: 1...Int64.max),
      statementsPerSecond: try reader.int(9, in: 1...Int64.max),
      requestsPerMinute: try reader.int(9, in: 1...Int64.max))
    let sync = Sync(
      incarnation: incarnation, peerIncarnation: peerIncarnation, sent: sent, sentLink: sentLink, received: received,
      receivedLink: receivedLink, limits: limits, now: try reader.time(10))
    try reader.finish()
    if incarnation.allSatisfy({ $0 == 0 }) { throw Fault(.malformed, field: 3) }
    if !sync.knowsPeer, sent != 0 || received != 0 || sentLink != .zero || receivedLink != .zero {
      throw Fault(.malformed, field: 4)
    }
    return sync
  }
}
