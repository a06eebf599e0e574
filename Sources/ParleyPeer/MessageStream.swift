import ParleyWire

/// A message that no stream of messages has: empty, or longer than ``MessageStream/messageByteLimit``.
public struct MessageLengthError: Error, Hashable, Sendable {
  /// The length that was announced, in bytes.
  public let byteCount: UInt32
}

/// The receiving end of a stream that carries messages (`docs/protocol/secure-channel.md`, section 7.2).
///
///     u32 byteCount ‖ message ‖ u32 byteCount ‖ message ...
public struct MessageStream: Sendable {
  /// The longest message, in bytes.
  public static let messageByteLimit = 65_536
  /// What stands before a message, in bytes.
  public static let headByteCount = 4

  /// The beginning of a message whose end has not come, its head included.
  private var partial: [UInt8] = []

  /// Creates the receiving end of a stream.
  public init() {}

  /// Whether the stream stands between two messages.
  public var isAtBoundary: Bool { partial.isEmpty }

  /// Appends a message with its head to `output`.
  ///
  /// - Precondition: `message` has 1 to ``messageByteLimit`` bytes.
  public static func encode(_ message: [UInt8], into output: inout [UInt8]) {
    precondition((1...messageByteLimit).contains(message.count), "a message has 1 to 65536 bytes")
    output.appendBigEndian(UInt32(truncatingIfNeeded: message.count))
    output += message
  }

  /// Takes the next bytes of the stream.
  ///
  /// - Returns: The messages that they complete, in order.
  /// - Throws: As soon as a length is there that no message has. The stream is of no use then.
  public mutating func receive(_ bytes: RawSpan) throws(MessageLengthError) -> [[UInt8]] {
    var messages = [[UInt8]]()
    var reader = ByteReader(bytes)
    while !reader.isAtEnd {
      let missing = try missingByteCount()
      guard let piece = reader.read(count: min(missing, reader.remaining)) else { break }
      partial.append(contentsOf: piece)
      guard partial.count > Self.headByteCount, try missingByteCount() == 0 else { continue }
      messages.append(Array(partial[Self.headByteCount...]))
      partial.removeAll(keepingCapacity: true)
    }
    if partial.count >= Self.headByteCount { _ = try missingByteCount() }
    return messages
  }

  /// How many bytes are missing to the end of the head, or once that is there, to the end of the message.
  private func missingByteCount() throws(MessageLengthError) -> Int {
    guard partial.count >= Self.headByteCount else { return Self.headByteCount - partial.count }
    var reader = ByteReader(partial.rawSpan)
    let length = reader.readBigEndian(as: UInt32.self) ?? 0
    guard length >= 1, length <= UInt32(Self.messageByteLimit) else { throw MessageLengthError(byteCount: length) }
    return Self.headByteCount + Int(length) - partial.count
  }
}
