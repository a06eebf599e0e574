import ParleyCrypto
import ParleyWire

/// What a DID's old keys say of its new ones: that they are theirs.
///
/// Where a DID has no history of its own (a did:web), a peer that has pinned its keys takes others only with such a
/// statement, or with its owner's approval (PSC/1 section 4).
///
/// ```
/// {"format":"parley-rotation-1","did":...,"from":{keys},"to":{keys},"time":...,"signature":{"ed25519":...,"mldsa65":...}}
/// signed bytes: "parley rotation 1" 00 JCS(the object without "signature")
/// ```
/// The signature is by all keys of `from`, in their suite.
public struct RotationStatement: Hashable, Sendable {
  /// The keys of a DID that Parley uses.
  public struct Keys: Hashable, Sendable {
    /// 32 bytes.
    public let ed25519: [UInt8]
    /// 1,952 bytes; `nil` in suite 1.
    public let mldsa65: [UInt8]?

    /// The keys of an identity.
    public init(_ identity: PeerIdentity) {
      ed25519 = identity.ed25519.raw
      mldsa65 = identity.mldsa65?.raw
    }

    fileprivate init?(_ value: JSONValue?) {
      guard let object = value?.objectValue, let text = object["ed25519"]?.stringValue,
        case .ed25519(let raw)? = Multikey.decode(text)
      else { return nil }
      ed25519 = raw
      switch object["mldsa65"] {
      case nil:
        mldsa65 = nil
      case .string(let text)?:
        guard case .mldsa65(let raw)? = Multikey.decode(text) else { return nil }
        mldsa65 = raw
      default:
        return nil
      }
    }

    fileprivate var json: JSONValue {
      var object = JSONObject()
      object["ed25519"] = Multikey.encode(.ed25519(ed25519)).map(JSONValue.string)
      object["mldsa65"] = mldsa65.flatMap { Multikey.encode(.mldsa65($0)) }.map(JSONValue.string)
      return .object(object)
    }
  }

  /// Bytes of a statement.
  public static let byteLimit = 16_384
  /// The context string of its ML-DSA-65 signature.
  public static let context = "parley/rotation1"
  private static let format = "parley-rotation-1"

  /// The DID.
  public let did: DID
  /// The keys that sign.
  public let from: Keys
  /// The keys that take their place.
  public let to: Keys
  /// When it was made.
  public let time: UTCTimestamp
  private let signature: IdentitySignature

  /// Makes a statement.
  ///
  /// - Parameters:
  ///   - signer: The DID with its old keys.
  ///   - new: The same DID with its new keys.
  ///   - time: The time.
  /// - Throws: ``IdentityError/wrongDocumentID(found:)`` if they are two DIDs, ``IdentityError/malformedKey(_:)`` if they
  ///   have the same keys.
  public init(signer: any Signer, new: PeerIdentity, time: UTCTimestamp) throws(IdentityError) {
    let old = signer.identity
    guard new.did == old.did else { throw .wrongDocumentID(found: IdentityError.cut(new.did.string)) }
    did = old.did
    from = Keys(old)
    to = Keys(new)
    self.time = time
    guard from != to else { throw .malformedKey(IdentityError.cut(new.keyID)) }
    let message = Self.message(Self.unsigned(did, from, to, time))
    signature = signer.sign(message, context: Self.context)
  }

  /// Reads a statement; whether it is signed, ``isValid(for:replacing:)`` says.
  ///
  /// - Throws: ``IdentityError/documentTooLong(_:limit:)``, ``IdentityError/notJSON(_:)``, or
  ///   ``IdentityError/malformedStatement``.
  public init(parsing bytes: [UInt8]) throws(IdentityError) {
    guard bytes.count <= Self.byteLimit else { throw .documentTooLong(bytes.count, limit: Self.byteLimit) }
    let object = try DIDDocument.json(bytes, limit: Self.byteLimit).objectValue
    guard var unsigned = object, let parts = unsigned["signature"], unsigned["format"]?.stringValue == Self.format,
      let did = try? DID(parsing: unsigned["did"]?.stringValue ?? ""), !did.isLongForm,
      let from = Keys(unsigned["from"]), let to = Keys(unsigned["to"]), from != to,
      let time = unsigned["time"]?.stringValue.flatMap(UTCTimestamp.init),
      let signature = Self.signature(parts, isPostQuantum: from.mldsa65 != nil)
    else { throw .malformedStatement }
    unsigned["signature"] = nil
    // What is not read here would be signed for without being understood.
    let understood = Self.unsigned(did, from, to, time)
    guard understood.canonical() == JSONValue.object(unsigned).canonical() else { throw .malformedStatement }
    self.did = did
    self.from = from
    self.to = to
    self.time = time
    self.signature = signature
  }

  /// Its bytes.
  public var encoded: [UInt8] {
    guard case .object(var object) = Self.unsigned(did, from, to, time) else { return [] }
    var parts: JSONObject = ["ed25519": .string(Base64URL.encode(signature.ed25519))]
    parts["mldsa65"] = signature.mldsa65.map { .string(Base64URL.encode($0)) }
    object["signature"] = .object(parts)
    return Array(JSONValue.object(object).serialized().utf8)
  }

  /// Whether the keys of `pinned` have signed that those of `new` take their place.
  ///
  /// - Parameters:
  ///   - new: The identity as resolved now.
  ///   - pinned: The identity as it was let in.
  /// - Returns: Whether all of it fits: the DID, both sets of keys, and what ``isSigned`` says.
  public func isValid(for new: PeerIdentity, replacing pinned: PeerIdentity) -> Bool {
    did == new.did && did == pinned.did && from == Keys(pinned) && to == Keys(new) && isSigned
  }

  /// Whether all keys of `from` have signed it, and it gives no post-quantum key up for none.
  public var isSigned: Bool {
    guard from.mldsa65 == nil || to.mldsa65 != nil, let ed25519 = try? Ed25519.PublicKey(raw: from.ed25519) else {
      return false
    }
    let message = Self.message(Self.unsigned(did, from, to, time))
    guard ed25519.isValid(signature: signature.ed25519, for: message) else { return false }
    guard let raw = from.mldsa65 else { return signature.mldsa65 == nil }
    guard let key = try? MLDSA65.PublicKey(raw: raw), let part = signature.mldsa65 else { return false }
    return key.isValid(signature: part, for: message, context: Self.context)
  }

  private static func unsigned(_ did: DID, _ from: Keys, _ to: Keys, _ time: UTCTimestamp) -> JSONValue {
    [
      "format": .string(format), "did": .string(did.string), "from": from.json, "to": to.json,
      "time": .string(time.text),
    ]
  }

  private static func message(_ unsigned: JSONValue) -> [UInt8] {
    Array("parley rotation 1\0".utf8) + unsigned.canonical()
  }

  private static func signature(_ value: JSONValue, isPostQuantum: Bool) -> IdentitySignature? {
    guard let object = value.objectValue, object.count == (isPostQuantum ? 2 : 1),
      let ed25519 = object["ed25519"]?.stringValue.flatMap(Base64URL.decode)
    else { return nil }
    let mldsa65 = isPostQuantum ? object["mldsa65"]?.stringValue.flatMap(Base64URL.decode) : nil
    guard (mldsa65 != nil) == isPostQuantum else { return nil }
    return try? IdentitySignature(
      suite: isPostQuantum ? .ed25519MLDSA65 : .ed25519, ed25519: ed25519, mldsa65: mldsa65)
  }
}
