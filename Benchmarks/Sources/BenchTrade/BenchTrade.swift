import CLoopback
import Foundation
import Parley

/// From a request to a trade that both sides have signed, between two nodes in two processes, beside what that cannot do
/// without; and what group commit carries beside a sync for each entry.
///
///     BenchTrade [--deals N] [--width N]
@main
enum BenchTrade {
  static func main() async throws {
    let arguments = CommandLine.arguments
    if arguments.count > 4, arguments[1] == "--maker" {
      return try await Party.runMaker(home: arguments[2], taker: arguments[3], isSingle: arguments[4] == "single")
    }
    func number(_ name: String, _ standard: Int) -> Int {
      guard let index = arguments.firstIndex(of: name), index + 1 < arguments.count else { return standard }
      return Int(arguments[index + 1]) ?? standard
    }
    let deals = number("--deals", 1_000)
    let width = number("--width", 64)
    let folder = FileManager.default.temporaryDirectory.appending(path: "parley-bench-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }

    let party = try await Party(folder.appending(path: "one"), isSingle: false)
    _ = try await party.deal(100, width: 1)
    // Parts and whole in turns, so that a change of the disk's mood meets both.
    var times: [Double] = []
    var parts = Parts()
    for _ in 0..<10 {
      times += try await party.deal(deals / 10, width: 1).times
      try parts.measure(rounds: deals / 10, in: folder)
    }
    print("\nFrom a request to a signed trade, two processes, \(times.count) deals one after the other")
    parts.report(times)

    let grouped = try await party.deal(deals * 4, width: width)
    await party.stop()
    let single = try await Party(folder.appending(path: "each"), isSingle: true)
    _ = try await single.deal(100, width: 1)
    let each = try await single.deal(deals, width: width)
    await single.stop()
    print("\n\(width) dialogues in flight")
    print(
      "  a sync for each submission: \(Int(each.rate)) trades/s, \(Int(each.cpu)) us of processor a trade, both nodes")
    print("  group commit:               \(Int(grouped.rate)) trades/s, \(Int(grouped.cpu)) us of processor a trade")
    print(
      "  ratio \(format(grouped.rate / each.rate)); the processors alone would carry at most \(Int(2e6 / grouped.cpu))")
  }
}

/// Writes a number with two decimals.
func format(_ value: Double) -> String { String(format: "%.2f", value) }

extension [Double] {
  /// The value below which this share of all is; the values are sorted.
  func quantile(_ share: Double) -> Double { self[Swift.min(count - 1, Int(Double(count) * share))] }
}
