/// Validates UTF-8 that arrives in pieces, and fails at the first byte that cannot be part of it (RFC 3629).
public struct UTF8Validator: Hashable, Sendable {
  /// Continuation bytes still missing from the code point at the end.
  private var missing: UInt8 = 0
  /// What the next continuation byte may be: narrower than 80...BF right after E0, ED, F0 and F4, which is how
  /// overlong forms, surrogates and code points past U+10FFFF are refused.
  private var lowest: UInt8 = 0x80
  private var highest: UInt8 = 0xBF

  /// Starts at the beginning of a text.
  public init() {}

  /// Whether the text may end here: no code point is half there.
  public var isComplete: Bool { missing == 0 }

  /// Takes in the next piece.
  ///
  /// - Returns: whether every byte so far can be part of valid UTF-8. After `false` the validator is spent.
  public mutating func receive(_ bytes: RawSpan) -> Bool {
    var index = 0
    let count = bytes.byteCount
    while index < count {
      if missing == 0 {
        index = Self.endOfASCII(bytes, from: index)
        guard index < count else { return true }
        guard begin(Self.byte(bytes, index)) else { return false }
      } else {
        guard resume(Self.byte(bytes, index)) else { return false }
      }
      index &+= 1
    }
    return true
  }

  private mutating func begin(_ lead: UInt8) -> Bool {
    lowest = 0x80
    highest = 0xBF
    switch lead {
    case 0x00...0x7F: return true
    case 0xC2...0xDF: missing = 1
    case 0xE0: (missing, lowest) = (2, 0xA0)
    case 0xED: (missing, highest) = (2, 0x9F)
    case 0xE1...0xEF: missing = 2
    case 0xF0: (missing, lowest) = (3, 0x90)
    case 0xF4: (missing, highest) = (3, 0x8F)
    case 0xF1...0xF3: missing = 3
    default: return false
    }
    return true
  }

  private mutating func resume(_ byte: UInt8) -> Bool {
    guard byte >= lowest, byte <= highest else { return false }
    lowest = 0x80
    highest = 0xBF
    missing &-= 1
    return true
  }

  /// The first index from `start` on whose byte is not ASCII, or the end; eight bytes a step.
  private static func endOfASCII(_ bytes: RawSpan, from start: Int) -> Int {
    var index = start
    while bytes.byteCount &- index >= 8 {
      let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
      guard word & 0x8080_8080_8080_8080 == 0 else { break }
      index &+= 8
    }
    while index < bytes.byteCount, byte(bytes, index) < 0x80 { index &+= 1 }
    return index
  }

  private static func byte(_ bytes: RawSpan, _ index: Int) -> UInt8 {
    unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self)
  }
}
