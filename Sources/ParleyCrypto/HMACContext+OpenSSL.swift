internal import COpenSSL

/// HMAC (RFC 2104) in a context of OpenSSL's that is made once for many authenticators.
@safe
struct HMACContext: ~Copyable, @unchecked Sendable {
  private let context: OpaquePointer

  init(_ hash: HashFunction) {
    guard let context = unsafe EVP_MAC_CTX_new(OpenSSL.hmac.pointer) else { preconditionFailure("out of memory") }
    unsafe self.context = context
    var name = hash.openSSLName
    unsafe name.withUnsafeMutableBufferPointer { name in
      let parameters = unsafe [
        OSSL_PARAM_construct_utf8_string(OpenSSL.ParameterName.macDigest.pointer, name.baseAddress, 0),
        OSSL_PARAM_construct_end(),
      ]
      unsafe OpenSSL.require(EVP_MAC_CTX_set_params(context, parameters), "EVP_MAC_CTX_set_params")
    }
  }

  deinit {
    // Erases the key too.
    unsafe EVP_MAC_CTX_free(context)
  }

  /// Starts under a key.
  mutating func start(key: UnsafeRawBufferPointer) {
    unsafe OpenSSL.require(EVP_MAC_init(context, key.octets, key.count, nil), "EVP_MAC_init")
  }

  /// Starts again under the key of the last ``start(key:)``, which spares preparing it.
  mutating func restart() {
    unsafe OpenSSL.require(EVP_MAC_init(context, nil, 0, nil), "EVP_MAC_init")
  }

  mutating func update(_ part: UnsafeRawBufferPointer) {
    unsafe OpenSSL.require(EVP_MAC_update(context, part.octets, part.count), "EVP_MAC_update")
  }

  /// Writes the authenticator of all parts since the start into the first 32 bytes of `output`.
  mutating func finalize(into output: UnsafeMutableRawBufferPointer) {
    precondition(output.count >= HashFunction.byteCount)
    var length = 0
    unsafe OpenSSL.require(EVP_MAC_final(context, output.octets, &length, HashFunction.byteCount), "EVP_MAC_final")
  }
}
