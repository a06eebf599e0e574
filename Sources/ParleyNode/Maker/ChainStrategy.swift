public import ParleyMarket
public import ParleyNegotiation
public import ParleyWire

/// The strategy built in: quotes around a chain, wider by vega, and leans against what is held.
public struct ChainStrategy: QuotingStrategy {
  /// What a package is worth, and how far around that is quoted.
  public let maker: ChainMaker
  /// How what is held moves that.
  public let skew: QuoteSkew

  /// Creates a strategy.
  public init(maker: ChainMaker, skew: QuoteSkew = QuoteSkew()) {
    self.maker = maker
    self.skew = skew
  }

  /// The chain, its age, and a smile.
  public var summary: [String] {
    let chain = maker.pricer.chain
    var lines = [
      "quoting \(chain.summaries.count) options as of \(chain.asOf.iso8601), "
        + "mark IV ± \(maker.policy.spread) points, at most \(maker.policy.maximumAmount) a trade"
    ]
    if !skew.isNone {
      lines.append(
        "skewed by \(skew.pointsPerThousandVega) points per 1,000 vega, \(skew.basisPointsPerDelta) bp per delta")
    }
    let days = chain.expiryDays
    if let day = days.dropFirst(days.count / 2).first {
      lines += VolatilitySmileChart().lines(chain, expiring: day)
    }
    return lines
  }

  /// Answers as ``ChainMaker`` does around the moved reference, for as much as its amounts allow.
  public func decide(_ occasion: QuoteOccasion) -> QuoteDecision {
    let shift = occasion.inventory.map(skew.shift(for:)) ?? .none
    let most = maker.lots(of: occasion.lots, occasion.legs, committed: occasion.committed)
    guard let counter = occasion.counter else {
      do throws(MakerRefusal) {
        let quote = try maker.quote(
          occasion.legs, lots: most, side: occasion.side, committed: occasion.committed, shift: shift, now: occasion.now
        )
        return .quote(QuoteTerms(bid: quote.bid, ask: quote.ask, lots: most.rawValue))
      } catch {
        return .pass(error)
      }
    }
    let response = maker.respond(
      to: occasion.legs, side: counter.side, price: counter.price, lots: counter.lots, committed: occasion.committed,
      shift: shift, now: occasion.now)
    switch response {
    case .accept: return .accept
    case .requote(let net):
      // What the other side would buy, this side sells, and the reverse.
      return .quote(
        QuoteTerms(
          bid: counter.side == .sell ? net : nil, ask: counter.side == .buy ? net : nil, lots: most.rawValue))
    case .pass(let refusal): return .pass(refusal)
    }
  }

  /// Prices near to the fair ones.
  public func prices(of legs: [Leg], making net: Ticks, now: UnixNanoseconds) -> [Ticks]? {
    maker.prices(of: legs, making: net, now: now)
  }
}
