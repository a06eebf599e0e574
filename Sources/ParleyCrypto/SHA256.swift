internal import ParleyWire

/// SHA-256 (FIPS 180-4).
public struct SHA256: ~Copyable, Sendable {
  /// Bytes of a hash.
  public static let byteCount = 32

  private var digest = Digest(OpenSSL.sha256)

  /// Starts with no input.
  public init() {}

  /// Takes in more input.
  public mutating func update(_ bytes: [UInt8]) { digest.update(bytes.rawSpan) }

  /// Takes in more input.
  public mutating func update(_ bytes: RawSpan) { digest.update(bytes) }

  /// The hash of all input.
  public consuming func finalize() -> [UInt8] { digest.finalize(byteCount: Self.byteCount) }

  /// The hash of the parts, one after the other.
  public static func hash(_ parts: [UInt8]...) -> [UInt8] {
    var hash = SHA256()
    for part in parts { hash.update(part) }
    return hash.finalize()
  }

  /// The hash of bytes that someone else owns.
  public static func hash(_ bytes: RawSpan) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finalize()
  }
}

/// SHA-256 of many inputs that have their beginning in common, which is hashed once.
public struct SHA256Continuations: ~Copyable, Sendable {
  private var beginning = Digest(OpenSSL.sha256)
  private var whole = Digest(OpenSSL.sha256)

  /// Takes the beginning.
  public init(of beginning: [UInt8]) { self.beginning.update(beginning.rawSpan) }

  /// The first eight bytes, in network order, of the hash of the beginning and a number of eight bytes in network order
  /// behind it.
  ///
  /// Nothing is allocated.
  public mutating func leadingBits(with number: UInt64) -> UInt64 {
    whole.become(beginning)
    return whole.finalizeLeadingBits(with: number)
  }
}
