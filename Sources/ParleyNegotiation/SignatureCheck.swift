package import ParleyIdentity

/// How a session finds out whether a statement bears somebody's signature.
///
/// Production has ``IdentityKeys`` and nothing else, and no way to choose: only this package's simulator can put a
/// stand-in there, because a million simulated dialogues would spend nearly all of their time in Ed25519.
package protocol SignatureCheck: Sendable {
  /// Whether `signature` is `identity`'s over `message`.
  func isValid(_ signature: IdentitySignature, for message: [UInt8], by identity: PeerIdentity) -> Bool
}

/// The identity's own keys.
struct IdentityKeys: SignatureCheck {
  func isValid(_ signature: IdentitySignature, for message: [UInt8], by identity: PeerIdentity) -> Bool {
    identity.isValid(signature, for: message, context: Statement.signatureContext)
  }
}

extension Envelope {
  /// Whether the signature is `identity`'s, in its suite, as `check` sees it.
  func isSigned(by identity: PeerIdentity, _ check: any SignatureCheck) -> Bool {
    signature.suite == identity.suite
      && check.isValid(signature, for: Statement.signedBytes(id: id, suite: identity.suite), by: identity)
  }
}
