import CMath

extension Black76 {
  /// The volatility at which the model gives a price.
  ///
  /// Newton's method in coordinates where the price is nearly a straight line, kept inside a bracket, at most
  /// `iterationLimit` steps (3 to 6 are usual). The result is as exact as the price allows: its relative error is a
  /// few roundings times the relative change of the volatility per relative change of the price.
  ///
  /// - Parameters:
  ///   - right: Call or put.
  ///   - undiscountedPrice: The price without discounting, in the units of the forward.
  ///   - forward: Forward price for the expiry.
  ///   - strike: Strike.
  ///   - expiry: Years until expiry; positive.
  /// - Returns: The volatility a year, 0.5 for 50 %; positive.
  /// - Throws: The `OptionsError` of the first number that no option can have; `priceNotAboveIntrinsic` or
  ///   `priceNotBelowBound` for a price that no volatility gives; `expired` when `expiry` is 0.
  public static func impliedVolatility(
    _ right: OptionRight, undiscountedPrice: Double, forward: Double, strike: Double, expiry: Double
  ) throws(OptionsError) -> Double {
    let option = try Black76(right, forward: forward, strike: strike, expiry: expiry, volatility: 0)
    guard undiscountedPrice.isFinite else { throw .price(undiscountedPrice) }
    let (low, high) = (min(option.forward, option.strike), max(option.forward, option.strike))
    // In the money, parity leaves the out-of-the-money price; the intrinsic value is subtracted without rounding.
    var price = undiscountedPrice
    if right.sign * (forward - strike) > 0 {
      let intrinsic = TwoPart.sum(high, -low)
      price = (price - intrinsic.high) - intrinsic.low
    }
    guard price > 0 else { throw .priceNotAboveIntrinsic }
    guard price < low else { throw .priceNotBelowBound }
    guard expiry > 0 else { throw .expired }
    let root = expiry.squareRoot()
    let solver = DeviationSolver(price: price, low: low, high: high)
    return solver.deviation() / root
  }

  /// The most steps that `impliedVolatility` takes.
  public static var iterationLimit: Int { DeviationSolver.iterationLimit }
}

/// Finds σ√T of an out-of-the-money option: forward `low`, strike `high`.
private struct DeviationSolver {
  static let iterationLimit = 100

  let price: Double
  let low: Double
  let high: Double
  let logRatio: TwoPart

  init(price: Double, low: Double, high: Double) {
    self.price = price
    self.low = low
    self.high = high
    logRatio = Moneyness.logRatio(forward: low, strike: high)
  }

  /// The price is convex in σ√T up to √(2|ln(F/K)|), where d1 = 0, and concave above.
  func deviation() -> Double {
    let inflection = (2 * abs(logRatio.high)).squareRoot()
    guard inflection > 0 else { return rising(from: 0) }
    let atInflection = OutOfTheMoney.price(moneyness(inflection), forward: low, strike: high)
    return price < atInflection ? wing(below: inflection) : rising(from: inflection)
  }

  private func moneyness(_ deviation: Double) -> Moneyness {
    Moneyness(logRatio: logRatio, deviation: TwoPart(high: deviation, low: 0))
  }

  /// Below the inflection, where ln(price) is close to a straight line in 1/deviation².
  ///
  /// The price itself never appears, only its logarithm, so prices near the smallest double lose nothing.
  private func wing(below inflection: Double) -> Double {
    let logPrice = parley_log(price) - parley_log(low * NormalDistribution.densityAtZero)
    var bracket = (from: 0.0, to: inflection)
    // ln(price) = -x²/2s² to leading order.
    var guess = min(abs(logRatio.high) / max(-2 * logPrice, 1).squareRoot(), inflection)
    for _ in 0..<Self.iterationLimit {
      let place = moneyness(guess)
      // d1 <= 0 here, so the spread exists; were it to vanish in rounding, the guess is too small.
      let spread = OutOfTheMoney.spread(place) ?? 0
      let square = place.d1.squared
      let excess =
        spread > 0 ? (parley_log(spread) - logPrice) - 0.5 * square.high - 0.5 * square.low : -Double.infinity
      if excess < 0 { bracket.from = max(bracket.from, guess) } else { bracket.to = min(bracket.to, guess) }
      let stretch = 1 + 2 * spread * excess / guess
      var next = stretch > 0 ? guess / stretch.squareRoot() : Double.infinity
      if !(next > bracket.from && next < bracket.to) {
        next = abs(excess) < 0x1p-48 ? guess : 0.5 * (bracket.from + bracket.to)
      }
      if abs(next - guess) <= 0x1p-52 * guess { return next }
      guess = next
    }
    return guess
  }

  /// Above the inflection, where Newton's method on the concave price climbs to the root and never passes it.
  ///
  /// Close to the bound the logarithm of what the price lacks to it takes over.
  private func rising(from inflection: Double) -> Double {
    let lacking = low - price
    let nearBound = lacking < 0.5 * low
    var bracket = (from: inflection, to: Double.infinity)
    // What lacks falls like e^(-s²/8) at the far end.
    var guess = max(inflection, nearBound ? (-8 * parley_log(lacking / low)).squareRoot() : inflection)
    for _ in 0..<Self.iterationLimit {
      let place = guess > 0 ? moneyness(guess) : nil
      let slope = low * (place.map { NormalDistribution.density($0.d1) } ?? NormalDistribution.densityAtZero)
      let step: Double
      if nearBound, let place {
        let shortfall = OutOfTheMoney.shortfall(place, forward: low, strike: high)
        step = parley_log(shortfall / lacking) * shortfall / slope
      } else {
        let value = place.map { OutOfTheMoney.price($0, forward: low, strike: high) } ?? 0
        step = (price - value) / slope
      }
      if step > 0 { bracket.from = max(bracket.from, guess) } else { bracket.to = min(bracket.to, guess) }
      var next = guess + step
      if !(next > bracket.from && next < bracket.to) {
        if abs(step) <= 0x1p-48 * guess { return guess }
        next = bracket.to.isFinite ? 0.5 * (bracket.from + bracket.to) : 2 * guess + 1
      }
      if abs(next - guess) <= 0x1p-52 * guess { return next }
      guess = next
    }
    return guess
  }
}
