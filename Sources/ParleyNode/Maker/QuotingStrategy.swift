public import ParleyMarket
public import ParleyNegotiation
public import ParleyWire

/// How a maker answers.
///
/// ``ChainStrategy`` is the one built in; docs/strategy.md says how to put another in its place.
///
/// What a strategy decides is held against the desk's limits like everything else. The calls come on the node's loop: a strategy
/// must not wait in them.
public protocol QuotingStrategy: Sendable {
  /// What it quotes, for the operator: some lines.
  var summary: [String] { get }
  /// Answers a request, or a counter to a quote.
  func decide(_ occasion: QuoteOccasion) -> QuoteDecision
  /// Prices of the legs that make a net price.
  ///
  /// - Returns: One a leg; `nil` where there are none, so that nothing is quoted.
  func prices(of legs: [Leg], making net: Ticks, now: UnixNanoseconds) -> [Ticks]?
}

/// What a strategy is asked about.
public struct QuoteOccasion: Hashable, Sendable {
  /// A counter to the maker's quote.
  public struct Counter: Hashable, Sendable {
    /// Its id.
    public let offer: StatementID
    /// What the other side would do.
    public let side: Side
    /// Its net price.
    public let price: Ticks
    /// How much.
    public let lots: Lots
  }

  /// In which dialogue.
  public let dialogue: DialogueID
  /// Whose request it is: a DID.
  public let peer: String
  /// What is dealt in, as seen by who buys it.
  public let legs: [Leg]
  /// What the requester wants to do.
  public let side: RequestSide
  /// The least and the most lots that it wants.
  public let lots: ClosedRange<Int64>
  /// The counter to answer; `nil` to answer the request.
  public let counter: Counter?
  /// Contracts already traded or in doubt, in all options together.
  public let committed: ExactDecimal
  /// What is held in the underlying; `nil` where a mark is missing.
  public let inventory: Inventory?
  /// The present time.
  public let now: UnixNanoseconds
}

/// What a strategy answers.
public enum QuoteDecision: Hashable, Sendable {
  /// A firm quote, in place of the live one if there is one.
  case quote(QuoteTerms)
  /// The counter is good: trade at its price. No answer to a request.
  case accept
  /// No, and why.
  case pass(MakerRefusal)
}

/// A quote of a package.
///
/// A side that was not asked for is left out.
public struct QuoteTerms: Hashable, Sendable {
  /// The net price at which the maker buys.
  public var bid: Ticks?
  /// The net price at which it sells.
  public var ask: Ticks?
  /// The most lots; `nil` for all that is wanted.
  public var lots: Int64?
  /// For how long it binds, in nanoseconds, the blind time not counted; `nil` for the node's own.
  public var life: Int64?

  /// Describes a quote.
  public init(bid: Ticks?, ask: Ticks?, lots: Int64? = nil, life: Int64? = nil) {
    self.bid = bid
    self.ask = ask
    self.lots = lots
    self.life = life
  }
}
