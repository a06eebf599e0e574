/// One expiry of a surface by what a trader sees of it: the jump-wings form of SVI.
///
/// J. Gatheral, A. Jacquier, "Arbitrage-free SVI volatility surfaces", 2013, section 3.3.
public struct JumpWings: Hashable, Sendable {
  /// Variance a year at the money.
  public var variance: Double
  /// Slope of the volatility at the money, over k, times √T.
  public var skew: Double
  /// Slope of the put wing.
  public var putWing: Double
  /// Slope of the call wing.
  public var callWing: Double
  /// The least variance a year.
  public var leastVariance: Double

  /// Holds a parameter set.
  public init(
    variance: Double, skew: Double, putWing: Double, callWing: Double, leastVariance: Double
  ) {
    self.variance = variance
    self.skew = skew
    self.putWing = putWing
    self.callWing = callWing
    self.leastVariance = leastVariance
  }

  /// The parameters of a slice; `nil` where the total variance at the money is not positive.
  ///
  /// - Parameters:
  ///   - svi: The slice.
  ///   - expiry: Years until expiry; positive.
  public init?(_ svi: RawSVI, expiry: Double) {
    let w = svi.totalVariance(at: 0)
    guard w > 0, expiry > 0 else { return nil }
    let (root, far) = (w.squareRoot(), (svi.m * svi.m + svi.sigma * svi.sigma).squareRoot())
    self.init(
      variance: w / expiry, skew: svi.b / (2 * root) * (svi.rho - svi.m / far),
      putWing: svi.wingSlopes.left / root,
      callWing: svi.wingSlopes.right / root, leastVariance: svi.minimumTotalVariance / expiry)
  }

  /// The slice in raw parameters: lemma 3.2 of the paper.
  ///
  /// - Parameter expiry: Years until expiry; positive.
  /// - Returns: `nil` where no raw slice has these numbers.
  public func raw(expiry: Double) -> RawSVI? {
    guard variance > 0, expiry > 0 else { return nil }
    let root = (variance * expiry).squareRoot()
    let b = 0.5 * root * (callWing + putWing)
    let rho = 1 - putWing * root / b
    // m over √(m² + σ²).
    let lean = rho - 2 * skew * root / b
    guard b > 0, abs(rho) < 1, abs(lean) < 1 else { return nil }
    let drop = (variance - leastVariance) * expiry
    // √(m² + σ²): variance at the money less the least is b times it times what follows.
    let upright = (1 - lean * lean).squareRoot()
    let share = 1 - rho * lean - upright * (1 - rho * rho).squareRoot()
    let far = share > 0 ? drop / (b * share) : 0
    let sigma = far * upright
    guard sigma > 0 else { return nil }
    return try? RawSVI(
      a: leastVariance * expiry - b * sigma * (1 - rho * rho).squareRoot(), b: b, rho: rho,
      m: far * lean, sigma: sigma)
  }
}

extension RawSVI {
  /// A slice without butterflies, as near to this one as the way of section 5.1 leads.
  ///
  /// Variance, skew and put wing stay. The call wing and the least variance move towards those of an SSVI slice,
  /// `c = p + 2ψ` and `4 v p c / (p + c)²`, no further than needed.
  ///
  /// - Parameters:
  ///   - expiry: Years until expiry; positive.
  ///   - grid: Where to look at Durrleman's function.
  /// - Returns: The slice itself where it has no fault; `nil` where not even the end of that way is free of them.
  public func repaired(expiry: Double, on grid: [Double]) -> RawSVI? {
    guard !butterflyFaults(on: grid).isEmpty else { return self }
    guard let wings = JumpWings(self, expiry: expiry) else { return nil }
    let call = wings.putWing + 2 * wings.skew
    let sum = wings.putWing + call
    guard call > 0 else { return nil }
    let least = 4 * wings.variance * wings.putWing * call / (sum * sum)
    func slice(_ share: Double) -> RawSVI? {
      var moved = wings
      moved.callWing += share * (call - wings.callWing)
      moved.leastVariance += share * (least - wings.leastVariance)
      guard let raw = moved.raw(expiry: expiry), raw.butterflyFaults(on: grid).isEmpty else {
        return nil
      }
      return raw
    }
    guard var found = slice(1) else { return nil }
    var (bad, good) = (0.0, 1.0)
    for _ in 0..<40 {
      let middle = 0.5 * (bad + good)
      if let raw = slice(middle) {
        (found, good) = (raw, middle)
      } else {
        bad = middle
      }
    }
    return found
  }
}
