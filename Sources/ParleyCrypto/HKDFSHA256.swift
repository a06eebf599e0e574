/// HKDF with SHA-256 (RFC 5869).
public enum HKDFSHA256 {
  /// Condenses key material into a pseudorandom key of 32 bytes (RFC 5869 section 2.2).
  ///
  /// An empty salt counts as 32 zero bytes.
  public static func extract(salt: [UInt8], ikm: SecretBytes) -> SecretBytes {
    unsafe salt.withUnsafeBytes { unsafe extract(salt: $0, ikm: ikm) }
  }

  /// Condenses key material under a salt that is secret itself, as Noise's chaining key is.
  public static func extract(salt: SecretBytes, ikm: SecretBytes) -> SecretBytes {
    unsafe salt.withUnsafeBytes { unsafe extract(salt: $0, ikm: ikm) }
  }

  private static func extract(salt: UnsafeRawBufferPointer, ikm: SecretBytes) -> SecretBytes {
    unsafe SecretBytes(writing: HMACSHA256.byteCount) { output in
      unsafe ikm.withUnsafeBytes { ikm in
        unsafe HMACSHA256.authenticate([ikm], key: salt, into: output)
      }
    }
  }

  /// Derives `count` bytes for the purpose that `info` names (RFC 5869 section 2.3).
  ///
  /// - Precondition: `0 <= count <= 8160`.
  public static func expand(prk: SecretBytes, info: [UInt8], count: Int) -> SecretBytes {
    precondition(count >= 0 && count <= 255 * HMACSHA256.byteCount)
    let blocks = (count + HMACSHA256.byteCount - 1) / HMACSHA256.byteCount
    // Written by whole blocks; what the caller asked for is copied out, and the rest erased.
    let stream = unsafe SecretBytes(writing: blocks * HMACSHA256.byteCount) { output in
      unsafe prk.withUnsafeBytes { prk in
        unsafe info.withUnsafeBytes { info in
          unsafe expand(prk: prk, info: info, blocks: blocks, into: output)
        }
      }
    }
    return count == stream.count ? stream : stream[0..<count]
  }

  private static func expand(
    prk: UnsafeRawBufferPointer, info: UnsafeRawBufferPointer, blocks: Int, into output: UnsafeMutableRawBufferPointer
  ) {
    let size = HMACSHA256.byteCount
    for block in 0..<blocks {
      let previous = unsafe UnsafeRawBufferPointer(
        rebasing: UnsafeRawBufferPointer(output)[max(0, block - 1) * size..<block * size])
      let target = unsafe UnsafeMutableRawBufferPointer(rebasing: output[block * size..<(block + 1) * size])
      unsafe withUnsafeBytes(of: UInt8(block + 1)) { counter in
        unsafe HMACSHA256.authenticate([previous, info, counter], key: prk, into: target)
      }
    }
  }
}
