import Glibc

/// Whether times tell anything of secrets: Welch's t-test over two classes of inputs in random order.
///
/// `--samples N` (10,000,000), `--only TEXT` for the trials whose names contain it.
@main
enum BenchTiming {
  /// Beyond this the two classes differ, but for one chance in a hundred thousand.
  static let limit = 4.5

  static func main() throws {
    let (samples, only) = options()
    let trials = try Trials.all().filter { trial in trial.isPlanted || only.map { trial.name.contains($0) } ?? true }
    print("Timing: |t| of Welch's test over \(samples) samples, at most \(limit) where nothing is found\n")
    print("  |t|     cycles    what, and its two classes")
    var isGood = true
    for trial in trials {
      let (t, difference) = trial.measure(samples: samples) { done in
        show("\r  \(trial.name): \(100 * done / samples) %   ")
      }
      show("\r\u{1B}[K")
      let isFound = abs(t) >= limit
      if isFound != trial.isPlanted { isGood = false }
      let verdict =
        isFound ? (trial.isPlanted ? "found, as it must be" : "FOUND") : (trial.isPlanted ? "NOT FOUND" : "")
      print(
        "  " + pad(decimal(abs(t)), 8) + pad(decimal(difference), 10) + "\(trial.name) (\(trial.classes)) \(verdict)")
      fflush(nil)
    }
    print(isGood ? "\nNothing is found but what was planted." : "\nNot as it should be.")
    if !isGood { exit(1) }
  }

  private static func options() -> (samples: Int, only: String?) {
    var samples = 10_000_000
    var only: String?
    var arguments = CommandLine.arguments.dropFirst()
    while let name = arguments.popFirst() {
      guard let value = arguments.popFirst() else { usage() }
      switch name {
      case "--samples":
        guard let count = Int(value), count >= 1000 else { usage() }
        samples = count
      case "--only": only = value
      default: usage()
      }
    }
    return (samples, only)
  }

  private static func usage() -> Never {
    print("BenchTiming: --samples N (1000 or more), --only TEXT")
    exit(2)
  }

  /// For a terminal only.
  private static func show(_ text: String) {
    guard isatty(2) == 1 else { return }
    _ = Array(text.utf8).withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private static func decimal(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }
}
