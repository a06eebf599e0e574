import Foundation
import ParleyOptions
import TestSupport
import Testing

/// All Greeks of both models against numerical derivatives with 60 digits (`Vectors/greeks.json`).
///
/// The bound is 1e-12 of the value, plus 1e-15 of the largest term that its definition subtracts: near a zero of
/// `1 + d1 d2` no double calculation has a relative error.
@Suite("Greeks against references")
struct GreeksReferenceTests {
  private struct File: Decodable {
    let cases: [Case]
  }

  private struct Case: Decodable {
    let model: String, type: String
    let F: Double, K: Double, T: Double, r: Double, q: Double, sigma: Double
    let price: String, delta: String, gamma: String, vega: String, theta: String, rho: String
    let vanna: String, volga: String, dual_delta: String
    let charm: String, veta: String, vera: String, dual_gamma: String
    let speed: String, zomma: String, color: String, ultima: String
  }

  @Test("first, second and third order, of both models") func all() throws {
    let url = try #require(Bundle.module.url(forResource: "greeks", withExtension: "json", subdirectory: "Vectors"))
    let cases = try JSONDecoder().decode(File.self, from: Data(contentsOf: url)).cases
    #expect(cases.filter { $0.model == "b76" }.count == 16 && cases.count == 32)
    for item in cases {
      let right: OptionRight = item.type == "call" ? .call : .put
      let greeks: Greeks?
      let higher: HigherGreeks?
      let price: Double
      if item.model == "b76" {
        let option = try Black76(
          right, forward: item.F, strike: item.K, expiry: item.T, volatility: item.sigma, rate: item.r)
        (price, greeks, higher) = (option.price, option.greeks, option.higherGreeks)
      } else {
        let option = try BlackScholes(
          right, spot: item.F, strike: item.K, expiry: item.T, volatility: item.sigma, rate: item.r, yield: item.q)
        (price, greeks, higher) = (option.price, option.greeks, option.higherGreeks)
      }
      let g = try #require(greeks)
      let h = try #require(higher)
      // What a derivative by time is made of: each such term is about this share of what is derived, a year.
      let d = abs(log(item.F / item.K)) / (item.sigma * item.T.squareRoot()) + item.sigma * item.T.squareRoot()
      let turns = (1 + d * d) / item.T + 0.1
      let results: [(String, Double, String, terms: Double)] = [
        ("price", price, item.price, 0), ("delta", g.delta, item.delta, 0), ("gamma", g.gamma, item.gamma, 0),
        ("vega", g.vega, item.vega, 0), ("theta", g.theta, item.theta, 0.1 * item.F),
        ("rho", g.rho, item.rho, item.F * item.T), ("vanna", g.vanna, item.vanna, 0),
        ("volga", g.volga, item.volga, 0), ("dual delta", g.dualDelta, item.dual_delta, 0),
        ("charm", h.charm, item.charm, turns), ("veta", h.veta, item.veta, g.vega * turns),
        ("vera", h.vera, item.vera, item.F * item.T * (1 + d) / item.sigma),
        ("dual gamma", h.dualGamma, item.dual_gamma, 0),
        ("speed", h.speed, item.speed, g.gamma / item.F * (1 + d)),
        ("zomma", h.zomma, item.zomma, g.gamma * (1 + d * d) / item.sigma),
        ("color", h.color, item.color, g.gamma * turns),
        ("ultima", h.ultima, item.ultima, g.vega * (1 + d * d) * (1 + d * d) / (item.sigma * item.sigma)),
      ]
      for (name, value, text, terms) in results {
        let reference = try ReferenceCase.number(text)
        #expect(
          abs(value - reference) <= 1e-12 * abs(reference) + 1e-15 * terms,
          "\(name) of \(item.model) \(item.F) \(item.K) \(item.T) \(item.sigma): \(value), not \(text)")
      }
    }
  }

  @Test("without volatility there are none") func limit() throws {
    #expect(try Black76(.call, forward: 1, strike: 2, expiry: 1, volatility: 0).higherGreeks == nil)
    let option = try BlackScholes(.call, spot: 1, strike: 2, expiry: 0, volatility: 1, rate: 0)
    #expect(option.higherGreeks == nil && option.greeks?.delta == 0)
  }
}

@Suite("Black-Scholes")
struct BlackScholesTests {
  private struct File: Decodable {
    let cases: [Case]
  }

  private struct Case: Decodable {
    let type: String
    let S: Double, K: Double, T: Double, r: Double, q: Double, sigma: Double
    let price: String, delta: String, gamma: String, vega: String, theta: String, rho: String, phi: String
  }

  @Test(
    "the public cases, all 300, to 1e-12",
    .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
  func publicCases() throws {
    let cases = try SharedVectors.json("options/bsm_reference.json", as: File.self).cases
    #expect(cases.count == 300)
    for item in cases {
      let right: OptionRight = item.type == "call" ? .call : .put
      let option = try BlackScholes(
        right, spot: item.S, strike: item.K, expiry: item.T, volatility: item.sigma, rate: item.r, yield: item.q)
      let greeks = try #require(option.greeks)
      let results: [(String, Double, String)] = [
        ("price", option.price, item.price), ("delta", greeks.delta, item.delta), ("gamma", greeks.gamma, item.gamma),
        ("vega", greeks.vega, item.vega), ("theta", greeks.theta, item.theta), ("rho", greeks.rho, item.rho),
        ("phi", try #require(option.phi), item.phi),
      ]
      for (name, value, text) in results {
        #expect(Bound.holds(value, try ReferenceCase.number(text)), "\(name) of \(item): \(value), not \(text)")
      }
    }
  }

  @Test("finds the volatility of its own prices") func impliedVolatility() throws {
    for right in OptionRight.allCases {
      for strike in [70.0, 99, 100, 130] {
        let option = try BlackScholes(
          right, spot: 100, strike: strike, expiry: 0.6, volatility: 0.44, rate: 0.05, yield: 0.02)
        let found = try BlackScholes.impliedVolatility(
          right, price: option.price, spot: 100, strike: strike, expiry: 0.6, rate: 0.05, yield: 0.02)
        #expect(abs(found - 0.44) < 1e-14 * 100)
      }
    }
    #expect(throws: OptionsError.priceNotAboveIntrinsic) {
      try BlackScholes.impliedVolatility(.put, price: 20, spot: 100, strike: 130, expiry: 0.6, rate: 0.05)
    }
    #expect(throws: OptionsError.rate(.infinity)) {
      try BlackScholes.impliedVolatility(.put, price: 20, spot: 100, strike: 130, expiry: 0.6, rate: .infinity)
    }
    #expect(throws: OptionsError.forward(.infinity)) {
      try BlackScholes(.put, spot: 1e300, strike: 1, expiry: 1000, volatility: 1, rate: 1)
    }
  }
}
