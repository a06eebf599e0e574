internal import ParleyCrypto
public import ParleyWebSocket
internal import ParleyWire

/// Opens WebSocket connections.
public enum WebSocketClient {
  /// What a client asks for.
  public struct Options: Sendable {
    /// The subprotocols to offer, in order of preference.
    public var subprotocols: [String] = []
    /// Further fields of the request, such as `Parley-Handshake`: names are tokens, values visible ASCII.
    public var fields: [(name: String, value: String)] = []
    /// The key that answers a server's challenge; `nil` to answer none.
    ///
    /// A server that issues one refuses the first request with 401; the client then connects again and signs.
    public var signingKey: ClientSigningKey?
    /// Whom to trust for `wss`; required there.
    public var tls: TLSClientContext?
    /// The compression to offer; `nil` for none.
    public var deflate: PermessageDeflate.Options?
    /// The limits of the connection.
    ///
    /// ``WebSocketLimits/headTimeout`` covers the server's answer.
    public var limits = WebSocketLimits()
    /// How long the name's look-up, the TCP connection and TLS may take, together.
    public var connectTimeout: Duration = .seconds(5)
    /// Which addresses of the host may be dialled.
    var addressRule = Dialer.AddressRule.any

    /// Offers the given subprotocols.
    public init(subprotocols: [String] = [], tls: TLSClientContext? = nil) {
      self.subprotocols = subprotocols
      self.tls = tls
    }
  }

  /// Connects and upgrades.
  ///
  /// - Parameters:
  ///   - url: `ws` or `wss`.
  ///   - loop: where the connection will live.
  ///   - options: what to ask for.
  ///   - completion: called once, on the loop. To see the server's first message without a turn's delay, call
  ///     ``WebSocketConnection/start(onMessage:onClose:)`` in it.
  public static func connect(
    to url: WebURL, on loop: EventLoop, options: Options,
    completion: @escaping @Sendable (Result<WebSocketConnection, IOError>) -> Void
  ) {
    loop.execute {
      guard url.scheme != .https else { return completion(.failure(.invalidAddress(url.description))) }
      guard !url.scheme.isSecure || options.tls != nil else {
        return completion(.failure(.tls("no trusted authorities given for \(url.authority)")))
      }
      ClientConnect(loop: loop, url: url, options: options, completion: completion).start()
    }
  }

  /// Connects and upgrades.
  ///
  /// The connection receives nothing before its `start` is called, on its loop.
  ///
  /// - Throws: why there is no connection.
  /// - Returns: the connection.
  public static func connect(
    to url: WebURL, on loop: EventLoop, options: Options
  ) async throws(IOError) -> WebSocketConnection {
    let result = await withCheckedContinuation { continuation in
      connect(to: url, on: loop, options: options) { continuation.resume(returning: $0) }
    }
    return try result.get()
  }
}

/// A connection on its way, up to the server's answer.
private final class ClientConnect: StreamOwner, @unchecked Sendable {
  private let loop: EventLoop
  private let url: WebURL
  private let options: WebSocketClient.Options
  private var upgrade: ClientUpgrade?
  /// The challenge that the server's refusal held.
  private var challenge: String?
  private var completion: (@Sendable (Result<WebSocketConnection, IOError>) -> Void)?
  private var reader: HTTPHeadReader
  private var dialer: Dialer?
  private var stream: (socket: StreamSocket, fd: CInt)?
  private var deadline: ScheduledWork?

  init(
    loop: EventLoop, url: WebURL, options: WebSocketClient.Options,
    completion: @escaping @Sendable (Result<WebSocketConnection, IOError>) -> Void
  ) {
    self.loop = loop
    self.url = url
    self.options = options
    self.completion = completion
    reader = HTTPHeadReader(limits: options.limits)
  }

  func start() {
    let dialer = Dialer(
      loop: loop, host: url.host, tls: url.scheme.isSecure ? options.tls : nil, rule: options.addressRule,
      limits: options.limits
    ) { [self] result in
      self.dialer = nil
      switch result {
      case .failure(let error): finish(.failure(error))
      case .success(let (socket, fd)): sendRequest(socket, fd)
      }
    }
    self.dialer = dialer
    deadline = loop.schedule(after: options.connectTimeout) { [self] in self.dialer?.cancel(.timeout(.connect)) }
    dialer.start(port: url.port)
  }

  private func sendRequest(_ socket: StreamSocket, _ fd: CInt) {
    deadline?.cancel()
    deadline = loop.schedule(after: options.limits.headTimeout) { [self] in fail(.timeout(.openingHandshake)) }
    stream = (socket, fd)
    socket.handOver(to: self)
    let upgrade = ClientUpgrade(
      url: url, subprotocols: options.subprotocols, fields: options.fields + answer(on: socket),
      deflate: options.deflate, nonce: SystemRandom.bytes(16))
    self.upgrade = upgrade
    socket.write { $0.append(contentsOf: upgrade.request) }
    socket.setReading(true)
  }

  /// The field that answers the server's challenge, for this connection alone.
  private func answer(on socket: StreamSocket) -> [(name: String, value: String)] {
    guard let challenge, let key = options.signingKey else { return [] }
    let field = AuthenticationFields.answer(
      to: challenge, at: url, exporter: socket.tls?.exporter(), publicKey: key.publicKey, sign: key.sign)
    return field.map { [$0] } ?? []
  }

  /// Whether a refusal held a challenge that can be answered; the answer is then on its way.
  private func answers(_ head: HTTPResponseHead) -> Bool {
    guard head.status == 401, challenge == nil, options.signingKey != nil,
      let challenge = AuthenticationFields.challenge(in: head)
    else { return false }
    self.challenge = challenge
    deadline?.cancel()
    stream?.socket.handOver(to: ForgottenStream())
    stream?.socket.abort(nil)
    stream = nil
    reader = HTTPHeadReader(limits: options.limits)
    start()
    return true
  }

  func streamDidReceive(_ bytes: inout MutableRawSpan) {
    guard completion != nil, let stream else { return }
    do throws(HTTPError) {
      let count = try reader.receive(bytes.bytes)
      guard reader.isComplete, let upgrade else { return }
      let head = try HTTPResponseHead(reader)
      if answers(head) { return }
      let (subprotocol, deflate) = try upgrade.agreement(acceptedBy: head)
      // What follows is the server's first message, in the same flight.
      let early = [UInt8](bytes.bytes.extracting(count..<bytes.byteCount))
      stream.socket.setReading(false)
      let keys = MaskingKeyPool()
      let endpoint = WebSocketEndpoint(
        role: .client, limits: options.limits, deflate: options.deflate ?? .init()
      ) { keys.next() }
      let connection = WebSocketConnection(
        stream: stream.socket, endpoint: endpoint,
        setup: .init(subprotocol: subprotocol, deflate: deflate, early: early))
      stream.socket.markBoundary()
      stream.socket.handOver(to: connection)
      self.stream = nil
      finish(.success(connection))
    } catch {
      fail(.http(error))
    }
  }

  func streamDidEnd() { fail(.connectionLost) }
  func streamDidClose(_ error: IOError?) { finish(.failure(error ?? .connectionLost)) }

  private func fail(_ error: IOError) {
    finish(.failure(error))
    stream?.socket.abort(nil)
    stream = nil
  }

  private func finish(_ result: Result<WebSocketConnection, IOError>) {
    deadline?.cancel()
    let completion = completion
    self.completion = nil
    completion?(result)
  }
}

/// Nobody: a stream that is on its way out.
private final class ForgottenStream: StreamOwner {
  func streamDidReceive(_: inout MutableRawSpan) {}
  func streamDidEnd() {}
  func streamDidClose(_: IOError?) {}
}
