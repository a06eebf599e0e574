import Foundation
import Parley
import TestSupport

/// A program that a test starts, reads and stops. Its output goes to files, so that nothing blocks and all of it can
/// be shown when a test fails.
final class Child: @unchecked Sendable {
  private let process: ChildProcess
  let output: URL
  let errors: URL

  init(
    _ program: URL, _ words: [String], in folder: URL, name: String, environment: [String: String] = [:],
    standardInput: Int32? = nil
  ) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    output = folder.appending(path: "\(name).out")
    errors = folder.appending(path: "\(name).err")
    for file in [output, errors] { try Data().write(to: file) }
    let nothing = FileHandle(forReadingAtPath: "/dev/null")
    let printed = try FileHandle(forWritingTo: output)
    let complained = try FileHandle(forWritingTo: errors)
    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process = try ChildProcess(
      program: program.path(), arguments: words, environment: variables.map { "\($0.key)=\($0.value)" },
      standardInput: standardInput ?? nothing?.fileDescriptor ?? 0, standardOutput: printed.fileDescriptor,
      standardError: complained.fileDescriptor)
  }

  /// A test that fails leaves nothing running.
  deinit {
    process.kill()
    process.wait()
  }

  var identifier: Int32 { process.identifier }

  /// What it has printed on standard output.
  var text: String { (try? String(contentsOf: output, encoding: .utf8)) ?? "" }
  /// What it has printed on standard error.
  var log: String { (try? String(contentsOf: errors, encoding: .utf8)) ?? "" }

  /// The JSON objects it has printed, one a line.
  var lines: [JSONValue] {
    text.split(separator: "\n").compactMap { try? JSONValue.parse(Array($0.utf8)) }
  }

  /// Waits for a line that `isWanted`.
  func line(within seconds: Double = 20, _ isWanted: (JSONValue) -> Bool) async throws -> JSONValue {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
      if let line = lines.first(where: isWanted) { return line }
      try await Task.sleep(for: .milliseconds(10))
    }
    throw Failure("no such line within \(seconds) s; it printed:\n\(text)\n\(log)")
  }

  /// Waits until it has ended.
  @discardableResult
  func end() async -> Int32 {
    while process.isRunning { try? await Task.sleep(for: .milliseconds(2)) }
    return process.wait()
  }

  /// Asks it to stop and waits until it has.
  func stop() async {
    process.terminate()
    await end()
  }

  /// Kills it as a power failure would, and waits until it is gone.
  func kill() async {
    process.kill()
    await end()
  }
}

struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

enum Programs {
  /// The command line under test, built beside the tests.
  static let parley: URL = {
    var folder = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    if !FileManager.default.isExecutableFile(atPath: folder.appending(path: "parley").path()) {
      folder = Bundle.main.bundleURL.deletingLastPathComponent()
    }
    if !FileManager.default.isExecutableFile(atPath: folder.appending(path: "parley").path()) {
      folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
    }
    return folder.appending(path: "parley")
  }()

  /// The Python with the packages of `Tests/requirements.txt`, which `make test` prepares.
  static let python = SharedVectors.root.appending(path: ".deps/venv/bin/python")
  static let pythonPeer = SharedVectors.root.appending(path: "Tests/Interop/python").path()

  /// A folder of its own for a test; the caller removes it.
  static func temporaryFolder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appending(path: "parley-test-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }
}

/// One `parley up` or `parley maker`, run as an owner would.
final class RunningNode: @unchecked Sendable {
  let folder: URL
  let name: String
  let home: NodeHome
  let longForm: String
  private(set) var child: Child
  private let words: [String]
  /// Where it listens: handed down at each start, so that its port outlives it.
  private let listener: ListeningSocket?
  private(set) var listen: String?
  private var starts = 0

  /// Makes an identity and starts the node.
  ///
  /// - Parameters:
  ///   - endpoint: What its DID says; with a listener that is where it really listens.
  ///   - words: The command and its options, without `--home`.
  init(
    _ name: String, in folder: URL, endpoint: String?, postQuantum: Bool = false, listener: ListeningSocket? = nil,
    _ words: [String]
  ) async throws {
    self.listener = listener
    self.name = name
    self.folder = folder
    self.words = words
    home = NodeHome(path: folder.appending(path: name).path())
    let keystore = try Keystore.create(
      passphrase: SecretBytes(copying: Array(Self.passphrase.utf8)), endpoint: endpoint, postQuantum: postQuantum,
      cost: .minimum)
    try home.initialize(keystore)
    longForm = NodeIdentity.longForm(try home.publicIdentity())
    child = try Self.launch(words, home, folder, "\(name)-0", listener)
    try await awaitReady()
  }

  private static let passphrase = "correct horse"

  private static func launch(
    _ words: [String], _ home: NodeHome, _ folder: URL, _ name: String, _ listener: ListeningSocket?
  ) throws -> Child {
    try Child(
      Programs.parley,
      words + (listener == nil ? [] : ["--listen", "fd:0"]) + ["--home", home.folder.path(), "--json"],
      in: folder, name: name, environment: ["PARLEY_PASSPHRASE": passphrase], standardInput: listener?.descriptor)
  }

  private func awaitReady() async throws {
    let ready = try await child.line(within: 30) { $0["event"]?.stringValue == "ready" }
    listen = ready["listen"]?.stringValue
  }

  /// Starts it again after it has ended.
  func restart() async throws {
    starts += 1
    child = try Self.launch(words, home, folder, "\(name)-\(starts)", listener)
    try await awaitReady()
  }

  /// Everything it has logged, over all its lives.
  var log: String {
    (0...starts).map { life in
      (try? String(contentsOf: folder.appending(path: "\(name)-\(life).err"), encoding: .utf8)) ?? ""
    }.joined()
  }

  /// Sends one request over its control socket.
  func call(_ method: String, _ parameters: JSONObject = JSONObject()) async throws(ControlError) -> JSONValue {
    try await ControlClient(home: home).call(method, parameters)
  }

  func stop() async { await child.stop() }
}

/// One run of the Python peer.
struct PythonPeer {
  let child: Child

  init(_ words: [String], in folder: URL, name: String) throws {
    child = try Child(
      Programs.python, ["-m", "parley_peer"] + words, in: folder, name: name,
      environment: ["PYTHONPATH": Programs.pythonPeer, "PYTHONDONTWRITEBYTECODE": "1"])
  }

  /// The last line: how it went.
  func outcome(within seconds: Double = 40) async throws -> JSONValue {
    try await child.line(within: seconds) { line in
      // A node that calls a peer of before at a port that this one has now fails at message 1. It is not what the test is of.
      let isStranger = line["ended"]?.boolValue == false && line["detected"] == ["MAC1"]
      return line["event"]?.stringValue == "outcome" && !isStranger
    }
  }
}
