/// Many options as columns of numbers: what a chain, a portfolio or a scenario is priced as.
///
/// Rows are checked when they come in, so that pricing them cannot fail.
public struct OptionColumns: Hashable, Sendable {
  /// Forward prices.
  public private(set) var forwards: [Double] = []
  /// Strikes.
  public private(set) var strikes: [Double] = []
  /// Years until expiry.
  public private(set) var expiries: [Double] = []
  /// Volatilities a year.
  public private(set) var volatilities: [Double] = []
  /// Continuously compounded rates a year.
  public private(set) var rates: [Double] = []
  /// +1 for a call, -1 for a put.
  private(set) var signs: [Double] = []

  /// No options, with room for some.
  public init(capacity: Int = 0) {
    forwards.reserveCapacity(capacity)
    strikes.reserveCapacity(capacity)
    expiries.reserveCapacity(capacity)
    volatilities.reserveCapacity(capacity)
    rates.reserveCapacity(capacity)
    signs.reserveCapacity(capacity)
  }

  /// The columns of some options.
  public init(_ options: some Collection<Black76>) {
    self.init(capacity: options.count)
    for option in options { append(option) }
  }

  /// How many options.
  public var count: Int { strikes.count }

  /// Adds an option at the end.
  public mutating func append(_ option: Black76) {
    forwards.append(option.forward)
    strikes.append(option.strike)
    expiries.append(option.expiry)
    volatilities.append(option.volatility)
    rates.append(option.rate)
    signs.append(option.right.sign)
  }

  /// One option.
  ///
  /// - Precondition: `index` is in `0..<count`.
  public subscript(index: Int) -> Black76 {
    Black76(
      unchecked: signs[index] > 0 ? .call : .put, forward: forwards[index], strike: strikes[index],
      expiry: expiries[index], volatility: volatilities[index], rate: rates[index])
  }

  /// Gives an option another volatility, as a mark that has moved does.
  ///
  /// - Precondition: `index` is in `0..<count`.
  /// - Throws: `OptionsError.volatility` for one that is negative or not finite; nothing has changed then.
  public mutating func setVolatility(_ volatility: Double, at index: Int) throws(OptionsError) {
    guard volatility.isFinite, volatility >= 0 else { throw .volatility(volatility) }
    volatilities[index] = volatility
  }

  /// Moves every option: to other forwards and volatilities by a factor, and nearer to its expiry, at most up to it.
  mutating func move(forwards: Double, volatilities: Double, years: Double) {
    for index in 0..<count {
      self.forwards[index] *= forwards
      self.volatilities[index] *= volatilities
      expiries[index] = max(0, expiries[index] - years)
    }
  }

  /// The volatilities at which the options would have some prices; their own are not looked at.
  ///
  /// - Parameter undiscountedPrices: The prices without discounting, one an option.
  /// - Returns: For each option its volatility, or why there is none: see `Black76.impliedVolatility`.
  /// - Precondition: As many prices as options.
  public func impliedVolatilities(undiscountedPrices: [Double]) -> [Result<Double, OptionsError>] {
    precondition(undiscountedPrices.count == count, "one price an option")
    return undiscountedPrices.indices.map { index in
      Result { () throws(OptionsError) in
        try Black76.impliedVolatility(
          signs[index] > 0 ? .call : .put, undiscountedPrice: undiscountedPrices[index],
          forward: forwards[index],
          strike: strikes[index], expiry: expiries[index])
      }
    }
  }
}

/// The price and five Greeks of many options, in the units of `Greeks`.
///
/// Kept by the caller and filled again at every mark, so that marking a chain allocates nothing.
public struct GreekColumns: Hashable, Sendable {
  /// Discounted prices, in the units of the forwards.
  public internal(set) var price: [Double] = []
  /// d price / d forward.
  public internal(set) var delta: [Double] = []
  /// d² price / d forward².
  public internal(set) var gamma: [Double] = []
  /// d price / d volatility, per 1.00.
  public internal(set) var vega: [Double] = []
  /// d price / d calendar time, a year.
  public internal(set) var theta: [Double] = []
  /// d price / d rate at a fixed forward, per 1.00.
  public internal(set) var rho: [Double] = []

  /// Empty columns.
  public init() {}

  mutating func resize(_ count: Int) {
    guard price.count != count else { return }
    let zeros = [Double](repeating: 0, count: count)
    (price, delta, gamma, vega, theta, rho) = (zeros, zeros, zeros, zeros, zeros, zeros)
  }

  mutating func set(_ index: Int, _ option: Black76) {
    price[index] = option.price
    let greeks = option.greeks
    delta[index] = greeks?.delta ?? .nan
    gamma[index] = greeks?.gamma ?? .nan
    vega[index] = greeks?.vega ?? .nan
    theta[index] = greeks?.theta ?? .nan
    rho[index] = greeks?.rho ?? .nan
  }
}
