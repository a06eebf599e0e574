/// An absolute URL of one of the schemes that this program dials (RFC 3986, RFC 6455 section 3), read strictly: no
/// user information, no fragment, ASCII only.
public struct WebURL: Hashable, Sendable, CustomStringConvertible {
  /// The schemes that this program dials.
  public enum Scheme: String, Hashable, Sendable {
    /// WebSocket over TCP, port 80.
    case ws
    /// WebSocket over TLS, port 443.
    case wss
    /// HTTP over TLS, port 443.
    case https

    /// Whether TLS is beneath.
    public var isSecure: Bool { self != .ws }
  }

  /// The scheme.
  public let scheme: Scheme
  /// The host name or address, in lower case; an IPv6 address without its brackets.
  public let host: String
  /// The port, the scheme's own where the URL names none.
  public let port: UInt16
  /// The path and query, beginning with `/`.
  public let target: String

  /// The longest URL that is read.
  public static let maximumByteCount = 2048

  /// Reads a URL; `nil` if it is not one of those described above.
  public init?(_ text: String) {
    guard text.utf8.count <= Self.maximumByteCount, let colon = text.firstIndex(of: ":"),
      let scheme = Scheme(rawValue: text[..<colon].lowercased()), text[colon...].hasPrefix("://")
    else { return nil }
    let rest = text[colon...].dropFirst(3)
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    let target = rest.dropFirst(authority.count)
    guard let (host, port) = HTTPSyntax.hostAndPort(authority), port != 0,
      target.utf8.allSatisfy(HTTPSyntax.isTargetByte)
    else { return nil }
    self.scheme = scheme
    self.host = host
    self.port = port ?? (scheme.isSecure ? 443 : 80)
    self.target = target.first == "/" ? String(target) : "/" + target
  }

  /// The host, in brackets where it is an IPv6 address, and the port where it is not the scheme's own.
  public var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (scheme.isSecure ? 443 : 80) ? name : "\(name):\(port)"
  }

  /// The URL as text.
  public var description: String { "\(scheme.rawValue)://\(authority)\(target)" }
}
