import ParleyOptions
import TestSupport
import Testing

/// Prices and Greeks against a 60-digit calculation.
///
/// The bound is flat: 1e-12 of the reference value, for every case and every number, however ill-conditioned. A naive
/// double calculation could not hold it where `d2` or `d1` nearly cancels (its relative error there is
/// `2^-53 |h| / |d2|`, h = ln(F/K)/σ√T), nor in the wings (`2^-53 h²`), and so the module carries `h`, `d1` and `d2` in
/// two doubles. Below the normal range doubles are `2^-1074` apart, and that much is allowed on top; a reference below
/// half of it reads as 0, and then the value must be 0 or that last double.
enum Bound {
  static let relative = 1e-12
  static let absolute = Double.leastNonzeroMagnitude

  static func holds(_ value: Double, _ reference: Double) -> Bool {
    abs(value - reference) <= relative * abs(reference) + absolute
  }
}

@Suite("Black-76 against references")
struct Black76ReferenceTests {
  @Test("the project's own cases") func ownCases() throws {
    let cases = try ReferenceCase.own()
    #expect(cases.count == 28)
    for reference in cases { try check(reference) }
  }

  @Test(
    "the public cases, all 2,032", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
  func publicCases() throws {
    let cases = try ReferenceCase.shared()
    #expect(cases.count == 2032)
    var compared = 0
    for reference in cases { compared += try check(reference) }
    // 2,020 cases with ten numbers, 12 without time or volatility with two.
    #expect(compared == 2020 * 10 + 12 * 2)
  }

  @discardableResult
  private func check(_ reference: ReferenceCase) throws -> Int {
    let results = try reference.results()
    for (name, value, expected) in results {
      #expect(Bound.holds(value, expected), "\(name) of \(reference.label): \(value), not \(expected)")
    }
    return results.count
  }

  @Test("the bound is sharp enough to fail a naive formula") func boundBites() {
    #expect(!Bound.holds(1 + 2e-12, 1))
    #expect(!Bound.holds(1e-300 * (1 + 2e-12), 1e-300))
    #expect(!Bound.holds(0x1p-1060, 0))
    #expect(!Bound.holds(.nan, 0))
  }
}
