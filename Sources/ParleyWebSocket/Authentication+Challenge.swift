internal import ParleyCrypto
internal import ParleyWire

/// Challenges that a client signs with a registered Ed25519 key.
///
/// A challenge is 16 random bytes, the time and an authenticator of both under a key of this process: the server
/// remembers none that it issues, and those that were answered for as long as they could be answered again.
///
///     client                                                   server
///       │ GET /path                                              │
///       │ ─────────────────────────────────────────────────────▶ │
///       │      401, WWW-Authenticate: Ed25519 challenge="..."    │
///       │ ◀───────────────────────────────────────────────────── │
///       │ GET /path                                              │
///       │ Authorization: Ed25519 key="...",challenge="...",      │
///       │                signature="..."                         │
///       │ ─────────────────────────────────────────────────────▶ │
///
/// Each value is base64url. The signature is over ``ChallengeAnswer/message(challenge:host:target:exporter:)``, which
/// holds what makes it useless elsewhere: the host asked for, the target, and the TLS connection of the second request.
public struct SignedChallenges: Sendable {
  /// One key that lets in.
  public struct Grant: Hashable, Sendable {
    /// The name under which it is kept.
    public var id: String
    /// The Ed25519 public key: 32 bytes.
    public var publicKey: [UInt8]
    /// Who comes in with it.
    public var subject: String
    /// What that client may do.
    public var scopes: Set<String>

    /// Describes a key.
    public init(id: String, publicKey: [UInt8], subject: String, scopes: Set<String>) {
      self.id = id
      self.publicKey = publicKey
      self.subject = subject
      self.scopes = scopes
    }
  }

  /// The random part of a challenge, by which an answered one is known.
  private struct Name: Hashable {
    let high, low: UInt64
  }

  static let scheme = "ed25519"
  static let randomByteCount = 16
  private static let byteCount = randomByteCount + 8 + HMACSHA256.byteCount
  private static let label = Array("WebSocket Ed25519 challenge".utf8)

  /// How long a challenge can be answered.
  public let lifetime: Duration
  /// Answered challenges that are remembered; beyond them, nobody comes in by this way until one is forgotten.
  public let maximumAnswerCount: Int

  private let secret: SecretBytes
  private let hosts: Set<String>
  private var grants: [[UInt8]: Grant]
  /// Challenges answered since ``turn``, and in the period before it.
  private var answered: Set<Name> = []
  private var answeredBefore: Set<Name> = []
  private var turn: MonotonicTime?

  /// Lets these in.
  ///
  /// - Parameters:
  ///   - grants: the keys.
  ///   - hosts: the names of this server, in lower case and without port. A signature for another host would be one
  ///     that the client made for somebody else, who passes it on.
  ///   - secret: 32 unpredictable bytes, of this process alone.
  ///   - lifetime: how long a challenge can be answered.
  ///   - maximumAnswerCount: how many answered challenges are remembered.
  public init(
    _ grants: [Grant], hosts: Set<String>, secret: [UInt8], lifetime: Duration = .seconds(30),
    maximumAnswerCount: Int = 16_384
  ) {
    precondition(secret.count == 32 && lifetime > .zero && maximumAnswerCount > 0)
    self.grants = Self.byKey(grants)
    self.hosts = hosts
    self.secret = SecretBytes(copying: secret)
    self.lifetime = lifetime
    self.maximumAnswerCount = maximumAnswerCount
  }

  /// Lets these in from now on instead of those before; what was answered stays answered.
  public mutating func replaceGrants(_ grants: [Grant]) { self.grants = Self.byKey(grants) }

  private static func byKey(_ grants: [Grant]) -> [[UInt8]: Grant] {
    Dictionary(grants.map { ($0.publicKey, $0) }) { first, _ in first }
  }

  /// A fresh challenge, in base64url.
  func issue(at time: MonotonicTime, randomness: [UInt8]) -> String {
    var bytes = randomness
    bytes.appendBigEndian(time.nanoseconds)
    return Base64URL.encode(bytes + authenticator(of: bytes))
  }

  private func authenticator(of bytes: [UInt8]) -> [UInt8] {
    HMACSHA256.authenticate(Self.label + bytes, key: secret)
  }

  mutating func identity(
    of answer: ChallengeAnswer, _ attempt: AuthenticationAttempt
  ) throws(AuthenticationError) -> ClientIdentity {
    let name = try name(of: answer.challenge, at: attempt.time)
    forget(at: attempt.time)
    guard !answered.contains(name), !answeredBefore.contains(name) else { throw .replayedChallenge }
    guard hosts.contains(attempt.request.host) else { throw .hostNotServed }
    guard let grant = grants[answer.publicKey], let key = try? Ed25519.PublicKey(raw: answer.publicKey) else {
      throw .unknownKey
    }
    let message = ChallengeAnswer.message(
      challenge: answer.challenge, host: attempt.request.host, target: attempt.request.target,
      exporter: attempt.exporter)
    guard key.isValid(signature: answer.signature, for: message) else { throw .invalidSignature }
    // Only now: whoever has no key cannot fill this memory.
    guard answered.count &+ answeredBefore.count < maximumAnswerCount else {
      throw .tooManyAnswers(limit: maximumAnswerCount)
    }
    answered.insert(name)
    return ClientIdentity(subject: grant.subject, scopes: grant.scopes, proof: .signature(keyID: grant.id))
  }

  private func name(of challenge: [UInt8], at time: MonotonicTime) throws(AuthenticationError) -> Name {
    guard challenge.count == Self.byteCount else { throw .unknownChallenge }
    let bytes = Array(challenge[..<(Self.randomByteCount + 8)])
    guard ConstantTime.equal(authenticator(of: bytes), Array(challenge[bytes.count...])) else {
      throw .unknownChallenge
    }
    let words = stride(from: 0, to: bytes.count, by: 8).map { start in
      bytes[start..<start + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
    let age = time - MonotonicTime(nanoseconds: Int64(bitPattern: words[2]))
    guard age >= .zero, age <= lifetime else { throw .expiredChallenge }
    return Name(high: words[0], low: words[1])
  }

  /// Forgets what could no longer be answered: each period of ``lifetime``, what was answered before the last one.
  private mutating func forget(at time: MonotonicTime) {
    guard let start = turn else { return turn = time }
    let passed = time - start
    guard passed > lifetime else { return }
    answeredBefore = passed > lifetime * 2 ? [] : answered
    answered = []
    turn = time
  }
}

/// A client's answer to a challenge.
struct ChallengeAnswer: Hashable, Sendable {
  let publicKey, challenge, signature: [UInt8]

  /// Reads the parameters of `Authorization: Ed25519`; `nil` unless there are these three and no other.
  init?(parameters text: Substring) {
    guard let parameters = AuthenticationSyntax.parameters(text), parameters.count == 3,
      let publicKey = parameters["key"].flatMap({ Base64URL.decode(String($0)) }),
      let challenge = parameters["challenge"].flatMap({ Base64URL.decode(String($0)) }),
      let signature = parameters["signature"].flatMap({ Base64URL.decode(String($0)) }),
      publicKey.count == Ed25519.publicKeyByteCount, signature.count == Ed25519.signatureByteCount
    else { return nil }
    self.publicKey = publicKey
    self.challenge = challenge
    self.signature = signature
  }

  private static let domain = Array("WebSocket client authentication, Ed25519, version 1".utf8)

  /// What is signed: the domain, the challenge, the host in lower case without port, the target, and the exporter (or
  /// nothing), each after its length in four bytes.
  static func message(challenge: [UInt8], host: String, target: String, exporter: [UInt8]?) -> [UInt8] {
    var bytes: [UInt8] = []
    for part in [domain, challenge, Array(host.utf8), Array(target.utf8), exporter ?? []] {
      bytes.appendBigEndian(UInt32(truncatingIfNeeded: part.count))
      bytes += part
    }
    return bytes
  }
}
