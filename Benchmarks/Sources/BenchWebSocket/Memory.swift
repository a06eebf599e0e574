import CBareLoop
import Foundation

/// What connections cost a server that says nothing and hears nothing.
struct MemoryComparison {
  let connectionCount: Int
  /// Whether each connection has echoed one message before.
  let hasEchoed: Bool
  /// Whether the server is one that broadcasts.
  let isBroadcast: Bool
  /// Private memory of the process a connection, in bytes.
  var servers: [(name: String, bytesPerConnection: Double)] = []

  static func run(
    hasEchoed: Bool, isBroadcast: Bool, _ contenders: [Contender], _ options: Options
  ) throws -> MemoryComparison {
    let wanted = options.isQuick ? 2_000 : 10_000
    let possible = min(wanted, Int(bare_raise_file_limit()) - 100)
    var comparison = MemoryComparison(connectionCount: possible, hasEchoed: hasEchoed, isBroadcast: isBroadcast)
    for contender in contenders {
      let mode = Contender.Mode(isBroadcast: isBroadcast)
      guard let server = try contender.start(mode, core: options.serverCore) else { continue }
      defer { server.stop() }
      guard server.process > 0 else { continue }
      // What the first connections make the process allocate once is not theirs.
      let warm = try hold(Setting(connectionCount: 10), server, echoes: true)
      bare_idle_close(warm)
      usleep(200_000)
      let before = bare_process_private_bytes(server.process)
      let idle = try hold(Setting(connectionCount: comparison.connectionCount), server, echoes: hasEchoed)
      defer { bare_idle_close(idle) }
      usleep(500_000)
      let after = bare_process_private_bytes(server.process)
      guard before >= 0, after >= 0 else { continue }
      comparison.servers.append((contender.name, Double(after - before) / Double(comparison.connectionCount)))
    }
    return comparison
  }

  private static func hold(_ setting: Setting, _ server: RunningServer, echoes: Bool) throws -> OpaquePointer {
    var error = [CChar](repeating: 0, count: 200)
    guard let idle = setting.withOptions(server, { bare_idle_open(&$0, echoes, &error) }) else {
      throw BenchError(
        description: "\(server.contender.name), \(setting.connectionCount) idle connections: \(text(error))")
    }
    return idle
  }
}
