import ParleyCrypto
import ParleyWire
import Testing

@testable import ParleyIdentity

private typealias Documents = TestDocuments

@Suite("Rotation statements")
struct RotationStatementTests {
  private static let time = UTCTimestamp("2026-11-21T18:00:00Z")!
  private static let otherMLDSA65 = MLDSA65.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 4, count: 32)))

  /// An identity of the usual did:web with these keys.
  private static func identity(
    _ ed25519: Ed25519.SigningKey, _ mldsa65: MLDSA65.SigningKey? = nil, host: String = "maker.example"
  ) throws -> PeerIdentity {
    let did = "did:web:" + host
    func method(_ name: String, _ key: JSONValue) -> JSONValue {
      ["id": .string(name), "type": "Multikey", "controller": .string(did), "publicKeyMultibase": key]
    }
    var methods = [method("#e", Documents.multibase(0xED, ed25519.publicKey.raw))]
    if let mldsa65 { methods.append(method("#m", Documents.multibase(0x1211, mldsa65.publicKey.raw))) }
    let document: JSONValue = [
      "id": .string(did), "verificationMethod": .array(methods),
      "authentication": .array(mldsa65 == nil ? ["#e"] : ["#e", "#m"]),
    ]
    return try LocalResolver.resolve(DID(parsing: did), documentBytes: Array(document.serialized().utf8))
  }

  private static func signer(_ ed25519: Ed25519.SigningKey, _ mldsa65: MLDSA65.SigningKey? = nil) throws -> LocalSigner
  {
    try LocalSigner(identity: identity(ed25519, mldsa65), ed25519: ed25519, mldsa65: mldsa65)
  }

  @Test("the old keys say that the new ones are theirs, in either suite and into suite 2", arguments: [0, 1, 2])
  func valid(suites: Int) throws {
    let old = try Self.signer(Documents.ed25519, suites == 2 ? Documents.mldsa65 : nil)
    let new = try Self.identity(Documents.otherEd25519, suites >= 1 ? Self.otherMLDSA65 : nil)
    let statement = try RotationStatement(signer: old, new: new, time: Self.time)
    #expect(statement.isValid(for: new, replacing: old.identity))
    let read = try RotationStatement(parsing: statement.encoded)
    #expect(read == statement && read.encoded == statement.encoded)
    #expect(read.did == new.did && read.time == Self.time)
    #expect(read.from == .init(old.identity) && read.to == .init(new))
    #expect(read.isValid(for: new, replacing: old.identity))
    #expect(!read.isValid(for: old.identity, replacing: new))
    #expect(!read.isValid(for: old.identity, replacing: old.identity))
  }

  @Test("keys that were not pinned, or are not those now, and other DIDs")
  func invalid() throws {
    let old = try Self.signer(Documents.ed25519)
    let new = try Self.identity(Documents.otherEd25519)
    let third = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 5, count: 32)))
    let stranger = try Self.signer(third)
    let statement = try RotationStatement(signer: old, new: new, time: Self.time)
    #expect(try !statement.isValid(for: new, replacing: Self.identity(third)))
    #expect(try !statement.isValid(for: Self.identity(third), replacing: old.identity))
    let byStranger = try RotationStatement(signer: stranger, new: new, time: Self.time)
    #expect(!byStranger.isValid(for: new, replacing: old.identity))
    let elsewhere = try Self.identity(Documents.otherEd25519, host: "other.example")
    #expect(!statement.isValid(for: elsewhere, replacing: old.identity))
    #expect(try !statement.isValid(for: new, replacing: Self.identity(Documents.ed25519, host: "other.example")))
    #expect(throws: IdentityError.wrongDocumentID(found: "did:web:other.example")) {
      try RotationStatement(signer: old, new: elsewhere, time: Self.time)
    }
    #expect(throws: IdentityError.self) { try RotationStatement(signer: old, new: old.identity, time: Self.time) }
  }

  @Test("a pinned post-quantum key is not given up for none")
  func downgrade() throws {
    let old = try Self.signer(Documents.ed25519, Documents.mldsa65)
    let new = try Self.identity(Documents.otherEd25519)
    let statement = try RotationStatement(signer: old, new: new, time: Self.time)
    #expect(!statement.isValid(for: new, replacing: old.identity))
    // Nor is its signature left out.
    let both = try Self.identity(Documents.otherEd25519, Self.otherMLDSA65)
    let whole = try RotationStatement(signer: old, new: both, time: Self.time)
    var object = try #require(JSONValue.parse(whole.encoded).objectValue)
    var parts = try #require(object["signature"]?.objectValue)
    parts["mldsa65"] = nil
    object["signature"] = .object(parts)
    #expect(throws: IdentityError.malformedStatement) {
      try RotationStatement(parsing: Array(JSONValue.object(object).serialized().utf8))
    }
  }

  @Test("every changed byte is refused or not valid")
  func tampering() throws {
    let old = try Self.signer(Documents.ed25519)
    let new = try Self.identity(Documents.otherEd25519)
    let bytes = try RotationStatement(signer: old, new: new, time: Self.time).encoded
    for index in bytes.indices {
      var changed = bytes
      changed[index] ^= 1
      let statement = try? RotationStatement(parsing: changed)
      #expect(statement?.isValid(for: new, replacing: old.identity) != true, "\(index)")
    }
    for count in 0..<bytes.count {
      #expect(throws: IdentityError.self) { try RotationStatement(parsing: Array(bytes[..<count])) }
    }
    // Members in another order, and space between them, are the same statement.
    let object = try #require(JSONValue.parse(bytes).objectValue)
    var turned = JSONObject()
    for member in object.members.reversed() { turned[member.key] = member.value }
    let text = Array(JSONValue.object(turned).serialized(pretty: true).utf8)
    #expect(try RotationStatement(parsing: text).isValid(for: new, replacing: old.identity))
  }

  @Test(
    "texts that are no statement",
    arguments: [
      ("format", "parley-rotation-2"), ("format", nil), ("did", "did:web:Maker.example"), ("did", nil), ("from", nil),
      ("from", [:]), ("from", ["ed25519": "z6Mk"]), ("to", nil), ("to", ["ed25519": 1]), ("time", "today"),
      ("time", nil), ("signature", nil), ("signature", [:]), ("signature", ["ed25519": "AA"]), ("more", 1),
    ] as [(String, JSONValue?)])
  func malformed(name: String, value: JSONValue?) throws {
    let statement = try RotationStatement(
      signer: Self.signer(Documents.ed25519), new: Self.identity(Documents.otherEd25519), time: Self.time)
    var object = try #require(JSONValue.parse(statement.encoded).objectValue)
    object[name] = value
    #expect(throws: IdentityError.malformedStatement) {
      try RotationStatement(parsing: Array(JSONValue.object(object).serialized().utf8))
    }
  }

  @Test("its size at the limit and one past it")
  func size() throws {
    let statement = try RotationStatement(
      signer: Self.signer(Documents.ed25519, Documents.mldsa65),
      new: Self.identity(Documents.otherEd25519, Self.otherMLDSA65), time: Self.time)
    let bytes = statement.encoded
    let padding = [UInt8](repeating: 0x20, count: RotationStatement.byteLimit - bytes.count)
    #expect(try RotationStatement(parsing: bytes + padding) == statement)
    #expect(throws: IdentityError.documentTooLong(16_385, limit: 16_384)) {
      try RotationStatement(parsing: bytes + padding + [0x20])
    }
  }
}
