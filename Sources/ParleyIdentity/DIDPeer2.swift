public import ParleyCrypto
import ParleyWire

/// did:peer:2: the DID is a list of keys, each with its purpose, and of services.
///
/// ```
/// did:peer:2 .Vz6Mk...       .Ez6LS...      .SeyJ0Ijoi...
///             authentication  key agreement  a service's JSON, abbreviated, in base64url
/// ```
/// Such a DID may be longer than a message can carry (``DID/characterLimit``); it then has a document, but cannot be
/// the identity of a node.
///
/// Source: the did:peer method specification of the Decentralized Identity Foundation, method 2.
public enum DIDPeer2 {
  /// Which relationship a purpose code stands for.
  private static let relationships: [Character: String] = [
    "A": "assertionMethod", "E": "keyAgreement", "V": "authentication", "I": "capabilityInvocation",
    "D": "capabilityDelegation",
  ]
  private static let abbreviations = ["t": "type", "s": "serviceEndpoint", "r": "routingKeys", "a": "accept"]

  /// The DID of an Ed25519 key for authentication, and of a node that listens at an endpoint.
  ///
  /// - Parameters:
  ///   - ed25519: The key that becomes `#key-1`.
  ///   - endpoint: A `ws://` or `wss://` URL; `nil` for a node that nobody calls.
  /// - Returns: The DID, which a long endpoint makes longer than messages carry.
  /// - Throws: ``IdentityError/malformedEndpoint(_:)``.
  public static func did(ed25519: Ed25519.PublicKey, endpoint: String?) throws(IdentityError) -> DID {
    guard let key = Multikey.encode(.ed25519(ed25519.raw)) else { preconditionFailure("the type has an encoding") }
    var text = "did:peer:2.V" + key
    if let endpoint {
      try ParleyService.check(endpoint: endpoint)
      let service: JSONValue = ["id": "#parley", "t": .string(ParleyService.type), "s": .string(endpoint)]
      text += ".S" + Base64URL.encode(Array(service.serialized().utf8))
    }
    return try DID(parsing: text)
  }

  /// The document of a did:peer:2.
  ///
  /// Keys become Multikeys named `#key-1`, `#key-2` and so on; a service without `id` is named `#service`, the next ones
  /// `#service-1` and so on. `alsoKnownAs` has the did:peer:3, which is the hash of this DID.
  ///
  /// - Throws: ``IdentityError/unsupportedMethod(_:)`` for another method, ``IdentityError/malformedDocument(_:)`` for a
  ///   service that is no JSON object, spells a member both ways or has an absolute `id`, and what
  ///   ``DIDDocument/init(parsing:for:)`` throws.
  public static func resolve(_ did: DID) throws(IdentityError) -> DIDDocument {
    guard did.method == .peer2 else { throw .unsupportedMethod(IdentityError.cut(did.string)) }
    var methods: [JSONValue] = []
    var purposes: [String: [JSONValue]] = [:]
    var services: [JSONValue] = []
    var namelessCount = 0
    for element in elements(String(did.methodSpecificID)) {
      guard let relationship = element.first.flatMap({ relationships[$0] }) else {
        var service = try service(element.dropFirst(), "service[\(services.count)]")
        if service["id"] == nil {
          service["id"] = .string(namelessCount == 0 ? "#service" : "#service-\(namelessCount)")
          namelessCount += 1
        }
        services.append(.object(service))
        continue
      }
      let name = JSONValue.string("#key-\(methods.count + 1)")
      methods.append([
        "type": "Multikey", "id": name, "controller": .string(did.string),
        "publicKeyMultibase": .string(String(element.dropFirst())),
      ])
      purposes[relationship, default: []].append(name)
    }
    var document: JSONObject = [
      "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
      "id": .string(did.string),
    ]
    if !methods.isEmpty { document["verificationMethod"] = .array(methods) }
    for relationship in DocumentReader.relationships {
      document[relationship] = purposes[relationship].map(JSONValue.array)
    }
    if !services.isEmpty { document["service"] = .array(services) }
    document["alsoKnownAs"] = [.string(hashForm(did))]
    return try DIDDocument(selfContained: document, for: did)
  }

  /// The did:peer:3 of a did:peer:2: the SHA-256 of what comes behind `did:peer:2`.
  private static func hashForm(_ did: DID) -> String {
    "did:peer:3z" + SHA256Multihash.text(of: Array(did.methodSpecificID.dropFirst().utf8))
  }

  // MARK: Elements

  /// Whether this is `2` and at least one element: a purpose and a key in base 58, or `S` and base64url in its one
  /// spelling.
  static func isWellFormed(_ id: String) -> Bool {
    let elements = elements(id)
    return id.hasPrefix("2.")
      && elements.allSatisfy { element in
        guard let code = element.first else { return false }
        if code == "S" { return element.utf8.count > 1 && Base64URL.decode(String(element.dropFirst())) != nil }
        let key = element.dropFirst()
        return relationships[code] != nil && key.first == "z" && DID.isBase58(key.dropFirst(), atLeast: 46)
      }
  }

  private static func elements(_ id: String) -> [Substring] {
    Array(id.split(separator: ".", omittingEmptySubsequences: false).dropFirst())
  }

  /// A service with its names spelled out.
  private static func service(_ text: Substring, _ name: String) throws(IdentityError) -> JSONObject {
    guard let bytes = Base64URL.decode(String(text)) else { throw .malformedDocument(name) }
    let json = try DIDDocument.json(bytes, limit: DID.longFormCharacterLimit)
    guard let object = json.objectValue, var service = expand(object) else { throw .malformedDocument(name) }
    if service["type"] == "dm" { service["type"] = "DIDCommMessaging" }
    if let id = service["id"] {
      guard id.stringValue?.hasPrefix("#") == true else { throw .malformedDocument(name + ".id") }
    }
    return service
  }

  /// The object with its members' names spelled out, at any depth; `nil` where one is there in both spellings.
  private static func expand(_ object: JSONObject) -> JSONObject? {
    var expanded = JSONObject()
    for member in object.members {
      let name = abbreviations[member.key] ?? member.key
      guard expanded[name] == nil, let value = expand(member.value) else { return nil }
      expanded[name] = value
    }
    return expanded
  }

  private static func expand(_ value: JSONValue) -> JSONValue? {
    switch value {
    case .object(let object): return expand(object).map(JSONValue.object)
    case .array(let entries):
      let expanded = entries.compactMap(expand)
      return expanded.count == entries.count ? .array(expanded) : nil
    case .null, .bool, .integer, .number, .string: return value
    }
  }
}
