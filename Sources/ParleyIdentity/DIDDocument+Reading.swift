import ParleyWire

/// Reads the parts of one document; an object of its own because ids must be unique over all of them.
struct DocumentReader {
  let did: DID
  private(set) var methods: [DIDDocument.VerificationMethod] = []
  private(set) var authentication: [DIDDocument.VerificationMethod] = []
  private(set) var services: [DIDDocument.Service] = []
  private var ids: Set<String> = []

  init(did: DID) { self.did = did }

  /// The relationships of DID Core 1.0 section 5.3.
  static let relationships = [
    "authentication", "assertionMethod", "keyAgreement", "capabilityInvocation", "capabilityDelegation",
  ]

  mutating func read(_ document: JSONObject) throws(IdentityError) {
    for (index, entry) in try list("verificationMethod", of: document).enumerated() {
      let name = "verificationMethod[\(index)]"
      guard let method = entry.objectValue else { throw .malformedDocument(name) }
      try methods.append(self.method(method, name))
    }
    var references: [[DIDURL]] = []
    for relationship in Self.relationships {
      try references.append(relation(relationship, of: document))
    }
    guard methods.count <= DIDDocument.entryLimit else { throw .malformedDocument("verificationMethod") }
    // Only now, because a reference may point to a method that another relationship embeds.
    for (relationship, urls) in zip(Self.relationships, references) {
      var listed: [DIDDocument.VerificationMethod] = []
      for url in urls {
        if let method = try resolve(url, relationship) { listed.append(method) }
      }
      if relationship == "authentication" { authentication = listed }
    }
    for (index, entry) in try list("service", of: document).enumerated() {
      try services.append(service(entry, "service[\(index)]"))
    }
  }

  // MARK: Parts

  /// The entries of a list that may be absent.
  private func list(_ name: String, of document: JSONObject) throws(IdentityError) -> [JSONValue] {
    guard let value = document[name] else { return [] }
    guard let entries = value.arrayValue, entries.count <= DIDDocument.entryLimit else {
      throw .malformedDocument(name)
    }
    return entries
  }

  /// The methods that a relationship names, embedded ones included, which become methods of the document.
  private mutating func relation(_ name: String, of document: JSONObject) throws(IdentityError) -> [DIDURL] {
    var urls: [DIDURL] = []
    for (index, entry) in try list(name, of: document).enumerated() {
      let url: DIDURL
      switch entry {
      case .string(let text):
        url = try self.url(text, "\(name)[\(index)]")
      case .object(let object):
        let method = try method(object, "\(name)[\(index)]")
        methods.append(method)
        url = method.id
      case .null, .bool, .integer, .number, .array:
        throw .malformedDocument("\(name)[\(index)]")
      }
      guard !urls.contains(url) else { throw .duplicateID(IdentityError.cut(url.string)) }
      urls.append(url)
    }
    return urls
  }

  /// The method that a reference means; `nil` for one of another document, which cannot speak for this DID.
  private func resolve(
    _ url: DIDURL, _ relationship: String
  ) throws(IdentityError) -> DIDDocument.VerificationMethod? {
    if let method = methods.first(where: { $0.id == url }) { return method }
    guard url.did != did else { throw .malformedDocument(relationship) }
    return nil
  }

  private func url(_ text: String, _ name: String) throws(IdentityError) -> DIDURL {
    guard let url = try? DIDURL(parsing: text, relativeTo: did) else { throw .malformedDocument(name) }
    return url
  }

  private mutating func method(
    _ object: JSONObject, _ name: String
  ) throws(IdentityError) -> DIDDocument.VerificationMethod {
    guard let id = object["id"]?.stringValue else { throw .malformedDocument(name + ".id") }
    let url = try url(id, name + ".id")
    guard let type = object["type"]?.stringValue else { throw .malformedDocument(name + ".type") }
    guard let controller = object["controller"]?.stringValue else { throw .malformedDocument(name + ".controller") }
    guard ids.insert(url.string).inserted else { throw .duplicateID(IdentityError.cut(url.string)) }
    guard let key = Self.publicKey(object, type: type) else { throw .malformedKey(IdentityError.cut(url.string)) }
    return DIDDocument.VerificationMethod(id: url, type: type, controller: controller, publicKey: key)
  }

  /// The key of a method; `nil` where the method has not exactly one encoding, or it is malformed or private.
  private static func publicKey(_ object: JSONObject, type: String) -> PublicKeyMaterial? {
    // Comparing by canonical equivalence here would only find more encodings, never fewer.
    let encodings = object.keys.filter { $0.hasPrefix("publicKey") }
    guard !object.keys.contains(where: { $0.hasPrefix("secretKey") || $0.hasPrefix("privateKey") }) else { return nil }
    if type.hasSameBytes(as: "Multikey") {
      guard encodings == ["publicKeyMultibase"], let text = object["publicKeyMultibase"]?.stringValue else {
        return nil
      }
      return Multikey.decode(text)
    }
    if type.hasSameBytes(as: "JsonWebKey") || type.hasSameBytes(as: "JsonWebKey2020") {
      guard encodings == ["publicKeyJwk"], let key = object["publicKeyJwk"]?.objectValue else { return nil }
      return JSONWebKey.decode(key)
    }
    return .unsupported
  }

  private mutating func service(_ value: JSONValue, _ name: String) throws(IdentityError) -> DIDDocument.Service {
    guard let object = value.objectValue, let id = object["id"]?.stringValue, !id.isEmpty else {
      throw .malformedDocument(name)
    }
    let types: [String]
    switch object["type"] {
    case .string(let type): types = [type]
    case .array(let entries):
      types = entries.compactMap(\.stringValue)
      guard !types.isEmpty, types.count == entries.count else { throw .malformedDocument(name + ".type") }
    case nil, .null, .bool, .integer, .number, .object: throw .malformedDocument(name + ".type")
    }
    guard let endpoint = object["serviceEndpoint"] else { throw .malformedDocument(name + ".serviceEndpoint") }
    // Ids of other schemes are allowed for services; relative ones mean this document.
    guard ids.insert(id.hasPrefix("#") ? did.string + id : id).inserted else {
      throw .duplicateID(IdentityError.cut(id))
    }
    return DIDDocument.Service(id: id, types: types, endpoint: endpoint.stringValue)
  }
}
