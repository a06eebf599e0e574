public import ParleyWire

/// What a client that asks to come in has shown, and the moment at which it did.
public struct AuthenticationAttempt: Sendable {
  /// The valid upgrade request.
  public var request: UpgradeRequest
  /// The channel binding `tls-exporter` (RFC 9266); `nil` without TLS.
  public var exporter: [UInt8]?
  /// The client's certificate, verified against the authorities that the server trusts; `nil` if it showed none.
  public var certificate: PeerCertificate?
  /// The real time, for what expires on a date.
  public var now: UnixNanoseconds
  /// The driver's time, for what expires after a while.
  public var time: MonotonicTime
  /// 16 unpredictable bytes, for a challenge.
  public var randomness: [UInt8]

  /// Gathers an attempt.
  ///
  /// - Precondition: `randomness` has 16 bytes.
  public init(
    request: UpgradeRequest, exporter: [UInt8]?, certificate: PeerCertificate?, now: UnixNanoseconds,
    time: MonotonicTime, randomness: [UInt8]
  ) {
    precondition(randomness.count == SignedChallenges.randomByteCount)
    self.request = request
    self.exporter = exporter
    self.certificate = certificate
    self.now = now
    self.time = time
    self.randomness = randomness
  }
}

/// Why a client does not come in.
///
/// No case carries what it showed.
public enum AuthenticationError: Error, Hashable, Sendable {
  /// It showed nothing that this server asks for.
  case missingCredentials
  /// What it showed cannot be read, or is there twice.
  case malformedCredentials
  /// It used a scheme that this server does not speak.
  case unsupportedScheme
  /// A token that was never given out, or was withdrawn.
  case unknownToken
  /// A token past its time.
  case expiredToken(id: String)
  /// A challenge that this process has not issued.
  case unknownChallenge
  /// A challenge older than its lifetime.
  case expiredChallenge
  /// A challenge that was answered already.
  case replayedChallenge
  /// More challenges were answered within their lifetime than this server remembers.
  case tooManyAnswers(limit: Int)
  /// A key that nobody registered.
  case unknownKey
  /// A signature that is not the key's for this challenge, host, target and connection.
  case invalidSignature
  /// A signature for a host that this server is not.
  case hostNotServed
  /// A certificate that nobody mapped to a subject.
  case unknownCertificate
  /// A certificate that has expired since it was verified.
  case expiredCertificate

  /// The status code of the answer.
  public var status: Int {
    switch self {
    case .malformedCredentials: 400
    case .unknownCertificate, .expiredCertificate: 403
    case .hostNotServed: 421
    case .tooManyAnswers: 503
    case .missingCredentials, .unsupportedScheme, .unknownToken, .expiredToken, .unknownChallenge, .expiredChallenge,
      .replayedChallenge, .unknownKey, .invalidSignature:
      401
    }
  }

  /// What `WWW-Authenticate: Bearer` says of it (RFC 6750 section 3.1).
  fileprivate var bearerError: String? {
    switch self {
    case .unknownToken, .expiredToken: "invalid_token"
    case .malformedCredentials: "invalid_request"
    default: nil
    }
  }
}

/// The answer to a client that does not come in.
public struct AuthenticationRefusal: Error, Sendable {
  /// Why, for the log.
  public let reason: AuthenticationError
  /// The status code, 400 to 503.
  public let status: Int
  /// Fields of the answer: for a 401, one `WWW-Authenticate` for each way in.
  public let fields: [(name: String, value: String)]
}

/// The ways into a server, and who comes in by each.
///
/// A client that sends an `Authorization` field is judged by that alone, whatever else it shows; then comes a bearer
/// token among the subprotocols, then the certificate. Cookies are never looked at.
///
/// Keep one for a server, on whatever loops it runs: a copy forgets which challenges were answered at the other.
public struct ClientAuthenticator: Sendable {
  /// Tokens, or `nil` to take none.
  public var tokens: BearerTokens?
  /// Signed challenges, or `nil` to issue none.
  public var challenges: SignedChallenges?
  /// Certificates, or `nil` to take none.
  public var certificates: CertificateGrants?

  /// Opens these ways.
  public init(
    tokens: BearerTokens? = nil, challenges: SignedChallenges? = nil, certificates: CertificateGrants? = nil
  ) {
    self.tokens = tokens
    self.challenges = challenges
    self.certificates = certificates
  }

  /// Who a client is.
  ///
  /// - Throws: why it is nobody, with the answer to send. Nothing but a valid signature changes any state.
  public mutating func identify(
    _ attempt: AuthenticationAttempt
  ) throws(AuthenticationRefusal) -> ClientIdentity {
    do throws(AuthenticationError) {
      return try prove(attempt)
    } catch {
      throw refusal(error, attempt)
    }
  }

  private mutating func prove(_ attempt: AuthenticationAttempt) throws(AuthenticationError) -> ClientIdentity {
    let authorizations = attempt.request.fields.values("authorization")
    guard authorizations.count <= 1 else { throw .malformedCredentials }
    let offered = try BearerTokens.token(among: attempt.request.fields.list("sec-websocket-protocol"))
    if let authorization = authorizations.first {
      // Two proofs that may differ are none.
      guard offered == nil || tokens == nil else { throw .malformedCredentials }
      return try prove(authorization, attempt)
    }
    if let offered, let tokens { return try tokens.identity(of: offered, now: attempt.now) }
    if let certificate = attempt.certificate, let certificates {
      return try certificates.identity(of: certificate, now: attempt.now)
    }
    throw .missingCredentials
  }

  private mutating func prove(
    _ authorization: String, _ attempt: AuthenticationAttempt
  ) throws(AuthenticationError) -> ClientIdentity {
    let (scheme, rest) = AuthenticationSyntax.split(authorization)
    if scheme == BearerTokens.scheme, let tokens {
      guard BearerTokens.isToken(rest) else { throw .malformedCredentials }
      return try tokens.identity(of: Array(rest.utf8), now: attempt.now)
    }
    if scheme == SignedChallenges.scheme, challenges != nil {
      guard let answer = ChallengeAnswer(parameters: rest) else { throw .malformedCredentials }
      guard let identity = try challenges?.identity(of: answer, attempt) else { throw .unsupportedScheme }
      return identity
    }
    throw .unsupportedScheme
  }

  private func refusal(_ error: AuthenticationError, _ attempt: AuthenticationAttempt) -> AuthenticationRefusal {
    // Without a scheme to name there can be no 401 (RFC 9110 section 15.5.2).
    let hasScheme = tokens != nil || challenges != nil
    guard error.status == 401 || error == .malformedCredentials, hasScheme else {
      return AuthenticationRefusal(reason: error, status: error.status == 401 ? 403 : error.status, fields: [])
    }
    var fields: [(name: String, value: String)] = []
    if tokens != nil {
      fields.append(("WWW-Authenticate", "Bearer" + (error.bearerError.map { " error=\"\($0)\"" } ?? "")))
    }
    if let challenge = challenges?.issue(at: attempt.time, randomness: attempt.randomness) {
      fields.append(("WWW-Authenticate", "Ed25519 challenge=\"\(challenge)\""))
    }
    return AuthenticationRefusal(reason: error, status: error.status, fields: fields)
  }
}
