internal import COpenSSL
internal import ParleyWire

extension AES256GCM {
  /// The ciphertext of a secret and its tag; no copy of the secret stays in memory.
  public mutating func seal(_ secret: SecretBytes, nonce: Nonce, additionalData: [UInt8]) -> [UInt8] {
    var sealed: [UInt8] = []
    // The secret is encrypted where it is: no reallocation may leave it behind.
    sealed.reserveCapacity(secret.count + Self.tagByteCount)
    secret.withBytes { secret in
      unsafe seal(secret, nonce: nonce, additionalData: additionalData.span.bytes, appendingTo: &sealed)
    }
    return sealed
  }

  /// The plaintext of `sealed`, a ciphertext and its tag, as a secret; no copy of it stays in memory.
  ///
  /// - Throws: ``CryptoError/authenticationFailed``, also for input shorter than a tag.
  public mutating func openSecret(
    _ sealed: [UInt8], nonce: Nonce, additionalData: [UInt8]
  ) throws(CryptoError) -> SecretBytes {
    // Decrypted where it is, in one allocation, so erasing that erases it all.
    var buffer = sealed
    defer { unsafe buffer.withUnsafeMutableBytes { unsafe OPENSSL_cleanse($0.baseAddress, $0.count) } }
    unsafe try open(&buffer, from: 0, nonce: nonce, additionalData: additionalData.span.bytes)
    return SecretBytes(copying: buffer)
  }
}
