/// HKDF (RFC 5869).
extension HashFunction {
  /// Condenses key material into a pseudorandom key of 32 bytes (RFC 5869 section 2.2).
  ///
  /// An empty salt counts as 32 zero bytes.
  public func extract(salt: [UInt8], ikm: SecretBytes) -> SecretBytes {
    unsafe salt.withUnsafeBytes { unsafe extract(salt: $0, ikm: ikm) }
  }

  /// Condenses key material under a salt that is secret itself, as Noise's chaining key is.
  public func extract(salt: SecretBytes, ikm: SecretBytes) -> SecretBytes {
    unsafe salt.withUnsafeBytes { unsafe extract(salt: $0, ikm: ikm) }
  }

  private func extract(salt: UnsafeRawBufferPointer, ikm: SecretBytes) -> SecretBytes {
    unsafe SecretBytes(writing: Self.byteCount) { output in
      unsafe ikm.withUnsafeBytes { ikm in
        unsafe authenticate([ikm], key: salt, into: output)
      }
    }
  }

  /// Derives `count` bytes for the purpose that `info` names (RFC 5869 section 2.3).
  ///
  /// - Precondition: `0 <= count <= 8160`.
  public func expand(prk: SecretBytes, info: [UInt8], count: Int) -> SecretBytes {
    precondition(count >= 0 && count <= 255 * Self.byteCount)
    let blocks = (count + Self.byteCount - 1) / Self.byteCount
    // Written by whole blocks; what the caller asked for is copied out, and the rest erased.
    let stream = unsafe SecretBytes(writing: blocks * Self.byteCount) { output in
      unsafe prk.withUnsafeBytes { prk in
        unsafe info.withUnsafeBytes { info in
          unsafe expand(prk: prk, info: info, blocks: blocks, into: output)
        }
      }
    }
    return count == stream.count ? stream : stream[0..<count]
  }

  private func expand(
    prk: UnsafeRawBufferPointer, info: UnsafeRawBufferPointer, blocks: Int, into output: UnsafeMutableRawBufferPointer
  ) {
    let size = Self.byteCount
    for block in 0..<blocks {
      let previous = unsafe UnsafeRawBufferPointer(
        rebasing: UnsafeRawBufferPointer(output)[max(0, block - 1) * size..<block * size])
      let target = unsafe UnsafeMutableRawBufferPointer(rebasing: output[block * size..<(block + 1) * size])
      unsafe withUnsafeBytes(of: UInt8(block + 1)) { counter in
        unsafe authenticate([previous, info, counter], key: prk, into: target)
      }
    }
  }
}
