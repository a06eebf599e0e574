import ParleyCrypto
import ParleyWire
import Testing

@testable import ParleyIdentity

private typealias Documents = TestDocuments

@Suite("did:key")
struct DIDKeyTests {
  @Test func knownKey() throws {
    // RFC 8032 section 7.1, test 1, and the DID that didkit makes of it.
    let key = try #require([UInt8](hex: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
    let did = try DIDKey.did(for: key)
    #expect(did.string == "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw")
    let identity = try LocalResolver.resolve(did)
    #expect(identity.ed25519.raw == key)
    #expect(identity.keyFragment == "z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw")
    #expect(identity.suite == .ed25519)
    #expect(identity.serviceEndpoint == nil)
    #expect(identity.documentHash == SHA256.hash(Array(did.string.utf8)))
    #expect(identity.document.json["id"] == .string(did.string))
    // The document may be brought along, but only that one.
    #expect(try LocalResolver.resolve(did, documentBytes: identity.documentBytes) == identity)
    #expect(throws: IdentityError.documentMismatch(did)) { try LocalResolver.resolve(did, documentBytes: []) }
  }

  @Test(
    "what is no Ed25519 key",
    arguments: [
      "did:key:6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw", "did:key:z", "did:key:z6Mktwu",
      "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMs0",
      "did:key:u7QHXWpgBgrEKt9VL_tPJZAc6DuFy89qmIyWvAhpo9wdRGg",
      "did:key:z6LShs9GGnqk85isEBzzshkuVWrVKsRp24GnDuHk8QWkARMW",
      "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw:1",
    ])
  func refused(text: String) throws {
    let did = try DID(parsing: text)
    #expect(throws: IdentityError.self) { try LocalResolver.resolve(did) }
  }

  @Test("a point of small order is no identity")
  func smallOrder() throws {
    let did = try DIDKey.did(for: [1] + [UInt8](repeating: 0, count: 31))
    #expect(throws: IdentityError.self) { try LocalResolver.resolve(did) }
    #expect(throws: IdentityError.self) { try DIDKey.did(for: [1]) }
  }

  @Test func otherMethods() throws {
    for text in ["did:example:1", "did:plc:x", "did:webvh:x:y"] {
      #expect(throws: IdentityError.self) { try LocalResolver.resolve(DID(parsing: text)) }
    }
    #expect(throws: IdentityError.self) { try DIDKey.resolve(DID(parsing: "did:web:a.example")) }
    #expect(throws: IdentityError.self) { try DIDPeer4.resolve(DID(parsing: "did:web:a.example")) }
    #expect(throws: IdentityError.self) { try DIDWeb.url(for: DID(parsing: "did:key:z6Mk")) }
    #expect(throws: IdentityError.self) { try DIDWeb.document([], for: DID(parsing: "did:key:z6Mk")) }
  }
}

@Suite("did:web")
struct DIDWebTests {
  @Test func resolution() throws {
    let did = try DID(parsing: Documents.did)
    #expect(try DIDWeb.url(for: did) == "https://maker.example/.well-known/did.json")
    #expect(throws: IdentityError.documentNeeded(did)) { try LocalResolver.resolve(did) }
    let bytes = Documents.bytes(Documents.document)
    let identity = try LocalResolver.resolve(did, documentBytes: bytes)
    #expect(identity.documentBytes == bytes)
    #expect(try PeerIdentity(document: DIDWeb.document(bytes, for: did)) == identity)
    #expect(throws: IdentityError.wrongDocumentID(found: Documents.did)) {
      try DIDWeb.document(bytes, for: DID(parsing: "did:web:other.example"))
    }
  }

  @Test(arguments: [
    ("did:web:a.example:u:Alice.1", "https://a.example/u/Alice.1/did.json"),
    ("did:web:a.example%3A65535", "https://a.example:65535/.well-known/did.json"),
    ("did:web:xn--mnchen-3ya.example%3A8443:x", "https://xn--mnchen-3ya.example:8443/x/did.json"),
  ])
  func urls(did: String, url: String) throws {
    #expect(try DIDWeb.url(for: DID(parsing: did)) == url)
  }
}

@Suite("did:peer:4")
struct DIDPeer4Tests {
  static let endpoint = "ws://127.0.0.1:7001/"

  @Test("our own input document, suite 1")
  func ownDocument() throws {
    let bytes = try DIDPeer4.inputDocument(ed25519: Documents.ed25519.publicKey, endpoint: Self.endpoint)
    let key = try #require(Documents.firstKey.stringValue)
    let methods = ##"{"verificationMethod":[{"id":"#key-1","type":"Multikey","publicKeyMultibase":""##
    let service = ##"[{"id":"#parley","type":"ParleyNode","serviceEndpoint":"ws://127.0.0.1:7001/"}]"##
    let text = methods + key + ##""}],"authentication":["#key-1"],"service":"## + service + "}"
    #expect(String(decoding: bytes, as: UTF8.self) == text)
    let long = try DIDPeer4.create(inputDocument: bytes)
    #expect(long.isLongForm && long.shortForm.string.count == 57 && !long.shortForm.isLongForm)
    let identity = try LocalResolver.resolve(long)
    #expect(identity.did == long.shortForm)
    #expect(identity.keyFragment == "key-1")
    #expect(identity.serviceEndpoint == Self.endpoint)
    #expect(identity.suite == .ed25519)
    #expect(identity.documentBytes == bytes)
    #expect(identity.documentHash == SHA256.hash(Array(long.shortForm.string.utf8)))
    #expect(try LocalResolver.resolve(long.shortForm, documentBytes: bytes) == identity)
    #expect(try LocalResolver.resolve(long, documentBytes: bytes) == identity)
    #expect(identity.document.json["alsoKnownAs"] == [.string(long.string)])
    #expect(identity.document.json["verificationMethod"]?[0]?["controller"] == .string(long.shortForm.string))
  }

  @Test("our own input document, suite 2 and without an endpoint")
  func postQuantum() throws {
    let bytes = try DIDPeer4.inputDocument(
      ed25519: Documents.ed25519.publicKey, mldsa65: Documents.mldsa65.publicKey, endpoint: nil)
    // It must fit the handshake's payload next to both signatures.
    #expect(bytes.count < 3000)
    let identity = try LocalResolver.resolve(DIDPeer4.create(inputDocument: bytes))
    #expect(identity.suite == .ed25519MLDSA65)
    #expect(identity.mldsa65 == Documents.mldsa65.publicKey)
    #expect(identity.serviceEndpoint == nil)
    #expect(throws: IdentityError.malformedEndpoint("http://x")) {
      try DIDPeer4.inputDocument(ed25519: Documents.ed25519.publicKey, endpoint: "http://x")
    }
  }

  @Test("the short form needs its document, and no other")
  func binding() throws {
    let bytes = try DIDPeer4.inputDocument(ed25519: Documents.ed25519.publicKey, endpoint: Self.endpoint)
    let long = try DIDPeer4.create(inputDocument: bytes)
    let short = long.shortForm
    #expect(throws: IdentityError.documentNeeded(short)) { try LocalResolver.resolve(short) }
    for index in bytes.indices {
      var changed = bytes
      changed[index] ^= 1
      #expect(throws: IdentityError.documentMismatch(short)) {
        try LocalResolver.resolve(short, documentBytes: changed)
      }
    }
    for changed in [Array(bytes.dropLast()), bytes + [0x20], []] {
      #expect(throws: IdentityError.documentMismatch(short)) {
        try LocalResolver.resolve(short, documentBytes: changed)
      }
      #expect(throws: IdentityError.documentMismatch(short)) { try LocalResolver.resolve(long, documentBytes: changed) }
    }
  }

  @Test("a long form whose parts do not belong together")
  func longForm() throws {
    let one = try DIDPeer4.create(
      inputDocument: DIDPeer4.inputDocument(ed25519: Documents.ed25519.publicKey, endpoint: Self.endpoint))
    let two = try DIDPeer4.create(
      inputDocument: DIDPeer4.inputDocument(ed25519: Documents.otherEd25519.publicKey, endpoint: Self.endpoint))
    let document = try #require(two.string.split(separator: ":").last)
    let mixed = try DID(parsing: one.shortForm.string + ":" + document)
    #expect(throws: IdentityError.documentMismatch(one.shortForm)) { try LocalResolver.resolve(mixed) }
    // Another codec than JSON: CBOR, 0x51.
    let cbor = Multibase.encode([0x51] + Array("{}".utf8), as: .base58BTC)
    let hash = Multibase.encode([0x12, 0x20] + SHA256.hash(Array(cbor.utf8)), as: .base58BTC)
    let other = try DID(parsing: "did:peer:4\(hash):\(cbor)")
    #expect(throws: IdentityError.malformedDID(IdentityError.cut(other.string))) { try LocalResolver.resolve(other) }
    // A superfluous byte in the codec: the same number, another text.
    let padded = Multibase.encode([0x80, 0x84, 0x00] + Array("{}".utf8), as: .base58BTC)
    let paddedHash = Multibase.encode([0x12, 0x20] + SHA256.hash(Array(padded.utf8)), as: .base58BTC)
    #expect(throws: IdentityError.self) { try LocalResolver.resolve(DID(parsing: "did:peer:4\(paddedHash):\(padded)")) }
  }

  @Test(
    "input documents that are none",
    arguments: [
      (#"{"id":"did:peer:4x"}"#, IdentityError.malformedDocument("id")), ("[]", .malformedDocument("id")),
      (#"{"alsoKnownAs":"x"}"#, .malformedDocument("alsoKnownAs")), ("{", .notJSON(.unexpectedEnd)),
      (##"{"authentication":["#key-1"]}"##, .malformedDocument("authentication")),
    ])
  func refusedInput(text: String, error: IdentityError) {
    #expect(throws: error) { try DIDPeer4.create(inputDocument: Array(text.utf8)) }
  }

  @Test("the size of an input document at the limit and one past it")
  func size() throws {
    func document(_ count: Int) -> [UInt8] {
      Array((#"{"x":""# + String(repeating: "x", count: count - 8) + "\"}").utf8)
    }
    let longest = try DIDPeer4.create(inputDocument: document(DIDPeer4.inputDocumentByteLimit))
    #expect(longest.string.utf8.count <= DID.longFormCharacterLimit)
    #expect(throws: IdentityError.documentTooLong(4097, limit: 4096)) {
      try DIDPeer4.create(inputDocument: document(4097))
    }
    #expect(throws: IdentityError.self) {
      try DIDPeer4.resolve(longest.shortForm, inputDocument: document(4097))
    }
  }

  @Test("methods keep a controller that they have, and names that others have stay")
  func contextualizing() throws {
    let input: JSONValue = [
      "alsoKnownAs": ["did:example:me"],
      "authentication": [["id": "#a", "type": "Multikey", "publicKeyMultibase": Documents.firstKey]],
      "keyAgreement": [["id": "#b", "type": "X", "controller": "did:example:c"]],
    ]
    let text = input.serialized()
    let did = try DIDPeer4.create(inputDocument: Array(text.utf8))
    let document = try DIDPeer4.resolve(did)
    let short = did.shortForm.string
    #expect(document.json["alsoKnownAs"] == ["did:example:me", .string(did.string)])
    #expect(document.json["authentication"]?[0]?["controller"] == .string(short))
    #expect(document.json["keyAgreement"]?[0]?["controller"] == "did:example:c")
    #expect(document.authentication.map(\.id.string) == [short + "#a"])
  }
}
