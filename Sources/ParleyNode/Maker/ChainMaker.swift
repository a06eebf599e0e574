public import ParleyMarket
public import ParleyNegotiation
public import ParleyWire

/// A market maker's judgement: what to quote, and what to answer to a counter.
///
/// No state, no clock, no input or output.
public struct ChainMaker: Hashable, Sendable {
  /// Where prices come from.
  public let pricer: ChainPricer
  /// What the maker is willing to do.
  public let policy: MakerPolicy

  /// Creates a maker.
  public init(chain: OptionChain, policy: MakerPolicy = MakerPolicy()) {
    pricer = ChainPricer(chain: chain, valuation: policy.valuation, maximumChainAge: policy.maximumChainAge)
    self.policy = policy
  }

  /// A two-way price.
  public struct Quote: Hashable, Sendable {
    /// The option, its forward and its Greeks.
    public let appraisal: ChainPricer.Appraisal
    /// What the maker pays; `nil` where that is not even one tick.
    public let bid: Ticks?
    /// What the maker asks for.
    public let ask: Ticks
    /// The amount that was asked for.
    public let lots: Lots

    /// Volatility of the bid, in points; `nil` without a bid, or for one below intrinsic value.
    public var bidIV: Double? { bid.flatMap { appraisal.volatility(of: $0) } }
    /// Volatility of the ask, in points.
    public var askIV: Double? { appraisal.volatility(of: ask) }
  }

  /// An answer to a counter.
  public enum Response: Hashable, Sendable {
    /// The counter is good: trade at its price.
    case accept
    /// Not at that price, but at this one.
    case requote(Ticks)
    /// The talk is over.
    case pass(MakerRefusal)
  }

  /// Answers a request for a quote.
  ///
  /// The ask is Black-76 at the mark volatility plus the spread, rounded up to a tick; the bid at the mark volatility
  /// minus the spread, rounded down.
  ///
  /// - Parameters:
  ///   - instrument: The option's name, from outside.
  ///   - specHash: The hash of its definition as the requester has it; `nil` to let that pass.
  ///   - lots: How much.
  ///   - side: What the requester wants to do.
  ///   - committed: Contracts already traded or in doubt, in all options together.
  ///   - now: The present time.
  /// - Returns: Both prices, whatever the side.
  /// - Throws: `MakerRefusal`: what `ChainPricer.appraise` throws; SPEC for another definition; POLICY for an option that
  ///   is not quoted, or one too cheap to bid for when the requester wants to sell; LOTS or LIMIT for the amount.
  public func quote(
    _ instrument: String, specHash: [UInt8]? = nil, lots: Lots, side: RequestSide, committed: ExactDecimal = .zero,
    now: UnixNanoseconds
  ) throws(MakerRefusal) -> Quote {
    let appraisal = try pricer.appraise(instrument, now: now)
    if let specHash, specHash != appraisal.instrument.specHash {
      throw MakerRefusal(.spec, .instrument, "\(appraisal.instrument.name) is defined otherwise here")
    }
    guard policy.selection.includes(appraisal.instrument.name) else {
      throw MakerRefusal(.policy, .instrument, "\(appraisal.instrument.name) is not quoted")
    }
    try check(lots, of: appraisal.instrument, committed: committed)
    guard let ask = ticks(appraisal, points: policy.spread, .up),
      let bid = ticks(appraisal, points: -policy.spread, .down)
    else { throw MakerRefusal(.policy, .instrument, "\(appraisal.instrument.name) cannot be priced") }
    guard bid >= Self.oneTick || side != .sell else {
      throw MakerRefusal(.policy, .side, "\(appraisal.instrument.name) is worth less than a tick; no bid")
    }
    return Quote(
      appraisal: appraisal, bid: bid >= Self.oneTick ? bid : nil, ask: max(ask, Self.oneTick), lots: lots)
  }

  /// Answers a counter.
  ///
  /// A buyer's counter is good at or above the tick nearest to Black-76 at the mark volatility plus the minimum edge, a
  /// seller's at or below that at the mark volatility minus it. Short of that the maker meets it half way, as far as
  /// the edge allows.
  ///
  /// - Parameters:
  ///   - instrument: The option's name.
  ///   - side: What the other side would do.
  ///   - price: Its price.
  ///   - lots: How much.
  ///   - committed: Contracts already traded or in doubt, in all options together.
  ///   - now: The present time.
  /// - Returns: The answer. A pass carries what `quote` throws, or BAND for a price far from the fair one.
  public func respond(
    to instrument: String, side: Side, price: Ticks, lots: Lots, committed: ExactDecimal = .zero, now: UnixNanoseconds
  ) -> Response {
    let quote: Quote
    do {
      // Two-way, since a seller's counter may round to a tick where the spread leaves no bid.
      quote = try self.quote(instrument, lots: lots, side: .twoWay, committed: committed, now: now)
    } catch {
      return .pass(error)
    }
    let appraisal = quote.appraisal
    guard let fair = appraisal.fairTicks, isInBand(price, fair) else {
      return .pass(MakerRefusal(.band, .price, "too far from my price"))
    }
    switch side {
    case .buy:
      guard let least = ticks(appraisal, points: leastEdge, .toNearestOrAwayFromZero) else {
        return .pass(MakerRefusal(.policy, .instrument, "\(instrument) cannot be priced"))
      }
      let limit = max(least, Self.oneTick)
      if price >= limit { return .accept }
      return .requote(max(limit, middle(price, quote.ask, .up)))
    case .sell:
      guard let most = ticks(appraisal, points: -leastEdge, .toNearestOrAwayFromZero), most >= Self.oneTick
      else { return .pass(MakerRefusal(.policy, .side, "\(instrument) is worth less than a tick; no bid")) }
      if price <= most { return .accept }
      return .requote(max(Self.oneTick, min(most, middle(price, quote.bid ?? Self.oneTick, .down))))
    }
  }

  private static let oneTick = Ticks(1)

  /// A counter at the maker's own quote is good even under a policy whose edge is wider than its spread.
  private var leastEdge: Double { min(policy.minimumEdge, policy.spread) }

  private func check(_ lots: Lots, of instrument: Instrument, committed: ExactDecimal) throws(MakerRefusal) {
    guard lots.rawValue > 0 else { throw MakerRefusal(.lots, .lots, "the amount must be positive") }
    guard let amount = try? instrument.amount(lots), amount <= policy.maximumAmount else {
      throw MakerRefusal(.limit, .lots, "at most \(policy.maximumAmount) contracts a trade")
    }
    guard let total = try? amount.plus(committed), total <= policy.maximumTotalAmount else {
      throw MakerRefusal(.limit, .lots, "my limit of contracts in all is reached")
    }
  }

  private func ticks(
    _ appraisal: ChainPricer.Appraisal, points: Double, _ rule: FloatingPointRoundingRule
  ) -> Ticks? {
    appraisal.price(shiftedBy: points).flatMap { appraisal.instrument.ticks($0, rounded: rule) }
  }

  private func isInBand(_ price: Ticks, _ fair: Ticks) -> Bool {
    let distance = abs(Double(price.rawValue) - Double(fair.rawValue))
    return distance <= max(policy.bandShare * Double(fair.rawValue), Double(policy.bandTicks))
  }

  /// The tick half way between two prices, both known to be in or near the band.
  private func middle(_ left: Ticks, _ right: Ticks, _ rule: FloatingPointRoundingRule) -> Ticks {
    Ticks(Int64((0.5 * (Double(left.rawValue) + Double(right.rawValue))).rounded(rule)))
  }
}

extension ChainPricer.Appraisal {
  /// The volatility at which a price in ticks would be fair, in points; `nil` for a price that no volatility gives.
  public func volatility(of price: Ticks) -> Double? {
    (try? instrument.price(price)).flatMap { volatility(of: $0.doubleValue) }
  }
}
