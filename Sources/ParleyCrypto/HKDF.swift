/// HKDF (RFC 5869), for a protocol that derives many secrets with one hash function.
///
/// What OpenSSL needs is made once, and a key that comes twice in a row is prepared once. It keeps the last key until
/// another comes or it goes itself.
public struct HKDF: ~Copyable, Sendable {
  private var mac: HMACContext
  /// The key that ``mac`` has; its bytes never change.
  private var key: SecretBytes?

  /// Makes one for a hash function.
  public init(_ hash: HashFunction) { mac = HMACContext(hash) }

  /// Condenses key material into a pseudorandom key of 32 bytes (RFC 5869 section 2.2), under a salt that is secret
  /// itself, as Noise's chaining key is.
  ///
  /// An empty salt counts as 32 zero bytes.
  public mutating func extract(salt: SecretBytes, ikm: SecretBytes) -> SecretBytes {
    start(key: salt)
    return condense(ikm)
  }

  /// Condenses key material under a salt that is known to others.
  public mutating func extract(salt: [UInt8], ikm: SecretBytes) -> SecretBytes {
    key = nil
    unsafe salt.withUnsafeBytes { unsafe mac.start(key: $0) }
    return condense(ikm)
  }

  /// Derives `count` bytes for the purpose that `info` names (RFC 5869 section 2.3).
  ///
  /// - Precondition: `0 <= count <= 8160`.
  public mutating func expand(prk: SecretBytes, info: [UInt8], count: Int) -> SecretBytes {
    precondition(count >= 0 && count <= 255 * HashFunction.byteCount)
    let size = HashFunction.byteCount
    let blocks = (count + size - 1) / size
    // Written by whole blocks; what the caller asked for is copied out, and the rest erased.
    let stream = unsafe SecretBytes(writing: blocks * size) { output in
      unsafe info.withUnsafeBytes { info in
        for block in 0..<blocks {
          start(key: prk)
          let previous = max(0, block - 1) * size..<block * size
          unsafe mac.update(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(output)[previous]))
          unsafe mac.update(info)
          unsafe withUnsafeBytes(of: UInt8(block + 1)) { unsafe mac.update($0) }
          unsafe mac.finalize(into: UnsafeMutableRawBufferPointer(rebasing: output[block * size..<(block + 1) * size]))
        }
      }
    }
    return count == stream.count ? stream : stream[0..<count]
  }

  private mutating func start(key: SecretBytes) {
    guard self.key !== key else { return mac.restart() }
    unsafe key.withUnsafeBytes { unsafe mac.start(key: $0) }
    self.key = key
  }

  private mutating func condense(_ ikm: SecretBytes) -> SecretBytes {
    unsafe SecretBytes(writing: HashFunction.byteCount) { output in
      unsafe ikm.withUnsafeBytes { unsafe mac.update($0) }
      unsafe mac.finalize(into: output)
    }
  }
}
