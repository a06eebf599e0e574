internal import COpenSSL

/// A hash of OpenSSL's in the making.
@safe
struct Digest: ~Copyable, @unchecked Sendable {
  private let context: OpaquePointer

  init(_ algorithm: OpenSSL.Fetched) {
    guard let context = unsafe EVP_MD_CTX_new() else { preconditionFailure("out of memory") }
    unsafe self.context = context
    unsafe OpenSSL.require(EVP_DigestInit_ex2(context, algorithm.pointer, nil), "EVP_DigestInit_ex2")
  }

  deinit {
    unsafe EVP_MD_CTX_free(context)
  }

  mutating func update(_ bytes: RawSpan) {
    unsafe bytes.withUnsafeBytes { bytes in
      unsafe OpenSSL.require(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count), "EVP_DigestUpdate")
    }
  }

  /// The hash of all input, which has `byteCount` bytes.
  consuming func finalize(byteCount: Int) -> [UInt8] {
    let context = unsafe self.context
    return unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initialized in
      var length: CUnsignedInt = 0
      unsafe OpenSSL.require(EVP_DigestFinal_ex(context, buffer.baseAddress, &length), "EVP_DigestFinal_ex")
      precondition(Int(length) == byteCount)
      initialized = byteCount
    }
  }
}
