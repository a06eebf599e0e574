/// Reads the strict MessagePack of Parley's statements from bytes that someone else owns.
///
/// Strict: each value in its shortest form, no floats, extensions or maps, strings in UTF-8. A format is a fixed
/// sequence of reads that ends in ``finish()``. A read that throws leaves the reader where it was, in front of the
/// value that is wrong; lengths and counts are held against the bytes that are there before anything is allocated.
public struct MessagePackReader: ~Copyable, ~Escapable {
  private let bytes: RawSpan
  private var position = 0

  /// Creates a reader at the first byte of `bytes`.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan) {
    self.bytes = bytes
  }

  /// Bytes not yet read.
  public var remaining: Int { bytes.byteCount - position }

  /// Bytes read so far.
  public var consumed: Int { position }

  /// Checks that every byte has been read.
  public func finish() throws(MessagePackError) {
    guard remaining == 0 else { throw .trailingBytes(remaining) }
  }

  /// Reads the head of an array and returns how many elements follow, never more than there are bytes left.
  public mutating func readArrayHeader() throws(MessagePackError) -> Int {
    let head = try head()
    let count: (value: UInt64, end: Int)
    switch head {
    case 0x90...0x9F: count = (UInt64(head & 0x0F), position + 1)
    case 0xDC: count = try integer(UInt16.self, atLeast: 16)
    case 0xDD: count = try integer(UInt32.self, atLeast: 0x1_0000)
    default: throw .unexpectedType(head)
    }
    guard count.value <= UInt64(bytes.byteCount - count.end) else { throw .truncated }
    position = count.end
    return Int(count.value)
  }

  /// Reads the head of an array that must have `expected` elements.
  public mutating func readArrayHeader(count expected: Int) throws(MessagePackError) {
    let start = position
    let count = try readArrayHeader()
    guard count == expected else {
      position = start
      throw .unexpectedCount(count, expected: expected)
    }
  }

  /// Reads an unsigned integer.
  public mutating func readUInt64() throws(MessagePackError) -> UInt64 {
    let head = try head()
    let read: (value: UInt64, end: Int)
    switch head {
    case 0x00...0x7F: read = (UInt64(head), position + 1)
    case 0xCC: read = try integer(UInt8.self, atLeast: 0x80)
    case 0xCD: read = try integer(UInt16.self, atLeast: 0x100)
    case 0xCE: read = try integer(UInt32.self, atLeast: 0x1_0000)
    case 0xCF: read = try integer(UInt64.self, atLeast: 0x1_0000_0000)
    case 0xE0...0xFF, 0xD0...0xD3:
      _ = try negative(head)
      throw .outOfRange
    default: throw .unexpectedType(head)
    }
    position = read.end
    return read.value
  }

  /// Reads a signed integer.
  public mutating func readInt64() throws(MessagePackError) -> Int64 {
    let head = try head()
    switch head {
    case 0xE0...0xFF, 0xD0...0xD3:
      let read = try negative(head)
      position = read.end
      return read.value
    default:
      let start = position
      guard let value = Int64(exactly: try readUInt64()) else {
        position = start
        throw .outOfRange
      }
      return value
    }
  }

  /// Reads an integer that must fit `type`.
  public mutating func readInteger<Value: FixedWidthInteger>(
    as type: Value.Type
  ) throws(MessagePackError) -> Value {
    let start = position
    let value = Value.isSigned ? Value(exactly: try readInt64()) : Value(exactly: try readUInt64())
    guard let value else {
      position = start
      throw .outOfRange
    }
    return value
  }

  /// Reads a boolean.
  public mutating func readBool() throws(MessagePackError) -> Bool {
    switch try head() {
    case 0xC2:
      position += 1
      return false
    case 0xC3:
      position += 1
      return true
    case let head: throw .unexpectedType(head)
    }
  }

  /// Reads nil if that comes next, and says whether it did.
  ///
  /// - Throws: ``MessagePackError/truncated`` when nothing comes next.
  public mutating func readNilIfPresent() throws(MessagePackError) -> Bool {
    guard try head() == 0xC0 else { return false }
    position += 1
    return true
  }

  /// Reads binary data of at most `limit` bytes.
  public mutating func readBinary(limit: Int) throws(MessagePackError) -> [UInt8] {
    let count: (value: UInt64, end: Int)
    switch try head() {
    case 0xC4: count = try integer(UInt8.self, atLeast: 0)
    case 0xC5: count = try integer(UInt16.self, atLeast: 0x100)
    case 0xC6: count = try integer(UInt32.self, atLeast: 0x1_0000)
    case let head: throw .unexpectedType(head)
    }
    return Array(try body(count, limit: limit))
  }

  /// Reads binary data of exactly `count` bytes.
  public mutating func readBinary(count: Int) throws(MessagePackError) -> [UInt8] {
    let start = position
    let value = try readBinary(limit: count)
    guard value.count == count else {
      position = start
      throw .unexpectedCount(value.count, expected: count)
    }
    return value
  }

  /// Reads a string of at most `limit` bytes of UTF-8.
  public mutating func readString(limit: Int) throws(MessagePackError) -> String {
    let start = position
    let head = try head()
    let count: (value: UInt64, end: Int)
    switch head {
    case 0xA0...0xBF: count = (UInt64(head & 0x1F), position + 1)
    case 0xD9: count = try integer(UInt8.self, atLeast: 32)
    case 0xDA: count = try integer(UInt16.self, atLeast: 0x100)
    case 0xDB: count = try integer(UInt32.self, atLeast: 0x1_0000)
    default: throw .unexpectedType(head)
    }
    guard let text = String(validating: Array(try body(count, limit: limit)), as: UTF8.self) else {
      position = start
      throw .notUTF8
    }
    return text
  }

  // MARK: Pieces

  /// The byte that says what comes next.
  private func head() throws(MessagePackError) -> UInt8 {
    var reader = ByteReader(bytes.extracting(droppingFirst: position))
    guard let head = reader.readUInt8() else { throw .truncated }
    return head
  }

  /// The big-endian integer behind the head, which must not have fitted a shorter form, and where it ends.
  private func integer<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ type: Value.Type, atLeast least: UInt64
  ) throws(MessagePackError) -> (value: UInt64, end: Int) {
    var reader = ByteReader(bytes.extracting(droppingFirst: position))
    guard reader.readUInt8() != nil, let value = reader.readBigEndian(as: Value.self) else { throw .truncated }
    guard UInt64(value) >= least else { throw .notShortest }
    return (UInt64(value), position + reader.consumed)
  }

  /// The negative integer at the head, and where it ends.
  private func negative(_ head: UInt8) throws(MessagePackError) -> (value: Int64, end: Int) {
    switch head {
    case 0xD0: try negative(Int8.self, atMost: -33)
    case 0xD1: try negative(Int16.self, atMost: Int64(Int8.min) - 1)
    case 0xD2: try negative(Int32.self, atMost: Int64(Int16.min) - 1)
    case 0xD3: try negative(Int64.self, atMost: Int64(Int32.min) - 1)
    default: (Int64(Int8(bitPattern: head)), position + 1)
    }
  }

  private func negative<Value: FixedWidthInteger & SignedInteger & BitwiseCopyable>(
    _ type: Value.Type, atMost most: Int64
  ) throws(MessagePackError) -> (value: Int64, end: Int) {
    var reader = ByteReader(bytes.extracting(droppingFirst: position))
    guard reader.readUInt8() != nil, let value = reader.readBigEndian(as: Value.self) else { throw .truncated }
    guard Int64(value) <= most else { throw .notShortest }
    return (Int64(value), position + reader.consumed)
  }

  /// The bytes behind a length, once they are known to be there and few enough.
  @_lifetime(copy self)
  private mutating func body(
    _ count: (value: UInt64, end: Int), limit: Int
  ) throws(MessagePackError) -> RawSpan {
    precondition(limit >= 0)
    // The head's count is at most UInt32.max, so it fits an Int.
    guard count.value <= UInt64(limit) else { throw .tooLong(Int(count.value), limit: limit) }
    guard count.value <= UInt64(bytes.byteCount - count.end) else { throw .truncated }
    position = count.end + Int(count.value)
    return bytes.extracting(count.end..<position)
  }
}
