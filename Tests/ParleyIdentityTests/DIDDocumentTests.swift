import ParleyCrypto
import ParleyIdentity
import ParleyWire
import Testing

private typealias Documents = TestDocuments

@Suite("DID documents")
struct DIDDocumentTests {
  @Test func whatIsRead() throws {
    let document = try Documents.parse(Documents.document)
    let did = try DID(parsing: Documents.did)
    #expect(document.id == did)
    #expect(document.verificationMethods.map(\.id.string) == [Documents.did + "#key-1", Documents.did + "#key-2"])
    #expect(document.verificationMethods[0].publicKey == .ed25519(Documents.ed25519.publicKey.raw))
    #expect(document.authentication.map(\.id.fragment) == ["key-1"])
    #expect(document.services.map(\.types) == [["ParleyNode"]])
    #expect(try document.parleyEndpoint() == "wss://maker.example/parley")
    #expect(document.bytes == Documents.bytes(Documents.document))
    #expect(document.hash == SHA256.hash(JSONValue.object(Documents.document).canonical()))
  }

  @Test("the hash is of the canonical text, so spaces and order do not matter")
  func hash() throws {
    let pretty = Array(JSONValue.object(Documents.document).serialized(pretty: true).utf8)
    let other = try DIDDocument(parsing: pretty, for: DID(parsing: Documents.did))
    #expect(try other.hash == Documents.parse(Documents.document).hash)
    #expect(try Documents.parse(Documents.setting([("alsoKnownAs", [])])).hash != other.hash)
  }

  @Test("one fault each", arguments: DocumentCases.all)
  func rule(vector: DocumentCases.Case) throws {
    if let error = vector.error {
      #expect(throws: error) { try Documents.parse(vector.document) }
    } else {
      _ = try Documents.parse(vector.document)
    }
  }

  @Test("ids and controllers compare by bytes: Swift's == takes U+212A, the Kelvin sign, for K")
  func bytes() throws {
    let did = try DID(parsing: "did:web:maker.example:K")
    let lookalike = "did:web:maker.example:\u{212A}"
    #expect(lookalike == did.string)
    var document: JSONObject = ["id": .string(lookalike)]
    #expect(throws: IdentityError.wrongDocumentID(found: lookalike)) {
      try DIDDocument(parsing: Documents.bytes(document), for: did)
    }
    var method = Documents.method("#key-1", Documents.firstKey)
    method["controller"] = .string(lookalike)
    document = ["id": .string(did.string), "authentication": [.object(method)]]
    let parsed = try DIDDocument(parsing: Documents.bytes(document), for: did)
    #expect(throws: IdentityError.wrongController(lookalike)) { try PeerIdentity(document: parsed) }
  }

  @Test("the text's own limits")
  func text() throws {
    let did = try DID(parsing: Documents.did)
    func document(of count: Int) -> [UInt8] {
      let bytes = Documents.bytes(Documents.setting([("x", "")]))
      let padding = String(repeating: "x", count: count - bytes.count)
      return Documents.bytes(Documents.setting([("x", .string(padding))]))
    }
    #expect(try DIDDocument(parsing: document(of: 65_536), for: did).bytes.count == 65_536)
    #expect(throws: IdentityError.documentTooLong(65_537, limit: 65_536)) {
      try DIDDocument(parsing: document(of: 65_537), for: did)
    }
    func nested(_ depth: Int) -> [UInt8] {
      let value = (1..<depth).reduce(JSONValue.null) { inner, _ in [inner] }
      return Documents.bytes(Documents.setting([("x", value)]))
    }
    _ = try DIDDocument(parsing: nested(16), for: did)
    #expect(throws: IdentityError.self) { try DIDDocument(parsing: nested(17), for: did) }
    #expect(throws: IdentityError.notJSON(.duplicateKey("id"))) {
      try DIDDocument(parsing: Array(#"{"id":"did:web:maker.example","id":"did:web:maker.example"}"#.utf8), for: did)
    }
    #expect(throws: IdentityError.malformedDocument("the document")) {
      try DIDDocument(parsing: Array("[]".utf8), for: did)
    }
    let whole = Documents.bytes(Documents.document)
    for cut in 0..<whole.count {
      #expect(throws: IdentityError.self) { try DIDDocument(parsing: Array(whole[..<cut]), for: did) }
    }
  }

  @Test("errors hold no more of a hostile text than a log should")
  func cutText() {
    let id = "did:web:" + String(repeating: "\u{E9}", count: 500)
    #expect {
      try Documents.parse(Documents.setting([("id", .string(id))]))
    } throws: { error in
      guard case IdentityError.wrongDocumentID(let found) = error else { return false }
      return found.utf8.count <= IdentityError.textLimit + 3 && found.hasSuffix("...")
    }
  }

  @Test(
    "endpoints",
    arguments: [
      ("ws://127.0.0.1:7001", true), ("ws://127.0.0.1:7001/", true), ("wss://maker.example/parley", true),
      ("ws://[::1]:7001", true), ("ws://", false), ("ws:///path", false), ("http://maker.example", false),
      ("WS://maker.example", false), ("ws://user@maker.example", false), ("ws://maker.example?x", false),
      ("ws://maker.example/#x", false), ("ws://maker.example/a b", false), ("ws://maker.example/\r\nX: y", false),
      ("ws://:7001", false), ("", false), ("ws://m\u{E9}.example", false),
      ("ws://m/" + String(repeating: "x", count: 248), true), ("ws://m/" + String(repeating: "x", count: 249), false),
    ])
  func endpoint(url: String, isValid: Bool) throws {
    let document = try Documents.parse(
      Documents.setting([
        ("service", [["id": "#parley", "type": ["X", "ParleyNode"], "serviceEndpoint": .string(url)]])
      ]))
    if isValid {
      #expect(try document.parleyEndpoint() == url)
    } else {
      #expect(throws: IdentityError.self) { try document.parleyEndpoint() }
    }
  }

  @Test("the first ParleyNode service counts, and it must have one URL")
  func services() throws {
    let several = Documents.setting([
      (
        "service",
        [
          ["id": "#a", "type": "Other", "serviceEndpoint": "https://x"],
          ["id": "#b", "type": "ParleyNode", "serviceEndpoint": "ws://b"],
          ["id": "#c", "type": "ParleyNode", "serviceEndpoint": "ws://c"],
        ]
      )
    ])
    #expect(try Documents.parse(several).parleyEndpoint() == "ws://b")
    #expect(try Documents.parse(Documents.setting([("service", nil)])).parleyEndpoint() == nil)
    let object = Documents.setting([
      ("service", [["id": "#b", "type": "ParleyNode", "serviceEndpoint": ["uri": "ws://b"]]])
    ])
    #expect(throws: IdentityError.malformedEndpoint("#b")) { try Documents.parse(object).parleyEndpoint() }
  }
}
