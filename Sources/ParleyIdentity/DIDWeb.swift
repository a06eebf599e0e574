public import ParleyCrypto
import ParleyWire

/// did:web: the document is a file on somebody's web server.
///
/// Source: the did:web method specification, W3C Credentials Community Group. It trusts DNS, the certificate and
/// the server, and has no history.
public enum DIDWeb {
  /// Where the document of a did:web is: always HTTPS.
  ///
  /// - Throws: ``IdentityError/unsupportedMethod(_:)`` for another method.
  public static func url(for did: DID) throws(IdentityError) -> String { try url(of: "did.json", for: did) }

  /// Where the rotation statements of a did:web are, if it has any: beside its document.
  ///
  /// - Throws: ``IdentityError/unsupportedMethod(_:)`` for another method.
  public static func rotationsURL(for did: DID) throws(IdentityError) -> String {
    try url(of: RotationList.fileName, for: did)
  }

  private static func url(of file: String, for did: DID) throws(IdentityError) -> String {
    guard did.method == .web, let location = WebLocation(did.methodSpecificID) else {
      throw .unsupportedMethod(IdentityError.cut(did.string))
    }
    return location.url(of: file)
  }

  /// The document of a node that is a did:web: its keys, both for authentication, and where it listens.
  ///
  /// - Parameters:
  ///   - did: The DID.
  ///   - ed25519: The key that names itself `#key-1`.
  ///   - mldsa65: The post-quantum key `#key-2`, which makes the document's suite 2.
  ///   - endpoint: A `ws://` or `wss://` URL; `nil` for a node that nobody calls.
  /// - Returns: The document's JSON text, to be published at ``url(for:)``.
  /// - Throws: ``IdentityError/malformedEndpoint(_:)``.
  public static func document(
    of did: DID, ed25519: Ed25519.PublicKey, mldsa65: MLDSA65.PublicKey? = nil, endpoint: String?
  ) throws(IdentityError) -> [UInt8] {
    let input = try DIDPeer4.inputDocument(ed25519: ed25519, mldsa65: mldsa65, endpoint: endpoint)
    guard var document = try DIDDocument.json(input, limit: DIDDocument.byteLimit).objectValue,
      let methods = document["verificationMethod"]?.arrayValue
    else { preconditionFailure("this program has just written it") }
    document["verificationMethod"] = .array(
      methods.map { method in
        var object = method.objectValue ?? JSONObject()
        object["controller"] = .string(did.string)
        return .object(object)
      })
    var whole: JSONObject = ["id": .string(did.string)]
    for member in document.members { whole[member.key] = member.value }
    return Array(JSONValue.object(whole).serialized().utf8)
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
