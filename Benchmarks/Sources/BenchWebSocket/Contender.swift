import CBareLoop
import Foundation

/// A benchmark that cannot go on: who failed, and how.
struct BenchError: Error, CustomStringConvertible {
  let description: String
}

/// A server that is measured.
struct Contender {
  enum Kind {
    /// The project's echo server, an executable.
    case engine(path: String)
    /// The limit: this program itself, in another process.
    case bareLoop
    /// OpenSSL alone: the same.
    case openSSLLoop
    case command(String)
    case address(host: String, port: UInt16)
  }

  /// How it is to run.
  struct Mode {
    var isBroadcast = false
    var polls = false
    var credentials: Credentials?
    /// Further words for the project's server.
    var words: [String] = []
  }

  let name: String
  let kind: Kind

  /// Starts it on a port of its own and waits until it listens.
  ///
  /// - Returns: `nil` where there is no such mode of it.
  func start(_ mode: Mode, core: CInt) throws -> RunningServer? {
    let port = bare_free_port()
    let words: [String]
    switch kind {
    case .address(let host, let port):
      guard !mode.polls, mode.credentials == nil else { return nil }
      return RunningServer(
        contender: self, host: host, port: port, process: ListeningProcess.find(port: port) ?? 0, isOurs: false)
    case .engine(let path):
      var arguments = [path, "--port", "\(port)", "--loops", "1"]
      if mode.isBroadcast { arguments.append("--broadcast") }
      if mode.polls { arguments.append("--busy-poll") }
      if let credentials = mode.credentials {
        arguments += ["--tls-cert", credentials.certificate, "--tls-key", credentials.key]
      }
      words = arguments + mode.words
    case .bareLoop, .openSSLLoop:
      var arguments = ["/proc/self/exe", BareLoopProcess.word, "\(port)"]
      if mode.isBroadcast { arguments.append("broadcast") }
      if mode.polls { arguments.append("poll") }
      if let credentials = mode.credentials { arguments += ["tls", credentials.certificate, credentials.key] }
      words = arguments
    case .command(let command):
      guard !mode.polls, mode.credentials == nil else { return nil }
      let line = command.replacing("{port}", with: "\(port)")
        .replacing("{broadcast}", with: mode.isBroadcast ? "--broadcast" : "")
      words = ["/bin/sh", "-c", "exec \(line)"]
    }
    var arguments = words.map { strdup($0) } + [nil]
    defer { arguments.forEach { free($0) } }
    let process = bare_process_start(&arguments, core, Machine.priority, true)
    let server = RunningServer(contender: self, host: "127.0.0.1", port: port, process: process, isOurs: true)
    for _ in 0..<2_000 {
      guard bare_process_runs(process) else { break }
      if bare_port_answers("127.0.0.1", port) { return server }
      usleep(5_000)
    }
    server.stop()
    throw BenchError(description: "\(name) does not listen: \(words.joined(separator: " "))")
  }
}

/// A server that runs.
struct RunningServer {
  let contender: Contender
  let host: String
  let port: UInt16
  /// 0 where it is not known.
  let process: pid_t
  let isOurs: Bool

  func stop() {
    if isOurs { bare_process_stop(process) }
  }
}

/// What this program does when it is started as a limit.
enum BareLoopProcess {
  static let word = "serve-bare-loop"

  /// Serves until it is killed, if the command line says so.
  static func runIfAsked(_ words: [String]) {
    guard words.count > 2, words[1] == word, let port = UInt16(words[2]) else { return }
    let rest = Array(words.dropFirst(3))
    let failure: CInt
    if let tls = rest.firstIndex(of: "tls"), rest.count > tls + 2 {
      failure = bare_loop_serve_tls(port, rest[tls + 1], rest[tls + 2], rest.contains("poll"))
    } else {
      failure = bare_loop_serve(port, rest.contains("broadcast"), rest.contains("poll"))
    }
    FileHandle.standardError.write(Data("bare loop: \(String(cString: strerror(failure)))\n".utf8))
    exit(1)
  }
}

/// Whose socket listens on a port of this machine.
enum ListeningProcess {
  static func find(port: UInt16) -> pid_t? {
    let hexadecimal = String(port, radix: 16, uppercase: true)
    let suffix = ":" + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
    var sockets: Set<String> = []
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
      for line in (try? String(contentsOfFile: table, encoding: .utf8))?.split(separator: "\n") ?? [] {
        let columns = line.split(separator: " ")
        if columns.count > 9, columns[1].hasSuffix(suffix), columns[3] == "0A" {
          sockets.insert("socket:[\(columns[9])]")
        }
      }
    }
    let files = FileManager.default
    for name in (try? files.contentsOfDirectory(atPath: "/proc")) ?? [] {
      guard let process = pid_t(name) else { continue }
      let folder = "/proc/\(name)/fd/"
      for descriptor in (try? files.contentsOfDirectory(atPath: folder)) ?? [] {
        if let target = try? files.destinationOfSymbolicLink(atPath: folder + descriptor), sockets.contains(target) {
          return process
        }
      }
    }
    return nil
  }
}

/// A certificate and its key in files of a folder that is removed in the end.
struct Credentials {
  let folder: String
  var certificate: String { folder + "/cert.pem" }
  var key: String { folder + "/key.pem" }

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "parley-bench-\(UUID().uuidString)").path()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    guard bare_make_certificate(certificate, key) else {
      throw BenchError(description: "cannot write a certificate to \(folder)")
    }
  }

  func remove() { try? FileManager.default.removeItem(atPath: folder) }
}

/// The machine, as far as it matters for what is measured.
enum Machine {
  /// The real-time priority of servers and of the load, 0 where the system does not permit it.
  static let priority: CInt = {
    let isPermitted = bare_process_pin_self(-1, 10)
    _ = bare_process_pin_self(-1, 0)
    return isPermitted ? 10 : 0
  }()

  static let model: String = {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
    return line.map { $0.drop { $0 != ":" }.dropFirst(2) }.map(String.init) ?? "unknown"
  }()

  static let congestionControl: String = {
    let text = try? String(contentsOfFile: "/proc/sys/net/ipv4/tcp_congestion_control", encoding: .utf8)
    return text?.trimmingCharacters(in: .whitespacesAndNewlines) ?? "unknown"
  }()
}
