import Foundation
import ParleyOptions
import TestSupport

/// One case of `options/black76_reference.json`, or of this target's own `Vectors/black76.json` in the same form.
///
/// Inputs are exact doubles; results are 21 digits of a calculation with 60.
struct ReferenceCase: Decodable {
  let cat: String
  let type: String
  let F: Double
  let K: Double
  let T: Double
  let r: Double
  let sigma: Double
  let undiscounted: String
  let price: String
  let delta: String?
  let gamma: String?
  let vega: String?
  let theta: String?
  let rho: String?
  let vanna: String?
  let volga: String?
  let dual_delta: String?
  let undiscounted_double: String?
  let iv_condition: String?
  let iv_of_double: String?
  let iv_note: String?

  private struct File: Decodable {
    let cases: [ReferenceCase]
  }

  static func own() throws -> [ReferenceCase] {
    guard let url = Bundle.module.url(forResource: "black76", withExtension: "json", subdirectory: "Vectors") else {
      throw Malformed(text: "Vectors/black76.json is not in the bundle")
    }
    return try JSONDecoder().decode(File.self, from: Data(contentsOf: url)).cases
  }

  static func shared() throws -> [ReferenceCase] {
    try SharedVectors.json("options/black76_reference.json", as: File.self).cases
  }

  var right: OptionRight { type == "call" ? .call : .put }

  func option() throws -> Black76 {
    try Black76(right, forward: F, strike: K, expiry: T, volatility: sigma, rate: r)
  }

  var label: String { "\(cat) \(type) F=\(F) K=\(K) T=\(T) r=\(r) sigma=\(sigma)" }

  /// What the model says beside what the file says; without the Greeks where the file leaves them out.
  func results() throws -> [(name: String, value: Double, reference: Double)] {
    let option = try option()
    var results = [
      ("undiscounted", option.undiscountedPrice, try Self.number(undiscounted)),
      ("price", option.price, try Self.number(price)),
    ]
    guard let delta, let gamma, let vega, let theta, let rho, let vanna, let volga, let dual_delta else {
      return results
    }
    guard let greeks = option.greeks else { throw Malformed(text: "no Greeks for \(label)") }
    results += [
      ("delta", greeks.delta, try Self.number(delta)), ("gamma", greeks.gamma, try Self.number(gamma)),
      ("vega", greeks.vega, try Self.number(vega)), ("theta", greeks.theta, try Self.number(theta)),
      ("rho", greeks.rho, try Self.number(rho)), ("vanna", greeks.vanna, try Self.number(vanna)),
      ("volga", greeks.volga, try Self.number(volga)), ("dual delta", greeks.dualDelta, try Self.number(dual_delta)),
    ]
    return results
  }

  struct Malformed: Error {
    let text: String
  }

  static func number(_ text: String) throws -> Double {
    guard let number = Double(text) else { throw Malformed(text: text) }
    return number
  }
}
