import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyHandshake

/// One complete run recorded by another implementation.
struct RecordedRun {
  private let values: [String: [UInt8]]
  let suite: Int

  init(suite: Int) throws {
    let data = try SharedVectors.data("handshake/parley_v1_suite\(suite).json")
    let object = try #require(
      JSONValue.parse([UInt8](data), limits: JSONLimits(byteCount: 1 << 20, depth: 4)).objectValue)
    var values = [String: [UInt8]]()
    for name in object.keys where object[name]?.stringValue != nil {
      values[name] = try #require(object[name]?.stringValue.flatMap { [UInt8](hex: $0) })
    }
    self.values = values
    self.suite = suite
  }

  subscript(name: String) -> [UInt8] {
    get throws { try #require(values[name], "\(name)") }
  }

  func secret(_ name: String) throws -> SecretBytes { SecretBytes(copying: try self[name]) }
  func text(_ name: String) throws -> String { String(decoding: try self[name], as: UTF8.self) }

  var prologue: Prologue {
    get throws {
      try Prologue(
        offered: ["parley.v1"], selected: "parley.v1", channelBinding: .tlsExporter(Array(self["prologue"].suffix(32))))
    }
  }

  /// The initiator, a did:peer:4 in its short form.
  var initiator: PeerIdentity {
    get throws { try LocalResolver.resolve(DID(parsing: text("did_I")), documentBytes: self["document_I"]) }
  }

  /// The responder. The run has no document of it; its ML-DSA key, in suite 2, is not known and stands for any.
  var responder: PeerIdentity {
    get throws {
      let did = try text("did_R")
      let key = Ed25519.SigningKey(seed: try secret("ed25519_seed_R")).publicKey
      guard suite == 2 else { return try PeerIdentity(document: Party.document(did, key: key)) }
      let other = try Party(9, postQuantum: true).identity.document.json["verificationMethod"]?.arrayValue?[1]
      let methods: JSONValue = [
        Party.method(did, "key-1", try Party.multikey(key.raw)),
        Party.method(did, "key-2", try #require(other?["publicKeyMultibase"]?.stringValue)),
      ]
      return try PeerIdentity(
        document: Party.document(
          did, key: key,
          members: [
            ("verificationMethod", methods),
            ("authentication", [.string("\(did)#key-1"), .string("\(did)#key-2")]),
          ]))
    }
  }

  func randomness(_ side: String) throws -> HandshakeRandomness {
    HandshakeRandomness(
      ephemeralKey: try secret("e_\(side)"), kemSeed: try secret("kem_seed_dz"), kemMessage: try secret("kem_m"),
      resumeID: try #require([UInt8](hex: "9acf9f0b9e07a4539091cee0c8b16d93")),
      priorityTokens: [UInt8](repeating: 0, count: 128))
  }

  /// The initiator's Noise state, from the recorded message 1 on.
  func initiatorState() throws -> InitiatorHandshakeState {
    InitiatorHandshakeState(
      prologue: try self["prologue"], s: X25519.PrivateKey(raw: try secret("s_I")),
      e: X25519.PrivateKey(raw: try secret("e_I")), e1: MLKEM768.DecapsulationKey(seed: try secret("kem_seed_dz")),
      payload: Array(try self["m1"].suffix(60)))
  }
}

@Suite("The recorded runs", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct HandshakeVectorTests {
  @Test("prologue, hashes of documents and message 1", arguments: [1, 2])
  func message1(suite: Int) throws {
    let run = try RecordedRun(suite: suite)
    let responder = try DID(parsing: run.text("did_R"))
    #expect(try run.prologue.bytes(responder: responder) == run["prologue"])
    #expect(try run.initiator.documentHash == run["doc_hash_I"])
    let initiator = try Initiator(
      parties: Initiator.Parties(
        signer: LocalSigner(
          identity: Party(1).identity, ed25519: Ed25519.SigningKey(seed: SecretBytes(repeating: 1, count: 32))),
        ownDocumentHash: [], responder: run.responder, responderDocumentHash: run["doc_hash_R"]),
      staticKey: X25519.PrivateKey(raw: run.secret("s_I")), randomness: run.randomness("I"))
    let message1 = initiator.message1
    #expect(try message1 == run["m1"])
    #expect(message1.count == 1276)
    #expect(try Message1(message1, at: responder).payload == Array(run["m1"].suffix(60)))
    #expect(HandshakeHeader.encode(message1).utf8.count == 1702)
    #expect(try HandshakeHeader.decode(HandshakeHeader.encode(message1)) == message1)
  }

  @Test("suite 1 as the initiator, byte for byte")
  func initiatorSuite1() throws {
    let run = try RecordedRun(suite: 1)
    let signer = try LocalSigner(
      identity: run.initiator, ed25519: Ed25519.SigningKey(seed: run.secret("ed25519_seed_I")))
    var initiator = try Initiator(
      parties: Initiator.Parties(
        signer: signer, ownDocumentHash: run["doc_hash_I"], responder: run.responder,
        responderDocumentHash: run["doc_hash_R"]),
      staticKey: X25519.PrivateKey(raw: run.secret("s_I")), randomness: run.randomness("I"))
    #expect(try initiator.message1 == run["m1"])
    initiator.begin(prologue: try run.prologue)
    let message3 = try initiator.receiveMessage2(run["m2"])
    #expect(try message3 == run["m3"])
    try initiator.receiveAccept(run["accept"])
    let channel = initiator.split()
    #expect(try channel.transcriptHash == run["th"])
    #expect(try channel.exporter.copied == run["exporter"])
    #expect(channel.peer.did.string == (try run.text("did_R")))
  }

  @Test("as the responder, byte for byte: in suite 2 with the recorded hedged signature", arguments: [1, 2])
  func responder(suite: Int) throws {
    let run = try RecordedRun(suite: suite)
    let recorded = try Self.payloads(of: run).responder
    let identity = try run.responder
    let seed = try run.secret("ed25519_seed_R")
    let signer = ScriptedSigner(identity: identity) { message in
      // Suite 1 signs afresh; suite 2 checks the half that it can and replays both.
      let signature = Ed25519.SigningKey(seed: seed).sign(message)
      #expect(signature == recorded.signature.ed25519)
      return suite == 1 ? try! IdentitySignature(suite: .ed25519, ed25519: signature) : recorded.signature
    }
    var responder = Responder(
      signer: signer, ownDocumentHash: try run["doc_hash_R"],
      staticKey: X25519.PrivateKey(raw: try run.secret("s_R")), randomness: try run.randomness("R"))
    #expect(try responder.receiveMessage1(run["m1"], prologue: run.prologue) == run["m2"])
    let claim = try responder.openMessage3(run["m3"])
    #expect(claim.did.string == (try run.text("did_I")))
    #expect(claim.keyFragment == "key-1")
    #expect(try claim.documentBytes == run["document_I"])
    #expect(try claim.documentHash == run["doc_hash_I"])
    #expect(claim.suite.rawValue == UInt8(suite))
    let peer = try LocalResolver.resolve(
      claim.did, documentBytes: claim.documentBytes, keyFragment: claim.keyFragment)
    #expect(try responder.accept(peer) == run["accept"])
    let channel = responder.split()
    #expect(try channel.transcriptHash == run["th"])
    #expect(try channel.exporter.copied == run["exporter"])
  }

  @Test("the Noise core, the payloads and every secret", arguments: [1, 2])
  func core(suite: Int) throws {
    let run = try RecordedRun(suite: suite)
    var noise = try run.initiatorState()
    #expect(try noise.h == run["h_m1"])
    var reader = MessageReader(.two, try run["m2"])
    let rs = try noise.readMessage2Keys(&reader)
    #expect(try rs == X25519.PrivateKey(raw: run.secret("s_R")).publicKey)
    #expect(try noise.h == run["h_sig_R"])
    let statement = IdentityStatement(h: noise.h, s: rs, audience: nil)
    let bytes = try noise.readMessage2Payload(&reader)
    let payload = try IdentityPayload(bytes, from: .responder)
    #expect(payload.encoded == bytes)
    #expect(bytes.count == (suite == 1 ? 1024 : 4096))
    let message = statement.bytes(
      role: .responder, did: payload.did, keyFragment: payload.keyFragment, documentHash: payload.documentHash,
      suite: payload.signature.suite, extensions: [])
    let key = Ed25519.SigningKey(seed: try run.secret("ed25519_seed_R")).publicKey
    #expect(key.isValid(signature: payload.signature.ed25519, for: message))
    #expect(payload.signature.mldsa65?.count == (suite == 1 ? nil : 3309))

    let recorded = try Self.payloads(of: run).initiator
    var message3 = try noise.writeMessage3Keys()
    #expect(try noise.h == run["h_sig_I"])
    let claim = IdentityStatement(
      h: noise.h, s: X25519.PrivateKey(raw: try run.secret("s_I")).publicKey,
      audience: try DID(parsing: run.text("did_R")))
    let peer = try claim.verify(recorded, by: run.initiator, documentHash: run["doc_hash_I"])
    #expect(peer.suite.rawValue == UInt8(suite))
    message3 += noise.writeMessage3Payload(recorded.encoded)
    #expect(try message3 == run["m3"])
    let h = noise.h
    #expect(try h == run["th"])

    let keys = noise.split()
    #expect(try keys.k1.copied == run["k1"])
    #expect(try keys.k2.copied == run["k2"])
    let schedule = KeySchedule(transcriptHash: h, keys: keys)
    #expect(try schedule.rootSecret.copied == run["root0"])
    #expect(try schedule.secret(.initiatorToResponder).copied == run["i2r"])
    #expect(try schedule.secret(.responderToInitiator).copied == run["r2i"])
    #expect(try schedule.secret(.ratchet).copied == run["ratchet"])
    #expect(try schedule.secret(.exporter).copied == run["exporter"])
    #expect(try schedule.secret(.continuity).copied == run["continuity"])
    #expect(try TrafficKey.successor(of: schedule.secret(.responderToInitiator)).copied == run["r2i_after_512"])

    var receiving = RecordDirection(sender: .responder, secret: try run.secret("r2i"))
    var buffer = try run["accept"]
    let record = try receiving.open(in: &buffer)
    #expect(record.type == RecordType.accept.rawValue)
    let body = AcceptBody(
      initiator: try DID(parsing: run.text("did_I")), responder: try DID(parsing: run.text("did_R")),
      resumeID: try run.randomness("R").resumeID, priorityTokens: [UInt8](repeating: 0, count: 128))
    #expect(Array(buffer[record.body]) == body.encoded)
  }

  /// The two identity payloads, decrypted with the recorded keys.
  private static func payloads(
    of run: RecordedRun
  ) throws -> (responder: IdentityPayload, initiator: IdentityPayload) {
    var noise = try run.initiatorState()
    var reader = MessageReader(.two, try run["m2"])
    _ = try noise.readMessage2Keys(&reader)
    let responder = try IdentityPayload(noise.readMessage2Payload(&reader), from: .responder)
    // A second state reads what the first would write: the keys of message 3 are those of its own writing.
    _ = try noise.writeMessage3Keys()
    var mirror = try ResponderHandshakeState(
      prologue: run["prologue"], s: X25519.PrivateKey(raw: run.secret("s_R")),
      e: X25519.PrivateKey(raw: run.secret("e_R")), message1: Message1(run["m1"], at: DID(parsing: run.text("did_R"))))
    _ = try mirror.writeMessage2Keys(kemRandomness: run.secret("kem_m"))
    _ = mirror.writeMessage2Payload(responder.encoded)
    var other = MessageReader(.three, try run["m3"])
    _ = try mirror.readMessage3Keys(&other)
    return (responder, try IdentityPayload(mirror.readMessage3Payload(&other), from: .initiator))
  }
}
