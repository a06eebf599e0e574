/// How the peer broke the yamux protocol or a limit; the session has ended.
///
/// What is left to send ends with a go-away frame. Every later input throws ``ended``.
public enum YamuxError: Error, Hashable, Sendable {
  /// A frame of another version.
  case unknownVersion(UInt8)
  /// A frame of no known type.
  case unknownType(UInt8)
  /// A frame with flags that nobody defined.
  case unknownFlags(UInt16)
  /// A frame of a stream names none, one of the session names one, or a new stream has a number of this side's.
  case misplacedStream(UInt32)
  /// A stream begins whose number is in use.
  case streamInUse(UInt32)
  /// A frame of a stream that never was.
  case unknownStream(UInt32)
  /// More data than this side has given leave for.
  case windowExceeded(UInt32, byteCount: Int)
  /// A window that no number can hold.
  case windowOverflow(UInt32)
  /// Data after the sender said that it had sent all.
  case dataAfterFinish(UInt32)
  /// The peer has this side answer, and does not read the answers: more than this many bytes wait.
  case answersUnread(limit: Int)
  /// An earlier error ended this session.
  case ended
}

/// Why this side may not open a stream now.
public enum YamuxRefusal: Error, Hashable, Sendable {
  /// So many are open.
  case tooManyStreams(limit: Int)
  /// The peer has yet to accept so many.
  case tooManyUnacknowledged(limit: Int)
  /// One side has said that it goes away.
  case goingAway
  /// All numbers are used: a new session must be made.
  case exhausted
}

/// What a yamux session may grow to.
public struct YamuxLimits: Hashable, Sendable {
  /// Streams that the peer may have open at a time; one more is reset.
  public var inboundStreamCount = 256
  /// Streams that this side may have open at a time.
  public var outboundStreamCount = 256
  /// Streams of this side that the peer has not accepted yet.
  public var unacknowledgedStreamCount = 64
  /// What the peer may send on a stream before this side reads: at least 256 KiB, which the specification gives.
  public var windowByteCount = YamuxLimits.initialWindowByteCount
  /// What may lie unread in all streams together; the stream that passes it is reset.
  public var unreadByteCount = 4 << 20
  /// What may wait to be sent before ``YamuxMachine/send(_:on:)`` takes no more.
  public var outputByteCount = 64 << 10
  /// What answers to the peer may take beyond ``outputByteCount`` before the session ends.
  public var answerByteCount = 16 << 10
  /// The longest payload of a frame that this side sends: how long one stream makes the others wait.
  public var frameByteCount = 16 << 10
  /// Pings of this side that are not answered yet.
  public var pingCount = 8

  /// Takes the values above.
  public init() {}

  /// The window of a new stream, in bytes (yamux specification, "Flow Control").
  public static let initialWindowByteCount = 256 << 10
}
