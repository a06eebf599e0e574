extension JSONValue {
  /// Reads one JSON text: RFC 8259 to the letter, UTF-8 without a byte order mark, no member twice in an object, no
  /// half surrogate pairs (the last two are RFC 7493).
  public static func parse(_ bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) -> JSONValue {
    guard bytes.count <= limits.byteCount else { throw .tooLong(bytes.count, limit: limits.byteCount) }
    var parser = JSONParser(bytes.span, limits: limits)
    return try parser.parse()
  }
}

/// One pass over the bytes of a text.
private struct JSONParser: ~Copyable, ~Escapable {
  private let bytes: Span<UInt8>
  private let limits: JSONLimits
  private var position = 0
  private var depth = 0

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, limits: JSONLimits) {
    self.bytes = bytes
    self.limits = limits
  }

  mutating func parse() throws(JSONError) -> JSONValue {
    let value = try value()
    skipWhitespace()
    guard position == bytes.count else { throw .trailingBytes(offset: position) }
    return value
  }

  // MARK: Values

  private mutating func value() throws(JSONError) -> JSONValue {
    skipWhitespace()
    guard let byte = peek() else { throw .unexpectedEnd }
    switch byte {
    case UInt8(ascii: "\""):
      position += 1
      return .string(try string())
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["): return try array()
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: throw .unexpectedByte(byte, offset: position)
    }
  }

  private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
    for expected in word.description.utf8 { try expect(expected) }
    return value
  }

  private mutating func array() throws(JSONError) -> JSONValue {
    try descend()
    var elements: [JSONValue] = []
    if !takeIfNext(UInt8(ascii: "]")) {
      while true {
        elements.append(try value())
        if takeIfNext(UInt8(ascii: "]")) { break }
        try expect(UInt8(ascii: ","))
      }
    }
    depth -= 1
    return .array(elements)
  }

  private mutating func object() throws(JSONError) -> JSONValue {
    try descend()
    var members: [JSONObject.Member] = []
    var names = NameSet()
    if !takeIfNext(UInt8(ascii: "}")) {
      while true {
        skipWhitespace()
        try expect(UInt8(ascii: "\""))
        let key = try string()
        guard names.insert(key, members) else { throw .duplicateKey(key) }
        skipWhitespace()
        try expect(UInt8(ascii: ":"))
        members.append(JSONObject.Member(key: key, value: try value()))
        if takeIfNext(UInt8(ascii: "}")) { break }
        try expect(UInt8(ascii: ","))
      }
    }
    depth -= 1
    return .object(JSONObject(unique: members))
  }

  /// Enters an array or an object: its first byte is consumed.
  private mutating func descend() throws(JSONError) {
    guard depth < limits.depth else { throw .tooDeep(limit: limits.depth, offset: position) }
    depth += 1
    position += 1
  }

  // MARK: Strings

  /// Reads a string whose opening quotation mark has been consumed.
  private mutating func string() throws(JSONError) -> String {
    let start = position
    while let byte = peek() {
      switch byte {
      case UInt8(ascii: "\""):
        let text = try text(start..<position)
        position += 1
        return text
      case UInt8(ascii: "\\"): return try stringWithEscapes(from: start)
      case 0..<0x20: throw .unexpectedByte(byte, offset: position)
      default: position += 1
      }
    }
    throw .unexpectedEnd
  }

  private func text(_ range: Range<Int>) throws(JSONError) -> String {
    do {
      return String(copying: try UTF8Span(validating: bytes.extracting(range)))
    } catch {
      throw .notUTF8(offset: range.lowerBound)
    }
  }

  /// Goes on with a string whose first backslash is next.
  private mutating func stringWithEscapes(from start: Int) throws(JSONError) -> String {
    var text: [UInt8] = []
    for index in start..<position { text.append(bytes[index]) }
    while let byte = peek() {
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        guard let string = String(validating: text, as: UTF8.self) else { throw .notUTF8(offset: start) }
        return string
      case UInt8(ascii: "\\"):
        position += 1
        try escape(into: &text)
      case 0..<0x20: throw .unexpectedByte(byte, offset: position)
      default:
        text.append(byte)
        position += 1
      }
    }
    throw .unexpectedEnd
  }

  /// Reads what follows a backslash.
  private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
    guard let byte = peek() else { throw .unexpectedEnd }
    let offset = position
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      var scalar = UInt32(try codeUnit())
      if (0xD800...0xDBFF).contains(scalar) {
        guard peek() == UInt8(ascii: "\\") else { throw .unpairedSurrogate(offset: offset) }
        position += 1
        guard peek() == UInt8(ascii: "u") else { throw .unpairedSurrogate(offset: offset) }
        position += 1
        let low = UInt32(try codeUnit())
        guard (0xDC00...0xDFFF).contains(low) else { throw .unpairedSurrogate(offset: offset) }
        scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(scalar) else { throw .unpairedSurrogate(offset: offset) }
      text.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    default: throw .invalidEscape(offset: offset)
    }
  }

  /// Reads four hexadecimal digits.
  private mutating func codeUnit() throws(JSONError) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = peek() else { throw .unexpectedEnd }
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      default: throw .invalidEscape(offset: position)
      }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }

  // MARK: Numbers

  /// Powers of ten that a double holds exactly.
  private static let powersOfTen: [Double] = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
  ]

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = position
    let isNegative = peek() == UInt8(ascii: "-")
    if isNegative { position += 1 }
    // All digits as one integer while they fit; `fits` says whether it is still exact.
    var digits: UInt64 = 0
    var fits = true
    if peek() == UInt8(ascii: "0") {
      position += 1
    } else {
      try self.digits(into: &digits, &fits)
    }
    var fractionDigitCount = 0
    var isInteger = true
    if peek() == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      let fractionStart = position
      try self.digits(into: &digits, &fits)
      fractionDigitCount = position - fractionStart
    }
    var hasExponent = false
    if let byte = peek(), byte | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      hasExponent = true
      position += 1
      if let sign = peek(), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { position += 1 }
      var exponent: UInt64 = 0
      var exponentFits = true
      try self.digits(into: &exponent, &exponentFits)
    }
    guard position - start <= limits.numberByteCount else { throw .numberOutOfRange(offset: start) }
    if isInteger, fits, let integer = Self.integer(digits, isNegative: isNegative) { return .integer(integer) }
    if !hasExponent, fits, digits < 1 << 53, fractionDigitCount < Self.powersOfTen.count {
      // Both operands are exact, so the one rounding is the right one (Clinger 1990).
      let magnitude = Double(digits) / Self.powersOfTen[fractionDigitCount]
      return .number(isNegative ? -magnitude : magnitude)
    }
    guard let value = Double(try text(start..<position)), value.isFinite else {
      throw .numberOutOfRange(offset: start)
    }
    return .number(value)
  }

  /// The integer of that sign and magnitude; `nil` where it does not fit or is the negative zero, which is a double.
  private static func integer(_ magnitude: UInt64, isNegative: Bool) -> Int64? {
    guard isNegative else { return Int64(exactly: magnitude) }
    guard magnitude > 0, magnitude <= Int64.min.magnitude else { return nil }
    return Int64(truncatingIfNeeded: 0 &- magnitude)
  }

  /// Reads one digit or more.
  private mutating func digits(into number: inout UInt64, _ fits: inout Bool) throws(JSONError) {
    let start = position
    while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      let (tenfold, overflow) = number.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tenfold.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
      number = sum
      fits = fits && !overflow && !carry
      position += 1
    }
    guard position > start else {
      guard let byte = peek() else { throw .unexpectedEnd }
      throw .unexpectedByte(byte, offset: position)
    }
  }

  // MARK: Bytes

  private func peek() -> UInt8? {
    position < bytes.count ? bytes[position] : nil
  }

  private mutating func expect(_ expected: UInt8) throws(JSONError) {
    guard let byte = peek() else { throw .unexpectedEnd }
    guard byte == expected else { throw .unexpectedByte(byte, offset: position) }
    position += 1
  }

  /// Skips whitespace, and then this byte if it is next.
  private mutating func takeIfNext(_ byte: UInt8) -> Bool {
    skipWhitespace()
    guard peek() == byte else { return false }
    position += 1
    return true
  }

  private mutating func skipWhitespace() {
    while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }
}

/// The names that an object has had so far: a look at each for few of them, a hashed set for many.
private struct NameSet {
  private var hashed: Set<[UInt8]> = []
  private static let few = 24

  /// Whether `key` is a new name, where `members` are those so far.
  mutating func insert(_ key: String, _ members: [JSONObject.Member]) -> Bool {
    if members.count < Self.few { return !members.contains { $0.key.hasSameBytes(as: key) } }
    if hashed.isEmpty { hashed = Set(members.map { Array($0.key.utf8) }) }
    return hashed.insert(Array(key.utf8)).inserted
  }
}
