import ParleyCrypto
import ParleyNoise
import ParleyWire
import Testing

/// Two sides of one protocol with keys of their own.
private struct Pair: ~Copyable {
  var initiator: HandshakeState
  var responder: HandshakeState

  init(_ name: String, prologues: ([UInt8], [UInt8]) = ([], []), psks: ([UInt8], [UInt8]) = ([1], [1])) throws {
    let noise = try NoiseProtocol(parsing: name)
    let pattern = noise.pattern
    let s = (X25519.PrivateKey(), X25519.PrivateKey())
    func keys(_ side: NoiseRole, _ psk: [UInt8]) -> HandshakeState.Keys {
      let (own, peer) = side == .initiator ? (s.0, s.1) : (s.1, s.0)
      let knowsPeer = side == .initiator ? pattern.knowsResponder : pattern.knowsInitiator
      return HandshakeState.Keys(
        s: noise.needsStaticKey(side) ? own : nil, rs: knowsPeer ? peer.publicKey : nil,
        psks: (0..<pattern.pskCount).map { _ in SecretBytes(copying: psk + [UInt8](repeating: 0, count: 31)) })
    }
    initiator = HandshakeState(noise, .initiator, prologue: prologues.0, keys: keys(.initiator, psks.0))
    responder = HandshakeState(noise, .responder, prologue: prologues.1, keys: keys(.responder, psks.1))
  }

  /// Runs to the end; `change` may change each message on its way.
  mutating func run(_ change: (Int, [UInt8]) -> [UInt8] = { _, message in message }) throws(NoiseError) {
    var index = 0
    while let side = initiator.turn {
      let payload: [UInt8] = [0xAA, UInt8(index)]
      if side == .initiator {
        _ = try responder.readMessage(change(index, initiator.writeMessage(payload)))
      } else {
        _ = try initiator.readMessage(change(index, responder.writeMessage(payload)))
      }
      index += 1
    }
  }

  /// Whether both ended with the same keys, found out by using them.
  consuming func agrees() -> Bool {
    let h = (initiator.h, responder.h)
    let (one, two) = (initiator.splitKeys(), responder.splitKeys())
    let isSame = ConstantTime.equal(one.k1, two.k1) && ConstantTime.equal(one.k2, two.k2)
    return isSame && h.0 == h.1 && !ConstantTime.equal(one.k1, one.k2)
  }
}

@Suite("HandshakeState")
struct HandshakeStateTests {
  static let names = HandshakePattern.all.map {
    NoiseProtocol($0, .aesGCM, .sha256).name
  }

  @Test("fresh keys: both sides agree, and no two runs do", arguments: names)
  func agreement(name: String) throws {
    var pair = try Pair(name)
    try pair.run()
    let h = pair.initiator.h
    let agrees = pair.agrees()
    #expect(agrees)
    var again = try Pair(name)
    try again.run()
    let other = again.initiator.h
    #expect(other != h)
  }

  @Test("another prologue, or another pre-shared key, is noticed", arguments: ["XX", "IK", "NNpsk2", "XXpsk0", "N"])
  func disagreement(pattern: String) throws {
    let name = "Noise_\(pattern)_25519_ChaChaPoly_BLAKE2s"
    var pair = try Pair(name, prologues: ([1], [2]))
    #expect(throws: NoiseError.decryptionFailed) { try pair.run() }
    guard pattern.contains("psk") else { return }
    var other = try Pair(name, psks: ([1], [2]))
    #expect(throws: NoiseError.decryptionFailed) { try other.run() }
  }

  @Test(
    "every changed bit of every message ends in an error or in keys that differ", arguments: ["XX", "IKpsk2", "NN"])
  func changes(pattern: String) throws {
    let name = "Noise_\(pattern)_25519_ChaChaPoly_SHA256"
    var counts = [Int]()
    var first = try Pair(name)
    try first.run { _, message in
      counts.append(message.count)
      return message
    }
    for (index, count) in counts.enumerated() {
      for position in 0..<count {
        var pair = try Pair(name)
        do throws(NoiseError) {
          try pair.run { number, message in
            guard number == index else { return message }
            var changed = message
            changed[position] ^= 1 << UInt8(position % 8)
            return changed
          }
        } catch {
          #expect(error == .decryptionFailed, "message \(index), byte \(position)")
          continue
        }
        // X25519 leaves out the highest bit of a key; the hash does not.
        let agrees = pair.agrees()
        #expect(!agrees, "message \(index), byte \(position)")
      }
    }
  }

  @Test("a message cut anywhere is refused, and the handshake is over", arguments: ["XX", "XXhfs"])
  func cuts(pattern: String) throws {
    let name = try #require(Self.names.first { $0.hasPrefix("Noise_\(pattern)_") })
    for index in 0..<3 {
      for kept in [0, 1, 31, 32, 33, 47, 48, 63, 79, 80, 1100, 1215] {
        var pair = try Pair(name)
        var isCut = false
        do throws(NoiseError) {
          try pair.run { number, message in
            guard number == index, kept < message.count else { return message }
            // What is left of message 1 after its keys is its payload, in clear.
            isCut = true
            return Array(message[..<kept])
          }
        } catch {
          #expect(isCut, "message \(index), \(kept) bytes: \(error)")
          continue
        }
        let agrees = pair.agrees()
        #expect(agrees != isCut, "message \(index), \(kept) bytes")
      }
    }
  }

  @Test("an error ends the handshake: every later input throws, and nobody has a turn")
  func ended() throws {
    var pair = try Pair("Noise_XX_25519_ChaChaPoly_SHA256")
    _ = try pair.initiator.writeMessage([])
    #expect(throws: NoiseError.wrongMessageLength(31)) {
      try pair.initiator.readMessage([UInt8](repeating: 1, count: 31))
    }
    let (turn, isFinished) = (pair.initiator.turn, pair.initiator.isFinished)
    #expect(turn == nil)
    #expect(!isFinished)
    #expect(throws: NoiseError.ended) { try pair.initiator.readMessage([UInt8](repeating: 1, count: 96)) }
    #expect(throws: NoiseError.ended) { try pair.initiator.writeMessage([]) }
  }

  @Test("65,535 bytes are read, one more is not")
  func limit() throws {
    var pair = try Pair("Noise_NN_25519_ChaChaPoly_SHA256")
    let message = try pair.initiator.writeMessage([UInt8](repeating: 0, count: 65_503))
    #expect(message.count == HandshakeState.messageByteCountLimit)
    let payload = try pair.responder.readMessage(message)
    #expect(payload.count == 65_503)
    var other = try Pair("Noise_NN_25519_ChaChaPoly_SHA256")
    #expect(throws: NoiseError.wrongMessageLength(65_536)) { try other.responder.readMessage(message + [0]) }
  }

  @Test("a payload too long to send traps")
  func longPayload() async {
    await #expect(processExitsWith: .failure) {
      var pair = try Pair("Noise_NN_25519_ChaChaPoly_SHA256")
      _ = try pair.initiator.writeMessage([UInt8](repeating: 0, count: 65_504))
    }
  }

  @Test("keys of small order, and this side's own, are refused")
  func badKeys() throws {
    var pair = try Pair("Noise_XX_25519_ChaChaPoly_SHA256")
    let message = try pair.initiator.writeMessage([])
    _ = try pair.responder.readMessage(message)
    _ = try pair.responder.writeMessage([])
    // The responder's ephemeral key is zero.
    #expect(throws: NoiseError.zeroSharedSecret) {
      try pair.initiator.readMessage([UInt8](repeating: 0, count: 96))
    }
    var mirror = try Pair("Noise_XX_25519_ChaChaPoly_SHA256")
    let own = try mirror.initiator.writeMessage([])
    #expect(throws: NoiseError.reflectedKey) {
      try mirror.initiator.readMessage(own + [UInt8](repeating: 0, count: 64))
    }
    // The same static key on both sides.
    let s = X25519.PrivateKey()
    let noise = NoiseProtocol(.xx, .chaChaPoly, .sha256)
    var one = HandshakeState(noise, .initiator, keys: .init(s: s))
    var two = HandshakeState(noise, .responder, keys: .init(s: s))
    _ = try two.readMessage(one.writeMessage([]))
    let answer = try two.writeMessage([])
    #expect(throws: NoiseError.reflectedKey) { try one.readMessage(answer) }
  }

  @Test("a KEM key that is not reduced is refused when it is answered")
  func badKEMKey() throws {
    var pair = try Pair("Noise_XXhfs_25519+MLKEM768_AESGCM_SHA256")
    var message = try pair.initiator.writeMessage([])
    message.replaceSubrange(32..<35, with: [0xFF, 0xFF, 0xFF])
    _ = try pair.responder.readMessage(message)
    #expect(throws: NoiseError.invalidEncapsulationKey) { try pair.responder.writeMessage([]) }
  }

  @Test("in pieces, the hash between keys and payload is the same on both sides")
  func pieces() throws {
    var pair = try Pair("Noise_XX_25519_ChaChaPoly_SHA256")
    let message = try pair.initiator.writeKeys()
    let h = pair.initiator.h
    let whole = message + pair.initiator.writePayload([1, 2, 3])
    let start = try pair.responder.readKeys(whole)
    #expect(start == 32)
    let between = pair.responder.h
    #expect(between == h)
    let payload = try pair.responder.readPayload(Array(whole[start...]))
    #expect(payload == [1, 2, 3])
    let after = (pair.initiator.h, pair.responder.h)
    #expect(after.0 == after.1 && after.0 != h)
    let turns = [pair.initiator.turn, pair.responder.turn]
    #expect(turns == [.responder, .responder])
  }

  @Test("the transport after the handshake, both ways, and after both sides rekeyed")
  func transport() throws {
    var pair = try Pair("Noise_XX_25519_ChaChaPoly_SHA256")
    try pair.run()
    let key = pair.initiator.remoteStaticKey
    #expect(key?.count == 32)
    var one = pair.initiator.split()
    var two = pair.responder.split()
    for round in 0..<3 {
      var (there, back, opened) = ([UInt8](), [UInt8](), [UInt8]())
      try one.sending.encrypt([1, 2].rawSpan, appendingTo: &there)
      try two.receiving.decrypt(there.rawSpan, appendingTo: &opened)
      try two.sending.encrypt([3].rawSpan, appendingTo: &back)
      try one.receiving.decrypt(back.rawSpan, appendingTo: &opened)
      #expect(opened == [1, 2, 3], "round \(round)")
      one.sending.rekey()
      two.receiving.rekey()
    }
  }

  @Test("out of turn, without its keys or before the end, this program traps")
  func misuse() async {
    await #expect(processExitsWith: .failure) {
      var pair = try Pair("Noise_XX_25519_ChaChaPoly_SHA256")
      _ = try pair.responder.writeMessage([])
    }
    await #expect(processExitsWith: .failure) {
      var pair = try Pair("Noise_XX_25519_ChaChaPoly_SHA256")
      _ = pair.initiator.writePayload([])
    }
    await #expect(processExitsWith: .failure) {
      let pair = try Pair("Noise_XX_25519_ChaChaPoly_SHA256")
      _ = pair.initiator.splitKeys()
    }
    await #expect(processExitsWith: .failure) {
      _ = HandshakeState(try NoiseProtocol(parsing: "Noise_NK_25519_AESGCM_SHA256"), .initiator, keys: .init())
    }
    await #expect(processExitsWith: .failure) {
      _ = HandshakeState(try NoiseProtocol(parsing: "Noise_NNpsk0_25519_AESGCM_SHA256"), .initiator, keys: .init())
    }
    await #expect(processExitsWith: .failure) {
      var pair = try Pair("Noise_N_25519_AESGCM_SHA256")
      try pair.run()
      _ = pair.initiator.split()
    }
  }
}
