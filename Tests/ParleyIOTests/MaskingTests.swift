import Glibc
import ParleyWebSocket
import ParleyWire
import Testing

@testable import ParleyIO

@Suite("Masking")
struct MaskingTests {
  /// What a client sends to a server that takes everything: the key of its request, and its frames.
  static func record(frames count: Int) async throws -> (key: String, masks: [MaskingKey]) {
    try await withLoop { loop in
      let listener = try Descriptor.listen(at: SocketAddress("127.0.0.1", port: 0)!)
      defer { close(listener) }
      let port = try #require(Descriptor.address(of: listener, isPeer: false)).port
      async let client = WebSocketClient.connect(to: WebURL("ws://127.0.0.1:\(port)")!, on: loop, options: .init())
      let accepted = await offPool { () -> (fd: CInt, request: UpgradeRequest)? in
        wait(for: listener)
        guard let fd = try? Descriptor.accept(listener) else { return nil }
        var reader = HTTPHeadReader()
        while !reader.isComplete {
          guard let bytes = read(fd), (try? reader.receive(bytes.rawSpan)) != nil else { return nil }
        }
        guard let head = try? HTTPRequestHead(reader), let request = try? UpgradeRequest(head, policy: .init()) else {
          return nil
        }
        _ = Descriptor.send(fd, nil, request.acceptance(subprotocol: nil), from: 0)
        return (fd, request)
      }
      let (fd, request) = try #require(accepted)
      defer { close(fd) }
      let connection = try await client
      for _ in 0..<count { try await connection.send(.binary([])) }
      let bytes = await offPool {
        var bytes: [UInt8] = []
        while bytes.count < 6 * count, let more = read(fd) { bytes += more }
        return bytes
      }
      let masks = try stride(from: 0, to: bytes.count, by: 6).map { offset in
        let frame = Array(bytes[offset..<min(bytes.count, offset + 6)])
        return try #require(try FrameHeader.decode(frame.rawSpan, from: .client)?.header.maskingKey)
      }
      return (request.key, masks)
    }
  }

  @Test("handshake keys and masking keys are new each time, on one connection and on two")
  func unpredictable() async throws {
    let count = 300
    let (first, second) = (try await Self.record(frames: count), try await Self.record(frames: count))
    #expect(first.key != second.key)
    #expect(first.masks.count == count && second.masks.count == count)
    // Among 600 random keys of 32 bits, two equal ones come up once in 24,000 runs; three pairs never.
    #expect(Set(first.masks + second.masks).count >= 2 * count - 2)
  }
}

private func wait(for fd: CInt) {
  var entry = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
  _ = poll(&entry, 1, 3000)
}

/// What there is to read, within three seconds.
private func read(_ fd: CInt) -> [UInt8]? {
  wait(for: fd)
  var buffer = [UInt8](repeating: 0, count: 4096)
  let count = recv(fd, &buffer, buffer.count, Int32(MSG_DONTWAIT))
  return count > 0 ? Array(buffer[..<count]) : nil
}
