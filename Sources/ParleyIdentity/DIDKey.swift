import ParleyCrypto
import ParleyWire

/// did:key: the DID is a public key behind its multicodec, so that there is nothing to fetch and nothing to rotate.
///
/// Source: the did:key method, W3C Credentials Community Group. Parley's nodes use Ed25519 only: an ML-DSA-65 key
/// makes a DID longer than messages carry.
public enum DIDKey {
  /// The DID of a key.
  public static func did(for key: [UInt8]) throws(IdentityError) -> DID {
    guard key.count == Ed25519.publicKeyByteCount, let text = Multikey.encode(.ed25519(key)) else {
      throw .invalidPublicKey("did:key")
    }
    return try DID(parsing: "did:key:" + text)
  }

  /// The document of a did:key: one Multikey, named by the DID's own key, for authentication and assertions.
  ///
  /// - Throws: ``IdentityError/unsupportedMethod(_:)`` for another method, ``IdentityError/malformedDID(_:)`` or
  ///   ``IdentityError/malformedKey(_:)`` for what is no key in base 58, or a key of another type.
  public static func resolve(_ did: DID) throws(IdentityError) -> DIDDocument {
    guard did.method == .key else { throw .unsupportedMethod(IdentityError.cut(did.string)) }
    let text = String(did.methodSpecificID)
    guard text.hasPrefix("z"), let key = Multikey.decode(text) else {
      throw .malformedDID(IdentityError.cut(did.string))
    }
    guard case .ed25519 = key else { throw .malformedKey(IdentityError.cut(did.string)) }
    let method = JSONValue.string(did.string + "#" + text)
    let document: JSONObject = [
      "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
      "id": .string(did.string),
      "verificationMethod": [
        [
          "id": method, "type": "Multikey", "controller": .string(did.string),
          "publicKeyMultibase": .string(text),
        ]
      ],
      "authentication": [method],
      "assertionMethod": [method],
    ]
    return try DIDDocument(selfContained: document, for: did)
  }
}
