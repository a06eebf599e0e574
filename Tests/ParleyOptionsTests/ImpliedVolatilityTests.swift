import Foundation
import ParleyOptions
import TestSupport
import Testing

/// Implied volatilities of prices rounded to doubles, against the exact ones.
///
/// The README's bound is `max(1e-13, 16 · 2.2e-16 · max(iv_condition, 1 / σ√T))`, with cases of a condition beyond 1e12
/// left out. Ours is 1e-13 flat, for all 1,934 cases that have a volatility: `log1p` near the money drops the second
/// term, and subtracting the intrinsic value without rounding the first, since the double is then an exact price. The
/// 86 cases whose double has no volatility must each throw, for the reason that the file notes.
@Suite("Implied volatility")
struct ImpliedVolatilityTests {
  private static let relative = 1e-13

  @Test("the project's own cases") func ownCases() throws {
    let cases = try ReferenceCase.own()
    let checked = try check(cases)
    #expect(checked.solved == 24 && checked.refused == 4)
  }

  @Test("the public cases", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
  func publicCases() throws {
    let checked = try check(ReferenceCase.shared())
    #expect(checked.solved == 1934 && checked.refused == 86)
  }

  private func check(_ cases: [ReferenceCase]) throws -> (solved: Int, refused: Int) {
    var (solved, refused) = (0, 0)
    for reference in cases {
      // Without time or volatility there is no volatility to find.
      guard let text = reference.undiscounted_double else { continue }
      let price = try ReferenceCase.number(text)
      if let expected = reference.iv_of_double {
        let value = try Black76.impliedVolatility(
          reference.right, undiscountedPrice: price, forward: reference.F, strike: reference.K, expiry: reference.T)
        let exact = try ReferenceCase.number(expected)
        #expect(abs(value - exact) <= Self.relative * exact, "\(reference.label): \(value), not \(expected)")
        solved += 1
      } else {
        let isAtBound = reference.iv_note == "double price is at the upper bound"
        let error: OptionsError = isAtBound ? .priceNotBelowBound : .priceNotAboveIntrinsic
        #expect(throws: error, "\(reference.label)") {
          try Black76.impliedVolatility(
            reference.right, undiscountedPrice: price, forward: reference.F, strike: reference.K,
            expiry: reference.T)
        }
        refused += 1
      }
    }
    return (solved, refused)
  }

  @Test("finds the volatility of random prices again") func roundTrip() throws {
    var generator = SplitMix64(seed: 0x1F)
    for _ in 0..<2_000 {
      let forward = Double.random(in: 1...100_000, using: &generator)
      let deviation = Double.random(in: 0.001...3, using: &generator)
      let strike = forward * Double.random(in: 0.3...3, using: &generator)
      let expiry = Double.random(in: 0.001...3, using: &generator)
      let volatility = deviation / expiry.squareRoot()
      for right in OptionRight.allCases where (right == .call) == (strike >= forward) {
        let price = try Black76(right, forward: forward, strike: strike, expiry: expiry, volatility: volatility)
          .undiscountedPrice
        guard price > 1e-290 else { continue }
        let found = try Black76.impliedVolatility(
          right, undiscountedPrice: price, forward: forward, strike: strike, expiry: expiry)
        // The price is rounded: out of the money that costs no more than a few units, unless it is near its bound.
        let bound = min(forward, strike)
        let condition = max(1, bound / (bound - price))
        #expect(
          abs(found - volatility) <= 1e-13 * condition * volatility,
          "\(right) \(forward) \(strike) \(expiry) \(volatility)")
      }
    }
  }

  /// Where a cubic that is not made to rise would dip below zero: QuantLib's random options found these.
  @Test(
    "far strikes at great deviations",
    arguments: [
      (OptionRight.call, 25.88580709094522, 2039.8398842379804, 1.2818127471707295, 1.6061098996577623),
      (.call, 277.6903445019548, 22074.89757320546, 0.01615505645122737, 14.368061603398447),
      (.put, 2746.612029579105, 45.06248269316301, 0.007622605885920057, 20.015229030351456),
    ])
  func farStrikes(right: OptionRight, forward: Double, strike: Double, expiry: Double, volatility: Double) throws {
    let option = try Black76(right, forward: forward, strike: strike, expiry: expiry, volatility: volatility)
    let found = try Black76.impliedVolatility(
      right, undiscountedPrice: option.undiscountedPrice, forward: forward, strike: strike, expiry: expiry)
    #expect(abs(found - volatility) <= 1e-14 * volatility)
  }

  @Test("finds them from the money to 30 deviations out, for deviations from 0.0001 to 20") func everywhere() throws {
    var generator = SplitMix64(seed: 0x2F)
    var solved = 0
    for _ in 0..<20_000 {
      let deviation = exp(Double.random(in: log(1e-4)...log(20), using: &generator))
      let strike = 100 * exp(Double.random(in: 0...30, using: &generator) * deviation)
      guard strike.isFinite else { continue }
      let option = try Black76(.call, forward: 100, strike: strike, expiry: 1, volatility: deviation)
      let price = option.undiscountedPrice
      guard price > 1e-290, price < 100, let vega = option.greeks?.vega else { continue }
      let found = try Black76.impliedVolatility(
        .call, undiscountedPrice: price, forward: 100, strike: strike, expiry: 1)
      // What the rounding of the price, and its own error of some units, is worth in volatility.
      #expect(
        abs(found - deviation) <= 4e-15 * deviation + 1e-14 * price / vega, "\(strike) \(deviation): \(found)")
      solved += 1
    }
    #expect(solved > 14_000)
  }

  @Test("reaches the ends of the doubles") func extremes() throws {
    for price in [Double.leastNonzeroMagnitude, 0x1p-1030, 1e-200, 1e-20, 49.999999999999986] {
      let volatility = try Black76.impliedVolatility(
        .call, undiscountedPrice: price, forward: 50, strike: 100, expiry: 1)
      let again = try Black76(.call, forward: 50, strike: 100, expiry: 1, volatility: volatility).undiscountedPrice
      #expect(abs(again - price) <= 1e-12 * price + .leastNonzeroMagnitude, "\(price) came back as \(again)")
    }
  }

  @Test(
    "refuses what has no volatility",
    arguments: [
      (OptionRight.call, 0.0, 100.0, 110.0, 1.0, OptionsError.priceNotAboveIntrinsic),
      (.call, -1, 100, 110, 1, .priceNotAboveIntrinsic),
      (.call, 10, 110, 100, 1, .priceNotAboveIntrinsic),
      (.put, 9.99, 100, 110, 1, .priceNotAboveIntrinsic),
      (.call, 100, 100, 110, 1, .priceNotBelowBound),
      (.put, 110, 100, 110, 1, .priceNotBelowBound),
      (.call, 5, 100, 110, 0, .expired),
      (.call, 5, 0, 110, 1, .forward(0)),
      (.call, 5, 100, -1, 1, .strike(-1)),
      (.call, 5, 100, 110, -1, .expiry(-1)),
      (.call, .infinity, 100, 110, 1, .price(.infinity)),
    ])
  func refuses(
    right: OptionRight, price: Double, forward: Double, strike: Double, expiry: Double, error: OptionsError
  ) {
    #expect(throws: error) {
      try Black76.impliedVolatility(right, undiscountedPrice: price, forward: forward, strike: strike, expiry: expiry)
    }
  }
}
