import ParleyCrypto
import ParleyNoise
import ParleyWire
import Testing

@testable import ParleyPeer

/// One side's keys.
private struct Keys {
  let identity: Ed25519.SigningKey
  let staticKey: X25519.PrivateKey
  let ephemeralKey: X25519.PrivateKey

  init(_ number: UInt8) {
    func secret(_ salt: UInt8) -> SecretBytes { SecretBytes(copying: [UInt8](repeating: number ^ salt, count: 32)) }
    identity = Ed25519.SigningKey(seed: secret(0))
    staticKey = X25519.PrivateKey(raw: secret(0x50))
    ephemeralKey = X25519.PrivateKey(raw: secret(0xA0))
  }

  var peer: PeerID { PeerID(PeerPublicKey(identity.publicKey)) }

  func handshake(
    _ side: NoiseRole, muxers: [String] = ["/yamux/1.0.0"], expecting: PeerID? = nil
  ) -> Libp2pHandshake {
    Libp2pHandshake(
      side, identity: identity, staticKey: staticKey, ephemeralKey: ephemeralKey, muxers: muxers, expecting: expecting)
  }
}

private let one = Keys(1)
private let two = Keys(2)

/// A peer that is honest in Noise and says what a test wants in its payload.
private struct Rogue: ~Copyable {
  var state: HandshakeState
  let keys: Keys

  init(_ side: NoiseRole, _ keys: Keys) {
    self.keys = keys
    state = HandshakeState(
      NoiseProtocol(.xx, .chaChaPoly, .sha256), side, keys: .init(s: keys.staticKey, e: keys.ephemeralKey))
  }

  mutating func read(_ framed: [UInt8]) throws { _ = try state.readMessage(Array(framed[2...])) }
  mutating func write(_ payload: [UInt8]) throws -> [UInt8] { NoiseFrames.encode(try state.writeMessage(payload)) }
}

private func error(of bytes: [UInt8], to handshake: inout Libp2pHandshake) -> Libp2pNoiseError? {
  do throws(Libp2pNoiseError) {
    try handshake.receive(bytes.rawSpan)
    return nil
  } catch {
    return error
  }
}

@Suite("/noise of libp2p")
struct Libp2pHandshakeTests {
  /// Runs both sides, `step` bytes at a time.
  private func run(
    _ dialer: inout Libp2pHandshake, _ listener: inout Libp2pHandshake, step: Int = 1000
  ) throws(Libp2pNoiseError) {
    for _ in 0..<3 {
      let there = dialer.takeOutput()
      for start in stride(from: 0, to: there.count, by: step) {
        try listener.receive(there.rawSpan.extracting(start..<min(start + step, there.count)))
      }
      let back = listener.takeOutput()
      for start in stride(from: 0, to: back.count, by: step) {
        try dialer.receive(back.rawSpan.extracting(start..<min(start + step, back.count)))
      }
    }
  }

  @Test(
    "both sides know the other and the muxer, and understand each other, in pieces of any size",
    arguments: [1, 2, 7, 1000])
  func agreement(step: Int) throws {
    var dialer = one.handshake(.initiator, expecting: two.peer)
    var listener = two.handshake(.responder)
    try run(&dialer, &listener, step: step)
    let isOver = dialer.isFinished && listener.isFinished
    #expect(isOver)
    var first = dialer.finish()
    var second = listener.finish()
    #expect(first.peer == two.peer && second.peer == one.peer)
    #expect(first.muxer == "/yamux/1.0.0" && second.muxer == "/yamux/1.0.0")
    var wire = [UInt8]()
    let text = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
    try first.seal(text.rawSpan, appendingTo: &wire)
    #expect(wire.count == text.count + 4 * 18)
    #expect(Array(wire[..<2]) == [0xFF, 0xFF])
    var opened = [UInt8]()
    for start in stride(from: 0, to: wire.count, by: step * 100) {
      try second.open(wire.rawSpan.extracting(start..<min(start + step * 100, wire.count)), appendingTo: &opened)
    }
    #expect(opened == text)
    var back = [UInt8]()
    var heard = [UInt8]()
    try second.seal([1, 2, 3].rawSpan, appendingTo: &back)
    try first.open(back.rawSpan, appendingTo: &heard)
    #expect(heard == [1, 2, 3])
  }

  @Test("what follows the last handshake message in one piece belongs to the channel")
  func rest() throws {
    var dialer = one.handshake(.initiator)
    var listener = two.handshake(.responder)
    try listener.receive(dialer.takeOutput().rawSpan)
    try dialer.receive(listener.takeOutput().rawSpan)
    var bytes = dialer.takeOutput()
    var first = dialer.finish()
    try first.seal([4, 5].rawSpan, appendingTo: &bytes)
    try listener.receive(bytes.rawSpan)
    var second = listener.finish()
    var opened = [UInt8]()
    try second.open([UInt8]().rawSpan, appendingTo: &opened)
    #expect(opened == [4, 5])
  }

  @Test(
    "the initiator's order decides on the muxer",
    arguments: [
      (["/a", "/b"], ["/b", "/a"], "/a"), (["/b", "/a"], ["/a", "/b"], "/b"), (["/a"], ["/b"], nil), ([], ["/b"], nil),
      (["/c", "/b"], ["/b"], "/b"),
    ])
  func muxers(dialers: [String], listeners: [String], expected: String?) throws {
    var dialer = one.handshake(.initiator, muxers: dialers)
    var listener = two.handshake(.responder, muxers: listeners)
    try run(&dialer, &listener)
    let (first, second) = (dialer.finish().muxer, listener.finish().muxer)
    #expect(first == expected && second == expected)
  }

  @Test("another peer than the one dialled")
  func wrongPeer() throws {
    var dialer = one.handshake(.initiator, expecting: Keys(3).peer)
    var listener = two.handshake(.responder)
    #expect(throws: Libp2pNoiseError.wrongPeer(two.peer)) { try run(&dialer, &listener) }
    #expect(error(of: [], to: &dialer) == .ended)
    let isFinished = dialer.isFinished
    #expect(!isFinished)
  }

  @Test("this side's own identity, with another Noise key")
  func ownIdentity() throws {
    var dialer = one.handshake(.initiator)
    var listener = Libp2pHandshake(
      .responder, identity: one.identity, staticKey: two.staticKey, ephemeralKey: two.ephemeralKey, muxers: [])
    #expect(throws: Libp2pNoiseError.ownIdentity) { try run(&dialer, &listener) }
  }

  private static let honest = Libp2pPayload(
    identity: two.identity, staticKey: two.staticKey.publicKey, muxers: ["/yamux/1.0.0"])

  @Test("what a responder's payload may not say")
  func payloads() throws {
    func changed(_ change: (inout Libp2pPayload) -> Void) -> [UInt8] {
      var payload = Self.honest
      change(&payload)
      return payload.encoded
    }
    let other = Keys(9)
    let cases: [([UInt8], Libp2pNoiseError)] = [
      ([], .unusableKey(.malformedKey)),
      ([0xFF], .malformedPayload),
      ([0x08, 1], .malformedPayload),
      (changed { $0.key = [1] }, .unusableKey(.malformedKey)),
      (changed { $0.key[1] = 2 }, .unusableKey(.unsupportedKeyType(2))),
      (changed { $0.key[1] = 7 }, .unusableKey(.unsupportedKeyType(7))),
      (changed { $0.signature = [] }, .invalidSignature),
      (changed { $0.signature[0] ^= 1 }, .invalidSignature),
      // The signature of another key, and that of another Noise key.
      (changed { $0.key = PeerPublicKey(other.identity.publicKey).encoded }, .invalidSignature),
      (changed { $0.signature = two.identity.sign(other.staticKey.publicKey) }, .invalidSignature),
      (
        changed { $0.signature = two.identity.sign(Libp2pPayload.signedMessage(other.staticKey.publicKey)) },
        .invalidSignature
      ),
      (changed { $0.muxers = (0..<17).map { "/m\($0)" } }, .malformedPayload),
      (Self.honest.encoded + [0x22, 3, 0x12, 1, 0xFF], .malformedPayload),
      (Self.honest.encoded + [0x22, 2, 0x12, 9], .malformedPayload),
    ]
    for (payload, expected) in cases {
      var dialer = one.handshake(.initiator)
      var rogue = Rogue(.responder, two)
      try rogue.read(dialer.takeOutput())
      let message = try rogue.write(payload)
      #expect(error(of: message, to: &dialer) == expected, "\(payload.hex)")
    }
  }

  @Test("what it may: 16 muxers, fields nobody knows, an initiator that talks in message 1")
  func allowed() throws {
    var payload = Self.honest
    payload.muxers = (0..<15).map { "/m\($0)" } + ["/yamux/1.0.0"]
    // Field 15 as a varint, 3 as bytes (an older draft's), 9 as eight bytes; certificate hashes among the extensions.
    let unknown: [UInt8] =
      [0x78, 5, 0x1A, 1, 9, 0x49, 1, 2, 3, 4, 5, 6, 7, 8]
      + Protobuf.encode(4, Protobuf.encode(1, [1, 2]) + Protobuf.encode(2, Array("/yamux/1.0.0".utf8)))
    for encoded in [payload.encoded, Self.honest.encoded + unknown] {
      var dialer = one.handshake(.initiator)
      var rogue = Rogue(.responder, two)
      try rogue.read(dialer.takeOutput())
      let message = try rogue.write(encoded)
      #expect(error(of: message, to: &dialer) == nil)
      #expect(dialer.finish().muxer == "/yamux/1.0.0")
    }
    var rogue = Rogue(.initiator, one)
    var listener = two.handshake(.responder)
    let message = try rogue.write([1, 2, 3])
    #expect(error(of: message, to: &listener) == nil)
    #expect(!listener.takeOutput().isEmpty)
  }

  @Test("an initiator that signs nothing is found out by the last message")
  func initiatorPayload() throws {
    var rogue = Rogue(.initiator, one)
    var listener = two.handshake(.responder)
    let first = try rogue.write([])
    #expect(error(of: first, to: &listener) == nil)
    try rogue.read(listener.takeOutput())
    let last = try rogue.write([])
    #expect(error(of: last, to: &listener) == .unusableKey(.malformedKey))
  }

  @Test("changed and over-long messages")
  func messages() throws {
    var dialer = one.handshake(.initiator)
    var listener = two.handshake(.responder)
    try listener.receive(dialer.takeOutput().rawSpan)
    var message = listener.takeOutput()
    message[60] ^= 1
    #expect(error(of: message, to: &dialer) == .noise(.decryptionFailed))
    var other = two.handshake(.responder)
    #expect(error(of: [0, 31] + [UInt8](repeating: 1, count: 31), to: &other) == .noise(.wrongMessageLength(31)))
    // The limit shows before the message is there.
    var third = two.handshake(.responder)
    #expect(error(of: [0x10, 0x00], to: &third) == nil)
    var fourth = two.handshake(.responder)
    #expect(error(of: [0x10, 0x01], to: &fourth) == .messageTooLong(4097))
    var fifth = two.handshake(.responder)
    #expect(error(of: [0, 0], to: &fifth) == .noise(.wrongMessageLength(0)))
  }

  @Test("a changed, a repeated and an empty record end the channel")
  func records() throws {
    for change in 0..<3 {
      var dialer = one.handshake(.initiator)
      var listener = two.handshake(.responder)
      try run(&dialer, &listener)
      var first = dialer.finish()
      var second = listener.finish()
      var wire = [UInt8]()
      try first.seal([1, 2].rawSpan, appendingTo: &wire)
      switch change {
      case 0: wire[5] ^= 1
      case 1: wire += wire
      case _: wire = [0, 0]
      }
      var opened = [UInt8]()
      #expect(throws: Libp2pNoiseError.noise(.decryptionFailed)) {
        try second.open(wire.rawSpan, appendingTo: &opened)
      }
      #expect(opened == (change == 1 ? [1, 2] : []))
      #expect(throws: Libp2pNoiseError.ended) { try second.open([UInt8]().rawSpan, appendingTo: &opened) }
    }
  }
}
