import ParleyCrypto

/// Names and sizes of the Noise pattern, in bytes.
///
///     -> e, e1                  payload in clear
///     <- e, ee, ekem1, s, es    payload encrypted
///     -> s, se                  payload encrypted
enum XXhfs {
  static let protocolName = "Noise_XXhfs_25519+MLKEM768_AESGCM_SHA256"

  static let keyByteCount = X25519.byteCount
  static let sealedKeyByteCount = keyByteCount + AES256GCM.tagByteCount
  static let sealedCiphertextByteCount = MLKEM768.ciphertextByteCount + AES256GCM.tagByteCount

  /// Where message 1's payload begins.
  static let message1PayloadOffset = keyByteCount + MLKEM768.encapsulationKeyByteCount
  /// What message 2 has besides its payload.
  static let message2Overhead =
    keyByteCount + sealedCiphertextByteCount + sealedKeyByteCount + AES256GCM.tagByteCount
  /// What message 3 has besides its payload.
  static let message3Overhead = sealedKeyByteCount + AES256GCM.tagByteCount
}

/// The initiator's `HandshakeState` (Noise revision 34 section 5.3, KEM tokens of the hybrid forward secrecy
/// extension), from the prologue to `Split()`.
///
/// The caller keeps the order: message 2 read, message 3 written, in the pieces that the signatures need.
struct InitiatorHandshakeState: ~Copyable {
  private var symmetricState: SymmetricState
  private let s: X25519.PrivateKey
  private let e: X25519.PrivateKey
  private let e1: MLKEM768.DecapsulationKey
  private var re: [UInt8] = []

  /// The handshake hash `h`.
  var h: [UInt8] { symmetricState.h }

  /// `-> e, e1`, which was sent before the prologue was known, and its payload.
  init(
    prologue: [UInt8], s: X25519.PrivateKey, e: X25519.PrivateKey, e1: MLKEM768.DecapsulationKey, payload: [UInt8]
  ) {
    self.s = s
    self.e = e
    self.e1 = e1
    symmetricState = SymmetricState(protocolName: XXhfs.protocolName)
    symmetricState.mixHash(prologue)
    symmetricState.mixHash(e.publicKey)
    symmetricState.mixHash(e1.encapsulationKey)
    symmetricState.mixHash(payload)
  }

  /// `<- e, ee, ekem1, s, es`: everything of message 2 but its payload, which begins where the returned range ends.
  ///
  /// - Returns: The responder's static key.
  mutating func readMessage2Keys(_ reader: inout MessageReader) throws(HandshakeError) -> [UInt8] {
    re = try reader.take(XXhfs.keyByteCount)
    guard re != e.publicKey else { throw .reflectedKey }
    symmetricState.mixHash(re)
    symmetricState.mixKey(try HandshakeError.agree(e, re))
    let ciphertext = try open(reader.take(XXhfs.sealedCiphertextByteCount))
    guard let shared = try? e1.decapsulate(ciphertext) else { throw .decryptionFailed(.two) }
    symmetricState.mixKey(shared)
    let rs = try open(reader.take(XXhfs.sealedKeyByteCount))
    guard rs != s.publicKey else { throw .reflectedKey }
    symmetricState.mixKey(try HandshakeError.agree(e, rs))
    return rs
  }

  /// The payload of message 2.
  mutating func readMessage2Payload(_ reader: inout MessageReader) throws(HandshakeError) -> [UInt8] {
    try open(reader.takeRest())
  }

  /// `-> s, se`: everything of message 3 but its payload.
  mutating func writeMessage3Keys() throws(HandshakeError) -> [UInt8] {
    let sealed = symmetricState.encryptAndHash(s.publicKey)
    symmetricState.mixKey(try HandshakeError.agree(s, re))
    return sealed
  }

  /// The payload of message 3.
  mutating func writeMessage3Payload(_ payload: [UInt8]) -> [UInt8] {
    symmetricState.encryptAndHash(payload)
  }

  /// The two keys after message 3.
  consuming func split() -> (k1: SecretBytes, k2: SecretBytes) { symmetricState.split() }

  private mutating func open(_ ciphertext: [UInt8]) throws(HandshakeError) -> [UInt8] {
    do throws(CryptoError) {
      return try symmetricState.decryptAndHash(ciphertext)
    } catch {
      throw .decryptionFailed(.two)
    }
  }
}

/// The responder's `HandshakeState`, the mirror of ``InitiatorHandshakeState``.
struct ResponderHandshakeState: ~Copyable {
  private var symmetricState: SymmetricState
  private let s: X25519.PrivateKey
  private let e: X25519.PrivateKey
  private let re: [UInt8]
  private let re1: [UInt8]

  /// The handshake hash `h`.
  var h: [UInt8] { symmetricState.h }

  /// `-> e, e1` and the payload: all of message 1, whose length and authenticator were checked.
  init(
    prologue: [UInt8], s: X25519.PrivateKey, e: X25519.PrivateKey, message1: Message1
  ) throws(HandshakeError) {
    guard message1.e != e.publicKey else { throw .reflectedKey }
    self.s = s
    self.e = e
    re = message1.e
    re1 = message1.e1
    symmetricState = SymmetricState(protocolName: XXhfs.protocolName)
    symmetricState.mixHash(prologue)
    symmetricState.mixHash(message1.e)
    symmetricState.mixHash(message1.e1)
    symmetricState.mixHash(message1.payload)
  }

  /// `<- e, ee, ekem1, s, es`: everything of message 2 but its payload.
  mutating func writeMessage2Keys(kemRandomness: SecretBytes) throws(HandshakeError) -> [UInt8] {
    var message = e.publicKey
    symmetricState.mixHash(e.publicKey)
    symmetricState.mixKey(try HandshakeError.agree(e, re))
    guard let kem = try? MLKEM768.encapsulate(to: re1, randomness: kemRandomness) else {
      throw .invalidEncapsulationKey
    }
    message += symmetricState.encryptAndHash(kem.ciphertext)
    symmetricState.mixKey(kem.sharedSecret)
    message += symmetricState.encryptAndHash(s.publicKey)
    symmetricState.mixKey(try HandshakeError.agree(s, re))
    return message
  }

  /// The payload of message 2.
  mutating func writeMessage2Payload(_ payload: [UInt8]) -> [UInt8] {
    symmetricState.encryptAndHash(payload)
  }

  /// `-> s, se`: everything of message 3 but its payload.
  ///
  /// - Returns: The initiator's static key.
  mutating func readMessage3Keys(_ reader: inout MessageReader) throws(HandshakeError) -> [UInt8] {
    let rs = try open(reader.take(XXhfs.sealedKeyByteCount))
    guard rs != s.publicKey else { throw .reflectedKey }
    symmetricState.mixKey(try HandshakeError.agree(e, rs))
    return rs
  }

  /// The payload of message 3.
  mutating func readMessage3Payload(_ reader: inout MessageReader) throws(HandshakeError) -> [UInt8] {
    try open(reader.takeRest())
  }

  /// The two keys after message 3.
  consuming func split() -> (k1: SecretBytes, k2: SecretBytes) { symmetricState.split() }

  private mutating func open(_ ciphertext: [UInt8]) throws(HandshakeError) -> [UInt8] {
    do throws(CryptoError) {
      return try symmetricState.decryptAndHash(ciphertext)
    } catch {
      throw .decryptionFailed(.three)
    }
  }
}

extension HandshakeError {
  /// `DH(key, publicKey)`; a zero output ends the handshake.
  static func agree(_ key: X25519.PrivateKey, _ publicKey: [UInt8]) throws(HandshakeError) -> SecretBytes {
    do throws(CryptoError) {
      return try key.sharedSecret(with: publicKey)
    } catch {
      throw .zeroSharedSecret
    }
  }
}
