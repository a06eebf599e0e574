/// Why a self-describing encoding could not be read.
public enum MultiformatError: Error, Hashable, Sendable {
  /// The text is empty or the bytes end inside a number.
  case truncated
  /// The first character names a base that Parley does not use.
  case unknownBase(Character)
  /// The text behind the first character is not of the base that this names, or is too long.
  case malformed
  /// A number has a superfluous zero byte at its end.
  case notMinimal
  /// A number does not fit the 63 bits that the format allows.
  case outOfRange
}

/// Text that says in its first character how it is encoded: `z` for base 58 (Bitcoin) or `u` for base64url without
/// padding, the two that DID documents use.
///
/// Source: the multibase specification of multiformats.
public enum Multibase {
  /// The bases.
  public enum Base: Sendable {
    /// `z`
    case base58BTC
    /// `u`
    case base64URL
  }

  /// The text of `bytes` with its first character.
  public static func encode(_ bytes: [UInt8], as base: Base) -> String {
    switch base {
    case .base58BTC: "z" + Base58BTC.encode(bytes)
    case .base64URL: "u" + Base64URL.encode(bytes)
    }
  }

  /// The bytes of `text`, of which at most `limit` characters are read.
  public static func decode(_ text: String, limit: Int = 16_384) throws(MultiformatError) -> [UInt8] {
    guard let base = text.first else { throw .truncated }
    guard text.utf8.count <= limit else { throw .malformed }
    let digits = String(text.dropFirst())
    let bytes: [UInt8]?
    switch base {
    case "z": bytes = Base58BTC.decode(digits, limit: limit)
    case "u": bytes = Base64URL.decode(digits)
    default: throw .unknownBase(base)
    }
    guard let bytes else { throw .malformed }
    return bytes
  }
}

/// The unsigned variable-length integer of multiformats: seven bits a byte, least significant first, at most nine
/// bytes, always the shortest.
public enum Varint {
  /// The largest value: 63 bits.
  public static let maximum = UInt64(Int64.max)

  /// The bytes of `value`.
  ///
  /// - Precondition: `value <= Varint.maximum`.
  public static func encode(_ value: UInt64) -> [UInt8] {
    precondition(value <= maximum)
    var bytes: [UInt8] = []
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
    return bytes
  }

  /// The number that `bytes` begin with, and how many bytes it takes.
  public static func decode(_ bytes: [UInt8]) throws(MultiformatError) -> (value: UInt64, byteCount: Int) {
    var value: UInt64 = 0
    for (index, byte) in bytes.enumerated() {
      guard index < 9 else { throw .outOfRange }
      value |= UInt64(byte & 0x7F) << UInt64(7 * index)
      if byte & 0x80 == 0 {
        guard byte != 0 || index == 0 else { throw .notMinimal }
        return (value, index + 1)
      }
    }
    throw bytes.count < 9 ? .truncated : .outOfRange
  }
}
