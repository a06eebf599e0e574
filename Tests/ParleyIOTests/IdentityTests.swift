import ParleyCrypto
import ParleyWebSocket
import Testing

@testable import ParleyIO

/// Who comes in, over real connections.
@Suite("Identities over connections", .enabled(if: Tool.hasPython, Tool.absence))
struct IdentityTests {
  struct Seen: Sendable {
    var identities: [ClientIdentity?] = []
    var refusals: [AuthenticationError] = []
  }

  static let token = "example-token-of-128-bits"
  static let key = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 5, count: 32)))

  static func authenticator(_ hosts: Set<String> = ["localhost"]) -> UpgradeAuthenticator {
    UpgradeAuthenticator(
      ClientAuthenticator(
        tokens: BearerTokens([
          .init(id: "t", hash: BearerTokens.hash(token), subject: "token", scopes: ["read"])
        ]),
        challenges: SignedChallenges(
          [.init(id: "k", publicKey: key.publicKey.raw, subject: "key", scopes: ["trade"])], hosts: hosts),
        certificates: CertificateGrants([
          .init(.uri("https://example.com/desks/7"), subject: "certificate", scopes: [])
        ])))
  }

  /// A server that lets in whom the authenticator knows, and says of each who it was.
  static func server(
    _ loop: EventLoop, tls: TLSServerContext?, _ authenticator: UpgradeAuthenticator, _ seen: Locked<Seen>
  ) throws -> WebSocketServer {
    let configuration = WebSocketServer.Configuration(
      address: EchoServer.loopback, tls: tls, policy: .init(subprotocols: ["v1"]), limits: testLimits)
    return try WebSocketServer(loop: loop, configuration: configuration) { request, info in
      authenticator.decide(request, info) { reason in
        seen.withLock { $0.refusals.append(reason) }
      } accept: { identity in
        .accept(subprotocol: request.subprotocol, identity: identity) { connection in
          seen.withLock { $0.identities.append(connection.identity) }
          connection.start { _, _ in
          } onClose: { _ in
          }
        }
      }
    }
  }

  @Test("a token, a key and a certificate each let in over TLS, and nothing does not")
  func ways() async throws {
    let files = try await TLSFiles()
    var serving = files.serverConfiguration("both")
    serving.clientCertificates = .optional(authorityFile: files.authority("client"))
    let tls = try TLSServerContext(serving)
    let seen = Locked(Seen())
    try await withLoop { loop in
      let server = try Self.server(loop, tls: tls, Self.authenticator(), seen)
      let url = WebURL("wss://localhost:\(server.localAddress.port)/feed")!
      var dialling = TLSClientConfiguration(authorityFile: files.authority("both"))
      let bare = WebSocketClient.Options(subprotocols: ["v1"], tls: try TLSClientContext(dialling))
      dialling.identity = files.identity("client")
      let certified = WebSocketClient.Options(tls: try TLSClientContext(dialling))

      func connect(_ options: WebSocketClient.Options) async throws -> String? {
        let connection = try await WebSocketClient.connect(to: url, on: loop, options: options)
        await loop.run { connection.abort() }
        return connection.subprotocol
      }
      await #expect(throws: IOError.http(.refused(status: 401))) { try await connect(bare) }

      var withField = bare
      withField.fields = [AuthenticationFields.bearer(Self.token)]
      #expect(try await connect(withField) == "v1")

      var likeBrowser = bare
      likeBrowser.subprotocols = [AuthenticationFields.bearerSubprotocol(Self.token), "v1"]
      #expect(try await connect(likeBrowser) == "v1")

      var signing = bare
      signing.signingKey = ClientSigningKey(publicKey: Self.key.publicKey.raw) { Self.key.sign($0) }
      #expect(try await connect(signing) == "v1")

      let stranger = Ed25519.SigningKey()
      signing.signingKey = ClientSigningKey(publicKey: stranger.publicKey.raw) { stranger.sign($0) }
      await #expect(throws: IOError.http(.refused(status: 401))) { try await connect(signing) }
      signing.signingKey = ClientSigningKey(publicKey: Self.key.publicKey.raw) { Self.key.sign($0 + [0]) }
      await #expect(throws: IOError.http(.refused(status: 401))) { try await connect(signing) }

      _ = try await connect(certified)

      let identities = seen.withLock { $0.identities.map { $0?.subject } }
      #expect(identities == ["token", "token", "key", "certificate"])
      #expect(
        seen.withLock { $0.refusals } == [
          .missingCredentials, .missingCredentials, .missingCredentials, .unknownKey, .missingCredentials,
          .invalidSignature,
        ])
      let fingerprint = try files.fingerprint("client")
      guard case .certificate(let bytes)? = seen.withLock({ $0.identities.last??.proof }) else {
        Issue.record("no certificate")
        return
      }
      #expect(bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() == fingerprint)
      await server.close()
    }
  }

  @Test("without TLS too, and never for another host")
  func plain() async throws {
    let seen = Locked(Seen())
    try await withLoop { loop in
      let server = try Self.server(loop, tls: nil, Self.authenticator(), seen)
      var options = WebSocketClient.Options()
      options.signingKey = ClientSigningKey(publicKey: Self.key.publicKey.raw) { Self.key.sign($0) }
      let port = server.localAddress.port
      let connection = try await WebSocketClient.connect(
        to: WebURL("ws://localhost:\(port)/")!, on: loop, options: options)
      await loop.run { connection.abort() }
      await #expect(throws: IOError.http(.refused(status: 421))) {
        try await WebSocketClient.connect(to: WebURL("ws://127.0.0.1:\(port)/")!, on: loop, options: options)
      }
      #expect(seen.withLock { $0.identities.map { $0?.proof } } == [.signature(keyID: "k")])
      #expect(seen.withLock { $0.refusals } == [.missingCredentials, .missingCredentials, .hostNotServed])
      await server.close()
    }
  }

  @Test("a refusal says how to come in, and nothing of the token")
  func wire() async throws {
    let seen = Locked(Seen())
    try await withLoop { loop in
      let server = try Self.server(loop, tls: nil, Self.authenticator(), seen)
      let client = try RawClient(port: server.localAddress.port)
      client.send(RawClient.upgrade.replacing("\r\n\r\n", with: "\r\nAuthorization: Bearer secret-guess\r\n\r\n"))
      let answer = String(decoding: await client.readAll(), as: UTF8.self)
      #expect(answer.hasPrefix("HTTP/1.1 401 Unauthorized\r\n"))
      #expect(answer.contains("\r\nWWW-Authenticate: Bearer error=\"invalid_token\"\r\n"))
      #expect(answer.contains("\r\nWWW-Authenticate: Ed25519 challenge=\""))
      #expect(!answer.contains("secret-guess"))
      let browser = try RawClient(port: server.localAddress.port)
      let offer = AuthenticationFields.bearerSubprotocol(Self.token)
      browser.send(
        RawClient.upgrade.replacing("\r\n\r\n", with: "\r\nSec-WebSocket-Protocol: \(offer), v1\r\n\r\n"))
      let welcome = String(decoding: await browser.read() ?? [], as: UTF8.self)
      #expect(welcome.hasPrefix("HTTP/1.1 101 "))
      #expect(welcome.contains("\r\nSec-WebSocket-Protocol: v1\r\n"))
      #expect(!welcome.contains("bearer"))
      #expect(await eventually { seen.withLock { $0.identities.count } == 1 })
      await server.close()
    }
  }
}
