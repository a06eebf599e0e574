/// Every bound on what a peer may make a connection hold, do or wait for.
///
/// The defaults are those of a port that unknown peers reach; an API for one's own clients raises the sizes.
public struct WebSocketLimits: Hashable, Sendable {
  /// Bytes of an HTTP head, its closing empty line included.
  public var maximumHeadByteCount = 4096
  /// Header fields of an HTTP head.
  public var maximumFieldCount = 32
  /// From the connection's first instant to a complete request (or response) head, TLS included.
  ///
  /// Absolute: bytes that trickle in do not extend it.
  public var headTimeout: Duration = .seconds(5)
  /// Bytes of a message, all its fragments together.
  public var maximumMessageByteCount = 16_404
  /// Frames of a message.
  public var maximumFragmentCount = 4
  /// Bytes of each frame of a message but its last, which may be empty.
  public var minimumFragmentByteCount = 1
  /// Pings in a window of one second.
  public var maximumPingsPerSecond = 10
  /// Whether text messages are accepted.
  public var acceptsText = false
  /// Silence after which the peer is pinged.
  public var pingInterval: Duration = .seconds(10)
  /// Silence after which the peer is given up, the time since the first unanswered ping included; above
  /// ``pingInterval``.
  public var silenceTimeout: Duration = .seconds(25)
  /// How long the closing handshake, and then the end of the TCP connection, may take.
  public var closeTimeout: Duration = .seconds(2)
  /// The age at which the connection is closed with 1001.
  public var maximumAge: Duration = .seconds(24 * 60 * 60)
  /// Bytes waiting to be sent beyond which the reader is too slow and is dropped.
  public var maximumBufferedByteCount = 1 << 20
  /// How long bytes may wait to be sent without the peer taking any.
  public var stallTimeout: Duration = .seconds(2)

  /// Creates the limits of a port that unknown peers reach.
  public init() {}
}
