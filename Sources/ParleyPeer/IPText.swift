/// IP addresses as text, without the system's help.
enum IPText {
  /// A decimal number without superfluous zeros or a sign, at most `limit`.
  static func decimal(_ digits: Substring.UTF8View, limit: Int) -> Int? {
    guard (1...5).contains(digits.count), digits.first != UInt8(ascii: "0") || digits.count == 1 else { return nil }
    var value = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return value <= limit ? value : nil
  }

  /// Four decimal numbers and dots between them (RFC 6943 section 3.1.1, the strict form).
  static func v4(_ text: some StringProtocol) -> [UInt8]? {
    let parts = Substring(text).utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bytes: [UInt8] = []
    for part in parts {
      guard let number = decimal(part, limit: 255) else { return nil }
      bytes.append(UInt8(number))
    }
    return bytes
  }

  /// The text of four bytes.
  static func v4(_ bytes: [UInt8]) -> String { bytes.map(String.init).joined(separator: ".") }

  /// Groups in hexadecimal and colons between them, `::` once for groups of zeros, an IPv4 address for the last two (RFC
  /// 4291 section 2.2).
  static func v6(_ text: String) -> [UInt8]? {
    var halves: [[UInt8]] = []
    var rest = Array(text.utf8)[...]
    let gap = rest.indices.first { rest[$0...].starts(with: [UInt8(ascii: ":"), UInt8(ascii: ":")]) }
    if let gap {
      guard let head = groups(rest[..<gap], endsAddress: false) else { return nil }
      halves.append(head)
      rest = rest[(gap + 2)...]
    }
    guard let tail = groups(rest, endsAddress: true) else { return nil }
    halves.append(tail)
    let count = halves.reduce(0) { $0 + $1.count }
    guard let head = halves.first, halves.count == 2 else { return count == 16 ? tail : nil }
    // The gap is for one group at least.
    return count <= 14 ? head + [UInt8](repeating: 0, count: 16 - count) + tail : nil
  }

  private static func groups(_ text: ArraySlice<UInt8>, endsAddress: Bool) -> [UInt8]? {
    guard !text.isEmpty else { return [] }
    let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    var bytes: [UInt8] = []
    for (index, part) in parts.enumerated() {
      if endsAddress, index == parts.count - 1, part.contains(UInt8(ascii: ".")) {
        guard let address = v4(String(decoding: part, as: UTF8.self)) else { return nil }
        bytes += address
        continue
      }
      guard (1...4).contains(part.count), part.allSatisfy({ hexValue($0) != nil }) else { return nil }
      let value = part.reduce(0) { $0 << 4 | (hexValue($1) ?? 0) }
      bytes += [UInt8(value >> 8), UInt8(value & 0xFF)]
    }
    return bytes
  }

  private static func hexValue(_ digit: UInt8) -> Int? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(digit - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): Int(digit - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): Int(digit - UInt8(ascii: "A") + 10)
    case _: nil
    }
  }

  /// The text of sixteen bytes: small letters, the longest run of two zero groups or more left out, the first of several as
  /// long, and addresses of IPv4 in decimal (RFC 5952).
  static func v6(_ bytes: [UInt8]) -> String {
    if bytes.starts(with: [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]) {
      return "::ffff:" + v4(Array(bytes.suffix(4)))
    }
    let groups = stride(from: 0, to: bytes.count, by: 2).map { Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]) }
    var longest = 0..<0
    var start = 0
    while start < groups.count {
      let end = groups[start...].firstIndex { $0 != 0 } ?? groups.count
      if end - start > max(longest.count, 1) { longest = start..<end }
      start = max(end, start + 1)
    }
    let text = { (groups: ArraySlice<Int>) in groups.map { String($0, radix: 16) }.joined(separator: ":") }
    return longest.isEmpty
      ? text(groups[...]) : text(groups[..<longest.lowerBound]) + "::" + text(groups[longest.upperBound...])
  }
}
