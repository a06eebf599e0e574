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

  /// Goes on from where another one is.
  mutating func become(_ other: borrowing Digest) {
    unsafe OpenSSL.require(EVP_MD_CTX_copy_ex(context, other.context), "EVP_MD_CTX_copy_ex")
  }

  /// Takes in a number in network order, and ends with the first eight bytes of the hash.
  ///
  /// ``become(_:)`` has to follow before anything else.
  mutating func finalizeLeadingBits(with number: UInt64) -> UInt64 {
    unsafe withUnsafeTemporaryAllocation(byteCount: Int(EVP_MAX_MD_SIZE), alignment: 8) { bytes in
      unsafe bytes.storeBytes(of: number.bigEndian, as: UInt64.self)
      var length: CUnsignedInt = 0
      unsafe OpenSSL.require(EVP_DigestUpdate(context, bytes.baseAddress, 8), "EVP_DigestUpdate")
      unsafe OpenSSL.require(EVP_DigestFinal_ex(context, bytes.octets, &length), "EVP_DigestFinal_ex")
      return unsafe UInt64(bigEndian: bytes.load(as: UInt64.self))
    }
  }
}
