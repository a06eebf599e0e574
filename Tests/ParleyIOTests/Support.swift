import Foundation
import Glibc
import ParleyWebSocket
import ParleyWire
import TestSupport
import Testing

@testable import ParleyIO

/// Runs `body` with a loop of its own, and ends the loop afterwards.
func withLoop<T>(_ body: (EventLoop) async throws -> T) async throws -> T {
  let loop = try EventLoop()
  defer { loop.shutDown() }
  return try await body(loop)
}

extension EventLoop {
  /// Runs `body` on the loop and waits for it.
  @discardableResult
  func run<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in execute { continuation.resume(returning: body()) } }
  }
}

/// Waits until `condition` holds, and says whether it did within the time.
func eventually(within limit: Duration = .seconds(5), _ condition: () async -> Bool) async -> Bool {
  let deadline = ContinuousClock.now + limit
  while ContinuousClock.now < deadline {
    if await condition() { return true }
    try? await Task.sleep(for: .milliseconds(2))
  }
  return await condition()
}

/// What a connection's callbacks said, for a test to look at from outside.
final class Record: Sendable {
  struct State: Sendable {
    var messages: [[UInt8]] = []
    var closure: WebSocketClosure?
  }

  private let state = Locked(State())

  var messages: [[UInt8]] { state.withLock { $0.messages } }
  var closure: WebSocketClosure? { state.withLock { $0.closure } }

  /// Starts a connection, which must be on its loop; `reply` may answer each message.
  func start(_ connection: WebSocketConnection, reply: @escaping @Sendable ([UInt8]) -> [UInt8]? = { _ in nil }) {
    connection.start { [weak connection] kind, payload in
      let bytes = [UInt8](payload)
      self.state.withLock { $0.messages.append(bytes) }
      if let answer = reply(bytes) { connection?.send(kind, answer.rawSpan) }
    } onClose: { closure in
      self.state.withLock { $0.closure = closure }
    }
  }

  func waitForMessages(_ count: Int) async -> Bool { await eventually { messages.count >= count } }
  func waitForClosure() async -> WebSocketClosure? {
    _ = await eventually { closure != nil }
    return closure
  }
}

/// A server that echoes, and records why connections ended.
final class EchoServer: Sendable {
  struct State: Sendable {
    var refusals: [IOError] = []
    var closures: [WebSocketClosure] = []
    var infos: [ConnectionInfo] = []
    var connections: [WebSocketConnection] = []
  }

  let state = Locked(State())
  private let running: Locked<WebSocketServer?> = Locked(nil)

  var server: WebSocketServer { running.withLock { $0! } }
  var port: UInt16 { server.localAddress.port }
  var refusals: [IOError] { state.withLock { $0.refusals } }
  var closures: [WebSocketClosure] { state.withLock { $0.closures } }
  var connections: [WebSocketConnection] { state.withLock { $0.connections } }

  static let loopback = ListenAddress.address(SocketAddress("127.0.0.1", port: 0)!)

  init(
    _ loop: EventLoop, address: ListenAddress = loopback, tls: TLSServerContext? = nil,
    limits: WebSocketLimits = testLimits,
    greeting: [[UInt8]] = [], subprotocol: String? = nil, echoes: Bool = true,
    configure: (inout WebSocketServer.Configuration) -> Void = { _ in }
  ) throws {
    var configuration = WebSocketServer.Configuration(address: address, tls: tls, limits: limits)
    if let subprotocol { configuration.policy.subprotocols = [subprotocol] }
    configure(&configuration)
    // The closures hold the record alone: whoever holds its server in what the server holds keeps both for ever.
    let state = state
    let server = try WebSocketServer(loop: loop, configuration: configuration) { _, error in
      state.withLock { $0.refusals.append(error) }
    } onUpgrade: { request, info in
      state.withLock { $0.infos.append(info) }
      if request.target == "/refuse" { return .refuse(status: 503) }
      if request.target == "/drop" { return .drop }
      return .accept(subprotocol: request.subprotocol, firstMessages: greeting) { connection in
        state.withLock { $0.connections.append(connection) }
        connection.start { [weak connection] kind, payload in
          if echoes { connection?.send(kind, payload) }
        } onClose: { closure in
          state.withLock { $0.closures.append(closure) }
        }
      }
    }
    running.withLock { $0 = server }
  }

  func url(_ scheme: String = "ws", _ target: String = "/") -> WebURL {
    WebURL("\(scheme)://127.0.0.1:\(port)\(target)")!
  }
}

/// Limits with times that a test can wait for.
var testLimits: WebSocketLimits {
  var limits = WebSocketLimits()
  limits.maximumHeadByteCount = 4096
  limits.maximumFieldCount = 32
  limits.minimumFragmentByteCount = 1
  limits.maximumMessageByteCount = 16_404
  limits.headTimeout = .seconds(5)
  limits.closeTimeout = .milliseconds(500)
  limits.acceptsText = true
  return limits
}

/// Runs `body`, which blocks, on a thread of its own: tests share a few threads, those of Dispatch among them.
func offPool<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
  await withCheckedContinuation { continuation in
    _ = try! ParleyIO.Thread.start(isDetached: true) { continuation.resume(returning: body()) }
  }
}

/// A client that sends whatever it is told: no WebSocket, no HTTP.
final class RawClient: Sendable {
  let fd: CInt

  init(port: UInt16, receiveBufferByteCount: CInt? = nil) throws {
    let address = SocketAddress("127.0.0.1", port: port)!
    fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    if var size = receiveBufferByteCount {
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size))
    }
    let result = address.withSocketAddress { Glibc.connect(fd, $0, $1) }
    try #require(result == 0)
  }

  deinit { close(fd) }

  func send(_ bytes: [UInt8]) {
    _ = bytes.withUnsafeBytes { Glibc.send(fd, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
  }

  func send(_ text: String) { send(Array(text.utf8)) }

  /// One read: the bytes, empty at the end of the stream, `nil` after a reset or a second of nothing.
  func read(within seconds: Int = 3) async -> [UInt8]? {
    await offPool { self.readBlocking(within: seconds) }
  }

  private func readBlocking(within seconds: Int) -> [UInt8]? {
    var wait = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = recv(fd, &buffer, buffer.count, 0)
    return count < 0 ? nil : Array(buffer.prefix(count))
  }

  /// Everything up to the end of the stream or a reset.
  func readAll() async -> [UInt8] {
    var all: [UInt8] = []
    while let bytes = await read(), !bytes.isEmpty { all += bytes }
    return all
  }

  static let upgrade =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

  /// Upgrades and reads the answer.
  func upgrade() async -> String {
    send(Self.upgrade)
    return String(decoding: await read() ?? [], as: UTF8.self)
  }
}

/// One masked frame of a client.
func clientFrame(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
  var bytes = [first]
  if payload.count <= 125 {
    bytes.append(0x80 | UInt8(payload.count))
  } else {
    bytes += [0xFE, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
  }
  return bytes + [0, 0, 0, 0] + payload
}

/// A folder that is gone when the test is.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    let base = FileManager.default.temporaryDirectory.path()
    path = base + (base.hasSuffix("/") ? "" : "/") + "parley-io-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }
}

/// Programs that these tests run.
enum Tool {
  static let python = SharedVectors.root.path() + ".deps/venv/bin/python"
  static let scripts = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "python").path()
  static let hasPython = FileManager.default.isExecutableFile(atPath: python)
  static let absence: Comment = "no .deps/venv: run scripts/bootstrap"
}

/// A Python script of `Tests/ParleyIOTests/python` that runs beside the test; it is ended with the object.
final class Script: @unchecked Sendable {
  private let process = Process()
  private let output = Pipe()
  private let input = Pipe()
  private let lines: Locked<[UInt8]> = Locked([])

  init(_ name: String, _ arguments: [String], python: String = Tool.python) throws {
    process.executableURL = URL(filePath: python)
    process.arguments = ["-I", "-B", "-u", Tool.scripts + "/" + name] + arguments
    process.standardOutput = output
    process.standardInput = input
    try process.run()
  }

  deinit {
    // The scripts end when their standard input does.
    try? input.fileHandleForWriting.close()
    if process.isRunning { process.terminate() }
    process.waitAndReap()
  }

  /// The next line that the script prints.
  func line() async throws -> String {
    let handle = output.fileHandleForReading
    while true {
      let line = lines.withLock { bytes -> String? in
        guard let end = bytes.firstIndex(of: 10) else { return nil }
        defer { bytes.removeSubrange(...end) }
        return String(decoding: bytes[..<end], as: UTF8.self)
      }
      if let line { return line }
      let data = await offPool { handle.availableData }
      try #require(!data.isEmpty, "the script ended")
      lines.withLock { $0 += data }
    }
  }

  /// Gives the script one empty line to go on.
  func goOn() throws { try input.fileHandleForWriting.write(contentsOf: [10]) }

  /// Everything the script still prints, and its exit status.
  func finish() async -> (text: String, status: Int32) {
    let handle = output.fileHandleForReading
    let rest = await offPool { (try? handle.readToEnd()) ?? Data() }
    await offPool { [process] in process.waitAndReap() }
    return (String(decoding: lines.withLock { $0 } + rest, as: UTF8.self), process.terminationStatus)
  }
}

/// Certificates that one run of a script makes for all tests.
struct TestCertificate: Sendable {
  let authority, certificate, key: String

  private init(_ folder: TemporaryFolder, _ name: String) {
    authority = folder.file("\(name)-ca.pem")
    certificate = folder.file("\(name).pem")
    key = folder.file("\(name).key")
  }

  /// Set once, for the end of the process to remove.
  private static let path = Locked("")

  static let all = Task {
    let folder = try TemporaryFolder()
    path.withLock { $0 = folder.path }
    atexit { try? FileManager.default.removeItem(atPath: TestCertificate.path.withLock { $0 }) }
    let (text, status) = try await Script("make_certificate.py", [folder.path]).finish()
    try #require(status == 0, "\(text)")
    return folder
  }

  /// For `localhost` and `127.0.0.1`.
  static func both() async throws -> Self { Self(try await all.value, "both") }
  /// For `localhost`, not its address; of another authority.
  static func nameOnly() async throws -> Self { Self(try await all.value, "name") }
}
