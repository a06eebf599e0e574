internal import CSodium

/// X25519 Diffie-Hellman (RFC 7748).
///
/// libsodium does it without objects of its own to make and free, which is a tenth faster than OpenSSL.
public enum X25519 {
  /// Bytes of a public key, of a private key and of a shared secret.
  public static let byteCount = 32

  /// A private key with its public key.
  public final class PrivateKey: Sendable {
    private let raw: SecretBytes

    /// The public key, ``X25519/byteCount`` bytes.
    public let publicKey: [UInt8]

    /// Draws a fresh key from the system's generator.
    public convenience init() {
      self.init(raw: .random(count: X25519.byteCount))
    }

    /// Uses a given key; clamping (RFC 7748 section 5) happens at use.
    ///
    /// - Precondition: `raw` has ``X25519/byteCount`` bytes.
    public init(raw: SecretBytes) {
      precondition(raw.count == X25519.byteCount)
      Sodium.start()
      self.raw = raw
      publicKey = unsafe [UInt8](unsafeUninitializedCapacity: X25519.byteCount) { buffer, initialized in
        let result = unsafe raw.withUnsafeBytes { raw in
          unsafe crypto_scalarmult_curve25519_base(UnsafeMutableRawBufferPointer(buffer).octets, raw.octets)
        }
        precondition(result == 0)
        initialized = X25519.byteCount
      }
    }

    /// The secret shared with the owner of `publicKey`.
    ///
    /// Every 32 bytes are a public key (non-canonical ones are
    /// reduced, as RFC 7748 says); those of small order give zero and are refused.
    ///
    /// - Throws: ``CryptoError/wrongLength(_:expected:)`` or ``CryptoError/zeroSharedSecret``.
    public func sharedSecret(with publicKey: [UInt8]) throws(CryptoError) -> SecretBytes {
      guard publicKey.count == X25519.byteCount else {
        throw .wrongLength(publicKey.count, expected: X25519.byteCount)
      }
      var result: CInt = -1
      let secret = unsafe SecretBytes(writing: X25519.byteCount) { output in
        unsafe raw.withUnsafeBytes { raw in
          unsafe result = crypto_scalarmult_curve25519(output.octets, raw.octets, publicKey)
        }
      }
      // libsodium refuses the zero result itself; comparing again costs nothing and does not rest on that.
      guard result == 0, !secret.withBytes({ ConstantTime.isZero($0) }) else { throw .zeroSharedSecret }
      return secret
    }
  }
}
