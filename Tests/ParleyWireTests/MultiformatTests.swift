import ParleyWire
import TestSupport
import Testing

@Suite("Base 64")
struct Base64Tests {
  /// RFC 4648 section 10.
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"),
  ])
  func knownTexts(plain: String, text: String) {
    #expect(Base64.encode(Array(plain.utf8)) == text)
    #expect(Base64.decode(text) == Array(plain.utf8))
    let bare = text.replacing("=", with: "")
    #expect(Base64URL.encode(Array(plain.utf8)) == bare)
    #expect(Base64URL.decode(bare) == Array(plain.utf8))
  }

  @Test func alphabets() {
    let bytes: [UInt8] = [0xFB, 0xEF, 0xBE, 0xFF]
    #expect(Base64.encode(bytes) == "++++/w==")
    #expect(Base64URL.encode(bytes) == "----_w")
    #expect(Base64.decode("----_w==") == nil)
    #expect(Base64URL.decode("++++/w") == nil)
  }

  @Test(
    "unused bits, padding and other characters are refused",
    arguments: [
      "Zh==", "Zm9=", "Zg=", "Zg", "Zg===", "Z", "Z===", "=", "====", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm9v=",
      "Zm\u{212A}v",
    ])
  func refused(text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test(arguments: ["Zh", "Zm9", "Zg==", "Z", "Zm9vY", "Zm9v\n", "Zm 9"])
  func refusedURL(text: String) {
    #expect(Base64URL.decode(text) == nil)
  }

  @Test func roundTrips() {
    var random = SplitMix64(seed: 64)
    for count in 0..<200 {
      let bytes = random.bytes(count)
      #expect(Base64.decode(Base64.encode(bytes)) == bytes, "seed 64, count \(count)")
      #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes, "seed 64, count \(count)")
    }
  }
}

@Suite("Base 36")
struct Base36Tests {
  /// From multibase_basic.csv and multibase_leading_zero.csv of multiformats, without the prefix.
  @Test(arguments: [
    ("2lcpzo5yikidynfl", "796573206d616e692021"), ("02lcpzo5yikidynfl", "00796573206d616e692021"),
    ("", ""), ("0", "00"), ("z", "23"), ("10", "24"), ("00z", "000023"),
  ])
  func knownTexts(text: String, hex: String) { #expect(Base36.decode(text, limit: 17)?.hex == hex) }

  @Test func refused() {
    for text in ["A", "-", "a b", "\u{212A}", String(repeating: "a", count: 18)] {
      #expect(Base36.decode(text, limit: 17) == nil)
    }
  }
}

@Suite("Base 58")
struct Base58Tests {
  @Test(arguments: [
    ("", ""), ("00", "1"), ("0000", "11"), ("61", "2g"), ("39", "z"), ("3a", "21"), ("0000287fb4cd", "11233QC4"),
    ("516b6fcd0f", "ABnLTmg"), ("73696d706c792061206c6f6e6720737472696e67", "2cFupjhnEsSn59qHXstmK2ffpLv2"),
    ("00eb15231dfceb60925886b67d065299925915aeb172c06647", "1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L"),
  ])
  func knownTexts(hex: String, text: String) throws {
    let bytes = try #require([UInt8](hex: hex))
    #expect(Base58BTC.encode(bytes) == text)
    #expect(Base58BTC.decode(text) == bytes)
  }

  @Test(arguments: ["0", "O", "I", "l", "a b", "2g\n", "\u{212A}", "\u{0660}"])
  func refused(text: String) {
    #expect(Base58BTC.decode(text) == nil)
  }

  @Test func limit() {
    #expect(Base58BTC.decode("2g", limit: 2) == [0x61])
    #expect(Base58BTC.decode("2g", limit: 1) == nil)
  }

  @Test func roundTrips() {
    var random = SplitMix64(seed: 58)
    for count in 0..<200 {
      let bytes = [UInt8](repeating: 0, count: count % 5) + random.bytes(count)
      #expect(Base58BTC.decode(Base58BTC.encode(bytes)) == bytes, "seed 58, count \(count)")
    }
  }
}

@Suite("Multibase and varints")
struct MultiformatTests {
  @Test func bases() throws {
    let bytes = Array("yes mani !".utf8)
    #expect(Multibase.encode(bytes, as: .base58BTC) == "z7paNL19xttacUY")
    #expect(Multibase.encode(bytes, as: .base64URL) == "ueWVzIG1hbmkgIQ")
    #expect(try Multibase.decode("z7paNL19xttacUY") == bytes)
    #expect(try Multibase.decode("ueWVzIG1hbmkgIQ") == bytes)
    #expect(try Multibase.decode("z") == [])
  }

  @Test func refusedBases() {
    #expect(throws: MultiformatError.truncated) { try Multibase.decode("") }
    #expect(throws: MultiformatError.unknownBase("f")) { try Multibase.decode("f00") }
    #expect(throws: MultiformatError.unknownBase("Z")) { try Multibase.decode("Z7pa") }
    #expect(throws: MultiformatError.malformed) { try Multibase.decode("z0") }
    #expect(throws: MultiformatError.malformed) { try Multibase.decode("uZh") }
    #expect(throws: MultiformatError.malformed) { try Multibase.decode("zzz", limit: 2) }
    // A combining mark joins the first character.
    #expect(throws: MultiformatError.unknownBase("z\u{301}")) { try Multibase.decode("z\u{301}2g") }
  }

  @Test(arguments: [
    (0, "00"), (1, "01"), (0x7F, "7f"), (0x80, "8001"), (0xED, "ed01"), (0x200, "8004"), (0x1211, "9124"),
    (0x3FFF, "ff7f"), (0x4000, "808001"), (Varint.maximum, "ffffffffffffffff7f"),
  ])
  func varints(value: UInt64, hex: String) throws {
    let bytes = try #require([UInt8](hex: hex))
    #expect(Varint.encode(value) == bytes)
    #expect(try Varint.decode(bytes + [0xAA]) == (value, bytes.count))
    for cut in 0..<bytes.count {
      #expect(throws: MultiformatError.truncated) { try Varint.decode(Array(bytes[..<cut])) }
    }
  }

  @Test func refusedVarints() {
    #expect(throws: MultiformatError.notMinimal) { try Varint.decode([0x80, 0x00]) }
    #expect(throws: MultiformatError.notMinimal) { try Varint.decode([0xED, 0x81, 0x00]) }
    // A tenth byte, whatever it is.
    #expect(throws: MultiformatError.outOfRange) {
      try Varint.decode([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01])
    }
    #expect(throws: MultiformatError.outOfRange) { try Varint.decode([UInt8](repeating: 0x80, count: 9)) }
  }

  @Test("strings compare by bytes")
  func sameBytes() {
    #expect("\u{212A}" == "K", "Swift's own comparison")
    #expect(!"\u{212A}".hasSameBytes(as: "K"))
    #expect(!"e\u{301}".hasSameBytes(as: "\u{E9}"))
    #expect(!"a\u{301}\u{323}".hasSameBytes(as: "a\u{323}\u{301}"), "same length, canonically equivalent")
    #expect("Kilo".hasSameBytes(as: "Kilo"))
    #expect(!"Kilo".hasSameBytes(as: "Kil"))
  }
}
