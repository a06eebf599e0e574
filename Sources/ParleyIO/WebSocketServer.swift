public import ParleyWebSocket

/// What a server does with a valid upgrade request.
public enum UpgradeDecision: Sendable {
  /// Accepts. The `101` and `firstMessages` (binary) leave in one write.
  ///
  /// `handler` is called on the loop right after, and calls ``WebSocketConnection/start(onMessage:onClose:)`` now or later.
  case accept(
    subprotocol: String?, firstMessages: [[UInt8]] = [], handler: @Sendable (WebSocketConnection) -> Void)
  /// Answers with an HTTP error, 400 to 599, and closes.
  case refuse(status: Int)
  /// Closes without a word.
  case drop
}

/// Accepts WebSocket connections on one loop.
public final class WebSocketServer: @unchecked Sendable {
  /// How a server listens and whom it lets in.
  public struct Configuration: Sendable {
    /// Where to listen.
    public var address: ListenAddress
    /// Certificate and key, or `nil` for plain `ws`.
    public var tls: TLSServerContext?
    /// Which upgrade requests are valid.
    public var policy: UpgradePolicy
    /// The limits of each connection.
    public var limits: WebSocketLimits
    /// Connections that have not been marked authenticated; more are dropped on arrival.
    public var maximumUnauthenticatedCount = 512
    /// All connections; more are dropped on arrival.
    public var maximumConnectionCount = 10_000

    /// A server with the given policy and the default limits.
    public init(
      address: ListenAddress, tls: TLSServerContext? = nil, policy: UpgradePolicy = .init(),
      limits: WebSocketLimits = .init()
    ) {
      self.address = address
      self.tls = tls
      self.policy = policy
      self.limits = limits
    }
  }

  /// Why a connection ended before its upgrade, for the log.
  public typealias RefusalHandler = @Sendable (SocketAddress?, IOError) -> Void

  /// The loop that the server lives on.
  public let loop: EventLoop
  /// Where the server listens, its port as the kernel chose it.
  public let localAddress: SocketAddress

  private let configuration: Configuration
  private let onUpgrade: @Sendable (UpgradeRequest, ConnectionInfo) -> UpgradeDecision
  private let onRefusal: RefusalHandler?
  private let listener: Listener
  private var upgrades: [ObjectIdentifier: ServerUpgrade] = [:]
  private var connections: [ObjectIdentifier: WebSocketConnection] = [:]
  private var unauthenticatedCount = 0
  private var onClosed: (() -> Void)?

  /// Listens, and accepts from the loop's next turn on.
  ///
  /// - Parameters:
  ///   - loop: where it will live.
  ///   - configuration: how to listen and whom to let in.
  ///   - onRefusal: called on the loop for each connection that ends before its upgrade.
  ///   - onUpgrade: called on the loop for each valid request, and decides at once.
  /// - Throws: `system`, `addressInUse` or `invalidAddress`.
  public init(
    loop: EventLoop, configuration: Configuration, onRefusal: RefusalHandler? = nil,
    onUpgrade: @escaping @Sendable (UpgradeRequest, ConnectionInfo) -> UpgradeDecision
  ) throws(IOError) {
    self.loop = loop
    self.configuration = configuration
    self.onUpgrade = onUpgrade
    self.onRefusal = onRefusal
    switch configuration.address {
    case .address(let address):
      listener = Listener(loop: loop, fd: try Descriptor.listen(at: address), isOwned: true)
    case .inherited(let fd):
      try Descriptor.adopt(listener: fd)
      listener = Listener(loop: loop, fd: fd, isOwned: false)
    }
    guard let localAddress = listener.localAddress else { throw .last("getsockname") }
    self.localAddress = localAddress
    loop.execute { [self] in
      // The server lives until it is closed, whoever holds it.
      try? listener.start { self.accept($0) }
    }
  }

  /// Connections after their upgrade.
  ///
  /// On the loop only.
  public var connectionCount: Int {
    loop.checkIsolated()
    return connections.count
  }

  /// Connections that have not been marked authenticated, those before their upgrade among them.
  ///
  /// On the loop only.
  public var unauthenticatedConnectionCount: Int {
    loop.checkIsolated()
    return unauthenticatedCount
  }

  /// Stops listening, drops connections before their upgrade and closes the others with 1001; returns when the last
  /// has ended, within the close timeout.
  public func close() async {
    await withCheckedContinuation { continuation in
      loop.execute { self.beginClosing { continuation.resume() } }
    }
  }

  private func beginClosing(_ completion: @escaping () -> Void) {
    listener.stop()
    for upgrade in upgrades.values { upgrade.drop() }
    for connection in connections.values { connection.close(.goingAway) }
    if connections.isEmpty { completion() } else { onClosed = completion }
  }

  private func accept(_ fd: CInt) {
    let count = upgrades.count &+ connections.count
    guard unauthenticatedCount < configuration.maximumUnauthenticatedCount,
      count < configuration.maximumConnectionCount
    else {
      Descriptor.resetOnClose(fd)
      return Descriptor.close(fd)
    }
    Descriptor.disableDelay(fd)
    let tls: TLSSession?
    do throws(IOError) {
      if let context = configuration.tls { tls = try TLSSession(server: context, fd: fd) } else { tls = nil }
    } catch {
      return Descriptor.close(fd)
    }
    unauthenticatedCount &+= 1
    let upgrade = ServerUpgrade(server: self, fd: fd, tls: tls)
    upgrades[ObjectIdentifier(upgrade)] = upgrade
    upgrade.start()
  }

  // MARK: What becomes of an accepted socket

  fileprivate var limits: WebSocketLimits { configuration.limits }
  fileprivate var policy: UpgradePolicy { configuration.policy }

  fileprivate func decide(_ request: UpgradeRequest, _ info: ConnectionInfo) -> UpgradeDecision {
    onUpgrade(request, info)
  }

  fileprivate func didUpgrade(_ upgrade: ServerUpgrade, to connection: WebSocketConnection) {
    upgrades[ObjectIdentifier(upgrade)] = nil
    connections[ObjectIdentifier(connection)] = connection
    var isCounted = true
    let uncount = { [self] in
      if isCounted { unauthenticatedCount &-= 1 }
      isCounted = false
    }
    connection.attach(onAuthenticated: uncount) { [self] connection in
      uncount()
      connections[ObjectIdentifier(connection)] = nil
      guard connections.isEmpty, let onClosed else { return }
      self.onClosed = nil
      onClosed()
    }
  }

  fileprivate func didEnd(_ upgrade: ServerUpgrade, _ peer: SocketAddress?, _ error: IOError) {
    guard upgrades.removeValue(forKey: ObjectIdentifier(upgrade)) != nil else { return }
    unauthenticatedCount &-= 1
    onRefusal?(peer, error)
  }
}

/// An accepted socket until its request has been answered.
private final class ServerUpgrade: StreamOwner, @unchecked Sendable {
  private let server: WebSocketServer
  private let fd: CInt
  private let stream: StreamSocket
  private let peer: SocketAddress?
  private var reader: HTTPHeadReader
  private var deadline: ScheduledWork?
  private var failure: IOError?
  private var isAnswered = false

  init(server: WebSocketServer, fd: CInt, tls: TLSSession?) {
    self.server = server
    self.fd = fd
    peer = Descriptor.address(of: fd, isPeer: true)
    reader = HTTPHeadReader(limits: server.limits)
    stream = StreamSocket(
      loop: server.loop, fd: fd, isConnected: true, tls: tls, address: peer?.description ?? "", limits: server.limits)
  }

  func start() {
    // Absolute, from the first instant: neither a slow TLS handshake nor a trickle of bytes extends it.
    deadline = server.loop.schedule(after: server.limits.headTimeout) { [weak self] in
      self?.failure = .timeout(.openingHandshake)
      self?.drop()
    }
    stream.start(owner: self)
  }

  func drop() { stream.abort(nil) }

  func streamDidOpen() { stream.setReading(true) }

  func streamDidReceive(_ bytes: inout MutableRawSpan) {
    guard !isAnswered else { return }
    do throws(HTTPError) {
      let count = try reader.receive(bytes.bytes)
      guard reader.isComplete else { return }
      let request = try UpgradeRequest(HTTPRequestHead(reader), policy: server.policy)
      // No client may speak before it has seen the answer (RFC 6455 section 4.1).
      guard count == bytes.byteCount else { throw .earlyData }
      answer(request)
    } catch {
      failure = .http(error)
      refuse(status: error.status)
    }
  }

  private func answer(_ request: UpgradeRequest) {
    let info = ConnectionInfo(fd: fd, tls: stream.tls)
    switch server.decide(request, info) {
    case .accept(let subprotocol, let firstMessages, let handler):
      isAnswered = true
      deadline?.cancel()
      stream.setReading(false)
      stream.write { $0.append(contentsOf: request.acceptance(subprotocol: subprotocol)) }
      let connection = WebSocketConnection(
        stream: stream, info: info, role: .server, subprotocol: subprotocol, limits: server.limits)
      for message in firstMessages { connection.send(binary: message) }
      stream.handOver(to: connection)
      server.didUpgrade(self, to: connection)
      handler(connection)
    case .refuse(let status):
      failure = .http(.refused(status: status))
      refuse(status: status)
    case .drop:
      failure = .aborted
      drop()
    }
  }

  private func refuse(status: Int) {
    isAnswered = true
    stream.write { $0.append(contentsOf: UpgradeRefusal.response(status: status)) }
    stream.finish(within: server.limits.closeTimeout)
  }

  func streamDidEnd() {
    failure = failure ?? .connectionLost
    drop()
  }

  func streamDidDrain() {}

  func streamDidClose(_ error: IOError?) {
    deadline?.cancel()
    server.didEnd(self, peer, failure ?? error ?? .connectionLost)
  }
}
