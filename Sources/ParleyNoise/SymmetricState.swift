public import ParleyCrypto
import ParleyWire

/// The `SymmetricState` of Noise revision 34 section 5.2: the chaining key, the hash of all that was said, and the key of
/// the moment.
public struct SymmetricState: ~Copyable, Sendable {
  private let cipher: NoiseCipher
  private let hash: HashFunction
  private var hkdf: HKDF
  private var ck: SecretBytes
  private var cipherState: CipherState

  /// The handshake hash `h`: everything both sides have seen so far.
  public private(set) var h: [UInt8]

  /// `InitializeSymmetric(protocol_name)`.
  ///
  /// The name is only hashed; `cipher` and `hash` are what is used.
  public init(protocolName: String, cipher: NoiseCipher, hash: HashFunction) {
    self.cipher = cipher
    self.hash = hash
    hkdf = HKDF(hash)
    let name = Array(protocolName.utf8)
    h =
      name.count <= HashFunction.byteCount
      ? name + [UInt8](repeating: 0, count: HashFunction.byteCount - name.count) : hash.hash(name)
    ck = SecretBytes(copying: h)
    cipherState = CipherState(cipher)
  }

  /// Whether what ``encryptAndHash(_:)`` gives is encrypted by now.
  public var hasKey: Bool { cipherState.hasKey }

  /// `MixKey(input_key_material)`.
  public mutating func mixKey(_ inputKeyMaterial: SecretBytes) {
    let output = derive(inputKeyMaterial, count: 2)
    ck = output[0..<32]
    cipherState = CipherState(cipher, key: output[32..<64])
  }

  /// `MixHash(data)`.
  public mutating func mixHash(_ data: [UInt8]) {
    h = hash.hash(h, data)
  }

  /// `MixKeyAndHash(input_key_material)`.
  public mutating func mixKeyAndHash(_ inputKeyMaterial: SecretBytes) {
    let output = derive(inputKeyMaterial, count: 3)
    ck = output[0..<32]
    mixHash(output[32..<64].withBytes { [UInt8]($0) })
    cipherState = CipherState(cipher, key: output[64..<96])
  }

  /// `EncryptAndHash(plaintext)`.
  ///
  /// - Precondition: the key of the moment has not numbered 2^64 - 1 messages.
  public mutating func encryptAndHash(_ plaintext: [UInt8]) -> [UInt8] {
    var ciphertext = [UInt8]()
    ciphertext.reserveCapacity(plaintext.count + CipherState.tagByteCount)
    guard (try? cipherState.encrypt(plaintext.rawSpan, ad: h, appendingTo: &ciphertext)) != nil else {
      preconditionFailure("a handshake has few messages a key")
    }
    mixHash(ciphertext)
    return ciphertext
  }

  /// `DecryptAndHash(ciphertext)`.
  ///
  /// - Throws: ``NoiseError/decryptionFailed``.
  public mutating func decryptAndHash(_ ciphertext: [UInt8]) throws(NoiseError) -> [UInt8] {
    var plaintext = [UInt8]()
    plaintext.reserveCapacity(ciphertext.count)
    try cipherState.decrypt(ciphertext.rawSpan, ad: h, appendingTo: &plaintext)
    mixHash(ciphertext)
    return plaintext
  }

  /// `Split()`, as the two keys rather than two cipher states: a protocol may have a key schedule of its own.
  public consuming func split() -> (k1: SecretBytes, k2: SecretBytes) {
    let output = derive(SecretBytes(count: 0), count: 2)
    return (output[0..<32], output[32..<64])
  }

  /// `HKDF(chaining_key, input_key_material, count)` of section 4.3, which is RFC 5869 without `info`, in one piece.
  private mutating func derive(_ inputKeyMaterial: SecretBytes, count: Int) -> SecretBytes {
    let prk = hkdf.extract(salt: ck, ikm: inputKeyMaterial)
    return hkdf.expand(prk: prk, info: [], count: count * HashFunction.byteCount)
  }
}
