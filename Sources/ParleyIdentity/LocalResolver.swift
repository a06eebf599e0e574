/// Resolution without a network: for DIDs that are their document, and for documents that somebody brings along.
public enum LocalResolver {
  /// The identity of a DID.
  ///
  /// - Parameters:
  ///   - did: The DID, in either form.
  ///   - documentBytes: What ``PeerIdentity/documentBytes`` of that identity is. A did:peer:4 in its short form, a
  ///     did:web and a did:webvh need them; a DID that is its document is held against them. Bytes of a did:web are
  ///     taken as fetched and those of a did:webvh as the state of a verified version: that they came from the right
  ///     server, or out of a ``DIDWebVHHistory``, is the caller's knowledge.
  ///   - keyFragment: The Ed25519 key to take, the first one otherwise.
  /// - Returns: The identity, under the DID's short form.
  /// - Throws: ``IdentityError/documentNeeded(_:)``, ``IdentityError/documentMismatch(_:)``,
  ///   ``IdentityError/unsupportedMethod(_:)``, and what ``DIDDocument/init(parsing:for:)`` and
  ///   ``PeerIdentity/init(document:keyFragment:)`` throw.
  public static func resolve(
    _ did: DID, documentBytes: [UInt8]? = nil, keyFragment: String? = nil
  ) throws(IdentityError) -> PeerIdentity {
    try PeerIdentity(document: document(of: did, documentBytes: documentBytes), keyFragment: keyFragment)
  }

  /// The document of a DID, without asking whose keys may speak for it.
  ///
  /// - Throws: as ``resolve(_:documentBytes:keyFragment:)``, but for what concerns keys.
  static func document(of did: DID, documentBytes: [UInt8]? = nil) throws(IdentityError) -> DIDDocument {
    switch did.method {
    case .key, .jwk, .peer2:
      let document = try selfContained(did)
      guard documentBytes == nil || documentBytes == document.bytes else { throw .documentMismatch(did) }
      return document
    case .peer4:
      return try DIDPeer4.resolve(did, inputDocument: documentBytes)
    case .web, .webvh:
      guard let documentBytes else { throw .documentNeeded(did) }
      return try DIDDocument(parsing: documentBytes, for: did)
    case .other(let name):
      throw .unsupportedMethod(name)
    }
  }

  /// The document of a DID that is all there is to it.
  private static func selfContained(_ did: DID) throws(IdentityError) -> DIDDocument {
    switch did.method {
    case .key: try DIDKey.resolve(did)
    case .jwk: try DIDJWK.resolve(did)
    case .peer2: try DIDPeer2.resolve(did)
    case .peer4, .web, .webvh, .other: throw .documentNeeded(did)
    }
  }
}
