/// How long one call of something takes: the median of several rounds.
public struct Measurement: Sendable {
  /// What was measured, as the table names it.
  public let name: String
  /// The median time of one call, in nanoseconds.
  public let nanoseconds: Double
  /// The fastest and the slowest round, in nanoseconds a call.
  public let range: ClosedRange<Double>

  /// The time of one of the `count` things that one call did.
  public func each(of count: Int, _ name: String) -> Measurement {
    let count = Double(count)
    return Measurement(
      name: name, nanoseconds: nanoseconds / count, range: range.lowerBound / count...range.upperBound / count)
  }
}

/// Calls `body` over and over and says how long one call takes.
///
/// A round is as many calls as fill about `roundTime`, found by doubling; the calls before count as warming up.
///
/// - Parameters:
///   - name: What is measured.
///   - rounds: How many rounds the median is taken of; odd.
///   - roundTime: How long a round lasts at least.
///   - body: The call. What it returns is kept alive, so that the optimiser cannot drop it.
/// - Returns: The time of one call.
public func measure<T>(
  _ name: String, rounds: Int = 7, roundTime: Duration = .milliseconds(60), _ body: () throws -> T
) rethrows -> Measurement {
  let clock = ContinuousClock()
  var calls = 1
  while true {
    let took = try clock.measure { for _ in 0..<calls { keep(try body()) } }
    if took >= roundTime { break }
    calls *= 2
  }
  var samples: [Double] = []
  for _ in 0..<rounds {
    let took = try clock.measure { for _ in 0..<calls { keep(try body()) } }
    samples.append(took / .nanoseconds(1) / Double(calls))
  }
  samples.sort()
  return Measurement(name: name, nanoseconds: samples[rounds / 2], range: samples[0]...samples[rounds - 1])
}

/// Prints a table: what was measured, and each as a multiple of a limit or a peer measured in the same run.
public func report(_ title: String, against limit: Measurement, _ measured: [Measurement]) {
  print("\n\(title)")
  for row in [limit] + measured {
    let ratio = row.nanoseconds / limit.nanoseconds
    let columns = [
      pad(row.name, 44), pad(time(row.nanoseconds), 12, right: true), pad(twoDigits(ratio), 8, right: true),
    ]
    print("  " + columns.joined() + " x")
  }
}

@inline(never)
private func keep<T>(_ value: T) { withExtendedLifetime(value) {} }

private func time(_ nanoseconds: Double) -> String {
  switch nanoseconds {
  case ..<10_000: "\(twoDigits(nanoseconds)) ns"
  case ..<10_000_000: "\(twoDigits(nanoseconds / 1000)) us"
  default: "\(twoDigits(nanoseconds / 1_000_000)) ms"
  }
}

private func twoDigits(_ value: Double) -> String {
  let hundredths = Int((value * 100).rounded())
  let rest = hundredths % 100
  return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
}

private func pad(_ text: String, _ width: Int, right: Bool = false) -> String {
  let space = String(repeating: " ", count: max(0, width - text.count))
  return right ? space + text : text + space
}
