import Foundation
import Glibc
import ParleyWebSocket
import Testing

@testable import ParleyIO

@Suite("WebSocket connections")
struct ConnectionTests {
  static func connect(
    _ server: EchoServer, on loop: EventLoop, scheme: String = "ws", tls: TLSClientContext? = nil,
    subprotocols: [String] = [], record: Record = Record()
  ) async throws -> WebSocketConnection {
    var options = WebSocketClient.Options(subprotocols: subprotocols, tls: tls)
    options.limits = testLimits
    let connection = try await WebSocketClient.connect(to: server.url(scheme), on: loop, options: options)
    await loop.run { record.start(connection) }
    return connection
  }

  @Test("messages go there and back, and the closing handshake ends both sides")
  func echo() async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop, subprotocol: "parley.v1")
      let record = Record()
      let connection = try await Self.connect(server, on: loop, subprotocols: ["x", "parley.v1"], record: record)
      #expect(connection.subprotocol == "parley.v1")
      #expect(connection.info.tls == nil && connection.info.tlsExporter == nil)
      #expect(connection.info.peerAddress?.port == server.port)
      let payloads = [0, 1, 125, 126, 4096, 16_404].map { [UInt8](repeating: 7, count: $0) }
      await loop.run { for payload in payloads { connection.send(binary: payload) } }
      #expect(await record.waitForMessages(6))
      #expect(record.messages == payloads)
      await loop.run { connection.close(CloseCode(rawValue: 4000), reason: "done") }
      #expect(await record.waitForClosure() == .closed(CloseCode(rawValue: 4000), reason: ""))
      #expect(await eventually { server.closures == [.closed(CloseCode(rawValue: 4000), reason: "done")] })
      #expect(await loop.run { server.server.connectionCount } == 0)
      #expect(server.server.pendingHandshakeCount == 0)
    }
  }

  @Test("the 101 and the first messages come in one read, and the client loses none of them")
  func firstFlight() async throws {
    try await withLoop { loop in
      let greeting: [[UInt8]] = [[1, 2, 3], Array(repeating: 9, count: 1200)]
      let server = try EchoServer(loop, greeting: greeting)
      let raw = try RawClient(port: server.port)
      raw.send(RawClient.upgrade)
      let read = try #require(await raw.read())
      let head = try #require(read.firstRange(of: Array("\r\n\r\n".utf8)))
      #expect(String(decoding: read[..<head.lowerBound], as: UTF8.self).hasPrefix("HTTP/1.1 101 "))
      #expect(Array(read[head.upperBound...]) == [0x82, 3, 1, 2, 3, 0x82, 126, 0x04, 0xB0] + greeting[1])

      let record = Record()
      let connection = try await WebSocketClient.connect(to: server.url(), on: loop, options: .init())
      // The messages are here by now; nothing is read before the start.
      try await Task.sleep(for: .milliseconds(50))
      await loop.run { record.start(connection) }
      #expect(await record.waitForMessages(2))
      #expect(record.messages == greeting)
    }
  }

  @Test("what came with the 101 is taken before what came after it, however late the start", arguments: [false, true])
  func order(isSecure: Bool) async throws {
    let files = try await TestCertificate.both()
    let identity = try TLSServerContext(certificateFile: files.certificate, privateKeyFile: files.key)
    var options = WebSocketClient.Options(tls: try TLSClientContext(authorityFile: files.authority))
    options.limits = testLimits
    try await withLoop { [options] loop in
      let server = try EchoServer(loop, tls: isSecure ? identity : nil, greeting: [[1], [2]])
      let url = server.url(isSecure ? "wss" : "ws")
      let record = Record()
      let connection = try await WebSocketClient.connect(to: url, on: loop, options: options)
      await loop.run { for connection in server.connections { connection.send(binary: [3]) } }
      try await Task.sleep(for: .milliseconds(50))
      await loop.run { record.start(connection) }
      #expect(await record.waitForMessages(3))
      #expect(record.messages == [[1], [2], [3]])
      // One that closes before it starts drops them, and ends in order all the same.
      let other = try await WebSocketClient.connect(to: url, on: loop, options: options)
      await loop.run { other.close(.goingAway) }
      #expect(await eventually { await loop.run { other.closure } == .closed(.goingAway, reason: "") })
      await loop.run { connection.close() }
      #expect(await eventually { server.closures.count == 2 })
    }
  }

  @Test("a refusal is an HTTP error, a drop is nothing")
  func refusals() async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop)
      await #expect(throws: IOError.http(.refused(status: 503))) {
        try await WebSocketClient.connect(to: server.url("ws", "/refuse"), on: loop, options: .init())
      }
      await #expect(throws: IOError.connectionLost) {
        try await WebSocketClient.connect(to: server.url("ws", "/drop"), on: loop, options: .init())
      }
      #expect(await eventually { server.refusals == [.http(.refused(status: 503)), .aborted] })
    }
  }

  @Test("nobody listens")
  func nobody() async throws {
    try await withLoop { loop in
      let port: UInt16
      do {
        let server = try EchoServer(loop)
        port = server.port
        await server.server.close()
      }
      let error = await #expect(throws: IOError.self) {
        try await WebSocketClient.connect(to: WebURL("ws://127.0.0.1:\(port)")!, on: loop, options: .init())
      }
      #expect(error == .connectFailed("127.0.0.1:\(port)", errno: ECONNREFUSED))
    }
  }

  @Test("a name is resolved, IPv6 is spoken where there is one")
  func names() async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop)
      let url = WebURL("ws://localhost:\(server.port)")!
      let connection = try await WebSocketClient.connect(to: url, on: loop, options: .init())
      await loop.run { connection.abort() }
      guard let six = try? EchoServer(loop, address: .address(SocketAddress("::1", port: 0)!)) else { return }
      let other = try await WebSocketClient.connect(
        to: WebURL("ws://[::1]:\(six.port)")!, on: loop, options: .init())
      #expect(other.info.peerAddress?.isIPv6 == true)
      await loop.run { other.abort() }
    }
    await #expect(throws: IOError.self) {
      try await withLoop { loop in
        try await WebSocketClient.connect(to: WebURL("ws://nowhere.invalid")!, on: loop, options: .init())
      }
    }
  }

  @Test("a listening socket is inherited; anything else is not")
  func inheritedSocket() async throws {
    try await withLoop { loop in
      let fd = try Descriptor.listen(at: SocketAddress("127.0.0.1", port: 0)!)
      let server = try EchoServer(loop, address: .inherited(descriptor: fd))
      let connection = try await Self.connect(server, on: loop)
      await loop.run { connection.abort() }
      await server.server.close()
      // Still open: it is not the server's.
      #expect(fcntl(fd, F_GETFD) >= 0)
      close(fd)
      let plain = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
      defer { close(plain) }
      #expect(throws: IOError.invalidAddress("descriptor \(plain)")) {
        try EchoServer(loop, address: .inherited(descriptor: plain))
      }
    }
  }

  @Test("closing the server closes its connections with 1001")
  func serverClose() async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop)
      let records = [Record(), Record()]
      for record in records { _ = try await Self.connect(server, on: loop, record: record) }
      let early = try RawClient(port: server.port)
      early.send("GET ")
      #expect(await eventually { server.server.pendingHandshakeCount == 1 })
      await server.server.close()
      for record in records { #expect(await record.waitForClosure() == .closed(.goingAway, reason: "")) }
      #expect(await early.readAll().isEmpty)
    }
  }

  @Test("an address in use is named")
  func addressInUse() async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop)
      #expect(throws: IOError.addressInUse("127.0.0.1:\(server.port)")) {
        try EchoServer(loop, address: .address(SocketAddress("127.0.0.1", port: server.port)!))
      }
    }
  }

  @Test("strangers have a limit: at it, and one past; who is authenticated does not count")
  func strangers() async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop) {
        $0.limits.maximumPendingHandshakeCount = 2
        $0.awaitsAuthentication = true
      }
      let first = try await Self.connect(server, on: loop)
      let second = try await Self.connect(server, on: loop)
      await #expect(throws: IOError.self) { try await Self.connect(server, on: loop) }
      let accepted = server.connections[0]
      await loop.run {
        accepted.markAuthenticated()
        accepted.markAuthenticated()
      }
      #expect(server.server.pendingHandshakeCount == 1)
      let third = try await Self.connect(server, on: loop)
      await loop.run { for connection in [first, second, third] { connection.abort() } }
      #expect(await eventually { server.server.pendingHandshakeCount == 0 })
    }
  }

  @Test("abort resets, and both sides say so")
  func abort() async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop)
      let record = Record()
      let connection = try await Self.connect(server, on: loop, record: record)
      await loop.run {
        connection.abort()
        #expect(!connection.send(binary: [1]))
      }
      #expect(record.closure == .failed(.aborted))
      #expect(await eventually { server.closures == [.failed(.connectionLost)] })
    }
  }

  @Test("pings keep a quiet connection alive; a peer that answers none is given up")
  func keepAlive() async throws {
    try await withLoop { loop in
      var limits = testLimits
      limits.pingInterval = .milliseconds(100)
      limits.pongTimeout = .seconds(2)
      let server = try EchoServer(loop, limits: limits)
      let record = Record()
      let connection = try await Self.connect(server, on: loop, record: record)
      let mute = try RawClient(port: server.port)
      #expect(await mute.upgrade().hasPrefix("HTTP/1.1 101 "))
      #expect(await eventually { server.closures == [.failed(.timeout(.silence))] })
      try await Task.sleep(for: .milliseconds(200))
      await loop.run { connection.send(binary: [1]) }
      #expect(await record.waitForMessages(1))
      #expect(record.closure == nil)
    }
  }

  @Test("a loop that ends drops its connections, tells them, and frees the port")
  func loopEnd() async throws {
    let loop = try EventLoop()
    let server = try EchoServer(loop)
    let record = Record()
    _ = try await Self.connect(server, on: loop, record: record)
    loop.shutDown()
    #expect(record.closure == .failed(.aborted))
    #expect(server.closures == [.failed(.aborted)])
    let again = try Descriptor.listen(at: SocketAddress("127.0.0.1", port: server.port)!)
    close(again)
  }

  @Test("a reply within a turn leaves with the others; the drain is told")
  func drain() async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop)
      let record = Record()
      let connection = try await Self.connect(server, on: loop, record: record)
      let drained = Locked(0)
      let buffered = await loop.run {
        connection.setDrainHandler { drained.withLock { $0 += 1 } }
        for _ in 0..<10 { connection.send(binary: [1, 2, 3]) }
        return connection.bufferedByteCount
      }
      #expect(buffered == 10 * (2 + 4 + 3))
      #expect(await record.waitForMessages(10))
      #expect(await loop.run { connection.bufferedByteCount } == 0)
      #expect(drained.withLock { $0 } == 1)
    }
  }

  @Test("the size limit can be raised while the connection lives")
  func raisedLimit() async throws {
    try await withLoop { loop in
      var limits = testLimits
      limits.maximumMessageByteCount = 10
      let server = try EchoServer(loop, limits: limits)
      let record = Record()
      let connection = try await Self.connect(server, on: loop, record: record)
      await loop.run { connection.send(binary: Array(repeating: 1, count: 10)) }
      #expect(await record.waitForMessages(1))
      let accepted = server.connections[0]
      await loop.run {
        accepted.maximumMessageByteCount = 20
        connection.send(binary: Array(repeating: 1, count: 20))
      }
      #expect(await record.waitForMessages(2))
      await loop.run { connection.send(binary: Array(repeating: 1, count: 21)) }
      #expect(await record.waitForClosure() == .closed(.messageTooBig, reason: ""))
    }
  }
}

@Suite("TLS", .enabled(if: Tool.hasPython, Tool.absence))
struct TLSTests {
  @Test("TLS 1.3 with X25519MLKEM768, and one channel binding at both ends")
  func handshake() async throws {
    let files = try await TestCertificate.both()
    let identity = try TLSServerContext(certificateFile: files.certificate, privateKeyFile: files.key)
    let trust = try TLSClientContext(authorityFile: files.authority)
    try await withLoop { loop in
      let server = try EchoServer(loop, tls: identity, greeting: [[42]])
      let record = Record()
      let connection = try await ConnectionTests.connect(
        server, on: loop, scheme: "wss", tls: trust, record: record)
      let expected = ConnectionInfo.TLSParameters(
        version: "TLSv1.3", group: "X25519MLKEM768", applicationProtocol: "http/1.1", isResumed: false)
      #expect(connection.info.tls == expected)
      let exporter = try #require(connection.info.tlsExporter)
      #expect(exporter.count == 32)
      #expect(server.state.withLock { $0.infos.map(\.tlsExporter) } == [exporter])
      let big = [UInt8](repeating: 3, count: 16_404)
      await loop.run { for _ in 0..<20 { connection.send(binary: big) } }
      #expect(await record.waitForMessages(21))
      #expect(record.messages == [[42]] + Array(repeating: big, count: 20))

      let second = try await ConnectionTests.connect(server, on: loop, scheme: "wss", tls: trust)
      #expect(second.info.tlsExporter != exporter)
      await loop.run { connection.close() }
      #expect(await record.waitForClosure() == .closed(.normal, reason: ""))
      await loop.run { second.abort() }
    }
  }

  @Test("a certificate must prove the name, and the authority must be trusted")
  func verification() async throws {
    let files = try await TestCertificate.nameOnly()
    let stranger = try await TestCertificate.both()
    let identity = try TLSServerContext(certificateFile: files.certificate, privateKeyFile: files.key)
    try await withLoop { loop in
      let server = try EchoServer(loop, tls: identity)
      func connect(_ host: String, _ authority: String?) async throws(IOError) {
        let options = WebSocketClient.Options(tls: try TLSClientContext(authorityFile: authority))
        let url = WebURL("wss://\(host):\(server.port)")!
        let connection = try await WebSocketClient.connect(to: url, on: loop, options: options)
        await loop.run { connection.abort() }
      }
      try await connect("localhost", files.authority)
      // By address: the certificate has only the name.
      await #expect { try await connect("127.0.0.1", files.authority) } throws: { isCertificateError($0) }
      await #expect { try await connect("localhost", stranger.authority) } throws: { isCertificateError($0) }
      await #expect { try await connect("localhost", nil) } throws: { isCertificateError($0) }
      await #expect(throws: IOError.tls("no trusted authorities given for localhost")) {
        try await WebSocketClient.connect(to: WebURL("wss://localhost")!, on: loop, options: .init())
      }
    }
  }

  func isCertificateError(_ error: any Error) -> Bool {
    if case .certificate = error as? IOError { true } else { false }
  }

  @Test("files that cannot be used are named")
  func badFiles() async throws {
    let files = try await TestCertificate.both()
    let other = try await TestCertificate.nameOnly()
    func names(_ file: String) -> (any Error) -> Bool {
      { if case .tlsFile(file, _) = $0 as? IOError { true } else { false } }
    }
    #expect { try TLSServerContext(certificateFile: "/nowhere", privateKeyFile: files.key) } throws: {
      names("/nowhere")($0)
    }
    #expect {
      try TLSServerContext(certificateFile: files.certificate, privateKeyFile: other.key)
    } throws: { names(other.key)($0) }
    #expect { try TLSClientContext(authorityFile: "/nowhere") } throws: { names("/nowhere")($0) }
  }

  @Test("a plain client at a TLS port, and a TLS client at a plain port, fail cleanly")
  func mixedUp() async throws {
    let files = try await TestCertificate.both()
    let identity = try TLSServerContext(certificateFile: files.certificate, privateKeyFile: files.key)
    let trust = try TLSClientContext(authorityFile: files.authority)
    try await withLoop { loop in
      let secure = try EchoServer(loop, tls: identity)
      let plain = try EchoServer(loop)
      await #expect(throws: IOError.self) {
        try await WebSocketClient.connect(to: WebURL("ws://127.0.0.1:\(secure.port)")!, on: loop, options: .init())
      }
      await #expect(throws: IOError.self) {
        try await WebSocketClient.connect(
          to: WebURL("wss://127.0.0.1:\(plain.port)")!, on: loop, options: .init(tls: trust))
      }
      #expect(await eventually { plain.refusals == [.http(.invalidByte(0x16))] })
      #expect(await eventually { secure.refusals.count == 1 })
      let connection = try await ConnectionTests.connect(secure, on: loop, scheme: "wss", tls: trust)
      await loop.run { connection.abort() }
    }
  }
}
