public import ParleyCrypto
import ParleyWire

/// did:peer:4: the DID is the hash of a document, and its long form carries the document too.
///
/// ```
/// did:peer:4 zQm...            : z...
///            hash                document
/// ```
/// `document` is multibase base58btc of the multicodec of JSON (80 04) and the text as its author wrote it; `hash` is
/// multibase base58btc of the SHA-256 multihash (12 20) over the characters of `document`.
///
/// Source: the did:peer method specification of the Decentralized Identity Foundation, method 4.
public enum DIDPeer4 {
  /// Bytes of an input document: what fits a handshake message next to two signatures.
  public static let inputDocumentByteLimit = 4096

  private static let jsonCode: [UInt8] = [0x80, 0x04]

  /// The long form of the DID of an input document.
  ///
  /// - Throws: what ``resolve(_:inputDocument:)`` would.
  public static func create(inputDocument: [UInt8]) throws(IdentityError) -> DID {
    let did = try DID(parsing: longForm(inputDocument))
    _ = try resolve(did)
    return did
  }

  /// The document of a DID, under its short form.
  ///
  /// Names relative to the document (`#key-1`) belong to the short form, methods without a controller are controlled
  /// by it, and `alsoKnownAs` has the long form.
  ///
  /// - Parameters:
  ///   - did: The DID, in either form.
  ///   - inputDocument: The bytes that the DID was made from. The short form needs them; beside a long form they must
  ///     be the ones it carries.
  /// - Returns: The document as resolved.
  /// - Throws: ``IdentityError/documentNeeded(_:)``, ``IdentityError/documentMismatch(_:)``,
  ///   ``IdentityError/malformedDocument(_:)`` for an input document that has an `id`, and what
  ///   ``DIDDocument/init(parsing:for:)`` throws.
  public static func resolve(_ did: DID, inputDocument: [UInt8]? = nil) throws(IdentityError) -> DIDDocument {
    guard did.method == .peer4 else { throw .unsupportedMethod(IdentityError.cut(did.string)) }
    let embedded = try embeddedDocument(did)
    guard let bytes = inputDocument ?? embedded else { throw .documentNeeded(did) }
    guard bytes.count <= inputDocumentByteLimit else {
      throw .documentTooLong(bytes.count, limit: inputDocumentByteLimit)
    }
    let long = longForm(bytes)
    let short = did.shortForm
    guard long.utf8.starts(with: short.string.utf8), !did.isLongForm || long == did.string else {
      throw .documentMismatch(short)
    }
    let json = try DIDDocument.json(bytes, limit: inputDocumentByteLimit)
    guard var document = json.objectValue, document["id"] == nil else { throw .malformedDocument("id") }
    try contextualize(&document, short: short, long: long)
    return try DIDDocument(.object(document), for: short, bytes: bytes)
  }

  /// The input document of a Parley node: its keys, both for authentication, and where it listens.
  ///
  /// - Parameters:
  ///   - ed25519: The key that names itself `#key-1`.
  ///   - mldsa65: The post-quantum key, which makes the document's suite 2.
  ///   - endpoint: A `ws://` or `wss://` URL; `nil` for a node that nobody calls.
  /// - Returns: The document's JSON text.
  /// - Throws: ``IdentityError/malformedEndpoint(_:)``.
  public static func inputDocument(
    ed25519: Ed25519.PublicKey, mldsa65: MLDSA65.PublicKey? = nil, endpoint: String?
  ) throws(IdentityError) -> [UInt8] {
    var keys: [PublicKeyMaterial] = [.ed25519(ed25519.raw)]
    if let mldsa65 { keys.append(.mldsa65(mldsa65.raw)) }
    var methods: [JSONValue] = []
    for (index, key) in keys.enumerated() {
      guard let text = Multikey.encode(key) else { preconditionFailure("both types have an encoding") }
      methods.append([
        "id": .string("#key-\(index + 1)"), "type": "Multikey", "publicKeyMultibase": .string(text),
      ])
    }
    var document = JSONObject()
    document["verificationMethod"] = .array(methods)
    document["authentication"] = .array(keys.indices.map { .string("#key-\($0 + 1)") })
    if let endpoint {
      try ParleyService.check(endpoint: endpoint)
      document["service"] = [
        ["id": "#parley", "type": .string(ParleyService.type), "serviceEndpoint": .string(endpoint)]
      ]
    }
    return Array(JSONValue.object(document).serialized().utf8)
  }

  // MARK: Forms

  private static func longForm(_ inputDocument: [UInt8]) -> String {
    let document = Multibase.encode(jsonCode + inputDocument, as: .base58BTC)
    return "did:peer:4z" + SHA256Multihash.text(of: Array(document.utf8)) + ":" + document
  }

  /// The bytes that a long form carries; `nil` for a short form.
  private static func embeddedDocument(_ did: DID) throws(IdentityError) -> [UInt8]? {
    guard did.isLongForm, let mark = did.string.utf8.lastIndex(of: UInt8(ascii: ":")) else { return nil }
    let text = String(did.string[did.string.utf8.index(after: mark)...])
    guard let bytes = try? Multibase.decode(text), bytes.starts(with: jsonCode) else {
      throw .malformedDID(IdentityError.cut(did.string))
    }
    return Array(bytes.dropFirst(jsonCode.count))
  }

  /// Whether this is the method-specific id of a short or a long form, as far as one can tell without hashing.
  static func isWellFormed(_ id: String) -> Bool {
    let bytes = id.utf8
    guard bytes.starts(with: "4z".utf8) else { return false }
    let parts = bytes.dropFirst(2).split(
      separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
    guard let hash = parts.first, SHA256Multihash.isWellFormed(id[hash.startIndex..<hash.endIndex]) else {
      return false
    }
    guard parts.count > 1 else { return true }
    return parts.count == 2 && parts[1].first == UInt8(ascii: "z") && parts[1].count > 1
  }

  // MARK: Contextualizing

  private static func contextualize(
    _ document: inout JSONObject, short: DID, long: String
  ) throws(IdentityError) {
    document["id"] = .string(short.string)
    for list in ["verificationMethod"] + DocumentReader.relationships {
      guard case .array(let entries)? = document[list] else { continue }
      document[list] = .array(
        entries.map { entry in
          guard case .object(var method) = entry, method["controller"] == nil else { return entry }
          method["controller"] = .string(short.string)
          return .object(method)
        })
    }
    switch document["alsoKnownAs"] {
    case nil: document["alsoKnownAs"] = [.string(long)]
    case .array(let names): document["alsoKnownAs"] = .array(names + [.string(long)])
    case .null, .bool, .integer, .number, .string, .object: throw .malformedDocument("alsoKnownAs")
    }
  }
}
