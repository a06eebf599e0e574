/// Why bytes are not the JSON that Parley accepts.
///
/// Offsets count bytes from the start.
public enum JSONError: Error, Hashable, Sendable {
  /// The text is longer than the limit; both in bytes.
  case tooLong(Int, limit: Int)
  /// Arrays and objects are nested deeper than the limit.
  case tooDeep(limit: Int, offset: Int)
  /// The text ends inside a value.
  case unexpectedEnd
  /// A byte stands where the grammar has no room for it.
  case unexpectedByte(UInt8, offset: Int)
  /// A number is too large for a double, or its literal is longer than the limit.
  case numberOutOfRange(offset: Int)
  /// A backslash is followed by something that is no escape.
  case invalidEscape(offset: Int)
  /// An escape names one half of a surrogate pair.
  case unpairedSurrogate(offset: Int)
  /// A string is not UTF-8.
  case notUTF8(offset: Int)
  /// An object names a member twice.
  case duplicateKey(String)
  /// Something follows the value.
  case trailingBytes(offset: Int)
}

/// What a JSON text may cost.
public struct JSONLimits: Hashable, Sendable {
  /// The greatest length of the text in bytes.
  public var byteCount: Int
  /// How deep arrays and objects may nest; 0 allows neither.
  public var depth: Int
  /// The greatest length of one number in bytes.
  public var numberByteCount: Int

  /// Creates limits.
  ///
  /// - Precondition: none is negative, and `depth <= 512`, so that the parser's own stack is safe.
  public init(byteCount: Int = 1 << 20, depth: Int = 16, numberByteCount: Int = 1024) {
    precondition(byteCount >= 0 && (0...512).contains(depth) && numberByteCount >= 0)
    self.byteCount = byteCount
    self.depth = depth
    self.numberByteCount = numberByteCount
  }
}
