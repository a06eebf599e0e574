internal import COpenSSL

/// The system's cryptographic random generator.
public enum SystemRandom {
  /// Draws `count` bytes.
  ///
  /// - Precondition: `count >= 0`.
  public static func bytes(_ count: Int) -> [UInt8] {
    precondition(count >= 0)
    return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      unsafe fill(UnsafeMutableRawBufferPointer(buffer.extracting(..<count)))
      initialized = count
    }
  }

  /// Overwrites `memory`; a generator that cannot be seeded ends the process.
  static func fill(_ memory: UnsafeMutableRawBufferPointer) {
    guard memory.count > 0 else { return }
    let filled = unsafe RAND_bytes_ex(nil, memory.octets, memory.count, 0)
    precondition(filled == 1, "the system's random generator failed")
  }
}
