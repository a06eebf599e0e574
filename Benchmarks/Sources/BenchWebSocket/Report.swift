import Foundation

/// What is printed and what is written as JSON: the same figures.
struct Report: Encodable {
  struct Server: Encodable {
    let name: String
    var cpuNanosecondsPerMessage: Double?
    var utilization: Double?
    var messagesPerSecond: Double?
    var medianNanoseconds: Double?
    var percentile99Nanoseconds: Double?
    var bytesPerConnection: Double?
    /// By each server before it in the table.
    var ratioTo: [String: Double] = [:]
  }

  struct Row: Encodable {
    let name: String
    var byteCount: Int?
    var connectionCount: Int?
    var activeCount: Int?
    var pipeline: Int?
    var cipher: String?
    var servers: [Server]
  }

  struct Summary: Encodable {
    let part: String
    let name: String
    let limit: String
    let median: Double
    let worst: Double
    let worstAt: String
  }

  var machine = Machine.model
  var isRealTime = Machine.priority > 0
  var congestionControl = Machine.congestionControl
  var rounds: Int
  var slices: Int
  var sliceSeconds: Double
  var parts: [String: [Row]] = [:]
  var summaries: [Summary] = []
  var failures: [String] = []

  init(_ options: Options) {
    (rounds, slices, sliceSeconds) = (options.rounds, options.slices, options.sliceSeconds)
  }

  /// Sums up how one server stands to another over the rows of a part.
  mutating func summarize(_ part: String, _ name: String, to limit: String) {
    let ratios = (parts[part] ?? []).compactMap { row in
      row.servers.first { $0.name == name }?.ratioTo[limit].map { (row.name, $0) }
    }
    guard let worst = ratios.max(by: { $0.1 < $1.1 }) else { return }
    summaries.append(
      Summary(
        part: part, name: name, limit: limit, median: rounded(median(ratios.map(\.1))), worst: worst.1,
        worstAt: worst.0))
  }

  var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}

extension Report.Row {
  init(_ comparison: Comparison) {
    let setting = comparison.setting
    self.init(
      name: setting.name, byteCount: setting.byteCount, connectionCount: setting.connectionCount,
      activeCount: comparison.activeCount, pipeline: setting.pipeline,
      cipher: comparison.cipher.isEmpty ? nil : comparison.cipher, servers: [])
    for samples in comparison.servers where !samples.rate.isEmpty {
      var server = Report.Server(name: samples.name)
      server.cpuNanosecondsPerMessage = rounded(median(samples.nanoseconds))
      server.utilization = rounded(median(samples.utilization))
      server.messagesPerSecond = rounded(median(samples.rate))
      for other in servers { server.ratioTo[other.name] = comparison.ratio(samples.name, to: other.name).map(rounded) }
      servers.append(server)
    }
  }

  init(_ comparison: LatencyComparison) {
    self.init(name: comparison.mode.rawValue, servers: [])
    for times in comparison.servers where !times.all.isEmpty {
      var server = Report.Server(name: times.name)
      server.medianNanoseconds = rounded(times.typical)
      server.percentile99Nanoseconds = rounded(times.percentile99)
      for other in servers { server.ratioTo[other.name] = comparison.ratio(times.name, to: other.name).map(rounded) }
      servers.append(server)
    }
  }

  init(_ comparison: MemoryComparison) {
    let kind =
      (comparison.hasEchoed ? "silent after one message" : "silent after the upgrade")
      + (comparison.isBroadcast ? ", --broadcast" : "")
    let name = "\(comparison.connectionCount) connections, \(kind)"
    self.init(name: name, connectionCount: comparison.connectionCount, servers: [])
    for (name, bytes) in comparison.servers {
      var server = Report.Server(name: name)
      server.bytesPerConnection = bytes
      servers.append(server)
    }
  }

  /// The row as the table prints it: each server's figure, and what it is of the first and of each other before it.
  var line: String {
    var line = "  " + padded(name, 36)
    if let activeCount, let connectionCount, activeCount < connectionCount { line += "(\(activeCount) at a time) " }
    for server in servers {
      line += " | \(server.name) "
      if let nanoseconds = server.cpuNanosecondsPerMessage { line += time(nanoseconds) }
      if let utilization = server.utilization, utilization < 0.85 { line += " (\(Int(utilization * 100)) % busy)" }
      if let median = server.medianNanoseconds, let worst = server.percentile99Nanoseconds {
        line += "\(time(median)), p99 \(time(worst))"
      }
      if let bytes = server.bytesPerConnection { line += "\(Int(bytes.rounded())) B a connection" }
      for (other, ratio) in server.ratioTo.sorted(by: { $0.key < $1.key }) {
        line += servers.count > 2 ? " = \(twoDigits(ratio)) x \(other)" : " = \(twoDigits(ratio)) x"
      }
    }
    return line
  }
}

extension Report.Summary {
  var line: String {
    "  \(part): \(name) / \(limit): median \(twoDigits(median)), worst \(twoDigits(worst)) (\(worstAt))"
  }
}

/// Four significant digits: what there is.
func rounded(_ value: Double) -> Double {
  guard value > 0, value.isFinite else { return value }
  let unit = pow(10, (log10(value)).rounded(.down) - 3)
  return Double(String(format: "%.6g", (value / unit).rounded() * unit)) ?? value
}

func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}

func twoDigits(_ value: Double) -> String { String(format: "%.2f", value) }

func time(_ nanoseconds: Double) -> String {
  nanoseconds < 9_995 ? "\(Int(nanoseconds.rounded())) ns" : "\(String(format: "%.1f", nanoseconds / 1_000)) us"
}
