internal import COpenSSL

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
          unsafe authenticate([message], key: key, into: UnsafeMutableRawBufferPointer(buffer))
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
          unsafe authenticate([message], key: key, into: UnsafeMutableRawBufferPointer(buffer))
        }
      }
      initialized = byteCount
    }
  }

  /// Writes the authenticator of the parts, one after the other, into the first ``byteCount`` bytes of `output`.
  static func authenticate(
    _ parts: [UnsafeRawBufferPointer], key: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) {
    precondition(output.count >= byteCount)
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
    unsafe OpenSSL.require(EVP_MAC_final(context, output.octets, &length, byteCount), "EVP_MAC_final")
  }

  private static func digestParameters(_ body: (UnsafePointer<OSSL_PARAM>) -> Void) {
    var name: [CChar] = [0x53, 0x48, 0x41, 0x32, 0x35, 0x36, 0]  // "SHA256"
    unsafe name.withUnsafeMutableBufferPointer { name in
      let parameters = unsafe [
        OSSL_PARAM_construct_utf8_string(OpenSSL.ParameterName.macDigest.pointer, name.baseAddress, 0),
        OSSL_PARAM_construct_end(),
      ]
      unsafe parameters.withUnsafeBufferPointer { unsafe body($0.baseAddress.unsafelyUnwrapped) }
    }
  }
}
