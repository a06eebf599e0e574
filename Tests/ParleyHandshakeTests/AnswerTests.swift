import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyHandshake

@Suite("The responder's answer")
struct AnswerTests {
  let handshake: Handshake

  init() throws { handshake = try Handshake() }

  /// What the initiator makes of a record that the responder's keys seal first.
  func initiatorError(sealing answer: (inout RecordDirection) throws(HandshakeError) -> [UInt8]) throws
    -> HandshakeError?
  {
    var rogue = RogueResponder(handshake.responder)
    var initiator = handshake.makeInitiator()
    let three = try initiator.receiveMessage2(rogue.message2(answering: initiator.message1))
    let schedule = try rogue.schedule(after: three)
    var sending = RecordDirection(sender: .responder, secret: schedule.secret(.responderToInitiator))
    do throws(HandshakeError) {
      try initiator.receiveAccept(try answer(&sending))
    } catch {
      #expect(throws: HandshakeError.ended) { try initiator.receiveAccept([]) }
      return error
    }
    return nil
  }

  func initiatorError(_ type: UInt8, _ body: [UInt8]) throws -> HandshakeError? {
    try initiatorError { (sending: inout RecordDirection) throws(HandshakeError) in
      var record = [UInt8]()
      try sending.seal(type: type, body.rawSpan, reserving: .nothing, into: &record)
      return record
    }
  }

  var body: AcceptBody {
    AcceptBody(
      initiator: handshake.initiator.identity.did, responder: handshake.responder.identity.did,
      resumeID: [UInt8](repeating: 1, count: 16), priorityTokens: [UInt8](repeating: 2, count: 128))
  }

  @Test("both suites open a session that names both sides and carries records")
  func opens() throws {
    for postQuantum in [false, true] {
      let handshake = try Handshake(postQuantum: postQuantum)
      var channels = try handshake.channels()
      #expect(channels.initiator.peer == handshake.responder.identity)
      #expect(channels.responder.peer == handshake.initiator.identity)
      #expect(channels.initiator.transcriptHash == channels.responder.transcriptHash)
      #expect(channels.initiator.exporter.copied == channels.responder.exporter.copied)
      let there = try channels.responder.open(channels.initiator.seal(.application, [1, 2, 3]))
      #expect(there.type == .application && there.body == [1, 2, 3])
      let back = try channels.initiator.open(channels.responder.seal(.application, [4]))
      #expect(back.type == .application && back.body == [4])
    }
  }

  @Test("the right ACCEPT passes, whatever its name and tokens")
  func accept() throws {
    #expect(try initiatorError(RecordType.accept.rawValue, body.encoded) == nil)
  }

  @Test("an ACCEPT for other DIDs")
  func otherDIDs() throws {
    let other = try Party(9).identity.did
    for change: (inout AcceptBody) -> Void in [
      { $0.initiator = other }, { $0.responder = other }, { swap(&$0.initiator, &$0.responder) },
    ] {
      var changed = body
      change(&changed)
      #expect(try initiatorError(RecordType.accept.rawValue, changed.encoded) == .acceptedForOthers)
    }
  }

  @Test("an ACCEPT cut anywhere, with more behind it, or with limits")
  func malformed() throws {
    let encoded = body.encoded
    let (one, other) = (body.initiator, body.responder)
    for count in encoded.indices {
      #expect(
        failure { () throws(HandshakeError) in
          _ = try AcceptBody(encoded.rawSpan.extracting(0..<count), initiator: one, responder: other)
        } == .malformedAnswer)
    }
    let limits = Array(encoded.dropLast(2)) + [0, 1, 9]
    for wrong in [encoded + [0], limits, []] {
      #expect(try initiatorError(RecordType.accept.rawValue, wrong) == .malformedAnswer)
    }
  }

  @Test(
    "any other record first: application data, CLOSE, a reserved or unknown type",
    arguments: [0, 3, 4, 7, 16, 17, 255] as [UInt8])
  func otherType(type: UInt8) throws {
    #expect(try initiatorError(type, []) == .unexpectedRecordType(type))
  }

  @Test("the ACCEPT dropped: the next record does not open")
  func dropped() throws {
    let encoded = body.encoded
    let error = try initiatorError { (sending: inout RecordDirection) throws(HandshakeError) in
      var record = [UInt8]()
      try sending.seal(type: 1, encoded.rawSpan, reserving: .nothing, into: &record)
      record.removeAll()
      try sending.seal(type: 1, encoded.rawSpan, reserving: .nothing, into: &record)
      return record
    }
    #expect(error == .recordDecryptionFailed)
  }

  @Test("every changed byte of ACCEPT, and every cut")
  func changed() throws {
    let accept = try handshake.messages().accept
    func error(_ record: [UInt8]) throws -> HandshakeError? {
      var initiator = handshake.makeInitiator()
      var responder = handshake.makeResponder()
      _ = try initiator.receiveMessage2(responder.receiveMessage1(initiator.message1, prologue: Handshake.prologue))
      return failure { () throws(HandshakeError) in try initiator.receiveAccept(record) }
    }
    #expect(try error(accept) == nil)
    for offset in stride(from: 0, to: accept.count, by: 5) {
      var changed = accept
      changed[offset] ^= 0x10
      let found = try error(changed)
      #expect(found == (offset < 4 ? .unexpectedEpoch(0x10 << (24 - 8 * UInt32(offset))) : .recordDecryptionFailed))
      #expect(try error(Array(accept[..<offset])) != nil)
    }
  }

  @Test("a refusal reaches the initiator with its code, also one of a later version")
  func refusal() throws {
    for code in [.busy, .duplicate, .shuttingDown, RefusalCode(rawValue: 0xFFFF)] as [RefusalCode] {
      var initiator = handshake.makeInitiator()
      var responder = handshake.makeResponder()
      let two = try responder.receiveMessage1(initiator.message1, prologue: Handshake.prologue)
      _ = try responder.openMessage3(initiator.receiveMessage2(two))
      let record = try responder.refuse(handshake.initiator.identity, code)
      #expect(record.count == 84)
      #expect(throws: HandshakeError.refused(code)) { try initiator.receiveAccept(record) }
      #expect(throws: HandshakeError.ended) { try responder.accept(handshake.initiator.identity) }
    }
    for wrong in [[], [1], [0, 1, 0]] as [[UInt8]] {
      #expect(try initiatorError(RecordType.refuse.rawValue, wrong) == .malformedAnswer)
    }
  }

  @Test("nobody is refused in the clear: a refusal needs a verified peer")
  func refusalNeedsVerification() throws {
    var initiator = handshake.makeInitiator()
    var responder = handshake.makeResponder()
    let two = try responder.receiveMessage1(initiator.message1, prologue: Handshake.prologue)
    _ = try responder.openMessage3(initiator.receiveMessage2(two))
    #expect(throws: HandshakeError.wrongDID(found: handshake.initiator.identity.did.string)) {
      try responder.refuse(Party(9).identity, .busy)
    }
  }
}

@Suite("Calls that the driver must not make")
struct OrderTests {
  @Test("split before the responder accepted")
  func earlySplit() async {
    await #expect(processExitsWith: .failure) { _ = try Handshake().makeInitiator().split() }
    await #expect(processExitsWith: .failure) { _ = try Handshake().makeResponder().split() }
    await #expect(processExitsWith: .failure) {
      let handshake = try Handshake()
      var responder = handshake.makeResponder()
      _ = try responder.receiveMessage1(handshake.messages().one, prologue: Handshake.prologue)
      _ = try responder.openMessage3(handshake.messages().three)
      _ = responder.split()
    }
  }

  @Test("the prologue twice, or not at all")
  func prologue() async {
    await #expect(processExitsWith: .failure) {
      var initiator = try Handshake().makeInitiator()
      initiator.begin(prologue: Handshake.prologue)
    }
    await #expect(processExitsWith: .failure) {
      let handshake = try Handshake()
      var initiator = Initiator(signer: handshake.initiator.signer, responder: handshake.responder.identity)
      _ = try initiator.receiveMessage2([])
    }
  }

  @Test("an answer before message 3, or a second one")
  func answers() async {
    await #expect(processExitsWith: .failure) {
      let handshake = try Handshake()
      var responder = handshake.makeResponder()
      _ = try responder.accept(handshake.initiator.identity)
    }
    await #expect(processExitsWith: .failure) {
      let handshake = try Handshake()
      var responder = handshake.makeResponder()
      _ = try responder.receiveMessage1(handshake.messages().one, prologue: Handshake.prologue)
      _ = try responder.openMessage3(handshake.messages().three)
      _ = try responder.accept(handshake.initiator.identity)
      _ = try responder.accept(handshake.initiator.identity)
    }
  }
}
