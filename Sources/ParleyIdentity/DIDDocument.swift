import ParleyCrypto
public import ParleyWire

/// A DID document whose structure has been checked: see ``DIDDocument/init(parsing:for:)`` for the rules.
///
/// Whether its keys may speak for the DID in Parley is a second question, which ``PeerIdentity`` answers.
public struct DIDDocument: Hashable, Sendable {
  /// A verification method of the document.
  public struct VerificationMethod: Hashable, Sendable {
    /// Its name.
    public let id: DIDURL
    /// Its `type`.
    public let type: String
    /// Its `controller`, as written.
    public let controller: String
    /// Its public key.
    public let publicKey: PublicKeyMaterial
  }

  /// A service of the document.
  public struct Service: Hashable, Sendable {
    /// Its name, as written.
    public let id: String
    /// Its `type`, of which it may have several.
    public let types: [String]
    /// Its endpoint if that is one string.
    public let endpoint: String?
  }

  /// Bytes of a document that is published somewhere.
  public static let byteLimit = 65_536
  /// How deep a document may nest.
  public static let depthLimit = 16
  /// Verification methods, embedded ones included, and entries of one relationship, and services.
  public static let entryLimit = 32

  /// The DID that the document is about, in its short form.
  public let id: DID
  /// The document as resolved.
  public let json: JSONValue
  /// What the document was made from, byte for byte: the input document of a did:peer:4, the fetched text of a
  /// did:web, the canonical text of the state of a version of a did:webvh, and the text that this program writes for
  /// a did:key, a did:jwk or a did:peer:2.
  public let bytes: [UInt8]
  /// All verification methods, those embedded in a relationship included.
  public let verificationMethods: [VerificationMethod]
  /// The methods of this document that `authentication` lists, in its order.
  public let authentication: [VerificationMethod]
  /// The services in order.
  public let services: [Service]

  /// Reads a published document and holds it against the DID that was resolved.
  ///
  /// The rules, with the error that breaking each one throws:
  /// - at most ``byteLimit`` bytes of strict JSON (no member twice), nested at most ``depthLimit`` deep:
  ///   ``IdentityError/documentTooLong(_:limit:)``, ``IdentityError/notJSON(_:)``;
  /// - `id` is the DID: ``IdentityError/wrongDocumentID(found:)``;
  /// - methods, relationships and services have the types that DID Core gives them, each list has at most
  ///   ``entryLimit`` entries, and a reference into the document finds its method:
  ///   ``IdentityError/malformedDocument(_:)``;
  /// - no two methods or services have one id, embedded methods included, and no relationship names a method twice:
  ///   ``IdentityError/duplicateID(_:)``;
  /// - a `Multikey` or `JsonWebKey` has exactly one encoding of its key, the one of its type, well-formed and
  ///   public: ``IdentityError/malformedKey(_:)``.
  public init(parsing bytes: [UInt8], for did: DID) throws(IdentityError) {
    let json = try Self.json(bytes, limit: Self.byteLimit)
    try self.init(json, for: did, bytes: bytes)
  }

  /// Checks a document that this program has made from the DID alone.
  init(selfContained document: JSONObject, for did: DID) throws(IdentityError) {
    let json = JSONValue.object(document)
    try self.init(json, for: did, bytes: Array(json.serialized().utf8))
  }

  /// Checks a document that has been parsed.
  init(_ json: JSONValue, for did: DID, bytes: [UInt8]) throws(IdentityError) {
    guard let object = json.objectValue else { throw .malformedDocument("the document") }
    guard let id = object["id"]?.stringValue else { throw .malformedDocument("id") }
    guard id.hasSameBytes(as: did.string) else { throw .wrongDocumentID(found: IdentityError.cut(id)) }
    var reader = DocumentReader(did: did)
    try reader.read(object)
    self.id = did
    self.json = json
    self.bytes = bytes
    verificationMethods = reader.methods
    authentication = reader.authentication
    services = reader.services
  }

  /// Parses the text of a document.
  static func json(_ bytes: [UInt8], limit: Int) throws(IdentityError) -> JSONValue {
    guard bytes.count <= limit else { throw .documentTooLong(bytes.count, limit: limit) }
    do throws(JSONError) {
      return try JSONValue.parse(bytes, limits: JSONLimits(byteCount: limit, depth: depthLimit))
    } catch {
      throw .notJSON(error)
    }
  }

  /// What stands for this document in signatures (PSC/1 section 3): the hash of the DID where the document is a
  /// function of the DID, else the hash of the document's canonical JSON.
  public var hash: [UInt8] {
    switch id.method {
    case .key, .jwk, .peer2, .peer4: SHA256.hash(Array(id.string.utf8))
    case .web, .webvh, .other: SHA256.hash(json.canonical())
    }
  }

  /// The endpoint of the first service of type `ParleyNode`; `nil` where there is no such service.
  ///
  /// - Throws: ``IdentityError/malformedEndpoint(_:)`` where that service has something else than one URL.
  public func parleyEndpoint() throws(IdentityError) -> String? {
    guard let service = services.first(where: { $0.types.contains { $0.hasSameBytes(as: ParleyService.type) } }) else {
      return nil
    }
    guard let endpoint = service.endpoint else { throw .malformedEndpoint(IdentityError.cut(service.id)) }
    try ParleyService.check(endpoint: endpoint)
    return endpoint
  }
}

/// The service by which a document says where its node listens.
public enum ParleyService {
  /// The service's `type`.
  public static let type = "ParleyNode"
  /// Characters of an endpoint.
  public static let endpointLimit = 255

  /// Checks the form of an endpoint: `ws://` or `wss://`, a host, perhaps a port, perhaps a path; no user, query or
  /// fragment.
  ///
  /// - Throws: ``IdentityError/malformedEndpoint(_:)``.
  public static func check(endpoint: String) throws(IdentityError) {
    let bytes = Array(endpoint.utf8)
    let rest: ArraySlice<UInt8>
    if bytes.starts(with: "ws://".utf8) {
      rest = bytes.dropFirst(5)
    } else if bytes.starts(with: "wss://".utf8) {
      rest = bytes.dropFirst(6)
    } else {
      throw .malformedEndpoint(IdentityError.cut(endpoint))
    }
    let authority = rest.prefix { $0 != UInt8(ascii: "/") }
    let path = rest.dropFirst(authority.count)
    guard bytes.count <= endpointLimit, !authority.isEmpty, authority.first != UInt8(ascii: ":"),
      authority.allSatisfy({ DID.isAlphanumeric($0) || ".-:[]".utf8.contains($0) }),
      path.allSatisfy({ DID.isAlphanumeric($0) || "/.-_~%!$&'()*+,;=:@".utf8.contains($0) })
    else { throw .malformedEndpoint(IdentityError.cut(endpoint)) }
  }
}
