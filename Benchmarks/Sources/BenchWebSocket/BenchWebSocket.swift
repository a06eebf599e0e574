import CBareLoop
import Foundation

/// What the WebSocket engine costs, against what it must cost at least and against others.
@main
final class BenchWebSocket {
  static let engineName = "websocket-echo"

  let options: Options
  let engine: Contender
  let bareLoop = Contender(name: "bare loop", kind: .bareLoop)
  let openSSL = Contender(name: "OpenSSL alone", kind: .openSSLLoop)
  var report: Report

  static func main() {
    BareLoopProcess.runIfAsked(CommandLine.arguments)
    do {
      guard let options = try Options(CommandLine.arguments.dropFirst()) else { return print(Options.help) }
      let benchmark = BenchWebSocket(options: options)
      try benchmark.run()
      exit(benchmark.report.failures.isEmpty ? 0 : 1)
    } catch let error as UsageError {
      complain("BenchWebSocket: \(error.message)\n  see --help")
      exit(2)
    } catch {
      complain("BenchWebSocket: \(error)")
      exit(1)
    }
  }

  init(options: Options) {
    self.options = options
    engine = Contender(name: Self.engineName, kind: .engine(path: options.echoPath))
    report = Report(options)
  }

  func run() throws {
    guard access(options.echoPath, X_OK) == 0 else {
      throw BenchError(
        description: "there is no \(options.echoPath): build it with 'swift build -c release --product websocket-echo'")
    }
    _ = bare_raise_file_limit()
    say("Servers on core \(options.serverCore), the load on core \(options.clientCore), \(priority); \(Machine.model).")
    say("Medians of \(options.rounds) fresh processes x \(options.slices) slices of \(options.sliceSeconds) s in turn.")
    if options.parts.contains(.echo) { measureEcho() }
    if options.parts.contains(.latency) { measureLatency() }
    if options.parts.contains(.broadcast) { measureBroadcast() }
    if options.parts.contains(.tls) { try measureTLS() }
    if options.parts.contains(.memory) { measureMemory() }
    if options.parts.contains(.hostile) { measureHostile() }
    say("\nSummary")
    for summary in report.summaries { say(summary.line) }
    for failure in report.failures { say("  FAILED: \(failure)") }
    if !options.printsOnlyJSON { print() }
    print(report.json)
  }

  private var priority: String { Machine.priority > 0 ? "real-time priority" : "NO real-time priority: noisy" }
  private var peers: [Contender] { options.peers }

  private func measureEcho() {
    say("\nEcho: CPU time of the server a message")
    for byteCount in options.byteCounts {
      for connectionCount in options.connectionCounts {
        for pipeline in options.pipelines {
          let setting = Setting(
            byteCount: byteCount, connectionCount: connectionCount, pipeline: pipeline, isText: options.isText)
          add("echo", setting.name) {
            Report.Row(try Comparison.run(setting, [bareLoop] + peers + [engine], options))
          }
        }
      }
    }
    sumUp("echo", [bareLoop] + peers)
  }

  private func measureLatency() {
    say("\nLatency: round trip of one message of 32 B, every \(LatencyComparison.gapMicroseconds) us, server idle")
    for mode in LatencyComparison.Mode.allCases {
      add("latency", mode.rawValue) {
        Report.Row(try LatencyComparison.run(mode, [bareLoop] + peers + [engine], options))
      }
    }
    sumUp("latency", [bareLoop] + peers)
  }

  private func measureBroadcast() {
    say("\nBroadcast: CPU time of the server a delivery")
    for pipeline in options.pipelines {
      let setting = Setting(byteCount: 128, connectionCount: 1_000, pipeline: pipeline, isBroadcast: true)
      add("broadcast", setting.name) {
        Report.Row(try Comparison.run(setting, [bareLoop] + peers + [engine], options))
      }
    }
    sumUp("broadcast", [bareLoop] + peers)
  }

  private func measureTLS() throws {
    say("\nTLS: CPU time of the server a message")
    let credentials = try Credentials()
    defer { credentials.remove() }
    for byteCount in options.byteCounts {
      for pipeline in options.pipelines {
        let setting = Setting(byteCount: byteCount, pipeline: pipeline, credentials: credentials)
        add("tls", setting.name) { Report.Row(try Comparison.run(setting, [openSSL, engine], options)) }
      }
    }
    if let cipher = report.parts["tls"]?.first?.cipher { say("  \(cipher)") }
    sumUp("tls", [openSSL])
  }

  private func measureMemory() {
    say("\nMemory: private memory of the server's process")
    for (hasEchoed, isBroadcast) in [(false, false), (true, false), (false, true)] {
      add("memory", "idle connections") {
        let contenders = [bareLoop] + peers + [engine]
        return Report.Row(
          try MemoryComparison.run(hasEchoed: hasEchoed, isBroadcast: isBroadcast, contenders, options))
      }
    }
  }

  private func measureHostile() {
    say("\nHostile: round trip of one client's message of 32 B, alone and beside attackers; both sleep")
    for attack in Attack.allCases {
      add("hostile", attack.rawValue) { Report.Row(try HostileComparison.run(attack, engine, options)) }
    }
    report.summarize("hostile", "beside it", to: "alone")
  }

  private func add(_ part: String, _ name: String, _ measure: () throws -> Report.Row) {
    progress("\(part): \(name)")
    defer { progress(nil) }
    do {
      let row = try measure()
      progress(nil)
      say(row.line)
      report.parts[part, default: []].append(row)
    } catch {
      progress(nil)
      say("  FAILED: \(error)")
      report.failures.append("\(error)")
    }
  }

  private func sumUp(_ part: String, _ limits: [Contender]) {
    for limit in limits { report.summarize(part, engine.name, to: limit.name) }
    for peer in peers where limits.count > 1 { report.summarize(part, peer.name, to: limits[0].name) }
  }

  private func say(_ text: String) {
    guard !options.printsOnlyJSON else { return }
    print(text)
    fflush(nil)
  }

  /// What is measured now, on a terminal only.
  private func progress(_ text: String?) {
    guard isatty(STDERR_FILENO) == 1 else { return }
    FileHandle.standardError.write(Data("\r\u{1B}[K\(text.map { "measuring \($0) ..." } ?? "")".utf8))
  }

  static func complain(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}
