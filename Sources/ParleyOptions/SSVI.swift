import CMath

/// A whole surface by three numbers and the variance at the money of each expiry, free of arbitrage by its form.
///
/// J. Gatheral, A. Jacquier, "Arbitrage-free SVI volatility surfaces", 2013, section 4, with the power law:
///
///     w(k, θ) = θ/2 (1 + ρφk + √((φk + ρ)² + 1 - ρ²)),   φ(θ) = η / θ^γ
public struct SSVI: Hashable, Sendable {
  /// Tilt, between -1 and 1.
  public let rho: Double
  /// Curvature.
  public let eta: Double
  /// How curvature falls with variance, 0 to 1.
  public let gamma: Double

  /// Holds a parameter set.
  ///
  /// - Throws: `OptionsError.surface` for a parameter out of its range, `eta` positive and `gamma` in 0 to 1.
  public init(rho: Double, eta: Double, gamma: Double) throws(OptionsError) {
    guard abs(rho) < 1 else { throw .surface(rho) }
    guard eta > 0, eta.isFinite else { throw .surface(eta) }
    guard (0...1).contains(gamma) else { throw .surface(gamma) }
    self.rho = rho
    self.eta = eta
    self.gamma = gamma
  }

  /// φ(θ).
  public func curvature(_ theta: Double) -> Double { eta * parley_exp(-gamma * parley_log(theta)) }

  /// w(k), for an expiry whose total variance at the money is `theta`; positive.
  public func totalVariance(at k: Double, theta: Double) -> Double {
    let scaled = curvature(theta) * k
    return 0.5 * theta
      * (1 + rho * scaled + ((scaled + rho) * (scaled + rho) + 1 - rho * rho).squareRoot())
  }

  /// θφ(1 + |ρ|) and θφ²(1 + |ρ|): the slice has no butterflies if the first is below 4 and the second at most 4.
  ///
  /// Theorem 4.2 of the paper.
  public func butterflyConditions(theta: Double) -> (first: Double, second: Double) {
    let (phi, tilt) = (curvature(theta), 1 + abs(rho))
    return (theta * phi * tilt, theta * phi * phi * tilt)
  }

  /// Whether the slice of `theta` is free of butterflies by theorem 4.2, which is sufficient.
  public func isFreeOfButterflies(theta: Double) -> Bool {
    let conditions = butterflyConditions(theta: theta)
    return conditions.first < 4 && conditions.second <= 4
  }

  /// The slice in raw parameters.
  ///
  /// - Parameter theta: Total variance at the money; positive.
  /// - Returns: The slice.
  /// - Throws: `OptionsError.surface` for a theta that gives no finite slice.
  public func raw(theta: Double) throws(OptionsError) -> RawSVI {
    let phi = curvature(theta)
    return try RawSVI(
      a: 0.5 * theta * (1 - rho * rho), b: 0.5 * theta * phi, rho: rho, m: -rho / phi,
      sigma: (1 - rho * rho).squareRoot() / phi)
  }
}
