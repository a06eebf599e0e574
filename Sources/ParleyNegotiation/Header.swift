public import ParleyWire

/// What a statement does.
public enum Kind: UInt8, Hashable, Sendable, CaseIterable {
  /// Asks for a price; opens the dialogue.
  case quoteRequest = 1
  /// The responder's offer.
  case quote = 2
  /// The requester's offer.
  case counter = 3
  /// Takes an offer; binds its signer until the verdict.
  case accept = 4
  /// The verdict that makes the trade.
  case confirm = 5
  /// The verdict that makes none.
  case decline = 6
  /// Takes one's own offer back.
  case quoteCancel = 7
  /// Asks for an Accept back that is being looked at.
  case withdraw = 8
  /// Ends the dialogue.
  case pass = 9
  /// Says what was wrong with a statement.
  case reject = 10
  /// Says that the Confirm has arrived.
  case tradeAck = 11
  /// Agrees to the repair of a frozen pair.
  case incarnation = 12
  /// Takes all of the signer's offers back.
  case massCancel = 13
}

/// The protected header of a statement: who says what kind of thing to whom, and where in the dialogue.
///
/// `[ver, kind, dialogue, from, from_key, to, seq, own, seen, created, expiry, doc_hash, ext]`
public struct Header: Hashable, Sendable {
  /// The longest encoded header, in bytes.
  public static let byteLimit = 1_024
  /// The longest DID, in bytes.
  public static let didByteLimit = 255
  /// The longest key fragment, in bytes.
  public static let fragmentByteLimit = 64
  /// The most extensions.
  public static let extensionLimit = 8

  /// A numbered addition that may be ignored unless it is critical.
  public struct Extension: Hashable, Sendable {
    /// The extension's number.
    public var id: UInt16
    /// Whether a receiver that does not know it must refuse the statement.
    public var isCritical: Bool
    /// Its value.
    public var value: [UInt8]

    /// Creates an extension.
    public init(id: UInt16, isCritical: Bool, value: [UInt8]) {
      self.id = id
      self.isCritical = isCritical
      self.value = value
    }
  }

  /// The kind's number; not every number is a ``Kind``.
  public var kind: UInt8
  /// The dialogue; ``DialogueID/pair`` when about the pair.
  public var dialogue: DialogueID
  /// The signer's DID.
  public var from: String
  /// The fragment of the signer's Ed25519 key in its document.
  public var fromKey: String
  /// The other side's DID.
  public var to: String
  /// Which of its sender's statements in the dialogue this is, from 1.
  public var seq: Int64
  /// The sender's previous statement in the dialogue, or ``Hash256/zero``.
  public var own: StatementID
  /// The last statement of the other side that the sender had processed, or ``Hash256/zero``.
  public var seen: StatementID
  /// The sender's journal time.
  public var created: UnixNanoseconds
  /// The end of a request or offer, by the sender's clock; 0 for other kinds.
  public var expiry: UnixNanoseconds
  /// The hash of the signer's DID document.
  public var docHash: Hash256
  /// Extensions, ascending by id.
  public var extensions: [Extension]

  /// The header's bytes.
  public var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 384)
    writer.appendArray(count: 13)
    writer.append(1 as UInt8)
    writer.append(kind)
    writer.appendBinary(dialogue.bytes)
    writer.append(from)
    writer.append(fromKey)
    writer.append(to)
    writer.append(seq)
    writer.append(own)
    writer.append(seen)
    writer.append(created)
    writer.append(expiry)
    writer.append(docHash)
    writer.appendArray(count: extensions.count)
    for each in extensions {
      writer.appendArray(count: 3)
      writer.append(UInt64(each.id))
      writer.append(each.isCritical)
      writer.appendBinary(each.value)
    }
    return writer.bytes
  }

  /// Reads a header; it does not look at what the kind demands.
  ///
  /// - Throws: MALFORMED with the field, or VERSION.
  public static func decode(_ bytes: [UInt8]) throws(Fault) -> Header {
    let span = bytes.rawSpan
    if let version = version(span), version != 1 { throw Fault(.version, field: 1) }
    var reader = try FieldReader(span, count: 13, base: 0)
    _ = try reader.int(1, in: 1...1)
    let kind = UInt8(truncatingIfNeeded: try reader.int(2, in: 0...255))
    guard let dialogue = DialogueID(try reader.bin(3, count: DialogueID.byteCount)) else {
      throw Fault(.malformed, field: 3)
    }
    let header = Header(
      kind: kind, dialogue: dialogue, from: try reader.string(4, limit: didByteLimit),
      fromKey: try reader.string(5, limit: fragmentByteLimit), to: try reader.string(6, limit: didByteLimit),
      seq: try reader.int(7, in: 1...Int64.max), own: try reader.hash(8), seen: try reader.hash(9),
      created: try reader.time(10), expiry: try reader.time(11), docHash: try reader.hash(12),
      extensions: try extensions(&reader))
    try reader.finish()
    return header
  }

  /// The first element, where the header is an array that begins with an integer.
  private static func version(_ bytes: RawSpan) -> Int64? {
    var reader = MessagePackReader(bytes)
    do throws(MessagePackError) {
      guard try reader.readArrayHeader() > 0 else { return nil }
      return try reader.readInt64()
    } catch { return nil }
  }

  private static func extensions(_ reader: inout FieldReader) throws(Fault) -> [Extension] {
    var found: [Extension] = []
    for _ in 0..<(try reader.array(13, in: 0...extensionLimit)) {
      try reader.array(13, count: 3)
      let id = UInt16(truncatingIfNeeded: try reader.int(13, in: 0...0xFFFF))
      if let last = found.last, last.id >= id { throw Fault(.malformed, field: 13, "ids must ascend") }
      found.append(
        Extension(id: id, isCritical: try reader.bool(13), value: try reader.bin(13, limit: byteLimit)))
    }
    return found
  }
}
