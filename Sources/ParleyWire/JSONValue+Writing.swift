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
    case .integer(let value): append(isCanonical ? ECMAScriptNumber.text(Double(value)) : String(value))
    case .number(let value):
      precondition(value.isFinite || !isCanonical, "JCS has no form for a number that is not finite")
      append(value.isFinite ? ECMAScriptNumber.text(value) : "null")
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
    members.sorted { $0.key.utf16.lexicographicallyPrecedes($1.key.utf16) }
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
    bytes.append(UInt8(ascii: "\""))
  }
}

/// Numbers as ECMAScript writes them (ECMA-262, Number::toString), which RFC 8785 takes over.
enum ECMAScriptNumber {
  /// The text of a finite number: the fewest digits that read back as it, and of these the nearest.
  static func text(_ value: Double) -> String {
    if value == 0 { return "0" }
    let (digits, point) = decimal(value.magnitude)
    let sign = value < 0 ? "-" : ""
    let count = digits.utf8.count
    if count <= point, point <= 21 {
      return sign + digits + String(repeating: "0", count: point - count)
    }
    if (1...21).contains(point) { return sign + digits.prefix(point) + "." + digits.dropFirst(point) }
    if (-5...0).contains(point) { return sign + "0." + String(repeating: "0", count: -point) + digits }
    let exponent = point - 1
    let fraction = count > 1 ? "." + digits.dropFirst() : ""
    return sign + digits.prefix(1) + fraction + (exponent < 0 ? "e-" : "e+") + String(exponent.magnitude)
  }

  /// The shortest digits without zeros at either end, and where the decimal point stands among them: the value is
  /// 0.digits times ten to that power.
  private static func decimal(_ magnitude: Double) -> (digits: String, point: Int) {
    // Swift's own description has the same digits and differs only in where it puts the point.
    let parts = magnitude.description.split(separator: "e")
    var exponent = 0
    if parts.count > 1 { exponent = Int(parts[1]) ?? 0 }
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    var digits = Array(mantissa[0].utf8)
    var point = digits.count + exponent
    if mantissa.count > 1 { digits += Array(mantissa[1].utf8) }
    let zero = UInt8(ascii: "0")
    let leading = digits.prefix { $0 == zero }.count
    digits.removeFirst(leading)
    point -= leading
    while digits.last == zero { digits.removeLast() }
    return (String(decoding: digits, as: UTF8.self), point)
  }
}
