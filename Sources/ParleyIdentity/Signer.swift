public import ParleyCrypto

/// Something that signs for one identity: the keys themselves, or a connection to where they are.
public protocol Signer: Sendable {
  /// Whose signatures these are.
  var identity: PeerIdentity { get }

  /// Signs `message` with every key of the identity's suite.
  ///
  /// - Parameters:
  ///   - message: Any bytes.
  ///   - context: As for ``PeerIdentity/isValid(_:for:context:)``.
  /// - Returns: The signatures of that suite.
  func sign(_ message: [UInt8], context: String) -> IdentitySignature
}

/// A signer that holds its keys.
public final class LocalSigner: Signer, CustomStringConvertible, CustomReflectable {
  /// Whose keys these are.
  public let identity: PeerIdentity
  private let ed25519: Ed25519.SigningKey
  private let mldsa65: MLDSA65.SigningKey?

  /// Joins an identity and its keys.
  ///
  /// - Throws: ``IdentityError/noAuthenticationKey(_:)`` unless the keys are the identity's, all of them and no other.
  public init(
    identity: PeerIdentity, ed25519: Ed25519.SigningKey, mldsa65: MLDSA65.SigningKey? = nil
  ) throws(IdentityError) {
    guard ed25519.publicKey == identity.ed25519, mldsa65?.publicKey == identity.mldsa65 else {
      throw .noAuthenticationKey(identity.keyFragment)
    }
    self.identity = identity
    self.ed25519 = ed25519
    self.mldsa65 = mldsa65
  }

  /// Signs `message`.
  public func sign(_ message: [UInt8], context: String) -> IdentitySignature {
    let parts = (ed25519.sign(message), mldsa65?.sign(message, context: context))
    guard let signature = try? IdentitySignature(suite: identity.suite, ed25519: parts.0, mldsa65: parts.1) else {
      preconditionFailure("the keys are the suite's")
    }
    return signature
  }

  /// Says whose keys these are, and nothing of them.
  public var description: String { "LocalSigner(\(identity.did))" }

  /// Shows no keys.
  public var customMirror: Mirror { Mirror(self, children: ["did": identity.did]) }
}
