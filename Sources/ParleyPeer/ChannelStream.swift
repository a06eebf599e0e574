import ParleyWire

/// What a stream of a secure channel is for.
enum ChannelStreamPurpose: Hashable, Sendable {
  /// The peer has not named it yet.
  case unnamed
  case negotiation
  /// This side asks.
  case ping
  /// This side answers.
  case echo
  /// Messages of a protocol that the driver knows.
  case messages
}

/// One stream of a secure channel: what is agreed on it, and what waits on it.
struct ChannelStream: Sendable {
  let isInbound: Bool
  var purpose: ChannelStreamPurpose
  /// `nil` once there is an agreement.
  var selector: MultistreamSelector?
  var queue = WaitingBytes()
  var incoming = MessageStream()
  /// The beginning of a block of a ping.
  var block: [UInt8] = []
  /// How many bytes at the end of `queue` are the peer's own, to be sent back.
  var echoByteCount = 0
  /// Whether the stream is to be finished once `queue` is empty.
  var finishes = false
  /// Whether a message was not taken.
  var isWaiting = false

  init(isInbound: Bool, purpose: ChannelStreamPurpose, selector: MultistreamSelector) {
    self.isInbound = isInbound
    self.purpose = purpose
    self.selector = selector
  }

  /// Whether the driver knows of it.
  var isTold: Bool { purpose == .messages }
}

/// Bytes that wait for room, in order.
struct WaitingBytes: Sendable {
  private var bytes: [UInt8] = []
  private var start = 0

  var count: Int { bytes.count - start }
  var isEmpty: Bool { count == 0 }

  /// All of them.
  var all: ArraySlice<UInt8> { bytes[start...] }

  mutating func append(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

  /// Takes a message with its head.
  mutating func append(message: [UInt8]) { MessageStream.encode(message, into: &bytes) }

  /// Lends the first `count` bytes to `body`.
  func withFirst<Result>(_ count: Int, _ body: (RawSpan) -> Result) -> Result {
    body(bytes.rawSpan.extracting(start..<(start + count)))
  }

  /// Lets go of the first `count` bytes; what that costs is spread over many calls.
  mutating func removeFirst(_ count: Int) {
    start += count
    if start == bytes.count {
      bytes.removeAll(keepingCapacity: bytes.capacity <= Self.keptByteCount)
      start = 0
    } else if start > bytes.count / 2 {
      bytes.removeFirst(start)
      start = 0
    }
  }

  private static let keptByteCount = 16 << 10
}
