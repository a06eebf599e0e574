import ParleyWire

/// Messages over the application records of a channel, which form one stream in each direction.
///
///     u32 byteCount ‖ message ‖ u32 byteCount ‖ message ...
///
/// A record may hold several messages and a message may span records; the stream alone counts.
public struct MessageStream: Sendable {
  /// The longest message, in bytes.
  public static let messageByteLimit = 65_536
  static let headByteCount = 4

  /// The beginning of a message whose end has not come, its head included.
  private var partial: [UInt8] = []

  /// Creates the receiving end of a stream.
  public init() {}

  /// Whether the stream stands between two messages.
  public var isAtBoundary: Bool { partial.isEmpty }

  /// The fewest record bodies that carry `messages`.
  ///
  /// - Precondition: Each message has 1 to ``messageByteLimit`` bytes.
  public static func bodies(of messages: [[UInt8]]) -> [[UInt8]] {
    var stream = [UInt8]()
    stream.reserveCapacity(messages.reduce(0) { $0 + headByteCount + $1.count })
    for message in messages {
      precondition((1...messageByteLimit).contains(message.count), "a message has 1 to 65536 bytes")
      stream.appendBigEndian(UInt32(message.count))
      stream += message
    }
    return stride(from: 0, to: stream.count, by: RecordLimits.bodyByteCount).map { start in
      Array(stream[start..<min(start + RecordLimits.bodyByteCount, stream.count)])
    }
  }

  /// Takes the body of the next application record.
  ///
  /// - Returns: The messages that it completes, in order.
  /// - Throws: ``HandshakeError/wrongStreamMessageLength(_:)`` as soon as such a length is there. The stream is of no
  ///   use then, and the driver ends the connection.
  public mutating func receive(_ body: RawSpan) throws(HandshakeError) -> [[UInt8]] {
    var messages = [[UInt8]]()
    var reader = ByteReader(body)
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

  /// Checks that the stream, which has no more bytes, ended between two messages.
  ///
  /// - Throws: ``HandshakeError/truncatedMessage``.
  public func finish() throws(HandshakeError) {
    guard isAtBoundary else { throw .truncatedMessage }
  }

  /// How many bytes are missing to the end of the head, or once that is there, to the end of the message.
  private func missingByteCount() throws(HandshakeError) -> Int {
    guard partial.count >= Self.headByteCount else { return Self.headByteCount - partial.count }
    var reader = ByteReader(partial.rawSpan)
    guard let length = reader.readBigEndian(as: UInt32.self), length >= 1, length <= UInt32(Self.messageByteLimit)
    else {
      var reader = ByteReader(partial.rawSpan)
      throw .wrongStreamMessageLength(reader.readBigEndian(as: UInt32.self) ?? 0)
    }
    return Self.headByteCount + Int(length) - partial.count
  }
}
