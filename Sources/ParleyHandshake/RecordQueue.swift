import ParleyWire

/// Bytes on their way into application records.
///
/// What was taken stays here until it is sealed: an epoch may have no room for it, and the next one has.
public struct RecordQueue: Sendable {
  /// What is before `start` is sealed.
  private var bytes: [UInt8] = []
  private var start = 0
  private var record: [UInt8] = []

  /// Creates an empty queue.
  public init() {}

  /// Bytes that are not sealed yet.
  public var byteCount: Int { bytes.count - start }

  /// Whether everything is sealed.
  public var isEmpty: Bool { byteCount == 0 }

  /// Takes bytes behind those that wait.
  public mutating func append(_ more: [UInt8]) {
    // An array that nobody else holds is taken over, not copied.
    guard !isEmpty else {
      bytes = more
      start = 0
      return
    }
    bytes.removeFirst(start)
    start = 0
    bytes.append(contentsOf: more)
  }

  /// Seals all that waits into the fewest records, and lends each to `send`.
  ///
  /// - Throws: What ``SecureChannel/seal(in:)`` throws. What was not sealed then stays.
  public mutating func seal(
    with channel: inout SecureChannel, _ send: (RawSpan) -> Void
  ) throws(HandshakeError) {
    while !isEmpty {
      let end = min(start + RecordLimits.bodyByteCount, bytes.count)
      record.removeAll(keepingCapacity: true)
      record.append(contentsOf: repeatElement(0, count: SecureChannel.bodyOffset))
      record.append(contentsOf: bytes[start..<end])
      try channel.seal(in: &record)
      start = end
      send(record.rawSpan)
    }
    bytes = []
    start = 0
  }
}
