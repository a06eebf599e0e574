/// HKDF (RFC 5869), one derivation at a time; ``HKDF`` is for many.
extension HashFunction {
  /// Condenses key material into a pseudorandom key of 32 bytes (RFC 5869 section 2.2).
  ///
  /// An empty salt counts as 32 zero bytes.
  public func extract(salt: [UInt8], ikm: SecretBytes) -> SecretBytes {
    var hkdf = HKDF(self)
    return hkdf.extract(salt: salt, ikm: ikm)
  }

  /// Condenses key material under a salt that is secret itself, as Noise's chaining key is.
  public func extract(salt: SecretBytes, ikm: SecretBytes) -> SecretBytes {
    var hkdf = HKDF(self)
    return hkdf.extract(salt: salt, ikm: ikm)
  }

  /// Derives `count` bytes for the purpose that `info` names (RFC 5869 section 2.3).
  ///
  /// - Precondition: `0 <= count <= 8160`.
  public func expand(prk: SecretBytes, info: [UInt8], count: Int) -> SecretBytes {
    var hkdf = HKDF(self)
    return hkdf.expand(prk: prk, info: info, count: count)
  }
}
