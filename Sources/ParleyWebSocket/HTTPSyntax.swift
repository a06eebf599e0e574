internal import ParleyWire

/// The characters of RFC 9110 and RFC 3986.
enum HTTPSyntax {
  /// `tchar` (RFC 9110 section 5.6.2).
  static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
      UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
      true
    default:
      false
    }
  }

  /// `token` (RFC 9110 section 5.6.2).
  static func isToken(_ text: some StringProtocol) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy(isTokenByte)
  }

  static func isWhitespace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

  /// A byte that may be inside a line of a head: a tab, or no control character.
  static func isTextByte(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\t") || byte >= 0x20 && byte != 0x7F }

  /// How many bytes at the start are ``isTextByte(_:)``; eight a step.
  static func textPrefixCount(_ bytes: RawSpan) -> Int {
    let ones: UInt64 = 0x0101_0101_0101_0101
    var reader = ByteReader(bytes)
    var count = 0
    while let word = reader.readBigEndian(as: UInt64.self) {
      // The top bit of a byte that is below 0x20, or that is 0x7F; of one above such a byte too, perhaps.
      let delete = word ^ (ones &* 0x7F)
      let suspects = (word &- ones &* 0x20) & ~word | (delete &- ones) & ~delete
      guard suspects & (ones &* 0x80) == 0 else { break }
      count &+= 8
    }
    var rest = ByteReader(bytes.extracting(count..<bytes.byteCount))
    while let byte = rest.readUInt8(), isTextByte(byte) { count &+= 1 }
    return count
  }

  static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }

  /// A character that may be in a path or a query (RFC 3986 section 3.3 and 3.4).
  static func isTargetByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\\"), UInt8(ascii: "^"),
      UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: "#"):
      false
    default:
      (0x21...0x7E).contains(byte)
    }
  }

  /// `field-content` of a field that this program sends: visible ASCII and spaces.
  static func isSendableValue(_ text: String) -> Bool {
    text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
  }

  /// A decimal number of at most `maximumDigits` digits, nothing else; `nil` otherwise.
  static func decimal(_ text: some StringProtocol, maximumDigits: Int) -> Int? {
    guard !text.isEmpty, text.utf8.count <= maximumDigits, text.utf8.allSatisfy(isDigit) else { return nil }
    return Int(text)
  }

  /// Splits `host [":" port]`, where the host is a name, an IPv4 address or an IPv6 address in brackets; `nil` if it is
  /// none of them.
  ///
  /// The host comes back without brackets, in lower case.
  static func hostAndPort(_ text: some StringProtocol) -> (host: String, port: UInt16?)? {
    var rest = Substring(text)
    var host: Substring
    if rest.first == "[" {
      guard let end = rest.firstIndex(of: "]") else { return nil }
      host = rest[rest.index(after: rest.startIndex)..<end]
      rest = rest[rest.index(after: end)...]
      guard host.contains(":"),
        host.utf8.allSatisfy({ isDigit($0) || isLetter($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") })
      else { return nil }
    } else {
      host = rest.prefix { $0 != ":" }
      rest = rest.dropFirst(host.count)
      guard !host.isEmpty, host.utf8.count <= 253, host.first != "-", host.first != ".",
        host.utf8.allSatisfy({
          isDigit($0) || isLetter($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_")
        })
      else { return nil }
    }
    guard let colon = rest.first else { return (host.lowercased(), nil) }
    guard colon == ":", let number = decimal(rest.dropFirst(), maximumDigits: 5), let port = UInt16(exactly: number)
    else { return nil }
    return (host.lowercased(), port)
  }
}
