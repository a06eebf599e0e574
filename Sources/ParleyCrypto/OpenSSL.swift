internal import COpenSSL

/// What this process fetches from OpenSSL, once.
///
/// Fetched algorithms are reference counted, immutable and safe to share between threads (openssl-threads(7));
/// these live until the process ends.
enum OpenSSL {
  static let sha256 = unsafe Fetched(EVP_MD_fetch(nil, "SHA256", nil), "SHA-256")
  static let blake2s = unsafe Fetched(EVP_MD_fetch(nil, "BLAKE2S-256", nil), "BLAKE2s")
  static let hmac = unsafe Fetched(EVP_MAC_fetch(nil, "HMAC", nil), "HMAC")
  static let aes256GCM = unsafe Fetched(EVP_CIPHER_fetch(nil, "AES-256-GCM", nil), "AES-256-GCM")
  static let chaCha20Poly1305 = unsafe Fetched(EVP_CIPHER_fetch(nil, "ChaCha20-Poly1305", nil), "ChaCha20-Poly1305")
  static let argon2id = unsafe Fetched(EVP_KDF_fetch(nil, "ARGON2ID", nil), "Argon2id")
  static let mldsa65 = unsafe Fetched(EVP_SIGNATURE_fetch(nil, "ML-DSA-65", nil), "ML-DSA-65")

  /// One fetched algorithm.
  @safe
  struct Fetched: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer?, _ name: String) {
      guard let pointer = unsafe pointer else {
        preconditionFailure("OpenSSL has no \(name): version 3.5 or later is needed")
      }
      unsafe self.pointer = pointer
    }
  }

  /// The name of a parameter.
  ///
  /// An `OSSL_PARAM` keeps the address of its name, so a Swift string will not do; these
  /// live until the process ends.
  @safe
  struct ParameterName: @unchecked Sendable {
    let pointer: UnsafePointer<CChar>

    init(_ name: String) {
      let text = Array(name.utf8CString)
      let copy = UnsafeMutablePointer<CChar>.allocate(capacity: text.count)
      unsafe copy.initialize(from: text, count: text.count)
      unsafe pointer = UnsafePointer(copy)
    }

    static let macDigest = ParameterName(OSSL_MAC_PARAM_DIGEST)
    static let tag = ParameterName(OSSL_CIPHER_PARAM_AEAD_TAG)
    static let mlkemSeed = ParameterName(OSSL_PKEY_PARAM_ML_KEM_SEED)
    static let mldsaSeed = ParameterName(OSSL_PKEY_PARAM_ML_DSA_SEED)
    static let encapsulationRandomness = ParameterName(OSSL_KEM_PARAM_IKME)
    static let contextString = ParameterName(OSSL_SIGNATURE_PARAM_CONTEXT_STRING)
    static let deterministic = ParameterName(OSSL_SIGNATURE_PARAM_DETERMINISTIC)
    static let password = ParameterName(OSSL_KDF_PARAM_PASSWORD)
    static let salt = ParameterName(OSSL_KDF_PARAM_SALT)
    static let memory = ParameterName(OSSL_KDF_PARAM_ARGON2_MEMCOST)
    static let iterations = ParameterName(OSSL_KDF_PARAM_ITER)
    static let lanes = ParameterName(OSSL_KDF_PARAM_ARGON2_LANES)
  }

  /// Ends the process when a call fails that fails only for lack of memory or by a fault of this program.
  @inline(__always)
  static func require(_ result: CInt, _ call: StaticString) {
    precondition(result == 1, "OpenSSL: a call that cannot fail failed")
  }

  /// Empties this thread's error queue after a failure that is expected and already told in Swift.
  static func forgetErrors() {
    ERR_clear_error()
  }
}

/// An `EVP_PKEY` this object owns; immutable once made, so threads may share it.
@safe
final class Key: @unchecked Sendable {
  let pointer: OpaquePointer

  init(owning pointer: OpaquePointer) {
    unsafe self.pointer = pointer
  }

  deinit {
    unsafe EVP_PKEY_free(pointer)
  }

  /// Imports a raw public key, or returns `nil` if OpenSSL finds it invalid.
  convenience init?(algorithm: String, publicKey bytes: [UInt8]) {
    guard let key = unsafe EVP_PKEY_new_raw_public_key_ex(nil, algorithm, nil, bytes, bytes.count) else {
      OpenSSL.forgetErrors()
      return nil
    }
    unsafe self.init(owning: key)
  }

  /// Makes the key pair of a seed, which the algorithm takes under the name `parameter`.
  convenience init(algorithm: String, parameter: OpenSSL.ParameterName, seed: SecretBytes) {
    guard let context = unsafe EVP_PKEY_CTX_new_from_name(nil, algorithm, nil) else {
      preconditionFailure("OpenSSL has no \(algorithm): version 3.5 or later is needed")
    }
    defer { unsafe EVP_PKEY_CTX_free(context) }
    unsafe OpenSSL.require(EVP_PKEY_keygen_init(context), "EVP_PKEY_keygen_init")
    var key: OpaquePointer?
    unsafe seed.withUnsafeBytes { seed in
      let parameters = unsafe [
        OSSL_PARAM_construct_octet_string(
          parameter.pointer, UnsafeMutableRawPointer(mutating: seed.baseAddress), seed.count),
        OSSL_PARAM_construct_end(),
      ]
      unsafe OpenSSL.require(EVP_PKEY_CTX_set_params(context, parameters), "EVP_PKEY_CTX_set_params")
      unsafe OpenSSL.require(EVP_PKEY_generate(context, &key), "EVP_PKEY_generate")
    }
    guard let key = unsafe key else { preconditionFailure("EVP_PKEY_generate gave no key") }
    unsafe self.init(owning: key)
  }

  /// The raw public key, which has `count` bytes.
  func publicKeyBytes(count: Int) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      var length = count
      unsafe OpenSSL.require(
        EVP_PKEY_get_raw_public_key(pointer, buffer.baseAddress, &length), "EVP_PKEY_get_raw_public_key")
      precondition(length == count)
      initialized = count
    }
  }
}

// C functions want the address of bytes even where there are none, and some take null for "no change": an empty
// buffer has an address here that nothing reads.
extension UnsafeRawBufferPointer {
  var octets: UnsafePointer<UInt8> {
    unsafe baseAddress.map { unsafe $0.assumingMemoryBound(to: UInt8.self) }
      ?? UnsafePointer(bitPattern: 1).unsafelyUnwrapped
  }
}

extension UnsafeMutableRawBufferPointer {
  var octets: UnsafeMutablePointer<UInt8> {
    unsafe UnsafeMutablePointer(mutating: UnsafeRawBufferPointer(self).octets)
  }
}
