import ParleyCrypto
import ParleyWire

/// A W3C Data Integrity proof of cryptosuite `eddsa-jcs-2022`, whose key is in its `verificationMethod`.
///
/// ```
/// signature = Ed25519( H(JCS(proof without proofValue)) ‖ H(JCS(document)) )
/// ```
/// Source: W3C Data Integrity EdDSA Cryptosuites 1.0 section 3.3. Members that would need rules of their own (`expires`,
/// `domain`, `previousProof` and so on) are refused: nobody writes them into a log of did:webvh.
struct DataIntegrityProof {
  private static let members: Set<String> = [
    "type", "cryptosuite", "verificationMethod", "created", "proofPurpose", "proofValue",
  ]

  /// The key as a Multikey: what `did:key:` and the fragment of `verificationMethod` both are.
  let multikey: String
  private let key: Ed25519.PublicKey
  private let signature: [UInt8]
  private let optionsHash: [UInt8]

  /// Reads a proof; `nil` unless it is one of this suite, for assertions, by a did:key with an Ed25519 key.
  init?(_ value: JSONValue) {
    guard var options = value.objectValue, options.keys.allSatisfy(Self.members.contains),
      options["type"] == "DataIntegrityProof", options["cryptosuite"] == "eddsa-jcs-2022",
      options["proofPurpose"] == "assertionMethod",
      options["created"].map({ $0.stringValue.flatMap(UTCTimestamp.init) != nil }) ?? true,
      let method = options["verificationMethod"]?.stringValue, let multikey = Self.multikey(of: method),
      let key = Self.key(multikey), let text = options["proofValue"]?.stringValue, text.utf8.first == UInt8(ascii: "z"),
      let signature = try? Multibase.decode(text, limit: 128), signature.count == Ed25519.signatureByteCount
    else { return nil }
    options["proofValue"] = nil
    self.multikey = multikey
    self.key = key
    self.signature = signature
    optionsHash = SHA256.hash(JSONValue.object(options).canonical())
  }

  /// Whether the proof signs the document with this hash of its canonical JSON.
  func isValid(forHash hash: [UInt8]) -> Bool { key.isValid(signature: signature, for: optionsHash + hash) }

  /// The Ed25519 key that a did:key stands for; `nil` for another text.
  static func key(ofDIDKey text: String) -> Ed25519.PublicKey? {
    text.hasPrefix("did:key:") ? key(String(text.dropFirst(8))) : nil
  }

  private static func key(_ multikey: String) -> Ed25519.PublicKey? {
    guard multikey.utf8.first == UInt8(ascii: "z"), case .ed25519(let raw)? = Multikey.decode(multikey) else {
      return nil
    }
    return try? Ed25519.PublicKey(raw: raw)
  }

  /// `X` of `did:key:X#X`.
  private static func multikey(of method: String) -> String? {
    guard method.hasPrefix("did:key:") else { return nil }
    let parts = method.dropFirst(8).split(separator: "#", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].hasSameBytes(as: parts[1]) else { return nil }
    return String(parts[0])
  }
}
