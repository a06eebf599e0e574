internal import ParleyWebSocket

/// Opens a stream to a host: resolves, tries its addresses one after the other, and does TLS.
///
/// Loop thread only.
final class Dialer: StreamOwner, @unchecked Sendable {
  /// Which addresses may be dialled.
  enum AddressRule {
    case any
    /// Only addresses of the public Internet. The address that was checked is the one that is dialled.
    case publicOnly
    /// Only addresses of IPv4, or only those of IPv6.
    case family(isIPv6: Bool)

    func admits(_ address: SocketAddress) -> Bool {
      switch self {
      case .any: true
      case .publicOnly: address.isPublic
      case .family(let isIPv6): address.isIPv6 == isIPv6
      }
    }

    func refusal(of host: String) -> IOError {
      switch self {
      case .any, .publicOnly: .addressNotPublic(host: host)
      case .family(let isIPv6): .resolution(host: host, reason: "no address of \(isIPv6 ? "IPv6" : "IPv4")")
      }
    }
  }

  private let loop: EventLoop
  private let host: String
  private let tls: TLSClientContext?
  private let rule: AddressRule
  private let limits: SharedLimits
  private var completion: ((Result<(StreamSocket, CInt), IOError>) -> Void)?
  private var candidates: [SocketAddress] = []
  private var address: SocketAddress?
  private var stream: (socket: StreamSocket, fd: CInt)?
  private var lastError: IOError?

  init(
    loop: EventLoop, host: String, tls: TLSClientContext?, rule: AddressRule, limits: WebSocketLimits,
    completion: @escaping (Result<(StreamSocket, CInt), IOError>) -> Void
  ) {
    self.loop = loop
    self.host = host
    self.tls = tls
    self.rule = rule
    self.limits = SharedLimits(limits)
    self.completion = completion
  }

  func start(port: UInt16) {
    Resolver.resolve(host, port: port, on: loop) { [self] result in
      guard completion != nil else { return }
      switch result {
      case .failure(let error): finish(.failure(error))
      case .success(let addresses): begin(addresses)
      }
    }
  }

  /// Gives up; the completion is called with `error`.
  func cancel(_ error: IOError) {
    guard completion != nil else { return }
    finish(.failure(error))
    stream?.socket.abort(nil)
    stream = nil
  }

  private func begin(_ addresses: [SocketAddress]) {
    candidates = Array(addresses.filter(rule.admits).prefix(4).reversed())
    guard !candidates.isEmpty else { return finish(.failure(rule.refusal(of: host))) }
    tryNext()
  }

  private func tryNext() {
    guard let address = candidates.popLast() else {
      return finish(.failure(lastError ?? .connectFailed(host, errno: 0)))
    }
    self.address = address
    do throws(IOError) {
      let fd = try Descriptor.makeTCP(address)
      let session: TLSSession?
      do throws(IOError) {
        try Descriptor.connect(fd, to: address)
        if let tls { session = try TLSSession(client: tls, fd: fd, host: host) } else { session = nil }
      } catch {
        Descriptor.close(fd)
        throw error
      }
      let socket = StreamSocket(
        loop: loop, fd: fd, isConnected: false, tls: session, limits: limits)
      stream = (socket, fd)
      socket.start(owner: self)
    } catch {
      lastError = error
      tryNext()
    }
  }

  private func finish(_ result: Result<(StreamSocket, CInt), IOError>) {
    let completion = completion
    self.completion = nil
    completion?(result)
  }

  func streamDidOpen() {
    guard let stream else { return }
    self.stream = nil
    finish(.success((stream.socket, stream.fd)))
  }

  func streamDidReceive(_: inout MutableRawSpan) {}
  func streamDidEnd() {}

  func streamDidClose(_ error: IOError?) {
    guard completion != nil else { return }
    stream = nil
    // Another address may take the connection; a certificate that is wrong is wrong everywhere.
    guard case .connectFailed(_, let number) = error else { return finish(.failure(error ?? .connectionLost)) }
    lastError = .connectFailed(address?.description ?? host, errno: number)
    tryNext()
  }
}
