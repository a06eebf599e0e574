/// HMAC-SHA-256 (RFC 2104, RFC 4231).
public enum HMACSHA256 {
  /// Bytes of an authenticator.
  public static let byteCount = 32

  /// The authenticator of `message`.
  ///
  /// Compare one that came from outside with ``ConstantTime``.
  public static func authenticate(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initialized in
      unsafe key.withUnsafeBytes { key in
        unsafe message.withUnsafeBytes { message in
          unsafe HashFunction.sha256.authenticate(message, key: key, into: UnsafeMutableRawBufferPointer(buffer))
        }
      }
      initialized = byteCount
    }
  }

  /// The authenticator of `message` under a secret key.
  public static func authenticate(_ message: [UInt8], key: SecretBytes) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initialized in
      unsafe key.withUnsafeBytes { key in
        unsafe message.withUnsafeBytes { message in
          unsafe HashFunction.sha256.authenticate(message, key: key, into: UnsafeMutableRawBufferPointer(buffer))
        }
      }
      initialized = byteCount
    }
  }
}
