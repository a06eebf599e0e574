internal import COpenSSL

/// ML-KEM-768 (FIPS 203).
public enum MLKEM768 {
  /// Bytes of a seed: `d` and then `z` (FIPS 203 algorithm 16).
  public static let seedByteCount = 64
  /// Bytes of an encapsulation key.
  public static let encapsulationKeyByteCount = 1184
  /// Bytes of a ciphertext.
  public static let ciphertextByteCount = 1088
  /// Bytes of a shared secret.
  public static let sharedSecretByteCount = 32
  /// Bytes of the randomness `m` of one encapsulation.
  public static let randomnessByteCount = 32

  /// A decapsulation key with its encapsulation key.
  public final class DecapsulationKey: Sendable {
    private let key: Key

    /// The encapsulation key, ``MLKEM768/encapsulationKeyByteCount`` bytes.
    public let encapsulationKey: [UInt8]

    /// Draws a fresh key from the system's generator.
    public convenience init() {
      self.init(seed: .random(count: MLKEM768.seedByteCount))
    }

    /// Generates the key of a seed (FIPS 203 algorithm 16).
    ///
    /// - Precondition: `seed` has ``MLKEM768/seedByteCount`` bytes.
    public init(seed: SecretBytes) {
      precondition(seed.count == MLKEM768.seedByteCount)
      key = Key(algorithm: "ML-KEM-768", parameter: .mlkemSeed, seed: seed)
      encapsulationKey = key.publicKeyBytes(count: MLKEM768.encapsulationKeyByteCount)
    }

    /// The shared secret of a ciphertext.
    ///
    /// One that was not made for this key gives a secret nobody else knows
    /// (implicit rejection, FIPS 203 algorithm 18), not an error.
    ///
    /// - Throws: ``CryptoError/wrongLength(_:expected:)``.
    public func decapsulate(_ ciphertext: [UInt8]) throws(CryptoError) -> SecretBytes {
      guard ciphertext.count == MLKEM768.ciphertextByteCount else {
        throw .wrongLength(ciphertext.count, expected: MLKEM768.ciphertextByteCount)
      }
      guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil) else {
        preconditionFailure("out of memory")
      }
      defer { unsafe EVP_PKEY_CTX_free(context) }
      unsafe OpenSSL.require(EVP_PKEY_decapsulate_init(context, nil), "EVP_PKEY_decapsulate_init")
      return unsafe SecretBytes(writing: MLKEM768.sharedSecretByteCount) { output in
        var length = output.count
        unsafe OpenSSL.require(
          EVP_PKEY_decapsulate(
            context, output.octets, &length, ciphertext, ciphertext.count),
          "EVP_PKEY_decapsulate")
      }
    }
  }

  /// Makes a shared secret and the ciphertext that carries it to the owner of `encapsulationKey`.
  ///
  /// - Parameters:
  ///   - encapsulationKey: The peer's key.
  ///   - randomness: The 32 bytes `m` of FIPS 203 algorithm 17, for tests and recorded sessions; `nil` draws
  ///     them from the system's generator.
  /// - Returns: The ciphertext to send and the secret to keep.
  /// - Throws: ``CryptoError/wrongLength(_:expected:)``, or ``CryptoError/invalidPublicKey`` when the key fails the
  ///   modulus check of FIPS 203 section 7.2.
  /// - Precondition: `randomness`, if given, has ``MLKEM768/randomnessByteCount`` bytes.
  public static func encapsulate(
    to encapsulationKey: [UInt8], randomness: SecretBytes? = nil
  ) throws(CryptoError) -> (ciphertext: [UInt8], sharedSecret: SecretBytes) {
    guard encapsulationKey.count == encapsulationKeyByteCount else {
      throw .wrongLength(encapsulationKey.count, expected: encapsulationKeyByteCount)
    }
    // Importing the key decodes each coefficient and refuses one that is not below q.
    guard let key = Key(algorithm: "ML-KEM-768", publicKey: encapsulationKey) else { throw .invalidPublicKey }
    guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil) else {
      preconditionFailure("out of memory")
    }
    defer { unsafe EVP_PKEY_CTX_free(context) }
    let randomness = randomness ?? .random(count: randomnessByteCount)
    precondition(randomness.count == randomnessByteCount)
    unsafe randomness.withUnsafeBytes { randomness in
      let parameters = unsafe [
        OSSL_PARAM_construct_octet_string(
          OpenSSL.ParameterName.encapsulationRandomness.pointer,
          UnsafeMutableRawPointer(mutating: randomness.baseAddress), randomness.count),
        OSSL_PARAM_construct_end(),
      ]
      unsafe OpenSSL.require(EVP_PKEY_encapsulate_init(context, parameters), "EVP_PKEY_encapsulate_init")
    }
    var ciphertext = [UInt8](repeating: 0, count: ciphertextByteCount)
    let secret = unsafe SecretBytes(writing: sharedSecretByteCount) { output in
      var ciphertextLength = ciphertextByteCount
      var secretLength = output.count
      unsafe OpenSSL.require(
        EVP_PKEY_encapsulate(
          context, &ciphertext, &ciphertextLength, output.octets,
          &secretLength),
        "EVP_PKEY_encapsulate")
    }
    return (ciphertext, secret)
  }
}
