internal import ParleyWire

/// What a machine holds while something is under way: a header cut short, a frame, a message in pieces, or a reply.
///
/// An object of its own, made when it is needed, so that a machine between messages is small.
final class PartialInput {
  /// The bytes of a header of which more are to come.
  var headerBytes: [UInt8] = []
  /// The frame whose payload comes next.
  var frame: FrameHeader?
  /// How much of that payload has come.
  var receivedCount = 0

  /// The message of which more frames, or more of a frame, are to come.
  var message: PartialMessage?
  /// The whole message that waits to be taken.
  var assembled: [UInt8] = []

  var controlPayload: [UInt8] = []
  var pong: [UInt8]?
  var close: [UInt8]?
  var closeReason = ""

  struct PartialMessage {
    let kind: WebSocketMachine.MessageKind
    let isCompressed: Bool
    var frameCount = 0
    /// Bytes on the wire, which for a compressed message are not those in `bytes`.
    var wireByteCount = 0
    var bytes: [UInt8] = []
    var validator = UTF8Validator()

    init(kind: WebSocketMachine.MessageKind, isCompressed: Bool) {
      self.kind = kind
      self.isCompressed = isCompressed
    }

    /// Whether a text may still be UTF-8 with these new bytes.
    mutating func validate(_ added: Range<Int>) -> Bool {
      guard kind == .text else { return true }
      var validator = validator
      defer { self.validator = validator }
      return validator.receive(bytes.rawSpan.extracting(added))
    }
  }

  var hasReplies: Bool { pong != nil || close != nil }

  /// Whether nothing is under way any more.
  var isIdle: Bool {
    headerBytes.isEmpty && frame == nil && message == nil && assembled.isEmpty && !hasReplies && closeReason.isEmpty
  }

  func takeReplies() -> (pong: [UInt8]?, close: [UInt8]?) {
    defer {
      pong = nil
      close = nil
    }
    return (pong, close)
  }

  /// Lets go of what nobody will read; the frames that still come are only read past.
  func dropMessage() { message?.bytes = [] }
}

/// Counts pings in windows of one second.
struct PingWindow: BitwiseCopyable {
  private var start: MonotonicTime
  private var count: Int32 = 0

  init(start: MonotonicTime) { self.start = start }

  mutating func admit(now: MonotonicTime, limit: Int) -> Bool {
    if now - start >= .seconds(1) {
      start = now
      count = 0
    }
    count = count == .max ? count : count &+ 1
    return Int(count) <= limit
  }
}
