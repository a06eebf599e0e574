import ParleyWire
import Testing

/// One value of the formats that Parley uses, so that tests can name what they read.
indirect enum Packed: Equatable, Sendable {
  case null
  case bool(Bool)
  case unsigned(UInt64)
  case signed(Int64)
  case binary([UInt8])
  case string(String)
  case array([Packed])

  func append(to writer: inout MessagePackWriter) {
    switch self {
    case .null: writer.appendNil()
    case .bool(let value): writer.append(value)
    case .unsigned(let value): writer.append(value)
    case .signed(let value): writer.append(value)
    case .binary(let value): writer.appendBinary(value)
    case .string(let value): writer.append(value)
    case .array(let elements):
      writer.appendArray(count: elements.count)
      for element in elements { element.append(to: &writer) }
    }
  }

  /// Reads a value of this one's shape, so that nothing has to be guessed from the bytes.
  func read(_ reader: inout MessagePackReader) throws(MessagePackError) -> Packed {
    switch self {
    case .null:
      guard try reader.readNilIfPresent() else { throw .unexpectedType(0) }
      return .null
    case .bool: return .bool(try reader.readBool())
    case .unsigned: return .unsigned(try reader.readUInt64())
    case .signed: return .signed(try reader.readInt64())
    case .binary: return .binary(try reader.readBinary(limit: .max))
    case .string: return .string(try reader.readString(limit: .max))
    case .array(let elements):
      try reader.readArrayHeader(count: elements.count)
      var read: [Packed] = []
      for element in elements { read.append(try element.read(&reader)) }
      return .array(read)
    }
  }

  func read(all bytes: [UInt8]) throws(MessagePackError) -> Packed {
    var reader = MessagePackReader(bytes.span.bytes)
    let value = try read(&reader)
    try reader.finish()
    return value
  }

  var bytes: [UInt8] {
    var writer = MessagePackWriter()
    append(to: &writer)
    return writer.bytes
  }
}

struct PackedCase: Sendable, CustomTestStringConvertible {
  let value: Packed
  let hex: String
  var testDescription: String { String(hex.prefix(24)) }

  init(_ value: Packed, _ hex: String) {
    self.value = value
    self.hex = hex
  }

  /// Both sides of every boundary between two forms.
  static let all: [PackedCase] = [
    .init(.null, "c0"), .init(.bool(false), "c2"), .init(.bool(true), "c3"),
    .init(.unsigned(0), "00"), .init(.unsigned(0x7F), "7f"), .init(.unsigned(0x80), "cc80"),
    .init(.unsigned(0xFF), "ccff"), .init(.unsigned(0x100), "cd0100"), .init(.unsigned(0xFFFF), "cdffff"),
    .init(.unsigned(0x1_0000), "ce00010000"), .init(.unsigned(0xFFFF_FFFF), "ceffffffff"),
    .init(.unsigned(0x1_0000_0000), "cf0000000100000000"), .init(.unsigned(.max), "cfffffffffffffffff"),
    .init(.signed(0), "00"), .init(.signed(.max), "cf7fffffffffffffff"), .init(.signed(0x80), "cc80"),
    .init(.signed(-1), "ff"), .init(.signed(-32), "e0"), .init(.signed(-33), "d0df"), .init(.signed(-128), "d080"),
    .init(.signed(-129), "d1ff7f"), .init(.signed(-32768), "d18000"), .init(.signed(-32769), "d2ffff7fff"),
    .init(.signed(-0x8000_0000), "d280000000"), .init(.signed(-0x8000_0001), "d3ffffffff7fffffff"),
    .init(.signed(.min), "d38000000000000000"),
    .init(.binary([]), "c400"), .init(.binary(.init(repeating: 7, count: 255)), "c4ff" + Self.sevens(255)),
    .init(.binary(.init(repeating: 7, count: 256)), "c50100" + Self.sevens(256)),
    .init(.binary(.init(repeating: 7, count: 65535)), "c5ffff" + Self.sevens(65535)),
    .init(.binary(.init(repeating: 7, count: 65536)), "c600010000" + Self.sevens(65536)),
    .init(.string(""), "a0"), .init(.string(Self.text(31)), "bf" + Self.sevens(31, "37")),
    .init(.string(Self.text(32)), "d920" + Self.sevens(32, "37")),
    .init(.string(Self.text(255)), "d9ff" + Self.sevens(255, "37")),
    .init(.string(Self.text(256)), "da0100" + Self.sevens(256, "37")),
    .init(.string(Self.text(65535)), "daffff" + Self.sevens(65535, "37")),
    .init(.string(Self.text(65536)), "db00010000" + Self.sevens(65536, "37")),
    .init(.string("\u{E9}\u{1F37A}"), "a6c3a9f09f8dba"),
    .init(.array([]), "90"), .init(.array(.init(repeating: .null, count: 15)), "9f" + Self.sevens(15, "c0")),
    .init(.array(.init(repeating: .null, count: 16)), "dc0010" + Self.sevens(16, "c0")),
    .init(.array(.init(repeating: .null, count: 65535)), "dcffff" + Self.sevens(65535, "c0")),
    .init(.array(.init(repeating: .null, count: 65536)), "dd00010000" + Self.sevens(65536, "c0")),
    .init(.array([.unsigned(1), .array([.signed(-2), .null]), .string("a")]), "930192fec0a161"),
  ]

  private static func sevens(_ count: Int, _ byte: String = "07") -> String { .init(repeating: byte, count: count) }
  private static func text(_ count: Int) -> String { .init(repeating: "7", count: count) }
}

@Suite("MessagePack")
struct MessagePackTests {
  @Test("known bytes, both ways", arguments: PackedCase.all)
  func knownBytes(vector: PackedCase) throws {
    #expect(vector.value.bytes.hex == vector.hex)
    #expect(try vector.value.read(all: vector.value.bytes) == vector.value)
  }

  @Test("cut at every offset it is truncated, and the reader stays", arguments: PackedCase.all)
  func cut(vector: PackedCase) {
    let bytes = vector.value.bytes
    // The long ones only near their ends.
    let offsets = bytes.count < 600 ? Array(0..<bytes.count) : Array(0..<8) + [bytes.count - 1]
    for offset in offsets {
      let cut = Array(bytes[..<offset])
      #expect(throws: MessagePackError.truncated) { try vector.value.read(all: cut) }
      if case .array = vector.value { continue }
      var reader = MessagePackReader(cut.span.bytes)
      _ = try? vector.value.read(&reader)
      #expect(reader.consumed == 0)
    }
  }

  @Test("one byte more is refused", arguments: PackedCase.all)
  func trailing(vector: PackedCase) {
    let bytes = vector.value.bytes + [0]
    #expect(throws: MessagePackError.trailingBytes(1)) { try vector.value.read(all: bytes) }
  }

  struct Refusal: Sendable, CustomTestStringConvertible {
    let hex: String
    let shape: Packed
    let error: MessagePackError
    var testDescription: String { hex }

    init(_ hex: String, _ shape: Packed, _ error: MessagePackError) {
      self.hex = hex
      self.shape = shape
      self.error = error
    }
  }

  static let refusals: [Refusal] = [
    // Not the shortest form.
    .init("cc7f", .unsigned(0), .notShortest), .init("cd00ff", .unsigned(0), .notShortest),
    .init("ce0000ffff", .unsigned(0), .notShortest), .init("cf00000000ffffffff", .unsigned(0), .notShortest),
    .init("d0e0", .signed(0), .notShortest), .init("d1ff80", .signed(0), .notShortest),
    .init("d2ffff8000", .signed(0), .notShortest), .init("d3ffffffff80000000", .signed(0), .notShortest),
    .init("d001", .signed(0), .notShortest), .init("d001", .unsigned(0), .notShortest),
    .init("d30000000000000001", .unsigned(0), .notShortest),
    .init("c50001aa", .binary([]), .notShortest), .init("c60000ffff", .binary([]), .notShortest),
    .init("d901aa", .string(""), .notShortest), .init("da0020", .string(""), .notShortest),
    .init("db00000001aa", .string(""), .notShortest),
    .init("dc000f", .array([]), .notShortest), .init("dd0000ffff", .array([]), .notShortest),
    // Out of range.
    .init("ff", .unsigned(0), .outOfRange), .init("d080", .unsigned(0), .outOfRange),
    .init("cf8000000000000000", .signed(0), .outOfRange),
    // Another type: floats, maps, extensions, the unused byte, and each kind where another is due.
    .init("ca3f800000", .unsigned(0), .unexpectedType(0xCA)),
    .init("cb3ff0000000000000", .signed(0), .unexpectedType(0xCB)),
    .init("80", .array([]), .unexpectedType(0x80)), .init("de0000", .array([]), .unexpectedType(0xDE)),
    .init("c1", .null, .unexpectedType(0)), .init("c1", .bool(true), .unexpectedType(0xC1)),
    .init("d40110", .binary([]), .unexpectedType(0xD4)), .init("c70110aa", .binary([]), .unexpectedType(0xC7)),
    .init("c0", .unsigned(0), .unexpectedType(0xC0)), .init("c0", .string(""), .unexpectedType(0xC0)),
    .init("a0", .binary([]), .unexpectedType(0xA0)), .init("c400", .string(""), .unexpectedType(0xC4)),
    .init("01", .bool(true), .unexpectedType(1)), .init("c3", .array([]), .unexpectedType(0xC3)),
    // Strings.
    .init("a2c328", .string(""), .notUTF8), .init("a3eda080", .string(""), .notUTF8),
    .init("a2c080", .string(""), .notUTF8),
    // Sizes.
    .init("ddffffffff", .array([]), .truncated), .init("c6ffffffff00", .binary([]), .truncated),
    .init("dbffffffff00", .string(""), .truncated), .init("91", .array([.null]), .truncated),
    .init("9100", .array([]), .unexpectedCount(1, expected: 0)),
  ]

  @Test("what is not strict is refused, and the reader stays", arguments: refusals)
  func refused(vector: Refusal) throws {
    let bytes = try #require([UInt8](hex: vector.hex))
    #expect(throws: vector.error) { try vector.shape.read(all: bytes) }
    var reader = MessagePackReader(bytes.span.bytes)
    _ = try? vector.shape.read(&reader)
    #expect(reader.consumed == 0)
  }

  @Test("limits hold at the limit and one past it")
  func limits() throws {
    let binary = Packed.binary([1, 2, 3]).bytes
    var reader = MessagePackReader(binary.span.bytes)
    #expect(throws: MessagePackError.tooLong(3, limit: 2)) { try read(binary) { try $0.readBinary(limit: 2) } }
    #expect(try reader.readBinary(limit: 3) == [1, 2, 3])
    reader = MessagePackReader(binary.span.bytes)
    #expect(try reader.readBinary(count: 3) == [1, 2, 3])
    #expect(throws: MessagePackError.unexpectedCount(3, expected: 4)) {
      try read(binary) { try $0.readBinary(count: 4) }
    }
    let string = Packed.string("\u{E9}a").bytes
    reader = MessagePackReader(string.span.bytes)
    #expect(try reader.readString(limit: 3) == "\u{E9}a")
    #expect(throws: MessagePackError.tooLong(3, limit: 2)) { try read(string) { try $0.readString(limit: 2) } }
    // A length that is over the limit is that, however few bytes follow.
    #expect(throws: MessagePackError.tooLong(0xFFFF_FFFF, limit: 9)) {
      try read([0xC6, 0xFF, 0xFF, 0xFF, 0xFF]) { try $0.readBinary(limit: 9) }
    }
  }

  @Test("integers fit the type asked for")
  func integers() throws {
    func read<Value: FixedWidthInteger & Sendable>(_ type: Value.Type, _ value: Packed) throws -> Value {
      let bytes = value.bytes
      var reader = MessagePackReader(bytes.span.bytes)
      return try reader.readInteger(as: type)
    }
    #expect(try read(UInt8.self, .unsigned(255)) == 255)
    #expect(throws: MessagePackError.outOfRange) { try read(UInt8.self, .unsigned(256)) }
    #expect(try read(Int16.self, .signed(-32768)) == -32768)
    #expect(throws: MessagePackError.outOfRange) { try read(Int16.self, .signed(-32769)) }
    #expect(throws: MessagePackError.outOfRange) { try read(Int8.self, .unsigned(128)) }
    #expect(throws: MessagePackError.outOfRange) { try read(UInt64.self, .signed(-1)) }
    #expect(try read(UInt64.self, .unsigned(.max)) == .max)
  }

  @Test("nil is taken when it is there and left alone when it is not")
  func optional() throws {
    let bytes: [UInt8] = [0xC0, 0x05]
    var reader = MessagePackReader(bytes.span.bytes)
    #expect(try reader.readNilIfPresent())
    #expect(try !reader.readNilIfPresent())
    #expect(try reader.readUInt64() == 5)
    #expect(throws: MessagePackError.truncated) { try read([]) { try $0.readNilIfPresent() } }
  }

  private func read<Value>(
    _ bytes: [UInt8], _ body: (inout MessagePackReader) throws -> Value
  ) throws -> Value {
    var reader = MessagePackReader(bytes.span.bytes)
    return try body(&reader)
  }
}
