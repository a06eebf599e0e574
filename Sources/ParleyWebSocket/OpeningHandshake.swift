internal import ParleyCrypto
internal import ParleyWire

/// What both sides of the opening handshake share (RFC 6455 section 4).
enum OpeningHandshake {
  static let version = "13"

  /// The `Sec-WebSocket-Accept` that answers a key (section 4.2.2, step 5.4).
  static func accept(for key: String) -> String {
    Base64.encode(SHA1.hash(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
  }

  /// `Upgrade: websocket` and `Connection: Upgrade`, each field once.
  static func requireUpgrade(_ fields: HTTPFields) throws(HTTPError) {
    guard try fields.single("upgrade") != nil, fields.list("upgrade", contains: "websocket") else {
      throw .missingUpgrade
    }
    guard try fields.single("connection") != nil, fields.list("connection", contains: "upgrade") else {
      throw .missingConnectionUpgrade
    }
  }
}
