import ParleyWire
import Testing

private func parse(_ text: String, _ limits: JSONLimits = JSONLimits()) throws(JSONError) -> JSONValue {
  try JSONValue.parse(Array(text.utf8), limits: limits)
}

@Suite("JSON parsing")
struct JSONParsingTests {
  static let values: [(String, JSONValue)] = [
    ("null", JSONValue.null), ("true", true), (" false\n", false), ("0", 0), ("-1", -1), ("10", 10),
    ("9223372036854775807", 9_223_372_036_854_775_807), ("-9223372036854775808", -9_223_372_036_854_775_808),
    ("9223372036854775808", .number(9_223_372_036_854_775_808)), ("-0", .number(-0.0)), ("-0.0", .number(-0.0)),
    ("1.5", 1.5), ("1e2", .number(100)), ("1E-2", 0.01), ("1.0", .number(1)), ("0.1", 0.1),
    ("0.30000000000000004", 0.30000000000000004), ("123456789012345678", 123_456_789_012_345_678),
    ("2.2250738585072014e-308", .number(0x1p-1022)), ("4.9e-324", .number(0x1p-1074)),
    ("1.7976931348623157e308", .number(.greatestFiniteMagnitude)), ("1e-999", .number(0)),
    ("9007199254740993.0", .number(9_007_199_254_740_992)), ("0.000000000000000000000001", 1e-24),
    ("\"\"", ""), (#""a\"\\\/\b\f\n\r\tz""#, "a\"\\/\u{8}\u{C}\n\r\tz"),
    (#""\u00e9\uD83C\uDF7A\u0000""#, "\u{E9}\u{1F37A}\0"),
    ("\"\u{E9}\u{1F37A}\u{7F}\u{2028}\"", "\u{E9}\u{1F37A}\u{7F}\u{2028}"),
    ("[]", []), ("[ ]", []), ("{}", [:]), ("[1,[2],{\"a\":[3]}]", [1, [2], ["a": [3]]]),
    ("\t{ \"b\" : 1 ,\r\n \"a\" : null }", ["b": 1, "a": .null]),
  ]

  @Test("known values", arguments: values)
  func known(text: String, value: JSONValue) throws {
    #expect(try parse(text) == value)
  }

  @Test func negativeZeroKeepsItsSign() throws {
    #expect(try parse("-0").doubleValue?.sign == .minus)
    #expect(try parse("-0e0").doubleValue?.sign == .minus)
  }

  @Test("order is kept, names compare by bytes")
  func members() throws {
    let value = try parse(#"{"z":1,"a":2,"\u212a":3,"K":4}"#)
    #expect(value.objectValue?.keys.map { Array($0.utf8) } == ["z", "a", "\u{212A}", "K"].map { Array($0.utf8) })
    #expect(value["K"] == 4)
    #expect(value["\u{212A}"] == 3)
    #expect(value["k"] == nil)
  }

  @Test(
    "a cut text is never a value",
    arguments: [
      #"{"a":[1,-2.5e+3,true,false,null,"x\u00e9\n"],"b":{"c":{}}}"#, #""\uD83C\uDF7A""#, "[null]",
    ])
  func cut(text: String) throws {
    _ = try parse(text)
    let bytes = Array(text.utf8)
    for offset in 0..<bytes.count {
      #expect(throws: JSONError.self, "cut at \(offset)") { try JSONValue.parse(Array(bytes[..<offset])) }
    }
  }

  @Test(
    "refusals",
    arguments: [
      ("", JSONError.unexpectedEnd), (" ", .unexpectedEnd), ("nul", .unexpectedEnd),
      ("nulL", .unexpectedByte(0x4C, offset: 3)),
      ("null null", .trailingBytes(offset: 5)), ("[1,]", .unexpectedByte(0x5D, offset: 3)),
      ("[1 2]", .unexpectedByte(0x32, offset: 3)), ("[,1]", .unexpectedByte(0x2C, offset: 1)),
      ("{\"a\":1,}", .unexpectedByte(0x7D, offset: 7)), ("{a:1}", .unexpectedByte(0x61, offset: 1)),
      ("{\"a\" 1}", .unexpectedByte(0x31, offset: 5)), ("{1:1}", .unexpectedByte(0x31, offset: 1)),
      ("[1}", .unexpectedByte(0x7D, offset: 2)), ("]", .unexpectedByte(0x5D, offset: 0)),
      ("01", .trailingBytes(offset: 1)), ("-", .unexpectedEnd), ("-a", .unexpectedByte(0x61, offset: 1)),
      ("+1", .unexpectedByte(0x2B, offset: 0)), (".5", .unexpectedByte(0x2E, offset: 0)), ("1.", .unexpectedEnd),
      ("1.e1", .unexpectedByte(0x65, offset: 2)), ("1e", .unexpectedEnd), ("1e+", .unexpectedEnd),
      ("0x10", .trailingBytes(offset: 1)), ("NaN", .unexpectedByte(0x4E, offset: 0)),
      ("Infinity", .unexpectedByte(0x49, offset: 0)), ("1e309", .numberOutOfRange(offset: 0)),
      ("[-1e999]", .numberOutOfRange(offset: 1)), ("'a'", .unexpectedByte(0x27, offset: 0)),
      ("\"\u{1F}\"", .unexpectedByte(0x1F, offset: 1)), ("\"\\n\n\"", .unexpectedByte(0x0A, offset: 3)),
      (#""\x""#, .invalidEscape(offset: 2)), (#""\u12g4""#, .invalidEscape(offset: 5)),
      (#""\u123"#, .unexpectedEnd), (#""\ud800""#, .unpairedSurrogate(offset: 2)),
      (#""\udc00""#, .unpairedSurrogate(offset: 2)), (#""\ud800\n""#, .unpairedSurrogate(offset: 2)),
      (#""\ud800\ud800""#, .unpairedSurrogate(offset: 2)), ("// c\n1", .unexpectedByte(0x2F, offset: 0)),
      ("\u{FEFF}1", .unexpectedByte(0xEF, offset: 0)), ("\u{A0}1", .unexpectedByte(0xC2, offset: 0)),
      (#"{"a":1,"a":1}"#, .duplicateKey("a")), (#"{"a":1,"\u0061":2}"#, .duplicateKey("a")),
    ])
  func refused(text: String, error: JSONError) {
    #expect(throws: error) { try parse(text) }
  }

  @Test(
    "strings must be UTF-8", arguments: ["22ff22", "22c32822", "22eda08022", "22c08022", "22f490808022", "22e28222"])
  func notUTF8(hex: String) throws {
    let bytes = try #require([UInt8](hex: hex))
    #expect(throws: JSONError.notUTF8(offset: 1)) { try JSONValue.parse(bytes) }
    // The same after an escape, where the text is collected differently.
    let escaped = [0x22, 0x5C, 0x6E] + bytes.dropFirst()
    #expect(throws: JSONError.notUTF8(offset: 1)) { try JSONValue.parse(escaped) }
  }

  @Test("duplicate names are found among few and among many", arguments: [2, 23, 24, 25, 26, 200])
  func duplicates(count: Int) throws {
    let names = (0..<count).map { "\"k\($0)\":0" }
    _ = try parse("{" + names.joined(separator: ",") + "}")
    for repeated in [0, count / 2, count - 1] {
      let text = "{" + (names + [names[repeated]]).joined(separator: ",") + "}"
      #expect(throws: JSONError.duplicateKey("k\(repeated)")) { try parse(text) }
    }
  }

  @Test("each limit holds at the limit and one past it")
  func limits() throws {
    var limits = JSONLimits(byteCount: 4, depth: 2, numberByteCount: 3)
    #expect(try parse("[  ]", limits) == [])
    #expect(throws: JSONError.tooLong(5, limit: 4)) { try parse("[   ]", limits) }
    #expect(try parse("[[]]", limits) == [[]])
    #expect(try parse("-1.0 ".dropLast(1).description, JSONLimits(numberByteCount: 4)) == .number(-1))
    #expect(throws: JSONError.numberOutOfRange(offset: 0)) { try parse("-1.0", limits) }
    limits.byteCount = 100
    #expect(throws: JSONError.tooDeep(limit: 2, offset: 2)) { try parse("[[[]]]", limits) }
    #expect(throws: JSONError.tooDeep(limit: 2, offset: 5)) { try parse("[{\"\":[]}]", limits) }
    // Siblings do not add up.
    #expect(try parse("[[],[],{}]", limits) == [[], [], [:]])
    #expect(throws: JSONError.tooDeep(limit: 0, offset: 0)) { try parse("{}", JSONLimits(depth: 0)) }
    let nested = String(repeating: "[", count: 16) + String(repeating: "]", count: 16)
    _ = try parse(nested)
    #expect(throws: JSONError.tooDeep(limit: 16, offset: 16)) { try parse("[" + nested + "]") }
    let deepest = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)
    _ = try parse(deepest, JSONLimits(depth: 512))
  }

  @Test("looking inside")
  func accessors() throws {
    let value = try parse(#"{"a":[true,1.0,"x"],"n":9007199254740993,"h":0.5,"big":1e300}"#)
    #expect(value["a"]?[0]?.boolValue == true)
    #expect(value["a"]?[1]?.int64Value == 1)
    #expect(value["a"]?[2]?.stringValue == "x")
    #expect(value["a"]?[3] == nil)
    #expect(value["a"]?[-1] == nil)
    #expect(value["n"]?.int64Value == 9_007_199_254_740_993)
    #expect(value["n"]?.doubleValue == 9_007_199_254_740_992)
    #expect(value["h"]?.int64Value == nil)
    #expect(value["big"]?.int64Value == nil)
    #expect(value["h"]?.stringValue == nil)
    #expect(value[0] == nil)
    #expect(value["a"]?["a"] == nil)
  }

  @Test("members can be set, replaced and removed")
  func editing() {
    var object: JSONObject = ["a": 1, "b": 2]
    object["a"] = "x"
    object["c"] = .null
    #expect(object.keys == ["a", "b", "c"])
    object["b"] = nil
    object["zz"] = nil
    #expect(JSONValue.object(object).serialized() == #"{"a":"x","c":null}"#)
    #expect(JSONValue.object(["a": 1, "b": 2]) != ["b": 2, "a": 1])
  }
}
