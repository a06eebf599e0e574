import ParleyWire

/// Where one side of a frozen pair stands, whatever the incarnations are: frame REPAIR, section 5.1 of
/// docs/protocol/negotiation.md.
///
/// `[8, code, inc, new_inc, sent, sent_history, recv, recv_history, acked]`
public struct RepairPosition: Hashable, Sendable {
  /// Why the sender's pair is frozen.
  public var code: NegotiationCode
  /// The sender's incarnation, 16 bytes.
  public var incarnation: [UInt8]
  /// The incarnation that the sender will begin; zeros while its operator has not agreed.
  public var newIncarnation: [UInt8]
  /// The number of the last statement that the sender signed.
  public var sent: Int64
  /// The history up to ``sent``.
  public var sentHistory: Hash256
  /// The number of the last statement that the sender received.
  public var received: Int64
  /// The history up to ``received``.
  public var receivedHistory: Hash256
  /// How many of its own the sender knows to be acknowledged.
  public var acknowledged: Int64

  /// Whether the sender's operator has agreed to the repair.
  public var isAgreed: Bool { newIncarnation.contains { $0 != 0 } }
}

/// What a RETURN frame holds.
public enum ReturnedKind: UInt8, Hashable, Sendable {
  /// Nothing: all has been handed back.
  case end = 0
  /// A statement of the receiver's.
  case yours = 1
  /// A statement of the sender's.
  case mine = 2
  /// The sender's Incarnation.
  case incarnation = 3
}

/// Agrees that a frozen pair goes on from where both sides stand: kind 12.
///
/// `[inc, peer_inc, new_inc, peer_new_inc, sent, sent_history, recv, recv_history]`
public struct Incarnation: Hashable, Sendable {
  /// The signer's incarnation until now.
  public var old: [UInt8]
  /// The other side's incarnation until now, as its REPAIR says.
  public var peerOld: [UInt8]
  /// The signer's incarnation from now on.
  public var new: [UInt8]
  /// The other side's incarnation from now on.
  public var peerNew: [UInt8]
  /// How many statements the signer has signed.
  public var sent: Int64
  /// The history up to ``sent``.
  public var sentHistory: Hash256
  /// How many statements of the other side's the signer has.
  public var received: Int64
  /// The history up to ``received``.
  public var receivedHistory: Hash256
}

extension RepairPosition {
  var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 160)
    writer.appendArray(count: 9)
    writer.append(8 as UInt8)
    writer.append(code)
    writer.appendBinary(incarnation)
    writer.appendBinary(newIncarnation)
    writer.append(sent)
    writer.append(sentHistory)
    writer.append(received)
    writer.append(receivedHistory)
    writer.append(acknowledged)
    return writer.bytes
  }

  static func decode(_ bytes: RawSpan) throws(Fault) -> RepairPosition {
    var reader = try FieldReader(bytes, count: 9, base: 0)
    _ = try reader.uint(1)
    let position = RepairPosition(
      code: try reader.code(2), incarnation: try reader.bin(3, count: PairSession.incarnationByteCount),
      newIncarnation: try reader.bin(4, count: PairSession.incarnationByteCount), sent: try reader.uint(5),
      sentHistory: try reader.hash(6), received: try reader.uint(7), receivedHistory: try reader.hash(8),
      acknowledged: try reader.uint(9))
    try reader.finish()
    guard position.acknowledged <= position.sent else { throw Fault(.malformed, field: 9) }
    return position
  }
}

extension Incarnation {
  var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 160)
    writer.appendArray(count: 8)
    for each in [old, peerOld, new, peerNew] { writer.appendBinary(each) }
    writer.append(sent)
    writer.append(sentHistory)
    writer.append(received)
    writer.append(receivedHistory)
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(Fault) -> Incarnation {
    var reader = try FieldReader(bytes.rawSpan, count: 8, base: 100)
    let size = PairSession.incarnationByteCount
    let incarnation = Incarnation(
      old: try reader.bin(1, count: size), peerOld: try reader.bin(2, count: size),
      new: try reader.bin(3, count: size), peerNew: try reader.bin(4, count: size), sent: try reader.uint(5),
      sentHistory: try reader.hash(6), received: try reader.uint(7), receivedHistory: try reader.hash(8))
    try reader.finish()
    for (field, each) in [(103 as UInt8, incarnation.new), (104, incarnation.peerNew)]
    where each.allSatisfy({ $0 == 0 }) {
      throw Fault(.malformed, field: field)
    }
    return incarnation
  }
}

/// Everything that the two sides of a pair have signed, as the journal of one of them holds it: what a repair compares
/// and hands back.
struct RepairBook {
  /// One direction: statements 1...n, and the history at each.
  struct Strand {
    private(set) var statements: [[UInt8]] = []
    private(set) var ids: [StatementID] = []
    private(set) var histories: [Hash256]

    init(from: String, to: String) {
      var parties = [UInt8]()
      parties.appendLengthPrefixed(Array(from.utf8))
      parties.appendLengthPrefixed(Array(to.utf8))
      histories = [.tagged("parley/neg1 history0", parties)]
    }

    var count: Int64 { Int64(statements.count) }

    mutating func append(_ statement: [UInt8]) {
      let id = (try? Envelope(statement))?.id ?? Envelope.malformedID(statement)
      var number = [UInt8]()
      number.appendBigEndian(UInt64(statements.count + 1))
      histories.append(.tagged("parley/neg1 history", histories[statements.count].bytes, number, id.bytes))
      statements.append(statement)
      ids.append(id)
    }

    /// The history up to statement `n`; `nil` where there are not so many.
    func history(_ n: Int64) -> Hash256? { n >= 0 && n <= count ? histories[Int(n)] : nil }

    /// Statement `n`, from 1.
    subscript(n: Int64) -> [UInt8] { statements[Int(n) - 1] }
  }

  var mine: Strand
  var theirs: Strand

  init(local: String, peer: String) {
    mine = Strand(from: local, to: peer)
    theirs = Strand(from: peer, to: local)
  }

  mutating func take(_ content: JournalRow.Content) {
    switch content {
    case .sent(let n, let statement, _) where n == mine.count + 1: mine.append(statement)
    case .received(let n, let statement, _, _) where n == theirs.count + 1: theirs.append(statement)
    default: break
    }
  }

  /// Whether both sides tell one history as far as both of them have it.
  func agrees(with position: RepairPosition) -> Bool {
    (theirs.history(position.sent).map { $0 == position.sentHistory } ?? true)
      && (mine.history(position.received).map { $0 == position.receivedHistory } ?? true)
  }

  /// The last statement of this side's that the peer has surely processed, by what the peer signed beyond `sent`.
  ///
  /// It takes statements in order, so whatever it names as seen, or answers, it has, with all before it.
  func processed(byPeerBeyond sent: Int64, atLeast acknowledged: Int64) -> Int64 {
    var last = acknowledged
    guard sent < theirs.count else { return last }
    let numbers = Dictionary(mine.ids.enumerated().map { ($1, Int64($0) + 1) }, uniquingKeysWith: max)
    for n in (sent + 1)...theirs.count {
      for id in Self.named(theirs[n]) { last = max(last, numbers[id] ?? 0) }
    }
    return last
  }

  /// The statements of the other side that a statement shows its signer to have processed.
  static func named(_ bytes: [UInt8]) -> [StatementID] {
    guard let envelope = try? Envelope(bytes), let header = try? Header.decode(envelope.header) else { return [] }
    guard let statement = try? Statement(envelope, header) else { return [header.seen] }
    switch statement.payload {
    case .reject(let reject): return [header.seen, reject.target]
    case .decline(let decline): return [header.seen, decline.accept]
    case .accept(let accept): return [header.seen, accept.offer]
    case .tradeAck(let ack): return [header.seen, ack.confirm]
    case .confirm(let confirm): return [header.seen] + ((try? Envelope(confirm.acceptStatement)).map { [$0.id] } ?? [])
    default: return [header.seen]
    }
  }
}
