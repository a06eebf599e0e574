internal import COpenSSL

/// ML-DSA-65 signatures (FIPS 204), "pure" with a context string.
public enum MLDSA65 {
  /// Bytes of a private key's seed.
  public static let seedByteCount = 32
  /// Bytes of a public key.
  public static let publicKeyByteCount = 1952
  /// Bytes of a signature.
  public static let signatureByteCount = 3309
  /// The longest context string, in bytes.
  public static let contextByteLimit = 255

  /// Where a signature's randomness comes from (FIPS 204 section 3.4).
  public enum Randomness: Sendable {
    /// 32 bytes of the system's generator: the default, which resists fault and side-channel attacks best.
    case hedged
    /// 32 zero bytes: the same message always gets the same signature.
    case deterministic
  }

  /// A private key with its public key.
  public final class SigningKey: Sendable {
    private let key: Key

    /// The seed this key comes from.
    public let seed: SecretBytes

    /// The key that verifies what this one signs.
    public let publicKey: PublicKey

    /// Draws a fresh key from the system's generator.
    public convenience init() {
      self.init(seed: .random(count: MLDSA65.seedByteCount))
    }

    /// Generates the key of a seed (FIPS 204 algorithm 6).
    ///
    /// - Precondition: `seed` has ``MLDSA65/seedByteCount`` bytes.
    public init(seed: SecretBytes) {
      precondition(seed.count == MLDSA65.seedByteCount)
      self.seed = seed
      key = Key(algorithm: "ML-DSA-65", parameter: .mldsaSeed, seed: seed)
      publicKey = PublicKey(derived: key.publicKeyBytes(count: MLDSA65.publicKeyByteCount))
    }

    /// A signature of `message` under a context string.
    ///
    /// - Precondition: `context` has at most ``MLDSA65/contextByteLimit`` bytes of UTF-8.
    public func sign(_ message: [UInt8], context: String, randomness: Randomness = .hedged) -> [UInt8] {
      sign(message, context: Array(context.utf8), randomness: randomness)
    }

    /// A signature of `message` under a context of any bytes.
    ///
    /// - Precondition: `context` has at most ``MLDSA65/contextByteLimit`` bytes.
    public func sign(_ message: [UInt8], context: [UInt8], randomness: Randomness = .hedged) -> [UInt8] {
      precondition(context.count <= MLDSA65.contextByteLimit)
      guard let operation = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil) else {
        preconditionFailure("out of memory")
      }
      defer { unsafe EVP_PKEY_CTX_free(operation) }
      unsafe MLDSA65.withParameters(context: context, randomness: randomness) { parameters in
        unsafe OpenSSL.require(
          EVP_PKEY_sign_message_init(operation, OpenSSL.mldsa65.pointer, parameters), "EVP_PKEY_sign_message_init")
      }
      return unsafe [UInt8](unsafeUninitializedCapacity: MLDSA65.signatureByteCount) { buffer, initialized in
        var length = MLDSA65.signatureByteCount
        unsafe OpenSSL.require(
          EVP_PKEY_sign(operation, buffer.baseAddress, &length, message, message.count), "EVP_PKEY_sign")
        precondition(length == MLDSA65.signatureByteCount)
        initialized = length
      }
    }
  }

  /// A public key.
  public struct PublicKey: Hashable, Sendable {
    /// The key's ``MLDSA65/publicKeyByteCount`` bytes.
    public let raw: [UInt8]

    /// Takes a key from outside; every string of the right length is a key.
    ///
    /// - Throws: ``CryptoError/wrongLength(_:expected:)``.
    public init(raw: [UInt8]) throws(CryptoError) {
      guard raw.count == MLDSA65.publicKeyByteCount else {
        throw .wrongLength(raw.count, expected: MLDSA65.publicKeyByteCount)
      }
      self.raw = raw
    }

    fileprivate init(derived raw: [UInt8]) { self.raw = raw }

    /// Whether `signature` is this key's for `message` under the context string.
    public func isValid(signature: [UInt8], for message: [UInt8], context: String) -> Bool {
      isValid(signature: signature, for: message, context: Array(context.utf8))
    }

    /// Whether `signature` is this key's for `message` under a context of any bytes; one that is too long has no
    /// valid signature.
    public func isValid(signature: [UInt8], for message: [UInt8], context: [UInt8]) -> Bool {
      guard signature.count == MLDSA65.signatureByteCount, context.count <= MLDSA65.contextByteLimit,
        let key = Key(algorithm: "ML-DSA-65", publicKey: raw)
      else { return false }
      guard let operation = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil) else {
        preconditionFailure("out of memory")
      }
      defer { unsafe EVP_PKEY_CTX_free(operation) }
      unsafe MLDSA65.withParameters(context: context, randomness: nil) { parameters in
        unsafe OpenSSL.require(
          EVP_PKEY_verify_message_init(operation, OpenSSL.mldsa65.pointer, parameters), "EVP_PKEY_verify_message_init")
      }
      let verified = unsafe EVP_PKEY_verify(operation, signature, signature.count, message, message.count)
      if verified != 1 { OpenSSL.forgetErrors() }
      return verified == 1
    }
  }

  private static func withParameters(
    context: [UInt8], randomness: Randomness?, _ body: (UnsafePointer<OSSL_PARAM>) -> Void
  ) {
    var deterministic: CInt = randomness == .deterministic ? 1 : 0
    // One byte more, so that an empty context has an address too.
    var bytes = context + [0]
    unsafe bytes.withUnsafeMutableBytes { bytes in
      unsafe withUnsafeMutablePointer(to: &deterministic) { deterministic in
        var parameters = unsafe [
          OSSL_PARAM_construct_octet_string(
            OpenSSL.ParameterName.contextString.pointer, bytes.baseAddress, context.count)
        ]
        if randomness != nil {
          unsafe parameters.append(OSSL_PARAM_construct_int(OpenSSL.ParameterName.deterministic.pointer, deterministic))
        }
        unsafe parameters.append(OSSL_PARAM_construct_end())
        unsafe parameters.withUnsafeBufferPointer { unsafe body($0.baseAddress.unsafelyUnwrapped) }
      }
    }
  }
}
