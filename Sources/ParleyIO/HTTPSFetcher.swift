public import ParleyWebSocket
internal import ParleyWire

/// Fetches small documents by HTTPS, such as the DID documents of `did:web`.
///
/// HTTPS only; redirects are not followed; the whole of it has one deadline; only public addresses are dialled, and
/// the address that was checked is the one that is dialled, so that a name cannot change its mind in between.
public struct HTTPSFetcher: Sendable {
  /// Bounds, and what tests relax.
  public struct Options: Sendable {
    /// Bytes of the document.
    public var maximumByteCount = 65_536
    /// From the name's look-up to the document's last byte.
    public var timeout: Duration = .seconds(3)
    /// Whether addresses that are not public may be dialled, for tests and private networks.
    public var allowsPrivateAddresses = false
    /// Authorities to trust beside the system's: a file in PEM.
    public var authorityFile: String?

    /// The bounds of DID resolution.
    public init() {}
  }

  private let loop: EventLoop
  private let options: Options
  private let tls: TLSClientContext

  /// Makes a fetcher that works on `loop`.
  ///
  /// - Throws: `tlsFile`.
  public init(loop: EventLoop, options: Options = .init()) throws(IOError) {
    self.loop = loop
    self.options = options
    tls = try TLSClientContext(authorityFile: options.authorityFile, addsSystemTrust: true)
  }

  /// Fetches one document.
  ///
  /// - Returns: the body of a `200`.
  /// - Throws: `status` for every other status, redirects among them; `timeout`, `addressNotPublic`, `http` and what
  ///   else can go wrong on the way.
  public func get(_ url: WebURL) async throws(IOError) -> [UInt8] {
    let result = await withCheckedContinuation { continuation in
      get(url) { continuation.resume(returning: $0) }
    }
    return try result.get()
  }

  /// Fetches one document.
  ///
  /// - Parameters:
  ///   - url: an `https` URL.
  ///   - completion: called once, on the loop.
  public func get(_ url: WebURL, completion: @escaping @Sendable (Result<[UInt8], IOError>) -> Void) {
    loop.execute {
      guard url.scheme == .https else { return completion(.failure(.invalidAddress(url.description))) }
      Fetch(loop: loop, url: url, options: options, tls: tls, completion: completion).start()
    }
  }
}

/// One document on its way.
private final class Fetch: StreamOwner, @unchecked Sendable {
  private enum Body {
    case counted(Int)
    case untilEnd
    case chunked(ChunkedBodyReader)
  }

  private let loop: EventLoop
  private let url: WebURL
  private let options: HTTPSFetcher.Options
  private let tls: TLSClientContext
  private var completion: (@Sendable (Result<[UInt8], IOError>) -> Void)?
  private var dialer: Dialer?
  private var socket: StreamSocket?
  private var deadline: ScheduledWork?
  private var reader: HTTPHeadReader
  private var body: Body?
  private var received: [UInt8] = []

  init(
    loop: EventLoop, url: WebURL, options: HTTPSFetcher.Options, tls: TLSClientContext,
    completion: @escaping @Sendable (Result<[UInt8], IOError>) -> Void
  ) {
    self.loop = loop
    self.url = url
    self.options = options
    self.tls = tls
    self.completion = completion
    reader = HTTPHeadReader(limits: Self.limits)
  }

  /// Web servers send more fields than a node does.
  private static let limits: WebSocketLimits = {
    var limits = WebSocketLimits()
    limits.maximumHeadByteCount = 16_384
    limits.maximumFieldCount = 100
    return limits
  }()

  func start() {
    deadline = loop.schedule(after: options.timeout) { [self] in
      self.dialer?.cancel(.timeout(.fetch))
      finish(.failure(.timeout(.fetch)))
    }
    let dialer = Dialer(
      loop: loop, host: url.host, tls: tls, rule: options.allowsPrivateAddresses ? .any : .publicOnly,
      limits: Self.limits
    ) { [self] result in
      self.dialer = nil
      switch result {
      case .failure(let error): finish(.failure(error))
      case .success(let (socket, _)): sendRequest(socket)
      }
    }
    self.dialer = dialer
    dialer.start(port: url.port)
  }

  private func sendRequest(_ socket: StreamSocket) {
    guard completion != nil else { return socket.abort(nil) }
    self.socket = socket
    socket.handOver(to: self)
    let request =
      "GET \(url.target) HTTP/1.1\r\nHost: \(url.authority)\r\nAccept: application/did+json, application/json\r\n"
      + "Accept-Encoding: identity\r\nUser-Agent: parley\r\nConnection: close\r\n\r\n"
    socket.write { $0.append(contentsOf: request.utf8) }
    socket.setReading(true)
  }

  func streamDidReceive(_ bytes: inout MutableRawSpan) {
    guard completion != nil else { return }
    do throws(HTTPError) {
      var start = 0
      if !reader.isComplete {
        start = try reader.receive(bytes.bytes)
        guard reader.isComplete else { return }
        guard try receiveHead(HTTPResponseHead(reader)) else { return }
      }
      try receiveBody(bytes.bytes.extracting(start..<bytes.byteCount))
    } catch {
      finish(.failure(.http(error)))
    }
  }

  /// Whether there is a body to read.
  private func receiveHead(_ head: HTTPResponseHead) throws(HTTPError) -> Bool {
    guard head.status == 200 else {
      finish(.failure(.status(head.status)))
      return false
    }
    switch head.framing {
    case .none: body = .counted(0)
    case .count(let count):
      guard count <= options.maximumByteCount else { throw .bodyTooLarge(limit: options.maximumByteCount) }
      body = .counted(count)
    case .chunked: body = .chunked(ChunkedBodyReader(maximumByteCount: options.maximumByteCount))
    case .untilEnd: body = .untilEnd
    }
    return true
  }

  private func receiveBody(_ bytes: RawSpan) throws(HTTPError) {
    switch body.take() {
    case .chunked(var chunks):
      _ = try chunks.receive(bytes)
      if chunks.isComplete { return finish(.success(chunks.body)) }
      body = .chunked(chunks)
    case .counted(let count):
      received.append(contentsOf: bytes)
      if received.count >= count { return finish(.success(Array(received.prefix(count)))) }
      body = .counted(count)
    case .untilEnd:
      guard bytes.byteCount <= options.maximumByteCount &- received.count else {
        throw .bodyTooLarge(limit: options.maximumByteCount)
      }
      received.append(contentsOf: bytes)
      body = .untilEnd
    case nil:
      break
    }
  }

  func streamDidEnd() {
    // Without a length, only an orderly end says that the document is whole; TLS reports the other kind as an error.
    if case .untilEnd = body { finish(.success(received)) } else { finish(.failure(.connectionLost)) }
  }

  func streamDidClose(_ error: IOError?) { finish(.failure(error ?? .connectionLost)) }

  private func finish(_ result: Result<[UInt8], IOError>) {
    guard let completion else { return }
    self.completion = nil
    deadline?.cancel()
    socket?.abort(nil)
    socket = nil
    completion(result)
  }
}
