import ParleyCrypto
import ParleyIdentity
import ParleyWire
import Testing

private typealias Documents = TestDocuments

/// Documents with one peculiarity each, and the error that it throws if it is a fault.
enum DocumentCases {
  static let all = identities + methods + keys + relationships + services

  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let document: JSONObject
    let error: IdentityError?
    var testDescription: String { name }

    init(_ name: String, _ document: JSONObject, _ error: IdentityError? = nil) {
      self.name = name
      self.document = document
      self.error = error
    }
  }

  static let first = Documents.did + "#key-1"

  static let identities: [Case] = [
    Case("no id", Documents.setting([("id", nil)]), .malformedDocument("id")),
    Case("id is no string", Documents.setting([("id", 1)]), .malformedDocument("id")),
    Case("another id", Documents.setting([("id", "did:web:other")]), .wrongDocumentID(found: "did:web:other")),
    Case(
      "upper case", Documents.setting([("id", "did:web:Maker.example")]),
      .wrongDocumentID(found: "did:web:Maker.example")),
    Case(
      "trailing slash", Documents.setting([("id", "did:web:maker.example/")]),
      .wrongDocumentID(found: "did:web:maker.example/")),
  ]

  static let methods: [Case] = [
    Case("no lists at all", ["id": .string(Documents.did)]),
    Case(
      "methods are no list", Documents.setting([("verificationMethod", [:])]), .malformedDocument("verificationMethod")),
    Case(
      "a method is a string", Documents.setting([("verificationMethod", ["#a"])]),
      .malformedDocument("verificationMethod[0]")),
    Case("no method id", Documents.changing { $0["id"] = nil }, .malformedDocument("verificationMethod[0].id")),
    Case(
      "method id without fragment", Documents.changing { $0["id"] = .string(Documents.did) },
      .malformedDocument("verificationMethod[0].id")),
    Case("no type", Documents.changing { $0["type"] = nil }, .malformedDocument("verificationMethod[0].type")),
    Case(
      "no controller", Documents.changing { $0["controller"] = nil },
      .malformedDocument("verificationMethod[0].controller")),
    Case("two methods with one id", Documents.changing { $0["id"] = "#key-2" }, .duplicateID(Documents.did + "#key-2")),
    Case(
      "one id relative and absolute",
      Documents.setting([
        (
          "verificationMethod",
          [
            .object(Documents.method(first, Documents.firstKey)),
            .object(Documents.method("#key-1", Documents.secondKey)),
          ]
        )
      ]), .duplicateID(first)),
    Case(
      "an embedded method with a listed id",
      Documents.setting([("keyAgreement", [.object(Documents.method("#key-1", Documents.secondKey))])]),
      .duplicateID(first)),
    Case(
      "a service with a method's id",
      Documents.setting([("service", [["id": "#key-1", "type": "X", "serviceEndpoint": "x:y"]])]),
      .duplicateID("#key-1")),
    Case(
      "a method of another DID",
      Documents.setting([
        (
          "verificationMethod",
          [
            .object(Documents.method("did:web:other#key-1", Documents.firstKey)),
            .object(Documents.method(first, Documents.firstKey)),
            .object(Documents.method("#key-2", Documents.secondKey)),
          ]
        )
      ])),
    Case("32 methods", many(methods: 32)),
    Case("33 methods", many(methods: 33), .malformedDocument("verificationMethod")),
    Case("32 methods and an embedded one", manyAndEmbedded(), .malformedDocument("verificationMethod")),
  ]

  private static func many(methods count: Int) -> JSONObject {
    let methods = (1...count).map { JSONValue.object(Documents.method("#key-\($0)", Documents.firstKey)) }
    return Documents.setting([("verificationMethod", .array(methods))])
  }

  private static func manyAndEmbedded() -> JSONObject {
    var document = many(methods: 32)
    document["keyAgreement"] = [.object(Documents.method("#key-99", Documents.secondKey))]
    return document
  }

  static let keys: [Case] = [
    Case("Multikey without key", Documents.changing { $0["publicKeyMultibase"] = nil }, .malformedKey(first)),
    Case("two encodings", Documents.changing { $0["publicKeyJwk"] = jwk }, .malformedKey(first)),
    Case("two encodings, one old", Documents.changing { $0["publicKeyBase58"] = "2g" }, .malformedKey(first)),
    Case(
      "the other type's encoding",
      Documents.changing {
        $0["publicKeyMultibase"] = nil; $0["publicKeyJwk"] = jwk
      }, .malformedKey(first)),
    Case("key is no string", Documents.changing { $0["publicKeyMultibase"] = 1 }, .malformedKey(first)),
    Case("another base", Documents.changing { $0["publicKeyMultibase"] = "f00" }, .malformedKey(first)),
    Case("not base 58", Documents.changing { $0["publicKeyMultibase"] = "z0" }, .malformedKey(first)),
    Case("no code", Documents.changing { $0["publicKeyMultibase"] = "z" }, .malformedKey(first)),
    Case(
      "Ed25519 of 31 bytes",
      Documents.changing { $0["publicKeyMultibase"] = Documents.multibase(0xED, .init(repeating: 1, count: 31)) },
      .malformedKey(first)),
    Case(
      "Ed25519 of 33 bytes",
      Documents.changing { $0["publicKeyMultibase"] = Documents.multibase(0xED, .init(repeating: 1, count: 33)) },
      .malformedKey(first)),
    Case(
      "ML-DSA-65 of 1951 bytes",
      Documents.changing { $0["publicKeyMultibase"] = Documents.multibase(0x1211, .init(repeating: 1, count: 1951)) },
      .malformedKey(first)),
    Case(
      "ML-DSA-65 of 1953 bytes",
      Documents.changing { $0["publicKeyMultibase"] = Documents.multibase(0x1211, .init(repeating: 1, count: 1953)) },
      .malformedKey(first)),
    Case(
      "a private key",
      Documents.changing { $0["publicKeyMultibase"] = Documents.multibase(0x1300, .init(repeating: 1, count: 32)) },
      .malformedKey(first)),
    Case("a secret beside the key", Documents.changing { $0["secretKeyMultibase"] = "z2g" }, .malformedKey(first)),
    Case(
      "another key type is left alone",
      Documents.changing { $0["publicKeyMultibase"] = Documents.multibase(0xEC, .init(repeating: 1, count: 32)) }),
    Case("another method type is left alone", Documents.changing { $0["type"] = "Ed25519VerificationKey2020" }),
    Case("JsonWebKey", jsonWebKey { _ in }),
    Case(
      "JsonWebKey2020",
      Documents.changing {
        $0["type"] = "JsonWebKey2020"; $0["publicKeyMultibase"] = nil; $0["publicKeyJwk"] = jwk
      }),
    Case(
      "JsonWebKey with both encodings", jsonWebKey { $0["publicKeyMultibase"] = Documents.firstKey },
      .malformedKey(first)),
    Case("JWK is no object", jsonWebKey { $0["publicKeyJwk"] = "x" }, .malformedKey(first)),
    Case("JWK without kty", jsonWebKey(jwk: [("kty", nil)]), .malformedKey(first)),
    Case("JWK without x", jsonWebKey(jwk: [("x", nil)]), .malformedKey(first)),
    Case(
      "JWK with padding", jsonWebKey(jwk: [("x", .string(Base64.encode(Documents.ed25519.publicKey.raw)))]),
      .malformedKey(first)),
    Case(
      "JWK of 31 bytes", jsonWebKey(jwk: [("x", .string(Base64URL.encode(.init(repeating: 1, count: 31))))]),
      .malformedKey(first)),
    Case("JWK with the private part", jsonWebKey(jwk: [("d", "AA")]), .malformedKey(first)),
    Case("JWK of another curve is left alone", jsonWebKey(jwk: [("crv", "X25519")])),
    Case(
      "JWK of ML-DSA-65 of the wrong length", jsonWebKey(jwk: [("kty", "AKP"), ("alg", "ML-DSA-65"), ("pub", "AA")]),
      .malformedKey(first)),
    Case(
      "JWK with an ML-DSA seed", jsonWebKey(jwk: [("kty", "AKP"), ("alg", "ML-DSA-65"), ("priv", "AA")]),
      .malformedKey(first)),
  ]

  static let jwk: JSONValue = [
    "kty": "OKP", "crv": "Ed25519", "x": .string(Base64URL.encode(Documents.ed25519.publicKey.raw)),
  ]

  static func jsonWebKey(
    jwk members: [(String, JSONValue?)] = [], _ change: (inout JSONObject) -> Void = { _ in }
  ) -> JSONObject {
    Documents.changing { method in
      var key = jwk.objectValue ?? [:]
      for (name, value) in members { key[name] = value }
      method["type"] = "JsonWebKey"
      method["publicKeyMultibase"] = nil
      method["publicKeyJwk"] = .object(key)
      change(&method)
    }
  }

  static let relationships: [Case] = [
    Case(
      "a reference to nothing", Documents.setting([("authentication", ["#key-3"])]),
      .malformedDocument("authentication")),
    Case(
      "a reference to nothing elsewhere", Documents.setting([("keyAgreement", ["#key-3"])]),
      .malformedDocument("keyAgreement")),
    Case(
      "a reference that is none", Documents.setting([("authentication", ["key-1"])]),
      .malformedDocument("authentication[0]")),
    Case(
      "an entry of another type", Documents.setting([("authentication", [1])]), .malformedDocument("authentication[0]")),
    Case("no list", Documents.setting([("authentication", "#key-1")]), .malformedDocument("authentication")),
    Case("listed twice", Documents.setting([("authentication", ["#key-1", .string(first)])]), .duplicateID(first)),
    Case("one key for two purposes", Documents.setting([("assertionMethod", ["#key-1"])])),
    Case("a reference abroad", Documents.setting([("authentication", ["did:web:other#key-1", "#key-1"])])),
    Case(
      "embedded", Documents.setting([("authentication", [.object(Documents.method("#key-3", Documents.firstKey))])])),
    Case(
      "a reference to what another relationship embeds",
      Documents.setting([
        ("authentication", ["#key-3"]), ("keyAgreement", [.object(Documents.method("#key-3", Documents.firstKey))]),
      ])),
    Case(
      "33 entries", Documents.setting([("authentication", .array((0..<33).map { .string("did:web:other#k\($0)") }))]),
      .malformedDocument("authentication")),
    Case(
      "32 entries", Documents.setting([("authentication", .array((0..<32).map { .string("did:web:other#k\($0)") }))])),
  ]

  static let services: [Case] = [
    Case("no list", Documents.setting([("service", [:])]), .malformedDocument("service")),
    Case("an entry of another type", Documents.setting([("service", ["x"])]), .malformedDocument("service[0]")),
    Case(
      "no id", Documents.setting([("service", [["type": "X", "serviceEndpoint": "x:y"]])]),
      .malformedDocument("service[0]")),
    Case(
      "empty id", Documents.setting([("service", [["id": "", "type": "X", "serviceEndpoint": "x:y"]])]),
      .malformedDocument("service[0]")),
    Case(
      "no type", Documents.setting([("service", [["id": "#s", "serviceEndpoint": "x:y"]])]),
      .malformedDocument("service[0].type")),
    Case(
      "no types", Documents.setting([("service", [["id": "#s", "type": [], "serviceEndpoint": "x:y"]])]),
      .malformedDocument("service[0].type")),
    Case(
      "a type of another type",
      Documents.setting([("service", [["id": "#s", "type": ["X", 1], "serviceEndpoint": "x:y"]])]),
      .malformedDocument("service[0].type")),
    Case(
      "no endpoint", Documents.setting([("service", [["id": "#s", "type": "X"]])]),
      .malformedDocument("service[0].serviceEndpoint")),
    Case(
      "an endpoint of another form, for another service",
      Documents.setting([("service", [["id": "#s", "type": "X", "serviceEndpoint": ["a": 1]]])])),
    Case(
      "two services with one id",
      Documents.setting([
        (
          "service",
          [
            ["id": "#s", "type": "X", "serviceEndpoint": "x:y"],
            ["id": .string(Documents.did + "#s"), "type": "X", "serviceEndpoint": "x:y"],
          ]
        )
      ]), .duplicateID(Documents.did + "#s")),
  ]
}
