import ParleyCrypto

/// Which keys of an identity sign, always all of the suite's.
public enum SignatureSuite: UInt8, Hashable, Sendable {
  /// Ed25519.
  case ed25519 = 1
  /// Ed25519 and ML-DSA-65, both over the same message.
  case ed25519MLDSA65 = 2
}

/// The signatures of one identity over one message.
public struct IdentitySignature: Hashable, Sendable {
  /// The suite.
  public let suite: SignatureSuite
  /// 64 bytes.
  public let ed25519: [UInt8]
  /// 3,309 bytes in suite 2, `nil` in suite 1.
  public let mldsa65: [UInt8]?

  /// Joins the parts.
  ///
  /// - Throws: ``IdentityError/malformedSignature`` unless the parts are those of the suite and have their sizes.
  public init(suite: SignatureSuite, ed25519: [UInt8], mldsa65: [UInt8]? = nil) throws(IdentityError) {
    let mldsa65Count = suite == .ed25519MLDSA65 ? MLDSA65.signatureByteCount : nil
    guard ed25519.count == Ed25519.signatureByteCount, mldsa65?.count == mldsa65Count else {
      throw .malformedSignature
    }
    self.suite = suite
    self.ed25519 = ed25519
    self.mldsa65 = mldsa65
  }
}
