import ParleyCrypto
import ParleyIdentity
import ParleyWire

/// The body of an OFFER record: the initiator's part of the next epoch (section 8.1).
///
///     u32 epoch ‖ e[32] ‖ e1[1184] ‖ LP(ed25519 signature) ‖ LP(ML-DSA-65 signature)
struct OfferBody: Hashable {
  var epoch: UInt32
  var e: [UInt8]
  var e1: [UInt8]
  var signature: IdentitySignature

  var encoded: [UInt8] {
    var bytes = [UInt8]()
    bytes.appendBigEndian(epoch)
    bytes += e
    bytes += e1
    bytes.appendSignature(signature)
    return bytes
  }

  init(epoch: UInt32, e: [UInt8], e1: [UInt8], signature: IdentitySignature) {
    self.epoch = epoch
    self.e = e
    self.e1 = e1
    self.signature = signature
  }

  init(_ body: RawSpan) throws(HandshakeError) {
    var reader = ByteReader(body)
    guard let epoch = reader.readBigEndian(as: UInt32.self), let e = reader.readBytes(count: X25519.byteCount),
      let e1 = reader.readBytes(count: MLKEM768.encapsulationKeyByteCount),
      let signature = reader.readSignature(), reader.isAtEnd
    else { throw .malformedRatchet }
    self.init(epoch: epoch, e: e, e1: e1, signature: signature)
  }
}

/// The body of a REPLY record: the responder's part of the next epoch (section 8.1).
///
///     u32 epoch ‖ e[32] ‖ ciphertext[1088] ‖ LP(ed25519 signature) ‖ LP(ML-DSA-65 signature)
struct ReplyBody: Hashable {
  var epoch: UInt32
  var e: [UInt8]
  var ciphertext: [UInt8]
  var signature: IdentitySignature

  var encoded: [UInt8] {
    var bytes = [UInt8]()
    bytes.appendBigEndian(epoch)
    bytes += e
    bytes += ciphertext
    bytes.appendSignature(signature)
    return bytes
  }

  init(epoch: UInt32, e: [UInt8], ciphertext: [UInt8], signature: IdentitySignature) {
    self.epoch = epoch
    self.e = e
    self.ciphertext = ciphertext
    self.signature = signature
  }

  init(_ body: RawSpan) throws(HandshakeError) {
    var reader = ByteReader(body)
    guard let epoch = reader.readBigEndian(as: UInt32.self), let e = reader.readBytes(count: X25519.byteCount),
      let ciphertext = reader.readBytes(count: MLKEM768.ciphertextByteCount),
      let signature = reader.readSignature(), reader.isAtEnd
    else { throw .malformedRatchet }
    self.init(epoch: epoch, e: e, ciphertext: ciphertext, signature: signature)
  }
}

/// What the two signatures of a renewal cover (section 8.1): the session, the epoch, the fresh keys and both parties.
///
/// They are what ends the stay of someone who has stolen a session's keys and sits on its connection.
struct RatchetStatement {
  let transcriptHash: [UInt8]
  let initiator: DID
  let responder: DID

  /// What the initiator signs.
  func offer(epoch: UInt32, e: [UInt8], e1: [UInt8]) -> [UInt8] {
    var bytes = begin("O", epoch) + e + e1
    bytes.appendLengthPrefixed(Array(initiator.string.utf8))
    bytes.appendLengthPrefixed(Array(responder.string.utf8))
    return bytes
  }

  /// What the responder signs.
  func reply(epoch: UInt32, to offer: [UInt8], e: [UInt8], ciphertext: [UInt8]) -> [UInt8] {
    var bytes = begin("R", epoch) + SHA256.hash(offer) + e + ciphertext
    bytes.appendLengthPrefixed(Array(responder.string.utf8))
    bytes.appendLengthPrefixed(Array(initiator.string.utf8))
    return bytes
  }

  private func begin(_ kind: Character, _ epoch: UInt32) -> [UInt8] {
    var bytes = Array("parley/psc1 ratchet\0\(kind)".utf8) + transcriptHash
    bytes.appendBigEndian(epoch)
    return bytes
  }
}

extension [UInt8] {
  fileprivate mutating func appendSignature(_ signature: IdentitySignature) {
    appendLengthPrefixed(signature.ed25519)
    appendLengthPrefixed(signature.mldsa65 ?? [])
  }
}

extension ByteReader {
  /// The signatures of a suite, which is 2 where there is an ML-DSA-65 one; `nil` for other sizes.
  fileprivate mutating func readSignature() -> IdentitySignature? {
    guard let ed25519 = readLengthPrefixed(), let mldsa65 = readLengthPrefixed() else { return nil }
    return mldsa65.isEmpty
      ? try? IdentitySignature(suite: .ed25519, ed25519: ed25519)
      : try? IdentitySignature(suite: .ed25519MLDSA65, ed25519: ed25519, mldsa65: mldsa65)
  }
}
