public import ParleyWire

/// Why an identity, a DID document or a keystore was refused.
///
/// No case carries a secret. Text from outside is cut to ``textLimit`` bytes before it goes into a case.
public enum IdentityError: Error, Hashable, Sendable {
  /// The text is no DID, or not in the one spelling that Parley accepts.
  case malformedDID(String)
  /// The text is no DID with a fragment.
  case malformedDIDURL(String)
  /// No resolver here knows the method, or not this variant of it.
  case unsupportedMethod(String)
  /// The short form of a did:peer:4 says nothing without its input document, a did:web or did:webvh nothing unless
  /// fetched.
  case documentNeeded(DID)
  /// The document given is not the one that the DID stands for.
  case documentMismatch(DID)
  /// The document is longer than the limit; both in bytes.
  case documentTooLong(Int, limit: Int)
  /// The document is not JSON.
  case notJSON(JSONError)
  /// This part of the document is missing, of the wrong type, or not what DID Core says.
  case malformedDocument(String)
  /// The document is about another DID.
  case wrongDocumentID(found: String)
  /// The log of a did:webvh does not hold from this version on.
  case invalidLog(version: Int, WebVHFault)
  /// The log of a did:webvh has no such version.
  case noSuchVersion(String)
  /// The DID has ended: its log says so.
  case deactivated(DID)
  /// Two methods or services of the document have this id.
  case duplicateID(String)
  /// A verification method has no key, two encodings of one, an encoding of another key type, or a private key.
  case malformedKey(String)
  /// The document lists no key that Parley can use in `authentication`, or not the one asked for.
  case noAuthenticationKey(String?)
  /// The key belongs to the document but is not listed in `authentication`.
  case notForAuthentication(String)
  /// The key's controller is another DID.
  case wrongController(String)
  /// The bytes of the key are no valid public key, for example a point of small order.
  case invalidPublicKey(String)
  /// A service endpoint is no `ws://` or `wss://` URL of at most 255 characters.
  case malformedEndpoint(String)
  /// The text is no rotation statement.
  case malformedStatement
  /// A signature's parts do not have the sizes of its suite.
  case malformedSignature
  /// This field of the keystore file is missing or not what the format says.
  case malformedKeystore(String)
  /// The keystore asks for a key derivation outside what this program is willing to compute.
  case unacceptableCost
  /// The passphrase is empty.
  case emptyPassphrase
  /// The passphrase is wrong, or the keystore was changed: which of the two cannot be told.
  case cannotOpenKeystore

  /// How many bytes of a text from outside a case holds at most.
  public static let textLimit = 96

  static func cut(_ text: String) -> String {
    text.utf8.count <= textLimit ? text : String(decoding: text.utf8.prefix(textLimit), as: UTF8.self) + "..."
  }
}
