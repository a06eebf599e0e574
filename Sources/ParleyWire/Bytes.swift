extension Array where Element == UInt8 {
  /// Copies bytes that someone else owns.
  public init(_ span: RawSpan) {
    self = unsafe span.withUnsafeBytes { unsafe [UInt8]($0) }
  }

  /// Appends an integer in network order.
  public mutating func appendBigEndian<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
    unsafe Swift.withUnsafeBytes(of: value.bigEndian) { unsafe append(contentsOf: $0) }
  }

  /// Appends a `u16` length and then the bytes: the `LP(x)` of the protocol pages.
  ///
  /// - Precondition: `bytes.count <= 65535`.
  public mutating func appendLengthPrefixed(_ bytes: [UInt8]) {
    precondition(bytes.count <= Int(UInt16.max))
    appendBigEndian(UInt16(bytes.count))
    append(contentsOf: bytes)
  }

  /// Appends bytes that someone else owns.
  public mutating func append(contentsOf span: RawSpan) {
    unsafe span.withUnsafeBytes { unsafe append(contentsOf: $0) }
  }

  /// Lower-case hexadecimal, two digits a byte.
  public var hex: String {
    let digits: [UInt8] = Array("0123456789abcdef".utf8)
    var text = [UInt8]()
    text.reserveCapacity(count * 2)
    for byte in self {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 0x0F)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Reads hexadecimal of either case; `nil` for an odd length or another character.
  public init?(hex: some StringProtocol) {
    let text = Array(hex.utf8)
    guard text.count.isMultiple(of: 2) else { return nil }
    self.init()
    reserveCapacity(text.count / 2)
    for index in stride(from: 0, to: text.count, by: 2) {
      guard let high = Self.hexValue(text[index]), let low = Self.hexValue(text[index + 1]) else { return nil }
      append(high << 4 | low)
    }
  }

  private static func hexValue(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
