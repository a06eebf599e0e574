import ParleyCrypto
import ParleyWire
import TestSupport
import Testing

@testable import ParleyPeer

@Suite("Peer IDs")
struct PeerIDTests {
  static let key = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](0..<32))).publicKey

  @Test("an Ed25519 key is its own name, in both text forms, and is found in it again")
  func ed25519() throws {
    let id = PeerID(PeerPublicKey(Self.key))
    #expect(id.bytes == [0, 36, 8, 1, 18, 32] + Self.key.raw)
    #expect(id.description.hasPrefix("12D3KooW"))
    #expect(try PeerID(parsing: id.description) == id)
    #expect(try PeerID(parsing: id.cid) == id)
    #expect(try id.publicKey?.ed25519 == Self.key)
    #expect(try PeerID(bytes: id.bytes) == id)
  }

  @Test("a key too long to be a name is named by its hash")
  func hashed() throws {
    let encoded = Protobuf.encode(1, varint: 0) + Protobuf.encode(2, [UInt8](repeating: 7, count: 300))
    let key = try PeerPublicKey(encoded: encoded)
    let id = PeerID(key)
    #expect(id.bytes == [0x12, 0x20] + SHA256.hash(encoded))
    #expect(id.publicKey == nil)
    #expect(throws: PeerIDError.unsupportedKeyType(0)) { try key.ed25519 }
    #expect(try PeerID(parsing: id.description) == id)
  }

  @Test("encodings of a key that are not the one canonical one")
  func keys() throws {
    let data = Protobuf.encode(2, Self.key.raw)
    let type = Protobuf.encode(1, varint: 1)
    let wrong: [[UInt8]] = [
      [], type, data, data + type, type + data + [0x18, 1], type + type + data, [0x08, 0x81, 0x00] + data,
      type + Array(data.dropLast()), type + data + [0], [0x0A, 1, 1] + data, type + [0x10, 5],
      [UInt8](repeating: 0, count: 2049),
    ]
    for bytes in wrong { #expect(throws: PeerIDError.malformedKey) { try PeerPublicKey(encoded: bytes) } }
    #expect(throws: PeerIDError.unsupportedKeyType(9)) {
      try PeerPublicKey(encoded: Protobuf.encode(1, varint: 9) + data)
    }
    // 32 bytes that are no point of the curve, and 31.
    for raw in [[UInt8](repeating: 2, count: 32), Array(Self.key.raw.dropLast())] {
      let key = try PeerPublicKey(encoded: type + Protobuf.encode(2, raw))
      #expect(throws: PeerIDError.malformedKey) { try key.ed25519 }
    }
  }

  @Test(
    "text and bytes that are no peer ID",
    arguments: [
      "", "b", "b0", "1", "Qm", "12D3KooW", "bafzaa", "zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA",
      "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", String(repeating: "1", count: 200),
    ])
  func malformed(text: String) {
    #expect(throws: PeerIDError.malformed) { try PeerID(parsing: text) }
  }

  @Test("multihashes that are none of peers")
  func multihashes() {
    let id = PeerID(PeerPublicKey(Self.key)).bytes
    var long = [UInt8](repeating: 1, count: 45)
    long[0] = 0
    long[1] = 43
    let wrong: [[UInt8]] = [
      [], [0], [0, 0], [0x12, 0x1F] + [UInt8](repeating: 0, count: 31),
      [0x13, 0x20] + [UInt8](repeating: 0, count: 32),
      id + [0], Array(id.dropLast()), [0, 36] + [UInt8](repeating: 0, count: 36), long,
    ]
    for bytes in wrong { #expect(throws: PeerIDError.malformed) { try PeerID(bytes: bytes) } }
  }
}

@Suite("Peer IDs, public vectors", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct PeerIDVectorTests {
  @Test("the specification's keys of all four types, and their names")
  func keys() throws {
    struct Key: Decodable {
      let name: String, protobuf_hex: String
      let peer_id_multihash_hex: String?, peer_id_base58btc: String?, peer_id_cidv1_base32: String?
    }
    let keys = try SharedVectors.json("libp2p/peer_id_keys.json", as: [Key].self)
    var count = 0
    for vector in keys {
      guard let multihash = vector.peer_id_multihash_hex else {
        // Private keys, which are not kept in this form here.
        #expect(vector.name.contains("private"), "\(vector.name)")
        continue
      }
      let encoded = try #require([UInt8](hex: vector.protobuf_hex))
      let key = try PeerPublicKey(encoded: encoded)
      #expect(key.encoded == encoded)
      let id = PeerID(key)
      #expect(id.bytes.hex == multihash, "\(vector.name)")
      #expect(id.description == vector.peer_id_base58btc)
      #expect(id.cid == vector.peer_id_cidv1_base32)
      #expect(try PeerID(parsing: #require(vector.peer_id_base58btc)) == id)
      #expect(try PeerID(parsing: #require(vector.peer_id_cidv1_base32)) == id)
      count += 1
    }
    #expect(count == 4)
  }
}
