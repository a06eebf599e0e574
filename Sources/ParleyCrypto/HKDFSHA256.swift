/// HKDF with SHA-256 (RFC 5869).
public enum HKDFSHA256 {
  /// Condenses key material into a pseudorandom key of 32 bytes (RFC 5869 section 2.2).
  ///
  /// An empty salt counts as 32 zero bytes.
  public static func extract(salt: [UInt8], ikm: SecretBytes) -> SecretBytes {
    HashFunction.sha256.extract(salt: salt, ikm: ikm)
  }

  /// Condenses key material under a salt that is secret itself, as Noise's chaining key is.
  public static func extract(salt: SecretBytes, ikm: SecretBytes) -> SecretBytes {
    HashFunction.sha256.extract(salt: salt, ikm: ikm)
  }

  /// Derives `count` bytes for the purpose that `info` names (RFC 5869 section 2.3).
  ///
  /// - Precondition: `0 <= count <= 8160`.
  public static func expand(prk: SecretBytes, info: [UInt8], count: Int) -> SecretBytes {
    HashFunction.sha256.expand(prk: prk, info: info, count: count)
  }
}
