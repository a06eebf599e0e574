import Foundation
import Glibc
import Testing

@testable import ParleyIO

@Suite("Unix sockets")
struct UnixSocketTests {
  /// What a line connection's callbacks said.
  final class Lines: Sendable {
    private let state = Locked<(lines: [[UInt8]], end: IOError??)>(([], nil))

    var lines: [[UInt8]] { state.withLock { $0.lines } }
    var hasEnded: Bool { state.withLock { $0.end != nil } }
    var error: IOError? { state.withLock { $0.end ?? nil } }

    func start(_ connection: LineConnection, reply: @escaping @Sendable ([UInt8]) -> [UInt8]? = { _ in nil }) {
      connection.start { [weak connection] line in
        self.state.withLock { $0.lines.append(line) }
        if let answer = reply(line) { connection?.send(line: answer) }
      } onClose: { error in
        self.state.withLock { $0.end = .some(error) }
      }
    }
  }

  @Test("lines go there and back, for this user only")
  func echo() async throws {
    let folder = try TemporaryFolder()
    let path = folder.file("control")
    try await withLoop { loop in
      let server = try UnixSocketServer(loop: loop, path: path) { connection in
        Lines().start(connection) { $0 }
      }
      var status = stat()
      #expect(lstat(path, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600)

      let lines = Lines()
      let client = try UnixSocketClient.connect(to: path, on: loop)
      let long = [UInt8](repeating: 0x61, count: LineConnection.maximumLineByteCount)
      await loop.run {
        lines.start(client)
        client.send(line: Array("one".utf8))
        client.send(line: [])
        client.send(line: long)
      }
      #expect(await eventually { lines.lines.count == 3 })
      #expect(lines.lines == [Array("one".utf8), [], long])
      await loop.run { client.close() }
      #expect(await eventually { lines.hasEnded })
      #expect(lines.error == nil)
      await server.close()
      #expect(lstat(path, &status) != 0)
    }
  }

  @Test("a line past the limit ends the connection, and the server goes on")
  func longLine() async throws {
    let folder = try TemporaryFolder()
    let path = folder.file("control")
    try await withLoop { loop in
      let served = Lines()
      let server = try UnixSocketServer(loop: loop, path: path) { connection in served.start(connection) }
      let client = try UnixSocketClient.connect(to: path, on: loop)
      await loop.run {
        Lines().start(client)
        client.send(line: [UInt8](repeating: 0x61, count: LineConnection.maximumLineByteCount + 1))
      }
      #expect(await eventually { served.hasEnded })
      #expect(served.error == .lineTooLong(limit: LineConnection.maximumLineByteCount))
      #expect(served.lines.isEmpty)
      let second = try UnixSocketClient.connect(to: path, on: loop)
      await loop.run { second.close() }
      await server.close()
    }
  }

  @Test("a socket that a dead process left is replaced, a living one is not, and a file is left alone")
  func leftovers() async throws {
    let folder = try TemporaryFolder()
    let path = folder.file("control")
    let fd = try Descriptor.makeUnix()
    try Descriptor.listen(fd, atUnix: path)
    close(fd)
    try await withLoop { loop in
      let server = try UnixSocketServer(loop: loop, path: path) { _ in }
      #expect(throws: IOError.addressInUse(path)) { try UnixSocketServer(loop: loop, path: path) { _ in } }
      await server.close()
      let file = folder.file("file")
      try "kept".write(toFile: file, atomically: true, encoding: .utf8)
      #expect(throws: IOError.self) { try UnixSocketServer(loop: loop, path: file) { _ in } }
      #expect(try String(contentsOfFile: file, encoding: .utf8) == "kept")
      #expect(throws: IOError.connectFailed(folder.file("none"), errno: ENOENT)) {
        try UnixSocketClient.connect(to: folder.file("none"), on: loop)
      }
      let long = folder.file(String(repeating: "x", count: 200))
      #expect(throws: IOError.invalidAddress(long)) { try UnixSocketServer(loop: loop, path: long) { _ in } }
    }
  }
}
