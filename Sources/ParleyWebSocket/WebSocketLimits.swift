/// Every bound on what a peer may make a connection, or a server, hold, do or wait for.
///
/// The defaults suit a server that strangers reach; a server of one's own clients raises the sizes.
public struct WebSocketLimits: Hashable, Sendable {
  // MARK: Opening

  /// Bytes of an HTTP head, its closing empty line included.
  public var maximumHeadByteCount = 8192
  /// Header fields of an HTTP head.
  public var maximumFieldCount = 64
  /// From the connection's first instant to a complete request (or response) head, TLS included.
  ///
  /// Absolute: bytes that trickle in do not extend it.
  public var headTimeout: Duration = .seconds(5)

  // MARK: Messages

  /// Bytes of a message on the wire, all its fragments together.
  public var maximumMessageByteCount = 1 << 20
  /// Bytes of a compressed message after inflation.
  public var maximumInflatedByteCount = 1 << 20
  /// How many times its own size a compressed message may grow to; counted beyond 64 KiB, which any message may reach.
  public var maximumInflationRatio = 100
  /// Frames of a message.
  public var maximumFragmentCount = 1024
  /// Bytes of each frame of a message but its last, which may be empty.
  public var minimumFragmentByteCount = 0
  /// Pings in a window of one second.
  public var maximumPingsPerSecond = 10
  /// Whether text messages are accepted.
  public var acceptsText = true

  // MARK: Time

  /// Silence after which the peer is pinged.
  public var pingInterval: Duration = .seconds(20)
  /// How long a peer may stay silent after a ping before it is given up.
  public var pongTimeout: Duration = .seconds(20)
  /// How long no message may pass in either direction before the connection is closed with 1000; `nil` for as long as
  /// pings are answered.
  public var idleTimeout: Duration?
  /// How long the closing handshake, and then the end of the TCP connection, may take.
  public var closeTimeout: Duration = .seconds(2)
  /// The age at which the connection is closed with 1001; `nil` for none.
  public var maximumAge: Duration? = .seconds(24 * 60 * 60)

  // MARK: Sending

  /// Bytes waiting to be sent beyond which the reader is too slow and is dropped with 1008.
  public var maximumBufferedByteCount = 1 << 20
  /// Bytes waiting to be sent at which a sender that waited goes on.
  public var resumeByteCount = 1 << 16
  /// Whether more is read from a peer while bytes wait to be sent to it.
  ///
  /// A server that only answers switches it off: a peer that does not take its answers then cannot ask for more.
  public var readsWhileBehind = true
  /// How long bytes may wait to be sent without the peer taking any.
  public var stallTimeout: Duration = .seconds(2)

  // MARK: A server's connections

  /// Connections of one server; more are dropped on arrival.
  public var maximumConnectionCount = 10_000
  /// Connections of one server from one address; more are dropped on arrival.
  public var maximumConnectionsPerAddress = 256
  /// Connections of one server that have not finished their opening handshake (or proved who they are, where the server
  /// waits for that); more are dropped on arrival.
  public var maximumPendingHandshakeCount = 512
  /// Connections of one server from which on compression is no longer agreed to: each costs up to 300 KiB.
  public var maximumDeflateConnectionCount = 1000

  /// Creates the limits of a server that strangers reach.
  public init() {}
}
