public import ParleyCrypto
import ParleyWire

/// did:jwk: the DID is a JSON Web Key in base64url, so that there is nothing to fetch and nothing to rotate.
///
/// The text of the key is what its author wrote; one key can so have many DIDs, each an identity of its own.
///
/// Source: the did:jwk method specification (github.com/quartzjer/did-jwk).
public enum DIDJWK {
  /// The DID of an Ed25519 key: the members that RFC 7638 hashes, in its order.
  public static func did(for key: Ed25519.PublicKey) -> DID {
    let text = JSONWebKey.encode(key).serialized()
    guard let did = try? DID(parsing: "did:jwk:" + Base64URL.encode(Array(text.utf8))) else {
      preconditionFailure("the DID of a key of 32 bytes is well-formed and short")
    }
    return did
  }

  /// The document of a did:jwk: one `JsonWebKey2020` named `#0`.
  ///
  /// It is listed for every purpose; with `"use":"sig"` not for key agreement, with `"use":"enc"` only for that.
  ///
  /// - Throws: ``IdentityError/unsupportedMethod(_:)`` for another method, ``IdentityError/malformedDID(_:)`` where the
  ///   id is no JSON object, ``IdentityError/malformedKey(_:)`` for an object that is no public key. Keys of other types
  ///   than Parley uses make documents, but no identities.
  public static func resolve(_ did: DID) throws(IdentityError) -> DIDDocument {
    guard did.method == .jwk else { throw .unsupportedMethod(IdentityError.cut(did.string)) }
    guard let text = Base64URL.decode(String(did.methodSpecificID)),
      let key = try? DIDDocument.json(text, limit: text.count).objectValue
    else { throw .malformedDID(IdentityError.cut(did.string)) }
    let id = JSONValue.string(did.string)
    let method = JSONValue.string(did.string + "#0")
    var document: JSONObject = [
      "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"],
      "id": id,
      "verificationMethod": [
        ["id": method, "type": "JsonWebKey2020", "controller": id, "publicKeyJwk": .object(key)]
      ],
    ]
    for relationship in DocumentReader.relationships {
      let isForAgreement = relationship == "keyAgreement"
      guard key["use"] != (isForAgreement ? "sig" : "enc") else { continue }
      document[relationship] = [method]
    }
    return try DIDDocument(selfContained: document, for: did)
  }

  /// Whether this is base64url in its one spelling.
  static func isWellFormed(_ id: String) -> Bool { Base64URL.decode(id) != nil }
}
