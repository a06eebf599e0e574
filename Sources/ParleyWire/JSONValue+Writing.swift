extension JSONValue {
  /// The value as text: members in their order, no spaces unless `pretty` asks for two a level.
  ///
  /// Integers are exact, numbers as ECMAScript writes them; one that is not finite becomes `null`.
  public func serialized(pretty: Bool = false) -> String {
    var writer = JSONWriter(indentation: pretty ? 0 : nil, isCanonical: false)
    writer.append(self)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  /// The one text that RFC 8785 (JCS) gives this value: members sorted by their UTF-16 code units, every number the
  /// double that ECMAScript would hold.
  ///
  /// - Precondition: every number is finite, as every parsed one is.
  public func canonical() -> [UInt8] {
    var writer = JSONWriter(indentation: nil, isCanonical: true)
    writer.append(self)
    return writer.bytes
  }
}

private struct JSONWriter {
  var bytes: [UInt8] = []
  /// Spaces at the start of a line; `nil` for everything on one.
  var indentation: Int?
  let isCanonical: Bool

  mutating func append(_ value: JSONValue) {
    switch value {
    case .null: append("null")
    case .bool(let value): append(value ? "true" : "false")
    case .integer(let value) where isCanonical: ECMAScriptNumber.append(Double(value), to: &bytes)
    case .integer(let value): append(String(value))
    case .number(let value):
      precondition(value.isFinite || !isCanonical, "JCS has no form for a number that is not finite")
      if value.isFinite { ECMAScriptNumber.append(value, to: &bytes) } else { append("null") }
    case .string(let value): appendQuoted(value)
    case .array(let elements):
      appendList("[", elements, "]") { writer, element in writer.append(element) }
    case .object(let object):
      appendList("{", isCanonical ? Self.sorted(object.members) : object.members, "}") { writer, member in
        writer.appendQuoted(member.key)
        writer.append(writer.indentation == nil ? ":" : ": ")
        writer.append(member.value)
      }
    }
  }

  private static func sorted(_ members: [JSONObject.Member]) -> [JSONObject.Member] {
    let keyed = members.map { (units: Array($0.key.utf16), member: $0) }
    return keyed.sorted { $0.units.lexicographicallyPrecedes($1.units) }.map(\.member)
  }

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  private mutating func appendList<Element>(
    _ open: String, _ elements: [Element], _ close: String, _ append: (inout JSONWriter, Element) -> Void
  ) {
    self.append(open)
    if let level = indentation { indentation = level + 2 }
    for (index, element) in elements.enumerated() {
      if index > 0 { self.append(",") }
      newline()
      append(&self, element)
    }
    if let level = indentation { indentation = level - 2 }
    if !elements.isEmpty { newline() }
    self.append(close)
  }

  private mutating func newline() {
    guard let indentation else { return }
    bytes.append(0x0A)
    bytes.append(contentsOf: repeatElement(0x20, count: indentation))
  }

  private mutating func appendQuoted(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    defer { bytes.append(UInt8(ascii: "\"")) }
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
      append(text)
      return
    }
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): append("\\\"")
      case UInt8(ascii: "\\"): append("\\\\")
      case 0x08: append("\\b")
      case 0x09: append("\\t")
      case 0x0A: append("\\n")
      case 0x0C: append("\\f")
      case 0x0D: append("\\r")
      case 0..<0x20: append("\\u00" + [byte].hex)
      default: bytes.append(byte)
      }
    }
  }
}

/// Numbers as ECMAScript writes them (ECMA-262, Number::toString), which RFC 8785 takes over.
enum ECMAScriptNumber {
  private static let zero = UInt8(ascii: "0")

  /// Appends a finite number: the fewest digits that read back as it, and of these the nearest.
  static func append(_ value: Double, to text: inout [UInt8]) {
    if value == 0 {
      text.append(zero)
      return
    }
    let (digits, point) = decimal(value.magnitude)
    if value < 0 { text.append(UInt8(ascii: "-")) }
    let count = digits.count
    if count <= point, point <= 21 {
      text.append(contentsOf: digits)
      text.append(contentsOf: repeatElement(zero, count: point - count))
    } else if (1...21).contains(point) {
      text.append(contentsOf: digits[..<point])
      text.append(UInt8(ascii: "."))
      text.append(contentsOf: digits[point...])
    } else if (-5...0).contains(point) {
      text.append(contentsOf: "0.".utf8)
      text.append(contentsOf: repeatElement(zero, count: -point))
      text.append(contentsOf: digits)
    } else {
      text.append(digits[0])
      if count > 1 {
        text.append(UInt8(ascii: "."))
        text.append(contentsOf: digits[1...])
      }
      text.append(contentsOf: (point < 1 ? "e-" : "e+").utf8)
      text.append(contentsOf: String((point - 1).magnitude).utf8)
    }
  }

  /// The shortest digits without zeros at either end, and where the decimal point stands among them: the value is
  /// 0.digits times ten to that power.
  private static func decimal(_ magnitude: Double) -> (digits: [UInt8], point: Int) {
    // Swift's own description has the same digits and differs only in where it puts the point.
    var digits: [UInt8] = []
    digits.reserveCapacity(24)
    var leadingZeros = 0
    var integerDigitCount: Int?
    var exponent = 0
    var exponentSign: Int?
    for byte in magnitude.description.utf8 {
      switch byte {
      case UInt8(ascii: "."): integerDigitCount = digits.count + leadingZeros
      case UInt8(ascii: "e"), UInt8(ascii: "+"): exponentSign = 1
      case UInt8(ascii: "-"): exponentSign = -1
      case _ where exponentSign != nil: exponent = exponent * 10 + Int(byte - zero)
      case zero where digits.isEmpty: leadingZeros += 1
      default: digits.append(byte)
      }
    }
    let point = (integerDigitCount ?? digits.count + leadingZeros) - leadingZeros + exponent * (exponentSign ?? 1)
    while digits.last == zero { digits.removeLast() }
    return (digits, point)
  }
}
