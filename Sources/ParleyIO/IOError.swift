internal import Glibc
public import ParleyWebSocket

/// Why something at the edge of the process did not work: the environment's fault, or the peer's as this end saw it.
public enum IOError: Error, Hashable, Sendable {
  /// What took too long.
  public enum Phase: String, Hashable, Sendable {
    /// Looking up a name.
    case resolution
    /// The TCP connection.
    case connect
    /// The TLS handshake and the HTTP head.
    case openingHandshake = "opening handshake"
    /// Fetching a document.
    case fetch
    /// The closing handshake.
    case close
    /// Any sign of life from the peer.
    case silence
  }

  /// A system call failed.
  case system(call: String, errno: CInt)
  /// Text that is not an address, a port or a URL where one is needed.
  case invalidAddress(String)
  /// Another process listens there.
  case addressInUse(String)
  /// A name did not resolve; the text is the resolver's.
  case resolution(host: String, reason: String)
  /// Too many look-ups are under way.
  case resolverBusy
  /// A name resolved to addresses that are not public, where only public ones are allowed.
  case addressNotPublic(host: String)
  /// Nothing took the connection; the number is the system's error for the last address tried.
  case connectFailed(String, errno: CInt)
  /// Something took longer than its limit.
  case timeout(Phase)
  /// A certificate, key or trust file cannot be used.
  case tlsFile(String, reason: String)
  /// The peer's certificate does not prove the name that was dialled, or is not one that the server's authorities vouch for.
  case certificate(String)
  /// TLS failed for another reason.
  case tls(String)
  /// The peer broke HTTP, or refused what was asked.
  case http(HTTPError)
  /// The peer broke RFC 6455 or a limit.
  case webSocket(WebSocketError)
  /// A fetched document came with this status.
  case status(Int)
  /// The peer ended the connection, or the network did.
  case connectionLost
  /// The peer took what was sent too slowly.
  case slowReader(bufferedByteCount: Int)
  /// A line was longer than the limit.
  case lineTooLong(limit: Int)
  /// This end dropped the connection.
  case aborted

  /// The calling thread's last error.
  static func last(_ call: String) -> IOError { .system(call: call, errno: Glibc.errno) }
}

extension IOError: CustomStringConvertible {
  /// What went wrong, in words.
  public var description: String {
    switch self {
    case .system(let call, let number): "\(call): \(Self.text(number))"
    case .invalidAddress(let text): "'\(text)' is not an address that can be used"
    case .addressInUse(let text): "\(text) is in use by another process"
    case .resolution(let host, let reason): "cannot resolve \(host): \(reason)"
    case .resolverBusy: "too many names are being looked up; try again"
    case .addressNotPublic(let host): "\(host) is not at a public address"
    case .connectFailed(let where_, let number): "cannot connect to \(where_): \(Self.text(number))"
    case .timeout(let phase): "timed out: \(phase.rawValue)"
    case .tlsFile(let path, let reason): "cannot use \(path): \(reason)"
    case .certificate(let reason): "the peer's certificate is not accepted: \(reason)"
    case .tls(let reason): "TLS failed: \(reason)"
    case .http(let error): "HTTP: \(error)"
    case .webSocket(let error): "WebSocket: \(error)"
    case .status(let code): "the server answered with status \(code)"
    case .connectionLost: "the connection was lost"
    case .slowReader(let count): "the peer reads too slowly (\(count) bytes waited)"
    case .lineTooLong(let limit): "a line has more than \(limit) bytes"
    case .aborted: "the connection was dropped by this end"
    }
  }

  private static func text(_ number: CInt) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    _ = unsafe strerror_r(number, &buffer, buffer.count)
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
