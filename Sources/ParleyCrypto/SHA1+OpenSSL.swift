internal import COpenSSL

/// SHA-1 (FIPS 180-4), which the opening handshake of RFC 6455 prescribes and nothing else here may use: collisions
/// have been cheap since 2017.
public enum SHA1 {
  /// Bytes of a hash.
  public static let byteCount = 20

  /// The hash of `bytes`.
  public static func hash(_ bytes: [UInt8]) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initialized in
      var length = 0
      unsafe OpenSSL.require(
        EVP_Q_digest(nil, "SHA1", nil, bytes, bytes.count, buffer.baseAddress, &length), "EVP_Q_digest")
      initialized = byteCount
    }
  }
}
