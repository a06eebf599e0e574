import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyHandshake

/// Messages changed, cut, replayed, reordered or reflected, by somebody between the two sides.
@Suite("Attacks on the transcript")
struct TranscriptAttackTests {
  let handshake: Handshake
  let messages: (one: [UInt8], two: [UInt8], three: [UInt8], accept: [UInt8])

  init() throws {
    handshake = try Handshake()
    messages = try handshake.messages()
  }

  /// What a fresh responder makes of a message 1.
  func responderError(_ message1: [UInt8]) -> HandshakeError? {
    failure { () throws(HandshakeError) in
      var responder = handshake.makeResponder()
      _ = try responder.receiveMessage1(message1, prologue: Handshake.prologue)
    }
  }

  /// What a fresh initiator makes of a message 2.
  func initiatorError(_ message2: [UInt8], in handshake: Handshake? = nil) -> HandshakeError? {
    failure { () throws(HandshakeError) in
      var initiator = (handshake ?? self.handshake).makeInitiator()
      _ = try initiator.receiveMessage2(message2)
    }
  }

  /// What a responder that sent message 2 makes of a message 3.
  func responderError(message3: [UInt8], in handshake: Handshake? = nil) -> HandshakeError? {
    failure { () throws(HandshakeError) in
      var responder = (handshake ?? self.handshake).makeResponder()
      _ = try responder.receiveMessage1(messages.one, prologue: Handshake.prologue)
      _ = try responder.openMessage3(message3)
    }
  }

  @Test("the untouched messages pass")
  func untouched() {
    #expect(responderError(messages.one) == nil)
    #expect(initiatorError(messages.two) == nil)
    #expect(responderError(message3: messages.three) == nil)
  }

  @Test("every changed byte of message 1 is refused before any key is touched")
  func changedMessage1() {
    for offset in messages.one.indices {
      var changed = messages.one
      changed[offset] ^= 0x01
      let expected: HandshakeError =
        switch offset {
        case 1216..<1218: .unsupportedVersion(offset == 1216 ? 0x0101 : 0x0000)
        case 1218..<1220: .unsupportedFlags(offset == 1218 ? 0x0100 : 0x0001)
        default: .wrongAuthenticator
        }
      #expect(responderError(changed) == expected, "offset \(offset)")
    }
  }

  @Test("a changed message 1 with its authenticator made right fails at message 2")
  func forgedMessage1() throws {
    for offset in stride(from: 0, to: 1260, by: 9) where !(1216..<1220).contains(offset) {
      var changed = messages.one
      changed[offset] ^= 0x80
      let key = SHA256.hash(Array("parley/psc1 mac1".utf8), Array(handshake.responder.identity.did.string.utf8))
      changed.replaceSubrange(1260..., with: HMACSHA256.authenticate(Array(changed[..<1260]), key: key)[..<16])
      var responder = handshake.makeResponder()
      do throws(HandshakeError) {
        let two = try responder.receiveMessage1(changed, prologue: Handshake.prologue)
        #expect(initiatorError(two) == .decryptionFailed(.two), "offset \(offset)")
      } catch {
        #expect(error == .invalidEncapsulationKey && (32..<1184).contains(offset), "offset \(offset)")
      }
    }
  }

  @Test("every changed byte of message 2 is refused")
  func changedMessage2() {
    for offset in messages.two.indices {
      var changed = messages.two
      changed[offset] ^= 0x80
      #expect(initiatorError(changed) == .decryptionFailed(.two), "offset \(offset)")
    }
  }

  @Test("every changed byte of message 3 is refused")
  func changedMessage3() {
    for offset in messages.three.indices {
      var changed = messages.three
      changed[offset] ^= 0x01
      #expect(responderError(message3: changed) == .decryptionFailed(.three), "offset \(offset)")
    }
  }

  @Test("the same in suite 2, at every 41st offset")
  func changedSuite2() throws {
    let handshake = try Handshake(postQuantum: true)
    let messages = try handshake.messages()
    #expect(messages.two.count == 1200 + 4096 && messages.three.count == 64 + 8192)
    for offset in stride(from: 0, to: messages.two.count, by: 41) {
      var changed = messages.two
      changed[offset] ^= 0x04
      #expect(initiatorError(changed, in: handshake) == .decryptionFailed(.two), "offset \(offset)")
    }
    var responder = handshake.makeResponder()
    var initiator = handshake.makeInitiator()
    let two = try responder.receiveMessage1(initiator.message1, prologue: Handshake.prologue)
    var three = try initiator.receiveMessage2(two)
    three[4000] ^= 0x04
    #expect(throws: HandshakeError.decryptionFailed(.three)) { try responder.openMessage3(three) }
  }

  @Test("no other length passes, from nothing to twice the message")
  func lengths() {
    for count in [0, 1, 35, 1275, 1277, 2552] {
      let message = Array((messages.one + messages.one)[..<count])
      #expect(responderError(message) == .wrongMessageLength(.one, count))
    }
    for count in [0, 35, 1200, 2223, 2225, 3247, 3248 + 1, 10_000] {
      let message = [UInt8]((messages.two + [UInt8](repeating: 0, count: 10_000))[..<count])
      #expect(initiatorError(message) == .wrongMessageLength(.two, count))
    }
    for count in [0, 64, 1087, 1089, 2111, 10_000] {
      let message = [UInt8]((messages.three + [UInt8](repeating: 0, count: 10_000))[..<count])
      #expect(responderError(message3: message) == .wrongMessageLength(.three, count))
    }
    // The length of another bucket is a length, and then the rest does not fit.
    #expect(
      initiatorError(messages.two + [UInt8](repeating: 0, count: 1024)) == .decryptionFailed(.two))
  }

  @Test("a message 2 of another session, and a message 3 replayed to the same or another responder")
  func otherSessions() throws {
    var other = handshake
    other.initiatorNumber = 0x11
    other.responderNumber = 0x22
    let foreign = try other.messages()
    #expect(initiatorError(foreign.two) == .decryptionFailed(.two))
    #expect(responderError(message3: foreign.three) == .decryptionFailed(.three))
    // The very message 1 again: a fresh message 2, and the recorded message 3 does not fit it.
    var fresh = handshake
    fresh.responderNumber = 0x33
    #expect(responderError(message3: messages.three, in: fresh) == .decryptionFailed(.three))
    var stranger = handshake
    stranger.responder = try Party(3)
    #expect(
      failure { () throws(HandshakeError) in
        var responder = stranger.makeResponder()
        _ = try responder.receiveMessage1(messages.one, prologue: Handshake.prologue)
      } == .wrongAuthenticator)
  }

  @Test("messages out of order or twice end both machines")
  func order() throws {
    var responder = handshake.makeResponder()
    #expect(throws: HandshakeError.unexpectedMessage) { try responder.openMessage3(messages.three) }
    #expect(throws: HandshakeError.ended) {
      try responder.receiveMessage1(messages.one, prologue: Handshake.prologue)
    }

    responder = handshake.makeResponder()
    _ = try responder.receiveMessage1(messages.one, prologue: Handshake.prologue)
    #expect(throws: HandshakeError.wrongMessageLength(.three, 1276)) { try responder.openMessage3(messages.one) }
    #expect(throws: HandshakeError.ended) { try responder.openMessage3(messages.three) }
    #expect(throws: HandshakeError.ended) { try responder.accept(handshake.initiator.identity) }
    #expect(throws: HandshakeError.ended) { try responder.refuse(handshake.initiator.identity, .busy) }

    responder = handshake.makeResponder()
    _ = try responder.receiveMessage1(messages.one, prologue: Handshake.prologue)
    #expect(throws: HandshakeError.unexpectedMessage) {
      try responder.receiveMessage1(messages.one, prologue: Handshake.prologue)
    }

    var initiator = handshake.makeInitiator()
    #expect(throws: HandshakeError.unexpectedMessage) { try initiator.receiveAccept(messages.accept) }
    #expect(throws: HandshakeError.ended) { try initiator.receiveMessage2(messages.two) }
    #expect(throws: HandshakeError.ended) { try initiator.receiveAccept(messages.accept) }

    initiator = handshake.makeInitiator()
    _ = try initiator.receiveMessage2(messages.two)
    #expect(throws: HandshakeError.unexpectedMessage) { try initiator.receiveMessage2(messages.two) }
    #expect(throws: HandshakeError.ended) { try initiator.receiveAccept(messages.accept) }
  }

  @Test("anything before the answer ends the responder, whether it is a record or message 3 again")
  func recordBeforeAccept() throws {
    for early in [messages.three, [UInt8](repeating: 0, count: 84)] {
      var responder = handshake.makeResponder()
      _ = try responder.receiveMessage1(messages.one, prologue: Handshake.prologue)
      _ = try responder.openMessage3(messages.three)
      #expect(throws: HandshakeError.unexpectedMessage) { try responder.openMessage3(early) }
      #expect(throws: HandshakeError.ended) { try responder.accept(handshake.initiator.identity) }
    }
  }

  @Test("message 1 reflected to its sender")
  func reflection() throws {
    let dialler = handshake.initiator
    var mirror = Responder(signer: dialler.signer, staticKey: dialler.staticKey, randomness: .numbered(0x77))
    #expect(throws: HandshakeError.wrongAuthenticator) {
      try mirror.receiveMessage1(messages.one, prologue: Handshake.prologue)
    }
    // An attacker who knows the dialler's DID too makes the authenticator right.
    let readdressed = Message1(
      e: Array(messages.one[..<32]), e1: Array(messages.one[32..<1216]), to: dialler.identity.did)
    mirror = Responder(signer: dialler.signer, staticKey: dialler.staticKey, randomness: .numbered(0x77))
    let two = try mirror.receiveMessage1(readdressed.bytes, prologue: Handshake.prologue)
    #expect(initiatorError(two) == .decryptionFailed(.two))
    // And a random generator that repeats itself is noticed.
    mirror = Responder(signer: dialler.signer, staticKey: dialler.staticKey, randomness: .numbered(0xA1))
    #expect(throws: HandshakeError.reflectedKey) {
      try mirror.receiveMessage1(readdressed.bytes, prologue: Handshake.prologue)
    }
  }

  @Test("a node that dials itself, or another with its DID")
  func selfDial() throws {
    var own = handshake
    own.responder = own.initiator
    #expect(throws: HandshakeError.reflectedKey) { try own.messages() }
    var initiator = own.makeInitiator()
    var responder = Responder(signer: own.responder.signer, staticKey: X25519.PrivateKey())
    let two = try responder.receiveMessage1(initiator.message1, prologue: Handshake.prologue)
    #expect(throws: HandshakeError.ownDID) { try initiator.receiveMessage2(two) }

    var rogue = RogueInitiator(handshake.responder, to: handshake.responder.identity)
    responder = Responder(signer: handshake.responder.signer, staticKey: X25519.PrivateKey())
    let answer = try responder.receiveMessage1(rogue.message1, prologue: Handshake.prologue)
    let three = try rogue.message3(answering: answer)
    #expect(throws: HandshakeError.ownDID) { try responder.openMessage3(three) }
  }

  @Test("the same static or ephemeral key on both sides")
  func sharedKeys() throws {
    var rogue = RogueResponder(handshake.responder)
    var initiator = handshake.makeInitiator()
    rogue.shownE = Array(initiator.message1[..<32])
    let echoed = try rogue.message2(answering: initiator.message1)
    #expect(throws: HandshakeError.reflectedKey) { try initiator.receiveMessage2(echoed) }

    rogue = RogueResponder(handshake.responder)
    rogue.shownS = handshake.initiator.staticKey.publicKey
    initiator = handshake.makeInitiator()
    let two = try rogue.message2(answering: initiator.message1)
    #expect(throws: HandshakeError.reflectedKey) { try initiator.receiveMessage2(two) }

    var other = RogueInitiator(handshake.initiator, to: handshake.responder.identity)
    other.shownS = handshake.responder.staticKey.publicKey
    var responder = handshake.makeResponder()
    let three = try other.message3(
      answering: responder.receiveMessage1(other.message1, prologue: Handshake.prologue))
    #expect(throws: HandshakeError.reflectedKey) { try responder.openMessage3(three) }
  }

  @Test("small-order keys in every place", arguments: [0, 1, 2, 3, 4, 5, 6])
  func smallOrder(index: Int) throws {
    let points = [
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]
    let point = try #require([UInt8](hex: points[index]))
    var dialler = RogueInitiator(handshake.initiator, to: handshake.responder.identity)
    dialler.shownE = point
    #expect(responderError(dialler.message1) == .zeroSharedSecret)

    for place in ["e", "s"] {
      var rogue = RogueResponder(handshake.responder)
      if place == "e" { rogue.shownE = point } else { rogue.shownS = point }
      var initiator = handshake.makeInitiator()
      let two = try rogue.message2(answering: initiator.message1)
      #expect(throws: HandshakeError.zeroSharedSecret) { try initiator.receiveMessage2(two) }
    }

    dialler = RogueInitiator(handshake.initiator, to: handshake.responder.identity)
    dialler.shownS = point
    var responder = handshake.makeResponder()
    let three = try dialler.message3(
      answering: responder.receiveMessage1(dialler.message1, prologue: Handshake.prologue))
    #expect(throws: HandshakeError.zeroSharedSecret) { try responder.openMessage3(three) }
  }

  @Test("a KEM key that is not reduced, and ciphertexts that are random, zero or for another key")
  func kem() throws {
    var dialler = RogueInitiator(handshake.initiator, to: handshake.responder.identity)
    var key = dialler.e1.encapsulationKey
    key[0] = 0x01
    key[1] = key[1] & 0xF0 | 0x0D  // 3329
    dialler.shownE1 = key
    #expect(responderError(dialler.message1) == .invalidEncapsulationKey)

    let other = try MLKEM768.encapsulate(to: MLKEM768.DecapsulationKey().encapsulationKey).ciphertext
    for replacement in [other, SystemRandom.bytes(1088), [UInt8](repeating: 0, count: 1088)] {
      var rogue = RogueResponder(handshake.responder)
      rogue.changeCiphertext = { _ in replacement }
      var initiator = handshake.makeInitiator()
      let two = try rogue.message2(answering: initiator.message1)
      #expect(throws: HandshakeError.decryptionFailed(.two)) { try initiator.receiveMessage2(two) }
    }
  }

  @Test("a responder that spells the protocol's name with hyphens")
  func hyphens() throws {
    var rogue = RogueResponder(handshake.responder)
    rogue.protocolName = "Noise_XXhfs_25519+ML-KEM-768_AESGCM_SHA256"
    var initiator = handshake.makeInitiator()
    let two = try rogue.message2(answering: initiator.message1)
    #expect(throws: HandshakeError.decryptionFailed(.two)) { try initiator.receiveMessage2(two) }
    rogue = RogueResponder(handshake.responder)
    initiator = handshake.makeInitiator()
    let right = try rogue.message2(answering: initiator.message1)
    #expect(throws: Never.self) { try initiator.receiveMessage2(right) }
  }
}
