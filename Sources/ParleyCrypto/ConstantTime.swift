internal import COpenSSL

/// Comparisons whose time does not depend on the bytes.
public enum ConstantTime {
  /// Whether both hold the same bytes; lengths are not secret.
  public static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    return unsafe CRYPTO_memcmp(left, right, left.count) == 0
  }

  /// Whether both hold the same bytes; lengths are not secret.
  public static func equal(_ left: SecretBytes, _ right: SecretBytes) -> Bool {
    guard left.count == right.count else { return false }
    return unsafe left.withUnsafeBytes { left in
      unsafe right.withUnsafeBytes { right in
        unsafe CRYPTO_memcmp(left.baseAddress, right.baseAddress, left.count) == 0
      }
    }
  }

  /// Whether every byte is zero.
  public static func isZero(_ bytes: RawSpan) -> Bool {
    unsafe bytes.withUnsafeBytes { bytes in
      var sum: UInt64 = 0
      var offset = 0
      while offset + 8 <= bytes.count {
        sum |= unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        offset += 8
      }
      while offset < bytes.count {
        sum |= UInt64(unsafe bytes[offset])
        offset += 1
      }
      return sum == 0
    }
  }
}
