/// The undiscounted price of an out-of-the-money option, without cancellation.
///
/// A put at forward F and strike K is a call at forward K and strike F, so one function serves: the call with
/// `F <= K`, `h <= 0`. Since `F n(d1) = K n(d2)`,
///
///     price = F N(d1) - K N(d2) = F n(d1) [R(-d1) - R(-d2)],   R the Mills ratio,
///
/// and the difference in brackets, here `spread`, is found by what suits the place (after P. Jaeckel, "Let's Be
/// Rational", 2015, whose regions these are in other coordinates):
///
///     d1 <= -10            both asymptotic series, subtracted term by term
///     σ√T/2 < 0.2          Taylor series in σ√T/2 about h: odd powers only
///     d1 <= 1              the two Mills ratios
///     else                 F N(d1) - K N(d2) as it stands
enum OutOfTheMoney {
  /// Half deviations below this go through the Taylor series.
  static let smallHalfDeviation = 0.2

  /// - Precondition: `forward <= strike`, `moneyness.h <= 0`.
  static func price(_ moneyness: Moneyness, forward: Double, strike: Double) -> Double {
    let (d1, d2) = (moneyness.d1, moneyness.d2)
    if let spread = spread(moneyness) {
      return forward * (NormalDistribution.density(d1) * spread)
    }
    return forward * NormalDistribution.cumulative(d1) - strike * NormalDistribution.cumulative(d2)
  }

  /// `forward - price`, what the price lacks to its bound, without cancellation.
  static func shortfall(_ moneyness: Moneyness, forward: Double, strike: Double) -> Double {
    let below = TwoPart(high: -moneyness.d1.high, low: -moneyness.d1.low)
    return forward * NormalDistribution.cumulative(below) + strike * NormalDistribution.cumulative(moneyness.d2)
  }

  /// `R(-d1) - R(-d2)`, which is the price over its own derivative by σ√T; `nil` for `d1 > 1` unless σ√T is small.
  static func spread(_ moneyness: Moneyness) -> Double? {
    let half = 0.5 * moneyness.deviation.high
    if moneyness.d1.high <= -NormalDistribution.asymptotic {
      return asymptoticSpread(near: -moneyness.d1.high, far: -moneyness.d2.high, half: half)
    }
    if half < smallHalfDeviation { return taylorSpread(at: moneyness.h.high, half: half) }
    guard moneyness.d1.high <= 1 else { return nil }
    return NormalDistribution.millsRatio(-moneyness.d1.high) - NormalDistribution.millsRatio(-moneyness.d2.high)
  }

  /// The difference of two series `R(z) = Σ (-1)^n (2n-1)!! z^-(2n+1)`.
  ///
  /// With u = 1/near > v = 1/far, `u^m - v^m = (u - v) S_m`, where
  /// `S_m = Σ u^i v^(m-1-i)` has only positive terms.
  static func asymptoticSpread(near: Double, far: Double, half: Double) -> Double {
    let (u, v) = (1 / near, 1 / far)
    let difference = 2 * half * u * v
    let (uu, uv) = (u * u, u * v)
    // S_(m+2) = u² S_m + (u v) v^(m-1) + v^(m+1), for m = 1, 3, 5, ...
    var (geometric, vPower, coefficient, sum) = (1.0, 1.0, 1.0, 1.0)
    for term in 1...NormalDistribution.seriesTerms {
      geometric = uu * geometric + vPower * (uv + v * v)
      vPower *= v * v
      coefficient *= -Double(2 * term - 1)
      let next = coefficient * geometric
      sum += next
      if abs(next) < 0x1p-55 { break }
    }
    return difference * sum
  }

  /// The difference by derivatives at the middle.
  ///
  /// With `Y(h) = R(-h)`: `Y' = 1 + h Y`, `Y⁽ⁿ⁺¹⁾ = h Y⁽ⁿ⁾ + n Y⁽ⁿ⁻¹⁾`, and
  /// `Y(h+t) - Y(h-t) = 2 (t Y' + t³/3! Y''' + ...)`.
  static func taylorSpread(at h: Double, half: Double) -> Double {
    var even = NormalDistribution.millsRatio(-h)
    var odd = 1 + h * even
    let square = half * half
    // The derivative of order 2n + 1 is at most 2ⁿ n! times the first, so seven more terms reach 1e-17.
    var (order, power, sum) = (1.0, half, half * odd)
    for index in weights.indices {
      even = h * odd + order * even
      odd = h * even + (order + 1) * odd
      power *= square * weights[index]
      let term = power * odd
      sum += term
      if term < 0x1p-56 * sum { break }
      order += 2
    }
    return 2 * sum
  }

  /// 1 / ((2n) (2n + 1)), for n from 1 to 7.
  private static let weights: InlineArray<7, Double> = [
    1.0 / 6, 1.0 / 20, 1.0 / 42, 1.0 / 72, 1.0 / 110, 1.0 / 156, 1.0 / 210,
  ]
}
