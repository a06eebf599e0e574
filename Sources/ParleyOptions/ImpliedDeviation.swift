import CMath

/// Finds σ√T of an out-of-the-money call from its price.
///
/// In the manner of P. Jaeckel, "Let's Be Rational" (2015). Everything is in units of the forward: `x = ln(F/K) <= 0`, `c` the undiscounted price over the forward, `s = σ√T`.
/// (The paper divides by √(FK) instead; with the forward, c' is the plain density of d1 and never underflows.)
///
///     c(s) = N(x/s + s/2) - e^(-x) N(x/s - s/2),   c'(s) = n(x/s + s/2)
///
/// `c` is convex up to `s_c = √(2|x|)` and concave above. The tangent there meets c = 0 at `s_l` and c = 1 at `s_u`, and
/// so come four regions of prices. In each, a rational cubic through both ends gives a guess (relative error 1e-3 at
/// worst, usually far less), and Householder's method of order four, on an objective that is nearly straight there,
/// makes it exact in one or two steps:
///
///     price        interpolates                      objective
///     below c_l    the cube of N(-|x|/(√3 s))        1 / ln c
///     c_l to c_c   s                                 c
///     c_c to c_u   s                                 c
///     above c_u    N(-s/2)                           ln(1 - c)
struct ImpliedDeviation {
  /// Price over forward; 0 where that underflows.
  private let price: Double
  /// What the price lacks to its bound, over the forward.
  private let lacking: Double
  /// The price itself, and the forward.
  private let whole: (price: Double, low: Double)
  /// ln(F/K).
  private let x: Double
  /// e^(x/2).
  private let rootOfRatio: Double

  private static let rootTwoPi = 2.50662827463100050242
  private static let halfLogTwoPi = 0.918938533204672741780
  private static let rootThree = 1.73205080756887729353

  /// Poses the question.
  ///
  /// - Parameters:
  ///   - price: Undiscounted price; more than 0, less than `low`.
  ///   - low: The forward.
  ///   - high: The strike; at least `low`.
  init(price: Double, low: Double, high: Double) {
    self.price = price / low
    lacking = (low - price) / low
    whole = (price, low)
    let quotient = low / high
    rootOfRatio = quotient.squareRoot()
    if quotient >= 0.5 {
      x = parley_log1p((low - high) / high)
    } else {
      x = quotient.isNormal ? parley_log(quotient) : parley_log(low) - parley_log(high)
    }
  }

  /// σ√T.
  func solve() -> Double {
    let middle = (-2 * x).squareRoot()
    let half = 0.5 * middle
    // R(0) = √(π/2) less R(s_c).
    let atMiddle =
      half < OutOfTheMoney.smallHalfDeviation
      ? OutOfTheMoney.taylorSpread(at: -half, half: half) : 0.5 * Self.rootTwoPi - NormalDistribution.millsRatio(middle)
    // c = n(d1) spread, and d1 = 0 here.
    let priceAtMiddle = atMiddle / Self.rootTwoPi
    return price < priceAtMiddle
      ? solve(below: middle, spread: atMiddle, price: priceAtMiddle) : solve(above: middle, price: priceAtMiddle)
  }

  private func solve(below middle: Double, spread: Double, price priceAtMiddle: Double) -> Double {
    let left = middle - spread
    let place = Place(x: x, s: left)
    let density = NormalDistribution.density(place.d1)
    let spreadAtLeft = Self.spread(h: place.h, half: place.half)
    let priceAtLeft = density * spreadAtLeft
    if price >= priceAtLeft {
      let curve = RationalCubic(
        width: priceAtMiddle - priceAtLeft, values: (left, middle), slopes: (1 / density, Self.rootTwoPi), second: 0,
        at: .right)
      let from = (price - priceAtLeft) / curve.width
      return refine(curve.value(from, 1 - from), stepOnPrice)
    }
    let logPrice = price >= 0x1p-1000 ? parley_log(price) : parley_log(whole.price) - parley_log(whole.low)
    let guess = guess(under: place, density: density, spread: spreadAtLeft, logPrice: logPrice)
    return refine(guess) { stepOnLogarithm($0, logPrice) }
  }

  /// The lowest region, where `f(s) = N(-|x|/(√3 s))³` is nearly proportional to the price.
  ///
  /// Price and f are taken relative to those at the right end, so that nothing overflows.
  private func guess(under place: Place, density: Double, spread: Double, logPrice: Double) -> Double {
    let z = x / (Self.rootThree * place.s)
    let mills = NormalDistribution.millsRatio(-z)
    let (zSlope, zSecond) = (-z / place.s, 2 * z / (place.s * place.s))
    // Derivatives of ln f by s.
    let first = 3 * zSlope / mills
    let second = 3 * (zSecond / mills - zSlope * zSlope * (z + 1 / mills) / mills)
    let share = NormalDistribution.density(z) * mills
    let priceAtRight = density * spread
    // df/dc = 2π|x| / (3√3) e^(-x/2) at c = 0, f being the cube alone.
    let cube = share * share * share
    let slopeAtZero = rootOfRatio * priceAtRight * 3 * Self.rootThree / (2 * .pi * -x * cube)
    let curve = RationalCubic(
      width: 1, values: (0, 1), slopes: (slopeAtZero, spread * first),
      second: spread * spread * (second + first * first - first * place.bend), at: .right)
    let from = price / priceAtRight
    let f = curve.value(from, 1 - from)
    // Where f vanishes it is in proportion to the price.
    let logCube =
      f * cube >= 0x1p-1000
      ? parley_log(f * cube) : logPrice + parley_log(rootOfRatio * 3 * Self.rootThree / (2 * .pi * -x))
    let logShare = logCube.isFinite ? logCube / 3 : logPrice / 3
    return -x / (Self.rootThree * NormalDistribution.tailStart(logShare: logShare))
  }

  private func solve(above middle: Double, price priceAtMiddle: Double) -> Double {
    let lackingAtMiddle = 1 - priceAtMiddle
    let right = middle + lackingAtMiddle * Self.rootTwoPi
    let place = Place(x: x, s: right)
    let density = NormalDistribution.density(place.d1)
    let lackingAtRight = density * Self.shortfall(place)
    if lacking >= lackingAtRight {
      let curve = RationalCubic(
        width: lackingAtMiddle - lackingAtRight, values: (middle, right), slopes: (Self.rootTwoPi, 1 / density),
        second: 0, at: .left)
      let to = (lacking - lackingAtRight) / curve.width
      return refine(curve.value(1 - to, to), stepOnPrice)
    }
    // f(s) = N(-s/2) against c, which f' = -e^(x/2)/2 at c = 1 ends.
    let f = NormalDistribution.density(place.half) * NormalDistribution.millsRatio(place.half)
    let slope = -0.5 * rootOfRatio * parley_exp(0.5 * place.h * place.h)
    let second = slope * -(place.h * place.h) / (right * density)
    let curve = RationalCubic(
      width: lackingAtRight, values: (f, 0), slopes: (slope, -0.5 * rootOfRatio), second: second, at: .left)
    let to = lacking / lackingAtRight
    let value = curve.value(1 - to, to)
    let guess = value > 0 ? 2 * NormalDistribution.tailStart(logShare: parley_log(value)) : right
    return refine(guess, stepOnLacking)
  }

  // MARK: Householder's method

  /// One objective at one place: what Newton's method would step, and the next two derivatives over the first.
  private struct Step {
    var newton: Double
    var second: Double
    var third: Double

    /// The step of order four.
    var householder: Double {
      newton * (1 + 0.5 * second * newton) / (1 + newton * (second + third * newton / 6))
    }
  }

  /// A step smaller than this share of `s` has an error of the fourth power: below rounding.
  private static let closeEnough = 0x1p-15
  static let stepLimit = 12

  private func refine(_ guess: Double, _ step: (Place) -> Step) -> Double {
    // Whatever rounding does to a guess, the search goes on from a place that exists.
    var s = guess > 0 && guess.isFinite ? guess : (-2 * x).squareRoot() + 1
    for _ in 0..<Self.stepLimit {
      let full = step(Place(x: x, s: s)).householder
      // A step that is no number comes of a price that has vanished: the guess was too small.
      let taken = full.isNaN ? s : min(max(full, -0.5 * s), s + 1)
      s += taken
      if abs(taken) < Self.closeEnough * s { break }
    }
    return s
  }

  private func stepOnPrice(_ place: Place) -> Step {
    let density = NormalDistribution.density(place.d1)
    let newton: Double
    if place.d1 > 0, place.half >= OutOfTheMoney.smallHalfDeviation {
      newton = Self.shortfall(place) - lacking / density
    } else {
      newton = price / density - Self.spread(h: place.h, half: place.half)
    }
    return Step(newton: newton, second: place.bend, third: place.twist)
  }

  private func stepOnLogarithm(_ place: Place, _ logPrice: Double) -> Step {
    // c' / c.
    let slope = 1 / Self.spread(h: place.h, half: place.half)
    let log = -0.5 * place.d1 * place.d1 - Self.halfLogTwoPi - parley_log(slope)
    let inverse = 1 / log
    return Step(
      newton: (logPrice - log) * log / (logPrice * slope),
      second: place.bend - slope * (1 + 2 * inverse),
      third: place.twist + slope * slope * (2 + 6 * inverse * (1 + inverse))
        - 3 * slope * place.bend * (1 + 2 * inverse))
  }

  private func stepOnLacking(_ place: Place) -> Step {
    // c' / (1 - c).
    let slope = 1 / Self.shortfall(place)
    let log = -0.5 * place.d1 * place.d1 - Self.halfLogTwoPi - parley_log(slope)
    let newton = (log - parley_log(lacking)) / slope
    return Step(
      newton: newton, second: place.bend + slope, third: place.twist + slope * (2 * slope + 3 * place.bend))
  }

  // MARK: The price

  private struct Place {
    let s: Double
    /// x/s.
    let h: Double
    /// s/2.
    let half: Double
    let d1: Double

    init(x: Double, s: Double) {
      self.s = s
      h = x / s
      half = 0.5 * s
      d1 = h + half
    }

    /// c'' / c' = d1 d2 / s.
    var bend: Double { d1 * (h - half) / s }
    /// c''' / c'.
    var twist: Double {
      let (bend, quotient) = (bend, h / s)
      return bend * bend - 3 * quotient * quotient - 0.25
    }
  }

  /// (1 - c) / c', for d1 >= 0 or not far below.
  private static func shortfall(_ place: Place) -> Double {
    NormalDistribution.millsRatio(place.d1) + NormalDistribution.millsRatio(place.half - place.h)
  }

  /// c / c'.
  private static func spread(h: Double, half: Double) -> Double {
    let (near, far) = (-h - half, half - h)
    if near >= NormalDistribution.asymptotic {
      return OutOfTheMoney.asymptoticSpread(near: near, far: far, half: half)
    }
    if half < OutOfTheMoney.smallHalfDeviation { return OutOfTheMoney.taylorSpread(at: h, half: half) }
    return NormalDistribution.millsRatio(near) - NormalDistribution.millsRatio(far)
  }
}

extension NormalDistribution {
  /// `e^(-d²/2) / √(2π)`, to a relative error of `d²` roundings.
  static func density(_ d: Double) -> Double { densityAtZero * parley_exp(-0.5 * d * d) }
}
