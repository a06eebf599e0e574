import Foundation
import Parley

/// One node of the demonstration: a process of its own, reached like any other through its control socket.
final class DemoNode {
  private let name: String
  private let home: NodeHome
  private let process = Process()

  /// The operating system's number of the process.
  var identifier: Int32 { process.processIdentifier }

  init(_ name: String, home: NodeHome, passphrase: String) {
    self.name = name
    self.home = home
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.environment = ProcessInfo.processInfo.environment.merging(["PARLEY_PASSPHRASE": passphrase]) { $1 }
  }

  /// Starts `parley` with these words and returns when it says that it is ready.
  func start(_ words: [String], standardInput: FileHandle) throws {
    let log = home.folder.appending(path: "\(name).log")
    _ = FileManager.default.createFile(atPath: log.path(), contents: nil)
    let output = Pipe()
    process.arguments = words + ["--home", home.folder.path(), "--json"]
    process.standardInput = standardInput
    process.standardOutput = output
    process.standardError = try FileHandle(forWritingTo: log)
    try process.run()
    var line = Data()
    while !line.contains(UInt8(ascii: "\n")) {
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else {
        throw CommandFailure("the \(name) did not start", hint: "see \(log.path())")
      }
      line.append(more)
    }
  }

  /// Sends one request over its control socket.
  func call(_ method: String, _ parameters: JSONObject) async throws(ControlError) -> JSONValue {
    try await ControlClient(home: home).call(method, parameters)
  }

  /// Sends a request that must fail; `nil` if it does not.
  func refusal(_ method: String, _ parameters: JSONObject) async -> ControlError? {
    do throws(ControlError) {
      _ = try await call(method, parameters)
      return nil
    } catch {
      return error
    }
  }

  /// Asks it to stop and waits until it has.
  func stop() {
    guard process.isRunning else { return }
    process.terminate()
    process.waitUntilExit()
  }
}
