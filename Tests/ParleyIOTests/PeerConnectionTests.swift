import ParleyCrypto
import ParleyNoise
import ParleyPeer
import ParleyWebSocket
import ParleyWire
import TestSupport
import Testing

@testable import ParleyIO

@Suite("libp2p over TCP and WebSocket")
struct PeerConnectionTests {
  @Test(
    "ours to ours: both know each other, streams echo, and both see the end",
    arguments: PeerSetup.addresses, [true, false])
  func ours(address: String, early: Bool) async throws {
    try await withLoop { loop in
      let (one, two) = (PeerSetup.configuration(early: early), PeerSetup.configuration())
      let (dialing, listening) = (PeerRecord(), PeerRecord())
      let listener = try PeerListener(
        loop: loop, address: Multiaddr(parsing: address), configuration: two,
        handlers: listening.handlers(echoes: true))
      #expect(listener.address.peerID == two.peerID)
      PeerConnection.dial(
        listener.address, on: loop, configuration: one, handlers: dialing.handlers(echoes: false))
      #expect(await eventually { dialing.state.withLock { $0.peers } == [two.peerID] })
      let connection = try #require(dialing.state.withLock { $0.connections.first })
      for size in sizes { #expect(await dialing.echo(text(size), on: connection) == text(size), "\(size) bytes") }
      #expect(listening.state.withLock { $0.peers } == [one.peerID])
      #expect(listening.state.withLock { $0.opened.count } == sizes.count)
      await loop.run { connection.close() }
      #expect(await eventually { dialing.state.withLock { $0.closures } == [nil] })
      #expect(await eventually { listening.state.withLock { $0.closures } == [.connection(.connectionLost)] })
      await listener.close()
    }
  }

  @Test("another peer than the one dialled, and nobody there", arguments: PeerSetup.addresses)
  func refused(address: String) async throws {
    try await withLoop { loop in
      let record = PeerRecord()
      let two = PeerSetup.configuration()
      let listener = try PeerListener(
        loop: loop, address: Multiaddr(parsing: address), configuration: two,
        handlers: PeerRecord().handlers(echoes: true))
      let other = try listener.address.naming(PeerSetup.configuration().peerID)
      PeerConnection.dial(
        other, on: loop, configuration: PeerSetup.configuration(), handlers: record.handlers(echoes: false))
      #expect(await eventually { record.state.withLock { $0.closures } == [.peer(.noise(.wrongPeer(two.peerID)))] })
      #expect(record.state.withLock { $0.peers } == [])
      await listener.close()
      let nobody = PeerRecord()
      PeerConnection.dial(
        listener.address, on: loop, configuration: PeerSetup.configuration(), handlers: nobody.handlers(echoes: false))
      #expect(await eventually { nobody.state.withLock { $0.closures.count } == 1 })
      guard case .connection(.connectFailed)? = nobody.state.withLock({ $0.closures[0] }) else {
        Issue.record("\(nobody.state.withLock { $0.closures })")
        return
      }
    }
  }

  @Test("over TLS, by name; and without a certificate, or nobody to trust", arguments: ["tls/ws", "wss"])
  func secure(transport: String) async throws {
    let files = try await TestCertificate.both()
    try await withLoop { loop in
      let (one, two) = (PeerSetup.configuration(), PeerSetup.configuration())
      let (dialing, blind) = (PeerRecord(), PeerRecord())
      let address = try Multiaddr(parsing: "/ip4/127.0.0.1/tcp/0/\(transport)")
      #expect(throws: IOError.self) {
        try PeerListener(loop: loop, address: address, configuration: two, handlers: blind.handlers(echoes: true))
      }
      let listener = try PeerListener(
        loop: loop, address: address, configuration: two,
        tls: TLSServerContext(certificateFile: files.certificate, privateKeyFile: files.key),
        handlers: PeerRecord().handlers(echoes: true))
      let port = try #require(listener.address.components[1].text)
      let target = try Multiaddr(parsing: "/dns4/localhost/tcp/\(port)/\(transport)/p2p/\(two.peerID)")
      PeerConnection.dial(
        target, on: loop, configuration: one, tls: try TLSClientContext(authorityFile: files.authority),
        handlers: dialing.handlers(echoes: false))
      #expect(await eventually { dialing.state.withLock { $0.peers } == [two.peerID] })
      let connection = try #require(dialing.state.withLock { $0.connections.first })
      #expect(await dialing.echo(text(5000), on: connection) == text(5000))
      await loop.run { connection.close() }
      #expect(await eventually { dialing.state.withLock { $0.closures } == [nil] })
      PeerConnection.dial(target, on: loop, configuration: one, handlers: blind.handlers(echoes: false))
      #expect(await eventually { blind.state.withLock { $0.closures.count } == 1 })
      guard case .connection(.tls)? = blind.state.withLock({ $0.closures[0] }) else {
        Issue.record("\(blind.state.withLock { $0.closures })")
        return
      }
      await listener.close()
    }
  }

  @Test(
    "addresses that lead nowhere over TCP",
    arguments: [
      "/ip4/127.0.0.1/udp/1/quic-v1", "/ip4/127.0.0.1/tcp/1/tls", "/tcp/1", "/dnsaddr/localhost/tcp/1",
      "/ip4/127.0.0.1",
      "/ip4/127.0.0.1/tcp/1/ws/ws", "/ip4/127.0.0.1/tcp/1/noise", "/ip4/127.0.0.1/tcp/1/p2p-circuit",
      "/ip4/127.0.0.1/tcp/1/tls/sni/localhost/ws",
    ])
  func unsupported(text: String) async throws {
    try await withLoop { loop in
      let (record, address) = (PeerRecord(), try Multiaddr(parsing: text))
      PeerConnection.dial(
        address, on: loop, configuration: PeerSetup.configuration(), handlers: record.handlers(echoes: false))
      #expect(await eventually { record.state.withLock { $0.closures } == [.connection(.invalidAddress(text))] })
      #expect(throws: IOError.invalidAddress(text)) {
        try PeerListener(
          loop: loop, address: address, configuration: PeerSetup.configuration(),
          handlers: record.handlers(echoes: false))
      }
    }
  }

  @Test("a name is not listened on, nor another peer's address; /dns6 takes no address of IPv4")
  func names() async throws {
    try await withLoop { loop in
      let record = PeerRecord()
      let own = PeerSetup.configuration()
      let texts = ["/dns4/localhost/tcp/0", "/ip4/127.0.0.1/tcp/0/p2p/\(PeerSetup.configuration().peerID)"]
      for text in texts {
        #expect(throws: IOError.invalidAddress(text)) {
          try PeerListener(
            loop: loop, address: Multiaddr(parsing: text), configuration: own, handlers: record.handlers(echoes: false))
        }
      }
      for text in ["/dns6/127.0.0.1/tcp/1", "/dns6/127.0.0.1/tcp/1/ws"] {
        PeerConnection.dial(
          try Multiaddr(parsing: text), on: loop, configuration: own, handlers: record.handlers(echoes: false))
      }
      let refusal = PeerConnectionError.connection(.resolution(host: "127.0.0.1", reason: "no address of IPv6"))
      #expect(await eventually { record.state.withLock { $0.closures } == [refusal, refusal] })
    }
  }

  private func dial(_ listener: PeerListener, _ record: PeerRecord, _ loop: EventLoop) {
    PeerConnection.dial(
      listener.address, on: loop, configuration: PeerSetup.configuration(), handlers: record.handlers(echoes: false))
  }

  @Test("one connection more than there may be is dropped", arguments: PeerSetup.addresses)
  func countLimit(address: String) async throws {
    try await withLoop { loop in
      let (one, two, own) = (PeerRecord(), PeerRecord(), PeerSetup.configuration())
      let listener = try PeerListener(
        loop: loop, address: Multiaddr(parsing: address), configuration: own, connectionCountLimit: 1,
        handlers: PeerRecord().handlers(echoes: true))
      dial(listener, one, loop)
      #expect(await eventually { one.state.withLock { $0.peers.count } == 1 })
      dial(listener, two, loop)
      #expect(await eventually { two.state.withLock { $0.closures.count } == 1 })
      #expect(two.state.withLock { $0.peers } == [])
      // Its place is free again once it has gone.
      let connection = try #require(one.state.withLock { $0.connections.first })
      await loop.run { connection.close() }
      #expect(await eventually { one.state.withLock { $0.closures } == [nil] })
      let three = PeerRecord()
      for _ in 0..<20 {
        dial(listener, three, loop)
        if await eventually(within: .milliseconds(500), { three.state.withLock { !$0.peers.isEmpty } }) { break }
      }
      #expect(three.state.withLock { $0.peers.count } == 1)
      await listener.close()
    }
  }
}

/// A peer that sends every byte as a message of its own, and wants an echo.
///
/// Loop thread only.
private final class SlowPeer: @unchecked Sendable {
  let answer = Locked<[UInt8]>([])
  private let client: WebSocketConnection
  private var machine: Libp2pConnection

  init(_ client: WebSocketConnection, expecting peer: PeerID) {
    self.client = client
    machine = Libp2pConnection(.initiator, PeerSetup.configuration(), expecting: peer)
  }

  func start() {
    client.start { [self] _, bytes in
      try? machine.receive(bytes)
      turn()
    } onClose: { _ in
    }
    turn()
  }

  private func turn() {
    while let event = machine.poll() {
      switch event {
      case .connected: if let id = machine.open(echo) { _ = machine.send(text(300), on: id) }
      case .data(_, let bytes): answer.withLock { $0 += bytes }
      case .opened, .agreed, .finished, .reset, .writable, .goAway: continue
      }
    }
    for byte in (try? machine.takeOutput()) ?? [] { client.send(binary: [byte]) }
  }
}

/// A WebSocket client that is no libp2p peer, or a strange one.
@Suite("libp2p over WebSocket, message by message")
struct PeerWebSocketTests {
  private func withListener(
    _ body: (EventLoop, PeerListener, Libp2pConnection.Configuration, PeerRecord) async throws -> Void
  ) async throws {
    try await withLoop { loop in
      let (record, own) = (PeerRecord(), PeerSetup.configuration())
      let listener = try PeerListener(
        loop: loop, address: Multiaddr(parsing: PeerSetup.addresses[1]), configuration: own,
        handlers: record.handlers(echoes: true))
      try await body(loop, listener, own, record)
      await listener.close()
    }
  }

  private func url(_ listener: PeerListener) throws -> WebURL {
    try #require(WebURL("ws://127.0.0.1:\(listener.address.components[1].text ?? "")/"))
  }

  @Test("a byte a message is the same stream")
  func boundaries() async throws {
    try await withListener { loop, listener, own, record in
      let client = try await WebSocketClient.connect(to: try url(listener), on: loop, options: .init())
      let peer = SlowPeer(client, expecting: own.peerID)
      await loop.run { peer.start() }
      #expect(await eventually { peer.answer.withLock { $0 } == text(300) })
      #expect(record.state.withLock { $0.opened } == [echo])
      await loop.run { client.abort() }
    }
  }

  @Test("text, and more in one message than a stranger may send, end the connection; as much does not")
  func limits() async throws {
    let limit = PeerTransport.strangerMessageByteCountLimit
    let cases: [(WebSocketMessage, CloseCode)] = [
      (.text("/multistream/1.0.0"), .unsupportedData),
      (.binary([UInt8](repeating: 0xFF, count: limit + 1)), .messageTooBig),
      // It is read, and is no multistream-select.
      (.binary([UInt8](repeating: 0xFF, count: limit)), .protocolError),
    ]
    for (message, code) in cases {
      try await withListener { loop, listener, _, record in
        let client = try await WebSocketClient.connect(to: try url(listener), on: loop, options: .init())
        let closing = Record()
        await loop.run { closing.start(client) }
        try await client.send(message)
        guard case .closed(code, _)? = await closing.waitForClosure() else {
          Issue.record("\(code): \(String(describing: closing.closure))")
          return
        }
        #expect(await eventually { record.state.withLock { $0.closures.count } == 1 })
        #expect(record.state.withLock { $0.closures } != [nil])
      }
    }
  }

  @Test("the peer's Close frame ends every stream")
  func close() async throws {
    try await withListener { loop, listener, own, record in
      let dialing = PeerRecord()
      PeerConnection.dial(
        listener.address, on: loop, configuration: PeerSetup.configuration(), handlers: dialing.handlers(echoes: false))
      #expect(await eventually { dialing.state.withLock { $0.peers } == [own.peerID] })
      let connection = try #require(dialing.state.withLock { $0.connections.first })
      let opened = await dialing.open(held, text(10), on: connection)
      let id = try #require(opened)
      #expect(await eventually { record.state.withLock { $0.opened } == [held] })
      await listener.close()
      #expect(await eventually { dialing.state.withLock { $0.closures } == [.connection(.connectionLost)] })
      #expect(dialing.state.withLock { $0.resets } == [id])
      #expect(record.state.withLock { $0.closures } == [nil])
    }
  }

  @Test("a page in a browser is refused")
  func origin() async throws {
    try await withListener { _, listener, _, record in
      let port = try #require(listener.address.components[1].text.flatMap { UInt16($0) })
      let client = try RawClient(port: port)
      client.send(RawClient.upgrade.replacing("\r\n\r\n", with: "\r\nOrigin: https://example.org\r\n\r\n"))
      #expect(String(decoding: await client.readAll(), as: UTF8.self).hasPrefix("HTTP/1.1 403"))
      #expect(record.state.withLock { $0.closures.isEmpty })
    }
  }
}
