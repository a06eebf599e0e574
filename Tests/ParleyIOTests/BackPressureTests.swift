import Glibc
import ParleyWebSocket
import ParleyWire
import TestSupport
import Testing

@testable import ParleyIO

/// What happens where one side is slower than the other: nothing is lost, nothing is reordered, nothing piles up.
@Suite("Back-pressure")
struct BackPressureTests {
  /// Limits under which large messages wait for slow readers.
  static var patient: WebSocketLimits {
    var limits = testLimits
    limits.maximumMessageByteCount = 20 << 20
    limits.maximumBufferedByteCount = 128 << 20
    limits.stallTimeout = .seconds(60)
    limits.pingInterval = .seconds(300)
    return limits
  }

  static func connect(_ port: UInt16, on loop: EventLoop, _ tls: TLSClientContext? = nil) async throws
    -> WebSocketConnection
  {
    var options = WebSocketClient.Options(tls: tls)
    options.limits = patient
    let url = WebURL("\(tls == nil ? "ws" : "wss")://localhost:\(port)")!
    return try await WebSocketClient.connect(to: url, on: loop, options: options)
  }

  /// A client that has started, and the server's end of its connection, which has not.
  static func pair(
    on loop: EventLoop
  ) async throws -> (server: WebSocketServer, client: WebSocketConnection, accepted: WebSocketConnection) {
    let accepted = Locked<WebSocketConnection?>(nil)
    let server = try WebSocketServer(
      loop: loop, configuration: .init(address: EchoServer.loopback, limits: patient)
    ) { _, _ in .accept(subprotocol: nil) { connection in accepted.withLock { $0 = connection } } }
    let client = try await connect(server.localAddress.port, on: loop)
    await loop.run { Record().start(client) }
    #expect(await eventually(within: .seconds(30)) { accepted.withLock { $0 } != nil })
    return (server, client, try #require(accepted.withLock { $0 }))
  }

  // MARK: Conflation

  @Test("a slow reader gets the newest message of each key, and never a longer queue")
  func conflation() async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: Self.patient)
      let raw = try RawClient(port: server.port, receiveBufferByteCount: 4096)
      #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 "))
      let connection = server.connections[0]
      let filler = [UInt8](repeating: 0, count: 10_000)
      let before = await Peers.fallBehind(connection, filler)
      await loop.run {
        let waiting = connection.bufferedByteCount
        for number in 0..<UInt8(200) {
          // Keys 0, 1, 2 and 3; the last message of each is 196, 197, 198 and 199.
          connection.send(.binary, [number, number % 4].rawSpan, replacing: UInt64(number % 4))
        }
        #expect(connection.bufferedByteCount == waiting)
      }
      Peers.widen(raw)
      var bytes: [UInt8] = []
      while bytes.count < before + 4 * 4, let more = await raw.read(within: 30), !more.isEmpty { bytes += more }
      let frames = try Peers.frames(bytes)
      #expect(frames.suffix(4).map(\.payload) == [[196, 0], [197, 1], [198, 2], [199, 3]])
      #expect(frames.dropLast(4).allSatisfy { $0.payload == filler })

      // A reader that keeps up gets them all.
      await loop.run {
        for number in 0..<UInt8(3) { connection.send(.text, [0x41 + number].rawSpan, replacing: 9) }
      }
      var text: [UInt8] = []
      while text.count < 9, let more = await raw.read(within: 30), !more.isEmpty { text += more }
      #expect(try Peers.frames(text) == [65, 66, 67].map { Peers.Frame(first: 0x81, payload: [$0]) })
    }
  }

  @Test("what may be replaced waits behind what may not, and a key that has left may come again")
  func conflationOrder() async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: Self.patient)
      let raw = try RawClient(port: server.port, receiveBufferByteCount: 4096)
      #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 "))
      let connection = server.connections[0]
      for round in 1...UInt8(3) {
        let before = await Peers.fallBehind(connection, [UInt8](repeating: 0, count: 10_000))
        await loop.run {
          connection.send(.binary, [round, 0].rawSpan, replacing: 5)
          connection.send(.binary, [round, 1].rawSpan, replacing: 5)
          connection.send(binary: [round, 2])
        }
        Peers.widen(raw)
        var bytes: [UInt8] = []
        while bytes.count < before + 8, let more = await raw.read(within: 30), !more.isEmpty { bytes += more }
        #expect(try Peers.frames(bytes).suffix(2).map(\.payload) == [[round, 2], [round, 1]])
      }
    }
  }

  // MARK: A reader that is slow

  @Test("a reader that is slow but steady keeps its place, and loses it when it stops")
  func steadyReader() async throws {
    var limits = Self.patient
    limits.stallTimeout = .seconds(2)
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: limits)
      let raw = try RawClient(port: server.port, receiveBufferByteCount: 65_536)
      #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 "))
      let connection = server.connections[0]
      await loop.run { for _ in 0..<16 { connection.send(binary: [UInt8](repeating: 1, count: 1 << 20)) } }
      // So slowly that the kernel, which wants a third of its buffer free, reports no room in all this time.
      let (received, isKept) = await offPool {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        var received = 0
        for _ in 0..<100 {
          received += max(0, recv(raw.fd, &buffer, buffer.count, 0))
          usleep(50_000)
        }
        // Asked here: this test may go on much later.
        return (received, server.closures.isEmpty)
      }
      #expect(received > 300_000)
      #expect(isKept)
      #expect(
        await eventually(within: .seconds(30)) {
          if case .failed(.slowReader) = server.closures.first { true } else { false }
        })
    }
  }

  @Test(
    "of a peer that does not take what it is sent, more is read or not, as the limits say", arguments: [true, false])
  func readingWhileBehind(readsWhileBehind: Bool) async throws {
    var limits = Self.patient
    limits.readsWhileBehind = readsWhileBehind
    try await withLoop { loop in
      let count = Locked(0)
      let accepted = Locked<WebSocketConnection?>(nil)
      let server = try WebSocketServer(
        loop: loop, configuration: .init(address: EchoServer.loopback, limits: limits)
      ) { _, _ in
        .accept(subprotocol: nil) { connection in
          accepted.withLock { $0 = connection }
          connection.start { _, _ in
            count.withLock { $0 += 1 }
          } onClose: { _ in
          }
        }
      }
      let raw = try RawClient(port: server.localAddress.port, receiveBufferByteCount: 4096)
      #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 "))
      let connection = try #require(accepted.withLock { $0 })
      _ = await Peers.fallBehind(connection, [UInt8](repeating: 0, count: 10_000))
      raw.send(clientFrame(0x82, [1]))
      if readsWhileBehind {
        #expect(await eventually(within: .seconds(30)) { count.withLock { $0 } == 1 })
      } else {
        try await Task.sleep(for: .milliseconds(300))
        #expect(count.withLock { $0 } == 0)
        Peers.widen(raw)
        while count.withLock({ $0 }) == 0, let bytes = await raw.read(within: 30), !bytes.isEmpty {}
        #expect(count.withLock { $0 } == 1)
      }
      await server.close()
    }
  }

  // MARK: A consumer that cannot keep up

  @Test("a connection that does not read makes its peer wait, and loses nothing")
  func pausedReading() async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: Self.patient, echoes: false)
      let record = Record()
      let client = try await Self.connect(server.port, on: loop)
      #expect(await eventually(within: .seconds(30)) { server.connections.count == 1 })
      let accepted = server.connections[0]
      await loop.run {
        record.start(client)
        accepted.isReading = false
      }
      #expect(await loop.run { !accepted.isReading })
      let count = Locked(0)
      let isBehind = await eventually(within: .seconds(30)) {
        await loop.run {
          for _ in 0..<20 { client.send(binary: Array(repeating: 1, count: 16_000)) }
          count.withLock { $0 += 20 }
          return client.stream.waitsForRoom
        }
      }
      #expect(isBehind)
      // The others are served, and so is it when it reads on.
      let other = try await Self.connect(server.port, on: loop)
      await loop.run {
        other.abort()
        accepted.isReading = true
      }
      #expect(await eventually(within: .seconds(30)) { await loop.run { client.bufferedByteCount } == 0 })
      await loop.run { client.close() }
      #expect(await record.waitForClosure() == .closed(.normal, reason: ""))
    }
  }

  @Test("who does not read cannot see that the peer lives, and does not give it up")
  func pausedSilence() async throws {
    var limits = Self.patient
    limits.pingInterval = .milliseconds(50)
    limits.pongTimeout = .milliseconds(500)
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: limits)
      let record = Record()
      let opened = Locked<WebSocketConnection?>(nil)
      // It answers pings from its first moment, however late this test goes on.
      WebSocketClient.connect(to: server.url(), on: loop, options: .init()) { result in
        guard case .success(let connection) = result else { return }
        record.start(connection)
        opened.withLock { $0 = connection }
      }
      #expect(await eventually(within: .seconds(30)) { server.connections.count == 1 && opened.withLock { $0 } != nil })
      let accepted = server.connections[0]
      let client = try #require(opened.withLock { $0 })
      await loop.run { accepted.isReading = false }
      try await Task.sleep(for: .milliseconds(1500))
      #expect(server.closures.isEmpty)
      await loop.run {
        accepted.isReading = true
        client.send(binary: [1, 2, 3])
      }
      #expect(await record.waitForMessages(1))
      // A peer that really is gone is found out once there is reading again.
      await loop.run { client.isReading = false }
      #expect(await eventually(within: .seconds(30)) { server.closures == [.failed(.timeout(.silence))] })
      await loop.run { client.abort() }
    }
  }

  @Test("a slow loop over messages stops the reading, and gets every message in order")
  func slowConsumer() async throws {
    try await withLoop { loop in
      let (server, client, connection) = try await Self.pair(on: loop)
      let isPaused = Locked(false)
      let consumer = Task {
        var numbers: [Int] = []
        for try await message in connection {
          guard case .binary(let bytes) = message else { break }
          numbers.append(Int(bytes[0]) | Int(bytes[1]) << 8)
          guard numbers.count == 100 else { continue }
          let isOver = await eventually(within: .seconds(30)) { await loop.run { !connection.isReading } }
          isPaused.withLock { $0 = isOver }
        }
        return numbers
      }
      for number in 0..<3000 {
        var payload = [UInt8](repeating: 9, count: 2000)
        (payload[0], payload[1]) = (UInt8(number & 0xFF), UInt8(number >> 8))
        let message = payload
        await loop.run { _ = client.send(binary: message) }
      }
      await loop.run { client.close() }
      #expect(try await consumer.value == Array(0..<3000))
      #expect(isPaused.withLock { $0 })
      #expect(connection.closure == .closed(.normal, reason: ""))
      await server.close()
    }
  }

  @Test("a task that is cancelled ends its loop over messages; what then comes does not pile up")
  func cancelledConsumer() async throws {
    try await withLoop { loop in
      let (server, client, connection) = try await Self.pair(on: loop)
      let count = Locked(0)
      let consumer = Task {
        for try await _ in connection { count.withLock { $0 += 1 } }
        return Task.isCancelled
      }
      await loop.run { client.send(binary: [1]) }
      #expect(await eventually(within: .seconds(30)) { count.withLock { $0 } == 1 })
      consumer.cancel()
      #expect(try await consumer.value)
      #expect(connection.closure == nil)
      await loop.run { for _ in 0..<400 { client.send(binary: Array(repeating: 2, count: 1000)) } }
      #expect(await eventually(within: .seconds(30)) { await loop.run { !connection.isReading } })
      #expect(count.withLock { $0 } == 1)
      // It can still be closed.
      await connection.close(.goingAway)
      #expect(connection.closure == .closed(.goingAway, reason: ""))
      await server.close()
    }
  }

  @Test("an asynchronous sender waits for a reader that is behind, and goes on when it has read")
  func waitingSender() async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: Self.patient)
      let raw = try RawClient(port: server.port, receiveBufferByteCount: 4096)
      #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 "))
      let connection = server.connections[0]
      let sent = Locked(0)
      let sender = Task {
        for _ in 0..<300 {
          try await connection.send(.binary(Array(repeating: 1, count: 60_000)))
          sent.withLock { $0 += 1 }
        }
      }
      #expect(await eventually(within: .seconds(30)) { await loop.run { connection.stream.waitsForRoom } })
      try await Task.sleep(for: .milliseconds(100))
      // One message at most beyond the mark at which a sender goes on.
      #expect(await loop.run { connection.bufferedByteCount } <= Self.patient.resumeByteCount + 60_004)
      #expect(sent.withLock { $0 } < 300)
      Peers.widen(raw)
      var received = 0
      while received < 300 * 60_004, let bytes = await raw.read(within: 30), !bytes.isEmpty { received += bytes.count }
      #expect(received == 300 * 60_004)
      try await sender.value
      #expect(sent.withLock { $0 } == 300)
    }
  }

  @Test("a sender that waits is let go when the connection ends, and its next message fails")
  func senderOfEndedConnection() async throws {
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: Self.patient)
      let raw = try RawClient(port: server.port, receiveBufferByteCount: 4096)
      #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 "))
      let connection = server.connections[0]
      let sender = Task {
        while true { try await connection.send(.binary(Array(repeating: 1, count: 60_000))) }
      }
      #expect(await eventually(within: .seconds(30)) { await loop.run { connection.stream.waitsForRoom } })
      await loop.run { connection.abort() }
      await #expect(throws: IOError.aborted) { try await sender.value }
    }
  }

  // MARK: Large messages

  static let edges = [
    0, 1, 125, 126, 2047, 2048, 2049, 16_383, 16_384, 32_767, 32_768, 32_769, 65_535, 65_536, 262_143, 262_144, 262_145,
    524_287, 524_288, 524_289, 1 << 20,
  ]

  /// One message of a size near those at which the engine takes another path, seldom large and often small.
  static func size(_ random: inout SplitMix64) -> Int {
    Int.random(in: 0..<3, using: &random) == 0
      ? edges.randomElement(using: &random)! : Int.random(in: 0..<300, using: &random)
  }

  /// Random bytes, from a few random words.
  static func payload(_ count: Int, _ random: inout SplitMix64) -> [UInt8] {
    var bytes = [UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: count)
    for _ in 0..<min(count, 64) {
      bytes[Int.random(in: 0..<count, using: &random)] = UInt8.random(in: 0...255, using: &random)
    }
    return bytes
  }

  @Test(
    "messages of all sizes come back byte for byte, however they are chopped and however slowly they are read",
    arguments: UInt64(0)..<6)
  func choppedEcho(seed: UInt64) async throws {
    var random = SplitMix64(seed: seed)
    var sizes = (0..<120).map { _ in Self.size(&random) }
    if seed == 0 { sizes = Self.edges + [16 << 20] + Self.edges }
    let payloads = sizes.map { Self.payload($0, &random) }
    var input: [UInt8] = []
    for payload in payloads {
      let key = MaskingKey(1, UInt8(truncatingIfNeeded: seed), 0x80, 0xFF)
      var header = FrameHeader(opcode: .binary, byteCount: payload.count)
      header.maskingKey = key
      header.encode(into: &input)
      let start = input.count
      input += payload
      let whole = start..<input.count
      var bytes = input.mutableSpan
      var raw = bytes.mutableBytes
      key.apply(to: &raw, whole, phase: 0)
    }
    let sent = input
    try await withLoop { loop in
      let server = try EchoServer(loop, limits: Self.patient)
      let raw = try RawClient(port: server.port)
      #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 "))
      // Small buffers of the kernel make the engine meet full ones often.
      if seed % 2 == 1 {
        Descriptor.setOption(server.connections[0].stream.fd, SOL_SOCKET, SO_SNDBUF, 65_536)
      }
      async let writing: Void = offPool {
        var random = SplitMix64(seed: seed ^ 1 << 32)
        var position = 0
        while position < sent.count {
          let most = [20, 3000, 70_000, 600_000].randomElement(using: &random)!
          let end = min(sent.count, position + Int.random(in: 1...most, using: &random))
          raw.send(Array(sent[position..<end]))
          position = end
        }
      }
      let expected = payloads.reduce(0) { $0 + $1.count + ($1.count < 126 ? 2 : $1.count < 65_536 ? 4 : 10) }
      let received = await offPool {
        var random = SplitMix64(seed: seed ^ 2 << 32)
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while all.count < expected {
          if Int.random(in: 0..<40, using: &random) == 0 { usleep(20_000) }
          let count = recv(raw.fd, &buffer, Int.random(in: 1...(1 << 20), using: &random), 0)
          guard count > 0 else { break }
          all += buffer[..<count]
          // One long stall in the middle.
          if all.count > expected / 2, all.count - count <= expected / 2 { usleep(300_000) }
        }
        return all
      }
      await writing
      try #require(received.count == expected, "seed \(seed): \(server.closures)")
      let frames = try Peers.frames(received)
      #expect(frames.count == payloads.count)
      for (index, frame) in frames.enumerated() where frame.payload != payloads[index] {
        Issue.record("seed \(seed): message \(index) of \(payloads[index].count) bytes came back as another")
        break
      }
      #expect(server.closures.isEmpty)
    }
  }

  @Test(
    "over TLS too, with a client that stops reading now and then", .enabled(if: Tool.hasPython, Tool.absence),
    arguments: UInt64(0)..<4)
  func haltingTLS(seed: UInt64) async throws {
    let files = try await TestCertificate.both()
    let identity = try TLSServerContext(certificateFile: files.certificate, privateKeyFile: files.key)
    var random = SplitMix64(seed: seed)
    var sizes = (0..<80).map { _ in Self.size(&random) }
    if seed == 0 { sizes = Self.edges + [16 << 20] + Self.edges }
    let payloads = sizes.map { Self.payload($0, &random) }
    try await withLoop { loop in
      let server = try EchoServer(loop, tls: identity, limits: Self.patient)
      let trust = try TLSClientContext(authorityFile: files.authority)
      let client = try await Self.connect(server.port, on: loop, trust)
      let record = Record()
      await loop.run {
        record.start(client)
        client.isReading = false
      }
      let halting = Task { [random] in
        var random = random
        while !Task.isCancelled {
          try await Task.sleep(for: .milliseconds(Int.random(in: 1...10, using: &random)))
          await loop.run { client.isReading.toggle() }
        }
      }
      for payload in payloads { await loop.run { _ = client.send(binary: payload) } }
      #expect(await eventually(within: .seconds(60)) { record.messages.count == payloads.count })
      halting.cancel()
      #expect(record.messages == payloads, "seed \(seed)")
      #expect(record.closure == nil && server.closures.isEmpty)
      await loop.run { client.abort() }
    }
  }

  // MARK: To everybody

  @Test("a broadcast keeps its place among what is sent on a connection, in a callback and outside")
  func broadcastOrder() async throws {
    let others = Locked<WebSocketServerGroup?>(nil)
    let big = [UInt8](repeating: 3, count: 40_000)
    let limits = Self.patient
    try await withGroup(loops: 1, limits: limits) { connection, kind, payload in
      let server = others.withLock { $0! }.servers[0]
      connection.send(kind, payload)
      server.broadcast(PreparedMessage(.binary, [1].rawSpan))
      connection.send(binary: [2])
      server.broadcast(PreparedMessage(.binary, big.rawSpan))
      connection.send(binary: big + [4])
      server.broadcast(PreparedMessage(.binary, [5].rawSpan))
      connection.send(.binary, [6].rawSpan, replacing: 1)
      server.broadcast(PreparedMessage(.binary, [7].rawSpan))
    } _: { group, loop in
      others.withLock { $0 = group }
      let records = [Record(), Record()]
      var clients: [WebSocketConnection] = []
      for record in records {
        let client = try await Self.connect(group.localAddress.port, on: loop)
        await loop.run { record.start(client) }
        clients.append(client)
      }
      let server = group.servers[0]
      #expect(await eventually(within: .seconds(30)) { await server.loop.run { server.connectionCount } == 2 })
      let speaker = clients[0]
      await loop.run { speaker.send(binary: [0]) }
      #expect(await records[0].waitForMessages(8))
      #expect(await records[1].waitForMessages(4))
      #expect(records[0].messages == [[0], [1], [2], big, big + [4], [5], [6], [7]])
      #expect(records[1].messages == [[1], big, [5], [7]])

      // Outside of a callback.
      await server.loop.run {
        let all = server.connections
        for connection in all { connection.send(binary: [10]) }
        server.broadcast(PreparedMessage(.binary, [11].rawSpan))
        for connection in all { connection.send(binary: [12]) }
        server.broadcast(PreparedMessage(.binary, [13].rawSpan))
        for connection in all { connection.close() as Void }
      }
      for record in records {
        #expect(await record.waitForClosure() == .closed(.normal, reason: ""))
        #expect(record.messages.suffix(4) == [[10], [11], [12], [13]])
      }
      others.withLock { $0 = nil }
    }
  }

  @Test("a broadcast right before the group closes still arrives, on every loop")
  func lastWords() async throws {
    try await withGroup(loops: 2, limits: Self.patient) { group, loop in
      var records: [Record] = []
      for _ in 0..<16 {
        let record = Record()
        let client = try await Self.connect(group.localAddress.port, on: loop)
        await loop.run { record.start(client) }
        records.append(record)
      }
      for number in 0..<UInt8(100) { group.broadcast(PreparedMessage(.binary, [number].rawSpan)) }
      group.broadcast(PreparedMessage(.text, Array("good bye".utf8).rawSpan))
      await group.close()
      for record in records {
        #expect(await record.waitForClosure() == .closed(.goingAway, reason: ""))
        #expect(record.messages == (0..<100).map { [UInt8($0)] } + [Array("good bye".utf8)])
      }
    }
  }

  @Test("a subscriber that does not read is told so; the others get everything")
  func deafSubscriber() async throws {
    var limits = Self.patient
    limits.maximumBufferedByteCount = 1 << 20
    try await withGroup(loops: 2, limits: limits) { group, loop in
      let deaf = try (0..<4).map { _ in try RawClient(port: group.localAddress.port, receiveBufferByteCount: 4096) }
      for raw in deaf { #expect(await raw.upgrade().hasPrefix("HTTP/1.1 101 ")) }
      let record = Record()
      let client = try await Self.connect(group.localAddress.port, on: loop)
      await loop.run { record.start(client) }
      let message = [UInt8](repeating: 8, count: 30_000)
      let counts = {
        var counts: [Int] = []
        for server in group.servers { counts.append(await server.loop.run { server.connectionCount }) }
        return counts.reduce(0, +)
      }
      #expect(await eventually(within: .seconds(30)) { await counts() == 5 })
      var sent = 0
      #expect(
        await eventually(within: .seconds(60)) {
          for _ in 0..<20 { group.broadcast(PreparedMessage(.binary, message.rawSpan)) }
          sent += 20
          return await counts() == 1
        })
      #expect(await eventually(within: .seconds(30)) { record.messages.count == sent })
      #expect(record.messages.allSatisfy { $0 == message })
      withExtendedLifetime(deaf) {}
      await loop.run { client.abort() }
    }
  }
}
