import CMath

extension NormalDistribution {
  /// How many deviations out a tail of a given share begins, to a relative error of 4e-7: a first guess.
  ///
  /// Two quotients of polynomials, which interpolate the function (40 digits) at Chebyshev nodes: in `(p - 1/2)²` about
  /// the middle, and in `√(-2 ln p)` for the tail.
  ///
  /// - Parameter logShare: ln p, for a share `0 < p <= 1/2`.
  /// - Returns: `z >= 0` with N(-z) = p.
  static func tailStart(logShare: Double) -> Double {
    if logShare > logOfTail {
      let below = 0.5 - parley_exp(logShare)
      let w = below * below
      let numerator = 2.50662828754 + w * (-15.388751416 + w * (24.8837967217 - w * 7.13387800109))
      let denominator = 1 + w * (-7.18641838658 + w * (15.1496685059 - w * 8.40540917532))
      return below * numerator / denominator
    }
    let r = (-2 * logShare).squareRoot()
    let numerator =
      -3.03993391038
      + r * (-5.49888330684 + r * (2.8057697569 + r * (2.96097135282 + r * (0.401716811073 + r * 0.00891658340592))))
    let denominator = 1 + r * (4.3168971747 + r * (3.0132134536 + r * (0.401777981053 + r * 0.00891649968659)))
    return numerator / denominator
  }

  /// ln 0.075, where the second quotient begins.
  private static let logOfTail = -2.590267165445
}
