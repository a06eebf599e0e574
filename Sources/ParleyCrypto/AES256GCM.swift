import ParleyWire

/// AES-256-GCM (NIST SP 800-38D) under one key, with nonces of 96 bits and tags of 128.
///
/// The key schedule is made once; sealing and opening then allocate nothing beyond what the output needs.
public struct AES256GCM: ~Copyable, Sendable {
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

    /// Four zero bytes and a counter in network order, as Noise numbers AES-GCM messages (Noise revision 34 section 12.4).
    public init(counter: UInt64) { raw = AEADContext.Nonce(high: 0, low: counter) }

    /// Uses given bytes.
    ///
    /// - Precondition: there are ``byteCount`` of them.
    public init(_ bytes: [UInt8]) { raw = AEADContext.Nonce(bytes) }

    private init(raw: AEADContext.Nonce) { self.raw = raw }

    /// This nonce with a counter XORed into its last eight bytes, as TLS 1.3 numbers records (RFC 8446 section 5.3).
    public func masked(by counter: UInt64) -> Nonce {
      Nonce(raw: AEADContext.Nonce(high: raw.high, low: raw.low ^ counter))
    }
  }

  private var context: AEADContext

  /// Prepares a key.
  ///
  /// - Precondition: `key` has ``keyByteCount`` bytes.
  public init(key: SecretBytes) {
    context = AEADContext(OpenSSL.aes256GCM, key: key)
  }

  /// Appends the ciphertext of `plaintext` and then its tag to `output`.
  public mutating func seal(
    _ plaintext: RawSpan, nonce: Nonce, additionalData: RawSpan, appendingTo output: inout [UInt8]
  ) {
    context.seal(plaintext, nonce: nonce.raw, additionalData: additionalData, appendingTo: &output)
  }

  /// Encrypts the bytes of `buffer` from `start` on where they are, and appends the tag.
  ///
  /// - Precondition: `start` is at most `buffer.count`.
  public mutating func seal(_ buffer: inout [UInt8], from start: Int, nonce: Nonce, additionalData: RawSpan) {
    context.seal(&buffer, from: start, nonce: nonce.raw, additionalData: additionalData)
  }

  /// Encrypts the bytes `text` of `buffer` where they are, and writes the tag over the ``tagByteCount`` bytes after them.
  ///
  /// Nothing is allocated.
  ///
  /// - Precondition: `text` and a tag after it lie within `buffer`.
  public mutating func seal(_ buffer: inout [UInt8], _ text: Range<Int>, nonce: Nonce, additionalData: RawSpan) {
    context.seal(&buffer, text, nonce: nonce.raw, additionalData: additionalData)
  }

  /// Appends the plaintext of `sealed`, a ciphertext and its tag, to `output`.
  ///
  /// - Throws: ``CryptoError/authenticationFailed``, also for input shorter than a tag. `output` is then as it was.
  public mutating func open(
    _ sealed: RawSpan, nonce: Nonce, additionalData: RawSpan, appendingTo output: inout [UInt8]
  ) throws(CryptoError) {
    try context.open(sealed, nonce: nonce.raw, additionalData: additionalData, appendingTo: &output)
  }

  /// Decrypts the bytes of `buffer` from `start` on, a ciphertext and its tag, where they are, and removes the tag.
  ///
  /// - Throws: ``CryptoError/authenticationFailed``, also for input shorter than a tag. What was decrypted is then
  ///   overwritten with zeros.
  /// - Precondition: `start` is at most `buffer.count`.
  public mutating func open(
    _ buffer: inout [UInt8], from start: Int, nonce: Nonce, additionalData: RawSpan
  ) throws(CryptoError) {
    try context.open(&buffer, from: start, nonce: nonce.raw, additionalData: additionalData)
  }

  /// Decrypts the bytes `text` of `buffer` where they are; their tag is the ``tagByteCount`` bytes after them, and stays.
  ///
  /// Nothing is allocated.
  ///
  /// - Throws: ``CryptoError/authenticationFailed``. What was decrypted is then overwritten with zeros.
  /// - Precondition: `text` and a tag after it lie within `buffer`.
  public mutating func open(
    _ buffer: inout [UInt8], _ text: Range<Int>, nonce: Nonce, additionalData: RawSpan
  ) throws(CryptoError) {
    try context.open(&buffer, text, nonce: nonce.raw, additionalData: additionalData)
  }
}
