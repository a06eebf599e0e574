public import ParleyWebSocket

/// One WebSocket server on several loops, each with a listening socket of its own on the same port (`SO_REUSEPORT`): the
/// kernel spreads the connections, and no loop waits for another.
///
/// The limits on connections hold for all of them together.
public final class WebSocketServerGroup: Sendable {
  /// The server of each loop.
  public let servers: [WebSocketServer]

  /// Where the group listens, its port as the kernel chose it.
  public var localAddress: SocketAddress { servers[0].localAddress }

  /// Listens on every loop.
  ///
  /// - Parameters:
  ///   - loops: at least one.
  ///   - configuration: how to listen and whom to let in. Its address must not be inherited.
  ///   - onRefusal: called on the connection's loop for each connection that ends before its upgrade.
  ///   - onUpgrade: called on the connection's loop for each valid request, and decides at once.
  /// - Throws: `system`, `addressInUse` or `invalidAddress`; nothing listens then.
  public init(
    loops: [EventLoop], configuration: WebSocketServer.Configuration,
    onRefusal: WebSocketServer.RefusalHandler? = nil, onUpgrade: @escaping WebSocketServer.UpgradeHandler
  ) throws(IOError) {
    precondition(!loops.isEmpty)
    guard case .address(var address) = configuration.address else { throw .invalidAddress("an inherited socket") }
    let admission = Admission(configuration.limits)
    let isShared = loops.count > 1
    // A shared port is open to every process of the same user: see first that nobody else listens there.
    if isShared, address.port != 0 { Descriptor.close(try Descriptor.listen(at: address)) }
    var listeners: [Listener] = []
    for loop in loops {
      let listener = Listener(loop: loop, fd: try Descriptor.listen(at: address, isShared: isShared), isOwned: true)
      guard let actual = listener.localAddress else { throw .last("getsockname") }
      address = actual
      listeners.append(listener)
    }
    var servers: [WebSocketServer] = []
    for (loop, listener) in zip(loops, listeners) {
      servers.append(
        try WebSocketServer(
          loop: loop, listener: listener, configuration: configuration, admission: admission, onRefusal: onRefusal,
          onUpgrade: onUpgrade))
    }
    self.servers = servers
  }

  /// Sends a message on every connection of every loop, from any thread.
  public func broadcast(_ message: PreparedMessage) {
    for server in servers {
      if server.loop.isCurrent {
        server.broadcast(message)
      } else {
        server.loop.execute { server.broadcast(message) }
      }
    }
  }

  /// Closes every server; see ``WebSocketServer/close()``.
  public func close() async {
    await withTaskGroup { group in
      for server in servers { group.addTask { await server.close() } }
    }
  }
}
