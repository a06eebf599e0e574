internal import COpenSSL

/// Argon2id version 1.3 (RFC 9106): a key from a passphrase, at a cost in memory and time.
public enum Argon2id {
  /// The least and the most this program computes; the most keeps a keystore of someone else's making from
  /// exhausting the machine.
  public static let memoryKiB: ClosedRange<Int> = 8...2_097_152
  /// Passes over the memory.
  public static let iterations: ClosedRange<Int> = 1...64
  /// Lanes; they are computed one after the other.
  public static let lanes: ClosedRange<Int> = 1...16

  /// Derives `count` bytes.
  ///
  /// - Parameters:
  ///   - passphrase: Any bytes.
  ///   - salt: 8 to 64 bytes.
  ///   - memoryKiB: Memory in KiB, in ``memoryKiB`` and at least eight a lane.
  ///   - iterations: Passes, in ``iterations``.
  ///   - lanes: Lanes, in ``lanes``.
  ///   - count: How many bytes to derive, 4 to 64.
  /// - Returns: The derived key.
  /// - Throws: ``CryptoError/unsupportedParameters`` when a parameter is out of range or the memory cannot be had.
  public static func derive(
    passphrase: SecretBytes, salt: [UInt8], memoryKiB: Int, iterations: Int, lanes: Int, count: Int
  ) throws(CryptoError) -> SecretBytes {
    guard Self.memoryKiB.contains(memoryKiB), Self.iterations.contains(iterations), Self.lanes.contains(lanes),
      memoryKiB >= 8 * lanes, (8...64).contains(salt.count), (4...64).contains(count)
    else { throw .unsupportedParameters }
    guard let context = unsafe EVP_KDF_CTX_new(OpenSSL.argon2id.pointer) else { preconditionFailure("out of memory") }
    defer { unsafe EVP_KDF_CTX_free(context) }
    var memory = UInt32(memoryKiB)
    var passes = UInt32(iterations)
    var parallel = UInt32(lanes)
    var salt = salt
    var derived: CInt = 0
    let key = unsafe SecretBytes(writing: count) { output in
      unsafe passphrase.withUnsafeBytes { passphrase in
        unsafe salt.withUnsafeMutableBytes { salt in
          unsafe withUnsafeMutablePointer(to: &memory) { memory in
            unsafe withUnsafeMutablePointer(to: &passes) { passes in
              unsafe withUnsafeMutablePointer(to: &parallel) { parallel in
                let parameters = unsafe [
                  OSSL_PARAM_construct_octet_string(
                    OpenSSL.ParameterName.password.pointer, UnsafeMutableRawPointer(mutating: passphrase.baseAddress),
                    passphrase.count),
                  OSSL_PARAM_construct_octet_string(OpenSSL.ParameterName.salt.pointer, salt.baseAddress, salt.count),
                  OSSL_PARAM_construct_uint32(OpenSSL.ParameterName.memory.pointer, memory),
                  OSSL_PARAM_construct_uint32(OpenSSL.ParameterName.iterations.pointer, passes),
                  OSSL_PARAM_construct_uint32(OpenSSL.ParameterName.lanes.pointer, parallel),
                  OSSL_PARAM_construct_end(),
                ]
                unsafe derived = EVP_KDF_derive(
                  context, output.octets, output.count, parameters)
              }
            }
          }
        }
      }
    }
    guard derived == 1 else {
      OpenSSL.forgetErrors()
      throw .unsupportedParameters
    }
    return key
  }
}
