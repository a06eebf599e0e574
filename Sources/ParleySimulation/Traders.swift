import ParleyCrypto
import ParleyIdentity
import ParleyNegotiation

/// Traders with fixed keys, made once: the taker is number 0.
enum Traders {
  static let all: [LocalSigner] = (1...4).map { number in
    let key = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: UInt8(number), count: 32)))
    guard let identity = try? LocalResolver.resolve(DIDKey.did(for: key.publicKey.raw)),
      let signer = try? LocalSigner(identity: identity, ed25519: key)
    else { preconditionFailure("a key's own DID resolves to it") }
    return signer
  }
}

/// Signs in nanoseconds what nobody tries to forge: a mixture of who and what, in place of 64 bytes of Ed25519.
struct StandInSigner: Signer {
  let identity: PeerIdentity

  func sign(_ message: [UInt8], context: String) -> IdentitySignature {
    guard
      let signature = try? IdentitySignature(suite: .ed25519, ed25519: Self.mixture(message, identity), mldsa65: nil)
    else { preconditionFailure("64 bytes are a signature of suite 1") }
    return signature
  }

  static func mixture(_ message: [UInt8], _ identity: PeerIdentity) -> [UInt8] {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in identity.ed25519.raw { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    for byte in message { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    var chance = Chance(seed: hash)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(64)
    for _ in 0..<8 {
      let word = chance.next()
      for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * UInt64(shift)))) }
    }
    return bytes
  }
}

/// What tells a ``StandInSigner``'s signatures from others.
struct StandInCheck: SignatureCheck {
  func isValid(_ signature: IdentitySignature, for message: [UInt8], by identity: PeerIdentity) -> Bool {
    signature.ed25519 == StandInSigner.mixture(message, identity)
  }
}
