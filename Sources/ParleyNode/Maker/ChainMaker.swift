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

  /// A two-way price of a package.
  public struct Quote: Hashable, Sendable {
    /// The package, and what its price depends on.
    public let appraisal: PackageAppraisal
    /// What the maker pays; `nil` where a package that only buys is not even worth one tick.
    public let bid: Ticks?
    /// What the maker asks for.
    public let ask: Ticks
    /// The amount that was asked for.
    public let lots: Lots
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
  /// The ask is the package's fair price and the width of its widest leg above it, rounded up to a tick; the bid the same
  /// below, rounded down. A leg's width is what the spread in volatility changes its price by: one option is quoted by
  /// Black-76 at the mark volatility plus and minus the spread.
  ///
  /// - Parameters:
  ///   - legs: What is asked for, from outside.
  ///   - lots: How much.
  ///   - side: What the requester wants to do.
  ///   - committed: Contracts already traded or in doubt, in all options together.
  ///   - shift: Where the reference is moved to, for what the desk holds.
  ///   - now: The present time.
  /// - Returns: Both prices, whatever the side.
  /// - Throws: `MakerRefusal`: what `ChainPricer.appraise` throws; SPEC for another definition; POLICY for an option that
  ///   is not quoted, or a package too cheap to bid for when the requester wants to sell; LOTS or LIMIT for the amount.
  public func quote(
    _ legs: [Leg], lots: Lots, side: RequestSide, committed: ExactDecimal = .zero, shift: QuoteShift = .none,
    now: UnixNanoseconds
  ) throws(MakerRefusal) -> Quote {
    let appraisal = try pricer.appraise(legs, now: now).moved(shift)
    for leg in appraisal.legs where !policy.selection.includes(leg.instrument.name) {
      throw MakerRefusal(.policy, .instrument, "\(leg.instrument.name) is not quoted")
    }
    try check(lots, of: appraisal.package, committed: committed)
    guard let ask = appraisal.ticks(shiftedBy: policy.spread, .up),
      let bid = appraisal.ticks(shiftedBy: -policy.spread, .down)
    else { throw MakerRefusal(.policy, .instrument, "the package cannot be priced") }
    guard let least = appraisal.leastPrice else { return Quote(appraisal: appraisal, bid: bid, ask: ask, lots: lots) }
    guard bid >= least || side != .sell else {
      throw MakerRefusal(.policy, .side, "\(appraisal.package) is worth less than a tick; no bid")
    }
    return Quote(appraisal: appraisal, bid: bid >= least ? bid : nil, ask: max(ask, least), lots: lots)
  }

  /// Answers a counter.
  ///
  /// A buyer's counter is good at or above the tick nearest to the fair price and the width of the minimum edge above it,
  /// a seller's at or below that below it. Short of that the maker meets it half way, as far as the edge allows.
  ///
  /// - Parameters:
  ///   - legs: The package.
  ///   - side: What the other side would do.
  ///   - price: Its net price.
  ///   - lots: How much.
  ///   - committed: Contracts already traded or in doubt, in all options together.
  ///   - shift: Where the reference is moved to, for what the desk holds.
  ///   - now: The present time.
  /// - Returns: The answer. A pass carries what `quote` throws, or BAND for a price far from the fair one.
  public func respond(
    to legs: [Leg], side: Side, price: Ticks, lots: Lots, committed: ExactDecimal = .zero, shift: QuoteShift = .none,
    now: UnixNanoseconds
  ) -> Response {
    let quote: Quote
    do {
      // Two-way, since a seller's counter may round to a tick where the spread leaves no bid.
      quote = try self.quote(legs, lots: lots, side: .twoWay, committed: committed, shift: shift, now: now)
    } catch {
      return .pass(error)
    }
    let appraisal = quote.appraisal
    guard isInBand(price, appraisal) else { return .pass(MakerRefusal(.band, .price, "too far from my price")) }
    let least = appraisal.leastPrice ?? Ticks(.min)
    switch side {
    case .buy:
      guard let edge = appraisal.ticks(shiftedBy: leastEdge, .toNearestOrAwayFromZero) else {
        return .pass(MakerRefusal(.policy, .instrument, "the package cannot be priced"))
      }
      let limit = max(edge, least)
      if price >= limit { return .accept }
      return .requote(max(limit, middle(price, quote.ask, .up)))
    case .sell:
      guard let most = appraisal.ticks(shiftedBy: -leastEdge, .toNearestOrAwayFromZero), most >= least
      else { return .pass(MakerRefusal(.policy, .side, "\(appraisal.package) is worth less than a tick; no bid")) }
      if price <= most { return .accept }
      return .requote(max(least, min(most, middle(price, quote.bid ?? least, .down))))
    }
  }

  /// Prices of the legs that make a net price, near to their fair ones.
  ///
  /// - Parameters:
  ///   - legs: The package.
  ///   - net: What one of it is to cost.
  ///   - now: The present time.
  /// - Returns: One price a leg; `nil` when the package cannot be priced, or no prices make the net.
  public func prices(of legs: [Leg], making net: Ticks, now: UnixNanoseconds) -> [Ticks]? {
    (try? pricer.appraise(legs, now: now))?.prices(making: net)
  }

  /// A counter at the maker's own quote is good even under a policy whose edge is wider than its spread.
  private var leastEdge: Double { min(policy.minimumEdge, policy.spread) }

  /// The most lots of a range that the maker's amounts allow, so that it can quote a part of what is wanted.
  ///
  /// - Parameters:
  ///   - range: The least and the most that is wanted.
  ///   - legs: The package.
  ///   - committed: Contracts already traded or in doubt, in all options together.
  /// - Returns: The upper end where not even the least is allowed, or the package is none: `quote` says why.
  public func lots(of range: ClosedRange<Int64>, _ legs: [Leg], committed: ExactDecimal = .zero) -> Lots {
    guard let package = try? Package(listed: legs) else { return Lots(range.upperBound) }
    func isAllowed(_ lots: Int64) -> Bool { (try? check(Lots(lots), of: package, committed: committed)) != nil }
    if isAllowed(range.upperBound) || !isAllowed(range.lowerBound) { return Lots(range.upperBound) }
    // Allowed below, not allowed above.
    var (low, high) = (range.lowerBound, range.upperBound)
    while high - low > 1 {
      let middle = low + (high - low) / 2
      if isAllowed(middle) { low = middle } else { high = middle }
    }
    return Lots(low)
  }

  private func check(_ lots: Lots, of package: Package, committed: ExactDecimal) throws(MakerRefusal) {
    guard lots.rawValue > 0 else { throw MakerRefusal(.lots, .lots, "the amount must be positive") }
    guard let amount = try? package.contracts(lots), amount <= policy.maximumAmount else {
      throw MakerRefusal(.limit, .lots, "at most \(policy.maximumAmount) contracts a trade")
    }
    guard let total = try? amount.plus(committed), total <= policy.maximumTotalAmount else {
      throw MakerRefusal(.limit, .lots, "my limit of contracts in all is reached")
    }
  }

  private func isInBand(_ price: Ticks, _ appraisal: PackageAppraisal) -> Bool {
    guard let fair = appraisal.fairTicks, let gross = appraisal.grossTicks else { return false }
    let distance = abs(Double(price.rawValue) - Double(fair.rawValue))
    return distance <= max(policy.bandShare * Double(gross.rawValue), Double(policy.bandTicks))
  }

  /// The tick half way between two prices, both known to be in or near the band.
  private func middle(_ left: Ticks, _ right: Ticks, _ rule: FloatingPointRoundingRule) -> Ticks {
    Ticks(Int64((0.5 * (Double(left.rawValue) + Double(right.rawValue))).rounded(rule)))
  }
}
