/// Something that binds its signer, or may come to, before it is signed.
public struct Commitment: Hashable, Sendable {
  /// What signing it would mean.
  public enum Act: Hashable, Sendable {
    /// A QuoteRequest.
    case request
    /// A Quote or a Counter.
    case offer(OfferMode)
    /// An Accept.
    case accept
    /// The Confirm that ends a look.
    case confirm
  }

  /// What is to be signed.
  public let act: Act
  /// In which dialogue.
  public let dialogue: DialogueID
  /// What is dealt in, as seen by who buys it.
  public let legs: [Leg]
  /// At what this side would buy it; without prices in a request.
  public let buys: OfferSide?
  /// At what this side would sell it.
  public let sells: OfferSide?
}

/// Why the owner's own limits do not let something be signed.
public struct Veto: Error, Hashable, Sendable {
  /// What the other side is told, where it waits for an answer.
  public let fault: Fault
  /// The number of the limit, as a Decline carries it.
  public let limit: UInt16
  /// For the owner: which limit, what it would have come to, and where the limit lies.
  public let detail: String

  /// Creates a veto.
  public init(_ fault: Fault, limit: UInt16, detail: String) {
    self.fault = fault
    self.limit = limit
    self.detail = detail
  }
}

extension Commitment {
  /// A request: whoever asks to buy may come to buy the most that was asked for.
  static func request(_ request: QuoteRequest, _ id: DialogueID) -> Commitment {
    let side = OfferSide(prices: [], lotsMin: request.lotsMin, lotsMax: request.lotsMax)
    return Commitment(
      act: .request, dialogue: id, legs: request.legs, buys: request.side == .sell ? nil : side,
      sells: request.side == .buy ? nil : side)
  }

  /// An offer of this side's: its bid is what it buys at.
  static func offer(_ offer: Offer, _ dialogue: Dialogue) -> Commitment {
    Commitment(
      act: .offer(offer.mode), dialogue: dialogue.id, legs: dialogue.request.legs, buys: offer.bid, sells: offer.ask)
  }

  /// An Accept of the peer's offer: who buys takes the ask.
  static func accept(_ offer: Offer, _ side: Side, _ lots: Int64, _ dialogue: Dialogue) -> Commitment {
    var taken = offer.side(takenBy: side)
    taken?.lotsMin = lots
    taken?.lotsMax = lots
    return Commitment(
      act: .accept, dialogue: dialogue.id, legs: dialogue.request.legs, buys: side == .buy ? taken : nil,
      sells: side == .sell ? taken : nil)
  }
}

extension PairSession {
  /// Asks the owner's limits, the last thing before something is signed: what they let through is signed.
  func checkVet(_ commitment: Commitment) throws(NegotiationError) {
    if let veto = vet?(commitment) { throw .vetoed(veto) }
  }
}
