import ParleyWire

/// Cuts a stream into Noise messages: `length u16 │ message` (libp2p specification, "noise-libp2p", "Wire Format").
struct NoiseFrames: Sendable {
  static let lengthByteCount = 2

  private var bytes: [UInt8] = []
  private var start = 0

  /// What was not read.
  var rest: [UInt8] { Array(bytes[start...]) }

  /// Adds bytes; those that were read are let go of, so that what is kept is one message at most and what came last.
  mutating func append(_ more: RawSpan) {
    bytes.removeFirst(start)
    start = 0
    bytes.append(contentsOf: more)
  }

  /// The length of the next message; `nil` when more bytes are needed.
  var nextByteCount: Int? {
    guard bytes.count - start >= Self.lengthByteCount else { return nil }
    return Int(bytes[start]) << 8 | Int(bytes[start + 1])
  }

  /// The next message; `nil` when more bytes are needed.
  mutating func next() -> [UInt8]? {
    guard let count = nextByteCount, bytes.count - start - Self.lengthByteCount >= count else { return nil }
    let from = start + Self.lengthByteCount
    start = from + count
    return Array(bytes[from..<start])
  }

  static func encode(_ message: [UInt8]) -> [UInt8] {
    var framed = [UInt8]()
    framed.appendLengthPrefixed(message)
    return framed
  }
}
