import CMath

/// One European option on a spot price that pays a continuous yield.
///
/// Black and Scholes (1973) and Merton (1973). It is `Black76` on the forward `F = S e^((r-q)T)`, its derivatives taken by the spot.
public struct BlackScholes: Hashable, Sendable {
  /// The spot price; positive.
  public let spot: Double
  /// What the underlying yields a year, continuously compounded: dividends, a staking or lending rate.
  public let yield: Double
  /// The same option on its forward.
  public let onForward: Black76

  /// Describes an option.
  ///
  /// - Parameters:
  ///   - right: Call or put.
  ///   - spot: Price of the underlying.
  ///   - strike: Strike, in the units of the spot.
  ///   - expiry: Years until expiry.
  ///   - volatility: Volatility a year, 0.5 for 50 %.
  ///   - rate: Continuously compounded rate a year.
  ///   - yield: Continuously compounded yield of the underlying a year.
  /// - Throws: The `OptionsError` of the first number that no option can have; `forward` where the spot's forward is
  ///   beyond the doubles.
  public init(
    _ right: OptionRight, spot: Double, strike: Double, expiry: Double, volatility: Double, rate: Double,
    yield: Double = 0
  ) throws(OptionsError) {
    self.spot = spot
    self.yield = yield
    onForward = try Black76(
      right, forward: Self.forward(spot: spot, expiry: expiry, rate: rate, yield: yield), strike: strike,
      expiry: expiry, volatility: volatility, rate: rate)
  }

  /// The price.
  public var price: Double { onForward.price }

  /// The derivatives of `price`, those of the forward by the spot; `nil` where `Black76.greeks` is.
  ///
  /// `theta` holds the spot fixed and not the forward, and `rho` moves the forward too.
  public var greeks: Greeks? {
    guard var greeks = onForward.greeks else { return nil }
    let lift = onForward.forward * greeks.delta
    greeks.theta -= carry * lift
    greeks.rho += onForward.expiry * lift
    let growth = onForward.forward / spot
    greeks.delta *= growth
    greeks.gamma *= growth * growth
    greeks.vanna *= growth
    return greeks
  }

  /// d price / d yield: `-T S delta`.
  public var phi: Double? {
    onForward.greeks.map { -onForward.expiry * onForward.forward * $0.delta }
  }

  /// The derivatives of the Greeks by the spot; `nil` without volatility or time.
  public var higherGreeks: HigherGreeks? {
    guard let plain = onForward.greeks, var higher = onForward.higherGreeks else { return nil }
    let (forward, growth) = (onForward.forward, onForward.forward / spot)
    higher.charm = growth * (higher.charm - carry * (plain.delta + forward * plain.gamma))
    higher.veta -= carry * forward * plain.vanna
    higher.vera += onForward.expiry * forward * plain.vanna
    higher.color = growth * growth * (higher.color - carry * (forward * higher.speed + 2 * plain.gamma))
    higher.speed *= growth * growth * growth
    higher.zomma *= growth * growth
    return higher
  }

  /// The volatility at which the model gives a price.
  ///
  /// - Parameters:
  ///   - right: Call or put.
  ///   - price: The price.
  ///   - spot: Price of the underlying.
  ///   - strike: Strike.
  ///   - expiry: Years until expiry; positive.
  ///   - rate: Continuously compounded rate a year.
  ///   - yield: Continuously compounded yield of the underlying a year.
  /// - Returns: The volatility a year, 0.5 for 50 %; positive.
  /// - Throws: As `Black76.impliedVolatility`, and `rate` for a rate that is not finite.
  public static func impliedVolatility(
    _ right: OptionRight, price: Double, spot: Double, strike: Double, expiry: Double, rate: Double, yield: Double = 0
  ) throws(OptionsError) -> Double {
    guard rate.isFinite else { throw .rate(rate) }
    return try Black76.impliedVolatility(
      right, undiscountedPrice: price * parley_exp(rate * expiry),
      forward: forward(spot: spot, expiry: expiry, rate: rate, yield: yield), strike: strike, expiry: expiry)
  }

  /// r - q: what the forward grows by a year.
  private var carry: Double { onForward.rate - yield }

  private static func forward(spot: Double, expiry: Double, rate: Double, yield: Double) -> Double {
    spot * parley_exp((rate - yield) * expiry)
  }
}
