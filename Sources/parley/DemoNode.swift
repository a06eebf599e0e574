import Foundation
import Parley

/// One node of the demonstration: a process of its own, reached like any other through its control socket.
final class DemoNode {
  private let name: String
  private let home: NodeHome
  private let process: ChildProcess

  /// The operating system's number of the process.
  var identifier: Int32 { process.identifier }

  /// Starts `parley` with these words and returns when it says that it is ready.
  ///
  /// - Parameters:
  ///   - name: What its log is called.
  ///   - home: Where it lives.
  ///   - passphrase: What opens its keystore.
  ///   - words: The command and its options, without `--home`.
  ///   - standardInput: A listening socket to hand down; `nil` for none.
  /// - Throws: ``CommandFailure`` when it ends before it is ready.
  init(_ name: String, home: NodeHome, passphrase: String, _ words: [String], standardInput: Int32? = nil) throws {
    self.name = name
    self.home = home
    let log = home.folder.appending(path: "\(name).log")
    try Data().write(to: log)
    guard let nothing = FileHandle(forReadingAtPath: "/dev/null") else { throw CommandFailure("there is no /dev/null") }
    let errors = try FileHandle(forWritingTo: log)
    let output = Pipe()
    let variables = ProcessInfo.processInfo.environment.merging(["PARLEY_PASSPHRASE": passphrase]) { $1 }
    process = try ChildProcess(
      program: URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().path(),
      arguments: words + ["--home", home.folder.path(), "--json"],
      environment: variables.map { "\($0.key)=\($0.value)" },
      standardInput: standardInput ?? nothing.fileDescriptor,
      standardOutput: output.fileHandleForWriting.fileDescriptor, standardError: errors.fileDescriptor)
    try output.fileHandleForWriting.close()
    var line = Data()
    while !line.contains(UInt8(ascii: "\n")) {
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else {
        process.wait()
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
    process.terminate()
    process.wait()
  }
}
