/// What a statement says, by kind.
public enum Payload: Hashable, Sendable {
  /// Kind 1.
  case quoteRequest(QuoteRequest)
  /// Kind 2.
  case quote(Offer)
  /// Kind 3.
  case counter(Offer)
  /// Kind 4.
  case accept(Accept)
  /// Kind 5.
  case confirm(Confirm)
  /// Kind 6.
  case decline(Decline)
  /// Kind 7.
  case quoteCancel(QuoteCancel)
  /// Kind 8.
  case withdraw(Withdraw)
  /// Kind 9.
  case pass(Pass)
  /// Kind 10.
  case reject(Reject)
  /// Kind 11.
  case tradeAck(TradeAck)
  /// Kind 12.
  case incarnation(Incarnation)
  /// Kind 13.
  case massCancel(MassCancel)

  /// The longest payload of a Confirm, in bytes.
  public static let confirmByteLimit = 20_480
  /// The longest payload of any other kind, in bytes.
  public static let byteLimit = 8_192

  /// Which kind this is.
  public var kind: Kind {
    switch self {
    case .quoteRequest: .quoteRequest
    case .quote: .quote
    case .counter: .counter
    case .accept: .accept
    case .confirm: .confirm
    case .decline: .decline
    case .quoteCancel: .quoteCancel
    case .withdraw: .withdraw
    case .pass: .pass
    case .reject: .reject
    case .tradeAck: .tradeAck
    case .incarnation: .incarnation
    case .massCancel: .massCancel
    }
  }

  /// The payload's bytes.
  public var encoded: [UInt8] {
    switch self {
    case .quoteRequest(let value): value.encoded
    case .quote(let value), .counter(let value): value.encoded
    case .accept(let value): value.encoded
    case .confirm(let value): value.encoded
    case .decline(let value): value.encoded
    case .quoteCancel(let value): value.encoded
    case .withdraw(let value): value.encoded
    case .pass(let value): value.encoded
    case .reject(let value): value.encoded
    case .tradeAck(let value): value.encoded
    case .incarnation(let value): value.encoded
    case .massCancel(let value): value.encoded
    }
  }

  /// Reads the payload of one kind.
  ///
  /// - Throws: MALFORMED with the field, from 101.
  public static func decode(_ bytes: [UInt8], of kind: Kind) throws(Fault) -> Payload {
    switch kind {
    case .quoteRequest: .quoteRequest(try QuoteRequest.decode(bytes))
    case .quote: .quote(try Offer.decode(bytes))
    case .counter: .counter(try Offer.decode(bytes))
    case .accept: .accept(try Accept.decode(bytes))
    case .confirm: .confirm(try Confirm.decode(bytes))
    case .decline: .decline(try Decline.decode(bytes))
    case .quoteCancel: .quoteCancel(try QuoteCancel.decode(bytes))
    case .withdraw: .withdraw(try Withdraw.decode(bytes))
    case .pass: .pass(try Pass.decode(bytes))
    case .reject: .reject(try Reject.decode(bytes))
    case .tradeAck: .tradeAck(try TradeAck.decode(bytes))
    case .incarnation: .incarnation(try Incarnation.decode(bytes))
    case .massCancel: .massCancel(try MassCancel.decode(bytes))
    }
  }
}
