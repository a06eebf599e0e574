import ParleyCrypto
import ParleyIdentity
import ParleyWire

/// Keys and documents that the tests share. Nothing here is secret.
enum TestDocuments {
  static let ed25519 = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 1, count: 32)))
  static let otherEd25519 = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 2, count: 32)))
  static let mldsa65 = MLDSA65.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 3, count: 32)))

  static let did = "did:web:maker.example"

  static func multibase(_ code: UInt64, _ raw: [UInt8]) -> JSONValue {
    .string(Multibase.encode(Varint.encode(code) + raw, as: .base58BTC))
  }

  static let firstKey = multibase(0xED, ed25519.publicKey.raw)
  static let secondKey = multibase(0xED, otherEd25519.publicKey.raw)
  static let postQuantumKey = multibase(0x1211, mldsa65.publicKey.raw)

  static func method(_ id: String, _ key: JSONValue) -> JSONObject {
    ["id": .string(id), "type": "Multikey", "controller": .string(did), "publicKeyMultibase": key]
  }

  /// A document that every rule accepts, in suite 1.
  static let document: JSONObject = [
    "@context": ["https://www.w3.org/ns/did/v1"],
    "id": .string(did),
    "verificationMethod": [.object(method(did + "#key-1", firstKey)), .object(method("#key-2", secondKey))],
    "authentication": ["#key-1"],
    "assertionMethod": [.string(did + "#key-2")],
    "service": [["id": "#parley", "type": "ParleyNode", "serviceEndpoint": "wss://maker.example/parley"]],
  ]

  static func bytes(_ object: JSONObject) -> [UInt8] { Array(JSONValue.object(object).serialized().utf8) }

  static func parse(_ object: JSONObject) throws -> DIDDocument {
    try DIDDocument(parsing: bytes(object), for: DID(parsing: did))
  }

  /// ``document`` with its first method changed.
  static func changing(_ change: (inout JSONObject) -> Void) -> JSONObject {
    var method = method(did + "#key-1", firstKey)
    change(&method)
    var changed = document
    changed["verificationMethod"] = [.object(method), .object(self.method("#key-2", secondKey))]
    return changed
  }

  /// ``document`` with some of its members set; `nil` removes one.
  static func setting(_ members: [(String, JSONValue?)]) -> JSONObject {
    var changed = document
    for (key, value) in members { changed[key] = value }
    return changed
  }
}
