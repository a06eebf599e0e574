import Foundation
import Parley
import TestSupport

extension Programs {
  /// The example programs: those built beside the tests, or those in the folder that `PARLEY_EXAMPLES` names.
  static let examples: URL = {
    guard let folder = ProcessInfo.processInfo.environment["PARLEY_EXAMPLES"] else {
      return parley.deletingLastPathComponent()
    }
    return URL(filePath: folder, directoryHint: .isDirectory, relativeTo: SharedVectors.root)
  }()

  static let echo = examples.appending(path: "websocket-echo")
  static let client = examples.appending(path: "websocket-client")

  /// A program of the Python environment.
  static func python(_ name: String) -> URL { python.deletingLastPathComponent().appending(path: name) }

  /// A program of the system, the first of these names that there is.
  static func system(_ names: String...) -> URL? {
    for name in names {
      for folder in ["/usr/local/bin", "/usr/bin", "/bin"] {
        let file = URL(filePath: folder).appending(path: name)
        if FileManager.default.isExecutableFile(atPath: file.path()) { return file }
      }
    }
    return nil
  }

  static let curl = system("curl")
  static let chromium = system("chromium-headless-shell", "chromium")
}

extension Child {
  /// Waits for a line of its standard output that begins so, and gives what follows.
  func line(beginning prefix: String, within seconds: Double = 20) async throws -> String {
    try await line(beginning: prefix, within: seconds) { self.text }
  }

  /// Waits for a line of its standard error that begins so, and gives what follows.
  func complaint(beginning prefix: String, within seconds: Double = 20) async throws -> String {
    try await line(beginning: prefix, within: seconds) { self.log }
  }

  private func line(
    beginning prefix: String, within seconds: Double, of text: () -> String
  ) async throws -> String {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
      let whole = text().split(separator: "\n", omittingEmptySubsequences: false).dropLast()
      if let line = whole.first(where: { $0.hasPrefix(prefix) }) { return String(line.dropFirst(prefix.count)) }
      try await Task.sleep(for: .milliseconds(10))
    }
    throw Failure("no line beginning '\(prefix)' within \(seconds) s; it printed:\n\(self.text)\n\(log)")
  }

  /// Runs a program to its end, which it must reach in time.
  static func run(
    _ program: URL, _ words: [String], in folder: URL, name: String = "run-\(UUID().uuidString.prefix(8))",
    standardInput: Int32? = nil, within seconds: Double = 60
  ) async throws -> (code: Int32, text: String, log: String) {
    let child = try Child(program, words, in: folder, name: name, standardInput: standardInput)
    let watchdog = Task {
      try await Task.sleep(for: .seconds(seconds))
      await child.kill()
    }
    let code = await child.end()
    watchdog.cancel()
    return (code, child.text, child.log)
  }
}

/// One run of `websocket-echo`.
struct EchoServer {
  let child: Child
  let url: String

  init(_ words: [String] = [], in folder: URL, name: String = "echo") async throws {
    child = try Child(Programs.echo, ["--port", "0"] + words, in: folder, name: name)
    url = try await child.line(beginning: "listening on ")
  }

  /// Host and port, as in its URL.
  var address: String { String(url.drop { $0 != "/" }.dropFirst(2)) }

  /// Asks it to stop, and gives its exit code.
  func stop() async -> Int32 {
    await child.stop()
    return await child.end()
  }
}

/// Certificates of authorities that nobody else trusts.
struct Certificates {
  /// For `localhost` and `127.0.0.1`.
  let certificate: String
  let key: String
  let authority: String

  init(in folder: URL) async throws {
    let script = SharedVectors.root.appending(path: "Tests/ParleyIOTests/python/make_certificate.py").path()
    let made = try await Child.run(Programs.python, [script, folder.path()], in: folder, name: "certificates")
    guard made.code == 0 else { throw Failure(made.log) }
    certificate = folder.appending(path: "both.pem").path()
    key = folder.appending(path: "both.key").path()
    authority = folder.appending(path: "both-ca.pem").path()
  }

  /// The words with which a server uses them.
  var words: [String] { ["--tls-cert", certificate, "--tls-key", key] }
}

/// A pipe whose writing end a test holds, for the standard input of a program. No other program inherits it: it would
/// keep the first from seeing the end.
final class InputPipe {
  let reading: Int32
  private let writing: FileHandle

  init() {
    var ends: [Int32] = [-1, -1]
    precondition(pipe(&ends) == 0)
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    reading = ends[0]
    writing = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
  }

  deinit { close(reading) }

  func write(_ text: String) throws { try writing.write(contentsOf: Data(text.utf8)) }
  func end() throws { try writing.close() }
}
