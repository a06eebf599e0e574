import Glibc
import ParleyWebSocket
import Testing

@testable import ParleyIO

/// Limits that show only where there are sockets: each at the limit, and one past it.
@Suite("Limits")
struct LimitTests {
  // MARK: How many may come in

  static func admission(_ change: (inout WebSocketLimits) -> Void) -> Admission {
    var limits = WebSocketLimits()
    change(&limits)
    return Admission(limits)
  }

  @Test("as many connections as the limit says, wherever they come from")
  func connectionCount() throws {
    let admission = Self.admission { $0.maximumConnectionCount = 3 }
    let admitted = try (1...3).map { try #require(admission.admit(SocketAddress("10.0.0.\($0)", port: 1))) }
    #expect(admission.admit(SocketAddress("10.0.0.4", port: 1)) == nil)
    #expect(admission.current == (3, 3))
    admission.settle()
    #expect(admission.admit(SocketAddress("10.0.0.4", port: 1)) == nil)
    admission.release(admitted[0], isPending: false)
    #expect(admission.admit(SocketAddress("10.0.0.4", port: 1)) != nil)
    #expect(admission.current == (3, 3))
  }

  @Test(
    "as many of one address as the limit says; of IPv6 the first half counts",
    arguments: [
      (["10.0.0.1", "10.0.0.1"], "10.0.0.1", "10.0.0.2"),
      (["2001:db8::1", "2001:db8:0:0:1::"], "2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::1"),
    ])
  func addressCount(inside: [String], same: String, other: String) throws {
    let admission = Self.admission { $0.maximumConnectionsPerAddress = 2 }
    let admitted = try inside.map { try #require(admission.admit(SocketAddress($0, port: 1))) }
    #expect(admission.admit(SocketAddress(same, port: 2)) == nil)
    #expect(admission.admit(SocketAddress(other, port: 1)) != nil)
    admission.release(admitted[0], isPending: true)
    #expect(admission.admit(SocketAddress(same, port: 2)) != nil)
    #expect(admission.admit(SocketAddress(same, port: 3)) == nil)
  }

  @Test("as many before the end of their handshake as the limit says")
  func pendingCount() throws {
    let admission = Self.admission { $0.maximumPendingHandshakeCount = 2 }
    let admitted = try (1...2).map { try #require(admission.admit(SocketAddress("10.0.0.\($0)", port: 1))) }
    #expect(admission.admit(SocketAddress("10.0.0.3", port: 1)) == nil)
    admission.settle()
    #expect(admission.admit(SocketAddress("10.0.0.3", port: 1)) != nil)
    #expect(admission.admit(SocketAddress("10.0.0.4", port: 1)) == nil)
    admission.release(admitted[1], isPending: true)
    #expect(admission.admit(SocketAddress("10.0.0.4", port: 1)) != nil)
    #expect(admission.current == (3, 2))
  }

  @Test("the loops of a group share the limit on connections", arguments: [true, false])
  func groupCount(isOfAddress: Bool) async throws {
    var limits = testLimits
    if isOfAddress { limits.maximumConnectionsPerAddress = 4 } else { limits.maximumConnectionCount = 4 }
    let sent = limits
    try await withGroup(loops: 2, limits: limits) { group, loop in
      var inside: [WebSocketConnection] = []
      var options = WebSocketClient.Options()
      options.limits = sent
      let url = WebURL("ws://127.0.0.1:\(group.localAddress.port)")!
      for _ in 0..<4 { inside.append(try await WebSocketClient.connect(to: url, on: loop, options: options)) }
      // The reset may meet the connection while it is still being made.
      await #expect(throws: IOError.self) {
        try await WebSocketClient.connect(to: url, on: loop, options: options)
      }
      let first = inside[0]
      await loop.run { first.abort() }
      // The server hears of that in its own time.
      #expect(
        await eventually(within: .seconds(30)) {
          guard let late = try? await WebSocketClient.connect(to: url, on: loop, options: options) else { return false }
          inside.append(late)
          return true
        })
      await #expect(throws: IOError.self) {
        try await WebSocketClient.connect(to: url, on: loop, options: options)
      }
      let all = inside
      await loop.run { for connection in all { connection.abort() } }
    }
  }

  @Test("compression is agreed to as often as the limit says; the next connection comes in without")
  func deflateCount() async throws {
    var limits = testLimits
    limits.maximumDeflateConnectionCount = 2
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: limits) { $0.policy.deflate = .init() }
      var options = WebSocketClient.Options()
      options.deflate = .init()
      func connect() async throws -> WebSocketConnection {
        try await WebSocketClient.connect(to: server.url(), on: loop, options: options)
      }
      let first = try await connect()
      let second = try await connect()
      let third = try await connect()
      #expect(first.deflate != nil && second.deflate != nil && third.deflate == nil)
      let record = Record()
      await loop.run {
        record.start(third)
        third.send(binary: Array(repeating: 5, count: 1000))
        first.abort()
      }
      #expect(await record.waitForMessages(1))
      #expect(await eventually(within: .seconds(30)) { server.closures.count == 1 })
      let fourth = try await connect()
      let fifth = try await connect()
      #expect(fourth.deflate != nil && fifth.deflate == nil)
      await loop.run { for connection in [second, third, fourth, fifth] { connection.abort() } }
    }
  }

  // MARK: How long

  @Test("a frame that trickles in does not count as a message: the connection is closed as idle")
  func idleTimeout() async throws {
    var limits = testLimits
    limits.idleTimeout = .milliseconds(400)
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: limits)
      let raw = try RawClient(port: server.port)
      #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 "))
      let trickle = Task {
        for byte in clientFrame(0x82, Array(repeating: 1, count: 5000)) where !Task.isCancelled {
          raw.send([byte])
          try await Task.sleep(for: .milliseconds(10))
        }
      }
      #expect(await raw.read(within: 20) == [0x88, 6, 0x03, 0xE8] + Array("idle".utf8))
      trickle.cancel()
      #expect(await eventually(within: .seconds(30)) { server.closures == [.failed(.timeout(.close))] })
    }
  }

  @Test("a connection that is too old is closed with 1001, however busy it is")
  func age() async throws {
    var limits = testLimits
    limits.maximumAge = .milliseconds(500)
    limits.pingInterval = .milliseconds(50)
    limits.closeTimeout = .seconds(30)
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: limits)
      let record = Record()
      // The two send one message to and fro, on the loop, whatever else keeps this test waiting.
      WebSocketClient.connect(to: server.url(), on: loop, options: .init()) { result in
        guard case .success(let connection) = result else { return }
        record.start(connection) { $0 }
        connection.send(binary: [1])
      }
      #expect(await eventually(within: .seconds(30)) { record.closure != nil })
      #expect(record.closure == .closed(.goingAway, reason: ""))
      #expect(record.messages.count > 1)
    }
  }

  enum Stage: CaseIterable {
    case beforeHead, inHead, afterUpgrade, inHeader, inPayload, afterFragment, inPing, afterClose, behind
  }

  @Test("a peer that vanishes without a word, at every stage, is given up", arguments: Stage.allCases)
  func halfOpen(stage: Stage) async throws {
    var limits = testLimits
    limits.headTimeout = .milliseconds(300)
    limits.pingInterval = .milliseconds(100)
    // Only where it is to end so: on a busy machine the others may come late.
    limits.pongTimeout = stage == .afterClose || stage == .behind ? .seconds(60) : .milliseconds(300)
    limits.stallTimeout = .milliseconds(200)
    limits.maximumBufferedByteCount = 64 << 20
    let frame = clientFrame(0x82, Array(repeating: 1, count: 1000))
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: limits)
      let raw = try RawClient(port: server.port, receiveBufferByteCount: 4096)
      if stage == .inHead { raw.send("GET / HTTP/1.1\r\nHo") }
      if stage != .beforeHead, stage != .inHead { #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 ")) }
      switch stage {
      case .beforeHead, .inHead, .afterUpgrade: break
      case .inHeader: raw.send(Array(frame.prefix(3)))
      case .inPayload: raw.send(Array(frame.prefix(500)))
      case .afterFragment: raw.send(clientFrame(0x02, [1]))
      case .inPing: raw.send([0x89, 0x84, 0, 0])
      case .afterClose: await loop.run { server.connections[0].close() }
      case .behind: await Peers.fallBehind(server.connections[0], Array(repeating: 7, count: 60_000))
      }
      // Nothing more comes from it, and nothing that it gets is taken: no FIN, no reset.
      #expect(await eventually(within: .seconds(20)) { server.refusals.count + server.closures.count == 1 })
      switch stage {
      case .beforeHead, .inHead: #expect(server.refusals == [.timeout(.openingHandshake)])
      case .afterUpgrade, .inHeader, .inPayload, .afterFragment, .inPing:
        #expect(server.closures == [.failed(.timeout(.silence))])
      case .afterClose: #expect(server.closures == [.failed(.timeout(.close))])
      case .behind:
        if case .failed(.slowReader) = server.closures.first {} else { Issue.record("\(server.closures)") }
      }
      #expect(await loop.run { server.server.connectionCount } == 0)
      #expect(server.server.pendingHandshakeCount == 0)
      withExtendedLifetime(raw) {}
    }
  }

  @Test("a reader that takes something now and then is no stalled one")
  func slowButAlive() async throws {
    var limits = BackPressureTests.patient
    limits.stallTimeout = .seconds(3)
    limits.maximumBufferedByteCount = 64 << 20
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: limits)
      let raw = try RawClient(port: server.port, receiveBufferByteCount: 65_536)
      #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 "))
      // With large buffers the kernel tells of room only when a megabyte has been taken.
      Descriptor.setOption(server.connections[0].stream.fd, SOL_SOCKET, SO_SNDBUF, 4096)
      let total = 80 * 60_004
      // In all far longer than the limit on one stall; on a thread of its own, which other tests do not hold up.
      async let reading = offPool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var received = 0
        let start = ContinuousClock.now
        while received < total {
          if ContinuousClock.now - start < .seconds(5) { usleep(100_000) }
          let count = recv(raw.fd, &buffer, buffer.count, 0)
          guard count > 0 else { break }
          received += count
        }
        return received
      }
      let connection = server.connections[0]
      await loop.run { for _ in 0..<80 { connection.send(binary: Array(repeating: 7, count: 60_000)) } }
      let received = await reading
      #expect(received == total)
      #expect(server.closures.isEmpty)
    }
  }

  // MARK: How much waits to be sent

  @Test("at the limit on what waits nothing happens; one byte past it a slow reader is told 1008", arguments: [0, 1])
  func bufferedByteCount(excess: Int) async throws {
    var limits = BackPressureTests.patient
    limits.maximumBufferedByteCount = 1 << 20
    limits.stallTimeout = .seconds(60)
    limits.closeTimeout = .seconds(300)
    let limit = limits.maximumBufferedByteCount
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: limits)
      let raw = try RawClient(port: server.port, receiveBufferByteCount: 4096)
      #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 "))
      let connection = server.connections[0]
      let message = [UInt8](repeating: 1, count: 10_000)
      let before = await Peers.fallBehind(connection, message)
      let after = await loop.run {
        var sent = 0
        while limit - connection.bufferedByteCount > 30_000 {
          connection.send(binary: message)
          sent += 4 + message.count
        }
        let last = limit - connection.bufferedByteCount - 4 + excess
        connection.send(binary: [UInt8](repeating: 2, count: last))
        #expect(connection.bufferedByteCount == limit + excess)
        return sent + 4 + last
      }
      // The turn is over: what left at its end left for a reader that takes nothing.
      await loop.run {}
      Peers.widen(raw)
      if excess == 0 {
        try await Task.sleep(for: .milliseconds(50))
        var bytes: [UInt8] = []
        while bytes.count < before + after, let more = await raw.read(within: 30), !more.isEmpty { bytes += more }
        #expect(bytes.count == before + after)
        #expect(try Peers.frames(bytes).allSatisfy { $0.first == 0x82 })
        #expect(server.closures.isEmpty)
      } else {
        let frames = try Peers.frames(await Peers.readToClose(raw))
        // Messages that had begun to leave are whole; the others are gone.
        #expect(frames.dropLast().allSatisfy { $0.first == 0x82 && $0.payload == message })
        #expect(frames.last?.first == 0x88)
        #expect(frames.last?.payload == [0x03, 0xF0] + Array("too slow".utf8))
        #expect(server.closures.isEmpty)
        raw.send(clientFrame(0x88, [0x03, 0xF0]))
        shutdown(raw.fd, CInt(SHUT_WR))
        #expect(await eventually(within: .seconds(30)) { server.closures.count == 1 })
        guard case .failed(.slowReader(let count)) = server.closures.first else {
          Issue.record("\(server.closures)")
          return
        }
        // As it was a turn later.
        #expect(count <= limit + 1 && count > limit / 2)
      }
    }
  }

  @Test("what one turn leaves over counts against the limit too")
  func oneTurn() async throws {
    var limits = BackPressureTests.patient
    limits.maximumBufferedByteCount = 100_000
    limits.stallTimeout = .seconds(60)
    limits.closeTimeout = .seconds(60)
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: limits)
      let raw = try RawClient(port: server.port, receiveBufferByteCount: 65_536)
      #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 "))
      let connection = server.connections[0]
      // The kernel's own buffer is made small, so that what is left is more than the limit; smaller ones leave it
      // to the kernel's timers when a window opens.
      Descriptor.setOption(connection.stream.fd, SOL_SOCKET, SO_SNDBUF, 65_536)
      await loop.run { for _ in 0..<500 { connection.send(binary: Array(repeating: 1, count: 1000)) } }
      // The turn's output leaves when it ends: a client with room before that would take it all.
      await loop.run {}
      Peers.widen(raw)
      let frames = try Peers.frames(await Peers.readToClose(raw))
      #expect(frames.last?.first == 0x88 && frames.count < 500)
    }
  }

  @Test(
    "a sender hears when what waits has fallen to the low-water mark, and when nothing waits",
    arguments: [1000, 60_000])
  func resumeByteCount(messageByteCount: Int) async throws {
    var limits = BackPressureTests.patient
    limits.maximumBufferedByteCount = 64 << 20
    limits.resumeByteCount = 200_000
    limits.stallTimeout = .seconds(60)
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: limits)
      let raw = try RawClient(port: server.port, receiveBufferByteCount: 32_768)
      #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 "))
      let connection = server.connections[0]
      Descriptor.setOption(connection.stream.fd, SOL_SOCKET, SO_SNDBUF, 4096)
      let seen = Locked<[Int]>([])
      let total = await loop.run { [messageByteCount] in
        connection.setDrainHandler { [weak connection] in
          let count = connection?.bufferedByteCount ?? -1
          seen.withLock { $0.append(count) }
        }
        // Less than is sent in the middle of a turn.
        let count = 480_000 / messageByteCount
        for _ in 0..<count { connection.send(binary: Array(repeating: 1, count: messageByteCount)) }
        return count * (4 + messageByteCount)
      }
      #expect(await eventually(within: .seconds(30)) { await loop.run { connection.stream.waitsForRoom } })
      #expect(seen.withLock { $0 }.isEmpty)
      var received = 0
      while received < total, let bytes = await raw.read(within: 30), !bytes.isEmpty { received += bytes.count }
      #expect(received == total)
      #expect(await eventually(within: .seconds(30)) { seen.withLock { $0.last } == 0 })
      // On a machine that is busy with other things the kernel may take all of it at once.
      let counts = seen.withLock { $0 }
      #expect(counts.count <= 2 && counts.dropLast().allSatisfy { $0 > 0 && $0 <= 200_000 }, "\(counts)")
    }
  }
}

/// What these tests do with the peers of a server.
enum Peers {
  struct Frame: Hashable {
    let first: UInt8
    let payload: [UInt8]
  }

  /// The frames of a server, which must be whole.
  static func frames(_ bytes: [UInt8]) throws -> [Frame] {
    var frames: [Frame] = []
    var position = 0
    while position < bytes.count {
      try #require(bytes.count - position >= 2)
      var size = 2
      var count = Int(bytes[position + 1])
      if count == 126 { (count, size) = (0, 4) }
      if count == 127 { (count, size) = (0, 10) }
      try #require(bytes.count - position >= size)
      for byte in bytes[(position + 2)..<(position + size)] { count = count << 8 | Int(byte) }
      try #require(bytes.count - position - size >= count, "a frame is cut")
      let start = position + size
      frames.append(Frame(first: bytes[position], payload: Array(bytes[start..<(start + count)])))
      position = start + count
    }
    return frames
  }

  /// Everything up to the reason that a slow reader is given.
  static func readToClose(_ raw: RawClient) async -> [UInt8] {
    var all: [UInt8] = []
    while let bytes = await raw.read(within: 30), !bytes.isEmpty {
      all += bytes
      if all.suffix(8) == Array("too slow".utf8) { break }
    }
    return all
  }

  /// Gives a client room: through a few kilobytes at a time the kernel is slow.
  static func widen(_ raw: RawClient) { Descriptor.setOption(raw.fd, SOL_SOCKET, SO_RCVBUF, 1 << 20) }

  /// Sends a message again and again, to a peer that does not read, until the kernel takes no more; gives the bytes of all
  /// frames.
  @discardableResult
  static func fallBehind(_ connection: WebSocketConnection, _ message: [UInt8]) async -> Int {
    var sent = 0
    var isBehind = false
    while !isBehind {
      isBehind = await connection.loop.run {
        !connection.send(binary: message) || connection.stream.waitsForRoom
      }
      sent += 1
    }
    // What the kernels still move from one buffer to the other is moved soon.
    try? await Task.sleep(for: .milliseconds(50))
    return sent * (message.count + (message.count < 126 ? 2 : message.count < 65_536 ? 4 : 10))
  }
}

/// Runs `body` with a group of servers that echo, and a loop for clients.
func withGroup(
  loops count: Int, limits: WebSocketLimits = testLimits,
  onMessage: @escaping WebSocketHandlers.MessageHandler = { connection, kind, payload in
    connection.send(kind, payload)
  },
  _ body: (WebSocketServerGroup, EventLoop) async throws -> Void
) async throws {
  let loops = try (0..<count).map { _ in try EventLoop() }
  defer { for loop in loops { loop.shutDown() } }
  let handlers = WebSocketHandlers(onMessage: onMessage)
  let address = ListenAddress.address(SocketAddress("127.0.0.1", port: 0)!)
  let group = try WebSocketServerGroup(loops: loops, configuration: .init(address: address, limits: limits)) { _, _ in
    .accept(subprotocol: nil) { $0.start(handlers) }
  }
  try await withLoop { loop in try await body(group, loop) }
  await group.close()
}
