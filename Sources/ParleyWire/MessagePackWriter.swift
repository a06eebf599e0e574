/// Writes the strict MessagePack of Parley's statements: arrays, integers in their shortest form, booleans, nil,
/// binary and UTF-8 strings, and nothing else.
///
/// One value has exactly one encoding, so what ``MessagePackReader`` reads this writes back byte for byte.
public struct MessagePackWriter: Sendable {
  /// What has been written.
  public private(set) var bytes: [UInt8] = []

  /// Creates a writer that has written nothing.
  public init() {}

  /// Creates a writer with room for `byteCount` bytes.
  public init(reservingCapacity byteCount: Int) { bytes.reserveCapacity(byteCount) }

  /// Begins an array: the next `count` values are its elements.
  ///
  /// - Precondition: `0 <= count <= UInt32.max`.
  public mutating func appendArray(count: Int) {
    precondition(count >= 0)
    switch UInt32(count) {
    case let count where count < 16: bytes.append(0x90 | UInt8(count))
    case let count where count <= 0xFFFF: append(0xDC, UInt16(count))
    case let count: append(0xDD, count)
    }
  }

  /// Appends an unsigned integer.
  public mutating func append(_ value: UInt64) {
    switch value {
    case 0...0x7F: bytes.append(UInt8(value))
    case 0...0xFF: append(0xCC, UInt8(value))
    case 0...0xFFFF: append(0xCD, UInt16(value))
    case 0...0xFFFF_FFFF: append(0xCE, UInt32(value))
    default: append(0xCF, value)
    }
  }

  /// Appends a signed integer; one that is not negative is written as the unsigned one.
  public mutating func append(_ value: Int64) {
    switch value {
    case 0...: append(UInt64(value))
    case (-32)...: bytes.append(UInt8(truncatingIfNeeded: value))
    case Int64(Int8.min)...: append(0xD0, Int8(value))
    case Int64(Int16.min)...: append(0xD1, Int16(value))
    case Int64(Int32.min)...: append(0xD2, Int32(value))
    default: append(0xD3, value)
    }
  }

  /// Appends a boolean.
  public mutating func append(_ value: Bool) { bytes.append(value ? 0xC3 : 0xC2) }

  /// Appends nil.
  public mutating func appendNil() { bytes.append(0xC0) }

  /// Appends binary data.
  ///
  /// - Precondition: at most `UInt32.max` bytes.
  public mutating func appendBinary(_ value: [UInt8]) {
    switch UInt32(value.count) {
    case let count where count <= 0xFF: append(0xC4, UInt8(count))
    case let count where count <= 0xFFFF: append(0xC5, UInt16(count))
    case let count: append(0xC6, count)
    }
    bytes.append(contentsOf: value)
  }

  /// Appends a string.
  ///
  /// - Precondition: at most `UInt32.max` bytes of UTF-8.
  public mutating func append(_ value: String) {
    switch UInt32(value.utf8.count) {
    case let count where count < 32: bytes.append(0xA0 | UInt8(count))
    case let count where count <= 0xFF: append(0xD9, UInt8(count))
    case let count where count <= 0xFFFF: append(0xDA, UInt16(count))
    case let count: append(0xDB, count)
    }
    bytes.append(contentsOf: value.utf8)
  }

  private mutating func append<Value: FixedWidthInteger & BitwiseCopyable>(_ head: UInt8, _ value: Value) {
    bytes.append(head)
    bytes.appendBigEndian(value)
  }
}
