public import ParleyCrypto

/// A DID, its document, and the keys that speak for it in Parley: proof that the document passed every rule.
public struct PeerIdentity: Sendable {
  /// Characters of a key's fragment, as the handshake carries it.
  public static let keyFragmentLimit = 64

  /// The document.
  public let document: DIDDocument
  /// The fragment of the Ed25519 key, without the `#`.
  public let keyFragment: String
  /// The key that signs.
  public let ed25519: Ed25519.PublicKey
  /// The key that signs too, in suite 2.
  public let mldsa65: MLDSA65.PublicKey?
  /// Where the node listens; `nil` for one that nobody calls.
  public let serviceEndpoint: String?

  /// Takes the keys from a document (PSC/1 section 4).
  ///
  /// The Ed25519 key is the one named, or the first that `authentication` lists. A document that lists an ML-DSA-65
  /// key for authentication has suite 2, with the first such key; there is no falling back to suite 1.
  ///
  /// - Throws: ``IdentityError/malformedDID(_:)`` for a DID longer than ``DID/characterLimit``,
  ///   ``IdentityError/noAuthenticationKey(_:)``, ``IdentityError/notForAuthentication(_:)``,
  ///   ``IdentityError/malformedDIDURL(_:)`` for a fragment that is none or longer than ``keyFragmentLimit``,
  ///   ``IdentityError/wrongController(_:)``, ``IdentityError/invalidPublicKey(_:)`` or
  ///   ``IdentityError/malformedEndpoint(_:)``.
  public init(document: DIDDocument, keyFragment: String? = nil) throws(IdentityError) {
    guard document.id.string.utf8.count <= DID.characterLimit else {
      throw .malformedDID(IdentityError.cut(document.id.string))
    }
    let method = try Self.signingMethod(document, keyFragment)
    guard method.id.fragment.utf8.count <= Self.keyFragmentLimit else {
      throw .malformedDIDURL(IdentityError.cut(method.id.string))
    }
    guard case .ed25519(let raw) = method.publicKey else { throw .noAuthenticationKey(method.id.fragment) }
    try Self.checkController(method, document)
    guard let ed25519 = try? Ed25519.PublicKey(raw: raw) else {
      throw .invalidPublicKey(IdentityError.cut(method.id.string))
    }
    self.document = document
    self.keyFragment = method.id.fragment
    self.ed25519 = ed25519
    mldsa65 = try Self.postQuantumKey(document)
    serviceEndpoint = try document.parleyEndpoint()
  }

  /// The DID, in its short form.
  public var did: DID { document.id }

  /// `did#keyFragment`.
  public var keyID: String { did.string + "#" + keyFragment }

  /// What stands for the document in signatures: see ``DIDDocument/hash``.
  public var documentHash: [UInt8] { document.hash }

  /// What the document was made from: see ``DIDDocument/bytes``.
  public var documentBytes: [UInt8] { document.bytes }

  /// Which keys sign.
  public var suite: SignatureSuite { mldsa65 == nil ? .ed25519 : .ed25519MLDSA65 }

  /// Whether every signature of this identity's suite is there and valid for `message`.
  ///
  /// - Parameters:
  ///   - signature: What is said to be this identity's.
  ///   - message: What it is said to sign.
  ///   - context: The context string of the ML-DSA signature (FIPS 204 section 5.2), at most 255 bytes; the Ed25519
  ///     signature has none.
  /// - Returns: Whether it does.
  public func isValid(_ signature: IdentitySignature, for message: [UInt8], context: String) -> Bool {
    guard signature.suite == suite, ed25519.isValid(signature: signature.ed25519, for: message) else { return false }
    guard let mldsa65 else { return true }
    guard let part = signature.mldsa65 else { return false }
    return mldsa65.isValid(signature: part, for: message, context: context)
  }

  // MARK: Rules

  private static func signingMethod(
    _ document: DIDDocument, _ fragment: String?
  ) throws(IdentityError) -> DIDDocument.VerificationMethod {
    guard let fragment else {
      for method in document.authentication {
        if case .ed25519 = method.publicKey, method.id.did == document.id { return method }
      }
      throw .noAuthenticationKey(nil)
    }
    let url = try DIDURL(did: document.id, fragment: fragment)
    if let method = document.authentication.first(where: { $0.id == url }) { return method }
    guard document.verificationMethods.contains(where: { $0.id == url }) else { throw .noAuthenticationKey(fragment) }
    throw .notForAuthentication(fragment)
  }

  private static func checkController(
    _ method: DIDDocument.VerificationMethod, _ document: DIDDocument
  ) throws(IdentityError) {
    guard method.controller.utf8.elementsEqual(document.id.string.utf8) else {
      throw .wrongController(IdentityError.cut(method.controller))
    }
  }

  /// The first ML-DSA-65 key for authentication.
  ///
  /// One that cannot be used is an error: passing over it would let somebody strip the post-quantum signature.
  private static func postQuantumKey(_ document: DIDDocument) throws(IdentityError) -> MLDSA65.PublicKey? {
    for method in document.authentication {
      guard case .mldsa65(let raw) = method.publicKey else { continue }
      try checkController(method, document)
      guard method.id.did == document.id, let key = try? MLDSA65.PublicKey(raw: raw) else {
        throw .invalidPublicKey(IdentityError.cut(method.id.string))
      }
      return key
    }
    return nil
  }
}

extension DIDDocument {
  /// Whose keys speak for this document today, for somebody who has pinned others.
  ///
  /// - Parameters:
  ///   - pinned: The identity as it was let in: its key counts for as long as the document lists it.
  ///   - keyFragment: The key that the peer named; `nil` if it has named none.
  /// - Returns: The identity; `nil` if no key can speak for the document, or not the one named.
  public func identity(preferring pinned: PeerIdentity?, keyFragment: String? = nil) -> PeerIdentity? {
    if let keyFragment { return try? PeerIdentity(document: self, keyFragment: keyFragment) }
    let same = authentication.first { $0.id.did == id && $0.publicKey == pinned.map { .ed25519($0.ed25519.raw) } }
    return (try? same.map { try PeerIdentity(document: self, keyFragment: $0.id.fragment) })
      ?? (try? PeerIdentity(document: self))
  }
}

extension PeerIdentity: Hashable {
  /// Whether both are the same key of the same document.
  public static func == (left: Self, right: Self) -> Bool {
    left.did == right.did && left.keyFragment == right.keyFragment && left.documentBytes == right.documentBytes
  }

  /// Feeds what `==` compares.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(did)
    hasher.combine(keyFragment)
    hasher.combine(documentBytes)
  }
}
