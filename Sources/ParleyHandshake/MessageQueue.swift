import ParleyWire

/// Messages on their way into application records.
///
/// A driver whose socket is idle seals each at once. One whose socket is busy lets them gather, and seals them together
/// when there is room: several small messages then share a record, and none has waited for another.
public struct MessageQueue: Sendable {
  /// The most bytes that may gather, the heads of the messages included.
  public let byteLimit: Int
  /// The framed messages; what is before `start` is sealed.
  private var stream: [UInt8] = []
  private var start = 0
  private var record: [UInt8] = []

  /// Creates an empty queue.
  ///
  /// - Parameter byteLimit: The most bytes that may gather, a head of four for each message included.
  public init(byteLimit: Int) { self.byteLimit = byteLimit }

  /// Bytes that are not sealed yet, the heads of the messages included.
  public var byteCount: Int { stream.count - start }

  /// Whether everything is sealed.
  public var isEmpty: Bool { byteCount == 0 }

  /// Takes one more message.
  ///
  /// - Returns: `false` when it would be more than may gather; the queue is then as it was.
  /// - Precondition: `message` has 1 to ``MessageStream/messageByteLimit`` bytes.
  public mutating func append(_ message: [UInt8]) -> Bool {
    precondition((1...MessageStream.messageByteLimit).contains(message.count), "a message has 1 to 65536 bytes")
    guard byteCount + MessageStream.headByteCount + message.count <= byteLimit else { return false }
    stream.appendBigEndian(UInt32(truncatingIfNeeded: message.count))
    stream += message
    return true
  }

  /// Seals all that has gathered into the fewest records, and lends each to `send`.
  ///
  /// - Throws: What ``SecureChannel/seal(in:)`` throws. What was not sealed then stays.
  public mutating func seal(
    with channel: inout SecureChannel, _ send: (RawSpan) -> Void
  ) throws(HandshakeError) {
    while !isEmpty {
      let end = min(start + RecordLimits.bodyByteCount, stream.count)
      record.removeAll(keepingCapacity: true)
      record.append(contentsOf: repeatElement(0, count: SecureChannel.bodyOffset))
      record.append(contentsOf: stream[start..<end])
      try channel.seal(in: &record)
      start = end
      send(record.rawSpan)
    }
    stream.removeAll(keepingCapacity: stream.count <= RecordLimits.bodyByteCount)
    start = 0
  }
}
