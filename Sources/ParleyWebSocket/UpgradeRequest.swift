internal import ParleyWire

/// Which upgrade requests a server takes.
public struct UpgradePolicy: Hashable, Sendable {
  /// The hosts this server answers to, in lower case and without port, or `nil` for any.
  public var allowedHosts: Set<String>?
  /// The origins of browsers that may connect, compared exactly; `null` is nobody's.
  ///
  /// None by default: other clients send no `Origin`.
  public var allowedOrigins: Set<String> = []
  /// The subprotocols this server speaks; the client's first that is among them is chosen.
  public var subprotocols: [String] = []
  /// Whether a client that offers none of ``subprotocols`` is refused.
  public var requiresSubprotocol = false
  /// How messages may be compressed where the client offers it; `nil` to compress none.
  public var deflate: PermessageDeflate.Options?

  /// Creates the policy of a server for programs, not browsers.
  public init(subprotocols: [String] = [], requiresSubprotocol: Bool = false) {
    self.subprotocols = subprotocols
    self.requiresSubprotocol = requiresSubprotocol
  }
}

/// A valid opening handshake of a client (RFC 6455 section 4.2.1).
public struct UpgradeRequest: Hashable, Sendable {
  /// The path and query asked for.
  public let target: String
  /// The host asked for, in lower case and without port.
  public let host: String
  /// The origin of the browser page that asks, if it is one.
  public let origin: String?
  /// The client's `Sec-WebSocket-Key`.
  public let key: String
  /// The subprotocols offered, in the client's order, without those that begin with `bearer.`: they carry a token
  /// (see ``BearerTokens``) and are nothing to choose.
  public let offeredSubprotocols: [String]
  /// What ``UpgradePolicy`` chose among them.
  public let subprotocol: String?
  /// How messages are compressed if ``acceptance(subprotocol:deflate:)`` says so: the first of the client's offers that
  /// ``UpgradePolicy/deflate`` can meet.
  public let deflate: PermessageDeflate.Agreement?
  /// Every field of the request.
  public let fields: HTTPFields

  /// The element of `Sec-WebSocket-Extensions` that agrees to ``deflate``.
  private let deflateAnswer: String

  /// Checks a head against RFC 6455 and a policy.
  public init(_ head: HTTPRequestHead, policy: UpgradePolicy) throws(HTTPError) {
    guard head.method == "GET", head.isHTTP11 else { throw .notAnUpgrade }
    let fields = head.fields
    guard head.framing == .none || head.framing == .count(0) else { throw .unexpectedBody }
    guard let host = head.host else { throw .invalidHost }
    self.host = host
    guard policy.allowedHosts?.contains(host) ?? true else { throw .hostRefused }
    try OpeningHandshake.requireUpgrade(fields)
    guard try fields.single("sec-websocket-version") == OpeningHandshake.version else {
      throw .unsupportedWebSocketVersion
    }
    guard let key = try fields.single("sec-websocket-key"), key.utf8.count == 24,
      let nonce = Base64.decode(key), nonce.count == 16
    else { throw .invalidKey }
    self.key = key
    origin = try fields.single("origin")
    // `null` is what every sandboxed page and local file calls itself (RFC 6454 section 7.3).
    if let origin { guard origin != "null", policy.allowedOrigins.contains(origin) else { throw .originRefused } }

    let offers = fields.list("sec-websocket-protocol")
    guard offers.allSatisfy({ HTTPSyntax.isToken($0) }), Set(offers).count == offers.count else {
      throw .malformedOffer
    }
    offeredSubprotocols = offers.filter { !BearerTokens.isCredential($0) }.map { String($0) }
    subprotocol = offeredSubprotocols.first { policy.subprotocols.contains($0) }
    guard subprotocol != nil || !policy.requiresSubprotocol else { throw .noCommonSubprotocol }

    let extensions = try ExtensionOffer.all(in: fields)
    let taken = policy.deflate.flatMap { PermessageDeflate.accept(extensions, $0) }
    deflate = taken?.agreement
    deflateAnswer = taken?.answer ?? ""
    target = head.target
    self.fields = fields
  }

  /// The bytes of the `101` that accepts this request.
  ///
  /// - Parameters:
  ///   - subprotocol: one of ``offeredSubprotocols``, or `nil` for none.
  ///   - deflate: ``deflate``, or `nil` to compress nothing.
  /// - Returns: a whole response head.
  public func acceptance(subprotocol: String?, deflate: PermessageDeflate.Agreement? = nil) -> [UInt8] {
    precondition(subprotocol.map { offeredSubprotocols.contains($0) } ?? true)
    precondition(deflate == nil || deflate == self.deflate)
    var text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    text += "Sec-WebSocket-Accept: \(OpeningHandshake.accept(for: key))\r\n"
    if let subprotocol { text += "Sec-WebSocket-Protocol: \(subprotocol)\r\n" }
    if deflate != nil { text += "Sec-WebSocket-Extensions: \(deflateAnswer)\r\n" }
    return Array((text + "\r\n").utf8)
  }
}

/// The answer to a request that is not taken; the connection closes after it.
public enum UpgradeRefusal {
  /// The bytes of an answer without a body.
  ///
  /// A 426 names the version that this server speaks.
  ///
  /// - Parameters:
  ///   - status: 400 to 599.
  ///   - fields: further fields, such as `WWW-Authenticate` or `Retry-After`: a token, and visible ASCII.
  /// - Returns: a whole response.
  /// - Precondition: the fields can be sent, and none says where the answer or the connection ends.
  public static func response(status: Int, fields: [(name: String, value: String)] = []) -> [UInt8] {
    precondition((400...599).contains(status))
    var text = "HTTP/1.1 \(status) \(reason(status))\r\n"
    if status == 426 { text += "Upgrade: websocket\r\nSec-WebSocket-Version: \(OpeningHandshake.version)\r\n" }
    for (name, value) in fields {
      precondition(HTTPSyntax.isToken(name) && HTTPSyntax.isSendableValue(value))
      precondition(!["connection", "content-length", "transfer-encoding"].contains(name.lowercased()))
      text += "\(name): \(value)\r\n"
    }
    let connection = status == 426 ? "Upgrade, close" : "close"
    return Array((text + "Connection: \(connection)\r\nContent-Length: 0\r\n\r\n").utf8)
  }

  private static func reason(_ status: Int) -> String {
    switch status {
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 408: "Request Timeout"
    case 413: "Content Too Large"
    case 421: "Misdirected Request"
    case 426: "Upgrade Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 503: "Service Unavailable"
    case 505: "HTTP Version Not Supported"
    default: "Error"
    }
  }
}
