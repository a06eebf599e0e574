import ParleyCrypto
import ParleyNoise

/// Names and sizes of the Noise pattern, in bytes.
///
///     -> e, e1                  payload in clear
///     <- e, ee, ekem1, s, es    payload encrypted
///     -> s, se                  payload encrypted
enum XXhfs {
  static let noise = NoiseProtocol(.xxhfs, .aesGCM, .sha256)
  /// The name, `Noise_XXhfs_25519+MLKEM768_AESGCM_SHA256`.
  static let protocolName = noise.name

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

/// The initiator's side of Noise, from the prologue to `Split()`.
///
/// The caller keeps the order: message 2 read, message 3 written, in the pieces that the signatures need.
struct InitiatorHandshakeState: ~Copyable {
  private var noise: HandshakeState

  /// The handshake hash `h`.
  var h: [UInt8] { noise.h }

  /// `-> e, e1`, which was sent before the prologue was known, and its payload.
  init(
    prologue: [UInt8], s: X25519.PrivateKey, e: X25519.PrivateKey, e1: MLKEM768.DecapsulationKey, payload: [UInt8]
  ) {
    noise = HandshakeState(XXhfs.noise, .initiator, prologue: prologue, keys: .init(s: s, e: e, e1: e1))
    // The same bytes again: nothing in message 1 depends on the prologue.
    guard (try? noise.writeMessage(payload)) != nil else { preconditionFailure("message 1 needs no key of the peer's") }
  }

  /// `<- e, ee, ekem1, s, es`: everything of message 2 but its payload.
  ///
  /// - Returns: The responder's static key.
  mutating func readMessage2Keys(_ reader: inout MessageReader) throws(HandshakeError) -> [UInt8] {
    try noise.readKeys(.two, reader.take(XXhfs.message2Overhead - CipherState.tagByteCount))
  }

  /// The payload of message 2.
  mutating func readMessage2Payload(_ reader: inout MessageReader) throws(HandshakeError) -> [UInt8] {
    try noise.readPayload(.two, reader.takeRest())
  }

  /// `-> s, se`: everything of message 3 but its payload.
  mutating func writeMessage3Keys() throws(HandshakeError) -> [UInt8] {
    try noise.writeKeys(.three)
  }

  /// The payload of message 3.
  mutating func writeMessage3Payload(_ payload: [UInt8]) -> [UInt8] { noise.writePayload(payload) }

  /// The two keys after message 3.
  consuming func split() -> (k1: SecretBytes, k2: SecretBytes) { noise.splitKeys() }
}

/// The responder's side of Noise, the mirror of ``InitiatorHandshakeState``.
struct ResponderHandshakeState: ~Copyable {
  private var noise: HandshakeState

  /// The handshake hash `h`.
  var h: [UInt8] { noise.h }

  /// `-> e, e1` and the payload: all of message 1, whose length and authenticator were checked.
  init(
    prologue: [UInt8], s: X25519.PrivateKey, e: X25519.PrivateKey, message1: Message1
  ) throws(HandshakeError) {
    noise = HandshakeState(XXhfs.noise, .responder, prologue: prologue, keys: .init(s: s, e: e))
    _ = try noise.readKeys(.one, message1.e + message1.e1)
    _ = try noise.readPayload(.one, message1.payload)
  }

  /// `<- e, ee, ekem1, s, es`: everything of message 2 but its payload.
  mutating func writeMessage2Keys(kemRandomness: SecretBytes) throws(HandshakeError) -> [UInt8] {
    try noise.writeKeys(.two, kemRandomness: kemRandomness)
  }

  /// The payload of message 2.
  mutating func writeMessage2Payload(_ payload: [UInt8]) -> [UInt8] { noise.writePayload(payload) }

  /// `-> s, se`: everything of message 3 but its payload.
  ///
  /// - Returns: The initiator's static key.
  mutating func readMessage3Keys(_ reader: inout MessageReader) throws(HandshakeError) -> [UInt8] {
    try noise.readKeys(.three, reader.take(XXhfs.sealedKeyByteCount))
  }

  /// The payload of message 3.
  mutating func readMessage3Payload(_ reader: inout MessageReader) throws(HandshakeError) -> [UInt8] {
    try noise.readPayload(.three, reader.takeRest())
  }

  /// The two keys after message 3.
  consuming func split() -> (k1: SecretBytes, k2: SecretBytes) { noise.splitKeys() }
}

// The steps of `HandshakeState`, with this module's errors.
extension HandshakeState {
  /// Reads all of a message but its payload, and nothing else.
  ///
  /// - Returns: The peer's static key as far as it is known; empty before.
  fileprivate mutating func readKeys(
    _ message: HandshakeMessage, _ bytes: [UInt8]
  ) throws(HandshakeError) -> [UInt8] {
    do throws(NoiseError) {
      guard try readKeys(bytes) == bytes.count else { throw .wrongMessageLength(bytes.count) }
    } catch {
      throw HandshakeError(error, in: message)
    }
    return remoteStaticKey ?? []
  }

  fileprivate mutating func readPayload(
    _ message: HandshakeMessage, _ bytes: [UInt8]
  ) throws(HandshakeError) -> [UInt8] {
    do throws(NoiseError) {
      return try readPayload(bytes)
    } catch {
      throw HandshakeError(error, in: message)
    }
  }

  fileprivate mutating func writeKeys(
    _ message: HandshakeMessage, kemRandomness: SecretBytes? = nil
  ) throws(HandshakeError) -> [UInt8] {
    do throws(NoiseError) {
      return try writeKeys(kemRandomness: kemRandomness)
    } catch {
      throw HandshakeError(error, in: message)
    }
  }
}

extension HandshakeError {
  fileprivate init(_ error: NoiseError, in message: HandshakeMessage) {
    self =
      switch error {
      case .wrongMessageLength(let count): .wrongMessageLength(message, count)
      case .zeroSharedSecret: .zeroSharedSecret
      case .reflectedKey: .reflectedKey
      case .invalidEncapsulationKey: .invalidEncapsulationKey
      case .decryptionFailed: .decryptionFailed(message)
      case .ended: .ended
      case .unknownProtocol, .nonceExhausted: preconditionFailure("one protocol, three messages")
      }
  }
}
