import ParleyCrypto
import ParleyHandshake
import ParleyIdentity

/// What is measured: whatever compares a secret with what came from outside.
enum Trials {
  static func all() throws -> [Trial] {
    [
      comparison("planted: a comparison that stops early", 32, isPlanted: true, leaky),
      comparison("comparison of 16 bytes: tags, mac1", 16, ConstantTime.equal),
      comparison("comparison of 32 bytes: cookies, proofs", 32, ConstantTime.equal),
      try mac1(), try cookie(), try token(), aesGCM(), chaChaPoly(), keystore(), try decapsulation(),
    ]
  }

  /// What nobody should write.
  @inline(never)
  private static func leaky(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    for index in left.indices where left[index] != right[index] { return false }
    return left.count == right.count
  }

  private static func comparison(
    _ name: String, _ count: Int, isPlanted: Bool = false, _ equal: @escaping ([UInt8], [UInt8]) -> Bool
  ) -> Trial {
    let secret = SystemRandom.bytes(count)
    let slots = Slots(byteCount: count)
    return Trial(
      name: name, classes: "first byte wrong, last byte wrong", isPlanted: isPlanted,
      prepare: { slots.write(secret, to: $0, wrongAt: $1 ? count - 1 : 0) },
      run: { keep(equal(secret, slots.bytes[$0])) })
  }

  // MARK: The gate

  /// A gate under load, and messages 1 for it with a token and the right authenticator.
  private final class Gate {
    let identity: PeerIdentity
    let source: AdmissionSource
    let now = ContinuousClock.now
    var gate: HandshakeGate
    private let keys = Initiator.keys

    init() throws {
      let key = Ed25519.SigningKey()
      let input = try DIDPeer4.inputDocument(ed25519: key.publicKey, endpoint: "ws://127.0.0.1:7001/")
      identity = try LocalResolver.resolve(DIDPeer4.create(inputDocument: input).shortForm, documentBytes: input)
      guard let source = AdmissionSource([127, 0, 0, 1]) else { preconditionFailure("four bytes are an address") }
      self.source = source
      gate = HandshakeGate(responder: identity.did, now: now)
      gate.spent(.seconds(1), now: now)
    }

    func message(token: [UInt8]) -> [UInt8] {
      let bytes = keys + [0, 1, 0, 0] + token + [UInt8](repeating: 0, count: 8)
      let key = SHA256.hash(Array("parley/psc1 mac1".utf8), Array(identity.did.string.utf8))
      return bytes + HMACSHA256.authenticate(bytes, key: key).prefix(16)
    }

    func decide(_ message: [UInt8]) -> HandshakeGate.Decision? {
      try? gate.decide(message, from: source, now: now)
    }
  }

  private static func mac1() throws -> Trial {
    let gate = try Gate()
    let message = gate.message(token: [UInt8](repeating: 0, count: 32))
    let slots = Slots(byteCount: message.count)
    return Trial(
      name: "mac1 of message 1, at the gate", classes: "first byte wrong, last byte wrong",
      prepare: { slots.write(message, to: $0, wrongAt: message.count - ($1 ? 1 : 16)) },
      run: { keep(gate.decide(slots.bytes[$0])) })
  }

  private static func cookie() throws -> Trial {
    let gate = try Gate()
    guard case .retry(let retry) = gate.decide(gate.message(token: [UInt8](repeating: 0, count: 32))) else {
      preconditionFailure("the gate is under load")
    }
    let cookie = Array(retry.prefix(32))
    let slots = Slots(byteCount: gate.message(token: cookie).count)
    return Trial(
      name: "cookie of message 1, at the gate", classes: "second byte wrong, last byte wrong",
      prepare: { slot, isSecond in
        // The first byte says how much work the rest vouches for.
        var wrong = cookie
        wrong[isSecond ? 31 : 1] ^= UInt8.random(in: 1...255)
        slots.write(gate.message(token: wrong), to: slot)
      },
      run: { keep(gate.decide(slots.bytes[$0])) })
  }

  /// Of many tokens, because a search in a table depends on the hash of what is looked for.
  private static func token() throws -> Trial {
    let gate = try Gate()
    let tokens = (0..<4096).map { _ in SystemRandom.bytes(32) }
    gate.gate.issued(tokens, to: gate.identity.did)
    let slots = Slots(byteCount: gate.message(token: tokens[0]).count)
    return Trial(
      name: "priority token, at the gate", classes: "first byte wrong, last byte wrong",
      prepare: { slot, isSecond in
        var wrong = tokens[Int.random(in: 0..<4096)]
        wrong[isSecond ? 31 : 0] ^= UInt8.random(in: 1...255)
        slots.write(gate.message(token: wrong), to: slot)
      },
      run: { keep(gate.decide(slots.bytes[$0])) })
  }

  // MARK: Tags

  private static let nothing: [UInt8] = []

  private static func aesGCM() -> Trial {
    var cipher = AES256GCM(key: .random(count: 32))
    var sealed: [UInt8] = []
    let nonce = AES256GCM.Nonce(counter: 1)
    cipher.seal(
      [UInt8](repeating: 7, count: 64).span.bytes, nonce: nonce, additionalData: nothing.span.bytes,
      appendingTo: &sealed)
    let box = Box(cipher)
    return tag("tag of AES-256-GCM", sealed) { buffer in
      do throws(CryptoError) {
        try box.value.open(&buffer, 0..<64, nonce: nonce, additionalData: nothing.span.bytes)
      } catch { keep(error) }
    }
  }

  private static func chaChaPoly() -> Trial {
    var cipher = ChaCha20Poly1305(key: .random(count: 32))
    var sealed: [UInt8] = []
    let nonce = ChaCha20Poly1305.Nonce(counter: 1)
    cipher.seal(
      [UInt8](repeating: 7, count: 64).span.bytes, nonce: nonce, additionalData: nothing.span.bytes,
      appendingTo: &sealed)
    let box = ChaChaBox(cipher)
    return tag("tag of ChaCha20-Poly1305", sealed) { buffer in
      var plaintext: [UInt8] = []
      plaintext.reserveCapacity(80)
      do throws(CryptoError) {
        try box.value.open(buffer.span.bytes, nonce: nonce, additionalData: nothing.span.bytes, appendingTo: &plaintext)
      } catch { keep(error) }
    }
  }

  private static func tag(_ name: String, _ sealed: [UInt8], _ open: @escaping (inout [UInt8]) -> Void) -> Trial {
    let slots = Slots(byteCount: sealed.count)
    return Trial(
      name: name, classes: "first byte wrong, last byte wrong",
      prepare: { slots.write(sealed, to: $0, wrongAt: sealed.count - ($1 ? 1 : 16)) },
      run: { open(&slots.bytes[$0]) })
  }

  private final class Box {
    var value: AES256GCM
    init(_ value: consuming AES256GCM) { self.value = value }
  }

  private final class ChaChaBox {
    var value: ChaCha20Poly1305
    init(_ value: consuming ChaCha20Poly1305) { self.value = value }
  }

  // MARK: Keystore

  /// Opening a keystore after its key was derived, which takes a million times longer and sees no secret but the
  /// passphrase: with the key of a wrong passphrase, and with the right one and a damaged file.
  private static func keystore() -> Trial {
    let right = SystemRandom.bytes(32)
    var cipher = AES256GCM(key: SecretBytes(copying: right))
    let nonce = AES256GCM.Nonce(counter: 1)
    let head = [UInt8](repeating: 5, count: 400)
    let sealed = cipher.seal(SecretBytes.random(count: 65), nonce: nonce, additionalData: head)
    let keys = Slots(byteCount: 32)
    let files = Slots(byteCount: sealed.count)
    return Trial(
      name: "opening a keystore, the key derived", classes: "wrong passphrase, damaged file",
      prepare: { slot, isSecond in
        let wrong = SystemRandom.bytes(32)
        let damage = Int.random(in: sealed.indices)
        keys.write(isSecond ? right : wrong, to: slot)
        files.write(sealed, to: slot, wrongAt: damage)
      },
      run: { slot in
        var cipher = AES256GCM(key: SecretBytes(copying: keys.bytes[slot]))
        keep(try? cipher.openSecret(files.bytes[slot], nonce: nonce, additionalData: head))
      })
  }

  // MARK: Decapsulation

  private static func decapsulation() throws -> Trial {
    let key = MLKEM768.DecapsulationKey()
    let valid = try (0..<512).map { _ in try MLKEM768.encapsulate(to: key.encapsulationKey).ciphertext }
    let slots = Slots(byteCount: MLKEM768.ciphertextByteCount)
    return Trial(
      name: "decapsulation of ML-KEM-768", classes: "valid, one bit wrong",
      prepare: { slot, isSecond in
        let damage = Int.random(in: 0..<MLKEM768.ciphertextByteCount)
        slots.write(valid[Int.random(in: 0..<512)], to: slot, wrongAt: isSecond ? damage : nil)
      },
      run: { keep(try? key.decapsulate(slots.bytes[$0])) })
  }
}

extension Initiator {
  /// The keys of a message 1.
  fileprivate static var keys: [UInt8] { X25519.PrivateKey().publicKey + MLKEM768.DecapsulationKey().encapsulationKey }
}
