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

/// A plain libp2p connection over TCP or WebSocket: ``Libp2pConnection`` on a socket.
///
///     let address = try Multiaddr(parsing: "/dns4/example.org/tcp/443/tls/ws/p2p/12D3KooW…")
///     PeerConnection.dial(address, on: loop, configuration: configuration, tls: tls, handlers: handlers)
///
/// Loop thread only, except ``dial(_:on:configuration:tls:handlers:)``.
public final class PeerConnection: @unchecked Sendable {
  /// How long the peer may take to prove who it is.
  public static let handshakeTimeout: Duration = .seconds(10)
  /// What waits in the socket before the streams are held back, in bytes.
  private static let sendAheadByteCount = 256 << 10

  /// The loop that the connection lives on.
  public let loop: EventLoop

  private var machine: Libp2pConnection
  private let handlers: PeerHandlers
  private var transport: PeerTransport?
  private var deadline: ScheduledWork?
  private var acceptance: Acceptance?
  private var error: PeerConnectionError?
  private var isEnding = false
  private var isTurning = false
  private var isTurnDue = false

  /// What whoever accepted the connection wants to hear.
  struct Acceptance {
    /// The peer has proved who it is.
    var onProof: () -> Void
    /// The connection has ended.
    var onEnd: (PeerConnection) -> Void
  }

  init(
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
  ///   - address: `/ip4`, `/ip6`, `/dns`, `/dns4` or `/dns6`, then `/tcp`, then nothing, `/ws`, `/wss` or `/tls/ws`. The peer
  ///     at its end must be there; without one any may. Others fail with ``IOError/invalidAddress(_:)``.
  ///   - loop: Where the connection will live.
  ///   - configuration: What this side is and speaks.
  ///   - tls: Whom to trust for `/wss` and `/tls/ws`; required there.
  ///   - handlers: Called on the loop.
  public static func dial(
    _ address: Multiaddr, on loop: EventLoop, configuration: Libp2pConnection.Configuration,
    tls: TLSClientContext? = nil, handlers: PeerHandlers
  ) {
    loop.execute {
      let connection = PeerConnection(
        loop: loop, side: .initiator, configuration: configuration, expecting: address.peerID, handlers: handlers)
      guard let endpoint = PeerEndpoint(address) else { return connection.fail(.invalidAddress("\(address)")) }
      if endpoint.isWebSocket {
        connection.dialWebSocket(endpoint, tls)
      } else {
        connection.dialTCP(endpoint)
      }
    }
  }

  private func dialTCP(_ endpoint: PeerEndpoint) {
    let dialer = Dialer(
      loop: loop, host: endpoint.host, tls: nil, rule: endpoint.rule, limits: PeerTransport.limits
    ) { [self] result in
      deadline?.cancel()
      switch result {
      case .success(let (socket, _)): start(.tcp(socket))
      case .failure(let error): fail(error)
      }
    }
    deadline = loop.schedule(after: Self.handshakeTimeout) { dialer.cancel(.timeout(.connect)) }
    dialer.start(port: endpoint.port)
  }

  private func dialWebSocket(_ endpoint: PeerEndpoint, _ tls: TLSClientContext?) {
    guard let url = endpoint.url else { return fail(.invalidAddress(endpoint.host)) }
    var options = WebSocketClient.Options(tls: tls)
    options.limits = PeerTransport.limits
    options.connectTimeout = Self.handshakeTimeout
    options.addressRule = endpoint.rule
    WebSocketClient.connect(to: url, on: loop, options: options) { [self] result in
      switch result {
      case .success(let connection): start(.webSocket(connection))
      case .failure(let error): fail(error)
      }
    }
  }

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
      isEnding = true
      transport?.finish(.normal)
    }
  }

  // MARK: The socket

  /// Begins, on a transport that is up.
  func start(_ transport: PeerTransport, acceptance: Acceptance? = nil) {
    self.transport = transport
    self.acceptance = acceptance
    deadline = loop.schedule(after: Self.handshakeTimeout) { [weak self] in
      guard let self, let transport = self.transport else { return }
      error = .handshakeTimedOut
      transport.abort()
    }
    transport.start(self, isAccepted: acceptance != nil)
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
    while let transport, !isEnding {
      while let event = machine.poll() {
        if case .connected = event {
          deadline?.cancel()
          transport.trust()
          acceptance?.onProof()
        }
        handlers.onEvent(self, event)
      }
      guard transport.bufferedByteCount < Self.sendAheadByteCount else { return }
      do throws(Libp2pError) {
        let output = try machine.takeOutput()
        guard !output.isEmpty else { return }
        transport.write(output)
      } catch {
        return end(.peer(error))
      }
    }
  }

  private func end(_ error: PeerConnectionError) {
    if self.error == nil { self.error = error }
    isEnding = true
    transport?.finish(.protocolError)
  }

  // MARK: What the transport tells

  /// Bytes of the peer's.
  func receive(_ bytes: RawSpan) {
    guard !isEnding else { return }
    do throws(Libp2pError) {
      try machine.receive(bytes)
      turn()
    } catch {
      // What came before the fault, and what yamux has to say of it.
      turn()
      end(.peer(error))
    }
  }

  /// The transport takes more.
  func proceed() { turn() }

  /// The transport has ended: `nil` in order.
  func didEnd(_ failure: IOError?) {
    let wasWanted = isEnding
    isEnding = true
    deadline?.cancel()
    machine.disconnect()
    // The streams say that they end; nothing is sent any more.
    while let event = machine.poll() { handlers.onEvent(self, event) }
    transport = nil
    acceptance?.onEnd(self)
    acceptance = nil
    handlers.onClose(self, error ?? (wasWanted ? nil : .connection(failure ?? .connectionLost)))
  }
}

extension PeerConnection: StreamOwner {
  func streamDidReceive(_ bytes: inout MutableRawSpan) { receive(bytes.bytes) }

  func streamDidDrain() { proceed() }

  func streamDidEnd() { end(.connection(.connectionLost)) }

  func streamDidClose(_ error: IOError?) { didEnd(error) }
}
