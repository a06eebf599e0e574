internal import COpenSSL

/// SHA-256 (FIPS 180-4).
@safe
public struct SHA256: ~Copyable, @unchecked Sendable {
  /// Bytes of a hash.
  public static let byteCount = 32

  private let context: OpaquePointer

  /// Starts with no input.
  public init() {
    guard let context = unsafe EVP_MD_CTX_new() else { preconditionFailure("out of memory") }
    unsafe self.context = context
    unsafe OpenSSL.require(EVP_DigestInit_ex2(context, OpenSSL.sha256.pointer, nil), "EVP_DigestInit_ex2")
  }

  deinit {
    unsafe EVP_MD_CTX_free(context)
  }

  /// Takes in more input.
  public mutating func update(_ bytes: [UInt8]) {
    unsafe OpenSSL.require(EVP_DigestUpdate(context, bytes, bytes.count), "EVP_DigestUpdate")
  }

  /// Takes in more input.
  public mutating func update(_ bytes: RawSpan) {
    unsafe bytes.withUnsafeBytes { bytes in
      unsafe OpenSSL.require(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count), "EVP_DigestUpdate")
    }
  }

  /// The hash of all input.
  public consuming func finalize() -> [UInt8] {
    let context = unsafe self.context
    return unsafe [UInt8](unsafeUninitializedCapacity: Self.byteCount) { buffer, initialized in
      var length: CUnsignedInt = 0
      unsafe OpenSSL.require(EVP_DigestFinal_ex(context, buffer.baseAddress, &length), "EVP_DigestFinal_ex")
      initialized = Self.byteCount
    }
  }

  /// The hash of the parts, one after the other.
  public static func hash(_ parts: [UInt8]...) -> [UInt8] {
    var hash = SHA256()
    for part in parts { hash.update(part) }
    return hash.finalize()
  }

  /// The hash of bytes that someone else owns.
  public static func hash(_ bytes: RawSpan) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finalize()
  }
}
