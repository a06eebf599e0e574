/// One expiry of a volatility surface in the raw SVI form: `w(k) = a + b (ρ (k - m) + √((k - m)² + σ²))`.
///
/// `k = ln(K/F)`, `w` = volatility² · T (total variance). J. Gatheral, A. Jacquier, "Arbitrage-free SVI volatility
/// surfaces", 2013, section 3.1. Any finite parameters are held, also ones that admit arbitrage: the checks say so.
public struct RawSVI: Hashable, Sendable {
  /// Level of the total variance.
  public let a: Double
  /// Slope of the wings together.
  public let b: Double
  /// Tilt, between -1 and 1.
  public let rho: Double
  /// Where the smile's vertex lies.
  public let m: Double
  /// How round the vertex is.
  public let sigma: Double

  /// Holds a parameter set.
  ///
  /// - Throws: `OptionsError.surface` for a parameter that is not finite.
  public init(a: Double, b: Double, rho: Double, m: Double, sigma: Double) throws(OptionsError) {
    for value in [a, b, rho, m, sigma] where !value.isFinite { throw .surface(value) }
    self.a = a
    self.b = b
    self.rho = rho
    self.m = m
    self.sigma = sigma
  }

  /// w(k).
  public func totalVariance(at k: Double) -> Double {
    a + b * (rho * (k - m) + root(k))
  }

  /// The volatility a year, `√(w(k)/T)`.
  ///
  /// - Parameters:
  ///   - k: ln(K/F).
  ///   - expiry: Years until expiry; positive.
  /// - Returns: The volatility, 0.5 for 50 %; `nil` where the total variance is negative.
  public func volatility(at k: Double, expiry: Double) -> Double? {
    let variance = totalVariance(at: k) / expiry
    return variance >= 0 && variance.isFinite ? variance.squareRoot() : nil
  }

  /// Durrleman's function, `g = (1 - k w'/2w)² - w'²/4 (1/w + 1/4) + w''/2`.
  ///
  /// Negative somewhere means a butterfly worth less than nothing there (Gatheral and Jacquier, lemma 2.2).
  public func durrleman(at k: Double) -> Double {
    let w = totalVariance(at: k)
    let root = root(k)
    let first = b * (rho + (k - m) / root)
    let second = b * sigma * sigma / (root * root * root)
    let term = 1 - k * first / (2 * w)
    return term * term - first * first / 4 * (1 / w + 0.25) + second / 2
  }

  /// The least total variance of the whole line: `a + b σ √(1 - ρ²)`.
  public var minimumTotalVariance: Double { a + b * sigma * (1 - rho * rho).squareRoot() }

  /// Slopes of w towards low and high strikes, `b (1 - ρ)` and `b (1 + ρ)`.
  ///
  /// Beyond 2 a far strike admits arbitrage (Lee, "The moment formula", 2004).
  public var wingSlopes: (left: Double, right: Double) { (b * (1 - rho), b * (1 + rho)) }

  /// What is wrong with the slice by itself.
  ///
  /// - Parameter grid: Log-moneyness values at which to look at Durrleman's function.
  /// - Returns: The faults; empty if none was found.
  public func butterflyFaults(on grid: some Sequence<Double>) -> [Fault] {
    var faults = [Fault]()
    if b < 0 || abs(rho) >= 1 || sigma <= 0 { faults.append(.parameters) }
    if minimumTotalVariance < 0 { faults.append(.negativeVariance(minimumTotalVariance)) }
    if wingSlopes.left > 2 || wingSlopes.right > 2 { faults.append(.wingSlope(max(wingSlopes.left, wingSlopes.right))) }
    for k in grid where durrleman(at: k) < 0 { faults.append(.butterfly(k: k)) }
    return faults
  }

  /// Where total variance falls from this expiry to a later one: calendar spreads worth less than nothing.
  ///
  /// - Parameters:
  ///   - later: The slice of a later expiry.
  ///   - grid: Log-moneyness values to look at.
  /// - Returns: Those of the grid at which it falls.
  public func calendarFaults(before later: Self, on grid: some Sequence<Double>) -> [Double] {
    grid.filter { later.totalVariance(at: $0) < totalVariance(at: $0) }
  }

  /// Why a slice admits arbitrage.
  public enum Fault: Hashable, Sendable {
    /// `b` negative, `|ρ| >= 1`, or `σ <= 0`.
    case parameters
    /// The least total variance is negative.
    case negativeVariance(Double)
    /// A wing is steeper than 2.
    case wingSlope(Double)
    /// Durrleman's function is negative at this `k`.
    case butterfly(k: Double)
  }

  private func root(_ k: Double) -> Double {
    ((k - m) * (k - m) + sigma * sigma).squareRoot()
  }
}
