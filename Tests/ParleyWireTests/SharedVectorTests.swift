import Foundation
import ParleyWire
import TestSupport
import Testing

/// The public sets of the vector folder; see the README there for their sources.
@Suite("Public wire vectors", .enabled(if: SharedVectors.arePresent, .init(rawValue: SharedVectors.absence)))
struct SharedVectorTests {
  private func bytes(_ path: String) throws -> [UInt8] { Array(try SharedVectors.data(path)) }

  private func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: SharedVectors.path(folder)).sorted()
  }

  // MARK: JSON

  @Test("RFC 8785 documents", arguments: ["arrays", "french", "structures", "unicode", "values", "weird"])
  func canonical(name: String) throws {
    let value = try JSONValue.parse(bytes("jcs/input/\(name).json"))
    #expect(value.canonical() == (try bytes("jcs/output/\(name).json")))
  }

  @Test("RFC 8785 numbers: 10,000, written and read")
  func numbers() throws {
    var count = 0
    var wrong: [String] = []
    for line in String(decoding: try bytes("jcs/es6_numbers_10000.txt"), as: UTF8.self).split(separator: "\n") {
      let fields = line.split(separator: ",")
      let value = Double(bitPattern: try #require(UInt64(fields[0], radix: 16)))
      let read = try JSONValue.parse(Array(fields[1].utf8)).doubleValue
      if JSONValue.number(value).serialized() != fields[1] || read != value { wrong.append(String(line)) }
      count += 1
    }
    #expect(count == 10_000)
    #expect(wrong == [])
  }

  @Test("JSONTestSuite: y is accepted, n is refused, i never traps")
  func parsing() throws {
    var accepted: [String] = []
    var counts: [Character: Int] = [:]
    let names = try names("serialization/json-parsing")
    for name in names {
      let isValue = (try? JSONValue.parse(bytes("serialization/json-parsing/\(name)"))) != nil
      if isValue { accepted.append(name) }
      counts[try #require(name.first), default: 0] += 1
    }
    #expect(counts == ["y": 95, "n": 186, "i": 35])
    #expect(accepted.filter { $0.hasPrefix("n") } == [])
    // Duplicate names are legal JSON that Parley refuses.
    let refused = names.filter { $0.hasPrefix("y") && !accepted.contains($0) }
    #expect(refused == ["y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"])
    // The undecided: what is not UTF-8, half surrogate pairs, numbers beyond a double and deep nesting are refused.
    #expect(
      accepted.filter { $0.hasPrefix("i") } == [
        "i_number_double_huge_neg_exp.json", "i_number_real_underflow.json", "i_number_too_big_neg_int.json",
        "i_number_too_big_pos_int.json", "i_number_very_big_negative_int.json",
      ])
  }

  @Test("JSONTestSuite: the two large inputs")
  func largeParsing() {
    let arrays = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
    let objects = Array(String(repeating: "[{\"\":", count: 50_000).utf8) + [0x0A]
    #expect(throws: JSONError.tooDeep(limit: 16, offset: 16)) { try JSONValue.parse(arrays) }
    #expect(throws: JSONError.tooDeep(limit: 16, offset: 40)) { try JSONValue.parse(objects) }
  }

  @Test("JSONTestSuite: transformations")
  func transformation() throws {
    func text(_ name: String) throws -> String? {
      try? JSONValue.parse(bytes("serialization/json-transform/\(name).json")).serialized()
    }
    #expect(try names("serialization/json-transform").count == 22)
    #expect(try text("number_-9223372036854775808") == "[-9223372036854775808]")
    #expect(try text("number_-9223372036854775809") == "[-9223372036854776000]")
    #expect(try text("number_1.0") == "[1]")
    #expect(try text("number_1.000000000000000005") == "[1]")
    #expect(try text("number_10000000000000000999") == "[10000000000000000000]")
    #expect(try text("number_1e-999") == "[0]")
    #expect(try text("object_key_nfc_nfd") == "{\"\u{E9}\":\"NFC\",\"e\u{301}\":\"NFD\"}")
    #expect(try text("object_key_nfd_nfc") == "{\"e\u{301}\":\"NFD\",\"\u{E9}\":\"NFC\"}")
    for name in try names("serialization/json-transform") where name.hasPrefix("object_same_key") {
      #expect(throws: JSONError.duplicateKey("a")) {
        try JSONValue.parse(bytes("serialization/json-transform/\(name)"))
      }
    }
    #expect(try text("string_with_escaped_NULL") == "[\"A\\u0000B\"]")
    for name in try names("serialization/json-transform") where name.contains("invalid_codepoint") {
      #expect((try? JSONValue.parse(bytes("serialization/json-transform/\(name)"))) == nil, "\(name)")
    }
  }

  // MARK: MessagePack

  @Test("the MessagePack suite: the shortest form is read and written, every other one refused")
  func messagePack() throws {
    let suite = try JSONValue.parse(bytes("serialization/msgpack-test-suite.json"))
    var counts = (read: 0, refused: 0)
    for group in try #require(suite.objectValue).members {
      for entry in try #require(group.value.arrayValue) {
        let encodings = try #require(entry["msgpack"]?.arrayValue).map {
          [UInt8](hex: ($0.stringValue ?? "-").replacing("-", with: "")) ?? []
        }
        // The strict form is one of the shortest that the suite lists (for 2^63 - 1 there are two of one length).
        if let value = Self.packed(entry) {
          #expect(encodings.contains(value.bytes), "\(group.key) \(value.bytes.hex)")
          #expect(encodings.allSatisfy { $0.count >= value.bytes.count || Self.isFloat($0) })
        }
        for bytes in encodings {
          guard let value = Self.packed(entry) else {
            // Floats, maps, extensions and timestamps.
            #expect(Self.isRefused(bytes), "\(group.key) \(bytes.hex)")
            counts.refused += 1
            continue
          }
          if value.bytes == bytes {
            #expect(try value.read(all: bytes) == value, "\(group.key) \(bytes.hex)")
            counts.read += 1
          } else {
            #expect(throws: MessagePackError.self, "\(group.key) \(bytes.hex)") { try value.read(all: bytes) }
            counts.refused += 1
          }
        }
      }
    }
    #expect(counts.read > 40 && counts.refused > 150, "\(counts)")
  }

  private static func packed(_ entry: JSONValue) -> Packed? {
    if entry["nil"] != nil { return .null }
    if let value = entry["bool"]?.boolValue { return .bool(value) }
    if let text = entry["binary"]?.stringValue { return [UInt8](hex: text.replacing("-", with: "")).map(Packed.binary) }
    if let text = entry["string"]?.stringValue { return .string(text) }
    let number = entry["bignum"]?.stringValue ?? entry["number"].map { $0.serialized() }
    if let number {
      if let value = UInt64(number) { return .unsigned(value) }
      return Int64(number).map(Packed.signed)
    }
    return entry["array"].flatMap(element)
  }

  private static func element(_ value: JSONValue) -> Packed? {
    switch value {
    case .integer(let value): .unsigned(UInt64(value))
    case .string(let value): .string(value)
    case .array(let elements):
      elements.reduce(into: [Packed]?([])) { list, next in
        let packed = element(next)
        if let packed { list?.append(packed) } else { list = nil }
      }.map(Packed.array)
    default: nil
    }
  }

  private static func isFloat(_ bytes: [UInt8]) -> Bool { bytes.first == 0xCA || bytes.first == 0xCB }

  /// Whether no read at all accepts the bytes.
  private static func isRefused(_ bytes: [UInt8]) -> Bool {
    let shapes: [Packed] = [.null, .bool(true), .unsigned(0), .signed(0), .binary([]), .string(""), .array([])]
    return shapes.allSatisfy { (try? $0.read(all: bytes)) == nil }
  }

  @Test("hostile MessagePack")
  func malformedMessagePack() throws {
    let cases = try #require(JSONValue.parse(bytes("serialization/msgpack_malformed.json")).arrayValue)
    #expect(cases.count == 20)
    for entry in cases {
      let bytes = try #require([UInt8](hex: entry["hex"]?.stringValue ?? "-"))
      #expect(Self.isRefused(bytes), "\(entry["why"]?.stringValue ?? "")")
    }
  }

  // MARK: Multiformats

  @Test("base-x fixtures of base 58")
  func base58() throws {
    let fixtures = try JSONValue.parse(bytes("multiformats/basex_fixtures.json"))
    var valid = 0
    for entry in fixtures["valid"]?.arrayValue ?? [] where entry["alphabet"] == "base58" {
      let bytes = try #require([UInt8](hex: entry["hex"]?.stringValue ?? "-"))
      let text = try #require(entry["string"]?.stringValue)
      #expect(Base58BTC.encode(bytes) == text)
      #expect(Base58BTC.decode(text) == bytes)
      valid += 1
    }
    var invalid = 0
    for entry in fixtures["invalid"]?.arrayValue ?? [] where entry["alphabet"] == "base58" {
      guard let text = entry["string"]?.stringValue else { continue }
      #expect(Base58BTC.decode(text) == nil, "\(text)")
      invalid += 1
    }
    // The rest is of other alphabets, which nothing here has, or is no text.
    #expect(valid == 97 && invalid == 7)
  }

  @Test(
    "multibase tables",
    arguments: [
      ("multibase_basic", "yes mani !"), ("multibase_leading_zero", "\0yes mani !"),
      ("multibase_two_leading_zeros", "\0\0yes mani !"),
    ])
  func multibase(file: String, plain: String) throws {
    let lines = String(decoding: try bytes("multiformats/\(file).csv"), as: UTF8.self).split(separator: "\n")
    var (count, others) = (0, 0)
    for line in lines {
      let fields = line.split(separator: ", ")
      let text = fields[1].dropFirst().dropLast()
      guard fields[0] == "base58btc" || fields[0] == "base64url" else {
        // The other bases are not for DIDs; the header of the file begins with no base either.
        let first = try #require(text.first)
        #expect(throws: MultiformatError.unknownBase(first)) { try Multibase.decode(String(text)) }
        others += 1
        continue
      }
      #expect(try Multibase.decode(String(text)) == Array(plain.utf8))
      let base: Multibase.Base = fields[0] == "base58btc" ? .base58BTC : .base64URL
      #expect(Multibase.encode(Array(plain.utf8), as: base) == text)
      count += 1
    }
    #expect(count == 2 && others == lines.count - 2)
  }

  @Test("bases in the wrong case, and every base of the registry, are refused unless they are one of the two")
  func otherBases() throws {
    let mixed = String(decoding: try bytes("multiformats/multibase_case_insensitivity.csv"), as: UTF8.self)
    for line in mixed.split(separator: "\n").dropFirst() {
      let text = String(line.split(separator: ", ")[1].dropFirst().dropLast())
      #expect(throws: MultiformatError.self, "\(line)") { try Multibase.decode(text) }
    }
    let registry = String(decoding: try bytes("multiformats/multibase.csv"), as: UTF8.self)
    var known = 0
    for line in registry.split(separator: "\n").dropFirst() {
      let fields = line.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
      let code = try #require(UInt32(fields[0].dropFirst(2), radix: 16).flatMap(Unicode.Scalar.init))
      do throws(MultiformatError) {
        // Two characters that both bases take.
        _ = try Multibase.decode(String(code) + "Qg")
        #expect(["base58btc", "base64url"].contains(fields[2]))
        known += 1
      } catch {
        #expect(error == .unknownBase(Character(code)), "\(line)")
      }
    }
    #expect(known == 2)
  }

  @Test("the multicodec table has the codes that Parley uses")
  func multicodecs() throws {
    let table = String(decoding: try bytes("multiformats/multicodec_table.csv"), as: UTF8.self)
    for (name, code) in [("ed25519-pub", "0xed"), ("mldsa-65-pub", "0x1211"), ("json", "0x0200"), ("sha2-256", "0x12")]
    {
      let row = table.split(separator: "\n").first {
        $0.split(separator: ",")[0].trimmingCharacters(in: .whitespaces) == name
      }
      let fields = row?.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
      #expect(fields?[2] == code, "\(name)")
    }
  }
}
