import Foundation
import TestSupport
import Testing

@testable import ParleyOptions

/// The loop over columns against the careful single option, which the references hold to 1e-12.
@Suite("Option columns")
struct OptionColumnsTests {
  /// What the loop may differ by: 1e-12 of the value, of a theta 1e-12 of its larger term.
  private func check(_ columns: OptionColumns, plainly: Bool) {
    var greeks = GreekColumns()
    columns.price(into: &greeks, plainly: plainly)
    for index in 0..<columns.count {
      let option = columns[index]
      let price = option.price
      guard let exact = option.greeks else {
        #expect(greeks.price[index] == price && greeks.delta[index].isNaN)
        continue
      }
      let interest = abs(option.rate * price)
      let results: [(String, Double, Double, larger: Double)] = [
        ("price", greeks.price[index], price, 0), ("delta", greeks.delta[index], exact.delta, 0),
        ("gamma", greeks.gamma[index], exact.gamma, 0), ("vega", greeks.vega[index], exact.vega, 0),
        ("theta", greeks.theta[index], exact.theta, interest), ("rho", greeks.rho[index], exact.rho, 0),
      ]
      for (name, value, reference, larger) in results {
        #expect(
          abs(value - reference) <= 1e-12 * max(abs(reference), larger) + Bound.absolute,
          "\(name) of \(option): \(value), not \(reference)")
      }
    }
  }

  @Test("random options of every kind", arguments: [true, false]) func random(plainly: Bool) throws {
    var generator = SplitMix64(seed: 0xC0)
    var columns = OptionColumns()
    for index in 0..<20_000 {
      let forward = Double.random(in: 1...100_000, using: &generator)
      let deviation = Double.random(in: 0.005...9, using: &generator) * (index.isMultiple(of: 2) ? 0.05 : 1)
      let expiry = Double.random(in: 0.0001...3, using: &generator)
      // From the money to 14 deviations out.
      let distance = Double.random(in: -14...14, using: &generator)
      let strike = forward * exp(distance * deviation * (index.isMultiple(of: 3) ? 0.1 : 1))
      columns.append(
        try Black76(
          index.isMultiple(of: 5) ? .put : .call, forward: forward, strike: strike, expiry: expiry,
          volatility: deviation / expiry.squareRoot(), rate: index.isMultiple(of: 7) ? 0.04 : 0))
    }
    check(columns, plainly: plainly)
  }

  @Test(
    "the public cases", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)),
    arguments: [true, false])
  func publicCases(plainly: Bool) throws {
    let columns = OptionColumns(try ReferenceCase.shared().map { try $0.option() })
    #expect(columns.count == 2032)
    check(columns, plainly: plainly)
  }

  @Test("any count, and none") func counts() throws {
    let option = try Black76(.put, forward: 100, strike: 90, expiry: 0.5, volatility: 0.6)
    for count in 0..<10 { check(OptionColumns([Black76](repeating: option, count: count)), plainly: false) }
  }

  @Test("implied volatilities of a column, with a reason where there is none") func volatilities() throws {
    var columns = OptionColumns()
    for strike in [80.0, 100, 120] {
      columns.append(try Black76(.call, forward: 100, strike: strike, expiry: 0.5, volatility: 0.7))
    }
    var prices = (0..<3).map { columns[$0].undiscountedPrice }
    prices[0] = 19
    let found = columns.impliedVolatilities(undiscountedPrices: prices)
    #expect(found[0] == .failure(.priceNotAboveIntrinsic))
    for index in 1...2 { #expect(abs(try found[index].get() - 0.7) < 1e-14) }
    try columns.setVolatility(0.8, at: 1)
    #expect(columns[1].volatility == 0.8)
    #expect(throws: OptionsError.volatility(-1)) { try columns.setVolatility(-1, at: 1) }
  }
}
