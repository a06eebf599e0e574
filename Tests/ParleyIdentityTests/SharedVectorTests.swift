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

  @Test("other variants of did:peer are not resolved")
  func otherPeers() throws {
    let examples = try #require(json("did/peer/spec_examples.json")["dids"]?.arrayValue)
    var count = 0
    for text in examples.compactMap({ $0["did"]?.stringValue }) where !text.hasPrefix("did:peer:4") {
      // The did:peer:2 examples are longer than a message could carry.
      guard let did = try? DID(parsing: text) else {
        #expect(text.utf8.count > DID.characterLimit)
        count += 1
        continue
      }
      #expect(throws: IdentityError.unsupportedMethod("peer")) { try LocalResolver.resolve(did) }
      count += 1
    }
    #expect(count >= 3)
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

  @Test(
    "documents of DID Core and of Controlled Identifiers: read, or refused for a reason that is ours",
    arguments: [
      "did_core_examples", "controlled_identifier_examples",
    ])
  func documents(file: String) throws {
    let examples = try #require(json("did/\(file).json").arrayValue)
    var read = 0
    for example in examples {
      guard let document = example["json"], let id = document["id"]?.stringValue, let did = try? DID(parsing: id) else {
        continue
      }
      let bytes = Array(document.serialized().utf8)
      do throws(IdentityError) {
        _ = try DIDDocument(parsing: bytes, for: did)
        read += 1
      } catch {
        switch error {
        case .malformedKey, .malformedDocument, .duplicateID: break
        default: Issue.record("\(example["title"]?.stringValue ?? ""): \(error)")
        }
      }
    }
    if file == "did_core_examples" { #expect(read > 0) }
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
