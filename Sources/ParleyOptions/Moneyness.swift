import CMath

/// Where an option stands in its distribution: `h = ln(F/K) / (σ√T)`, `d1 = h + σ√T/2`, `d2 = h - σ√T/2`.
///
/// All in two parts, since a price in the wings multiplies the relative error of `h` by `h²`.
struct Moneyness {
  /// ln(F/K).
  let logRatio: TwoPart
  /// σ√T.
  let deviation: TwoPart
  let h: TwoPart
  let d1: TwoPart
  let d2: TwoPart

  /// - Precondition: `deviation.high > 0`.
  init(logRatio: TwoPart, deviation: TwoPart) {
    self.logRatio = logRatio
    self.deviation = deviation
    let high = logRatio.high / deviation.high
    var low = 0.0
    // Beyond this everything has vanished, and the products below could overflow.
    if abs(high) < 1e100 {
      let remainder = logRatio.high.addingProduct(-high, deviation.high)
      low = (remainder + logRatio.low - high * deviation.low) / deviation.high
    }
    h = TwoPart(high: high, low: low.isFinite ? low : 0)
    d1 = Self.shift(h, by: 0.5 * deviation.high, 0.5 * deviation.low)
    d2 = Self.shift(h, by: -0.5 * deviation.high, -0.5 * deviation.low)
  }

  private static func shift(_ value: TwoPart, by high: Double, _ low: Double) -> TwoPart {
    var sum = TwoPart.sum(value.high, high)
    sum.low = sum.high.isFinite ? sum.low + value.low + low : 0
    // Renormalised, so that `high` is the nearest double also where the two nearly cancel.
    return sum.high.isFinite ? TwoPart.sum(sum.high, sum.low) : sum
  }

  /// ln(forward / strike), with the roundings of the quotient and of the logarithm put back.
  ///
  /// Near the money the difference is exact (Sterbenz) and `log1p` keeps its relative precision; the plain
  /// logarithm of a quotient near 1 would lose it.
  static func logRatio(forward: Double, strike: Double) -> TwoPart {
    if forward >= 0.5 * strike, forward <= 2 * strike {
      let difference = forward - strike
      let quotient = difference / strike
      let rest = difference.addingProduct(-quotient, strike) / forward
      let high = parley_log1p(quotient)
      return TwoPart(high: high, low: parley_log1p_rest(quotient, high) + rest)
    }
    let quotient = forward / strike
    guard quotient.isNormal else { return TwoPart.sum(parley_log(forward), -parley_log(strike)) }
    let rest = forward.addingProduct(-quotient, strike) / forward
    let high = parley_log(quotient)
    return TwoPart(high: high, low: parley_log_rest(quotient, high) + rest)
  }

  /// volatility · √expiry, with both roundings put back.
  static func deviation(volatility: Double, expiry: Double) -> TwoPart {
    let root = expiry.squareRoot()
    guard root > 0 else { return TwoPart(high: 0, low: 0) }
    let rootRest = expiry.addingProduct(-root, root) / (2 * root)
    let product = volatility * root
    return TwoPart(high: product, low: (-product).addingProduct(volatility, root) + volatility * rootRest)
  }
}
