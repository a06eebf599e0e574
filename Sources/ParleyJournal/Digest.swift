internal import ParleyWire

/// A SHA-256 value: a leaf hash, a tree node, a root or a link of the hash chain.
///
/// It always holds 32 bytes, so that nothing that takes one needs to check.
public struct Digest: Hashable, Sendable {
  /// Bytes in a digest.
  public static let byteCount = 32

  /// All zeros: what stands where there is no hash, such as the link of the first entry.
  public static let zero = Digest(trusted: [UInt8](repeating: 0, count: byteCount))

  /// The 32 bytes.
  public let bytes: [UInt8]

  /// Creates a digest, or returns `nil` unless `bytes` holds exactly 32.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }

  /// For what the hash function returned.
  init(trusted bytes: [UInt8]) {
    precondition(bytes.count == Self.byteCount)
    self.bytes = bytes
  }
}

extension Digest: CustomStringConvertible {
  /// Lower-case hexadecimal.
  public var description: String { bytes.hex }
}
