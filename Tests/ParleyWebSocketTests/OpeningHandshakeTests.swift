import Testing

@testable import ParleyWebSocket

@Suite("Opening handshake")
struct OpeningHandshakeTests {
  static let good = """
    GET /chat HTTP/1.1
    Host: server.example.com
    Upgrade: websocket
    Connection: Upgrade
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
    Sec-WebSocket-Protocol: chat, superchat
    Sec-WebSocket-Version: 13


    """

  static func upgrade(_ text: String, _ policy: UpgradePolicy = .init()) throws(HTTPError) -> UpgradeRequest {
    try UpgradeRequest(request(text), policy: policy)
  }

  @Test("the example of RFC 6455 section 1.2 is accepted with its accept key")
  func example() throws {
    let upgrade = try Self.upgrade(Self.good, UpgradePolicy(subprotocols: ["superchat", "chat"]))
    #expect(upgrade.target == "/chat")
    #expect(upgrade.host == "server.example.com")
    #expect(upgrade.offeredSubprotocols == ["chat", "superchat"])
    #expect(upgrade.subprotocol == "chat")
    #expect(
      String(decoding: upgrade.acceptance(subprotocol: "chat"), as: UTF8.self) == """
        HTTP/1.1 101 Switching Protocols\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
        Sec-WebSocket-Protocol: chat\r
        \r

        """)
  }

  @Test(
    "one change, one refusal",
    arguments: [
      ("GET /", "POST /", HTTPError.notAnUpgrade),
      ("HTTP/1.1", "HTTP/1.0", .notAnUpgrade),
      ("Upgrade: websocket", "Upgrade: h2c", .missingUpgrade),
      ("Upgrade: websocket\n", "", .missingUpgrade),
      ("Upgrade: websocket\n", "Upgrade: websocket\nUpgrade: websocket\n", .duplicateField("upgrade")),
      ("Connection: Upgrade", "Connection: keep-alive", .missingConnectionUpgrade),
      ("Connection: Upgrade\n", "", .missingConnectionUpgrade),
      ("Connection: Upgrade\n", "Connection: Upgrade\nConnection: close\n", .duplicateField("connection")),
      ("dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAA", .invalidKey),
      ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==", .invalidKey),
      ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQAA", .invalidKey),
      ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n", "", .invalidKey),
      ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", .unsupportedWebSocketVersion),
      ("Sec-WebSocket-Version: 13\n", "", .unsupportedWebSocketVersion),
      (
        "Sec-WebSocket-Version: 13\n", "Sec-WebSocket-Version: 13\nSec-WebSocket-Version: 13\n",
        .duplicateField("sec-websocket-version")
      ),
      ("chat, superchat", "chat, super chat", .malformedOffer),
      ("chat, superchat", "chat, chat", .malformedOffer),
      ("chat, superchat", "chät", .malformedOffer),
      ("Sec-WebSocket-Version: 13\n", "Sec-WebSocket-Version: 13\nContent-Length: 1\n", .unexpectedBody),
      ("Sec-WebSocket-Version: 13\n", "Sec-WebSocket-Version: 13\nTransfer-Encoding: chunked\n", .unexpectedBody),
      ("Sec-WebSocket-Version: 13\n", "Sec-WebSocket-Version: 13\nOrigin: http://evil.example\n", .originRefused),
    ])
  func refusals(from: String, to: String, error: HTTPError) {
    #expect(Self.good.contains(from))
    #expect(throws: error) { try Self.upgrade(Self.good.replacing(from, with: to)) }
  }

  @Test("a Content-Length of zero is no body")
  func zeroLength() throws {
    _ = try Self.upgrade(Self.good.replacing("Version: 13\n", with: "Version: 13\nContent-Length: 0\n"))
  }

  @Test("two keys are refused")
  func twoKeys() {
    let line = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"
    #expect(throws: HTTPError.duplicateField("sec-websocket-key")) {
      try Self.upgrade(Self.good.replacing(line, with: line + line))
    }
  }

  @Test("hosts, origins and subprotocols are the policy's to choose")
  func policies() throws {
    var policy = UpgradePolicy(subprotocols: ["parley.v1"], requiresSubprotocol: true)
    #expect(throws: HTTPError.noCommonSubprotocol) { try Self.upgrade(Self.good, policy) }
    policy = UpgradePolicy()
    policy.allowedHosts = ["localhost"]
    #expect(throws: HTTPError.hostRefused) { try Self.upgrade(Self.good, policy) }
    policy.allowedHosts = ["server.example.com"]
    policy.allowedOrigins = ["https://ours.example"]
    let withOrigin = Self.good.replacing("Version: 13\n", with: "Version: 13\nOrigin: https://ours.example\n")
    #expect(try Self.upgrade(withOrigin, policy).origin == "https://ours.example")
    // The field may come in parts; the list is the same.
    let parts = Self.good.replacing(
      "chat, superchat\n", with: "chat\nSec-WebSocket-Protocol:superchat\n")
    #expect(try Self.upgrade(parts).offeredSubprotocols == ["chat", "superchat"])
  }

  @Test("a refusal of the version names 13 and closes")
  func refusalBytes() {
    let text = String(decoding: UpgradeRefusal.response(status: 426), as: UTF8.self)
    #expect(text.hasPrefix("HTTP/1.1 426 Upgrade Required\r\n"))
    #expect(text.contains("Sec-WebSocket-Version: 13\r\n"))
    #expect(text.contains("Connection: Upgrade, close\r\n"))
    #expect(text.hasSuffix("\r\n\r\n"))
  }

  @Test("a refusal carries the fields that its status needs, and closes")
  func refusalFields() throws {
    let bytes = UpgradeRefusal.response(
      status: 401, fields: [("WWW-Authenticate", "Bearer realm=\"a\""), ("Retry-After", "1")])
    let answer = try HTTPResponseHead(head(bytes))
    #expect(answer.status == 401)
    #expect(answer.fields["www-authenticate"] == "Bearer realm=\"a\"")
    #expect(answer.fields["retry-after"] == "1")
    #expect(answer.fields["connection"] == "close")
    #expect(answer.framing == .count(0))
    #expect(answer.fields["sec-websocket-version"] == nil)
    for status in [400, 401, 403, 404, 408, 413, 421, 426, 429, 431, 500, 503, 505, 599] {
      #expect(try HTTPResponseHead(head(UpgradeRefusal.response(status: status))).status == status)
    }
  }

  @Test("another version is answered with 426 whatever its key looks like")
  func versionFirst() {
    let text = Self.good.replacing("dGhlIHNhbXBsZSBub25jZQ==", with: "short").replacing(
      "Version: 13", with: "Version: 14")
    #expect(throws: HTTPError.unsupportedWebSocketVersion) { try Self.upgrade(text) }
  }

  static let url = WebURL("ws://server.example.com/chat")!
  static let nonce = Array("the sample nonce".utf8)
  static let accept = "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n"

  @Test("a client's request is what a server accepts")
  func clientRequest() throws {
    let client = ClientUpgrade(
      url: Self.url, subprotocols: ["chat", "superchat"], fields: [("Parley-Handshake", "abc")], nonce: Self.nonce)
    let upgrade = try UpgradeRequest(HTTPRequestHead(head(client.request)), policy: .init(subprotocols: ["chat"]))
    #expect(upgrade.key == "dGhlIHNhbXBsZSBub25jZQ==")
    #expect(upgrade.fields["parley-handshake"] == "abc")
    let answer = try HTTPResponseHead(head(upgrade.acceptance(subprotocol: upgrade.subprotocol)))
    #expect(try client.subprotocol(acceptedBy: answer) == "chat")
  }

  @Test("a client's request, byte for byte")
  func clientRequestBytes() {
    let client = ClientUpgrade(
      url: WebURL("wss://Server.example.com:8443/chat?a=b")!, subprotocols: ["chat", "superchat"],
      fields: [("Origin", "https://a.example")], deflate: .init(), nonce: Self.nonce)
    #expect(
      String(decoding: client.request, as: UTF8.self) == """
        GET /chat?a=b HTTP/1.1\r
        Host: server.example.com:8443\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        Sec-WebSocket-Version: 13\r
        Sec-WebSocket-Protocol: chat,superchat\r
        Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
        client_max_window_bits\r
        Origin: https://a.example\r
        \r

        """)
  }

  @Test("what cannot be sent is the caller's fault")
  func clientPreconditions() async {
    await #expect(processExitsWith: .failure) {
      _ = ClientUpgrade(url: WebURL("ws://a")!, subprotocols: ["a", "a"], nonce: .init(repeating: 0, count: 16))
    }
    await #expect(processExitsWith: .failure) {
      _ = ClientUpgrade(url: WebURL("ws://a")!, subprotocols: ["a b"], nonce: .init(repeating: 0, count: 16))
    }
    await #expect(processExitsWith: .failure) {
      _ = ClientUpgrade(url: WebURL("ws://a")!, subprotocols: [], nonce: .init(repeating: 0, count: 15))
    }
    await #expect(processExitsWith: .failure) {
      _ = ClientUpgrade(
        url: WebURL("ws://a")!, subprotocols: [], fields: [("host", "b")], nonce: .init(repeating: 0, count: 16))
    }
    await #expect(processExitsWith: .failure) {
      _ = ClientUpgrade(
        url: WebURL("ws://a")!, subprotocols: [], fields: [("X", "a\r\nY: b")], nonce: .init(repeating: 0, count: 16))
    }
    await #expect(processExitsWith: .failure) {
      _ = UpgradeRefusal.response(status: 401, fields: [("X", "a\r\nY: b")])
    }
    await #expect(processExitsWith: .failure) {
      _ = UpgradeRefusal.response(status: 401, fields: [("Connection", "b")])
    }
    await #expect(processExitsWith: .failure) { _ = UpgradeRefusal.response(status: 200) }
  }

  @Test(
    "one change in the answer, one failure",
    arguments: [
      ("101 S", "200 S", HTTPError.refused(status: 200)),
      ("HTTP/1.1", "HTTP/1.0", .malformedAnswer),
      ("Upgrade: websocket\n", "", .malformedAnswer),
      ("Upgrade: websocket\n", "Upgrade: websocket, h2c\n", .malformedAnswer),
      ("Upgrade: websocket\n", "Upgrade: websocket\nUpgrade: websocket\n", .malformedAnswer),
      (
        "Connection: Upgrade\n", "Connection: Upgrade\nSec-WebSocket-Extensions:\nSec-WebSocket-Extensions:\n",
        .duplicateField("sec-websocket-extensions")
      ),
      (
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n",
        .duplicateField("sec-websocket-accept")
      ),
      (
        "Connection: Upgrade\n", "Connection: Upgrade\nSec-WebSocket-Protocol: chat\nSec-WebSocket-Protocol: chat\n",
        .duplicateField("sec-websocket-protocol")
      ),
      ("Connection: Upgrade\n", "", .malformedAnswer),
      ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=", .wrongAccept),
      ("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n", "", .wrongAccept),
      (
        "Connection: Upgrade\n", "Connection: Upgrade\nSec-WebSocket-Extensions: permessage-deflate\n",
        .unofferedExtension
      ),
      ("Connection: Upgrade\n", "Connection: Upgrade\nSec-WebSocket-Extensions:\n", .unofferedExtension),
      ("Connection: Upgrade\n", "Connection: Upgrade\nSec-WebSocket-Protocol: other\n", .unofferedSubprotocol),
      ("Connection: Upgrade\n", "Connection: Upgrade\nSec-WebSocket-Protocol: chat, chat\n", .unofferedSubprotocol),
      ("Connection: Upgrade\n", "Connection: Upgrade\nContent-Length: 4\n", .malformedAnswer),
    ])
  func answers(from: String, to: String, error: HTTPError) throws {
    let client = ClientUpgrade(url: Self.url, subprotocols: ["chat"], nonce: Self.nonce)
    let good = "HTTP/1.1 101 Switching Protocols\n" + Self.accept + "\n"
    #expect(try client.subprotocol(acceptedBy: HTTPHeadTests.response(good)) == nil)
    #expect(good.contains(from))
    #expect(throws: error) {
      try client.subprotocol(acceptedBy: HTTPHeadTests.response(good.replacing(from, with: to)))
    }
  }
}

@Suite("URLs")
struct WebURLTests {
  @Test(
    "what a URL names",
    arguments: [
      ("ws://a", "a", 80, "/", "a"), ("wss://A.example:8443/x?y", "a.example", 8443, "/x?y", "a.example:8443"),
      ("wss://[::1]:1/", "::1", 1, "/", "[::1]:1"), ("https://127.0.0.1?q", "127.0.0.1", 443, "/?q", "127.0.0.1"),
      ("WS://a:80/", "a", 80, "/", "a"),
    ])
  func good(text: String, host: String, port: UInt16, target: String, authority: String) throws {
    let url = try #require(WebURL(text))
    #expect(url.host == host)
    #expect(url.port == port)
    #expect(url.target == target)
    #expect(url.authority == authority)
    #expect(WebURL(url.description) == url)
  }

  @Test(
    "what is not a URL that is dialled",
    arguments: [
      "", "a", "http://a", "ws:/a", "ws://", "ws://a b", "ws://u@a", "ws://a:0", "ws://a:65536", "ws://a:",
      "ws://a/\r\nX: y",
      "ws://a/#f", "ws://a/ä", "ws://ä", "ws://[::1", "ws://[a]", "ws://-a", "ws://a/\u{0}", "ftp://a",
      "ws://a/" + String(repeating: "x", count: 2048),
    ])
  func bad(text: String) {
    #expect(WebURL(text) == nil)
  }
}
