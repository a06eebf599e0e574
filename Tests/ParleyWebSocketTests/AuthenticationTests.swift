import ParleyCrypto
import ParleyWire
import Testing

@testable import ParleyWebSocket

/// Who comes in, by each way and by none.
@Suite("Authentication")
struct AuthenticationTests {
  static let url = WebURL("wss://Server.example:8443/feed?x=1")!
  static let now = UnixNanoseconds(1_800_000_000_000_000_000)
  static let start = MonotonicTime(nanoseconds: 5_000_000_000)
  static let exporter = [UInt8](repeating: 7, count: 32)

  /// A request to `url`, with further lines.
  static func request(_ lines: String..., url: WebURL = Self.url) throws -> UpgradeRequest {
    let text = """
      GET \(url.target) HTTP/1.1
      Host: \(url.authority)
      Upgrade: websocket
      Connection: Upgrade
      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
      Sec-WebSocket-Version: 13

      """
    return try OpeningHandshakeTests.upgrade(
      text + lines.map { $0 + "\n" }.joined() + "\n", .init(subprotocols: ["v1"]))
  }

  static func attempt(
    _ request: UpgradeRequest, exporter: [UInt8]? = Self.exporter, certificate: PeerCertificate? = nil,
    now: UnixNanoseconds = Self.now, time: MonotonicTime = Self.start, seed: UInt8 = 1
  ) -> AuthenticationAttempt {
    AuthenticationAttempt(
      request: request, exporter: exporter, certificate: certificate, now: now, time: time,
      randomness: [UInt8](repeating: seed, count: 16))
  }

  /// Why the attempt fails; `nil` if it does not.
  static func reason(
    _ authenticator: inout ClientAuthenticator, _ attempt: AuthenticationAttempt
  ) -> AuthenticationError? {
    do throws(AuthenticationRefusal) {
      _ = try authenticator.identify(attempt)
      return nil
    } catch {
      return error.reason
    }
  }

  static func refusal(
    _ authenticator: inout ClientAuthenticator, _ attempt: AuthenticationAttempt
  ) throws -> AuthenticationRefusal {
    do throws(AuthenticationRefusal) {
      _ = try authenticator.identify(attempt)
    } catch {
      return error
    }
    throw AuthenticationError.missingCredentials
  }

  // MARK: Tokens

  static let token = "mF_9.B5f-4.1JqM=="
  static let tokens = BearerTokens([
    .init(id: "other", hash: BearerTokens.hash("other"), subject: "nobody", scopes: []),
    .init(id: "t1", hash: BearerTokens.hash(token), subject: "desk 7", scopes: ["read", "write"]),
    .init(id: "t2", hash: BearerTokens.hash("old"), subject: "desk 8", scopes: [], notAfter: now),
  ])

  @Test("a token in the field or in a subprotocol is its subject's")
  func goodToken() throws {
    var authenticator = ClientAuthenticator(tokens: Self.tokens)
    let (name, value) = AuthenticationFields.bearer(Self.token)
    let offer = AuthenticationFields.bearerSubprotocol(Self.token)
    #expect(offer.hasPrefix("bearer.") && !offer.contains("="))
    let expected = ClientIdentity(subject: "desk 7", scopes: ["read", "write"], proof: .token(id: "t1"))
    for line in [
      "\(name): \(value)", "authorization: bearer   \(Self.token)", "Sec-WebSocket-Protocol: v1, \(offer)",
      "Sec-WebSocket-Protocol: \(offer)",
    ] {
      #expect(try authenticator.identify(Self.attempt(Self.request(line))) == expected, "\(line)")
    }
  }

  @Test(
    "each way in which a token does not let in",
    arguments: [
      ("", .missingCredentials, 401),
      ("Authorization: Bearer wrong", .unknownToken, 401),
      ("Authorization: Bearer \(token)=", .unknownToken, 401),
      ("Authorization: Bearer", .malformedCredentials, 400),
      ("Authorization: Bearer a b", .malformedCredentials, 400),
      ("Authorization: Bearer ==", .malformedCredentials, 400),
      ("Authorization: Bearer a=b", .malformedCredentials, 400),
      ("Authorization: Bearer \u{E9}", .malformedCredentials, 400),
      ("Authorization: Bearer \(token)\nAuthorization: Bearer \(token)", .malformedCredentials, 400),
      ("Authorization: Basic \(token)", .unsupportedScheme, 401),
      ("Authorization: \(token)", .unsupportedScheme, 401),
      ("Authorization:", .unsupportedScheme, 401),
      // This server issues no challenges.
      ("Authorization: Ed25519 key=\"\"", .unsupportedScheme, 401),
      ("Sec-WebSocket-Protocol: bearer.", .malformedCredentials, 400),
      ("Sec-WebSocket-Protocol: bearer.!", .malformedCredentials, 400),
      ("Sec-WebSocket-Protocol: bearer.gA", .malformedCredentials, 400),
      ("Sec-WebSocket-Protocol: Bearer.b2xk", .missingCredentials, 401),
      ("Sec-WebSocket-Protocol: bearer.b2xk, bearer.b3RoZXI", .malformedCredentials, 400),
      ("Sec-WebSocket-Protocol: bearer.b2xj", .unknownToken, 401),
      ("Authorization: Bearer \(token)\nSec-WebSocket-Protocol: bearer.b2xk", .malformedCredentials, 400),
      ("Cookie: token=\(token)", .missingCredentials, 401),
    ] as [(String, AuthenticationError, Int)])
  func badTokens(lines: String, reason: AuthenticationError, status: Int) throws {
    var authenticator = ClientAuthenticator(tokens: Self.tokens)
    let attempt = Self.attempt(try lines.isEmpty ? Self.request() : Self.request(lines))
    let refusal = try Self.refusal(&authenticator, attempt)
    #expect(refusal.reason == reason)
    #expect(refusal.status == status)
    #expect(refusal.fields.map(\.name) == ["WWW-Authenticate"])
    let said = refusal.fields.map(\.value)
    switch reason {
    case .unknownToken: #expect(said == ["Bearer error=\"invalid_token\""])
    case .malformedCredentials: #expect(said == ["Bearer error=\"invalid_request\""])
    default: #expect(said == ["Bearer"])
    }
    // What is refused can be sent.
    #expect(!UpgradeRefusal.response(status: refusal.status, fields: refusal.fields).isEmpty)
  }

  @Test("a token lets in until its last moment, and not one nanosecond longer")
  func expiry() throws {
    var authenticator = ClientAuthenticator(tokens: Self.tokens)
    let request = try Self.request("Authorization: Bearer old")
    #expect(try authenticator.identify(Self.attempt(request)).subject == "desk 8")
    let late = Self.attempt(request, now: Self.now.advanced(byNanoseconds: 1))
    #expect(Self.reason(&authenticator, late) == .expiredToken(id: "t2"))
    #expect(try Self.refusal(&authenticator, late).fields[0].value == "Bearer error=\"invalid_token\"")
  }

  @Test("the longest token is read, a longer one is not", arguments: [(1024, true), (1025, false)])
  func longest(count: Int, isRead: Bool) throws {
    let token = String(repeating: "x", count: count)
    #expect(BearerTokens.isToken(token) == isRead)
    let offer = "bearer." + Base64URL.encode(Array(token.utf8))
    var authenticator = ClientAuthenticator(tokens: Self.tokens)
    for line in ["Authorization: Bearer \(token)", "Sec-WebSocket-Protocol: \(offer)"] {
      let reason = Self.reason(&authenticator, Self.attempt(try Self.request(line)))
      #expect(reason == (isRead ? .unknownToken : .malformedCredentials))
    }
  }

  @Test("as many tokens are kept as the limit says, and no more")
  func mostTokens() async {
    let grant = BearerTokens.Grant(id: "", hash: BearerTokens.hash("x"), subject: "", scopes: [])
    _ = BearerTokens(Array(repeating: grant, count: BearerTokens.maximumCount))
    await #expect(processExitsWith: .failure) {
      let grant = BearerTokens.Grant(id: "", hash: BearerTokens.hash("x"), subject: "", scopes: [])
      _ = BearerTokens(Array(repeating: grant, count: BearerTokens.maximumCount + 1))
    }
  }

  @Test("a token among the subprotocols is not one of them, and no description shows it")
  func secrecy() throws {
    let offer = AuthenticationFields.bearerSubprotocol(Self.token)
    let request = try Self.request("Sec-WebSocket-Protocol: \(offer), v1", "Authorization: Bearer \(Self.token)")
    #expect(request.offeredSubprotocols == ["v1"])
    #expect(request.subprotocol == "v1")
    #expect(!String(decoding: request.acceptance(subprotocol: request.subprotocol), as: UTF8.self).contains("bearer"))
    let client = ClientUpgrade(
      url: Self.url, subprotocols: ["v1", offer], fields: [AuthenticationFields.bearer(Self.token)],
      nonce: [UInt8](repeating: 0, count: 16))
    var authenticator = ClientAuthenticator(tokens: Self.tokens, challenges: try Self.challenges())
    let attempt = Self.attempt(request)
    let refusal = try Self.refusal(&authenticator, attempt)
    var dumps = ""
    dump((request, attempt, authenticator, client, refusal, refusal.reason), to: &dumps)
    dumps += "\(request) \(attempt) \(authenticator) \(client) \(refusal) \(String(reflecting: request.fields))"
    for secret in [Self.token, offer, Base64URL.encode(Array(Self.token.utf8))] {
      #expect(!dumps.contains(secret))
      #expect(!dumps.contains(Array(secret.utf8).map(String.init).joined(separator: ", ")))
    }
    // The secret of the challenges: 32 bytes of 9.
    #expect(!dumps.contains("9, 9, 9"))
    #expect(dumps.contains("server.example"), "the rest is shown")
  }

  // MARK: Challenges

  static let key = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 3, count: 32)))

  static func challenges(count: Int = 16) throws -> SignedChallenges {
    SignedChallenges(
      [.init(id: "k1", publicKey: key.publicKey.raw, subject: "desk 7", scopes: ["trade"])],
      hosts: ["server.example"], secret: [UInt8](repeating: 9, count: 32), maximumAnswerCount: count)
  }

  /// The challenge that a server sends to a client that has shown nothing.
  static func challenge(
    _ authenticator: inout ClientAuthenticator, at time: MonotonicTime = start, seed: UInt8 = 1
  ) throws -> String {
    let refusal = try refusal(&authenticator, attempt(try request(), time: time, seed: seed))
    let bytes = UpgradeRefusal.response(status: refusal.status, fields: refusal.fields)
    return try #require(AuthenticationFields.challenge(in: HTTPResponseHead(head(bytes))))
  }

  static func answer(
    _ challenge: String, url: WebURL = Self.url, exporter: [UInt8]? = Self.exporter,
    key: Ed25519.SigningKey = Self.key
  ) throws -> String {
    let field = AuthenticationFields.answer(
      to: challenge, at: url, exporter: exporter, publicKey: key.publicKey.raw, sign: key.sign)
    let (name, value) = try #require(field)
    return "\(name): \(value)"
  }

  @Test("a signed challenge lets in once, with and without TLS")
  func goodChallenge() throws {
    for exporter in [Self.exporter, nil] {
      var authenticator = ClientAuthenticator(tokens: Self.tokens, challenges: try Self.challenges())
      let challenge = try Self.challenge(&authenticator)
      let request = try Self.request(Self.answer(challenge, exporter: exporter))
      let attempt = Self.attempt(request, exporter: exporter, time: Self.start + .seconds(30))
      #expect(
        try authenticator.identify(attempt)
          == ClientIdentity(subject: "desk 7", scopes: ["trade"], proof: .signature(keyID: "k1")))
      #expect(Self.reason(&authenticator, attempt) == .replayedChallenge)
    }
  }

  @Test("what is signed is as documented")
  func message() {
    let message = ChallengeAnswer.message(challenge: [1, 2], host: "h", target: "/t", exporter: nil)
    let domain = "WebSocket client authentication, Ed25519, version 1"
    let expected = [0, 0, 0, 51] + Array(domain.utf8) + [0, 0, 0, 2, 1, 2, 0, 0, 0, 1, 0x68, 0, 0, 0, 2, 0x2F, 0x74]
    #expect(message == expected + [0, 0, 0, 0])
    // Neither part can take from its neighbour.
    #expect(
      message != ChallengeAnswer.message(challenge: [1], host: "h", target: "/t", exporter: nil)
        && ChallengeAnswer.message(challenge: [], host: "a", target: "/b", exporter: nil)
          != ChallengeAnswer.message(challenge: [], host: "a/", target: "b", exporter: nil)
    )
  }

  @Test("a signature is good for its host, target and connection only")
  func binding() throws {
    let other = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 4, count: 32)))
    var authenticator = ClientAuthenticator(challenges: try Self.challenges())
    let challenge = try Self.challenge(&authenticator)
    let evil = WebURL("wss://evil.example/feed?x=1")!
    let cases: [(String, UpgradeRequest, [UInt8]?, AuthenticationError)] = [
      // A server in the middle passes on what was signed for it, under either name.
      ("host", try Self.request(Self.answer(challenge, url: evil)), Self.exporter, .invalidSignature),
      ("Host", try Self.request(Self.answer(challenge, url: evil), url: evil), Self.exporter, .hostNotServed),
      (
        "target", try Self.request(Self.answer(challenge, url: WebURL("wss://server.example/other")!)), Self.exporter,
        .invalidSignature
      ),
      ("exporter", try Self.request(Self.answer(challenge)), Array(repeating: 8, count: 32), .invalidSignature),
      ("no TLS", try Self.request(Self.answer(challenge)), nil, .invalidSignature),
      ("no TLS there", try Self.request(Self.answer(challenge, exporter: nil)), Self.exporter, .invalidSignature),
      ("key", try Self.request(Self.answer(challenge, key: other)), Self.exporter, .unknownKey),
    ]
    for (name, request, exporter, reason) in cases {
      #expect(Self.reason(&authenticator, Self.attempt(request, exporter: exporter)) == reason, "\(name)")
    }
    // None of them has used the challenge up.
    _ = try authenticator.identify(Self.attempt(Self.request(Self.answer(challenge))))
  }

  @Test("a challenge is answered within its lifetime, and only by the process that issued it")
  func lifetime() throws {
    var authenticator = ClientAuthenticator(challenges: try Self.challenges())
    let request = try Self.request(Self.answer(Self.challenge(&authenticator)))
    func reason(at time: MonotonicTime) -> AuthenticationError? {
      var copy = authenticator
      return Self.reason(&copy, Self.attempt(request, time: time))
    }
    #expect(reason(at: Self.start) == nil)
    #expect(reason(at: Self.start + .seconds(30)) == nil)
    #expect(reason(at: Self.start + .seconds(30) + .nanoseconds(1)) == .expiredChallenge)
    // Issued in the future: a fault of the driver, or a challenge that is not ours.
    #expect(reason(at: MonotonicTime(nanoseconds: Self.start.nanoseconds - 1)) == .expiredChallenge)
    #expect(reason(at: MonotonicTime(nanoseconds: .min)) == .expiredChallenge)
    #expect(reason(at: .never) == .expiredChallenge)
    authenticator.challenges = SignedChallenges(
      [.init(id: "k1", publicKey: Self.key.publicKey.raw, subject: "desk 7", scopes: [])], hosts: ["server.example"],
      secret: [UInt8](repeating: 10, count: 32))
    #expect(reason(at: Self.start) == .unknownChallenge)
  }

  @Test("every changed bit of a challenge makes it nobody's, and every changed bit of a signature a bad one")
  func changedBits() throws {
    var authenticator = ClientAuthenticator(challenges: try Self.challenges())
    let challenge = try #require(Base64URL.decode(try Self.challenge(&authenticator)))
    #expect(challenge.count == 56)
    for index in challenge.indices {
      var changed = challenge
      changed[index] ^= 1 << UInt8(index % 8)
      let request = try Self.request(Self.answer(Base64URL.encode(changed)))
      #expect(Self.reason(&authenticator, Self.attempt(request)) == .unknownChallenge)
    }
    for count in [0, 55] {
      let text = Base64URL.encode(Array(challenge.prefix(count)))
      let line = "Authorization: Ed25519 key=\"\(Base64URL.encode(Self.key.publicKey.raw))\",challenge=\"\(text)\","
      let request = try Self.request(line + "signature=\"\(Base64URL.encode([UInt8](repeating: 0, count: 64)))\"")
      #expect(Self.reason(&authenticator, Self.attempt(request)) == .unknownChallenge)
    }
    let good = try Self.answer(Base64URL.encode(challenge))
    let parts = good.split(separator: "signature=\"")
    let signature = try #require(Base64URL.decode(String(parts[1].dropLast())))
    for index in signature.indices {
      var changed = signature
      changed[index] ^= 0x40
      let request = try Self.request("\(parts[0])signature=\"\(Base64URL.encode(changed))\"")
      #expect(Self.reason(&authenticator, Self.attempt(request)) == .invalidSignature)
    }
    #expect(Self.reason(&authenticator, Self.attempt(try Self.request(good))) == nil)
  }

  @Test("a field that is not key, challenge and signature, each once and quoted, is malformed")
  func malformed() throws {
    var authenticator = ClientAuthenticator(challenges: try Self.challenges())
    let good = try Self.answer(Self.challenge(&authenticator))
    #expect(ChallengeAnswer(parameters: good.dropFirst("Authorization: Ed25519 ".count)) != nil)
    let changes = [
      ("key=", "kex="), ("key=\"", "key="), (",challenge", ",,challenge"), (",challenge", " challenge"),
      (",signature", ",x=\"\",signature"), (",signature", ",key=\"\",signature"), ("key=\"", "key=\"="),
      ("key=\"", "key=\"A"), ("key=\"", "key=\"\\"), ("signature=\"", "signature=\"AAAA"), ("Ed25519 key", "Ed25519 "),
    ]
    for (from, to) in changes {
      let changed = good.replacing(from, with: to, maxReplacements: 1)
      #expect(changed != good)
      #expect(Self.reason(&authenticator, Self.attempt(try Self.request(changed))) == .malformedCredentials, "\(to)")
    }
    let spaced = good.replacing(",", with: "  ,\t").replacing("Ed25519", with: "ED25519")
      .replacing("signature", with: "Signature")
    #expect(Self.reason(&authenticator, Self.attempt(try Self.request(spaced))) == nil)
  }

  @Test("as many answers are remembered as the limit says, until they could not be repeated anyway")
  func memory() throws {
    var authenticator = ClientAuthenticator(challenges: try Self.challenges(count: 4))
    func answer(_ seed: UInt8, at time: MonotonicTime) throws -> AuthenticationError? {
      let line = try Self.answer(Self.challenge(&authenticator, at: time, seed: seed))
      return Self.reason(&authenticator, Self.attempt(try Self.request(line), time: time))
    }
    for seed in UInt8(1)...4 { #expect(try answer(seed, at: Self.start) == nil) }
    #expect(try answer(5, at: Self.start) == .tooManyAnswers(limit: 4))
    #expect(try answer(6, at: Self.start + .seconds(30)) == .tooManyAnswers(limit: 4))
    #expect(try answer(7, at: Self.start + .seconds(31)) == .tooManyAnswers(limit: 4), "one may be a moment old")
    #expect(try answer(8, at: Self.start + .seconds(62)) == nil)
  }

  @Test("an answer is remembered for as long as its challenge lives")
  func replayLate() throws {
    for offset in [0, 10, 29, 30, 31, 45, 59] {
      var authenticator = ClientAuthenticator(challenges: try Self.challenges())
      // Another answer first, so that the periods begin before this challenge does.
      let first = try Self.answer(Self.challenge(&authenticator))
      #expect(Self.reason(&authenticator, Self.attempt(try Self.request(first))) == nil)
      let issued = Self.start + .seconds(offset)
      let request = try Self.request(Self.answer(Self.challenge(&authenticator, at: issued, seed: 2)))
      #expect(Self.reason(&authenticator, Self.attempt(request, time: issued)) == nil)
      for later in 0...30 {
        let attempt = Self.attempt(request, time: issued + .seconds(later))
        #expect(Self.reason(&authenticator, attempt) == .replayedChallenge)
      }
      let dead = Self.attempt(request, time: issued + .seconds(31))
      #expect(Self.reason(&authenticator, dead) == .expiredChallenge)
    }
  }

  @Test("keys come and go; what was answered stays answered")
  func replaceKeys() throws {
    var challenges = try Self.challenges()
    var authenticator = ClientAuthenticator(challenges: challenges)
    let request = try Self.request(Self.answer(Self.challenge(&authenticator)))
    _ = try authenticator.identify(Self.attempt(request))
    authenticator.challenges?.replaceGrants([])
    #expect(Self.reason(&authenticator, Self.attempt(request)) == .replayedChallenge)
    challenges.replaceGrants([])
    authenticator.challenges = challenges
    #expect(Self.reason(&authenticator, Self.attempt(request)) == .unknownKey)
  }

  // MARK: Certificates

  static let certificate = PeerCertificate(
    bytes: [1], fingerprint: SHA256.hash([1]), subject: "CN=desk", dnsNames: ["Desk7.Example"],
    uris: ["spiffe://example/desk/7"], emailAddresses: ["desk7@example.com"], publicKey: [2, 3], notAfter: now)

  @Test(
    "a certificate is known by what it holds",
    arguments: [
      (.fingerprint(SHA256.hash([1])), true), (.publicKeyHash(CertificateGrants.hash(publicKey: [2, 3])), true),
      (.dnsName("desk7.example"), true), (.dnsName("DESK7.example"), true), (.uri("spiffe://example/desk/7"), true),
      (.emailAddress("desk7@example.com"), true),
      (.fingerprint(SHA256.hash([2])), false), (.fingerprint(SHA256.hash([2, 3])), false),
      (.publicKeyHash(SHA256.hash([1])), false), (.dnsName("example"), false), (.uri("desk7.example"), false),
      (.uri("spiffe://example/desk/7/"), false), (.emailAddress("Desk7@example.com"), false),
      (.dnsName("CN=desk"), false),
    ] as [(CertificateGrants.Pattern, Bool)])
  func certificates(pattern: CertificateGrants.Pattern, isKnown: Bool) throws {
    let grants = CertificateGrants([.init(pattern, subject: "desk 7", scopes: ["x"])])
    var authenticator = ClientAuthenticator(certificates: grants)
    let attempt = Self.attempt(try Self.request(), certificate: Self.certificate)
    guard isKnown else {
      let refusal = try Self.refusal(&authenticator, attempt)
      #expect(refusal.reason == .unknownCertificate)
      #expect(refusal.status == 403)
      #expect(refusal.fields.isEmpty)
      return
    }
    let proof = ClientIdentity.Proof.certificate(fingerprint: SHA256.hash([1]))
    #expect(
      try authenticator.identify(attempt) == ClientIdentity(subject: "desk 7", scopes: ["x"], proof: proof))
    let late = Self.attempt(
      try Self.request(), certificate: Self.certificate, now: Self.now.advanced(byNanoseconds: 1))
    #expect(Self.reason(&authenticator, late) == .expiredCertificate)
    #expect(try Self.refusal(&authenticator, Self.attempt(Self.request())).status == 403)
    #expect(Self.reason(&authenticator, Self.attempt(try Self.request())) == .missingCredentials)
  }

  // MARK: Together

  @Test("a field counts before a certificate, even if it fails; the nearest description of a certificate counts")
  func order() throws {
    let grants = CertificateGrants([
      .init(.dnsName("desk7.example"), subject: "by name", scopes: []),
      .init(.uri("spiffe://example/desk/7"), subject: "by URI", scopes: []),
    ])
    var authenticator = ClientAuthenticator(
      tokens: Self.tokens, challenges: try Self.challenges(), certificates: grants)
    func attempt(_ line: String) throws -> AuthenticationAttempt {
      Self.attempt(try Self.request(line), certificate: Self.certificate)
    }
    #expect(try authenticator.identify(attempt("X: y")).subject == "by URI")
    #expect(try authenticator.identify(attempt("Authorization: Bearer \(Self.token)")).subject == "desk 7")
    #expect(Self.reason(&authenticator, try attempt("Authorization: Bearer x")) == .unknownToken)
    #expect(Self.reason(&authenticator, try attempt("Authorization: Basic x")) == .unsupportedScheme)
    #expect(Self.reason(&authenticator, try attempt("Sec-WebSocket-Protocol: bearer.eA")) == .unknownToken)
    // Each way in is named.
    let refusal = try Self.refusal(&authenticator, Self.attempt(Self.request()))
    #expect(refusal.fields.map { $0.value.prefix { $0 != " " } } == ["Bearer", "Ed25519"])
    var closed = ClientAuthenticator()
    #expect(Self.reason(&closed, try attempt("X: y")) == .missingCredentials)
    #expect(try Self.refusal(&closed, attempt("X: y")).status == 403)
  }

  @Test("a client finds the challenge among other fields, and answers nothing that is none")
  func clientFields() throws {
    let answer = try HTTPHeadTests.response(
      "HTTP/1.1 401 No\nWWW-Authenticate: Bearer\nWWW-Authenticate: ed25519 challenge=\"abcd\"\n\n")
    #expect(AuthenticationFields.challenge(in: answer) == "abcd")
    for lines in ["", "WWW-Authenticate: Ed25519\n", "WWW-Authenticate: Other challenge=\"abcd\"\n"] {
      #expect(AuthenticationFields.challenge(in: try HTTPHeadTests.response("HTTP/1.1 401 No\n\(lines)\n")) == nil)
    }
    for text in ["", "a", "!!!!", "abc\"d"] {
      let field = AuthenticationFields.answer(
        to: text, at: Self.url, exporter: nil, publicKey: Self.key.publicKey.raw, sign: Self.key.sign)
      #expect(field == nil)
    }
  }

  @Test(
    "origins: none but those named, exactly, once, and never null",
    arguments: [
      ("https://ours.example", nil), ("https://ours.example:443", .originRefused),
      ("https://OURS.example", .originRefused),
      ("http://ours.example", .originRefused), ("https://ours.example/", .originRefused),
      ("https://ours.example.evil.example", .originRefused), ("null", .originRefused), ("", .originRefused),
      ("https://ours.example\nOrigin: https://ours.example", .duplicateField("origin")),
      ("https://ours.example, https://ours.example", .originRefused),
    ] as [(String, HTTPError?)])
  func origins(value: String, error: HTTPError?) throws {
    let text = OpeningHandshakeTests.good.replacing("Version: 13\n", with: "Version: 13\nOrigin: \(value)\n")
    var policy = UpgradePolicy()
    #expect(throws: error == .duplicateField("origin") ? HTTPError.duplicateField("origin") : .originRefused) {
      try OpeningHandshakeTests.upgrade(text, policy)
    }
    policy.allowedOrigins = ["https://ours.example", "null"]
    if let error {
      #expect(throws: error) { try OpeningHandshakeTests.upgrade(text, policy) }
    } else {
      #expect(try OpeningHandshakeTests.upgrade(text, policy).origin == value)
    }
  }
}
