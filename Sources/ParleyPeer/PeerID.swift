public import ParleyCrypto
import ParleyWire

/// Why bytes or text are no key or name of a libp2p peer.
public enum PeerIDError: Error, Hashable, Sendable {
  /// The text is neither base 58 nor a CID, or the bytes are no multihash of those that peers have.
  case malformed
  /// The key is not encoded as the specification demands.
  case malformedKey
  /// A key of a type that is not here; its number in the specification.
  case unsupportedKeyType(UInt64)
}

/// The public key of a libp2p peer (libp2p specification, "Peer Ids and Keys"), of which Parley speaks Ed25519.
public struct PeerPublicKey: Hashable, Sendable {
  /// Names an algorithm.
  public enum KeyType: UInt64, Hashable, Sendable {
    case rsa, ed25519, secp256k1, ecdsa
  }

  /// The longest encoding that is read, in bytes: more than an RSA key of 8,192 bits takes.
  public static let byteCountLimit = 2048

  /// Which algorithm.
  public let type: KeyType
  /// The key in its algorithm's encoding.
  public let data: [UInt8]

  /// An Ed25519 key.
  public init(_ key: Ed25519.PublicKey) {
    type = .ed25519
    data = key.raw
  }

  /// Reads the `PublicKey` message; only its one canonical encoding is a key, since its hash is a name.
  ///
  /// - Throws: ``PeerIDError/malformedKey`` or ``PeerIDError/unsupportedKeyType(_:)``.
  public init(encoded bytes: [UInt8]) throws(PeerIDError) {
    guard bytes.count <= Self.byteCountLimit, let fields = Protobuf.fields(bytes), fields.count == 2,
      fields[0].number == 1, case .varint(let type) = fields[0].value,
      fields[1].number == 2, case .bytes(let data) = fields[1].value
    else {
      throw .malformedKey
    }
    guard let type = KeyType(rawValue: type) else { throw .unsupportedKeyType(type) }
    self.type = type
    self.data = data
    guard encoded == bytes else { throw .malformedKey }
  }

  /// The `PublicKey` message.
  public var encoded: [UInt8] { Protobuf.encode(1, varint: type.rawValue) + Protobuf.encode(2, data) }

  /// The key to check signatures with.
  ///
  /// - Throws: ``PeerIDError/unsupportedKeyType(_:)``, or ``PeerIDError/malformedKey`` for bytes that are no point.
  public var ed25519: Ed25519.PublicKey {
    get throws(PeerIDError) {
      guard type == .ed25519 else { throw .unsupportedKeyType(type.rawValue) }
      guard let key = try? Ed25519.PublicKey(raw: data) else { throw .malformedKey }
      return key
    }
  }
}

/// The name of a libp2p peer: the multihash of its public key.
public struct PeerID: Hashable, Sendable, CustomStringConvertible {
  /// Keys whose encoding is at most so long are themselves their name, in bytes.
  public static let inlineByteCountLimit = 42

  /// The multihash: `00`, a length and the key's encoding, or `12 20` and its SHA-256.
  public let bytes: [UInt8]

  /// The name of a key.
  public init(_ key: PeerPublicKey) {
    let encoded = key.encoded
    bytes =
      encoded.count <= Self.inlineByteCountLimit
      ? [0, UInt8(encoded.count)] + encoded : [0x12, UInt8(SHA256.byteCount)] + SHA256.hash(encoded)
  }

  /// Reads a multihash.
  ///
  /// - Throws: ``PeerIDError/malformed``.
  public init(bytes: [UInt8]) throws(PeerIDError) {
    guard bytes.count >= 2, bytes.count == 2 + Int(bytes[1]) else { throw .malformed }
    switch bytes[0] {
    case 0:
      guard Int(bytes[1]) <= Self.inlineByteCountLimit, (try? PeerPublicKey(encoded: Array(bytes[2...]))) != nil else {
        throw .malformed
      }
    case 0x12:
      guard bytes[1] == 32 else { throw .malformed }
    case _: throw .malformed
    }
    self.bytes = bytes
  }

  /// Reads either text form: base 58, or a CID of version 1 in base 32, 36 or 58.
  ///
  /// - Throws: ``PeerIDError/malformed``.
  public init(parsing text: String) throws(PeerIDError) {
    // Base 58 of a multihash begins with `1` or `Q`, a CID with its multibase prefix.
    let digits = String(text.dropFirst())
    let cid: [UInt8]?
    switch text.utf8.first {
    case UInt8(ascii: "b"): cid = Base32.decode(digits, limit: 128)
    case UInt8(ascii: "k"): cid = Base36.decode(digits, limit: 128)
    case UInt8(ascii: "z"): cid = Base58BTC.decode(digits, limit: 128)
    case _: cid = Base58BTC.decode(text, limit: 128).map { Self.cidPrefix + $0 }
    }
    guard let cid, cid.starts(with: Self.cidPrefix) else { throw .malformed }
    try self.init(bytes: Array(cid[2...]))
  }

  /// Version 1, of a key of libp2p.
  private static let cidPrefix: [UInt8] = [1, 0x72]

  /// The key, if the name holds it.
  public var publicKey: PeerPublicKey? {
    bytes[0] == 0 ? try? PeerPublicKey(encoded: Array(bytes[2...])) : nil
  }

  /// Base 58, as most programs write it.
  public var description: String { Base58BTC.encode(bytes) }

  /// The CID of version 1, in base 32.
  public var cid: String { "b" + Base32.encode(Self.cidPrefix + bytes) }
}
