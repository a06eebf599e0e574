/// What happened in a yamux session.
public enum YamuxEvent: Hashable, Sendable {
  /// The peer opened a stream, which waits for ``YamuxMachine/accept(_:)`` or ``YamuxMachine/reset(_:)``.
  case opened(UInt32)
  /// The peer accepted a stream of this side.
  case acknowledged(UInt32)
  /// Bytes came; ``YamuxMachine/consume(_:of:)`` lets the peer send as many more.
  case data(UInt32, [UInt8])
  /// The peer has sent all on this stream.
  case finished(UInt32)
  /// The peer ended the stream, or the connection broke.
  case reset(UInt32)
  /// This side ended the stream, because too much lay unread.
  case overrun(UInt32)
  /// A stream that did not take all bytes takes some again.
  case writable(UInt32)
  /// The peer answered a ping.
  case pong(UInt32)
  /// The peer opens no more streams, and wants no more.
  case goAway(YamuxGoAway)
}
