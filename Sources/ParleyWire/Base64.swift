/// Standard base64 with padding (RFC 4648 section 4), strict.
public enum Base64 {
  /// The text of `bytes`.
  public static func encode(_ bytes: [UInt8]) -> String {
    RadixSixtyFour.standard.encode(bytes, padded: true)
  }

  /// The bytes of `text`; `nil` for another character, missing or superfluous padding, or unused bits that are set.
  public static func decode(_ text: String) -> [UInt8]? {
    RadixSixtyFour.standard.decode(text, padded: true)
  }
}

/// Base64 for URLs without padding (RFC 4648 section 5), strict.
public enum Base64URL {
  /// The text of `bytes`.
  public static func encode(_ bytes: [UInt8]) -> String {
    RadixSixtyFour.url.encode(bytes, padded: false)
  }

  /// The bytes of `text`; `nil` for another character, padding, or unused bits that are set.
  public static func decode(_ text: String) -> [UInt8]? {
    RadixSixtyFour.url.decode(text, padded: false)
  }
}

/// What the two alphabets share.
private struct RadixSixtyFour: Sendable {
  static let standard = RadixSixtyFour(lastTwo: "+/")
  static let url = RadixSixtyFour(lastTwo: "-_")

  private let digits: [UInt8]
  /// The value of each byte, 0xFF for a byte that is no digit.
  private let values: [UInt8]

  private init(lastTwo: String) {
    digits = Array(("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + lastTwo).utf8)
    var values = [UInt8](repeating: 0xFF, count: 256)
    for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
    self.values = values
  }

  func encode(_ bytes: [UInt8], padded: Bool) -> String {
    var text = [UInt8]()
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let count = min(3, bytes.count - start)
      var bits: UInt32 = 0
      for index in start..<start + count { bits = bits << 8 | UInt32(bytes[index]) }
      bits <<= UInt32(8 * (3 - count))
      for digit in 0...count { text.append(digits[Int(bits >> UInt32(18 - 6 * digit)) & 0x3F]) }
      if padded { text.append(contentsOf: repeatElement(UInt8(ascii: "="), count: 3 - count)) }
    }
    return String(decoding: text, as: UTF8.self)
  }

  func decode(_ text: String, padded: Bool) -> [UInt8]? {
    var text = Array(text.utf8)[...]
    if padded {
      guard text.count.isMultiple(of: 4) else { return nil }
      for _ in 0..<2 where text.last == UInt8(ascii: "=") { text.removeLast() }
    }
    guard text.count % 4 != 1 else { return nil }
    var bytes = [UInt8]()
    bytes.reserveCapacity(text.count / 4 * 3 + 2)
    var bits: UInt32 = 0
    var bitCount: UInt32 = 0
    for digit in text {
      let value = values[Int(digit)]
      guard value != 0xFF else { return nil }
      bits = bits << 6 | UInt32(value)
      bitCount += 6
      if bitCount >= 8 {
        bitCount -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> bitCount))
        bits &= (1 << bitCount) - 1
      }
    }
    return bits == 0 ? bytes : nil
  }
}
