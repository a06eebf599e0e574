/// did:web: the document is a file on somebody's web server.
///
/// Source: the did:web method specification, W3C Credentials Community Group. It trusts DNS, the certificate and
/// the server, and has no history.
public enum DIDWeb {
  /// Where the document of a did:web is: always HTTPS.
  ///
  /// - Throws: ``IdentityError/unsupportedMethod(_:)`` for another method.
  public static func url(for did: DID) throws(IdentityError) -> String {
    guard did.method == .web, let location = WebLocation(did.methodSpecificID) else {
      throw .unsupportedMethod(IdentityError.cut(did.string))
    }
    return location.url(of: "did.json")
  }

  /// The document of a did:web from what was fetched at its ``url(for:)``.
  ///
  /// - Throws: what ``DIDDocument/init(parsing:for:)`` does.
  public static func document(_ bytes: [UInt8], for did: DID) throws(IdentityError) -> DIDDocument {
    guard did.method == .web else { throw .unsupportedMethod(IdentityError.cut(did.string)) }
    return try DIDDocument(parsing: bytes, for: did)
  }

  /// Whether this is the method-specific id of a did:web in the one spelling that Parley accepts.
  static func isWellFormed(_ id: String) -> Bool { WebLocation(id) != nil }
}
