internal import COpenSSL

/// X25519 Diffie-Hellman (RFC 7748).
public enum X25519 {
  /// Bytes of a public key, of a private key and of a shared secret.
  public static let byteCount = 32

  /// A private key with its public key.
  public final class PrivateKey: Sendable {
    private let key: Key

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
      let pointer = unsafe raw.withUnsafeBytes { bytes in
        unsafe EVP_PKEY_new_raw_private_key_ex(
          nil, "X25519", nil, bytes.octets, bytes.count)
      }
      guard let pointer = unsafe pointer else { preconditionFailure("OpenSSL has no X25519") }
      key = unsafe Key(owning: pointer)
      publicKey = key.publicKeyBytes(count: X25519.byteCount)
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
      guard let peer = Key(algorithm: "X25519", publicKey: publicKey) else { throw .invalidPublicKey }
      guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil) else {
        preconditionFailure("out of memory")
      }
      defer { unsafe EVP_PKEY_CTX_free(context) }
      unsafe OpenSSL.require(EVP_PKEY_derive_init(context), "EVP_PKEY_derive_init")
      unsafe OpenSSL.require(EVP_PKEY_derive_set_peer_ex(context, peer.pointer, 0), "EVP_PKEY_derive_set_peer_ex")
      var derived: CInt = 0
      let secret = unsafe SecretBytes(writing: X25519.byteCount) { output in
        var length = output.count
        unsafe derived = EVP_PKEY_derive(
          context, output.octets, &length)
      }
      // OpenSSL refuses the zero result itself; comparing again costs nothing and does not rest on that.
      guard derived == 1, !ConstantTime.equal(secret, SecretBytes(count: X25519.byteCount)) else {
        OpenSSL.forgetErrors()
        throw .zeroSharedSecret
      }
      return secret
    }
  }
}
