import ParleyCrypto

/// The `SymmetricState` of Noise revision 34 section 5.2, with SHA-256.
struct SymmetricState: ~Copyable {
  private var ck: SecretBytes
  private var cipherState = CipherState()

  /// The handshake hash `h`: everything both sides have seen so far.
  private(set) var h: [UInt8]

  /// `InitializeSymmetric(protocol_name)`.
  init(protocolName: String) {
    let name = Array(protocolName.utf8)
    h =
      name.count <= SHA256.byteCount
      ? name + [UInt8](repeating: 0, count: SHA256.byteCount - name.count) : SHA256.hash(name)
    ck = SecretBytes(copying: h)
  }

  /// `MixKey(input_key_material)`.
  mutating func mixKey(_ inputKeyMaterial: SecretBytes) {
    let (chainingKey, key) = Self.hkdf(ck, inputKeyMaterial)
    ck = chainingKey
    cipherState = CipherState(key: key)
  }

  /// `MixHash(data)`.
  mutating func mixHash(_ data: [UInt8]) {
    h = SHA256.hash(h, data)
  }

  /// `EncryptAndHash(plaintext)`.
  mutating func encryptAndHash(_ plaintext: [UInt8]) -> [UInt8] {
    let ciphertext = cipherState.encryptWithAd(h, plaintext)
    mixHash(ciphertext)
    return ciphertext
  }

  /// `DecryptAndHash(ciphertext)`.
  mutating func decryptAndHash(_ ciphertext: [UInt8]) throws(CryptoError) -> [UInt8] {
    let plaintext = try cipherState.decryptWithAd(h, ciphertext)
    mixHash(ciphertext)
    return plaintext
  }

  /// `Split()`, as the two keys rather than two cipher states: the key schedule of section 5 goes on from them.
  consuming func split() -> (k1: SecretBytes, k2: SecretBytes) {
    Self.hkdf(ck, SecretBytes(count: 0))
  }

  /// `HKDF(chaining_key, input_key_material, 2)` of section 4.3, which is RFC 5869 without `info`.
  private static func hkdf(_ chainingKey: SecretBytes, _ inputKeyMaterial: SecretBytes) -> (SecretBytes, SecretBytes) {
    let prk = HKDFSHA256.extract(salt: chainingKey, ikm: inputKeyMaterial)
    let output = HKDFSHA256.expand(prk: prk, info: [], count: 64)
    return (output[0..<32], output[32..<64])
  }
}
