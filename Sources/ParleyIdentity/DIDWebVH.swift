/// did:webvh 1.0: a did:web whose whole history is published with it, signed entry by entry, and begins with a hash
/// that the DID carries.
///
/// ```
/// did:webvh : Qm...                     : maker.example : desks
///             SCID, hash of the         host, perhaps a  path
///             first entry of the log    port (%3A)
/// ```
/// ``DIDWebVHLog`` verifies the history. The server, DNS and certificates are trusted with nothing but availability and
/// freshness.
///
/// Source: the did:webvh DID method specification v1.0 of the Decentralized Identity Foundation. Of the ways it allows
/// to spell a host and a path, Parley accepts the one of did:web.
public enum DIDWebVH {
  /// Where the log is.
  ///
  /// - Throws: ``IdentityError/unsupportedMethod(_:)`` for another method.
  public static func logURL(for did: DID) throws(IdentityError) -> String {
    try parts(did).location.url(of: "did.jsonl")
  }

  /// Where the proofs of witnesses are, for a log that names witnesses.
  ///
  /// - Throws: ``IdentityError/unsupportedMethod(_:)`` for another method.
  public static func witnessURL(for did: DID) throws(IdentityError) -> String {
    try parts(did).location.url(of: "did-witness.json")
  }

  /// The self-certifying identifier: the hash of the log's first entry, which no later one changes.
  ///
  /// - Throws: ``IdentityError/unsupportedMethod(_:)`` for another method.
  public static func scid(of did: DID) throws(IdentityError) -> String { try parts(did).scid }

  /// Whether this is the method-specific id of a did:webvh in the one spelling that Parley accepts.
  static func isWellFormed(_ id: String) -> Bool { split(id[...]) != nil }

  static func location(of did: DID) throws(IdentityError) -> WebLocation { try parts(did).location }

  private static func parts(_ did: DID) throws(IdentityError) -> (scid: String, location: WebLocation) {
    guard did.method == .webvh, let parts = split(did.methodSpecificID) else {
      throw .unsupportedMethod(IdentityError.cut(did.string))
    }
    return parts
  }

  private static func split(_ id: Substring) -> (scid: String, location: WebLocation)? {
    let scid = id.prefix { $0 != ":" }
    guard SHA256Multihash.isWellFormed(scid), let location = WebLocation(id.dropFirst(scid.count + 1)) else {
      return nil
    }
    return (String(scid), location)
  }
}
