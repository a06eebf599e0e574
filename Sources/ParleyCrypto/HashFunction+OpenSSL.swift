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

  var openSSLName: ContiguousArray<CChar> {
    switch self {
    case .sha256: "SHA256".utf8CString
    case .blake2s: "BLAKE2S-256".utf8CString
    }
  }
}

// HMAC (RFC 2104).
extension HashFunction {
  /// Writes the authenticator of the message into the first ``byteCount`` bytes of `output`.
  func authenticate(
    _ message: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) {
    var mac = HMACContext(self)
    unsafe mac.start(key: key)
    unsafe mac.update(message)
    unsafe mac.finalize(into: output)
  }
}
