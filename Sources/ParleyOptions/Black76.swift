import CMath

/// One European option on a forward, in the model of Black (1976).
///
/// Relative error of prices and Greeks: below 1e-12 from the money to 38 deviations out, wherever the result is a
/// normal double and no cancellation between the terms of the definition itself takes it (a vanna at `d2 = 0`, a
/// theta whose two terms meet). The tests state the bound for every case.
public struct Black76: Hashable, Sendable {
  /// Whether the option is a call or a put.
  public let right: OptionRight
  /// Forward price of the underlying for the option's expiry; positive.
  public let forward: Double
  /// Strike, in the units of the forward; positive.
  public let strike: Double
  /// Years until expiry; not negative.
  public let expiry: Double
  /// Volatility a year, 0.5 for 50 %; not negative.
  public let volatility: Double
  /// Continuously compounded interest rate a year.
  public let rate: Double

  /// Describes an option.
  ///
  /// - Parameters:
  ///   - right: Call or put.
  ///   - forward: Forward price for the expiry.
  ///   - strike: Strike, in the units of the forward.
  ///   - expiry: Years until expiry, as a Deribit chain counts them: of 365 days.
  ///   - volatility: Volatility a year, 0.5 for 50 %.
  ///   - rate: Continuously compounded rate a year; 0 for options that settle in their underlying.
  /// - Throws: The `OptionsError` of the first number that no option can have.
  public init(
    _ right: OptionRight, forward: Double, strike: Double, expiry: Double, volatility: Double, rate: Double = 0
  ) throws(OptionsError) {
    guard forward.isFinite, forward > 0 else { throw .forward(forward) }
    guard strike.isFinite, strike > 0 else { throw .strike(strike) }
    guard expiry.isFinite, expiry >= 0 else { throw .expiry(expiry) }
    guard volatility.isFinite, volatility >= 0 else { throw .volatility(volatility) }
    guard rate.isFinite else { throw .rate(rate) }
    self.init(
      unchecked: right, forward: forward, strike: strike, expiry: expiry, volatility: volatility, rate: rate)
  }

  /// An option whose numbers were checked before.
  init(
    unchecked right: OptionRight, forward: Double, strike: Double, expiry: Double, volatility: Double, rate: Double
  ) {
    self.right = right
    self.forward = forward
    self.strike = strike
    self.expiry = expiry
    self.volatility = volatility
    self.rate = rate
  }

  /// The price without discounting, in the units of the forward.
  public var undiscountedPrice: Double {
    let intrinsic = right.sign * (forward - strike)
    let timeValue = timeValue
    return intrinsic > 0 ? intrinsic + timeValue : timeValue
  }

  /// The price, discounted at `rate`.
  public var price: Double { discount * undiscountedPrice }

  /// The price in units of the underlying, as Deribit quotes its inverse options: undiscounted price over forward.
  public var priceInUnderlying: Double { undiscountedPrice / forward }

  /// The derivatives of `price`.
  ///
  /// Without volatility or time left they are the limits from above, and `nil` on the strike itself, where the
  /// payoff has its kink and no limit exists.
  public var greeks: Greeks? {
    let discount = discount
    let sign = right.sign
    guard let moneyness else {
      guard forward != strike else { return nil }
      let delta = sign * (forward - strike) > 0 ? sign * discount : 0
      let price = price
      return Greeks(
        delta: delta, gamma: 0, vega: 0, theta: rate * price, rho: -expiry * price, vanna: 0, volga: 0,
        dualDelta: -delta)
    }
    let (d1, d2) = (moneyness.d1, moneyness.d2)
    let density = discount * NormalDistribution.density(d1)
    let root = expiry.squareRoot()
    let vega = forward * density * root
    let price = price
    return Greeks(
      delta: sign * discount * NormalDistribution.cumulative(d1.scaled(by: sign)),
      gamma: density / (forward * moneyness.deviation.high),
      vega: vega,
      theta: rate * price - forward * density * volatility / (2 * root),
      rho: -expiry * price,
      vanna: -density * d2.high / volatility,
      volga: vega * d1.high * d2.high / volatility,
      dualDelta: -sign * discount * NormalDistribution.cumulative(d2.scaled(by: sign)))
  }

  /// e^(-rT).
  var discount: Double { parley_exp(-rate * expiry) }

  /// Where the option stands; `nil` without volatility or time.
  var moneyness: Moneyness? {
    let deviation = Moneyness.deviation(volatility: volatility, expiry: expiry)
    guard deviation.high > 0 else { return nil }
    return Moneyness(logRatio: Moneyness.logRatio(forward: forward, strike: strike), deviation: deviation)
  }

  /// The undiscounted price of the out-of-the-money option of the pair: what parity adds to intrinsic value.
  private var timeValue: Double {
    let (low, high) = (min(forward, strike), max(forward, strike))
    let deviation = Moneyness.deviation(volatility: volatility, expiry: expiry)
    guard deviation.high > 0 else { return 0 }
    let moneyness = Moneyness(logRatio: Moneyness.logRatio(forward: low, strike: high), deviation: deviation)
    return OutOfTheMoney.price(moneyness, forward: low, strike: high)
  }
}

extension TwoPart {
  /// The value times +1 or -1.
  func scaled(by sign: Double) -> Self { Self(high: sign * high, low: sign * low) }
}
