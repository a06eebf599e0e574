internal import ParleyPeer
internal import ParleyWebSocket

/// Where a multiaddr leads, if that is over TCP.
struct PeerEndpoint {
  /// A name, or an address in numbers.
  let host: String
  let rule: Dialer.AddressRule
  let port: UInt16
  let isWebSocket: Bool
  /// Whether TLS is beneath the WebSocket.
  let isSecure: Bool

  /// `nil` for an address of anything else.
  init?(_ address: Multiaddr) {
    let components = address.peerID == nil ? address.components[...] : address.components.dropLast()
    guard components.count >= 2, let host = components[0].text, components[1].protocol == .tcp else { return nil }
    self.host = host
    port = components[1].value.reduce(0) { $0 << 8 | UInt16($1) }
    switch components[0].protocol {
    case .ip4, .ip6, .dns: rule = .any
    case .dns4: rule = .family(isIPv6: false)
    case .dns6: rule = .family(isIPv6: true)
    case _: return nil
    }
    switch components[2...].map(\.protocol) {
    case []: (isWebSocket, isSecure) = (false, false)
    case [.ws]: (isWebSocket, isSecure) = (true, false)
    case [.wss], [.tls, .ws]: (isWebSocket, isSecure) = (true, true)
    case _: return nil
    }
  }

  /// What a WebSocket client dials.
  var url: WebURL? { WebURL("\(isSecure ? "wss" : "ws")://\(host.contains(":") ? "[\(host)]" : host):\(port)/") }
}

/// What carries the bytes of a libp2p connection.
///
/// Over WebSocket each write is one binary message, and what messages come are one stream of bytes: where one ends means
/// nothing (libp2p specification, "WebSockets"; go-libp2p and py-libp2p do the same).
enum PeerTransport {
  case tcp(StreamSocket)
  case webSocket(WebSocketConnection)

  /// The longest message of a peer that has not proved who it is: more than the messages of a handshake.
  static let strangerMessageByteCountLimit = 64 << 10
  /// How long the end may take.
  private static let closeTimeout: Duration = .seconds(2)

  static let limits: WebSocketLimits = {
    var limits = WebSocketLimits()
    // The streams stop long before; what is beyond is answers, which yamux limits.
    limits.maximumBufferedByteCount = 1 << 20
    limits.resumeByteCount = 64 << 10
    limits.stallTimeout = .seconds(20)
    limits.headTimeout = PeerConnection.handshakeTimeout
    limits.closeTimeout = closeTimeout
    limits.maximumAge = nil
    limits.acceptsText = false
    return limits
  }()

  /// Bytes that wait to be sent.
  var bufferedByteCount: Int {
    switch self {
    case .tcp(let stream): stream.bufferedByteCount
    case .webSocket(let connection): connection.bufferedByteCount
    }
  }

  /// Begins to receive.
  ///
  /// - Parameters:
  ///   - connection: Who is told what happens.
  ///   - isAccepted: Whether the peer dialled.
  func start(_ connection: PeerConnection, isAccepted: Bool) {
    switch self {
    case .tcp(let stream):
      // A socket that was dialled is open and knows its owner only; one that was accepted waits to begin.
      if isAccepted { stream.start(owner: connection) } else { stream.handOver(to: connection) }
      stream.setReading(true)
    case .webSocket(let webSocket):
      webSocket.maximumMessageByteCount = Self.strangerMessageByteCountLimit
      webSocket.start(
        WebSocketHandlers(
          onMessage: { _, _, payload in connection.receive(payload) },
          onClose: { _, closure in connection.didEnd(Self.failure(closure)) },
          onDrain: { _ in connection.proceed() }))
    }
  }

  private static func failure(_ closure: WebSocketClosure) -> IOError? {
    switch closure {
    case .closed: nil
    case .failed(let error): error
    }
  }

  /// The peer has proved who it is.
  func trust() {
    guard case .webSocket(let connection) = self else { return }
    connection.maximumMessageByteCount = Self.limits.maximumMessageByteCount
    connection.markAuthenticated()
  }

  func write(_ bytes: [UInt8]) {
    switch self {
    case .tcp(let stream): stream.write { $0.append(contentsOf: bytes) }
    case .webSocket(let connection): connection.send(binary: bytes)
    }
  }

  /// Sends what waits, then ends both directions; the code is for WebSocket.
  func finish(_ code: CloseCode) {
    switch self {
    case .tcp(let stream): stream.finish(within: Self.closeTimeout)
    case .webSocket(let connection): connection.close(code)
    }
  }

  /// Ends at once.
  func abort() {
    switch self {
    case .tcp(let stream): stream.abort(nil)
    case .webSocket(let connection): connection.abort()
    }
  }
}
