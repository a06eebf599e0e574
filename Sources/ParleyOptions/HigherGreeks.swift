/// How the Greeks themselves move: the second derivatives that `Greeks` leaves out, and four of the third order.
///
/// Plain mathematical units, per 1.00 and per year. Calendar time runs towards expiry, the forward (for
/// `BlackScholes`, the spot) held fixed: an option that loses delta every day has a `charm` of the other sign than its
/// delta. Divide by 365 for what a day does.
public struct HigherGreeks: Hashable, Sendable {
  /// d delta / d calendar time: `r delta + e^(-rT) n(d1) d2 / 2T`.
  public var charm: Double
  /// d vega / d calendar time: `vega (r - (1 + d1 d2) / 2T)`.
  public var veta: Double
  /// d rho / d volatility: `-T vega`.
  public var vera: Double
  /// d² price / d strike²: `e^(-rT) n(d2) / (K σ √T)`, the discounted density of the price at expiry.
  public var dualGamma: Double
  /// d gamma / d forward: `-gamma (1 + d1 / σ√T) / F`.
  public var speed: Double
  /// d gamma / d volatility: `gamma (d1 d2 - 1) / σ`.
  public var zomma: Double
  /// d gamma / d calendar time: `gamma (r + (1 - d1 d2) / 2T)`.
  public var color: Double
  /// d volga / d volatility: `-vega (d1 d2 (1 - d1 d2) + d1² + d2²) / σ²`.
  public var ultima: Double
}

extension Black76 {
  /// The derivatives of the Greeks; `nil` without volatility or time, where most have no limit.
  public var higherGreeks: HigherGreeks? {
    guard let moneyness, let greeks else { return nil }
    let (d1, d2) = (moneyness.d1, moneyness.d2)
    let product = d1.high * d2.high
    let deviation = moneyness.deviation.high
    let twice = 2 * expiry
    return HigherGreeks(
      charm: rate * greeks.delta + discount * NormalDistribution.density(d1) * d2.high / twice,
      veta: greeks.vega * (rate - (1 + product) / twice),
      vera: -expiry * greeks.vega,
      dualGamma: discount * NormalDistribution.density(d2) / (strike * deviation),
      speed: -greeks.gamma * (1 + d1.high / deviation) / forward,
      zomma: greeks.gamma * (product - 1) / volatility,
      color: greeks.gamma * (rate + (1 - product) / twice),
      ultima: -greeks.vega * (product * (1 - product) + d1.high * d1.high + d2.high * d2.high)
        / (volatility * volatility))
  }
}
