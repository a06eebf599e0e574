internal import ParleyCrypto
public import ParleyWire

/// Bearer tokens (RFC 6750) and whom each is for.
///
/// Only their SHA-256 is kept: whoever reads this memory, or the file it came from, has no token. That needs tokens
/// with 128 unpredictable bits and more, not passwords.
///
/// A program sends `Authorization: Bearer TOKEN`. A page in a browser cannot; it offers the subprotocol
/// `bearer.` and the token's bytes in base64url, beside the one that it will speak.
public struct BearerTokens: Hashable, Sendable {
  /// One token that lets in.
  public struct Grant: Hashable, Sendable {
    /// The name under which it is kept.
    public var id: String
    /// SHA-256 of the token's bytes.
    public var hash: [UInt8]
    /// Who comes in with it.
    public var subject: String
    /// What that client may do.
    public var scopes: Set<String>
    /// The last moment at which it lets in; `nil` for always.
    public var notAfter: UnixNanoseconds?

    /// Describes a token by its hash.
    ///
    /// - Precondition: `hash` has 32 bytes.
    public init(
      id: String, hash: [UInt8], subject: String, scopes: Set<String>, notAfter: UnixNanoseconds? = nil
    ) {
      precondition(hash.count == SHA256.byteCount)
      self.id = id
      self.hash = hash
      self.subject = subject
      self.scopes = scopes
      self.notAfter = notAfter
    }
  }

  static let scheme = "bearer"
  static let subprotocolPrefix = "bearer."
  /// Bytes of the longest token.
  public static let maximumTokenByteCount = 1024
  /// Tokens that may be kept: each attempt looks at all of them, so that its time does not say which is near.
  public static let maximumCount = 4096

  private let grants: [Grant]

  /// Lets these in.
  ///
  /// - Precondition: no more than ``maximumCount``.
  public init(_ grants: [Grant]) {
    precondition(grants.count <= Self.maximumCount)
    self.grants = grants
  }

  /// What is kept of a token.
  public static func hash(_ token: String) -> [UInt8] { SHA256.hash(Array(token.utf8)) }

  func identity(of token: [UInt8], now: UnixNanoseconds) throws(AuthenticationError) -> ClientIdentity {
    let hash = SHA256.hash(token)
    var found: Grant?
    for grant in grants where ConstantTime.equal(grant.hash, hash) { found = grant }
    guard let found else { throw .unknownToken }
    guard found.notAfter.map({ now <= $0 }) ?? true else { throw .expiredToken(id: found.id) }
    return ClientIdentity(subject: found.subject, scopes: found.scopes, proof: .token(id: found.id))
  }

  /// The token among the subprotocols that a client offers; `nil` if there is none.
  static func token(among offers: [Substring]) throws(AuthenticationError) -> [UInt8]? {
    let found = offers.filter { isCredential($0) }
    guard let offer = found.first else { return nil }
    let text = String(offer.dropFirst(subprotocolPrefix.count))
    guard found.count == 1, let token = Base64URL.decode(text), isToken(String(decoding: token, as: UTF8.self)) else {
      throw .malformedCredentials
    }
    return token
  }

  /// Whether an offered subprotocol is a credential, never to be chosen, echoed or logged.
  static func isCredential(_ subprotocol: some StringProtocol) -> Bool { subprotocol.hasPrefix(subprotocolPrefix) }

  /// `b64token` (RFC 6750 section 2.1).
  static func isToken(_ text: some StringProtocol) -> Bool {
    guard (1...maximumTokenByteCount).contains(text.utf8.count) else { return false }
    let body = text.utf8.reversed().drop { $0 == UInt8(ascii: "=") }
    return !body.isEmpty
      && body.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "+"),
          UInt8(ascii: "/"):
          true
        default: HTTPSyntax.isLetter(byte) || HTTPSyntax.isDigit(byte)
        }
      }
  }
}
