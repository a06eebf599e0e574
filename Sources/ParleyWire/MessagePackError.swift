/// Why bytes are not the MessagePack that Parley accepts.
public enum MessagePackError: Error, Hashable, Sendable {
  /// The bytes end inside a value, or before one.
  case truncated
  /// A value of another type stands where this one was due; `0xC1`, floats, maps and extensions are always this.
  case unexpectedType(UInt8)
  /// An integer or a length is written in more bytes than it needs.
  case notShortest
  /// An integer does not fit the type asked for.
  case outOfRange
  /// An array has another number of elements than the caller's format says.
  case unexpectedCount(Int, expected: Int)
  /// A binary value or a string is longer than the caller's limit, both in bytes.
  case tooLong(Int, limit: Int)
  /// A string is not UTF-8.
  case notUTF8
  /// Bytes follow the last value.
  case trailingBytes(Int)
}
