import ParleyCrypto
import ParleyWire
import Testing

@testable import ParleyIdentity

private typealias Documents = TestDocuments

@Suite("did:jwk")
struct DIDJWKTests {
  private static func did(_ text: String) throws -> DID {
    try DID(parsing: "did:jwk:" + Base64URL.encode(Array(text.utf8)))
  }

  @Test func ownKey() throws {
    let key = Documents.ed25519.publicKey
    let did = DIDJWK.did(for: key)
    // didkit 0.3.3 makes this DID of the same key.
    let expected = #"{"crv":"Ed25519","kty":"OKP","x":"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w"}"#
    #expect(Base64URL.decode(String(did.methodSpecificID)).map { String(decoding: $0, as: UTF8.self) } == expected)
    let identity = try LocalResolver.resolve(did)
    #expect(identity.did == did && identity.ed25519 == key && identity.keyFragment == "0")
    #expect(identity.suite == .ed25519 && identity.serviceEndpoint == nil)
    #expect(identity.documentHash == SHA256.hash(Array(did.string.utf8)))
    #expect(try LocalResolver.resolve(did, documentBytes: identity.documentBytes, keyFragment: "0") == identity)
    #expect(throws: IdentityError.documentMismatch(did)) { try LocalResolver.resolve(did, documentBytes: []) }
    #expect(throws: IdentityError.noAuthenticationKey("1")) { try LocalResolver.resolve(did, keyFragment: "1") }
  }

  @Test("what the key may be used for decides where it is listed")
  func use() throws {
    let x = Base64URL.encode(Documents.ed25519.publicKey.raw)
    func lists(_ use: String) throws -> Set<String> {
      let did = try Self.did(#"{"kty":"OKP","crv":"Ed25519","x":"\#(x)"\#(use)}"#)
      return try Set(#require(DIDJWK.resolve(did).json.objectValue).keys).subtracting([
        "@context", "id", "verificationMethod",
      ])
    }
    let all = Set(DocumentReader.relationships)
    #expect(try lists("") == all)
    #expect(try lists(#","use":"sig""#) == all.subtracting(["keyAgreement"]))
    #expect(try lists(#","use":"enc""#) == ["keyAgreement"])
    #expect(try lists(#","use":"other""#) == all)
    // A key for encryption only is a document, but nobody's voice.
    let encryption = try Self.did(#"{"kty":"OKP","crv":"Ed25519","x":"\#(x)","use":"enc"}"#)
    #expect(throws: IdentityError.noAuthenticationKey(nil)) { try LocalResolver.resolve(encryption) }
  }

  @Test(
    "texts that are no key",
    arguments: [
      "", "x", "[]", "{", #"{"kty":"OKP","kty":"OKP"}"#, #"{"crv":"Ed25519"}"#,
      #"{"kty":"OKP","crv":"Ed25519"}"#, #"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#,
      #"{"kty":"OKP","crv":"Ed25519","x":"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w","d":"AA"}"#,
      #"{"kty":"OKP","crv":"Ed25519","x":"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w="}"#,
    ])
  func refused(text: String) throws {
    #expect(throws: IdentityError.self) { try LocalResolver.resolve(Self.did(text)) }
  }

  @Test("base64url in one spelling only", arguments: ["did:jwk:e30=", "did:jwk:e31", "did:jwk:e3+", "did:jwk:e"])
  func spelling(text: String) {
    #expect(throws: IdentityError.malformedDID(text)) { try DID(parsing: text) }
  }

  @Test("a point of small order, and another method")
  func others() throws {
    let x = Base64URL.encode([1] + [UInt8](repeating: 0, count: 31))
    let did = try Self.did(#"{"kty":"OKP","crv":"Ed25519","x":"\#(x)"}"#)
    #expect(throws: IdentityError.invalidPublicKey(IdentityError.cut(did.string + "#0"))) {
      try LocalResolver.resolve(did)
    }
    #expect(throws: IdentityError.self) { try DIDJWK.resolve(DID(parsing: "did:web:a.example")) }
  }
}

@Suite("did:peer:2")
struct DIDPeer2Tests {
  static let endpoint = "ws://127.0.0.1:7001/"
  private static let key = Multikey.encode(.ed25519(Documents.ed25519.publicKey.raw)) ?? ""

  private static func did(services: String...) throws -> DID {
    let elements = services.map { ".S" + Base64URL.encode(Array($0.utf8)) }
    return try DID(parsing: "did:peer:2.V" + key + elements.joined())
  }

  @Test("our own keys and endpoint", arguments: [nil, DIDPeer2Tests.endpoint])
  func own(endpoint: String?) throws {
    let did = try DIDPeer2.did(ed25519: Documents.ed25519.publicKey, endpoint: endpoint)
    #expect(did.string.utf8.count <= DID.characterLimit && !did.isLongForm && did.shortForm == did)
    let identity = try LocalResolver.resolve(did)
    #expect(identity.ed25519 == Documents.ed25519.publicKey)
    #expect(identity.keyID == did.string + "#key-1")
    #expect(identity.serviceEndpoint == endpoint)
    #expect(identity.documentHash == SHA256.hash(Array(did.string.utf8)))
    #expect(try LocalResolver.resolve(did, documentBytes: identity.documentBytes) == identity)
    #expect(throws: IdentityError.documentMismatch(did)) { try LocalResolver.resolve(did, documentBytes: [0x7B]) }
    #expect(throws: IdentityError.malformedEndpoint("http://x")) {
      try DIDPeer2.did(ed25519: Documents.ed25519.publicKey, endpoint: "http://x")
    }
  }

  @Test("names are spelled out at any depth, and services are numbered")
  func services() throws {
    let did = try Self.did(
      services: #"{"t":"dm","s":{"uri":"x:y","a":["a"],"r":[{"t":"dm"}]}}"#,
      ##"{"id":"#own","type":"t","serviceEndpoint":"s"}"##, #"{"t":["dm"],"s":"x:y"}"#)
    let services = try #require(DIDPeer2.resolve(did).json["service"]?.arrayValue)
    #expect(
      services == [
        [
          "type": "DIDCommMessaging",
          "serviceEndpoint": ["uri": "x:y", "accept": ["a"], "routingKeys": [["type": "dm"]]], "id": "#service",
        ],
        ["id": "#own", "type": "t", "serviceEndpoint": "s"],
        ["type": ["dm"], "serviceEndpoint": "x:y", "id": "#service-1"],
      ])
  }

  @Test(
    "services that are refused",
    arguments: [
      "[]", "1", "{", #"[{"t":"dm","s":"x"}]"#, #"{"t":"dm"}"#, #"{"s":"x"}"#, #"{"t":"dm","type":"dm","s":"x"}"#,
      #"{"t":"dm","s":{"a":1,"accept":1}}"#, #"{"t":"dm","s":[{"r":1,"routingKeys":1}]}"#,
      #"{"id":"did:web:a#x","t":"dm","s":"x"}"#, #"{"id":1,"t":"dm","s":"x"}"#, ##"{"id":"#key-1","t":"dm","s":"x"}"##,
      #"{"t":"dm","t":"dm","s":"x"}"#,
    ])
  func refused(text: String) throws {
    let did = try Self.did(services: text)
    #expect(throws: IdentityError.self) { try DIDPeer2.resolve(did) }
  }

  @Test("each purpose has its relationship, in the order of the keys")
  func purposes() throws {
    let text = "AEVIDV".map { ".\($0)" + Self.key }.joined()
    let document = try DIDPeer2.resolve(DID(parsing: "did:peer:2" + text))
    #expect(document.json["assertionMethod"] == ["#key-1"])
    #expect(document.json["keyAgreement"] == ["#key-2"])
    #expect(document.json["authentication"] == ["#key-3", "#key-6"])
    #expect(document.json["capabilityInvocation"] == ["#key-4"])
    #expect(document.json["capabilityDelegation"] == ["#key-5"])
    #expect(document.verificationMethods.map(\.id.fragment) == (1...6).map { "key-\($0)" })
    let two = try DIDPeer2.resolve(DID(parsing: "did:peer:2.V\(Self.key).A\(Self.key)"))
    #expect(throws: IdentityError.notForAuthentication("key-2")) {
      try PeerIdentity(document: two, keyFragment: "key-2")
    }
  }

  @Test(
    "ids that are none",
    arguments: [
      "2", "2.", "2.V", "2.S", "2V\(key)", "2.V\(key).", "2..V\(key)", "2.X\(key)", "2.v\(key)",
      "2.V\(key.dropFirst())",
      "2.Vu\(key.dropFirst())", "2.V\(key)0", "2.V\(key.prefix(46))", "2.V\(key).Se", "2.V\(key).Se31", "2.V\(key):x",
      "2.V\(key).S%41", "0z", "0z0", "1z\(key.prefix(45))", "3\(key)0", "5z\(key)", "x", "1x\(key)",
    ])
  func malformed(id: String) {
    #expect(throws: IdentityError.self) { try DID(parsing: "did:peer:" + id) }
  }

  @Test("variants without a resolver", arguments: ["0\(key)", "1\(key)", "3\(key)"])
  func otherVariants(id: String) throws {
    let did = try DID(parsing: "did:peer:" + id)
    #expect(did.method == .other("peer"))
    #expect(throws: IdentityError.unsupportedMethod("peer")) { try LocalResolver.resolve(did) }
  }

  @Test("a DID longer than messages carry has a document, but is no identity")
  func length() throws {
    var (identities, documents) = (0, 0)
    for count in 100..<140 {
      let did = try Self.did(services: #"{"t":"X","s":"\#(String(repeating: "x", count: count))"}"#)
      #expect(try DIDPeer2.resolve(did).id == did)
      if did.string.utf8.count <= DID.characterLimit {
        #expect(try LocalResolver.resolve(did).did == did)
        identities += 1
      } else {
        #expect(throws: IdentityError.malformedDID(IdentityError.cut(did.string))) { try LocalResolver.resolve(did) }
        documents += 1
      }
    }
    #expect(identities > 0 && documents > 0)
    let service = Base64URL.encode(Array(repeating: 0x20, count: 12_000))
    #expect(throws: IdentityError.self) { try DID(parsing: "did:peer:2.V" + Self.key + ".S" + service) }
  }
}
