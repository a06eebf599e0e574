internal import ParleyNoise
public import ParleyPeer
internal import ParleyWebSocket
internal import ParleyWire

/// Why a libp2p connection ended.
public enum PeerConnectionError: Error, Hashable, Sendable {
  /// The network, or this machine.
  case connection(IOError)
  /// The peer broke a protocol.
  case peer(Libp2pError)
  /// The peer did not prove who it is in time.
  case handshakeTimedOut
}

/// What is done with a connection's events.
public struct PeerHandlers: Sendable {
  /// Called for each event, in order; `nil` takes part in nothing.
  public var onEvent: @Sendable (PeerConnection, Libp2pEvent) -> Void
  /// Called once, last; with `nil` after an end that this side wanted.
  public var onClose: @Sendable (PeerConnection, PeerConnectionError?) -> Void

  /// Gathers both.
  public init(
    onEvent: @escaping @Sendable (PeerConnection, Libp2pEvent) -> Void,
    onClose: @escaping @Sendable (PeerConnection, PeerConnectionError?) -> Void
  ) {
    self.onEvent = onEvent
    self.onClose = onClose
  }
}

/// A plain libp2p connection over TCP: ``Libp2pConnection`` on a socket.
///
/// Loop thread only, except ``dial(host:port:on:configuration:expecting:handlers:)``.
public final class PeerConnection: @unchecked Sendable {
  /// How long the peer may take to prove who it is.
  public static let handshakeTimeout: Duration = .seconds(10)
  /// What waits in the socket before the streams are held back, in bytes.
  private static let sendAheadByteCount = 256 << 10

  /// The loop that the connection lives on.
  public let loop: EventLoop

  private var machine: Libp2pConnection
  private let handlers: PeerHandlers
  private var stream: StreamSocket?
  private var deadline: ScheduledWork?
  private var onEnd: ((PeerConnection) -> Void)?
  private var error: PeerConnectionError?
  private var isTurning = false
  private var isTurnDue = false

  fileprivate init(
    loop: EventLoop, side: NoiseRole, configuration: Libp2pConnection.Configuration, expecting peer: PeerID?,
    handlers: PeerHandlers
  ) {
    self.loop = loop
    self.handlers = handlers
    machine = Libp2pConnection(side, configuration, expecting: peer)
  }

  /// Dials a peer.
  ///
  /// The connection lives until it ends, whoever holds it; that it is up says ``Libp2pEvent/connected(_:)``.
  ///
  /// - Parameters:
  ///   - host: A name or an address.
  ///   - port: Its port.
  ///   - loop: Where the connection will live.
  ///   - configuration: What this side is and speaks.
  ///   - peer: Who must be there; `nil` takes any.
  ///   - handlers: Called on the loop.
  public static func dial(
    host: String, port: UInt16, on loop: EventLoop, configuration: Libp2pConnection.Configuration,
    expecting peer: PeerID?, handlers: PeerHandlers
  ) {
    loop.execute {
      let connection = PeerConnection(
        loop: loop, side: .initiator, configuration: configuration, expecting: peer, handlers: handlers)
      let dialer = Dialer(loop: loop, host: host, tls: nil, rule: .any, limits: limits) { result in
        connection.deadline?.cancel()
        switch result {
        case .success(let (socket, _)): connection.start(socket)
        case .failure(let error): connection.fail(error)
        }
      }
      connection.deadline = loop.schedule(after: handshakeTimeout) { dialer.cancel(.timeout(.connect)) }
      dialer.start(port: port)
    }
  }

  fileprivate static let limits: WebSocketLimits = {
    var limits = WebSocketLimits()
    // The streams stop long before; what is beyond is answers, which yamux limits.
    limits.maximumBufferedByteCount = 1 << 20
    limits.resumeByteCount = 64 << 10
    limits.stallTimeout = .seconds(20)
    return limits
  }()

  // MARK: Streams

  /// Opens a stream for a protocol; data may follow at once.
  ///
  /// - Returns: Its number; `nil` when the connection is not up or its limits forbid it now.
  public func open(_ name: String) -> UInt32? {
    defer { turnLater() }
    loop.checkIsolated()
    return machine.open(name)
  }

  /// Sends as much as the stream takes.
  ///
  /// - Returns: How many of the bytes were taken; ``Libp2pEvent/writable(_:)`` follows if not all. `nil` when the
  ///   stream is gone or this side has finished it.
  public func send(_ bytes: [UInt8], on id: UInt32) -> Int? {
    defer { turnLater() }
    loop.checkIsolated()
    return machine.send(bytes, on: id)
  }

  /// Lets the peer send as many bytes more as were read.
  public func consume(_ count: Int, of id: UInt32) {
    loop.checkIsolated()
    machine.consume(count, of: id)
    turnLater()
  }

  /// Says that this side has sent all on a stream; the peer may go on.
  public func finish(_ id: UInt32) {
    loop.checkIsolated()
    machine.finish(id)
    turnLater()
  }

  /// Ends a stream at once, in both directions.
  public func reset(_ id: UInt32) {
    loop.checkIsolated()
    machine.reset(id)
    turnLater()
  }

  /// Sends what waits, then ends the connection.
  public func close() {
    loop.checkIsolated()
    // After what the calls before this one led to.
    loop.execute { [self] in
      turn()
      stream?.finish(within: .seconds(2))
    }
  }

  // MARK: The socket

  fileprivate func start(_ stream: StreamSocket, onEnd: ((PeerConnection) -> Void)? = nil) {
    self.stream = stream
    self.onEnd = onEnd
    deadline = loop.schedule(after: Self.handshakeTimeout) { [weak self] in
      guard let self, let stream = self.stream else { return }
      error = .handshakeTimedOut
      stream.abort(nil)
    }
    // A socket that was dialled is open and knows its owner only; one that was accepted waits to begin.
    if onEnd == nil { stream.handOver(to: self) } else { stream.start(owner: self) }
    stream.setReading(true)
    turn()
  }

  private func fail(_ error: IOError) {
    handlers.onClose(self, .connection(error))
  }

  /// No handler is called from within a call of the application's.
  private func turnLater() {
    guard !isTurning, !isTurnDue else { return }
    isTurnDue = true
    loop.execute { [self] in
      isTurnDue = false
      turn()
    }
  }

  /// Passes on events, and output as far as the socket takes it, until there is neither.
  private func turn() {
    guard !isTurning else { return }
    isTurning = true
    defer { isTurning = false }
    while let stream, !stream.isFinishing {
      while let event = machine.poll() {
        if case .connected = event { deadline?.cancel() }
        handlers.onEvent(self, event)
      }
      guard stream.bufferedByteCount < Self.sendAheadByteCount else { return }
      do throws(Libp2pError) {
        let output = try machine.takeOutput()
        guard !output.isEmpty else { return }
        stream.write { $0.append(contentsOf: output) }
      } catch {
        return end(.peer(error))
      }
    }
  }

  private func end(_ error: PeerConnectionError) {
    if self.error == nil { self.error = error }
    stream?.finish(within: .seconds(2))
  }
}

extension PeerConnection: StreamOwner {
  func streamDidReceive(_ bytes: inout MutableRawSpan) {
    do throws(Libp2pError) {
      try machine.receive(bytes.bytes)
      turn()
    } catch {
      // What came before the fault, and what yamux has to say of it.
      turn()
      end(.peer(error))
    }
  }

  func streamDidDrain() { turn() }

  func streamDidEnd() {
    if error == nil { error = .connection(.connectionLost) }
    stream?.finish(within: .seconds(2))
  }

  func streamDidClose(_ error: IOError?) {
    deadline?.cancel()
    machine.disconnect()
    // The streams say that they end; nothing is sent any more.
    while let event = machine.poll() { handlers.onEvent(self, event) }
    stream = nil
    onEnd?(self)
    onEnd = nil
    handlers.onClose(self, self.error ?? error.map { .connection($0) })
  }
}

/// Accepts plain libp2p connections over TCP.
public final class PeerListener: @unchecked Sendable {
  /// Where it listens, with the port that the kernel chose.
  public let localAddress: SocketAddress

  private let loop: EventLoop
  private let listener: Listener
  private let configuration: Libp2pConnection.Configuration
  private let connectionCountLimit: Int
  private let handlers: PeerHandlers
  private var connections: [ObjectIdentifier: PeerConnection] = [:]

  /// Listens, and accepts from the loop's next turn on.
  ///
  /// - Parameters:
  ///   - loop: Where the connections will live.
  ///   - address: Of this machine; port 0 has the kernel choose.
  ///   - configuration: What this side is and speaks.
  ///   - connectionCountLimit: How many connections there may be at a time; one more is dropped.
  ///   - handlers: Called on the loop, for every connection.
  /// - Throws: `system`, `addressInUse` or `invalidAddress`.
  public init(
    loop: EventLoop, address: SocketAddress, configuration: Libp2pConnection.Configuration,
    connectionCountLimit: Int = 1000, handlers: PeerHandlers
  ) throws(IOError) {
    self.loop = loop
    self.configuration = configuration
    self.connectionCountLimit = connectionCountLimit
    self.handlers = handlers
    listener = Listener(loop: loop, fd: try Descriptor.listen(at: address), isOwned: true)
    guard let localAddress = listener.localAddress else { throw .last("getsockname") }
    self.localAddress = localAddress
    loop.execute { [self] in try? listener.start { self.accept($0) } }
  }

  /// Listens no more, and ends the connections.
  public func close() async {
    await withCheckedContinuation { continuation in
      loop.execute { [self] in
        listener.stop()
        for connection in connections.values { connection.close() }
        continuation.resume()
      }
    }
  }

  private func accept(_ fd: CInt) {
    guard connections.count < connectionCountLimit else { return Descriptor.close(fd) }
    Descriptor.disableDelay(fd)
    let connection = PeerConnection(
      loop: loop, side: .responder, configuration: configuration, expecting: nil, handlers: handlers)
    connections[ObjectIdentifier(connection)] = connection
    let socket = StreamSocket(
      loop: loop, fd: fd, isConnected: true, tls: nil, limits: SharedLimits(PeerConnection.limits))
    connection.start(socket) { [self] in connections[ObjectIdentifier($0)] = nil }
  }
}
