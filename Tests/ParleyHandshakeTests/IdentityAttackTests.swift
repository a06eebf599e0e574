import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyHandshake

/// A peer that holds the keys of its handshake and lies about who it is.
@Suite("Attacks on the identities")
struct IdentityAttackTests {
  typealias Forgery = @Sendable (inout RawPayload, IdentityStatement, Ed25519.SigningKey) -> Void

  let handshake: Handshake

  init() throws { handshake = try Handshake() }

  /// What a responder makes of an initiator that changes its payload, up to the answer.
  func responderError(
    _ handshake: Handshake, resolving peer: PeerIdentity? = nil, _ forge: Forgery
  ) throws -> HandshakeError? {
    var rogue = RogueInitiator(handshake.initiator, to: handshake.responder.identity)
    var responder = handshake.makeResponder()
    let two = try responder.receiveMessage1(rogue.message1, prologue: Handshake.prologue)
    let key = handshake.initiator.ed25519
    let three = try rogue.message3(answering: two) { honest, statement in
      var raw = RawPayload(honest)
      forge(&raw, statement, key)
      return raw.encoded
    }
    do throws(HandshakeError) {
      _ = try responder.openMessage3(three)
      _ = try responder.accept(peer ?? handshake.initiator.identity)
      return nil
    } catch {
      return error
    }
  }

  /// What an initiator makes of a responder that changes its payload.
  func initiatorError(
    _ handshake: Handshake, knowing peer: PeerIdentity? = nil, _ forge: Forgery
  ) throws -> HandshakeError? {
    var rogue = RogueResponder(handshake.responder)
    var initiator = handshake.makeInitiator(knowing: peer)
    let key = handshake.responder.ed25519
    let two = try rogue.message2(answering: initiator.message1) { honest, statement in
      var raw = RawPayload(honest)
      forge(&raw, statement, key)
      return raw.encoded
    }
    do throws(HandshakeError) {
      _ = try initiator.receiveMessage2(two)
      return nil
    } catch {
      return error
    }
  }

  /// Forgeries that either side could try, and what each ends in.
  static let malformed: [(name: String, error: HandshakeError, forge: Forgery)] = [
    ("version 2", .malformedIdentity(.version), { raw, _, _ in raw.version = 2 }),
    ("version 0", .malformedIdentity(.version), { raw, _, _ in raw.version = 0 }),
    ("unknown role", .wrongRole(0x58), { raw, _, _ in raw.role = 0x58 }),
    ("role 0", .wrongRole(0), { raw, _, _ in raw.role = 0 }),
    ("no DID", .malformedIdentity(.did), { raw, _, _ in raw.did = [] }),
    ("not a DID", .malformedIdentity(.did), { raw, _, _ in raw.did = Array("peer:4zQm".utf8) }),
    ("method in capitals", .malformedIdentity(.did), { raw, _, _ in raw.did = Array("did:WEB:maker.example".utf8) }),
    ("host in capitals", .malformedIdentity(.did), { raw, _, _ in raw.did = Array("did:web:Maker.example".utf8) }),
    ("lower-case percent", .malformedIdentity(.did), { raw, _, _ in raw.did = Array("did:web:m%3a81".utf8) }),
    ("trailing space", .malformedIdentity(.did), { raw, _, _ in raw.did.append(0x20) }),
    ("trailing zero", .malformedIdentity(.did), { raw, _, _ in raw.did.append(0) }),
    ("trailing fragment", .malformedIdentity(.did), { raw, _, _ in raw.did += Array("#key-1".utf8) }),
    ("not UTF-8", .malformedIdentity(.did), { raw, _, _ in raw.did[9] = 0xFF }),
    (
      "256 bytes", .malformedIdentity(.did),
      { raw, _, _ in raw.did = Array("did:web:".utf8) + [UInt8](repeating: 0x61, count: 248) }
    ),
    ("no fragment", .malformedIdentity(.keyFragment), { raw, _, _ in raw.keyFragment = [] }),
    (
      "long fragment", .malformedIdentity(.keyFragment),
      { raw, _, _ in raw.keyFragment = [UInt8](repeating: 0x61, count: 65) }
    ),
    ("fragment not UTF-8", .malformedIdentity(.keyFragment), { raw, _, _ in raw.keyFragment = [0xC3] }),
    ("suite 0", .malformedIdentity(.suite), { raw, _, _ in raw.suite = 0 }),
    ("suite 3", .malformedIdentity(.suite), { raw, _, _ in raw.suite = 3 }),
    ("no signature", .malformedIdentity(.ed25519Signature), { raw, _, _ in raw.ed25519 = [] }),
    ("63 bytes", .malformedIdentity(.ed25519Signature), { raw, _, _ in raw.ed25519.removeLast() }),
    ("65 bytes", .malformedIdentity(.ed25519Signature), { raw, _, _ in raw.ed25519.append(0) }),
    ("suite 2 without its half", .malformedIdentity(.mldsa65Signature), { raw, _, _ in raw.suite = 2 }),
    ("suite 1 with more", .malformedIdentity(.mldsa65Signature), { raw, _, _ in raw.mldsa65 = [0] }),
    (
      "a short half", .malformedIdentity(.mldsa65Signature),
      { raw, _, _ in (raw.suite, raw.mldsa65) = (2, [UInt8](repeating: 0, count: 3308)) }
    ),
    (
      "long extensions", .malformedIdentity(.extensions),
      { raw, _, _ in raw.extensions = [UInt8](repeating: 0, count: 257) }
    ),
    ("padding", .malformedIdentity(.padding), { raw, _, _ in raw.padding = 1 }),
    ("too much padding", .malformedIdentity(.padding), { raw, _, _ in raw.byteCount = 2048 }),
    ("far too much padding", .malformedIdentity(.padding), { raw, _, _ in raw.byteCount = 8192 }),
    (
      "another document", .documentMismatch,
      { raw, _, _ in raw.document = Array(#"{"verificationMethod":[]}"#.utf8) }
    ),
    ("another hash", .documentMismatch, { raw, _, _ in raw.documentHash[31] ^= 1 }),
    ("a changed signature", .invalidSignature, { raw, _, _ in raw.ed25519[5] ^= 1 }),
    ("a zero signature", .invalidSignature, { raw, _, _ in raw.ed25519 = [UInt8](repeating: 0, count: 64) }),
    ("changed extensions", .invalidSignature, { raw, _, _ in raw.extensions = [1] }),
    (
      "over another h", .invalidSignature,
      { raw, statement, key in
        raw.sign(
          h: SHA256.hash(statement.h), s: statement.s, audience: Array((statement.audience?.string ?? "").utf8),
          key: key)
      }
    ),
    (
      "over another s", .invalidSignature,
      { raw, statement, key in
        raw.sign(
          h: statement.h, s: SHA256.hash(statement.s), audience: Array((statement.audience?.string ?? "").utf8),
          key: key)
      }
    ),
    (
      "to somebody else", .invalidSignature,
      { raw, statement, key in
        raw.sign(h: statement.h, s: statement.s, audience: Array("did:web:else.example".utf8), key: key)
      }
    ),
    (
      "as the other role", .invalidSignature,
      { raw, statement, key in
        raw.sign(
          h: statement.h, s: statement.s, audience: Array((statement.audience?.string ?? "").utf8),
          role: raw.role ^ 0x1B,
          key: key)
      }
    ),
    (
      "by another key", .invalidSignature,
      { raw, statement, _ in
        raw.sign(
          h: statement.h, s: statement.s, audience: Array((statement.audience?.string ?? "").utf8),
          key: Ed25519.SigningKey())
      }
    ),
    (
      "a fragment that names nothing", .unusableKey(.noAuthenticationKey("key-9")),
      { raw, statement, key in
        raw.keyFragment = Array("key-9".utf8)
        raw.sign(h: statement.h, s: statement.s, audience: Array((statement.audience?.string ?? "").utf8), key: key)
      }
    ),
  ]

  @Test("each forged payload ends message 3", arguments: malformed.indices)
  func forgedByInitiator(index: Int) throws {
    let attack = Self.malformed[index]
    #expect(try responderError(handshake, attack.forge) == attack.error, "\(attack.name)")
  }

  @Test("each forged payload ends message 2", arguments: malformed.indices)
  func forgedByResponder(index: Int) throws {
    let attack = Self.malformed[index]
    #expect(try initiatorError(handshake, attack.forge) == attack.error, "\(attack.name)")
  }

  @Test("what is signed anew and true passes: the forgeries fail for their faults alone")
  func honest() throws {
    #expect(try responderError(handshake) { _, _, _ in } == nil)
    #expect(try initiatorError(handshake) { _, _, _ in } == nil)
    let resigned: Forgery = { raw, statement, key in
      raw.extensions = [UInt8](repeating: 7, count: 256)
      raw.sign(h: statement.h, s: statement.s, audience: Array((statement.audience?.string ?? "").utf8), key: key)
    }
    #expect(try responderError(handshake, resigned) == nil)
    #expect(try initiatorError(handshake, resigned) == nil)
    // The initiator may leave its document out where the responder has it.
    #expect(try responderError(handshake) { raw, _, _ in raw.document = [] } == nil)
  }

  @Test("the right signature under the other side's role")
  func roles() throws {
    #expect(try responderError(handshake) { raw, _, _ in raw.role = 0x52 } == .wrongRole(0x52))
    #expect(try initiatorError(handshake) { raw, _, _ in raw.role = 0x49 } == .wrongRole(0x49))
  }

  @Test("a peer_did that is empty or wrong in message 3, or there in message 2")
  func audience() throws {
    let forge: @Sendable ([UInt8]) -> Forgery = { audience in
      { raw, statement, key in raw.sign(h: statement.h, s: statement.s, audience: audience, key: key) }
    }
    let responder = Array(handshake.responder.identity.did.string.utf8)
    #expect(try responderError(handshake, forge(responder)) == nil)
    #expect(try responderError(handshake, forge([])) == .invalidSignature)
    #expect(try responderError(handshake, forge(responder + [0])) == .invalidSignature)
    #expect(try initiatorError(handshake, forge([])) == nil)
    #expect(
      try initiatorError(handshake, forge(Array(handshake.initiator.identity.did.string.utf8))) == .invalidSignature)
  }

  @Test("another DID than the one dialled or resolved")
  func wrongDID() throws {
    let stranger = try Party(7).identity
    #expect(
      try responderError(handshake, resolving: stranger) { _, _, _ in }
        == .wrongDID(found: handshake.initiator.identity.did.string))
    #expect(
      try initiatorError(handshake) { raw, _, _ in raw.did = Array(stranger.did.string.utf8) }
        == .wrongDID(found: stranger.did.string))
    #expect(
      try initiatorError(handshake) { raw, _, _ in raw.did = Array("did:web:maker.example".utf8) }
        == .wrongDID(found: "did:web:maker.example"))
  }

  @Test("one key under two DIDs: a signature as one is not one as the other")
  func unknownKeyShare() throws {
    let victim = try Party.web(4, host: "victim.example")
    let thief = try Party(
      4, identity: PeerIdentity(document: Party.document("did:web:thief.example", key: victim.ed25519.publicKey)),
      ed25519: victim.ed25519)
    let shared = Handshake(victim, handshake.responder)
    #expect(
      try responderError(shared, resolving: thief.identity) { raw, _, _ in
        raw.did = Array("did:web:thief.example".utf8)
        raw.documentHash = thief.identity.documentHash
      } == .invalidSignature)
    #expect(try responderError(shared) { _, _, _ in } == nil)
  }

  @Test("a key that is in the document but not for authentication, or of another controller")
  func keyUse() throws {
    let second = Ed25519.SigningKey(seed: SecretBytes(repeating: 0x44, count: 32))
    let first = Ed25519.SigningKey(seed: SecretBytes(repeating: 4, count: 32)).publicKey
    let text = try (Party.multikey(first.raw), Party.multikey(second.publicKey.raw))
    for use in ["assertionMethod", "keyAgreement", "capabilityInvocation"] {
      let party = try Party.web(4) { did in
        [
          ("verificationMethod", [Party.method(did, "key-1", text.0), Party.method(did, "key-2", text.1)]),
          (use, .array([.string("\(did)#key-2")])),
        ]
      }
      let forge: Forgery = { raw, statement, _ in
        raw.keyFragment = Array("key-2".utf8)
        raw.sign(
          h: statement.h, s: statement.s, audience: Array((statement.audience?.string ?? "").utf8), key: second)
      }
      let error = HandshakeError.unusableKey(.notForAuthentication("key-2"))
      #expect(try responderError(Handshake(party, handshake.responder), forge) == error)
      #expect(try initiatorError(Handshake(handshake.initiator, party), forge) == error)
    }
    let other: JSONValue = [
      "id": "did:web:maker.example#key-2", "type": "Multikey", "controller": "did:web:else.example",
      "publicKeyMultibase": .string(text.1),
    ]
    let controlled = try Party.web(4) { did in
      [
        ("verificationMethod", [Party.method(did, "key-1", text.0), other]),
        ("authentication", [.string("\(did)#key-1"), .string("\(did)#key-2")]),
      ]
    }
    let error = try responderError(Handshake(controlled, handshake.responder)) { raw, statement, _ in
      raw.keyFragment = Array("key-2".utf8)
      raw.sign(h: statement.h, s: statement.s, audience: Array((statement.audience?.string ?? "").utf8), key: second)
    }
    #expect(error == .unusableKey(.wrongController("did:web:else.example")))
  }

  @Test("a second key for authentication signs as well as the first, and the channel says which did")
  func secondKey() throws {
    let second = Ed25519.SigningKey(seed: SecretBytes(repeating: 0x44, count: 32))
    let text = try Party.multikey(second.publicKey.raw)
    let party = try Party.web(4) { did in
      [
        (
          "verificationMethod",
          [
            Party.method(
              did, "key-1",
              try! Party.multikey(Ed25519.SigningKey(seed: SecretBytes(repeating: 4, count: 32)).publicKey.raw)),
            Party.method(did, "key-2", text),
          ]
        ),
        ("authentication", [.string("\(did)#key-1"), .string("\(did)#key-2")]),
      ]
    }
    let signer = try LocalSigner(
      identity: PeerIdentity(document: party.identity.document, keyFragment: "key-2"), ed25519: second)
    var initiator = Handshake(handshake.initiator, party).makeInitiator()
    var responder = Responder(signer: signer, staticKey: party.staticKey, randomness: .numbered(0x31))
    let two = try responder.receiveMessage1(initiator.message1, prologue: Handshake.prologue)
    _ = try responder.openMessage3(initiator.receiveMessage2(two))
    try initiator.receiveAccept(responder.accept(handshake.initiator.identity))
    let channel = initiator.split()
    #expect(channel.peer.keyFragment == "key-2")
  }

  @Test("suite 2 stripped to 1, forged in either half, and claimed without a key for it")
  func suites() throws {
    let strong = try Handshake(postQuantum: true)
    let strip: Forgery = { raw, statement, key in
      (raw.suite, raw.mldsa65) = (1, [])
      raw.sign(h: statement.h, s: statement.s, audience: Array((statement.audience?.string ?? "").utf8), key: key)
    }
    #expect(try responderError(strong, strip) == .wrongSuite(found: 1))
    #expect(try initiatorError(strong, strip) == .wrongSuite(found: 1))
    #expect(try responderError(strong) { _, _, _ in } == nil)
    #expect(try initiatorError(strong) { _, _, _ in } == nil)
    #expect(try responderError(strong) { raw, _, _ in raw.mldsa65[1000] ^= 1 } == .invalidSignature)
    #expect(try initiatorError(strong) { raw, _, _ in raw.mldsa65[1000] ^= 1 } == .invalidSignature)
    #expect(try responderError(strong) { raw, _, _ in raw.ed25519[0] ^= 1 } == .invalidSignature)
    let claim: Forgery = { raw, statement, key in
      (raw.suite, raw.mldsa65) = (2, [UInt8](repeating: 1, count: 3309))
      raw.sign(h: statement.h, s: statement.s, audience: Array((statement.audience?.string ?? "").utf8), key: key)
    }
    #expect(try responderError(handshake, claim) == .wrongSuite(found: 2))
    #expect(try initiatorError(handshake, claim) == .wrongSuite(found: 2))
  }

  @Test("a document for a DID that is not a did:peer:4, and a document hash that is stale")
  func documents() throws {
    let web = try Party.web(4)
    let fromWeb = Handshake(web, handshake.responder)
    #expect(
      try responderError(fromWeb) { raw, _, _ in raw.document = web.identity.documentBytes }
        == .malformedIdentity(.document))
    let renewed = try Party.web(4) { _ in [("alsoKnownAs", ["did:web:other.example"])] }
    #expect(renewed.identity.did == web.identity.did)
    #expect(try responderError(fromWeb, resolving: renewed.identity) { _, _, _ in } == .documentMismatch)
    #expect(
      try initiatorError(Handshake(handshake.initiator, web), knowing: renewed.identity) { _, _, _ in }
        == .documentMismatch)
  }

  @Test("the claim has what the resolver needs")
  func claim() throws {
    for handshake in [
      self.handshake, try Handshake(postQuantum: true), Handshake(try Party.web(4), self.handshake.responder),
    ] {
      var initiator = handshake.makeInitiator()
      var responder = handshake.makeResponder()
      let two = try responder.receiveMessage1(initiator.message1, prologue: Handshake.prologue)
      let claim = try responder.openMessage3(initiator.receiveMessage2(two))
      let identity = handshake.initiator.identity
      #expect(claim.did == identity.did && claim.keyFragment == identity.keyFragment)
      #expect(claim.suite == identity.suite && claim.documentHash == identity.documentHash)
      #expect(claim.documentBytes == (identity.did.method == .peer4 ? identity.documentBytes : nil))
    }
  }

  @Test("a payload cut at every field boundary and after it is malformed, never a trap")
  func cuts() throws {
    let payload = RawPayload(
      IdentityStatement(h: SHA256.hash(), s: SHA256.hash(), audience: nil).signed(
        by: handshake.initiator.signer, role: .initiator, documentHash: SHA256.hash(), sendsDocument: true)
    ).encoded
    #expect(throws: Never.self) { try IdentityPayload(payload, from: .initiator) }
    for count in 0..<payload.count {
      #expect(throws: HandshakeError.malformedIdentity(.padding)) {
        try IdentityPayload(Array(payload[..<count]), from: .initiator)
      }
    }
    let identity = handshake.initiator.identity
    let signatureStart = 2 + 2 + identity.did.string.utf8.count + 2 + identity.keyFragment.utf8.count + 32 + 1 + 2
    // Zeros from any offset on leave lengths that are zero, or parts that are; some field says so.
    for offset in 0..<payload.lastIndex(where: { $0 != 0 })! {
      var cut = payload
      for index in offset..<cut.count { cut[index] = 0 }
      let error = failure { () throws(HandshakeError) in _ = try IdentityPayload(cut, from: .initiator) }
      // From the signature on zeros are content and empty parts; those are for the later checks.
      #expect(error != nil || offset >= signatureStart, "offset \(offset)")
    }
    // Each length in turn says 65535.
    for offset in 0..<payload.count - 1 {
      var long = payload
      (long[offset], long[offset + 1]) = (0xFF, 0xFF)
      _ = failure { () throws(HandshakeError) in _ = try IdentityPayload(long, from: .initiator) }
    }
  }
}
