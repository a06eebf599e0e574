/// ChaCha20-Poly1305 (RFC 8439) under one key, with nonces of 96 bits and tags of 128.
///
/// For peers that speak nothing else: where a processor has AES, ``AES256GCM`` is several times as fast.
public struct ChaCha20Poly1305: ~Copyable, Sendable {
  /// Bytes of a key.
  public static let keyByteCount = 32
  /// Bytes of a tag, which follows the ciphertext.
  public static let tagByteCount = AEADContext.tagByteCount

  /// A nonce.
  ///
  /// It must never be used twice to seal under one key.
  public struct Nonce: Hashable, Sendable {
    /// Bytes of a nonce.
    public static let byteCount = AEADContext.Nonce.byteCount

    fileprivate let raw: AEADContext.Nonce

    /// Four zero bytes and a counter, least significant byte first, as Noise numbers these messages (Noise revision 34
    /// section 12.3).
    public init(counter: UInt64) { raw = AEADContext.Nonce(high: 0, low: counter.byteSwapped) }

    /// Uses given bytes.
    ///
    /// - Precondition: there are ``byteCount`` of them.
    public init(_ bytes: [UInt8]) { raw = AEADContext.Nonce(bytes) }
  }

  private var context: AEADContext

  /// Prepares a key.
  ///
  /// - Precondition: `key` has ``keyByteCount`` bytes.
  public init(key: SecretBytes) {
    context = AEADContext(OpenSSL.chaCha20Poly1305, key: key)
  }

  /// Appends the ciphertext of `plaintext` and then its tag to `output`.
  public mutating func seal(
    _ plaintext: RawSpan, nonce: Nonce, additionalData: RawSpan, appendingTo output: inout [UInt8]
  ) {
    context.seal(plaintext, nonce: nonce.raw, additionalData: additionalData, appendingTo: &output)
  }

  /// Appends the plaintext of `sealed`, a ciphertext and its tag, to `output`.
  ///
  /// - Throws: ``CryptoError/authenticationFailed``, also for input shorter than a tag. `output` is then as it was.
  public mutating func open(
    _ sealed: RawSpan, nonce: Nonce, additionalData: RawSpan, appendingTo output: inout [UInt8]
  ) throws(CryptoError) {
    try context.open(sealed, nonce: nonce.raw, additionalData: additionalData, appendingTo: &output)
  }
}
