import ParleyCrypto
import ParleyNoise
import ParleyWire
import Testing

@testable import ParleyPeer

private func configuration(_ number: UInt8, early: Bool = true, protocols: [String] = ["/echo/1.0.0"])
  -> Libp2pConnection
  .Configuration
{
  var configuration = Libp2pConnection.Configuration(
    identity: Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: number, count: 32))),
    staticKey: X25519.PrivateKey(raw: SecretBytes(copying: [UInt8](repeating: number ^ 0x77, count: 32))),
    protocols: protocols)
  configuration.negotiatesEarly = early
  return configuration
}

private func peer(_ configuration: Libp2pConnection.Configuration) -> PeerID {
  PeerID(PeerPublicKey(configuration.identity.publicKey))
}

/// Two sides, joined by wires that carry a few bytes at a time.
private struct Link: ~Copyable {
  var dialer: Libp2pConnection
  var listener: Libp2pConnection
  var step = 1 << 20
  var events: (dialer: [Libp2pEvent], listener: [Libp2pEvent]) = ([], [])
  var flights = 0

  init(_ one: Libp2pConnection.Configuration, _ two: Libp2pConnection.Configuration, expecting: PeerID? = nil) {
    dialer = Libp2pConnection(.initiator, one, expecting: expecting)
    listener = Libp2pConnection(.responder, two)
  }

  /// Carries until both are silent.
  mutating func run() throws(Libp2pError) {
    while true {
      let there = try dialer.takeOutput()
      events.dialer += dialer.drained()
      for start in stride(from: 0, to: there.count, by: step) {
        try listener.receive(there.rawSpan.extracting(start..<min(start + step, there.count)))
        events.listener += listener.drained()
      }
      let back = try listener.takeOutput()
      events.listener += listener.drained()
      for start in stride(from: 0, to: back.count, by: step) {
        try dialer.receive(back.rawSpan.extracting(start..<min(start + step, back.count)))
        events.dialer += dialer.drained()
      }
      if there.isEmpty, back.isEmpty { return }
      flights += (there.isEmpty ? 0 : 1) + (back.isEmpty ? 0 : 1)
    }
  }

  mutating func takeEvents() -> (dialer: [Libp2pEvent], listener: [Libp2pEvent]) {
    defer { events = ([], []) }
    return events
  }
}

extension Libp2pConnection {
  fileprivate mutating func drained() -> [Libp2pEvent] {
    var events = [Libp2pEvent]()
    while let event = poll() { events.append(event) }
    return events
  }
}

@Suite("libp2p connections")
struct Libp2pConnectionTests {
  private static let one = configuration(1)
  private static let two = configuration(2)

  @Test(
    "both come up, with the muxer named early on both sides, on one or on none, in pieces of any size",
    arguments: [1, 100, 1 << 20])
  func comesUp(step: Int) throws {
    for (early, late) in [(true, true), (true, false), (false, true), (false, false)] {
      let (one, two) = (configuration(1, early: early), configuration(2, early: late))
      var link = Link(one, two, expecting: peer(two))
      link.step = step
      try link.run()
      let events = link.takeEvents()
      #expect(events.dialer == [.connected(peer(two))])
      #expect(events.listener == [.connected(peer(one))])
      // The early form saves the flight that agrees on yamux.
      #expect(link.flights == (early && late ? 5 : 6))
    }
  }

  @Test("a stream: agreed on, data right behind the proposal, answers, and both ends")
  func stream() throws {
    var link = Link(Self.one, Self.two)
    try link.run()
    _ = link.takeEvents()
    let opened = link.dialer.open("/echo/1.0.0")
    let id = try #require(opened)
    let sent = link.dialer.send([1, 2, 3], on: id)
    #expect(sent == 3)
    link.dialer.finish(id)
    try link.run()
    var events = link.takeEvents()
    #expect(events.listener == [.opened(1, protocol: "/echo/1.0.0"), .data(1, [1, 2, 3]), .finished(1)])
    #expect(events.dialer == [.agreed(1)])
    link.listener.consume(3, of: 1)
    _ = link.listener.send([4], on: 1)
    link.listener.finish(1)
    try link.run()
    events = link.takeEvents()
    #expect(events.dialer == [.data(1, [4]), .finished(1)])
    #expect(events.listener == [])
    let late = link.dialer.send([1], on: id)
    #expect(late == nil)
  }

  @Test("the listener opens streams too; a protocol that nobody speaks resets the stream, and only that")
  func refused() throws {
    var link = Link(Self.one, Self.two)
    try link.run()
    _ = link.takeEvents()
    let opened = (link.dialer.open("/other/1.0.0"), link.listener.open("/echo/1.0.0"))
    #expect(opened == (1, 2))
    try link.run()
    let events = link.takeEvents()
    #expect(
      events.dialer == [.reset(1), .opened(2, protocol: "/echo/1.0.0")]
        || events.dialer == [.opened(2, protocol: "/echo/1.0.0"), .reset(1)])
    #expect(events.listener == [.agreed(2)], "of a stream for nothing nobody hears")
  }

  @Test("more than windows and outputs hold arrives whole, as the reader reads")
  func backPressure() throws {
    var link = Link(Self.one, Self.two)
    link.step = 5000
    try link.run()
    let opened = link.dialer.open("/echo/1.0.0")
    let id = try #require(opened)
    let text = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    var position = 0
    var received = [UInt8]()
    for _ in 0..<1000 where received.count < text.count {
      let sent = link.dialer.send(Array(text[position..<min(position + 300_000, text.count)]), on: id)
      position += try #require(sent)
      try link.run()
      for case .data(let stream, let bytes) in link.takeEvents().listener {
        received += bytes
        link.listener.consume(bytes.count, of: stream)
      }
    }
    #expect(received == text)
  }

  @Test("who is connected can open streams at once, with the muxer named early and without")
  func connected() throws {
    for early in [true, false] {
      var link = Link(configuration(1, early: early), Self.two)
      while link.dialer.poll() == nil {
        let there = try link.dialer.takeOutput()
        try link.listener.receive(there.rawSpan)
        _ = link.listener.drained()
        let back = try link.listener.takeOutput()
        try link.dialer.receive(back.rawSpan)
      }
      let id = link.dialer.open("/echo/1.0.0")
      #expect(id == 1, "early: \(early)")
    }
  }

  @Test("before the connection is up there are no streams")
  func early() {
    var dialer = Libp2pConnection(.initiator, Self.one)
    let id = dialer.open("/echo/1.0.0")
    #expect(id == nil)
    let sent = dialer.send([1], on: 1)
    #expect(sent == nil)
    dialer.consume(1, of: 1)
    dialer.reset(1)
    dialer.finish(1)
    let event = dialer.poll()
    #expect(event == nil)
  }

  @Test("another peer, another protocol, a changed byte: an error, and then nothing more")
  func errors() throws {
    var wrong = Link(Self.one, Self.two, expecting: peer(Self.one))
    #expect(throws: Libp2pError.noise(.wrongPeer(peer(Self.two)))) { try wrong.run() }
    #expect(throws: Libp2pError.ended) { try wrong.dialer.receive([1].rawSpan) }

    var http = Libp2pConnection(.responder, Self.two)
    #expect(throws: Libp2pError.multistream(.malformed)) {
      try http.receive(
        Array("GET / HTTP/1.1\r\nHost: maker.example\r\nUser-Agent: somebody's browser\r\nAccept: */*\r\n\r\n".utf8)
          .rawSpan)
    }

    var changed = Link(Self.one, Self.two)
    try changed.run()
    _ = changed.dialer.open("/echo/1.0.0")
    var bytes = try changed.dialer.takeOutput()
    bytes[bytes.count - 1] ^= 1
    #expect(throws: Libp2pError.noise(.noise(.decryptionFailed))) { try changed.listener.receive(bytes.rawSpan) }
    #expect(throws: Libp2pError.ended) { try changed.listener.receive(bytes.rawSpan) }
    let id = changed.listener.open("/echo/1.0.0")
    #expect(id == nil)
  }

  @Test("a peer that breaks yamux hears so before the end")
  func goAway() throws {
    var listener = Libp2pConnection(.responder, Self.two)
    var selector = MultistreamDialer([Libp2pHandshake.name])
    let proposal = selector.takeOutput()
    try listener.receive(proposal.rawSpan)
    _ = try listener.takeOutput()
    var handshake = Libp2pHandshake(
      .initiator, identity: Self.one.identity, staticKey: Self.one.staticKey, muxers: [Libp2pConnection.muxer])
    let message1 = handshake.takeOutput()
    try listener.receive(message1.rawSpan)
    let message2 = try listener.takeOutput()
    try handshake.receive(message2.rawSpan)
    let message3 = handshake.takeOutput()
    try listener.receive(message3.rawSpan)
    let up = listener.drained()
    #expect(up == [.connected(peer(Self.one))])
    var channel = handshake.finish()
    var bytes = [UInt8]()
    let unknown = header(type: 9, stream: 1)
    try channel.seal(unknown.rawSpan, appendingTo: &bytes)
    let error = Self.error(of: bytes, &listener)
    #expect(error == .yamux(.unknownType(9)))
    let last = try listener.takeOutput()
    var answer = [UInt8]()
    try channel.open(last.rawSpan, appendingTo: &answer)
    #expect(answer == header(type: 3, length: 1))
  }

  private static func error(of bytes: [UInt8], _ connection: inout Libp2pConnection) -> Libp2pError? {
    do throws(Libp2pError) {
      try connection.receive(bytes.rawSpan)
      return nil
    } catch {
      return error
    }
  }

  @Test("a broken connection resets what the application knows of")
  func disconnect() throws {
    var link = Link(Self.one, Self.two)
    try link.run()
    _ = link.takeEvents()
    _ = link.dialer.open("/echo/1.0.0")
    try link.run()
    _ = link.takeEvents()
    link.dialer.disconnect()
    link.listener.disconnect()
    #expect(link.dialer.drained() == [.reset(1)])
    #expect(link.listener.drained() == [.reset(1)])
  }
}
