/// The Greeks as Deribit prints them in a ticker, unrounded.
///
/// Found in recorded tickers: rate 0, `T` of 365 days from the ticker's time to 08:00 UTC of the expiry day, the
/// ticker's `underlying_price` as forward. Money is in the currency of the forward (US dollars).
public struct DeribitGreeks: Hashable, Sendable {
  /// `N(d1)`, for a put `N(d1) - 1`, not adjusted for the premium in coin; printed with 5 decimals.
  public var delta: Double
  /// Change of delta per dollar of the forward; printed with 5 decimals, hence often 0.
  public var gamma: Double
  /// Dollars per point (0.01) of volatility.
  public var vega: Double
  /// Dollars per calendar day, of 365 a year.
  ///
  /// At least minus the option's dollar value: it cannot lose more than it is worth. The record shows this with 0.4
  /// days left (ETH-23JUL21-2300-C in 2021) and with 1.9 (ETH-10JUN20-270-C in 2020).
  public var theta: Double
  /// Dollars per point (0.01) of a rate that would move the forward: `K T N(d2) / 100`, for a put
  /// `-K T N(-d2) / 100`.
  public var rho: Double

  /// The Greeks of an option in Deribit's units; `nil` where the model has none (see `Black76.greeks`).
  ///
  /// - Parameter option: The option; its rate is taken as 0, as Deribit does.
  public init?(_ option: Black76) {
    guard
      let plain = try? Black76(
        option.right, forward: option.forward, strike: option.strike, expiry: option.expiry,
        volatility: option.volatility),
      let greeks = plain.greeks
    else { return nil }
    delta = greeks.delta
    gamma = greeks.gamma
    vega = greeks.vega / 100
    theta = max(greeks.theta / 365, -plain.undiscountedPrice)
    // The dual delta is -N(d2), for a put N(-d2).
    rho = -greeks.dualDelta * option.strike * option.expiry / 100
  }
}
