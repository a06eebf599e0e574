internal import ParleyWire

/// The opening handshake of a client (RFC 6455 section 4.1): its request, and what the answer must be.
public struct ClientUpgrade: Hashable, Sendable {
  private let key: String
  private let subprotocols: [String]
  private let deflate: PermessageDeflate.Options?

  /// The bytes of the request.
  public let request: [UInt8]

  /// Writes the request.
  ///
  /// - Parameters:
  ///   - url: where to; its scheme does not matter here.
  ///   - subprotocols: what to offer, in order of preference: tokens.
  ///   - fields: further fields: a token, and visible ASCII.
  ///   - deflate: how messages may be compressed where the server agrees; `nil` to offer no compression.
  ///   - nonce: 16 unpredictable bytes.
  /// - Precondition: the names and values above can be sent, no subprotocol is there twice, and no field is one of those
  ///   that this request has anyway.
  public init(
    url: WebURL, subprotocols: [String], fields: [(name: String, value: String)] = [],
    deflate: PermessageDeflate.Options? = nil, nonce: [UInt8]
  ) {
    precondition(nonce.count == 16)
    precondition(subprotocols.allSatisfy { HTTPSyntax.isToken($0) } && Set(subprotocols).count == subprotocols.count)
    key = Base64.encode(nonce)
    self.subprotocols = subprotocols
    self.deflate = deflate
    var text = "GET \(url.target) HTTP/1.1\r\nHost: \(url.authority)\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    text += "Sec-WebSocket-Key: \(key)\r\nSec-WebSocket-Version: \(OpeningHandshake.version)\r\n"
    if !subprotocols.isEmpty { text += "Sec-WebSocket-Protocol: \(subprotocols.joined(separator: ","))\r\n" }
    if let deflate { text += "Sec-WebSocket-Extensions: \(PermessageDeflate.offer(deflate))\r\n" }
    for (name, value) in fields {
      precondition(HTTPSyntax.isToken(name) && HTTPSyntax.isSendableValue(value))
      precondition(!Self.ownFields.contains(name.lowercased()))
      text += "\(name): \(value)\r\n"
    }
    request = Array((text + "\r\n").utf8)
  }

  private static let ownFields: Set = [
    "host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol",
    "sec-websocket-extensions", "content-length", "transfer-encoding",
  ]

  /// Checks the server's answer.
  ///
  /// - Returns: the subprotocol that the server chose, one of those offered, or `nil`; and how messages are compressed, or
  ///   `nil` where they are not.
  /// - Throws: what is wrong with the answer; the connection must then be closed.
  public func agreement(
    acceptedBy head: HTTPResponseHead
  ) throws(HTTPError) -> (subprotocol: String?, deflate: PermessageDeflate.Agreement?) {
    guard head.status == 101 else { throw .refused(status: head.status) }
    guard head.isHTTP11 else { throw .malformedAnswer }
    let fields = head.fields
    do throws(HTTPError) { try OpeningHandshake.requireUpgrade(fields) } catch { throw .malformedAnswer }
    // A list of protocols is for requests.
    guard fields["upgrade"]?.lowercased() == "websocket" else { throw .malformedAnswer }
    guard fields.values("content-length").isEmpty, fields.values("transfer-encoding").isEmpty else {
      throw .malformedAnswer
    }
    guard try fields.single("sec-websocket-accept") == OpeningHandshake.accept(for: key) else { throw .wrongAccept }
    return (try subprotocol(fields), try agreedDeflate(fields))
  }

  /// Checks the answer to a request that offered no compression; see ``agreement(acceptedBy:)``.
  public func subprotocol(acceptedBy head: HTTPResponseHead) throws(HTTPError) -> String? {
    try agreement(acceptedBy: head).subprotocol
  }

  private func subprotocol(_ fields: HTTPFields) throws(HTTPError) -> String? {
    guard let chosen = try fields.single("sec-websocket-protocol") else { return nil }
    guard subprotocols.contains(chosen) else { throw .unofferedSubprotocol }
    return chosen
  }

  private func agreedDeflate(_ fields: HTTPFields) throws(HTTPError) -> PermessageDeflate.Agreement? {
    guard try fields.single("sec-websocket-extensions") != nil else { return nil }
    guard deflate != nil else { throw .unofferedExtension }
    let elements: [ExtensionOffer]
    do throws(HTTPError) { elements = try ExtensionOffer.all(in: fields) } catch { throw .invalidExtensionAnswer }
    return try PermessageDeflate.agreement(answeredBy: elements, to: deflate)
  }
}
