import ParleyCrypto
import ParleyWire

/// The public key of a verification method, as far as Parley understands it.
public enum PublicKeyMaterial: Hashable, Sendable {
  /// 32 bytes; whether they are a point is checked when the key is used.
  case ed25519([UInt8])
  /// 1,952 bytes.
  case mldsa65([UInt8])
  /// A key of another type, or a verification method of another form.
  case unsupported
}

/// Keys behind their multicodec and in base 58, as `publicKeyMultibase` and did:key write them
/// (W3C Controlled Identifiers 1.0 section 2.2.2).
enum Multikey {
  /// Multicodec ed25519-pub.
  static let ed25519Code: UInt64 = 0xED
  /// Multicodec mldsa-65-pub.
  static let mldsa65Code: UInt64 = 0x1211
  /// Multicodecs of secret keys, which no document may hold: those of AES and ChaCha, and every private key and share of
  /// one in the table of multiformats.
  private static let secretCodes: [ClosedRange<UInt64>] = [
    0xA0...0xA4, 0x1300...0x130B, 0x130E...0x131C, 0x1341...0x1341, 0x1A24...0x1A26, 0x1A34...0x1A36,
  ]

  static func encode(_ key: PublicKeyMaterial) -> String? {
    switch key {
    case .ed25519(let raw): Multibase.encode(Varint.encode(ed25519Code) + raw, as: .base58BTC)
    case .mldsa65(let raw): Multibase.encode(Varint.encode(mldsa65Code) + raw, as: .base58BTC)
    case .unsupported: nil
    }
  }

  /// Reads a key; `nil` where the text is malformed, has the wrong length for its type, or is a private key.
  static func decode(_ text: String) -> PublicKeyMaterial? {
    guard let bytes = try? Multibase.decode(text, limit: 8192), let (code, used) = try? Varint.decode(bytes) else {
      return nil
    }
    let raw = Array(bytes[used...])
    switch code {
    case ed25519Code: return raw.count == Ed25519.publicKeyByteCount ? .ed25519(raw) : nil
    case mldsa65Code: return raw.count == MLDSA65.publicKeyByteCount ? .mldsa65(raw) : nil
    default: return secretCodes.contains { $0.contains(code) } ? nil : .unsupported
    }
  }
}

/// Keys as JSON Web Keys: `OKP`/`Ed25519` (RFC 8037) and `AKP`/`ML-DSA-65`.
enum JSONWebKey {
  /// Members that hold a private or a shared key (RFC 7518 section 6, and `priv` of `AKP`).
  private static let privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"]

  /// An Ed25519 key: the members that RFC 7638 hashes, in its order.
  static func encode(_ key: Ed25519.PublicKey) -> JSONValue {
    ["crv": "Ed25519", "kty": "OKP", "x": .string(Base64URL.encode(key.raw))]
  }

  /// Reads a key; `nil` where a member is missing or malformed, or private.
  static func decode(_ key: JSONObject) -> PublicKeyMaterial? {
    guard key["kty"]?.stringValue != nil, privateMembers.allSatisfy({ key[$0] == nil }) else { return nil }
    if key["kty"] == "OKP", key["crv"] == "Ed25519" {
      guard let raw = key["x"]?.stringValue.flatMap(Base64URL.decode) else { return nil }
      return raw.count == Ed25519.publicKeyByteCount ? .ed25519(raw) : nil
    }
    if key["kty"] == "AKP", key["alg"] == "ML-DSA-65" {
      guard let raw = key["pub"]?.stringValue.flatMap(Base64URL.decode) else { return nil }
      return raw.count == MLDSA65.publicKeyByteCount ? .mldsa65(raw) : nil
    }
    return .unsupported
  }
}
