import ParleyCrypto
import ParleyNoise
import ParleyWire
import TestSupport
import Testing

/// One recorded conversation, in the form that cacophony and snow use.
struct NoiseVector: Decodable, CustomStringConvertible {
  struct Message: Decodable {
    let payload: String
    let ciphertext: String
  }

  struct File: Decodable { let vectors: [NoiseVector] }

  let protocol_name: String
  var init_prologue: String?
  var init_psks: [String]?
  var init_static: String?
  var init_ephemeral: String?
  var init_remote_static: String?
  var resp_prologue: String?
  var resp_psks: [String]?
  var resp_static: String?
  var resp_ephemeral: String?
  var resp_remote_static: String?
  var handshake_hash: String?
  var mlkem_keygen_d: String?
  var mlkem_keygen_z: String?
  var mlkem_encaps_m: String?
  let messages: [Message]
  /// Whether the initiator sends the first message after the handshake even if it sent the last one of it.
  private var initiatorGoesOn: Bool?

  var description: String { protocol_name }

  /// The same from the form that flynn/noise uses.
  init(flynn fields: [String: String]) throws {
    protocol_name = try #require(fields["handshake"])
    init_prologue = fields["prologue"]
    resp_prologue = fields["prologue"]
    init_static = fields["init_static"]
    resp_static = fields["resp_static"]
    init_ephemeral = fields["gen_init_ephemeral"]
    resp_ephemeral = fields["gen_resp_ephemeral"]
    initiatorGoesOn = true
    init_psks = fields["preshared_key"].map { [$0] }
    resp_psks = init_psks
    messages = try (0..<fields.keys.count { $0.hasSuffix("_payload") }).map {
      Message(
        payload: try #require(fields["msg_\($0)_payload"]), ciphertext: try #require(fields["msg_\($0)_ciphertext"]))
    }
    let pattern = try NoiseProtocol(parsing: protocol_name).pattern
    if pattern.knowsResponder { init_remote_static = try Self.publicKey(resp_static) }
    if pattern.knowsInitiator { resp_remote_static = try Self.publicKey(init_static) }
  }

  /// Plays both sides, and expects every byte.
  func check() throws {
    let noise = try NoiseProtocol(parsing: protocol_name)
    #expect(noise.name == protocol_name)
    var initiator = HandshakeState(
      noise, .initiator, prologue: try bytes(init_prologue ?? ""),
      keys: try Self.keys(
        s: noise.needsStaticKey(.initiator) ? init_static : nil, e: init_ephemeral,
        rs: noise.pattern.knowsResponder ? init_remote_static : nil, psks: init_psks,
        kemSeed: mlkem_keygen_d.map { $0 + (mlkem_keygen_z ?? "") }))
    var responder = HandshakeState(
      noise, .responder, prologue: try bytes(resp_prologue ?? ""),
      keys: try Self.keys(
        s: noise.needsStaticKey(.responder) ? resp_static : nil, e: resp_ephemeral,
        rs: noise.pattern.knowsInitiator ? resp_remote_static : nil, psks: resp_psks, kemSeed: nil))
    var rest = messages[...]
    while let side = initiator.turn {
      guard let message = rest.popFirst() else { throw VectorError.tooFewMessages }
      let payload = try bytes(message.payload)
      if side == .initiator {
        try expect(initiator.write(payload, nil), message, "\(self)")
        let read = try responder.readMessage(bytes(message.ciphertext))
        #expect(read == payload)
      } else {
        try expect(responder.write(payload, mlkem_encaps_m), message, "\(self)")
        let read = try initiator.readMessage(bytes(message.ciphertext))
        #expect(read == payload)
      }
    }
    let isOver = responder.turn == nil
    #expect(isOver)
    let h = (initiator.h, responder.h)
    #expect(h.0 == h.1)
    if let handshake_hash { #expect(h.0.hex == handshake_hash) }
    #expect(!rest.isEmpty, "a vector shows the keys at work")
    try checkTransport(noise, initiator.splitKeys(), responder.splitKeys(), rest)
  }

  private func checkTransport(
    _ noise: NoiseProtocol, _ initiator: (k1: SecretBytes, k2: SecretBytes),
    _ responder: (k1: SecretBytes, k2: SecretBytes), _ messages: ArraySlice<Message>
  ) throws {
    var sending = CipherState(noise.cipher, key: initiator.k1)
    var receiving = CipherState(noise.cipher, key: responder.k1)
    var answering = CipherState(noise.cipher, key: responder.k2)
    var hearing = CipherState(noise.cipher, key: initiator.k2)
    let first = initiatorGoesOn == true ? 0 : messages.startIndex
    for (index, message) in zip(first..., messages) {
      let payload = try bytes(message.payload)
      var sealed = [UInt8]()
      var opened = [UInt8]()
      if noise.pattern.isOneWay || index.isMultiple(of: 2) {
        try sending.encrypt(payload.rawSpan, appendingTo: &sealed)
        try receiving.decrypt(sealed.rawSpan, appendingTo: &opened)
      } else {
        try answering.encrypt(payload.rawSpan, appendingTo: &sealed)
        try hearing.decrypt(sealed.rawSpan, appendingTo: &opened)
      }
      expect(sealed, message, "\(self), message \(index)")
      #expect(opened == payload)
    }
  }

  private enum VectorError: Error { case tooFewMessages }

  private func expect(_ message: [UInt8], _ recorded: Message, _ comment: Comment) {
    #expect(message.hex == recorded.ciphertext, comment)
  }

  private static func keys(
    s: String?, e: String?, rs: String?, psks: [String]?, kemSeed: String?
  ) throws -> HandshakeState.Keys {
    var keys = HandshakeState.Keys()
    keys.s = try s.map { try X25519.PrivateKey(raw: secret($0)) }
    if let e { keys.e = try X25519.PrivateKey(raw: secret(e)) }
    keys.e1 = try kemSeed.map { try MLKEM768.DecapsulationKey(seed: secret($0)) }
    keys.rs = try rs.map(bytes)
    keys.psks = try (psks ?? []).map(secret)
    return keys
  }

  private static func publicKey(_ key: String?) throws -> String {
    try X25519.PrivateKey(raw: secret(#require(key))).publicKey.hex
  }
}

func bytes(_ hex: String) throws -> [UInt8] { try #require([UInt8](hex: hex)) }

func secret(_ hex: String) throws -> SecretBytes { SecretBytes(copying: try bytes(hex)) }

extension HandshakeState {
  /// A whole message, with recorded KEM randomness.
  fileprivate mutating func write(_ payload: [UInt8], _ kemRandomness: String?) throws -> [UInt8] {
    guard let kemRandomness else { return try writeMessage(payload) }
    return try writeKeys(kemRandomness: secret(kemRandomness)) + writePayload(payload)
  }
}

extension NoiseProtocol {
  /// Whether a side has a static key of its own; vectors also give keys that are not used.
  func needsStaticKey(_ side: NoiseRole) -> Bool {
    let isKnown = side == .initiator ? pattern.knowsInitiator : pattern.knowsResponder
    let own = pattern.messages.indices.filter { $0.isMultiple(of: 2) == (side == .initiator) }
    return isKnown || own.contains { pattern.messages[$0].contains(.s) }
  }
}
