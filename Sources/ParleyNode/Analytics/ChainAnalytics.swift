public import ParleyMarket
public import ParleyOptions

/// What `ParleyOptions` makes of an option chain, at the chain's own time.
public struct ChainAnalytics: Sendable {
  /// The chain.
  public let chain: OptionChain

  /// Looks at a chain.
  public init(chain: OptionChain) { self.chain = chain }

  /// One strike of one expiry, the call and the put of it.
  public struct Row: Hashable, Sendable {
    /// The strike.
    public let strike: Double
    /// The volatility of the marks, 0.5 for 50 %.
    public let volatility: Double?
    /// The call's row of the chain.
    public var call: OptionSummary?
    /// The put's row of the chain.
    public var put: OptionSummary?
    /// The Greeks at the mark volatility, in Deribit's units.
    public var callGreeks: DeribitGreeks?
    /// The Greeks of the put.
    public var putGreeks: DeribitGreeks?
  }

  /// Years from the chain's time to an expiry.
  public func years(to day: CivilDate) -> Double { OptionChain.years(from: chain.asOf, to: day.expiry) }

  /// The forward of an expiry: its future's price, or by parity where the chain names the index.
  public func forward(expiring day: CivilDate) -> Double? {
    chain.summaries(expiring: day).first.flatMap(chain.forward(of:))
  }

  /// The strikes of an expiry, ascending, with Greeks where there are a forward and a mark volatility.
  public func rows(expiring day: CivilDate) -> [Row] {
    let years = years(to: day)
    var rows: [Row] = []
    for summary in chain.summaries(expiring: day) {
      let strike = summary.strike.doubleValue
      if rows.last?.strike != strike {
        rows.append(Row(strike: strike, volatility: summary.markIV.map { $0 / 100 }))
      }
      let greeks = summary.markIV.flatMap { points -> DeribitGreeks? in
        guard let forward = chain.forward(of: summary) else { return nil }
        let option = try? Black76(
          summary.type == .call ? .call : .put, forward: forward, strike: strike, expiry: years,
          volatility: points / 100)
        return option.flatMap { DeribitGreeks($0) }
      }
      if summary.type == .call {
        (rows[rows.count - 1].call, rows[rows.count - 1].callGreeks) = (summary, greeks)
      } else {
        (rows[rows.count - 1].put, rows[rows.count - 1].putGreeks) = (summary, greeks)
      }
    }
    return rows
  }

  /// The quotes of an expiry's out-of-the-money options as volatilities.
  ///
  /// - Parameter day: One of the chain's expiry days.
  /// - Returns: The quotes; `nil` without a forward, or once the expiry has passed.
  public func smile(expiring day: CivilDate) -> SmileQuotes? {
    guard let forward = forward(expiring: day), var smile = try? SmileQuotes(expiry: years(to: day), forward: forward)
    else { return nil }
    for summary in chain.summaries(expiring: day) {
      let strike = summary.strike.doubleValue
      guard (summary.type == .put) == (strike < forward) else { continue }
      // Prices of inverse options are in units of the underlying.
      try? smile.add(
        strike: strike, bidPrice: summary.bidPrice.map { $0 * forward },
        askPrice: summary.askPrice.map { $0 * forward },
        mark: summary.markIV.map { $0 / 100 })
    }
    return smile
  }

  /// The quotes of every expiry with a forward, by expiry.
  public var smiles: [(day: CivilDate, quotes: SmileQuotes)] {
    chain.expiryDays.compactMap { day in smile(expiring: day).map { (day, $0) } }
  }
}
