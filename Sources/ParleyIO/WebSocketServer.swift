public import ParleyWebSocket

/// What a server does with a valid upgrade request.
public enum UpgradeDecision: Sendable {
  /// Accepts. The `101` and `firstMessages` (binary) leave in one write.
  ///
  /// `identity` is who the client proved to be, for ``WebSocketConnection/identity``. `handler` is called on the loop
  /// right after, and calls ``WebSocketConnection/start(_:)`` now or later.
  case accept(
    subprotocol: String?, identity: ClientIdentity? = nil, firstMessages: [[UInt8]] = [],
    handler: @Sendable (WebSocketConnection) -> Void)
  /// Answers with an HTTP error, 400 to 599, and these further fields, such as `WWW-Authenticate`, and closes.
  case refuse(status: Int, fields: [(name: String, value: String)] = [])
  /// Closes without a word.
  case drop
}

/// Accepts WebSocket connections on one loop.
///
/// For one loop a core, see ``WebSocketServerGroup``.
public final class WebSocketServer: @unchecked Sendable {
  /// How a server listens and whom it lets in.
  public struct Configuration: Sendable {
    /// Where to listen.
    public var address: ListenAddress
    /// Certificate and key, or `nil` for plain `ws`.
    public var tls: TLSServerContext?
    /// Which upgrade requests are valid.
    public var policy: UpgradePolicy
    /// The limits of the server and of each connection.
    public var limits: WebSocketLimits
    /// Whether connections count as pending handshakes until ``WebSocketConnection/markAuthenticated()`` is called.
    public var awaitsAuthentication = false

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
  /// Decides about a valid request.
  public typealias UpgradeHandler = @Sendable (UpgradeRequest, ConnectionInfo) -> UpgradeDecision

  /// The loop that the server lives on.
  public let loop: EventLoop
  /// Where the server listens, its port as the kernel chose it.
  public let localAddress: SocketAddress

  fileprivate let configuration: Configuration
  fileprivate let limits: SharedLimits
  fileprivate let endpoint: WebSocketEndpoint
  fileprivate let onUpgrade: UpgradeHandler
  private let onRefusal: RefusalHandler?
  private let listener: Listener
  private let admission: Admission
  private var upgrades: [ObjectIdentifier: ServerUpgrade] = [:]
  private var open: [WebSocketConnection] = []
  private var deflateCount = 0
  private var onClosed: (() -> Void)?
  /// What is to be sent to all at the end of the turn, and its frames.
  private var broadcasts: [PreparedMessage] = []
  private var broadcastFrames: [UInt8] = []

  /// Listens, and accepts from the loop's next turn on.
  ///
  /// - Parameters:
  ///   - loop: where it will live.
  ///   - configuration: how to listen and whom to let in.
  ///   - onRefusal: called on the loop for each connection that ends before its upgrade.
  ///   - onUpgrade: called on the loop for each valid request, and decides at once.
  /// - Throws: `system`, `addressInUse` or `invalidAddress`.
  public convenience init(
    loop: EventLoop, configuration: Configuration, onRefusal: RefusalHandler? = nil,
    onUpgrade: @escaping UpgradeHandler
  ) throws(IOError) {
    let fd: CInt
    var isOwned = true
    switch configuration.address {
    case .address(let address):
      fd = try Descriptor.listen(at: address)
    case .inherited(let inherited):
      try Descriptor.adopt(listener: inherited)
      fd = inherited
      isOwned = false
    }
    try self.init(
      loop: loop, listener: Listener(loop: loop, fd: fd, isOwned: isOwned), configuration: configuration,
      admission: Admission(configuration.limits), onRefusal: onRefusal, onUpgrade: onUpgrade)
  }

  init(
    loop: EventLoop, listener: Listener, configuration: Configuration, admission: Admission,
    onRefusal: RefusalHandler?, onUpgrade: @escaping UpgradeHandler
  ) throws(IOError) {
    self.loop = loop
    self.listener = listener
    self.configuration = configuration
    self.admission = admission
    self.onUpgrade = onUpgrade
    self.onRefusal = onRefusal
    limits = SharedLimits(configuration.limits)
    endpoint = WebSocketEndpoint(
      role: .server, limits: configuration.limits, deflate: configuration.policy.deflate ?? .init()
    ) {
      preconditionFailure("a server does not mask")
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
    return open.count
  }

  /// The connections after their upgrade, in no order that lasts.
  ///
  /// On the loop only.
  public var connections: [WebSocketConnection] {
    loop.checkIsolated()
    return open
  }

  /// Connections of the server (or its group) that are not past their opening handshake, or have not been marked authenticated
  /// where the server waits for that.
  public var pendingHandshakeCount: Int { admission.current.pending }

  /// Sends a message on every connection, at the end of this turn of the loop together with the turn's others.
  ///
  /// It leaves before anything that is sent on a connection later in this turn. On the loop only.
  public func broadcast(_ message: PreparedMessage) {
    loop.checkIsolated()
    if loop.broadcaster !== self {
      loop.broadcaster?.sendBroadcasts()
      loop.broadcaster = self
      loop.callAtEndOfTurn(self)
    }
    broadcasts.append(message)
    broadcastFrames.append(contentsOf: message.frame)
    if broadcastFrames.count >= 1 << 18 { sendBroadcasts() }
  }

  func sendBroadcasts() {
    guard loop.broadcaster === self else { return }
    loop.broadcaster = nil
    let (messages, frames) = (broadcasts, broadcastFrames)
    broadcasts = []
    broadcastFrames = []
    // Sending never ends a connection at once, so the list stays as it is.
    for connection in open { connection.broadcast(messages, frames) }
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
    for connection in open { connection.close(.goingAway) as Void }
    if open.isEmpty { completion() } else { onClosed = completion }
  }

  private func accept(_ fd: CInt) {
    let peer = Descriptor.address(of: fd, isPeer: true)
    guard let count = admission.admit(peer) else {
      Descriptor.resetOnClose(fd)
      return Descriptor.close(fd)
    }
    Descriptor.disableDelay(fd)
    let tls: TLSSession?
    do throws(IOError) {
      if let context = configuration.tls { tls = try TLSSession(server: context, fd: fd) } else { tls = nil }
    } catch {
      admission.release(count, isPending: true)
      return Descriptor.close(fd)
    }
    let upgrade = ServerUpgrade(server: self, fd: fd, tls: tls, peer: peer, count: count)
    upgrades[ObjectIdentifier(upgrade)] = upgrade
    upgrade.start()
  }

  // MARK: What becomes of an accepted socket

  /// The compression to agree to, of what the client offered: none once many connections have it.
  fileprivate func deflate(for request: UpgradeRequest) -> PermessageDeflate.Agreement? {
    deflateCount < configuration.limits.maximumDeflateConnectionCount ? request.deflate : nil
  }

  fileprivate func didUpgrade(
    _ upgrade: ServerUpgrade, to connection: WebSocketConnection, _ count: AddressCount
  ) {
    upgrades[ObjectIdentifier(upgrade)] = nil
    if !configuration.awaitsAuthentication { admission.settle() }
    if connection.deflate != nil { deflateCount += 1 }
    connection.attach(to: self, at: open.count, count, isPending: configuration.awaitsAuthentication)
    open.append(connection)
  }

  func didAuthenticate() { admission.settle() }

  func didEnd(_ connection: WebSocketConnection, _ count: AddressCount?) {
    admission.release(count, isPending: connection.isPending)
    if connection.deflate != nil { deflateCount -= 1 }
    let index = connection.serverIndex
    open.swapAt(index, open.count - 1)
    open[index].serverIndex = index
    open.removeLast()
    guard open.isEmpty, let onClosed else { return }
    self.onClosed = nil
    onClosed()
  }

  fileprivate func didEnd(_ upgrade: ServerUpgrade, _ peer: SocketAddress?, _ count: AddressCount, _ error: IOError) {
    guard upgrades.removeValue(forKey: ObjectIdentifier(upgrade)) != nil else { return }
    admission.release(count, isPending: true)
    onRefusal?(peer, error)
  }
}

extension WebSocketServer: EventHandler {
  func handle(events: UInt32) {}
  func wake() {}
  func endOfTurn() { sendBroadcasts() }
  func loopDidEnd() {}
}

/// An accepted socket until its request has been answered.
private final class ServerUpgrade: StreamOwner, @unchecked Sendable {
  private let server: WebSocketServer
  private let stream: StreamSocket
  private let peer: SocketAddress?
  private let count: AddressCount
  private let deadline: MonotonicTime
  private var reader: HTTPHeadReader
  private var failure: IOError?
  private var isAnswered = false

  init(server: WebSocketServer, fd: CInt, tls: TLSSession?, peer: SocketAddress?, count: AddressCount) {
    self.server = server
    self.peer = peer
    self.count = count
    reader = HTTPHeadReader(limits: server.limits.value)
    // Absolute, from the first instant: neither a slow TLS handshake nor a trickle of bytes extends it.
    deadline = server.loop.now + server.limits.value.headTimeout
    stream = StreamSocket(loop: server.loop, fd: fd, isConnected: true, tls: tls, limits: server.limits)
  }

  func start() {
    stream.start(owner: self)
    stream.wake(at: deadline)
  }

  func drop() { stream.abort(nil) }

  func streamDidOpen() { stream.setReading(true) }

  func streamDidWake() {
    guard server.loop.now >= deadline else { return stream.wake(at: deadline) }
    failure = failure ?? .timeout(.openingHandshake)
    drop()
  }

  func streamDidReceive(_ bytes: inout MutableRawSpan) {
    guard !isAnswered else { return }
    do throws(HTTPError) {
      let count = try reader.receive(bytes.bytes)
      guard reader.isComplete else { return }
      let request = try UpgradeRequest(HTTPRequestHead(reader), policy: server.configuration.policy)
      // No client may speak before it has seen the answer (RFC 6455 section 4.1).
      guard count == bytes.byteCount else { throw .earlyData }
      answer(request)
    } catch {
      failure = .http(error)
      refuse(status: error.status, [])
    }
  }

  private func answer(_ request: UpgradeRequest) {
    switch server.onUpgrade(request, ConnectionInfo(fd: stream.fd, tls: stream.tls)) {
    case .accept(let subprotocol, let identity, let firstMessages, let handler):
      isAnswered = true
      stream.setReading(false)
      let deflate = server.deflate(for: request)
      stream.write { $0.append(contentsOf: request.acceptance(subprotocol: subprotocol, deflate: deflate)) }
      stream.markBoundary()
      let connection = WebSocketConnection(
        stream: stream, endpoint: server.endpoint,
        setup: .init(subprotocol: subprotocol, identity: identity, deflate: deflate))
      for message in firstMessages { connection.send(binary: message) }
      stream.handOver(to: connection)
      server.didUpgrade(self, to: connection, count)
      handler(connection)
    case .refuse(let status, let fields):
      failure = .http(.refused(status: status))
      refuse(status: status, fields)
    case .drop:
      failure = .aborted
      drop()
    }
  }

  private func refuse(status: Int, _ fields: [(name: String, value: String)]) {
    isAnswered = true
    stream.write { $0.append(contentsOf: UpgradeRefusal.response(status: status, fields: fields)) }
    stream.finish(within: server.limits.value.closeTimeout)
  }

  func streamDidEnd() {
    failure = failure ?? .connectionLost
    drop()
  }

  func streamDidClose(_ error: IOError?) {
    server.didEnd(self, peer, count, failure ?? error ?? .connectionLost)
  }
}
