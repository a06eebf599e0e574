/// Base 36 in small letters, as multibase `k` writes it: a number whose leading `0`s are leading zero bytes.
///
/// The conversion takes time in the square of the length, so it has a limit.
public enum Base36 {
  /// The bytes of `text`; `nil` for another character or for more than `limit` characters.
  public static func decode(_ text: some StringProtocol, limit: Int) -> [UInt8]? {
    guard text.utf8.count <= limit else { return nil }
    // The number, least significant byte first.
    var number: [UInt8] = []
    for digit in text.utf8 {
      var carry: Int
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): carry = Int(digit - UInt8(ascii: "0"))
      case UInt8(ascii: "a")...UInt8(ascii: "z"): carry = Int(digit - UInt8(ascii: "a")) + 10
      case _: return nil
      }
      for index in number.indices {
        carry += 36 * Int(number[index])
        number[index] = UInt8(truncatingIfNeeded: carry)
        carry >>= 8
      }
      if carry > 0 { number.append(UInt8(truncatingIfNeeded: carry)) }
    }
    let zeros = text.utf8.prefix { $0 == UInt8(ascii: "0") }.count
    return [UInt8](repeating: 0, count: zeros) + number.reversed()
  }
}
