import Foundation
import ParleyOptions
import TestSupport
import Testing

/// QuantLib and py_lets_be_rational, from the tests' Python environment, on the same random options.
@Suite("Second implementations", .serialized)
struct SecondImplementationTests {
  private static let python = SharedVectors.root.appending(path: ".deps/venv/bin/python").path()

  /// Whether the environment is there and has both: it may be of an older list of packages.
  private static let isPresent: Bool = {
    guard FileManager.default.isExecutableFile(atPath: python) else { return false }
    return (try? run(["-c", "import QuantLib, py_lets_be_rational"])) == 0
  }()

  private static func run(_ words: [String]) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(filePath: python)
    process.arguments = words
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitAndReap()
    return process.terminationStatus
  }

  @Test(
    "100,000 random options",
    .enabled(if: isPresent, "no QuantLib in .deps/venv: run scripts/bootstrap --tests"))
  func random() throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "options-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: file) }
    let script = SharedVectors.root.appending(path: "Tests/ParleyOptionsTests/python/options_witness.py").path()
    #expect(try Self.run([script, "100000", "20261121", file.path()]) == 0)
    let bytes = [UInt8](try Data(contentsOf: file))
    #expect(bytes.count == 100_000 * 88)
    let numbers = stride(from: 0, to: bytes.count, by: 8).map { start in
      Double(bitPattern: bytes[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) })
    }
    var columns = OptionColumns(capacity: 100_000)
    var failures = 0
    for start in stride(from: 0, to: numbers.count, by: 11) {
      let n = Array(numbers[start..<start + 11])
      let right: OptionRight = n[0] > 0 ? .call : .put
      let option = try Black76(right, forward: n[1], strike: n[2], expiry: n[3], volatility: n[4])
      columns.append(option)
      let greeks = try #require(option.greeks)
      // QuantLib subtracts F N(d1) and K N(d2): its errors are roundings of these, in the wings much of the price.
      let size = max(n[1], n[2])
      let deviation = n[4] * n[3].squareRoot()
      let quantLib =
        abs(option.price - n[5]) <= 1e-13 * size && abs(greeks.delta - n[6]) <= 1e-12
        && abs(greeks.gamma - n[7]) <= 1e-10 * greeks.gamma && abs(greeks.vega - n[8]) <= 1e-10 * greeks.vega
      // The rounding of ln(F/K) is 1/σ√T times as large in its price; ours has none of it.
      let rational = abs(option.price - n[9]) <= 1e-13 * option.price * (1 + 1 / deviation)
      let condition = n[9] / (n[4] * greeks.vega)
      let found = try Black76.impliedVolatility(
        right, undiscountedPrice: n[9], forward: n[1], strike: n[2], expiry: n[3])
      let implied = abs(found - n[10]) <= n[10] * max(1e-13, 16 * 2.2e-16 * max(condition, 1 / deviation))
      if !(quantLib && rational && implied) {
        failures += 1
        if failures <= 5 {
          Issue.record("\(option): QuantLib \(quantLib), rational \(rational), implied \(implied): \(found), \(n)")
        }
      }
    }
    #expect(failures == 0)
    // The loop over columns, against the same witness.
    var greeks = GreekColumns()
    columns.price(into: &greeks)
    let wrong = (0..<columns.count).filter { index in
      abs(greeks.price[index] - numbers[index * 11 + 5]) > 1e-13 * max(columns.forwards[index], columns.strikes[index])
    }
    #expect(wrong.isEmpty)
  }
}
