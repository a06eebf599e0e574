import CMath

extension VolatilitySurface {
  /// Fits a surface to quotes, free of butterflies and of calendar arbitrage on the default grid and in the wings.
  ///
  /// Expiry by expiry from the earliest: a slice is fitted to bid and ask, with a price on every fault, by itself and
  /// against the slice before, first from the SSVI slice of the same variance and then from where that ends. What is
  /// left of a fault is taken out: the wings are raised to those of the slice before, the call wing is moved
  /// (`RawSVI.repaired`), the level is lifted. A slice that is still at fault gives way to the SSVI slice, lifted.
  ///
  /// - Parameter smiles: What is quoted; expiries with fewer than five strikes are passed over.
  /// - Throws: `OptionsError.surface` when no expiry has five strikes with a volatility, two expiries are the same, or
  ///   no slice without a fault could be found for one; the value is its expiry then.
  public init(fitting smiles: [SmileQuotes]) throws(OptionsError) {
    var slices: [Slice] = []
    for smile in smiles.sorted(by: { $0.expiry < $1.expiry }) {
      let fit = SliceFit(smile: smile, before: slices.last?.svi)
      guard fit.count >= 5 else { continue }
      guard let svi = fit.slice() else { throw .surface(smile.expiry) }
      slices.append(Slice(expiry: smile.expiry, forward: smile.forward, svi: svi))
    }
    try self.init(slices)
  }
}

/// The fit of one expiry.
private struct SliceFit {
  /// What is fitted: the middle in total variance of a bid and an ask, and how far apart they are.
  private struct Target {
    let k: Double
    let volatility: Double
    /// Half of the spread; at least a tenth of a point.
    let reach: Double
    /// 1 with both sides, less with a mark only.
    let weight: Double
  }

  private let targets: [Target]
  private let expiry: Double
  private let before: RawSVI?
  private static let coarse = VolatilitySurface.grid.enumerated().filter {
    $0.offset.isMultiple(of: 4)
  }.map(\.element)

  var count: Int { targets.count }

  init(smile: SmileQuotes, before: RawSVI?) {
    expiry = smile.expiry
    self.before = before
    targets = smile.quotes.compactMap { quote in
      guard let middle = quote.middle else { return nil }
      if let bid = quote.bid, let ask = quote.ask, ask > bid {
        let far = abs(quote.k) / (middle * smile.expiry.squareRoot())
        return Target(
          k: quote.k, volatility: middle, reach: max(0.5 * (ask - bid), 0.0005),
          weight: far > 2 ? 0.25 : 1)
      }
      return Target(k: quote.k, volatility: middle, reach: 0.05 * middle, weight: 0.05)
    }
  }

  func slice() -> RawSVI? {
    guard let first = ssvi() else { return nil }
    var best = coordinates(of: first)
    for (scale, isSharp) in [
      (1.0, false), (0.3, false), (0.1, true), (0.3, true), (0.03, true), (0.3, true), (0.03, true),
    ] {
      let steps = [
        0.3 * scale, 0.3 * scale, 0.3 * scale, 0.3 * scale * parley_exp(best[4]), 0.3 * scale,
      ]
      best =
        NelderMead(evaluationLimit: 1_500).minimum(from: best, steps: steps) {
          loss($0, isSharp: isSharp)
        }.point
    }
    for candidate in [raw(best), first].compactMap({ $0 }) {
      if let clean = cleaned(candidate) { return clean }
    }
    return nil
  }

  /// How far the slice is from the quotes, in half spreads, and what its faults cost.
  ///
  /// Where it `isSharp`, all that matters is on which side of bid and ask it passes.
  private func loss(_ coordinates: [Double], isSharp: Bool) -> Double {
    guard let svi = raw(coordinates) else { return .infinity }
    var sum = 0.0
    for target in targets {
      guard let volatility = svi.volatility(at: target.k, expiry: expiry) else { return .infinity }
      let distance = (volatility - target.volatility) / target.reach
      let square = distance * distance
      let power = isSharp ? square * square * square * square : 0.5 * square
      // A quote that cannot be met must not bend the rest: its price is bounded.
      sum += target.weight * (power / (1 + power) + 0.01 * square / (1 + 0.01 * square))
    }
    var fault = 0.0
    for k in Self.coarse {
      fault += max(0, 0.002 - svi.durrleman(at: k))
      if let before {
        let w = before.totalVariance(at: k)
        fault += max(0, 1.0005 * w - svi.totalVariance(at: k)) / w
      }
    }
    let wings = svi.wingSlopes
    fault += max(0, max(wings.left, wings.right) - 1.99)
    if let steeper = before?.wingSlopes {
      fault +=
        max(0, steeper.left - wings.left) / steeper.left + max(0, steeper.right - wings.right)
        / steeper.right
    }
    // Where nothing is quoted the wings are free: steep ones would bind every later expiry.
    let atTheMoney = svi.totalVariance(at: 0).squareRoot()
    let steep = max(0, wings.left / atTheMoney - 0.8) + max(0, wings.right / atTheMoney - 0.8)
    return sum + Double(targets.count) * (fault * 20 + 0.03 * steep * steep)
  }

  // The five numbers of the search are free: ln of the least variance, ln b, artanh ρ, m, ln σ.

  private func raw(_ c: [Double]) -> RawSVI? {
    let (b, sigma) = (parley_exp(c[1]), parley_exp(c[4]))
    let turn = parley_exp(2 * c[2])
    let rho = min(max((turn - 1) / (turn + 1), -0.9999), 0.9999)
    return try? RawSVI(
      a: parley_exp(c[0]) - b * sigma * (1 - rho * rho).squareRoot(), b: b, rho: rho, m: c[3],
      sigma: sigma)
  }

  private func coordinates(of svi: RawSVI) -> [Double] {
    [
      parley_log(svi.minimumTotalVariance), parley_log(svi.b),
      0.5 * parley_log((1 + svi.rho) / (1 - svi.rho)), svi.m,
      parley_log(svi.sigma),
    ]
  }

  /// The SSVI slice through the variance at the money that fits best of some, free of butterflies by its form.
  private func ssvi() -> RawSVI? {
    guard let nearest = targets.min(by: { abs($0.k) < abs($1.k) }) else { return nil }
    let theta = nearest.volatility * nearest.volatility * expiry
    var best: (svi: RawSVI, loss: Double)?
    for rho in stride(from: -0.8, through: 0.8, by: 0.1) {
      // θφ²(1 + |ρ|) <= 4 bounds φ.
      let most = min((4 / (theta * (1 + abs(rho)))).squareRoot(), 3.99 / (theta * (1 + abs(rho))))
      for share in [0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 0.999] {
        guard let form = try? SSVI(rho: rho, eta: share * most, gamma: 0),
          let svi = try? form.raw(theta: theta)
        else {
          continue
        }
        let loss = loss(coordinates(of: svi), isSharp: false)
        if loss < best?.loss ?? .infinity { best = (svi, loss) }
      }
    }
    return best?.svi
  }

  /// The slice without its last faults; `nil` where they are too many.
  private func cleaned(_ svi: RawSVI) -> RawSVI? {
    let grid = VolatilitySurface.grid
    var svi = svi
    for _ in 0..<8 {
      if let before {
        let (near, far) = (before.wingSlopes, svi.wingSlopes)
        let (left, right) = (max(near.left, far.left), max(near.right, far.right))
        if left > far.left || right > far.right {
          // A hair more, so that rounding cannot undo it.
          let b = 0.5 * (left + right) * (1 + 1e-12)
          guard
            let steeper = try? RawSVI(
              a: svi.a, b: b, rho: 0.5 * (right - left) / b, m: svi.m, sigma: svi.sigma)
          else { return nil }
          svi = steeper
        }
        let deficit =
          grid.map { before.totalVariance(at: $0) - svi.totalVariance(at: $0) }.max() ?? 0
        if deficit > 0 {
          guard
            let lifted = try? RawSVI(
              a: svi.a + deficit * (1 + 1e-9), b: svi.b, rho: svi.rho, m: svi.m, sigma: svi.sigma)
          else { return nil }
          svi = lifted
        }
      }
      if svi.butterflyFaults(on: grid).isEmpty { return isAbove(svi) ? svi : nil }
      guard let repaired = svi.repaired(expiry: expiry, on: grid) else { return nil }
      svi = repaired
      if isAbove(svi) { return svi }
    }
    return nil
  }

  private func isAbove(_ svi: RawSVI) -> Bool {
    guard let before else { return true }
    let (near, far) = (before.wingSlopes, svi.wingSlopes)
    return far.left >= near.left && far.right >= near.right
      && before.calendarFaults(before: svi, on: VolatilitySurface.grid).isEmpty
  }
}
