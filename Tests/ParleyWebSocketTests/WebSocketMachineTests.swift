import ParleyWire
import TestSupport
import Testing

@testable import ParleyWebSocket

@Suite("WebSocket machine")
struct WebSocketMachineTests {
  @Test("messages arrive whole, however the bytes are split")
  func everySplit() {
    let long = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let stream =
      frame(.text, Array("Grüße, Ω!".utf8)) + frame(.binary, long) + frame(.ping, [1, 2])
      + frame(.binary, [1], isFinal: false) + frame(.ping, [3]) + frame(.continuation, isFinal: false)
      + frame(.continuation, [2, 3]) + frame(.binary) + frame(.pong, [9]) + frame(.close, [0x03, 0xE8, 0x62])
    let expected: [Endpoint.Seen] = [
      .text("Grüße, Ω!"), .binary(long), .binary([1, 2, 3]), .binary([]), .close(.normal, "b"),
    ]
    for split in 0...stream.count {
      var server = Endpoint(.server)
      server.receive(Array(stream[..<split]))
      server.receive(Array(stream[split...]))
      let seen = server.seen
      #expect(seen == expected, "split at \(split)")
      #expect(server.action == .finish)
      let output = server.output
      #expect(output.suffix(4) == [0x88, 2, 0x03, 0xE8])
    }
    var server = Endpoint(.server)
    for byte in stream { server.receive([byte]) }
    let seen = server.seen
    #expect(seen == expected, "byte by byte")
    // The pong to the first ping, the pong to the second, the close.
    let output = server.output
    #expect(output == [0x8A, 2, 1, 2, 0x8A, 1, 3, 0x88, 2, 0x03, 0xE8])
  }

  @Test("a cut stream gives no message and no error")
  func everyCut() {
    let stream = frame(.binary, [1, 2, 3], isFinal: false) + frame(.continuation, [4])
    for cut in 0..<stream.count {
      var server = Endpoint(.server)
      server.receive(Array(stream[..<cut]))
      let seen = server.seen
      #expect(seen.isEmpty, "cut at \(cut)")
    }
  }

  @Test("a whole message is handed up from where it lies")
  func inPlace() throws {
    let endpoint = WebSocketEndpoint(role: .server, limits: openLimits) { sampleKey }
    var machine = WebSocketMachine(endpoint: endpoint, now: epoch)
    var bytes = frame(.binary, [5, 6, 7])
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    var position = 0
    let event = try machine.receive(&raw, from: &position, now: epoch)
    #expect(event == .message(.binary, 6..<9))
    #expect(position == 9)
  }

  /// A fault in what a client sends.
  struct Violation: Sendable {
    let input: [UInt8]
    let error: WebSocketError
    let code: UInt16

    init(_ input: [UInt8], _ error: WebSocketError, _ code: UInt16) {
      self.input = input
      self.error = error
      self.code = code
    }

    static let all: [Violation] = [
      Violation(frame(.binary, [1], masked: false), .unmaskedFrame, 1002),
      Violation(rawFrame(0xC2, [1]), .reservedBits(0b100), 1002),
      Violation(rawFrame(0xA2, [1]), .reservedBits(0b010), 1002),
      Violation(rawFrame(0x92, [1]), .reservedBits(0b001), 1002),
      Violation(rawFrame(0x83, [1]), .reservedOpcode(3), 1002),
      Violation(rawFrame(0x8B, [1]), .reservedOpcode(11), 1002),
      Violation(rawFrame(0x09, [1]), .fragmentedControlFrame, 1002),
      Violation(rawFrame(0x89, Array(repeating: 1, count: 126)), .controlFrameTooLong(126), 1002),
      Violation(rawFrame(0x80, [1]), .unexpectedContinuation, 1002),
      Violation(frame(.text, [0x61], isFinal: false) + frame(.text, [0x61]), .interleavedMessage, 1002),
      Violation(frame(.text, [0x61], isFinal: false) + frame(.binary, [0x61]), .interleavedMessage, 1002),
      Violation(frame(.text, [0xC3, 0x28]), .invalidUTF8, 1007),
      Violation(frame(.text, [0xC3]), .invalidUTF8, 1007),
      Violation(frame(.text, [0xC3], isFinal: false) + frame(.continuation), .invalidUTF8, 1007),
      Violation(frame(.close, [0x03]), .truncatedCloseCode, 1002),
      Violation(frame(.close, [0x03, 0xED]), .invalidCloseCode(.noStatus), 1002),
      Violation(frame(.close, [0x03, 0xE8, 0xFF]), .invalidUTF8, 1007),
    ]
  }

  @Test("each rule that is broken has its error and its close code", arguments: Violation.all)
  func violations(_ row: Violation) {
    let (input, error, code) = (row.input, row.error, row.code)
    var server = Endpoint(.server)
    server.receive(input)
    let seen = server.seen
    #expect(seen == [.failure(error)])
    let output = server.output
    #expect(output == [0x88, 2, UInt8(code >> 8), UInt8(code & 0xFF)])
    #expect(server.action == .finish)
    // Nothing after it is looked at.
    server.receive(frame(.binary, [1]) + [0xFF, 0xFF])
    let after = server.seen
    #expect(after == [.failure(error)])
    #expect(server.output.count == 4)
  }

  @Test("a client fails a masked frame")
  func maskedFrame() {
    var client = Endpoint(.client)
    client.receive(frame(.binary, [1]))
    let seen = client.seen
    #expect(seen == [.failure(.maskedFrame)])
    let output = client.output
    #expect(output == rawFrame(0x88, [0x03, 0xEA]))
  }

  @Test("text fails at the first bad byte, before its frame is whole")
  func failsFast() {
    var server = Endpoint(.server)
    let whole = frame(.text, [0x61, 0xFF] + Array(repeating: 0x61, count: 100))
    server.receive(Array(whole.prefix(8)))
    let seen = server.seen
    #expect(seen == [.failure(.invalidUTF8)])
  }

  // MARK: Limits

  @Test("the default limits are those that the documentation states")
  func defaults() {
    let limits = WebSocketLimits()
    #expect(limits.maximumHeadByteCount == 8192)
    #expect(limits.maximumFieldCount == 64)
    #expect(limits.headTimeout == .seconds(5))
    #expect(limits.maximumMessageByteCount == 1 << 20)
    #expect(limits.maximumInflatedByteCount == 1 << 20)
    #expect(limits.maximumInflationRatio == 100)
    #expect(limits.maximumFragmentCount == 1024)
    #expect(limits.minimumFragmentByteCount == 0)
    #expect(limits.maximumPingsPerSecond == 10)
    #expect(limits.acceptsText)
    #expect(limits.pingInterval == .seconds(20))
    #expect(limits.pongTimeout == .seconds(20))
    #expect(limits.idleTimeout == nil)
    #expect(limits.closeTimeout == .seconds(2))
    #expect(limits.maximumAge == .seconds(86_400))
    #expect(limits.maximumBufferedByteCount == 1 << 20)
    #expect(limits.resumeByteCount == 1 << 16)
    #expect(limits.readsWhileBehind)
    #expect(limits.stallTimeout == .seconds(2))
    #expect(limits.maximumConnectionCount == 10_000)
    #expect(limits.maximumConnectionsPerAddress == 256)
    #expect(limits.maximumPendingHandshakeCount == 512)
    #expect(limits.maximumDeflateConnectionCount == 1000)
  }

  @Test("a message at the limit passes; one past it fails on its header alone")
  func messageLimit() {
    var limits = WebSocketLimits()
    limits.maximumMessageByteCount = 16_404
    var server = Endpoint(.server, limits)
    server.receive(frame(.binary, Array(repeating: 1, count: 16_404)))
    #expect(server.seen.count == 1)
    server.receive(Array(frame(.binary, Array(repeating: 1, count: 16_405)).prefix(8)))
    let last = server.seen.last
    #expect(last == .failure(.messageTooBig(limit: 16_404)))
  }

  @Test("fragments count together against the message's limit, on the header of the one that is too much")
  func fragmentSum() {
    var server = Endpoint(.server)
    server.machine.maximumMessageByteCount = 10
    server.receive(frame(.binary, Array(repeating: 1, count: 6), isFinal: false))
    server.receive(frame(.continuation, Array(repeating: 1, count: 4)))
    #expect(server.seen.count == 1)
    server.receive(frame(.binary, Array(repeating: 1, count: 6), isFinal: false))
    server.receive(Array(frame(.continuation, Array(repeating: 1, count: 5)).prefix(6)))
    let last = server.seen.last
    #expect(last == .failure(.messageTooBig(limit: 10)))
  }

  @Test("the largest length there is does not overflow")
  func hugeLength() {
    var server = Endpoint(.server)
    server.receive(
      frame(.binary, [1], isFinal: false) + [0x80, 0xFF, 0x7F] + [UInt8](repeating: 0xFF, count: 7) + [0, 0, 0, 0])
    let seen = server.seen
    #expect(seen == [.failure(.messageTooBig(limit: 1 << 20))])
  }

  @Test("a message may have four frames, not five; the last may be empty, the others not")
  func fragmentLimits() {
    var limits = WebSocketLimits()
    limits.maximumFragmentCount = 4
    limits.minimumFragmentByteCount = 1
    var server = Endpoint(.server, limits)
    let part = frame(.continuation, [1], isFinal: false)
    server.receive(frame(.binary, [1], isFinal: false) + part + part + frame(.continuation))
    let seen = server.seen
    #expect(seen == [.binary([1, 1, 1])])
    server.receive(frame(.binary, [1], isFinal: false) + part + part + part + frame(.continuation, [1]))
    let last = server.seen.last
    #expect(last == .failure(.tooManyFragments(limit: 4)))

    for empty in [
      frame(.binary, isFinal: false), frame(.binary, [1], isFinal: false) + frame(.continuation, isFinal: false),
    ] {
      var server = Endpoint(.server, limits)
      server.receive(empty)
      let seen = server.seen
      #expect(seen == [.failure(.fragmentTooSmall(limit: 1))])
      let output = server.output
      #expect(output == [0x88, 2, 0x03, 0xF0])
    }
  }

  @Test("a frame that comes byte by byte is one fragment")
  func fragmentCountIsOfFrames() {
    var server = Endpoint(.server, WebSocketLimits())
    for byte in frame(.binary, [1, 2, 3, 4, 5, 6, 7, 8]) { server.receive([byte]) }
    let seen = server.seen
    #expect(seen == [.binary([1, 2, 3, 4, 5, 6, 7, 8])])
  }

  @Test("ten pings a second are answered, the eleventh is too many")
  func pingLimit() {
    var server = Endpoint(.server, WebSocketLimits())
    for _ in 0..<10 { server.receive(frame(.ping)) }
    server.now = server.now + .seconds(1)
    for _ in 0..<10 { server.receive(frame(.ping)) }
    #expect(server.seen.isEmpty)
    #expect(server.output.count == 40)
    server.receive(frame(.ping))
    let seen = server.seen
    #expect(seen == [.failure(.tooManyPings(limit: 10))])
  }

  @Test("every ping is answered, in the order in which they came")
  func pongsInOrder() {
    var server = Endpoint(.server)
    server.receive(frame(.ping, [1]) + frame(.ping, [2]) + frame(.ping, [3]))
    let output = server.output
    #expect(output == [0x8A, 1, 1, 0x8A, 1, 2, 0x8A, 1, 3])
  }

  @Test("text is refused where it is not accepted")
  func textRefused() {
    var limits = openLimits
    limits.acceptsText = false
    var server = Endpoint(.server, limits)
    server.receive(frame(.text, [0x61]))
    let seen = server.seen
    #expect(seen == [.failure(.textNotAccepted)])
    let output = server.output
    #expect(output == [0x88, 2, 0x03, 0xEB])
  }

  @Test(
    "before authentication only whole binary messages and Close are admitted",
    arguments: [
      (frame(.binary, [1]), true), (frame(.close), true), (frame(.ping), false), (frame(.pong), false),
      (frame(.text, [0x61]), false), (frame(.binary, [1], isFinal: false), false), (frame(.continuation), false),
    ])
  func onlyBinary(input: [UInt8], isAdmitted: Bool) {
    var server = Endpoint(.server)
    server.machine.admitsOnlyBinaryMessages = true
    server.receive(input)
    let seen = server.seen
    #expect((seen == [.failure(.onlyBinaryMessagesAdmitted)]) != isAdmitted)
  }

  // MARK: Closing

  @Test("close waits for the peer's Close, and drops data that comes before it")
  func closing() {
    var client = Endpoint(.client)
    let didClose = client.machine.close(.goingAway, reason: "bye", now: epoch, into: &client.output)
    #expect(didClose)
    let output = client.output
    #expect(output == rawFrame(0x88, [0x03, 0xE9] + Array("bye".utf8)))
    let isOpen = client.machine.isOpen
    #expect(!isOpen)
    let didSend = client.machine.send(.binary, [1], into: &client.output)
    #expect(!didSend)
    let didCloseAgain = client.machine.close(.normal, now: epoch, into: &client.output)
    #expect(!didCloseAgain)
    client.poll()
    #expect(client.action == .wait(until: epoch + .seconds(2)))
    client.receive(frame(.binary, [1], masked: false) + frame(.ping, masked: false))
    client.receive(frame(.close, [0x03, 0xE9], masked: false))
    let seen = client.seen
    #expect(seen == [.close(.goingAway, "")])
    #expect(client.action == .finish)
    #expect(client.output.count == output.count)
  }

  @Test("a Close that is not answered has a deadline")
  func closeTimeout() {
    var server = Endpoint(.server)
    server.machine.close(.normal, now: epoch, into: &server.output)
    server.now = epoch + (.seconds(2) - .nanoseconds(1))
    server.poll()
    #expect(server.action == .wait(until: epoch + .seconds(2)))
    server.now = epoch + .seconds(2)
    server.poll()
    #expect(server.action == .drop(.closeTimeout))
  }

  @Test("an empty Close is answered by an empty one")
  func emptyClose() {
    var server = Endpoint(.server)
    server.receive(frame(.close))
    let seen = server.seen
    #expect(seen == [.close(.noStatus, "")])
    let output = server.output
    #expect(output == [0x88, 0])
  }

  @Test("which codes may be on the wire")
  func closeCodes() {
    let allowed = (0...UInt16.max).filter { CloseCode(rawValue: $0).isAllowedOnWire }
    #expect(allowed == Array(1000...1003) + Array(1007...1014) + Array(3000...4999))
  }

  // MARK: Time

  @Test("a silent peer is pinged after twenty seconds and given up twenty later")
  func keepAlive() {
    var server = Endpoint(.server)
    server.poll()
    #expect(server.action == .wait(until: epoch + .seconds(20)))
    server.now = epoch + .seconds(20)
    server.poll()
    #expect(server.action == .wait(until: epoch + .seconds(40)))
    let output = server.output
    #expect(output == [0x89, 0])
    server.now = epoch + .seconds(40)
    server.poll()
    #expect(server.action == .drop(.silence))
  }

  @Test("a driver that slept asks before it gives the peer up")
  func lateDriver() {
    var server = Endpoint(.server)
    server.now = epoch + .seconds(60)
    server.poll()
    #expect(server.action == .wait(until: epoch + .seconds(80)))
    let output = server.output
    #expect(output == [0x89, 0])
    server.now = epoch + .seconds(80)
    server.poll()
    #expect(server.action == .drop(.silence))
  }

  @Test("any byte from the peer puts the ping and the end off")
  func signsOfLife() {
    var server = Endpoint(.server)
    server.now = epoch + .seconds(19)
    server.receive([0x82])
    #expect(server.action == .wait(until: epoch + .seconds(39)))
    #expect(server.output.isEmpty)
    server.now = epoch + .seconds(39)
    server.poll()
    server.now = epoch + .seconds(58)
    server.receive([0x80])
    #expect(server.action == .wait(until: epoch + .seconds(78)))
  }

  @Test("a connection without messages is closed when it has been idle for the limit, pings or not")
  func idle() {
    var limits = openLimits
    limits.idleTimeout = .seconds(30)
    var server = Endpoint(.server, limits)
    server.now = epoch + .seconds(10)
    server.receive(frame(.binary, [1]))
    server.now = epoch + .seconds(39)
    server.receive(frame(.pong))
    #expect(server.action == .wait(until: epoch + .seconds(40)))
    server.now = epoch + .seconds(40)
    server.poll()
    let output = server.output
    #expect(output.suffix(8) == [0x88, 6, 0x03, 0xE8] + Array("idle".utf8))
  }

  @Test("a connection has a greatest age")
  func age() {
    var limits = openLimits
    limits.maximumAge = .seconds(15)
    var server = Endpoint(.server, limits)
    server.now = epoch + .seconds(14)
    server.receive([0x82])
    #expect(server.action == .wait(until: epoch + .seconds(15)))
    server.now = epoch + .seconds(15)
    server.poll()
    let output = server.output
    #expect(output == [0x88, 2, 0x03, 0xE9])
    #expect(server.action == .wait(until: epoch + .seconds(17)))
  }

  // MARK: Sending

  @Test("what one end sends the other receives", arguments: [0, 1, 125, 126, 65_535, 65_536])
  func roundTrip(count: Int) {
    let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    var client = Endpoint(.client)
    var server = Endpoint(.server)
    let clientDidSend = client.machine.send(.binary, payload, into: &client.output)
    #expect(clientDidSend)
    let sent = client.output
    #expect(sent == rawFrame(0x82, payload))
    server.receive(sent)
    let serverDidSend = server.machine.send(.binary, payload, into: &server.output)
    #expect(serverDidSend)
    let answer = server.output
    #expect(answer == rawFrame(0x82, payload, masked: false))
    client.receive(answer)
    let seen = (server.seen, client.seen)
    #expect(seen.0 == [.binary(payload)])
    #expect(seen.1 == [.binary(payload)])
  }

  /// Random streams of frames, good and bad, in random pieces: the machine must not trap, must agree with itself on
  /// any split, and must stop at the first failure.
  @Test("simulation: the split makes no difference", arguments: UInt64(0)..<200)
  func simulation(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var stream: [UInt8] = []
    for _ in 0..<Int.random(in: 1...12, using: &random) {
      let payload = (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...127, using: &random) }
      let opcodes: [UInt8] = [0x01, 0x02, 0x80, 0x00, 0x81, 0x82, 0x82, 0x82, 0x89, 0x8A, 0x88, 0xC2]
      stream += rawFrame(
        opcodes.randomElement(using: &random)!, payload, masked: Int.random(in: 0..<30, using: &random) > 0)
    }
    if Bool.random(using: &random) {
      stream[Int.random(in: 0..<stream.count, using: &random)] ^= 1 << Int.random(in: 0..<8, using: &random)
    }
    var whole = Endpoint(.server)
    whole.receive(stream)
    var pieces = Endpoint(.server)
    var rest = stream[...]
    while !rest.isEmpty {
      let piece = rest.prefix(Int.random(in: 1...40, using: &random))
      pieces.receive(Array(piece))
      rest = rest.dropFirst(piece.count)
    }
    let seen = (whole.seen, pieces.seen)
    #expect(seen.0 == seen.1, "seed \(seed)")
  }
}
