public import ParleyWire

/// Takes an offer, and binds its signer until the offer's owner has decided.
public struct Accept: Hashable, Sendable {
  /// The longest terms, in bytes.
  public static let termsByteLimit = 6_144

  /// The offer's id.
  public var offer: StatementID
  /// What the acceptor does: who buys takes the ask.
  public var side: Side
  /// How many lots.
  public var lots: Int64
  /// The bytes of ``Terms``.
  public var terms: [UInt8]
  /// Where the offer names a witness, the write of its slot.
  public var slotWrite: [UInt8]?
}

/// The verdict that makes the trade: one statement with both signatures.
public struct Confirm: Hashable, Sendable {
  /// The whole Accept as it arrived.
  public var acceptStatement: [UInt8]
  /// ``Terms/digest(of:)`` of its terms.
  public var termsDigest: Hash256
  /// When the Accept arrived, by the owner's journal.
  public var received: UnixNanoseconds
  /// When the owner decided, by its journal.
  public var decided: UnixNanoseconds
}

/// The verdict that makes no trade.
public struct Decline: Hashable, Sendable {
  /// The Accept's id.
  public var accept: StatementID
  /// Why.
  public var code: NegotiationCode
  /// Which limit stood in the way; 0 for none.
  public var limit: UInt16
  /// When the Accept arrived, by the owner's journal.
  public var received: UnixNanoseconds
  /// When the owner decided, by its journal.
  public var decided: UnixNanoseconds
}

/// Takes one's own live offer back.
public struct QuoteCancel: Hashable, Sendable {
  /// The offer's id.
  public var offer: StatementID
  /// Why; ``NegotiationCode/none`` when not said.
  public var code: NegotiationCode
}

/// Asks for one's own Accept back while its owner looks at it; the owner still decides.
public struct Withdraw: Hashable, Sendable {
  /// The Accept's id.
  public var accept: StatementID
  /// Why; ``NegotiationCode/none`` when not said.
  public var code: NegotiationCode
}

/// Ends the dialogue.
public struct Pass: Hashable, Sendable {
  /// Why; ``NegotiationCode/none`` when not said.
  public var code: NegotiationCode
}

/// Says what was wrong with a statement; it is never answered, and settles no Accept.
public struct Reject: Hashable, Sendable {
  /// The longest text, in bytes.
  public static let textByteLimit = 128

  /// The statement's id.
  public var target: StatementID
  /// What was wrong.
  public var code: NegotiationCode
  /// Where: see ``Fault/field``.
  public var field: UInt8
  /// For a person.
  public var text: String
}

/// Says that the Confirm has arrived.
public struct TradeAck: Hashable, Sendable {
  /// The Confirm's id.
  public var confirm: StatementID
}

/// Takes back all of its signer's offers that are not held, in every dialogue of the pair.
public struct MassCancel: Hashable, Sendable {
  /// Why; ``NegotiationCode/none`` when not said.
  public var code: NegotiationCode
}

extension Accept {
  var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: terms.count + 64)
    writer.appendArray(count: 6)
    writer.append(offer)
    writer.append(side.rawValue)
    writer.append(lots)
    writer.appendBinary(terms)
    writer.appendNil()
    if let slotWrite { writer.appendBinary(slotWrite) } else { writer.appendNil() }
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(Fault) -> Accept {
    var reader = try FieldReader(bytes.rawSpan, count: 6, base: 100)
    var accept = Accept(
      offer: try reader.hash(1), side: try reader.choice(2, Side.self),
      lots: try reader.int(3, in: 1...QuoteRequest.lotsLimit), terms: try reader.bin(4, limit: termsByteLimit))
    try reader.null(5)
    if !(try reader.isNil(6)) { accept.slotWrite = try reader.bin(6, count: Slot.writeByteCount) }
    try reader.finish()
    return accept
  }
}

extension Confirm {
  var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: acceptStatement.count + 64)
    writer.appendArray(count: 4)
    writer.appendBinary(acceptStatement)
    writer.append(termsDigest)
    writer.append(received)
    writer.append(decided)
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(Fault) -> Confirm {
    var reader = try FieldReader(bytes.rawSpan, count: 4, base: 100)
    let confirm = Confirm(
      acceptStatement: try reader.bin(1, limit: Statement.byteLimit(of: .accept)), termsDigest: try reader.hash(2),
      received: try reader.time(3), decided: try reader.time(4))
    try reader.finish()
    guard confirm.received <= confirm.decided else { throw Fault(.malformed, field: 104) }
    return confirm
  }
}

extension Decline {
  var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 64)
    writer.appendArray(count: 5)
    writer.append(accept)
    writer.append(code)
    writer.append(UInt64(limit))
    writer.append(received)
    writer.append(decided)
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(Fault) -> Decline {
    var reader = try FieldReader(bytes.rawSpan, count: 5, base: 100)
    let decline = Decline(
      accept: try reader.hash(1), code: try reader.code(2),
      limit: UInt16(truncatingIfNeeded: try reader.int(3, in: 0...0xFFFF)), received: try reader.time(4),
      decided: try reader.time(5))
    try reader.finish()
    guard decline.received <= decline.decided else { throw Fault(.malformed, field: 105) }
    return decline
  }
}

extension QuoteCancel {
  var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 40)
    writer.appendArray(count: 2)
    writer.append(offer)
    writer.append(code)
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(Fault) -> QuoteCancel {
    var reader = try FieldReader(bytes.rawSpan, count: 2, base: 100)
    let cancel = QuoteCancel(offer: try reader.hash(1), code: try reader.code(2))
    try reader.finish()
    return cancel
  }
}

extension Withdraw {
  var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 40)
    writer.appendArray(count: 2)
    writer.append(accept)
    writer.append(code)
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(Fault) -> Withdraw {
    var reader = try FieldReader(bytes.rawSpan, count: 2, base: 100)
    let withdraw = Withdraw(accept: try reader.hash(1), code: try reader.code(2))
    try reader.finish()
    return withdraw
  }
}

extension Pass {
  var encoded: [UInt8] {
    var writer = MessagePackWriter()
    writer.appendArray(count: 1)
    writer.append(code)
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(Fault) -> Pass {
    var reader = try FieldReader(bytes.rawSpan, count: 1, base: 100)
    let pass = Pass(code: try reader.code(1))
    try reader.finish()
    return pass
  }
}

extension MassCancel {
  var encoded: [UInt8] { Pass(code: code).encoded }

  static func decode(_ bytes: [UInt8]) throws(Fault) -> MassCancel { MassCancel(code: try Pass.decode(bytes).code) }
}

extension Reject {
  init(target: StatementID, _ fault: Fault) {
    self.init(target: target, code: fault.code, field: fault.field, text: fault.text)
  }

  var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 192)
    writer.appendArray(count: 4)
    writer.append(target)
    writer.append(code)
    writer.append(field)
    writer.append(text)
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(Fault) -> Reject {
    var reader = try FieldReader(bytes.rawSpan, count: 4, base: 100)
    let reject = Reject(
      target: try reader.hash(1), code: try reader.code(2),
      field: UInt8(truncatingIfNeeded: try reader.int(3, in: 0...255)),
      text: try reader.string(4, limit: textByteLimit, minimum: 0))
    try reader.finish()
    return reject
  }
}

extension TradeAck {
  var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 40)
    writer.appendArray(count: 1)
    writer.append(confirm)
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(Fault) -> TradeAck {
    var reader = try FieldReader(bytes.rawSpan, count: 1, base: 100)
    let ack = TradeAck(confirm: try reader.hash(1))
    try reader.finish()
    return ack
  }
}
