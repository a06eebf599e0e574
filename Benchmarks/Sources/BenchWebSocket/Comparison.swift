import CBareLoop
import Foundation

/// One way of loading a server.
struct Setting {
  var byteCount = 32
  var connectionCount = 64
  var pipeline = 1
  var isText = false
  var isBroadcast = false
  var credentials: Credentials?

  /// Payload bytes that may be under way at a time.
  static let inFlightLimit = 64 << 20

  var name: String { "\(size(byteCount)) x \(connectionCount), pipelined \(pipeline)" }

  /// Calls `body` with the options for a server of this host, which are valid only meanwhile.
  func withOptions<T>(_ server: RunningServer, isRaw: Bool = false, _ body: (inout bare_load_options) -> T) -> T {
    server.host.withCString { host in
      var options = bare_load_options()
      options.host = host
      options.port = server.port
      options.connection_count = CInt(connectionCount)
      options.pipeline = CInt(pipeline)
      options.byte_count = byteCount
      options.in_flight_limit = Self.inFlightLimit
      options.is_text = isText
      options.uses_tls = credentials != nil
      options.is_raw = isRaw
      options.server = server.process
      options.is_broadcast = isBroadcast
      return body(&options)
    }
  }
}

/// What one server did under one load, a sample a slice.
struct Samples {
  let name: String
  /// CPU time of the server a message, in nanoseconds.
  var nanoseconds: [Double] = []
  /// CPU time of the server by time.
  var utilization: [Double] = []
  /// Messages a second.
  var rate: [Double] = []
}

/// All servers under one load.
struct Comparison {
  let setting: Setting
  var activeCount = 0
  var cipher = ""
  var servers: [Samples] = []

  /// The median over the slices of the ratio of neighbours in time.
  func ratio(_ name: String, to limit: String) -> Double? {
    guard let a = servers.first(where: { $0.name == name }), let b = servers.first(where: { $0.name == limit }),
      !a.nanoseconds.isEmpty, a.nanoseconds.count == b.nanoseconds.count
    else { return nil }
    return median(zip(a.nanoseconds, b.nanoseconds).map { $0 / $1 })
  }
}

extension Comparison {
  /// Loads the servers in turns: in each round fresh processes, in each slice of it all of them one after the other.
  ///
  /// A server that is not loaded sleeps meanwhile: a slice ends with the last reply.
  static func run(_ setting: Setting, _ contenders: [Contender], _ options: Options) throws -> Comparison {
    var comparison = Comparison(setting: setting)
    comparison.servers = contenders.map { Samples(name: $0.name) }
    let mode = Contender.Mode(isBroadcast: setting.isBroadcast, credentials: setting.credentials)
    for _ in 0..<options.rounds {
      var running: [(place: Int, server: RunningServer, load: OpaquePointer)] = []
      defer {
        for entry in running {
          bare_load_close(entry.load)
          entry.server.stop()
        }
      }
      for (place, contender) in contenders.enumerated() {
        guard let server = try contender.start(mode, core: options.serverCore) else { continue }
        let isRaw = if case .openSSLLoop = contender.kind { true } else { false }
        var error = [CChar](repeating: 0, count: 200)
        guard let load = setting.withOptions(server, isRaw: isRaw, { bare_load_open(&$0, &error) }) else {
          server.stop()
          throw BenchError(description: "\(contender.name), \(setting.name): \(text(error))")
        }
        running.append((place, server, load))
        comparison.activeCount = Int(bare_load_active_count(load))
        if setting.credentials != nil {
          var cipher = [CChar](repeating: 0, count: 96)
          bare_load_cipher(load, &cipher)
          guard comparison.cipher.isEmpty || comparison.cipher == text(cipher) else {
            throw BenchError(description: "\(contender.name) agreed on \(text(cipher)), not on \(comparison.cipher)")
          }
          comparison.cipher = text(cipher)
        }
      }
      // The first slice warms up.
      for slice in -1..<options.slices {
        for index in running.indices {
          let entry = running[(index + slice + 1) % running.count]
          var result = bare_load_result()
          var error = [CChar](repeating: 0, count: 200)
          let isPinned = bare_process_pin_self(options.clientCore, Machine.priority)
          let isWell = bare_load_run(entry.load, options.sliceSeconds, &result, &error)
          _ = bare_process_pin_self(-1, 0)
          guard isWell, isPinned else {
            let reason = isPinned ? text(error) : "core \(options.clientCore) is not there"
            throw BenchError(description: "\(entry.server.contender.name), \(setting.name): \(reason)")
          }
          guard slice >= 0, entry.server.process > 0 else { continue }
          let count = Double(result.message_count)
          comparison.servers[entry.place].nanoseconds.append(result.server_cpu_seconds / count * 1e9)
          comparison.servers[entry.place].utilization.append(result.server_cpu_seconds / result.seconds)
          comparison.servers[entry.place].rate.append(count / result.seconds)
        }
      }
    }
    return comparison
  }
}

/// The text of a C buffer.
func text(_ buffer: [CChar]) -> String {
  String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return .nan }
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

func size(_ byteCount: Int) -> String {
  byteCount >= 1_024 && byteCount % 1_024 == 0 ? "\(byteCount / 1_024) KiB" : "\(byteCount) B"
}
