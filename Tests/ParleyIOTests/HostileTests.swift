import Glibc
import ParleyWebSocket
import Testing

@testable import ParleyIO

/// Peers that mean harm, over real sockets: each ends in a typed error, and the server goes on serving others.
@Suite("Hostile peers")
struct HostileTests {
  /// Runs `attack` while a well-behaved client is connected, and checks that it is still served afterwards.
  func withServer(
    _ limits: WebSocketLimits = testLimits, echoes: Bool = true,
    _ attack: (EchoServer, EventLoop) async throws -> Void
  ) async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: limits, echoes: echoes)
      let record = Record()
      let good = try await ConnectionTests.connect(server, on: loop, record: record)
      try await attack(server, loop)
      await loop.run { good.send(binary: [1, 2, 3]) }
      if echoes { #expect(await record.waitForMessages(1)) }
      #expect(record.closure == nil)
      let late = try await ConnectionTests.connect(server, on: loop)
      await loop.run {
        late.abort()
        good.abort()
      }
    }
  }

  @Test("a head that trickles in has an absolute deadline")
  func slowHead() async throws {
    var limits = testLimits
    limits.headTimeout = .milliseconds(200)
    try await withServer(limits) { server, _ in
      let raw = try RawClient(port: server.port)
      let start = ContinuousClock.now
      for byte in RawClient.upgrade.utf8.prefix(100) where ContinuousClock.now - start < .milliseconds(400) {
        raw.send([byte])
        usleep(10_000)
      }
      #expect(await raw.readAll().isEmpty)
      #expect(await eventually { server.refusals == [.timeout(.openingHandshake)] })
    }
  }

  @Test("a head that is whole before the deadline is answered, however it came")
  func patientHead() async throws {
    var limits = testLimits
    limits.headTimeout = .seconds(20)
    try await withServer(limits) { server, _ in
      let raw = try RawClient(port: server.port)
      for byte in RawClient.upgrade.utf8 {
        raw.send([byte])
        usleep(2_000)
      }
      #expect(String(decoding: await raw.read() ?? [], as: UTF8.self).hasPrefix("HTTP/1.1 101 "))
    }
  }

  @Test("a connection that says nothing has the same deadline")
  func silence() async throws {
    var limits = testLimits
    limits.headTimeout = .milliseconds(100)
    try await withServer(limits) { server, _ in
      let raw = try RawClient(port: server.port)
      #expect(await raw.readAll().isEmpty)
      #expect(await eventually { server.refusals == [.timeout(.openingHandshake)] })
    }
  }

  @Test(
    "a request that is not an upgrade, or is not HTTP, gets a status and the end",
    arguments: [
      ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 ", HTTPError.missingUpgrade),
      ("\u{1}\u{2}\u{3}", "HTTP/1.1 400 ", .invalidByte(1)),
      ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 400 ", .notAnUpgrade),
      (RawClient.upgrade.replacing("Version: 13", with: "Version: 12"), "HTTP/1.1 426 ", .unsupportedWebSocketVersion),
      (
        RawClient.upgrade.replacing("Host: localhost", with: "Host: localhost\r\nOrigin: http://x"), "HTTP/1.1 403 ",
        .originRefused
      ),
      ("GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 5000), "HTTP/1.1 431 ", .headTooLarge(limit: 4096)),
      (RawClient.upgrade + "\u{2}\u{0}", "HTTP/1.1 400 ", .earlyData),
    ])
  func badRequests(text: String, answer: String, error: HTTPError) async throws {
    try await withServer { server, _ in
      let raw = try RawClient(port: server.port)
      raw.send(text)
      let read = String(decoding: await raw.readAll(), as: UTF8.self)
      #expect(read.hasPrefix(answer))
      #expect(read.contains("close\r\n"))
      #expect(await eventually { server.refusals == [.http(error)] })
    }
  }

  @Test(
    "a frame that breaks a rule is answered with its code and the end",
    arguments: [
      ([0x82, 0x01, 0xFF], WebSocketError.unmaskedFrame, 1002),
      (clientFrame(0xC2, [1]), .reservedBits(4), 1002),
      ([0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], .lengthTopBitSet, 1002),
      ([0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0], .messageTooBig(limit: 16_404), 1009),
      (clientFrame(0x82, Array(repeating: 1, count: 16_405)), .messageTooBig(limit: 16_404), 1009),
      (clientFrame(0x81, [0xFF]), .invalidUTF8, 1007),
      (clientFrame(0x02, []), .fragmentTooSmall(limit: 1), 1008),
      (Array(repeating: clientFrame(0x89, []), count: 11).flatMap { $0 }, .tooManyPings(limit: 10), 1008),
      (Array(repeating: 0x47, count: 500), .reservedBits(4), 1002),
    ] as [([UInt8], WebSocketError, UInt16)])
  func badFrames(input: [UInt8], error: WebSocketError, code: UInt16) async throws {
    try await withServer { server, _ in
      let raw = try RawClient(port: server.port)
      #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 "))
      raw.send(input)
      #expect(await raw.readAll().suffix(4) == [0x88, 2, UInt8(code >> 8), UInt8(code & 0xFF)])
      #expect(await eventually { server.closures == [.failed(.webSocket(error))] })
    }
  }

  @Test("a peer that is gone, at every stage")
  func halfOpen() async throws {
    try await withServer { server, _ in
      for text in ["", "GET / HT", RawClient.upgrade] {
        let raw = try RawClient(port: server.port)
        raw.send(text)
        if text == RawClient.upgrade { _ = await raw.read() }
      }
      #expect(await eventually { server.refusals == [.connectionLost, .connectionLost] && server.closures.count == 1 })
      #expect(server.closures == [.failed(.connectionLost)])
    }
  }

  @Test("a peer that closes and then never ends its side is cut off")
  func lingering() async throws {
    try await withServer { server, _ in
      let raw = try RawClient(port: server.port)
      _ = await raw.upgrade()
      raw.send(clientFrame(0x88, [0x03, 0xE8]))
      #expect(await raw.read() == [0x88, 2, 0x03, 0xE8])
      #expect(await raw.read() == [])
      // Our side is still open, and the server does not wait for it for ever.
      #expect(await eventually(within: .seconds(3)) { server.closures == [.closed(.normal, reason: "")] })
    }
  }

  @Test("a peer that never answers a Close is cut off")
  func unansweredClose() async throws {
    try await withServer { server, loop in
      let raw = try RawClient(port: server.port)
      _ = await raw.upgrade()
      #expect(await eventually { server.connections.count == 2 })
      let connection = server.connections[1]
      await loop.run { connection.close(.goingAway) }
      #expect(await raw.read() == [0x88, 2, 0x03, 0xE9])
      #expect(await eventually { server.closures == [.failed(.timeout(.close))] })
    }
  }

  @Test("a reader that never reads is dropped: at a backlog's limit, and before that after a stall")
  func neverReads() async throws {
    for (byteCount, stall) in [(1 << 16, Duration.seconds(60)), (1 << 30, .milliseconds(150))] {
      var limits = testLimits
      limits.maximumBufferedByteCount = byteCount
      limits.stallTimeout = stall
      try await withServer(limits) { server, loop in
        let raw = try RawClient(port: server.port, receiveBufferByteCount: 4096)
        _ = await raw.upgrade()
        #expect(await eventually { server.connections.count == 2 })
        let connection = server.connections[1]
        let message = [UInt8](repeating: 1, count: 16_000)
        for _ in 0..<400 where server.closures.isEmpty {
          await loop.run { _ = connection.send(binary: message) }
        }
        #expect(await eventually { !server.closures.isEmpty })
        guard case .failed(.slowReader(let buffered)) = server.closures.first else {
          Issue.record("\(server.closures)")
          return
        }
        #expect(buffered > 0 && buffered <= byteCount + 20_000)
      }
    }
  }

  @Test("many half-open connections leave room for a good one when they time out")
  func flood() async throws {
    var limits = testLimits
    limits.headTimeout = .milliseconds(300)
    try await withServer(limits) { server, loop in
      let flood = try (0..<200).map { _ in try RawClient(port: server.port) }
      let good = try await ConnectionTests.connect(server, on: loop)
      await loop.run { good.abort() }
      #expect(await eventually { server.refusals.count == 200 })
      #expect(flood.count == 200)
    }
  }

  @Test(
    "a server that sends nonsense fails the client's upgrade",
    arguments: [
      ("HTTP/1.1 200 OK\r\n\r\n", IOError.http(.refused(status: 200))),
      ("SSH-2.0-OpenSSH\r\n\r\n", .http(.malformedStatusLine)),
      (
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
        .http(.wrongAccept)
      ),
      ("HTTP/1.1 101 X\r\n" + String(repeating: "X: y\r\n", count: 65), .http(.tooManyFields(limit: 64))),
      ("", .connectionLost),
      ("HTTP/1.1 101 X\r\n", .connectionLost),
    ])
  func badServer(answer: String, error: IOError) async throws {
    try await withLoop { loop in
      let listener = try Descriptor.listen(at: SocketAddress("127.0.0.1", port: 0)!)
      defer { close(listener) }
      let port = try #require(Descriptor.address(of: listener, isPeer: false)).port
      async let result = #expect(throws: error) {
        try await WebSocketClient.connect(to: WebURL("ws://127.0.0.1:\(port)")!, on: loop, options: .init())
      }
      await offPool {
        waitUntilReadable(listener)
        guard let fd = try? Descriptor.accept(listener) else { return }
        waitUntilReadable(fd)
        var buffer = [UInt8](repeating: 0, count: 4096)
        _ = recv(fd, &buffer, buffer.count, 0)
        if !answer.isEmpty { _ = Descriptor.send(fd, nil, Array(answer.utf8), from: 0) }
        close(fd)
      }
      _ = await result
    }
  }

  @Test("a server that says nothing has a deadline, before TCP and after")
  func silentServer() async throws {
    try await withLoop { loop in
      let listener = try Descriptor.listen(at: SocketAddress("127.0.0.1", port: 0)!)
      defer { close(listener) }
      let port = try #require(Descriptor.address(of: listener, isPeer: false)).port
      var options = WebSocketClient.Options()
      options.limits.headTimeout = .milliseconds(100)
      await #expect(throws: IOError.timeout(.openingHandshake)) {
        try await WebSocketClient.connect(to: WebURL("ws://127.0.0.1:\(port)")!, on: loop, options: options)
      }
    }
  }
}

/// Waits until there is something to read.
private func waitUntilReadable(_ fd: CInt) {
  var entry = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
  _ = poll(&entry, 1, 3000)
}
