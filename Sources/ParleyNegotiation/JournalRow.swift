public import ParleyWire

/// One row of the journal of a session: self-contained, so that a journal need not understand it.
///
/// `[1, type, time, ...]`, strict MessagePack. Folding all rows of a pair in order with ``PairSession/restore(_:)``
/// gives the session's state; decisions that depended on time, limits or policy are in the rows, not made again.
public struct JournalRow: Hashable, Sendable {
  /// What a received statement did.
  public enum Effect: UInt8, Hashable, Sendable {
    /// It was counted, nothing else.
    case none = 0
    /// All that its kind does.
    case full = 1
    /// It is its sender's latest offer, but was refused.
    case refusedOffer = 2
    /// It is an Accept of a last-look offer, which its owner now looks at.
    case look = 3
  }

  /// What ended by the clock.
  public enum Ending: UInt8, Hashable, Sendable {
    /// This side's live offer.
    case myOffer = 1
    /// The peer's live offer.
    case peerOffer = 2
    /// The dialogue.
    case dialogue = 3
  }

  /// A command's name, given by the client, and a digest of what it asked.
  public struct ClientOrder: Hashable, Sendable {
    /// 1 to 64 bytes.
    public var id: String
    /// The digest of the command.
    public var content: Hash256
  }

  /// What happened.
  public enum Content: Hashable, Sendable {
    /// The state of the pair was created; the first row of a pair.
    case began(incarnation: [UInt8], local: String, peer: String)
    /// The peer's incarnation became known.
    case peerBegan(incarnation: [UInt8])
    /// This side signed its n-th statement, on behalf of a client's order or not.
    case sent(n: Int64, statement: [UInt8], order: ClientOrder?)
    /// The peer's n-th statement arrived; the code is that of the answer, ``NegotiationCode/none`` without a fault.
    case received(n: Int64, statement: [UInt8], code: NegotiationCode, effect: Effect)
    /// The peer acknowledged 1...n.
    case acknowledged(n: Int64, link: Hash256)
    /// Something ended by the clock.
    case ended(DialogueID, Ending)
    /// The session froze.
    case frozen(NegotiationCode, byPeer: Bool, evidence: [UInt8])
    /// A statement arrived while frozen.
    case evidence(statement: [UInt8])
    /// This side's operator agreed to repair the pair, under this incarnation.
    case repairAgreed(incarnation: [UInt8])
    /// This side signed its Incarnation.
    case incarnationSigned(statement: [UInt8])
    /// The peer's Incarnation arrived: the pair is frozen no more.
    case repaired(statement: [UInt8])
    /// A witness's stamp of the slot of one of the dialogue's offers arrived.
    case stamped(DialogueID, stamp: [UInt8])
    /// The operator decided something that takes effect later.
    case ordered(OperatorOrder)
  }

  /// What an operator decides about a pair, other than to sign.
  public enum OperatorOrder: Hashable, Sendable {
    /// A MassCancel is to be signed as soon as a SYNC has been checked.
    case massCancel(NegotiationCode)
    /// The node need not wait for this pair before it signs again after LOST_SELF.
    case waived
  }

  /// The journal time.
  public let time: UnixNanoseconds
  /// What happened.
  public let content: Content

  init(_ content: Content, at time: UnixNanoseconds) {
    self.time = time
    self.content = content
  }

  /// The dialogue that the row belongs to; `nil` for rows about the session or a statement that cannot be read.
  public var dialogue: DialogueID? {
    switch content {
    case .sent(_, let bytes, _), .received(_, let bytes, _, _):
      guard let envelope = try? Envelope(bytes), let header = try? Header.decode(envelope.header) else { return nil }
      return header.dialogue
    case .ended(let dialogue, _), .stamped(let dialogue, _): return dialogue
    case .began, .peerBegan, .acknowledged, .frozen, .evidence, .repairAgreed, .incarnationSigned, .repaired, .ordered:
      return nil
    }
  }

  /// The statement that was sent or received, `nil` for other rows.
  public var statement: [UInt8]? {
    switch content {
    case .sent(_, let bytes, _), .received(_, let bytes, _, _): bytes
    case .began, .peerBegan, .acknowledged, .ended, .frozen, .evidence, .repairAgreed, .incarnationSigned, .repaired,
      .ordered, .stamped:
      nil
    }
  }

  /// The witness's stamp that arrived, `nil` for other rows.
  public var stamp: [UInt8]? {
    if case .stamped(_, let stamp) = content { stamp } else { nil }
  }
}

extension JournalRow {
  /// The row's bytes.
  public var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 64 + (statement?.count ?? 0))
    func begin(_ count: Int, _ type: UInt8) {
      writer.appendArray(count: count + 3)
      writer.append(1 as UInt8)
      writer.append(type)
      writer.append(time)
    }
    switch content {
    case .began(let incarnation, let local, let peer):
      begin(3, 1)
      writer.appendBinary(incarnation)
      writer.append(local)
      writer.append(peer)
    case .peerBegan(let incarnation):
      begin(1, 2)
      writer.appendBinary(incarnation)
    case .sent(let n, let statement, let order):
      begin(3, 3)
      writer.append(n)
      writer.appendBinary(statement)
      if let order {
        writer.appendArray(count: 2)
        writer.append(order.id)
        writer.append(order.content)
      } else {
        writer.appendNil()
      }
    case .received(let n, let statement, let code, let effect):
      begin(4, 4)
      writer.append(n)
      writer.appendBinary(statement)
      writer.append(code)
      writer.append(effect.rawValue)
    case .acknowledged(let n, let link):
      begin(2, 5)
      writer.append(n)
      writer.append(link)
    case .ended(let dialogue, let ending):
      begin(2, 6)
      writer.appendBinary(dialogue.bytes)
      writer.append(ending.rawValue)
    case .frozen(let code, let byPeer, let evidence):
      begin(3, 7)
      writer.append(code)
      writer.append(byPeer)
      writer.appendBinary(evidence)
    case .evidence(let statement):
      begin(1, 8)
      writer.appendBinary(statement)
    case .repairAgreed(let incarnation):
      begin(1, 12)
      writer.appendBinary(incarnation)
    case .incarnationSigned(let statement):
      begin(1, 13)
      writer.appendBinary(statement)
    case .repaired(let statement):
      begin(1, 14)
      writer.appendBinary(statement)
    case .ordered(.massCancel(let code)):
      begin(2, 15)
      writer.append(1 as UInt8)
      writer.append(code)
    case .ordered(.waived):
      begin(2, 15)
      writer.append(2 as UInt8)
      writer.append(NegotiationCode.none)
    case .stamped(let dialogue, let stamp):
      begin(2, 20)
      writer.appendBinary(dialogue.bytes)
      writer.appendBinary(stamp)
    }
    return writer.bytes
  }

  /// Whether the bytes are the row that ends a repair.
  public static func isRepair(_ bytes: [UInt8]) -> Bool {
    guard bytes.count > 3, bytes[2] == 14, case .repaired? = (try? JournalRow(bytes))?.content else { return false }
    return true
  }

  /// Reads a row.
  ///
  /// - Throws: ``NegotiationError/corruptRow(_:)``.
  public init(_ bytes: [UInt8]) throws(NegotiationError) {
    do throws(Fault) {
      self = try Self.decode(bytes)
    } catch {
      throw .corruptRow("a session row does not read: \(error)")
    }
  }

  private static func decode(_ bytes: [UInt8]) throws(Fault) -> JournalRow {
    let counts: [UInt8: Int] = [1: 6, 2: 4, 3: 6, 4: 7, 5: 5, 6: 5, 7: 6, 8: 4, 12: 4, 13: 4, 14: 4, 15: 5, 20: 5]
    // Array head, version and type are one byte each.
    guard bytes.count > 3, let count = counts[bytes[2]] else { throw Fault(.malformed, field: 2) }
    var reader = try FieldReader(bytes.rawSpan, count: count, base: 0)
    _ = try reader.int(1, in: 1...1)
    let type = try reader.uint(2)
    let time = try reader.time(3)
    let content = try content(type, &reader)
    try reader.finish()
    return JournalRow(content, at: time)
  }

  private static func content(_ type: Int64, _ reader: inout FieldReader) throws(Fault) -> Content {
    switch type {
    case 1:
      return .began(
        incarnation: try reader.bin(4, count: PairSession.incarnationByteCount),
        local: try reader.string(5, limit: Header.didByteLimit), peer: try reader.string(6, limit: Header.didByteLimit))
    case 2: return .peerBegan(incarnation: try reader.bin(4, count: PairSession.incarnationByteCount))
    case 3:
      let n = try reader.int(4, in: 1...Int64.max)
      let statement = try reader.bin(5, limit: Statement.byteLimit)
      if try reader.isNil(6) { return .sent(n: n, statement: statement, order: nil) }
      try reader.array(6, count: 2)
      let order = ClientOrder(
        id: try reader.string(6, limit: PairSession.clientOrderIDByteLimit), content: try reader.hash(6))
      return .sent(n: n, statement: statement, order: order)
    case 4:
      return .received(
        n: try reader.int(4, in: 1...Int64.max), statement: try reader.bin(5, limit: Frame.byteLimit),
        code: try reader.code(6), effect: try reader.choice(7, Effect.self))
    case 5: return .acknowledged(n: try reader.uint(4), link: try reader.hash(5))
    case 6: return .ended(try dialogue(&reader), try reader.choice(5, Ending.self))
    case 7:
      return .frozen(
        try reader.code(4), byPeer: try reader.bool(5), evidence: try reader.bin(6, limit: Frame.byteLimit))
    case 8: return .evidence(statement: try reader.bin(4, limit: Frame.byteLimit))
    case 12: return .repairAgreed(incarnation: try reader.bin(4, count: PairSession.incarnationByteCount))
    case 13: return .incarnationSigned(statement: try reader.bin(4, limit: Frame.byteLimit))
    case 14: return .repaired(statement: try reader.bin(4, limit: Frame.byteLimit))
    case 15:
      let isWaived = try reader.int(4, in: 1...2) == 2
      let code = try reader.code(5)
      return .ordered(isWaived ? .waived : .massCancel(code))
    case 20: return .stamped(try dialogue(&reader), stamp: try reader.bin(5, limit: Stamp.byteLimit))
    default: throw Fault(.malformed, field: 2)
    }
  }

  private static func dialogue(_ reader: inout FieldReader) throws(Fault) -> DialogueID {
    guard let dialogue = DialogueID(try reader.bin(4, count: DialogueID.byteCount)) else {
      throw Fault(.malformed, field: 4)
    }
    return dialogue
  }
}
