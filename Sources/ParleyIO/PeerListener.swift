internal import ParleyNoise
public import ParleyPeer
internal import ParleyWebSocket

/// Accepts plain libp2p connections over TCP or WebSocket.
///
///     let listener = try PeerListener(
///       loop: loop, address: Multiaddr(parsing: "/ip4/127.0.0.1/tcp/0/ws"), configuration: configuration, handlers: handlers)
///     print(listener.address)  // /ip4/127.0.0.1/tcp/40017/ws/p2p/12D3KooW…
///
/// Pages in browsers are refused: they would have this machine speak to strangers in the name of whoever looks at them.
public final class PeerListener: Sendable {
  /// What to dial: the address with the port that the kernel chose, and this side's peer ID.
  public let address: Multiaddr

  private let backend: Backend
  private let acceptor: PeerAcceptor

  private enum Backend: Sendable {
    case tcp(Listener)
    case webSocket(WebSocketServer)
  }

  /// Listens, and accepts from the loop's next turn on.
  ///
  /// - Parameters:
  ///   - loop: Where the connections will live.
  ///   - address: `/ip4` or `/ip6` of this machine, `/tcp`, where port 0 has the kernel choose, then nothing, `/ws`, `/wss` or
  ///     `/tls/ws`.
  ///   - configuration: What this side is and speaks.
  ///   - tls: Certificate and key for `/wss` and `/tls/ws`; required there.
  ///   - connectionCountLimit: How many connections there may be at a time; one more is dropped, and so are those beyond
  ///     256 from one address.
  ///   - handlers: Called on the loop, for every connection.
  /// - Throws: `system`, `addressInUse`, `invalidAddress` or, without a certificate where one is needed, `tls`.
  public init(
    loop: EventLoop, address: Multiaddr, configuration: Libp2pConnection.Configuration, tls: TLSServerContext? = nil,
    connectionCountLimit: Int = 1000, handlers: PeerHandlers
  ) throws(IOError) {
    let own = configuration.peerID
    guard let endpoint = PeerEndpoint(address), let local = SocketAddress(endpoint.host, port: endpoint.port),
      address.peerID == nil || address.peerID == own
    else {
      throw .invalidAddress("\(address)")
    }
    guard !endpoint.isSecure || tls != nil else { throw .tls("no certificate given for \(address)") }
    var limits = PeerTransport.limits
    limits.maximumConnectionCount = connectionCountLimit
    let acceptor = PeerAcceptor(loop: loop, configuration: configuration, limits: limits, handlers: handlers)
    self.acceptor = acceptor
    let actual: SocketAddress
    if endpoint.isWebSocket {
      var server = WebSocketServer.Configuration(
        address: .address(local), tls: endpoint.isSecure ? tls : nil, limits: limits)
      server.awaitsAuthentication = true
      let running = try WebSocketServer(loop: loop, configuration: server) { _, _ in
        .accept(subprotocol: nil) { acceptor.accept($0) }
      }
      backend = .webSocket(running)
      actual = running.localAddress
    } else {
      let listener = Listener(loop: loop, fd: try Descriptor.listen(at: local), isOwned: true)
      guard let bound = listener.localAddress else { throw .last("getsockname") }
      loop.execute { try? listener.start { acceptor.accept($0) } }
      backend = .tcp(listener)
      actual = bound
    }
    let rest = address.components.dropFirst(2).filter { $0.protocol != .p2p }
    do throws(MultiaddrError) {
      self.address = try Multiaddr([.ip(actual.bytes), .tcp(actual.port)] + rest + [.p2p(own)])
    } catch {
      preconditionFailure("five components at most are within every limit")
    }
  }

  /// Listens no more, and ends the connections.
  public func close() async {
    await withCheckedContinuation { continuation in
      acceptor.loop.execute { [self] in
        if case .tcp(let listener) = backend { listener.stop() }
        acceptor.closeAll()
        continuation.resume()
      }
    }
    if case .webSocket(let server) = backend { await server.close() }
  }
}

/// Makes connections of what was accepted, and keeps them.
private final class PeerAcceptor: @unchecked Sendable {
  let loop: EventLoop
  private let configuration: Libp2pConnection.Configuration
  private let limits: SharedLimits
  /// Of TCP; a WebSocket server has its own.
  private let admission: Admission
  private let handlers: PeerHandlers
  private var connections: [ObjectIdentifier: PeerConnection] = [:]

  init(
    loop: EventLoop, configuration: Libp2pConnection.Configuration, limits: WebSocketLimits, handlers: PeerHandlers
  ) {
    self.loop = loop
    self.configuration = configuration
    self.limits = SharedLimits(limits)
    self.handlers = handlers
    admission = Admission(limits)
  }

  func accept(_ fd: CInt) {
    guard let count = admission.admit(Descriptor.address(of: fd, isPeer: true)) else {
      Descriptor.resetOnClose(fd)
      return Descriptor.close(fd)
    }
    Descriptor.disableDelay(fd)
    let stream = StreamSocket(loop: loop, fd: fd, isConnected: true, tls: nil, limits: limits)
    var isPending = true
    accept(.tcp(stream)) { [admission] in
      isPending = false
      admission.settle()
    } onEnd: { [admission] in
      admission.release(count, isPending: isPending)
    }
  }

  func accept(_ connection: WebSocketConnection) { accept(.webSocket(connection), onProof: {}, onEnd: {}) }

  private func accept(_ transport: PeerTransport, onProof: @escaping () -> Void, onEnd: @escaping () -> Void) {
    let connection = PeerConnection(
      loop: loop, side: .responder, configuration: configuration, expecting: nil, handlers: handlers)
    connections[ObjectIdentifier(connection)] = connection
    connection.start(
      transport,
      acceptance: .init(
        onProof: onProof,
        onEnd: { [self] in
          connections[ObjectIdentifier($0)] = nil
          onEnd()
        }))
  }

  func closeAll() {
    for connection in connections.values { connection.close() }
  }
}
