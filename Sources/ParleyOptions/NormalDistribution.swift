import CMath

/// The unevaluated sum of two doubles, about 106 bits: what rounding took from `high` is kept in `low`.
struct TwoPart {
  var high: Double
  var low: Double

  /// `left + right` without loss (Knuth's two-sum).
  static func sum(_ left: Double, _ right: Double) -> Self {
    let high = left + right
    let shadow = high - left
    return Self(high: high, low: (left - (high - shadow)) + (right - shadow))
  }

  /// The square, without loss up to the square of `low`.
  var squared: Self {
    let square = high * high
    return Self(high: square, low: (-square).addingProduct(high, high) + 2 * high * low)
  }
}

/// The standard normal distribution, to a few units in the last place over the whole line.
///
/// `erfc` alone would not do: in a tail, rounding its argument already costs `d²` times the rounding. The tails
/// here are density times Mills ratio, and only the density feels the argument.
enum NormalDistribution {
  /// 1 / √(2π).
  static let densityAtZero = 0.398942280401432677939946
  /// √2.
  private static let squareRootOfTwo = 1.41421356237309504880

  /// Beyond this the density is below the smallest double.
  static let vanishing = 39.0

  /// Beyond this the asymptotic series of the Mills ratio reaches full precision with `seriesTerms` terms:
  /// the first one left out is (2n - 1)!! / 10^2n.
  static let asymptotic = 10.0
  static let seriesTerms = 20

  /// `e^(-d²/2) / √(2π)`, with `d²` carried in two parts: at 38 deviations its rounding would be 1e-13.
  static func density(_ d: TwoPart) -> Double {
    guard abs(d.high) < vanishing else { return 0 }
    let square = d.squared
    return densityAtZero * parley_exp(-0.5 * square.high) * (1 - 0.5 * square.low)
  }

  /// The share of the distribution below `d`.
  static func cumulative(_ d: TwoPart) -> Double {
    if d.high <= -1 { return density(d) * millsRatio(-d.high) }
    return 0.5 * parley_erfc(-d.high / squareRootOfTwo) + density(d) * d.low
  }

  /// The Mills ratio `(1 - N(z)) / n(z)` = √(π/2) erfcx(z/√2), for `z >= -2`.
  @inline(__always) static func millsRatio(_ z: Double) -> Double {
    // Beyond 1e10 the second term of the series, 1/z³, is below rounding, and the polynomials near overflow.
    if z > 1e10 { return 1 / z }
    // Left of the middle the tail is more than half: 1/n(z) - R(-z) loses a bit or two.
    return z >= 0 ? parley_mills(z) : 1 / density(TwoPart(high: z, low: 0)) - parley_mills(-z)
  }
}
