import ParleyCrypto
import ParleyWire

/// What two people compare to know that they mean the same keys.
///
/// `H("parley fingerprint 1" ‖ 00 ‖ u8 suite ‖ Ed25519 key[32] ‖ (suite 2: ML-DSA-65 key[1952]))[0..20]`, written in ten
/// groups of four hexadecimal digits.
public struct KeyFingerprint: Hashable, Sendable, CustomStringConvertible {
  /// Bytes of a fingerprint.
  public static let byteCount = 20

  /// The bytes.
  public let bytes: [UInt8]

  /// The fingerprint of an identity's keys.
  public init(_ identity: PeerIdentity) {
    var message = Array("parley fingerprint 1\0".utf8)
    message.append(identity.suite.rawValue)
    message += identity.ed25519.raw
    message += identity.mldsa65?.raw ?? []
    bytes = Array(SHA256.hash(message).prefix(Self.byteCount))
  }

  /// Reads what a person typed: 40 hexadecimal digits of either case, with `-` or spaces anywhere between them.
  ///
  /// `nil` for anything else.
  public init?(_ text: String) {
    let digits = text.lowercased().filter { $0 != "-" && $0 != " " }
    guard let bytes = [UInt8](hex: digits), bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }

  /// The ten groups, joined with `-`.
  public var description: String {
    let digits = Array(bytes.hex)
    return stride(from: 0, to: digits.count, by: 4).map { String(digits[$0..<$0 + 4]) }.joined(separator: "-")
  }
}
