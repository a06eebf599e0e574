internal import COpenSSL
internal import ParleyWire

/// A hash function of 32 bytes, for protocols that name theirs (Noise revision 34 section 12).
///
/// Who needs SHA-256 and nothing else finds it shorter in ``SHA256``, ``HMACSHA256`` and ``HKDFSHA256``.
public enum HashFunction: Hashable, Sendable, CaseIterable {
  /// FIPS 180-4.
  case sha256
  /// RFC 7693, unkeyed.
  case blake2s

  /// Bytes of a hash, and of an authenticator made with it.
  public static let byteCount = 32

  /// The hash of the parts, one after the other.
  public func hash(_ parts: [UInt8]...) -> [UInt8] {
    var hash = Digest(algorithm)
    for part in parts { hash.update(part.rawSpan) }
    return hash.finalize(byteCount: Self.byteCount)
  }

  private var algorithm: OpenSSL.Fetched {
    switch self {
    case .sha256: OpenSSL.sha256
    case .blake2s: OpenSSL.blake2s
    }
  }

  private var openSSLName: ContiguousArray<CChar> {
    switch self {
    case .sha256: "SHA256".utf8CString
    case .blake2s: "BLAKE2S-256".utf8CString
    }
  }
}

// HMAC (RFC 2104).
extension HashFunction {
  /// Writes the authenticator of the parts, one after the other, into the first ``byteCount`` bytes of `output`.
  func authenticate(
    _ parts: [UnsafeRawBufferPointer], key: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) {
    precondition(output.count >= Self.byteCount)
    guard let context = unsafe EVP_MAC_CTX_new(OpenSSL.hmac.pointer) else { preconditionFailure("out of memory") }
    defer { unsafe EVP_MAC_CTX_free(context) }
    unsafe digestParameters { parameters in
      unsafe OpenSSL.require(EVP_MAC_init(context, key.octets, key.count, parameters), "EVP_MAC_init")
    }
    for index in unsafe parts.indices {
      unsafe OpenSSL.require(
        EVP_MAC_update(context, parts[index].octets, parts[index].count), "EVP_MAC_update")
    }
    var length = 0
    unsafe OpenSSL.require(EVP_MAC_final(context, output.octets, &length, Self.byteCount), "EVP_MAC_final")
  }

  private func digestParameters(_ body: (UnsafePointer<OSSL_PARAM>) -> Void) {
    var name = openSSLName
    unsafe name.withUnsafeMutableBufferPointer { name in
      let parameters = unsafe [
        OSSL_PARAM_construct_utf8_string(OpenSSL.ParameterName.macDigest.pointer, name.baseAddress, 0),
        OSSL_PARAM_construct_end(),
      ]
      unsafe parameters.withUnsafeBufferPointer { unsafe body($0.baseAddress.unsafelyUnwrapped) }
    }
  }
}
