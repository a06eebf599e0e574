import ParleyCrypto
import ParleyIdentity
import ParleyWire
import Testing

private typealias Documents = TestDocuments

@Suite("Peer identities")
struct PeerIdentityTests {
  private func identity(_ object: JSONObject, _ fragment: String? = nil) throws -> PeerIdentity {
    try PeerIdentity(document: Documents.parse(object), keyFragment: fragment)
  }

  @Test func suite1() throws {
    let identity = try identity(Documents.document)
    #expect(identity.did.string == Documents.did)
    #expect(identity.keyFragment == "key-1")
    #expect(identity.keyID == Documents.did + "#key-1")
    #expect(identity.suite == .ed25519)
    #expect(identity.ed25519 == Documents.ed25519.publicKey)
    #expect(identity.mldsa65 == nil)
    #expect(identity.serviceEndpoint == "wss://maker.example/parley")
    #expect(identity.documentHash == identity.document.hash)
    #expect(identity.documentBytes == identity.document.bytes)
  }

  static let postQuantum = Documents.setting([
    (
      "verificationMethod",
      [
        .object(Documents.method("#pq", Documents.postQuantumKey)),
        .object(Documents.method("#key-1", Documents.firstKey)),
        .object(Documents.method("#key-2", Documents.secondKey)),
      ]
    ),
    ("authentication", ["#pq", "#key-1", "#key-2"]),
  ])

  @Test("an ML-DSA-65 key for authentication makes suite 2, wherever it is listed")
  func suite2() throws {
    let identity = try identity(Self.postQuantum)
    #expect(identity.suite == .ed25519MLDSA65)
    #expect(identity.mldsa65 == Documents.mldsa65.publicKey)
    #expect(identity.keyFragment == "key-1")
    #expect(try self.identity(Self.postQuantum, "key-2").ed25519 == Documents.otherEd25519.publicKey)
    #expect(try self.identity(Self.postQuantum, "key-2").suite == .ed25519MLDSA65)
    #expect(throws: IdentityError.noAuthenticationKey("pq")) { try self.identity(Self.postQuantum, "pq") }
    // Listed for another purpose only, it does not count.
    var assertion = Self.postQuantum
    assertion["authentication"] = ["#key-1"]
    assertion["assertionMethod"] = ["#pq"]
    #expect(try self.identity(assertion).suite == .ed25519)
    // As a JSON Web Key it counts as well.
    var web = Self.postQuantum
    let key: JSONValue = [
      "kty": "AKP", "alg": "ML-DSA-65", "pub": .string(Base64URL.encode(Documents.mldsa65.publicKey.raw)),
    ]
    web["verificationMethod"] = [
      ["id": "#pq", "type": "JsonWebKey", "controller": .string(Documents.did), "publicKeyJwk": key],
      .object(Documents.method("#key-1", Documents.firstKey)), .object(Documents.method("#key-2", Documents.secondKey)),
    ]
    #expect(try self.identity(web).mldsa65 == Documents.mldsa65.publicKey)
  }

  @Test("an ML-DSA-65 key with a foreign controller is an error, not a reason for suite 1")
  func noDowngrade() throws {
    var foreign = Self.postQuantum
    var method = Documents.method("#pq", Documents.postQuantumKey)
    method["controller"] = "did:web:other"
    foreign["verificationMethod"] = [
      .object(method), .object(Documents.method("#key-1", Documents.firstKey)),
      .object(Documents.method("#key-2", Documents.secondKey)),
    ]
    #expect(throws: IdentityError.wrongController("did:web:other")) { try identity(foreign) }
  }

  @Test("which keys may speak")
  func keys() throws {
    #expect(throws: IdentityError.notForAuthentication("key-2")) { try identity(Documents.document, "key-2") }
    #expect(throws: IdentityError.noAuthenticationKey("key-9")) { try identity(Documents.document, "key-9") }
    #expect(throws: IdentityError.self) { try identity(Documents.document, "") }
    #expect(throws: IdentityError.self) { try identity(Documents.document, "key-1 ") }
    #expect(throws: IdentityError.noAuthenticationKey("KEY-1")) { try identity(Documents.document, "KEY-1") }
    for list: JSONValue? in [nil, [], ["did:web:other#key-1"]] {
      #expect(throws: IdentityError.noAuthenticationKey(nil)) {
        try identity(Documents.setting([("authentication", list)]))
      }
    }
    for relationship in ["assertionMethod", "keyAgreement", "capabilityInvocation", "capabilityDelegation"] {
      let document = Documents.setting([("authentication", []), (relationship, ["#key-1"])])
      #expect(throws: IdentityError.notForAuthentication("key-1"), "\(relationship)") {
        try identity(document, "key-1")
      }
    }
    let unknown = Documents.changing {
      $0["publicKeyMultibase"] = Documents.multibase(0xEC, .init(repeating: 9, count: 32))
    }
    #expect(throws: IdentityError.noAuthenticationKey(nil)) { try identity(unknown) }
    #expect(throws: IdentityError.noAuthenticationKey("key-1")) { try identity(unknown, "key-1") }
    let foreign = Documents.changing { $0["controller"] = "did:web:other" }
    #expect(throws: IdentityError.wrongController("did:web:other")) { try identity(foreign) }
    #expect(throws: IdentityError.wrongController("did:web:other")) { try identity(foreign, "key-1") }
  }

  @Test("embedded keys and JSON Web Keys speak as well")
  func forms() throws {
    let embedded = Documents.setting([("authentication", [.object(Documents.method("#key-3", Documents.secondKey))])])
    #expect(try identity(embedded).ed25519 == Documents.otherEd25519.publicKey)
    #expect(try identity(embedded, "key-3").keyFragment == "key-3")
    #expect(try identity(DocumentCases.jsonWebKey()).ed25519 == Documents.ed25519.publicKey)
  }

  @Test(
    "points that no honest key is",
    arguments: [
      [UInt8](repeating: 0, count: 32), [1] + [UInt8](repeating: 0, count: 31), [UInt8](repeating: 0xFF, count: 32),
      [0xEC] + [UInt8](repeating: 0xFF, count: 30) + [0x7F], [2] + [UInt8](repeating: 0, count: 31),
    ])
  func badPoints(raw: [UInt8]) {
    let document = Documents.changing { $0["publicKeyMultibase"] = Documents.multibase(0xED, raw) }
    #expect(throws: IdentityError.invalidPublicKey(Documents.did + "#key-1")) { try identity(document) }
  }

  @Test func fragmentLimit() throws {
    for (count, isValid) in [(64, true), (65, false)] {
      let fragment = String(repeating: "k", count: count)
      let document = Documents.setting([
        ("authentication", [.object(Documents.method("#" + fragment, Documents.firstKey))])
      ])
      if isValid {
        #expect(try identity(document).keyFragment == fragment)
      } else {
        #expect(throws: IdentityError.self) { try identity(document) }
        #expect(throws: IdentityError.self) { try identity(document, fragment) }
      }
    }
  }

  @Test("signatures are the suite's, whole, over this message in this context")
  func signatures() throws {
    let message = Array("terms".utf8)
    let one = try LocalSigner(identity: identity(Documents.document), ed25519: Documents.ed25519)
    let two = try LocalSigner(
      identity: identity(Self.postQuantum), ed25519: Documents.ed25519, mldsa65: Documents.mldsa65)
    let first = one.sign(message, context: "parley/neg1")
    let second = two.sign(message, context: "parley/neg1")
    #expect(first.suite == .ed25519 && first.mldsa65 == nil)
    #expect(second.suite == .ed25519MLDSA65)
    #expect(one.identity.isValid(first, for: message, context: "parley/neg1"))
    #expect(two.identity.isValid(second, for: message, context: "parley/neg1"))
    // Neither suite passes for the other, although the Ed25519 key is the same.
    #expect(!two.identity.isValid(first, for: message, context: "parley/neg1"))
    #expect(!one.identity.isValid(second, for: message, context: "parley/neg1"))
    #expect(!two.identity.isValid(second, for: message, context: "parley/psc1"))
    #expect(!two.identity.isValid(second, for: message + [0], context: "parley/neg1"))
    #expect(!one.identity.isValid(first, for: message + [0], context: "parley/neg1"))
    for part in 0..<2 {
      var ed25519 = second.ed25519
      var mldsa65 = try #require(second.mldsa65)
      if part == 0 { ed25519[0] ^= 1 } else { mldsa65[100] ^= 1 }
      let broken = try IdentitySignature(suite: .ed25519MLDSA65, ed25519: ed25519, mldsa65: mldsa65)
      #expect(!two.identity.isValid(broken, for: message, context: "parley/neg1"), "part \(part)")
    }
  }

  @Test("a signature's parts have their suite's sizes")
  func signatureSizes() throws {
    let ed25519 = [UInt8](repeating: 0, count: 64)
    let mldsa65 = [UInt8](repeating: 0, count: 3309)
    _ = try IdentitySignature(suite: .ed25519, ed25519: ed25519)
    _ = try IdentitySignature(suite: .ed25519MLDSA65, ed25519: ed25519, mldsa65: mldsa65)
    let wrong: [(SignatureSuite, [UInt8], [UInt8]?)] = [
      (.ed25519, ed25519, mldsa65), (.ed25519, ed25519, []), (.ed25519, ed25519 + [0], nil),
      (.ed25519, Array(ed25519.dropLast()), nil), (.ed25519MLDSA65, ed25519, nil),
      (.ed25519MLDSA65, ed25519, mldsa65 + [0]), (.ed25519MLDSA65, ed25519, Array(mldsa65.dropLast())),
      (.ed25519MLDSA65, [], mldsa65),
    ]
    for (suite, ed25519, mldsa65) in wrong {
      #expect(throws: IdentityError.malformedSignature) {
        try IdentitySignature(suite: suite, ed25519: ed25519, mldsa65: mldsa65)
      }
    }
  }

  @Test("a signer has its identity's keys and no others")
  func signerKeys() throws {
    let one = try identity(Documents.document)
    let two = try identity(Self.postQuantum)
    #expect(throws: IdentityError.self) { try LocalSigner(identity: one, ed25519: Documents.otherEd25519) }
    #expect(throws: IdentityError.self) {
      try LocalSigner(identity: one, ed25519: Documents.ed25519, mldsa65: Documents.mldsa65)
    }
    #expect(throws: IdentityError.self) { try LocalSigner(identity: two, ed25519: Documents.ed25519) }
    let signer = try LocalSigner(identity: one, ed25519: Documents.ed25519)
    #expect("\(signer)" == "LocalSigner(\(Documents.did))")
    var dumped = ""
    dump(signer, to: &dumped)
    #expect(!dumped.contains("Ed25519"))
  }

  @Test func equality() throws {
    let one = try identity(Self.postQuantum)
    #expect(try one == identity(Self.postQuantum))
    #expect(try one.hashValue == identity(Self.postQuantum).hashValue)
    #expect(try one != identity(Self.postQuantum, "key-2"))
    #expect(try one != identity(Documents.document))
  }
}
