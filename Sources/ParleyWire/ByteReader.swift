/// A cursor over bytes that someone else owns.
///
/// Reading never copies and never allocates. A read that finds too few bytes returns `nil` and
/// leaves the cursor where it was, so a caller can wait for more input and read again. What a record's header needs is
/// inlinable: as a generic call into another module it took a twentieth of the opening of a short record.
public struct ByteReader: ~Copyable, ~Escapable {
  @usableFromInline let bytes: RawSpan
  @usableFromInline var position = 0

  /// Creates a reader at the first byte of `bytes`.
  @inlinable
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan) {
    self.bytes = bytes
  }

  /// Bytes not yet read.
  @inlinable public var remaining: Int { bytes.byteCount - position }

  /// Bytes read so far.
  public var consumed: Int { position }

  /// Whether every byte has been read.
  public var isAtEnd: Bool { remaining == 0 }

  /// Reads one byte, or returns `nil` if none is left.
  @inlinable
  public mutating func readUInt8() -> UInt8? {
    readBigEndian(as: UInt8.self)
  }

  /// Reads a big-endian (network order) integer, or returns `nil` if fewer than
  /// `Value.bitWidth / 8` bytes are left.
  @inlinable
  public mutating func readBigEndian<Value>(as _: Value.Type) -> Value?
  where Value: FixedWidthInteger & BitwiseCopyable {
    let size = MemoryLayout<Value>.size
    guard remaining >= size else { return nil }
    defer { position += size }
    // Safe: the bounds were checked above, and every bit pattern is a valid integer.
    return unsafe Value(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: position, as: Value.self))
  }

  /// Reads `count` bytes without copying them, or returns `nil` if fewer are left.
  ///
  /// - Precondition: `count >= 0`.
  @_lifetime(copy self)
  public mutating func read(count: Int) -> RawSpan? {
    precondition(count >= 0)
    guard remaining >= count else { return nil }
    defer { position += count }
    return bytes.extracting(position..<(position + count))
  }

  /// Reads `count` bytes into an array of their own, or returns `nil` if fewer are left.
  ///
  /// - Precondition: `count >= 0`.
  public mutating func readBytes(count: Int) -> [UInt8]? {
    guard let span = read(count: count) else { return nil }
    return Array(span)
  }

  /// Reads a `u16` length and as many bytes, the `LP(x)` of the protocol pages; `nil` if either is cut short,
  /// and the cursor has then not moved.
  public mutating func readLengthPrefixed() -> [UInt8]? {
    let start = position
    guard let count = readBigEndian(as: UInt16.self), let value = readBytes(count: Int(count)) else {
      position = start
      return nil
    }
    return value
  }
}
