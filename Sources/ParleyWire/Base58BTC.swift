/// Base 58 with Bitcoin's alphabet, as multibase `z` writes it: a number in base 58 whose leading `1`s are leading
/// zero bytes.
///
/// The conversion takes time in the square of the length, so decoding has a limit.
public enum Base58BTC {
  private static let digits = Array("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".utf8)

  /// The value of each byte, 0xFF for a byte that is no digit.
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 0xFF, count: 256)
    for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
    return values
  }()

  /// Five digits make a limb: 58^5 is the largest power that fits 32 bits.
  private static let limbDigitCount = 5
  private static let limbBase: UInt64 = 656_356_768

  /// The text of `bytes`.
  public static func encode(_ bytes: [UInt8]) -> String {
    let zeros = bytes.prefix { $0 == 0 }.count
    let number = bytes[zeros...]
    // Limbs in base 58^5, least significant first, multiplied by 2^32 for every four bytes.
    var limbs: [UInt32] = []
    var start = number.startIndex
    var end = start + (number.count % 4 == 0 ? min(4, number.count) : number.count % 4)
    while start < number.endIndex {
      var carry: UInt64 = 0
      for byte in number[start..<end] { carry = carry << 8 | UInt64(byte) }
      let shift = UInt64(8 * (end - start))
      for index in limbs.indices {
        let value = UInt64(limbs[index]) << shift + carry
        limbs[index] = UInt32(value % limbBase)
        carry = value / limbBase
      }
      while carry > 0 {
        limbs.append(UInt32(carry % limbBase))
        carry /= limbBase
      }
      start = end
      end += 4
    }
    var reversed: [UInt8] = []
    for limb in limbs {
      var value = limb
      for _ in 0..<limbDigitCount {
        reversed.append(digits[Int(value % 58)])
        value /= 58
      }
    }
    while reversed.last == digits[0] { reversed.removeLast() }
    return String(
      decoding: Array(repeating: digits[0], count: zeros) + reversed.reversed(), as: UTF8.self)
  }

  /// The bytes of `text`; `nil` for another character or for more than `limit` characters.
  public static func decode(_ text: String, limit: Int = 16_384) -> [UInt8]? {
    let text = Array(text.utf8)
    guard text.count <= limit else { return nil }
    let zeros = text.prefix { $0 == digits[0] }.count
    // Limbs in base 2^32, least significant first, multiplied by 58^5 for every five digits.
    var limbs: [UInt32] = []
    for start in stride(from: zeros, to: text.count, by: limbDigitCount) {
      var carry: UInt64 = 0
      var factor: UInt64 = 1
      for digit in text[start..<min(start + limbDigitCount, text.count)] {
        let value = values[Int(digit)]
        guard value != 0xFF else { return nil }
        carry = carry * 58 + UInt64(value)
        factor *= 58
      }
      for index in limbs.indices {
        let value = UInt64(limbs[index]) * factor + carry
        limbs[index] = UInt32(truncatingIfNeeded: value)
        carry = value >> 32
      }
      if carry > 0 { limbs.append(UInt32(carry)) }
    }
    var bytes = [UInt8](repeating: 0, count: zeros)
    var significant = false
    for limb in limbs.reversed() {
      for shift: UInt32 in [24, 16, 8, 0] {
        let byte = UInt8(truncatingIfNeeded: limb >> shift)
        significant = significant || byte != 0
        if significant { bytes.append(byte) }
      }
    }
    return bytes
  }
}
