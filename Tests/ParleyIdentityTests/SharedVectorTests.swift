import Foundation
import ParleyCrypto
import ParleyWire
import TestSupport
import Testing

@testable import ParleyIdentity

/// The public sets of `shared/vectors`; see the README there for their sources.
@Suite("Public identity vectors", .enabled(if: SharedVectors.arePresent, .init(rawValue: SharedVectors.absence)))
struct SharedVectorTests {
  private func json(_ path: String) throws -> JSONValue {
    try JSONValue.parse(Array(SharedVectors.data(path)))
  }

  // MARK: did:key

  @Test("W3C did:key fixtures: the DID of the seed, and the key of the DID")
  func ed25519Keys() throws {
    let fixtures = try #require(json("did/key/ed25519-x25519.json").objectValue)
    for fixture in fixtures.members {
      let seed = try #require([UInt8](hex: fixture.value["seed"]?.stringValue ?? "-"))
      let key = Ed25519.SigningKey(seed: SecretBytes(copying: seed)).publicKey.raw
      #expect(try DIDKey.did(for: key).string == fixture.key)
      let identity = try LocalResolver.resolve(DID(parsing: fixture.key))
      #expect(identity.ed25519.raw == key)
      let pair = try #require(fixture.value["verificationKeyPair"])
      let listed = pair["publicKeyBase58"]?.stringValue.flatMap { Base58BTC.decode($0) }
      #expect((listed ?? pair["publicKeyJwk"]?["x"]?.stringValue.flatMap(Base64URL.decode)) == key)
      let name = try #require(fixture.value["didDocument"]?["authentication"]?[0]?.stringValue)
      #expect(identity.keyID == name)
    }
    #expect(fixtures.count >= 5)
  }

  @Test(
    "did:key fixtures of other key types are DIDs, but no identities",
    arguments: ["nist-curves", "secp256k1", "x25519"])
  func otherKeys(file: String) throws {
    let fixtures = try #require(json("did/key/\(file).json").objectValue)
    // One file has its documents under a name of their own.
    let names = fixtures["didDocument"]?.objectValue?.keys ?? fixtures.keys
    for name in names {
      let did = try DID(parsing: name)
      #expect(throws: IdentityError.malformedKey(IdentityError.cut(name))) { try LocalResolver.resolve(did) }
    }
    #expect(names.allSatisfy { $0.hasPrefix("did:key:") } && !names.isEmpty)
  }

  @Test("each key of the multicodec table is one of ours, one to pass over, or a secret")
  func multicodecs() throws {
    let table = String(decoding: try SharedVectors.data("multiformats/multicodec_table.csv"), as: UTF8.self)
    var counts = (ours: 0, others: 0, secrets: 0)
    for line in table.split(separator: "\n") {
      let fields = line.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
      guard fields.count > 2, fields[1] == "key", let code = UInt64(fields[2].dropFirst(2), radix: 16) else { continue }
      func key(_ count: Int) -> PublicKeyMaterial? {
        Multikey.decode(Multibase.encode(Varint.encode(code) + [UInt8](repeating: 1, count: count), as: .base58BTC))
      }
      let isSymmetric = ["aes-128", "aes-192", "aes-256", "chacha-128", "chacha-256"].contains(fields[0])
      if fields[0] == "ed25519-pub" || fields[0] == "mldsa-65-pub" {
        let count = fields[0] == "ed25519-pub" ? 32 : 1952
        #expect(key(count) != nil && key(count) != .unsupported && key(count + 1) == nil && key(count - 1) == nil)
        counts.ours += 1
      } else if fields[0].contains("-priv") || isSymmetric {
        #expect(key(32) == nil, "\(fields[0])")
        counts.secrets += 1
      } else {
        #expect(key(32) == .unsupported, "\(fields[0])")
        counts.others += 1
      }
    }
    #expect(counts == (2, 37, 38))
  }

  // MARK: did:peer:4

  @Test("generated did:peer:4: the DID of the text, and the text of the DID")
  func generatedPeers() throws {
    let cases = try #require(json("did/peer/numalgo4_generated.json").arrayValue)
    var dangling = 0
    for entry in cases {
      let bytes = Array(try #require(entry["json_text"]?.stringValue).utf8)
      let long = try DID(parsing: #require(entry["long_form"]?.stringValue))
      let short = try DID(parsing: #require(entry["short_form"]?.stringValue))
      #expect(long.isLongForm && !short.isLongForm)
      #expect(long.shortForm == short)
      if entry["input_document"]?["publicKey"] != nil {
        // The list that DID Core renamed in 2020: references into it find nothing. The hash is right, though.
        #expect(throws: IdentityError.malformedDocument("authentication")) { try DIDPeer4.resolve(long) }
        dangling += 1
        continue
      }
      #expect(try DIDPeer4.create(inputDocument: bytes) == long)
      for document in [try DIDPeer4.resolve(long), try DIDPeer4.resolve(short, inputDocument: bytes)] {
        #expect(document.id == short)
        #expect(document.bytes == bytes)
        var undone = try #require(document.json.objectValue)
        #expect(undone["alsoKnownAs"]?.arrayValue?.last == .string(long.string))
        undone["alsoKnownAs"] = nil
        undone["id"] = nil
        let input = try #require(entry["input_document"]?.objectValue)
        #expect(Set(undone.keys) == Set(input.keys).subtracting(["alsoKnownAs"]))
      }
    }
    #expect(cases.count == 6 && dangling == 1)
  }

  @Test("long forms of the did:peer:4 specification and its library")
  func publishedPeers() throws {
    let long = try #require(json("did/peer/numalgo4_readme.json")["long_form_dids"]?.arrayValue)
    let examples = try #require(json("did/peer/spec_examples.json")["dids"]?.arrayValue).compactMap { $0["did"] }
    let spec = examples.filter { $0.stringValue?.hasPrefix("did:peer:4") == true }
    #expect(long.count == 9 && spec.count == 2)
    var dangling = 0
    for text in long + spec.prefix(1) {
      let did = try DID(parsing: #require(text.stringValue))
      #expect(did.isLongForm)
      guard let document = try? DIDPeer4.resolve(did) else {
        #expect(throws: IdentityError.malformedDocument("authentication")) { try DIDPeer4.resolve(did) }
        dangling += 1
        continue
      }
      #expect(document.id == did.shortForm)
    }
    #expect(dangling == 1, "the one with the old publicKey list")
    #expect(try DID(parsing: #require(spec[0].stringValue)).shortForm.string == spec[1].stringValue)
  }

  // MARK: Other variants of did:peer

  @Test("did:peer:2 of the specification, with the documents it gives")
  func peers2() throws {
    let entries = try #require(json("did/peer/spec_examples.json")["dids"]?.arrayValue)
    let cases = entries.filter { $0["did"]?.stringValue?.hasPrefix("did:peer:2") == true }
    for entry in cases {
      let did = try DID(parsing: #require(entry["did"]?.stringValue))
      let document = try DIDPeer2.resolve(did)
      #expect(document.json["alsoKnownAs"] == [try #require(entry["did_peer_3"])])
      let services = try #require(entry["services_decoded"]?.arrayValue)
      #expect(document.services.count == services.count)
      for (service, abbreviated) in zip(try #require(document.json["service"]?.arrayValue), services) {
        let endpoint = abbreviated["s"]?["uri"] ?? abbreviated["s"]
        #expect(service["type"] == "DIDCommMessaging" && abbreviated["t"] == "dm")
        #expect(endpoint == service["serviceEndpoint"]?["uri"] ?? service["serviceEndpoint"])
        let abbreviatedKeys = abbreviated["s"]?["r"] ?? abbreviated["r"]
        #expect(abbreviatedKeys == service["serviceEndpoint"]?["routingKeys"] ?? service["routingKeys"])
      }
      // Longer than a message carries: a document, but no identity.
      #expect(throws: IdentityError.malformedDID(IdentityError.cut(did.string))) { try LocalResolver.resolve(did) }
    }
    #expect(cases.count == 2)
    // The document that the specification prints for the first one.
    let keys = try DIDPeer2.resolve(DID(parsing: #require(cases[0]["did"]?.stringValue)))
    let listed = try #require(json("did/peer/spec_examples.json")["documents"]?[0]?.arrayValue)
    #expect(
      keys.json["verificationMethod"]?.arrayValue?.map { $0["publicKeyMultibase"] }
        == listed.map { $0["publicKeyMultibase"] })
    #expect(keys.json["authentication"] == ["#key-1"] && keys.json["keyAgreement"] == ["#key-2"])
  }

  @Test("did:peer of variants 1 and 3 are DIDs without a resolver, and the malformed ones are none")
  func otherPeers() throws {
    let examples = try #require(json("did/peer/spec_examples.json")["dids"]?.arrayValue)
    let others = examples.compactMap { $0["did"]?.stringValue }.filter {
      $0.hasPrefix("did:peer:1") || $0.hasPrefix("did:peer:3")
    }
    #expect(others.count == 2)
    for text in try others + ["good-did-all-caps", "good-did-all-fs", "good-did-all-ones", "good-did"].map(line) {
      let did = try DID(parsing: text)
      #expect(throws: IdentityError.unsupportedMethod("peer")) { try LocalResolver.resolve(did) }
    }
    let bad = [
      "abbreviated", "dot-before-hex", "prefix-not-lower", "quoted", "too-short", "unsupported-encalgo",
      "unsupported-numalgo",
    ]
    for name in bad {
      let text = try line("bad-did-" + name)
      #expect(throws: IdentityError.malformedDID(IdentityError.cut(text)), "\(name)") { try DID(parsing: text) }
    }
    // These two files compare texts; with a zero in them, which base 58 has not, they are no DIDs today.
    for name in ["compare-equal", "compare-lt"] {
      let lines = try lines("compare-" + name.dropFirst("compare-".count))
      #expect(lines.count == 2 && (lines[0] == lines[1]) == (name == "compare-equal"))
      for text in lines { #expect(throws: IdentityError.self) { try DID(parsing: text) } }
    }
  }

  private func lines(_ name: String) throws -> [String] {
    String(decoding: try SharedVectors.data("did/peer/numalgo1-level-1-\(name).txt"), as: UTF8.self)
      .split(separator: "\n").map(String.init)
  }

  private func line(_ name: String) throws -> String { try #require(lines(name).first) }

  // MARK: did:jwk

  @Test("did:jwk of the specification: the whole document, and no identity, because neither key signs here")
  func jwks() throws {
    let cases = try #require(json("did/jwk_examples.json").arrayValue)
    for entry in cases {
      let did = try DID(parsing: #require(entry["did"]?.stringValue))
      let text = try #require(Base64URL.decode(String(did.methodSpecificID)))
      #expect(String(decoding: text, as: UTF8.self) == entry["decoded_jwk_text"]?.stringValue)
      let document = try DIDJWK.resolve(did)
      var expected = try #require(entry["document"]?.objectValue)
      // The specification's first document has a stray "$" in one reference.
      if expected["authentication"] != nil { expected["authentication"] = expected["assertionMethod"] }
      #expect(document.json.canonical() == JSONValue.object(expected).canonical())
      #expect(throws: IdentityError.noAuthenticationKey(nil)) { try LocalResolver.resolve(did) }
    }
    #expect(cases.count == 2)
  }

  // MARK: did:plc

  @Test("did:plc is a DID without a resolver: its logs are DAG-CBOR, signed with curves that Parley does not use")
  func plc() throws {
    for folder in ["valid", "invalid"] {
      let names = try FileManager.default.contentsOfDirectory(atPath: SharedVectors.path("did/plc/" + folder))
      for name in names {
        let did = try DID(parsing: #require(json("did/plc/\(folder)/\(name)")[0]?["did"]?.stringValue))
        #expect(throws: IdentityError.unsupportedMethod("plc")) { try LocalResolver.resolve(did) }
      }
      #expect(names.count == 10)
    }
  }

  // MARK: did:web

  @Test func web() throws {
    let mapping = try json("did/web_mapping.json")
    let pairs = try #require(mapping["did_to_url"]?.arrayValue)
    for pair in pairs {
      let did = try DID(parsing: #require(pair["did"]?.stringValue))
      #expect(try DIDWeb.url(for: did) == pair["url"]?.stringValue)
    }
    let rejected = try #require(mapping["must_reject"]?.arrayValue)
    for text in rejected.compactMap(\.stringValue) {
      #expect(throws: IdentityError.self, "\(text)") { try DID(parsing: text) }
    }
    #expect(pairs.count == 4 && rejected.count == 7)
  }

  // MARK: Documents

  @Test("examples of DID Core: documents are read; contexts, credentials and messages are no documents")
  func didCore() throws {
    let examples = try #require(json("did/did_core_examples.json").arrayValue)
    let isDocument: [Bool] = (0..<19).map { (0...6).contains($0) || (9...12).contains($0) }
    #expect(examples.count == isDocument.count)
    for (example, isDocument) in zip(examples, isDocument) {
      let bytes = try Array(#require(example["json"]).serialized().utf8)
      let did = try DID(parsing: example["json"]?["id"]?.stringValue ?? "did:example:123")
      if isDocument {
        #expect(try DIDDocument(parsing: bytes, for: did).id == did)
      } else {
        #expect(throws: IdentityError.malformedDocument("id")) { try DIDDocument(parsing: bytes, for: did) }
      }
    }
  }

  @Test("examples of Controlled Identifiers: they are named by URLs, so no DID has them; their keys are read")
  func controlledIdentifiers() throws {
    let examples = try #require(json("did/controlled_identifier_examples.json").arrayValue)
    var found: [String] = []
    for (index, example) in examples.enumerated() {
      let document = try #require(example["json"])
      if let id = document["id"]?.stringValue {
        #expect(throws: IdentityError.malformedDID(IdentityError.cut(id))) { try DID(parsing: id) }
      }
      for (name, key) in keys(in: document) { found.append("\(index) \(name) \(key)") }
    }
    #expect(examples.count == 24)
    #expect(
      found == [
        "0 publicKeyJwk other",
        "1 publicKeyMultibase Ed25519",
        "5 publicKeyJwk Ed25519",
        "5 publicKeyMultibase Ed25519",
        "6 publicKeyMultibase Ed25519",
        "7 publicKeyJwk other",
        "8 secretKeyJwk refused",
        "9 publicKeyMultibase Ed25519",
        "10 publicKeyJwk Ed25519",
        "10 publicKeyMultibase Ed25519",
        "11 publicKeyMultibase Ed25519",
        "12 publicKeyMultibase other",
        "12 publicKeyJwk other",
        "13 publicKeyMultibase Ed25519",
        "14 publicKeyJwk Ed25519",
        "14 publicKeyMultibase Ed25519",
        "17 publicKeyJwk other",
        "18 publicKeyMultibase other",
        "19 publicKeyMultibase Ed25519",
        "20 publicKeyJwk other",
        "21 publicKeyJwk other",
        "22 publicKeyJwk Ed25519",
        "23 publicKeyJwk other",
      ])
  }

  /// What each member that holds a key is read as.
  private func keys(in value: JSONValue) -> [(String, String)] {
    switch value {
    case .array(let entries): return entries.flatMap(keys)
    case .object(let object):
      return object.members.flatMap { member -> [(String, String)] in
        let key: PublicKeyMaterial?
        switch member.key {
        case "publicKeyMultibase", "secretKeyMultibase": key = member.value.stringValue.flatMap(Multikey.decode)
        case "publicKeyJwk", "secretKeyJwk": key = member.value.objectValue.flatMap(JSONWebKey.decode)
        default: return keys(in: member.value)
        }
        switch key {
        case .ed25519: return [(member.key, "Ed25519")]
        case .mldsa65: return [(member.key, "ML-DSA-65")]
        case .unsupported: return [(member.key, "other")]
        case nil: return [(member.key, "refused")]
        }
      }
    case .null, .bool, .integer, .number, .string: return []
    }
  }

  // MARK: The handshake's identities

  @Test("the initiator of the handshake vectors", arguments: [1, 2])
  func handshake(suite: Int) throws {
    let vector = try json("handshake/parley_v1_suite\(suite).json")
    func bytes(_ name: String) throws -> [UInt8] { try #require([UInt8](hex: vector[name]?.stringValue ?? "-")) }
    let did = try DID(parsing: String(decoding: bytes("did_I"), as: UTF8.self))
    let identity = try LocalResolver.resolve(did, documentBytes: bytes("document_I"))
    #expect(identity.did == did)
    #expect(try identity.documentHash == bytes("doc_hash_I"))
    #expect(identity.suite.rawValue == UInt8(suite))
    #expect(identity.keyFragment == "key-1")
    let key = try Ed25519.SigningKey(seed: SecretBytes(copying: bytes("ed25519_seed_I")))
    #expect(identity.ed25519 == key.publicKey)
    // Our own input document is the vector's, byte for byte.
    let own = try DIDPeer4.inputDocument(
      ed25519: key.publicKey, mldsa65: identity.mldsa65, endpoint: identity.serviceEndpoint)
    #expect(try own == bytes("document_I"))
  }
}
