import ParleyWire
import TestSupport
import Testing

@Suite("JSON writing")
struct JSONWritingTests {
  @Test func compactAndPretty() {
    let value: JSONValue = ["b": [1, "x", []], "a": [:], "c": ["d": .null]]
    #expect(value.serialized() == #"{"b":[1,"x",[]],"a":{},"c":{"d":null}}"#)
    #expect(
      value.serialized(pretty: true) == """
        {
          "b": [
            1,
            "x",
            []
          ],
          "a": {},
          "c": {
            "d": null
          }
        }
        """)
  }

  @Test func escapes() {
    #expect(
      JSONValue.string("\"\\/\u{8}\t\n\u{C}\r\u{1F}\u{7F}\u{E9}").serialized() == #""\"\\/\b\t\n\f\r\u001f"#
        + "\u{7F}\u{E9}\"")
  }

  /// ECMA-262's own forms, at both sides of each change of form.
  @Test(arguments: [
    (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-1.5, "-1.5"), (100, "100"),
    (123_456_789_012_345_683_968, "123456789012345680000"),
    (999_999_999_999_999_868_928, "999999999999999900000"), (1e21, "1e+21"), (1.5e21, "1.5e+21"),
    (0.000001, "0.000001"),
    (0.0000015, "0.0000015"), (0.0000001, "1e-7"), (1.25e-7, "1.25e-7"), (0x1p-1074, "5e-324"),
    (.greatestFiniteMagnitude, "1.7976931348623157e+308"), (333333333.33333329, "333333333.3333333"), (0.1, "0.1"),
    (4.5, "4.5"), (2e-3, "0.002"), (1e-27, "1e-27"), (9007199254740994, "9007199254740994"),
    (1e16, "10000000000000000"),
  ])
  func numbers(value: Double, text: String) {
    #expect(JSONValue.number(value).serialized() == text)
    #expect(String(decoding: JSONValue.number(value).canonical(), as: UTF8.self) == text)
  }

  @Test("integers are exact, but canonical JSON holds doubles")
  func integers() {
    #expect(JSONValue.integer(.min).serialized() == "-9223372036854775808")
    #expect(JSONValue.integer(9_007_199_254_740_993).serialized() == "9007199254740993")
    #expect(JSONValue.integer(9_007_199_254_740_993).canonical() == Array("9007199254740992".utf8))
  }

  @Test func whatIsNotFinite() {
    #expect(JSONValue.array([.number(.nan), .number(.infinity)]).serialized() == "[null,null]")
  }

  @Test("canonical names sort by UTF-16, not by code point")
  func sorting() {
    let value: JSONValue = ["\u{FB33}": 1, "\u{1F600}": 2, "b": 3, "a": 4, "": 5]
    #expect(
      String(decoding: value.canonical(), as: UTF8.self) == "{\"\":5,\"a\":4,\"b\":3,\"\u{1F600}\":2,\"\u{FB33}\":1}")
  }

  @Test("what is written parses to the same value")
  func roundTrips() throws {
    var random = SplitMix64(seed: 8259)
    for round in 0..<300 {
      let value = Self.value(&random, depth: 4)
      let text = Array(value.serialized().utf8)
      #expect(try JSONValue.parse(text) == value, "seed 8259, round \(round)")
      #expect(try JSONValue.parse(Array(value.serialized(pretty: true).utf8)) == value, "seed 8259, round \(round)")
      let canonical = value.canonical()
      #expect(try JSONValue.parse(canonical).canonical() == canonical, "seed 8259, round \(round)")
    }
  }

  @Test("every double parses back from its text")
  func doubles() throws {
    var random = SplitMix64(seed: 754)
    for round in 0..<20_000 {
      let value = Double(bitPattern: random.next())
      guard value.isFinite else { continue }
      let parsed = try JSONValue.parse(Array(JSONValue.number(value).serialized().utf8)).doubleValue
      #expect(parsed == value, "seed 754, round \(round)")
    }
  }

  private static func value(_ random: inout SplitMix64, depth: Int) -> JSONValue {
    switch random.next() % (depth > 0 ? 8 : 5) {
    case 0: return .null
    case 1: return .bool(random.next() % 2 == 0)
    case 2: return .integer(Int64(truncatingIfNeeded: random.next()))
    case 3:
      // One that is no integer, because an integer reads back as one.
      return .number(Double(random.next() % 1_000_000) + 0.5)
    case 4: return .string(text(&random))
    case 5, 6: return .array((0..<random.next() % 5).map { _ in value(&random, depth: depth - 1) })
    default:
      var object = JSONObject()
      for _ in 0..<random.next() % 5 { object[text(&random)] = value(&random, depth: depth - 1) }
      return .object(object)
    }
  }

  private static func text(_ random: inout SplitMix64) -> String {
    let scalars: [Unicode.Scalar] = ["a", "\"", "\\", "\u{1}", "\n", "\u{E9}", "\u{301}", "\u{1F37A}", "\u{2028}", "z"]
    var text = String.UnicodeScalarView()
    for _ in 0..<random.next() % 6 { text.append(scalars[Int(random.next() % UInt64(scalars.count))]) }
    return String(text)
  }
}
