import CBareLoop
import Foundation

/// The round trips of single messages on a server that has nothing else to do.
struct LatencyComparison {
  /// Who sleeps while there is nothing to do.
  enum Mode: String, CaseIterable {
    case serverSleeps = "server sleeps, client polls"
    case bothSleep = "both sleep"
    case bothPoll = "both poll"

    var serverPolls: Bool { self == .bothPoll }
    var clientPolls: Bool { self != .bothSleep }
  }

  /// One server's times, in nanoseconds.
  struct Times {
    let name: String
    var all: [Double] = []
    /// The median of each slice.
    var medians: [Double] = []

    var typical: Double { median(all) }
    var percentile99: Double { all.isEmpty ? .nan : all.sorted()[all.count * 99 / 100] }
  }

  let mode: Mode
  var servers: [Times] = []

  /// The pause before each message.
  static let gapMicroseconds: CInt = 200
  static let messagesPerSlice = 400

  func ratio(_ name: String, to limit: String) -> Double? {
    guard let a = servers.first(where: { $0.name == name }), let b = servers.first(where: { $0.name == limit }),
      !a.medians.isEmpty, a.medians.count == b.medians.count
    else { return nil }
    return median(zip(a.medians, b.medians).map { $0 / $1 })
  }

  static func run(_ mode: Mode, _ contenders: [Contender], _ options: Options) throws -> LatencyComparison {
    var comparison = LatencyComparison(mode: mode)
    comparison.servers = contenders.map { Times(name: $0.name) }
    for _ in 0..<options.rounds {
      var running: [(place: Int, server: RunningServer)] = []
      defer { for entry in running { entry.server.stop() } }
      // Those that poll share a core: only one of them may run at a time.
      let groups = mode.serverPolls ? contenders.indices.map { [$0] } : [Array(contenders.indices)]
      for group in groups {
        for place in group {
          let started = try contenders[place].start(.init(polls: mode.serverPolls), core: options.serverCore)
          if let started { running.append((place, started)) }
        }
        for slice in 0..<options.slices {
          for index in running.indices {
            let entry = running[(index + slice) % running.count]
            let times = try measure(entry.server, mode, options)
            comparison.servers[entry.place].all += times
            comparison.servers[entry.place].medians.append(median(times))
          }
        }
        for entry in running { entry.server.stop() }
        running = []
      }
    }
    return comparison
  }

  private static func measure(_ server: RunningServer, _ mode: Mode, _ options: Options) throws -> [Double] {
    var times = [UInt32](repeating: 0, count: messagesPerSlice)
    var error = [CChar](repeating: 0, count: 200)
    _ = bare_process_pin_self(options.clientCore, Machine.priority)
    defer { _ = bare_process_pin_self(-1, 0) }
    let isWell = Setting().withOptions(server) { load in
      bare_latency_run(&load, mode.clientPolls, gapMicroseconds, CInt(messagesPerSlice), &times, &error)
    }
    guard isWell else { throw BenchError(description: "\(server.contender.name), latency: \(text(error))") }
    return times.map(Double.init)
  }
}
