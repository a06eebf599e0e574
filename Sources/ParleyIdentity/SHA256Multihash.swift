import ParleyCrypto
import ParleyWire

/// SHA-256 behind its multihash code (12) and length (20), in base 58: how did:peer and did:webvh write hashes.
///
/// Source: the multihash specification of multiformats.
enum SHA256Multihash {
  /// The code and the length.
  static let prefix: [UInt8] = [0x12, 0x20]
  /// Characters of every such text: the prefix fixes the first two, `Qm`.
  static let characterCount = 46

  /// The hash of `bytes`, without a multibase prefix.
  static func text(of bytes: [UInt8]) -> String { Base58BTC.encode(prefix + SHA256.hash(bytes)) }

  /// Whether this is such a text.
  static func isWellFormed(_ text: some StringProtocol) -> Bool {
    guard text.utf8.count == characterCount, let bytes = Base58BTC.decode(String(text)) else { return false }
    return bytes.count == prefix.count + SHA256.byteCount && bytes.starts(with: prefix)
  }
}
