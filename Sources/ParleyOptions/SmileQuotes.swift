/// What is quoted for one expiry: volatilities over strikes.
public struct SmileQuotes: Hashable, Sendable {
  /// One strike.
  public struct Quote: Hashable, Sendable {
    /// ln(K/F).
    public let k: Double
    /// The strike.
    public let strike: Double
    /// Volatility of the best bid; `nil` without one, or where it is below what any volatility gives.
    public var bid: Double?
    /// Volatility of the best ask.
    public var ask: Double?
    /// Volatility of the exchange's mark.
    public var mark: Double?

    /// The middle of bid and ask; the mark where one is missing.
    public var middle: Double? {
      guard let bid, let ask else { return mark ?? ask ?? bid }
      return 0.5 * (bid + ask)
    }

    /// Whether a volatility lies between bid and ask; `nil` where one is missing.
    public func holds(_ volatility: Double) -> Bool? {
      guard let bid, let ask else { return nil }
      return volatility >= bid && volatility <= ask
    }
  }

  /// Years until expiry; positive.
  public let expiry: Double
  /// Forward price; positive.
  public let forward: Double
  /// By strike, ascending.
  public private(set) var quotes: [Quote] = []

  /// No quotes yet.
  ///
  /// - Throws: `OptionsError.expiry` or `.forward`.
  public init(expiry: Double, forward: Double) throws(OptionsError) {
    guard expiry.isFinite, expiry > 0 else { throw .expiry(expiry) }
    guard forward.isFinite, forward > 0 else { throw .forward(forward) }
    self.expiry = expiry
    self.forward = forward
  }

  /// Adds a strike.
  ///
  /// Volatilities that are not positive finite numbers count as absent.
  ///
  /// - Throws: `OptionsError.strike`.
  public mutating func add(strike: Double, bid: Double?, ask: Double?, mark: Double?)
    throws(OptionsError)
  {
    guard strike.isFinite, strike > 0 else { throw .strike(strike) }
    func sound(_ volatility: Double?) -> Double? {
      volatility.flatMap { $0 > 0 && $0.isFinite ? $0 : nil }
    }
    let k = -Moneyness.logRatio(forward: forward, strike: strike).high
    let quote = Quote(k: k, strike: strike, bid: sound(bid), ask: sound(ask), mark: sound(mark))
    let place = quotes.firstIndex { $0.strike > strike } ?? quotes.count
    quotes.insert(quote, at: place)
  }

  /// Adds a strike by the prices of its out-of-the-money option, undiscounted and in the units of the forward.
  ///
  /// A price outside its bounds counts as absent.
  ///
  /// - Throws: `OptionsError.strike`.
  public mutating func add(
    strike: Double, bidPrice: Double?, askPrice: Double?, mark: Double?
  ) throws(OptionsError) {
    func volatility(_ price: Double?) -> Double? {
      price.flatMap {
        try? Black76.impliedVolatility(
          strike < forward ? .put : .call, undiscountedPrice: $0, forward: forward, strike: strike,
          expiry: expiry)
      }
    }
    try add(strike: strike, bid: volatility(bidPrice), ask: volatility(askPrice), mark: mark)
  }
}

/// Where quotes alone, at the prices at which they could be taken, admit an arbitrage.
public enum QuoteFault: Hashable, Sendable {
  /// Buying the outer strikes and selling the middle one brings money, and can never cost any.
  case butterfly(expiry: Double, strikes: [Double], gain: Double)
  /// The higher strike's call can be sold for more than the lower one's costs.
  case vertical(expiry: Double, strikes: [Double], gain: Double)
  /// At this k the earlier expiry's bid has more total variance than the later one's ask.
  case calendar(k: Double, expiries: [Double])
}

extension SmileQuotes {
  /// The faults of quotes, by the prices of calls that their volatilities stand for (puts by parity).
  ///
  /// - Parameter smiles: The expiries.
  /// - Returns: Vertical spreads and butterflies of neighbouring strikes, and calendar spreads of neighbouring
  ///   expiries, that could be taken at a gain beyond rounding. Fees are not counted.
  public static func faults(in smiles: [SmileQuotes]) -> [QuoteFault] {
    let smiles = smiles.sorted { $0.expiry < $1.expiry }
    return smiles.flatMap(\.strikeFaults)
      + zip(smiles, smiles.dropFirst()).flatMap { calendarFaults($0, before: $1) }
  }

  private func call(_ quote: Quote, _ volatility: Double) -> Double {
    (try? Black76(
      .call, forward: forward, strike: quote.strike, expiry: expiry, volatility: volatility
    )
    .undiscountedPrice) ?? .nan
  }

  private var strikeFaults: [QuoteFault] {
    let least = 1e-9 * forward
    var faults: [QuoteFault] = []
    for (low, high) in zip(quotes, quotes.dropFirst()) {
      guard let ask = low.ask, let bid = high.bid else { continue }
      let gain = call(high, bid) - call(low, ask)
      if gain > least {
        faults.append(.vertical(expiry: expiry, strikes: [low.strike, high.strike], gain: gain))
      }
    }
    for place in quotes.indices.dropFirst().dropLast() {
      let (low, middle, high) = (quotes[place - 1], quotes[place], quotes[place + 1])
      guard let lowAsk = low.ask, let bid = middle.bid, let highAsk = high.ask else { continue }
      let share = (high.strike - middle.strike) / (high.strike - low.strike)
      let gain = call(middle, bid) - share * call(low, lowAsk) - (1 - share) * call(high, highAsk)
      if gain > least {
        faults.append(
          .butterfly(expiry: expiry, strikes: [low.strike, middle.strike, high.strike], gain: gain))
      }
    }
    return faults
  }

  private static func calendarFaults(_ early: SmileQuotes, before late: SmileQuotes) -> [QuoteFault] {
    let asks = late.quotes.compactMap { quote in
      quote.ask.map { (k: quote.k, w: $0 * $0 * late.expiry) }
    }
    return early.quotes.compactMap { quote in
      guard let bid = quote.bid, let right = asks.firstIndex(where: { $0.k >= quote.k }) else {
        return nil
      }
      var ask = asks[right].w
      if asks[right].k > quote.k {
        guard right > 0 else { return nil }
        // The chord lies at or above what a convex smile has between.
        let (from, to) = (asks[right - 1], asks[right])
        ask = from.w + (quote.k - from.k) / (to.k - from.k) * (to.w - from.w)
      }
      return bid * bid * early.expiry > ask * (1 + 1e-9)
        ? .calendar(k: quote.k, expiries: [early.expiry, late.expiry]) : nil
    }
  }
}
