import Foundation
import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

/// The Python packages that `scripts/bootstrap --tests` installs.
private enum Python {
  static let program = SharedVectors.root.appending(path: ".deps/venv/bin/python").path()
  static let script = SharedVectors.root.appending(path: "Tests/Interop/python/identity_witness.py").path()
  static let isPresent = FileManager.default.isExecutableFile(atPath: program)
  static let absence: Comment = "no .deps/venv: run scripts/bootstrap --tests to let Python check identities as well"

  /// Runs the script with one JSON object as its input and returns the one it prints.
  static func ask(_ question: JSONValue) throws -> JSONValue {
    let process = Process()
    let (input, output) = (Pipe(), Pipe())
    process.executableURL = URL(filePath: program)
    process.arguments = [script]
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    try input.fileHandleForWriting.write(contentsOf: Data(question.serialized().utf8))
    try input.fileHandleForWriting.close()
    let answer = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitAndReap()
    try #require(process.terminationStatus == 0)
    return try JSONValue.parse(Array(answer))
  }
}

/// What others' software makes of our identities: `did-peer-2` and `did-peer-4` of the Decentralized Identity
/// Foundation, and `cryptography` for the keystore's Argon2id and AES-256-GCM.
@Suite("Independent witness in Python", .enabled(if: Python.isPresent, Python.absence))
struct WitnessTests {
  @Test("did-peer-4 makes the same DID of our document and resolves it to the same one", arguments: [false, true])
  func peer4(postQuantum: Bool) throws {
    let bytes = try DIDPeer4.inputDocument(
      ed25519: TestDocuments.ed25519.publicKey, mldsa65: postQuantum ? TestDocuments.mldsa65.publicKey : nil,
      endpoint: "wss://maker.example/parley")
    let did = try DIDPeer4.create(inputDocument: bytes)
    let answer = try Python.ask([
      "ask": "peer4", "document": .string(String(decoding: bytes, as: UTF8.self)),
    ])
    #expect(answer["long"] == .string(did.string))
    #expect(answer["short"] == .string(did.shortForm.string))
    let resolved = try DIDPeer4.resolve(did.shortForm, inputDocument: bytes)
    #expect(answer["resolved"]?.canonical() == resolved.json.canonical())
    #expect(answer["resolved_from_document"]?.canonical() == resolved.json.canonical())
  }

  @Test("did-peer-2 makes a DID that we resolve to the same document")
  func peer2() throws {
    let key = try #require(TestDocuments.firstKey.stringValue)
    let other = try #require(TestDocuments.secondKey.stringValue)
    let endpoint = "wss://maker.example/parley"
    let answer = try Python.ask([
      "ask": "peer2",
      "keys": [
        ["V", .string(key)], ["E", .string(other)], ["A", .string(key)], ["I", .string(key)], ["D", .string(key)],
      ],
      "services": [
        ["type": "DIDCommMessaging", "serviceEndpoint": ["uri": "x:y", "accept": ["a"], "routingKeys": []]],
        ["id": "#parley", "type": "ParleyNode", "serviceEndpoint": .string(endpoint)],
        ["type": "Other", "serviceEndpoint": [["accept": [["routingKeys": "h\u{E9}"]]]]],
      ],
    ])
    let document = try DIDPeer2.resolve(DID(parsing: #require(answer["did"]?.stringValue)))
    #expect(document.json.canonical() == answer["resolved"]?.canonical())
    #expect(try document.parleyEndpoint() == endpoint)
    // And our own DID is the one that it makes.
    let own = try Python.ask([
      "ask": "peer2", "keys": [["V", .string(key)]],
      "services": [["id": "#parley", "type": "ParleyNode", "serviceEndpoint": .string(endpoint)]],
    ])
    let did = try DIDPeer2.did(ed25519: TestDocuments.ed25519.publicKey, endpoint: endpoint)
    #expect(own["did"] == .string(did.string))
    #expect(try own["resolved"]?.canonical() == DIDPeer2.resolve(did).json.canonical())
  }

  @Test("Python finds the hashes, proofs and approvals of a log as we do, and as little in a faulty one")
  func webvh() throws {
    typealias Builder = WebVHBuilder
    func ask(_ builder: Builder, _ file: [UInt8]?) throws -> Int64? {
      let text = file.map { JSONValue.string(String(decoding: $0, as: UTF8.self)) }
      let answer = try Python.ask([
        "ask": "webvh", "log": .string(String(decoding: builder.bytes, as: UTF8.self)), "witness_file": text ?? .null,
      ])
      return answer["versions"]?.int64Value
    }
    var promising = Builder()
    promising.append(["nextKeyHashes": [.string(Builder.nextKey.hash)]])
    promising.append(["updateKeys": [.string(Builder.nextKey.multikey)], "nextKeyHashes": []], by: Builder.nextKey)
    promising.append(by: Builder.nextKey)
    #expect(try promising.history().versions.count == 3)
    #expect(try ask(promising, nil) == 3)
    promising.append(by: Builder.key)
    #expect(try promising.history().versions.count == 3)
    #expect(try ask(promising, nil) == 3)
    var witnessed = Builder()
    let (one, two) = (Builder.Key(11), Builder.Key(12))
    witnessed.append(["witness": Builder.witness(2, [one, two])])
    witnessed.append(["witness": Builder.witness(1, [two])])
    witnessed.append()
    for approvals in [
      [(3, [one, two])], [(2, [one]), (3, [two])], [(2, [one, two])], [(1, [one, two]), (3, [two])],
    ] {
      let file = witnessed.witnessFile(approvals.map { (version: $0.0, by: $0.1) })
      #expect(try ask(witnessed, file) == Int64(witnessed.history(file).versions.count))
    }
  }

  @Test("Python opens our keystore and finds the seeds", arguments: [false, true])
  func opens(postQuantum: Bool) throws {
    let keystore = try (postQuantum ? TestKeystores.suite2 : TestKeystores.suite1).get()
    let answer = try Python.ask([
      "ask": "open", "keystore": .string(String(decoding: keystore.encoded, as: UTF8.self)),
      "passphrase": "correct horse",
    ])
    #expect(answer["suite"] == (postQuantum ? 2 : 1))
    #expect(answer["ed25519_seed"] == .string([UInt8](repeating: 1, count: 32).hex))
    #expect(answer["mldsa65_seed"] == (postQuantum ? .string([UInt8](repeating: 3, count: 32).hex) : .null))
    #expect(answer["keys_match_document"] == true)
    let refused = try Python.ask([
      "ask": "open", "keystore": .string(String(decoding: keystore.encoded, as: UTF8.self)), "passphrase": "x",
    ])
    #expect(refused == ["error": "InvalidTag"])
  }

  @Test("we open a keystore that Python made, with another cost and other keys", arguments: [false, true])
  func opened(postQuantum: Bool) throws {
    let answer = try Python.ask([
      "ask": "create", "passphrase": "h\u{E9}lo \u{1F37A}", "post_quantum": .bool(postQuantum),
      "memory_kib": 20_000, "iterations": 3, "lanes": 2,
    ])
    let file = try #require(answer["keystore"]?.stringValue)
    let keystore = try Keystore(parsing: Array(file.utf8))
    let signer = try keystore.open(passphrase: SecretBytes(copying: Array("h\u{E9}lo \u{1F37A}".utf8)))
    #expect(signer.identity.ed25519.raw.hex == answer["ed25519_public_key"]?.stringValue)
    #expect(signer.identity.suite == (postQuantum ? .ed25519MLDSA65 : .ed25519))
    #expect(throws: IdentityError.cannotOpenKeystore) {
      try keystore.open(passphrase: SecretBytes(copying: Array("he\u{301}lo \u{1F37A}".utf8)))
    }
  }
}
