/// Who a client proved to be when it came in, and what it may do.
public struct ClientIdentity: Hashable, Sendable {
  /// How it was proved.
  public enum Proof: Hashable, Sendable {
    /// A bearer token, by the name under which it is kept; never the token.
    case token(id: String)
    /// A signature over the server's challenge, by the key's name.
    case signature(keyID: String)
    /// A client certificate, by the SHA-256 of its DER form.
    case certificate(fingerprint: [UInt8])
  }

  /// Who it is.
  public var subject: String
  /// What it may do.
  public var scopes: Set<String>
  /// How it was proved.
  public var proof: Proof

  /// Creates an identity.
  public init(subject: String, scopes: Set<String>, proof: Proof) {
    self.subject = subject
    self.scopes = scopes
    self.proof = proof
  }
}
