internal import ParleyWire

/// An Ed25519 key with which a client answers challenges, wherever it is kept.
public struct ClientSigningKey: Sendable {
  /// The public key: 32 bytes.
  public var publicKey: [UInt8]
  /// Makes the signature of a message: 64 bytes.
  public var sign: @Sendable (_ message: [UInt8]) -> [UInt8]

  /// Describes a key.
  public init(publicKey: [UInt8], sign: @escaping @Sendable (_ message: [UInt8]) -> [UInt8]) {
    self.publicKey = publicKey
    self.sign = sign
  }
}

/// What a client sends to prove who it is; ``ClientAuthenticator`` reads it.
public enum AuthenticationFields {
  /// The field that carries a bearer token.
  ///
  /// - Precondition: the token is one (RFC 6750 section 2.1): letters, digits and `-._~+/`, then `=` signs.
  public static func bearer(_ token: String) -> (name: String, value: String) {
    precondition(BearerTokens.isToken(token))
    return ("Authorization", "Bearer \(token)")
  }

  /// The subprotocol that carries a bearer token where no field can be set, as in a browser; offer it beside the one to
  /// be spoken.
  ///
  /// - Precondition: the token is one.
  public static func bearerSubprotocol(_ token: String) -> String {
    precondition(BearerTokens.isToken(token))
    return BearerTokens.subprotocolPrefix + Base64URL.encode(Array(token.utf8))
  }

  /// The challenge in a server's refusal; `nil` if it has none.
  public static func challenge(in head: HTTPResponseHead) -> String? {
    for value in head.fields.values("www-authenticate") {
      let (scheme, rest) = AuthenticationSyntax.split(value)
      if scheme == SignedChallenges.scheme, let challenge = AuthenticationSyntax.parameters(rest)?["challenge"] {
        return String(challenge)
      }
    }
    return nil
  }

  /// The field that answers a challenge.
  ///
  /// - Parameters:
  ///   - challenge: as ``challenge(in:)`` found it.
  ///   - url: what will be asked for.
  ///   - exporter: the channel binding of the connection on which the answer will be sent; `nil` without TLS.
  ///   - publicKey: the Ed25519 public key, 32 bytes.
  ///   - sign: makes the key's signature of a message.
  /// - Returns: the field; `nil` if the challenge is not one.
  public static func answer(
    to challenge: String, at url: WebURL, exporter: [UInt8]?, publicKey: [UInt8],
    sign: (_ message: [UInt8]) -> [UInt8]
  ) -> (name: String, value: String)? {
    guard let bytes = Base64URL.decode(challenge), !bytes.isEmpty else { return nil }
    let message = ChallengeAnswer.message(
      challenge: bytes, host: url.host, target: url.target, exporter: exporter)
    let values = [("key", publicKey), ("challenge", bytes), ("signature", sign(message))]
    let parameters = values.map { "\($0.0)=\"\(Base64URL.encode($0.1))\"" }
    return ("Authorization", "Ed25519 " + parameters.joined(separator: ","))
  }
}
