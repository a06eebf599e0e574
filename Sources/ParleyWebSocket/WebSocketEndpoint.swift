/// What all connections of one server, or one client, have in common: the role, the limits, where masking keys come
/// from, and the form of compression.
///
/// One object for all of them, so that an idle connection stays small. Its connections must be driven by one thread at a
/// time: they take turns with the memory that it keeps.
public final class WebSocketEndpoint: @unchecked Sendable {
  /// Which end the connections are.
  public let role: WebSocketMachine.Role
  /// What peers may do.
  public let limits: WebSocketLimits

  /// Where large messages are assembled.
  public let buffers = MessageBuffers()

  let nextMaskingKey: @Sendable () -> MaskingKey
  let deflate: PermessageDeflate.Options
  let pingInterval: Nanoseconds
  let pongTimeout: Nanoseconds
  let idleTimeout: Nanoseconds
  let closeTimeout: Nanoseconds
  let maximumAge: Nanoseconds

  /// Creates what connections share.
  ///
  /// - Parameters:
  ///   - role: which end they are.
  ///   - limits: what the peer may do.
  ///   - deflate: how messages are compressed on the connections that agree on it.
  ///   - maskingKey: called for each frame that a client sends; must be unpredictable. A server never calls it.
  public init(
    role: WebSocketMachine.Role, limits: WebSocketLimits = .init(), deflate: PermessageDeflate.Options = .init(),
    maskingKey: @escaping @Sendable () -> MaskingKey
  ) {
    self.role = role
    self.limits = limits
    self.deflate = deflate
    nextMaskingKey = maskingKey
    pingInterval = Nanoseconds(limits.pingInterval)
    pongTimeout = Nanoseconds(limits.pongTimeout)
    idleTimeout = limits.idleTimeout.map { Nanoseconds($0) } ?? .never
    closeTimeout = Nanoseconds(limits.closeTimeout)
    maximumAge = limits.maximumAge.map { Nanoseconds($0) } ?? .never
  }
}
