import ParleyCrypto
import ParleyIdentity
import ParleyWire
import Testing

@testable import ParleyHandshake

@Suite("Resumption")
struct ResumptionTests {
  static let streams = [StreamPosition(stream: 0, last: 7), StreamPosition(stream: 9, last: .max)]

  /// A later session of the same parties, or of other ones, with another transcript.
  static func later(_ initiator: Party? = nil, _ responder: Party? = nil) throws -> Session {
    var handshake = try Handshake()
    handshake.initiator = initiator ?? handshake.initiator
    handshake.responder = responder ?? handshake.responder
    handshake.initiatorNumber = 0x77
    handshake.responderNumber = 0x78
    return try Session(handshake: handshake)
  }

  /// Asks in a later session, and gives what the responder finds and the initiator learns.
  static func ask(
    _ session: inout Session, _ old: ResumableSession, _ table: inout ResumptionTable, after age: Duration = .zero
  ) throws -> (found: [StreamPosition]?, own: [StreamPosition]?, learned: [StreamPosition]?) {
    var record = [UInt8]()
    try session.initiator.resume(old, streams: [StreamPosition(stream: 0, last: 3)], into: &record)
    #expect(try session.responder.open(record).type == .resume)
    var answer = [UInt8]()
    let found = try session.responder.answerResume(from: &table, now: session.now + age, into: &answer)
    #expect(try session.initiator.open(answer).type == .resumed)
    return (found?.peer, found?.own, session.initiator.resumedStreams)
  }

  @Test("both sides learn how far the other had come, once")
  func resumes() throws {
    let old = try Session()
    let (mine, theirs) = (old.initiator.resumable, old.responder.resumable)
    #expect(mine.resumeID == theirs.resumeID)
    var session = try Self.later()
    var table = ResumptionTable()
    table.insert(theirs, streams: Self.streams, now: session.now)
    let answer = try Self.ask(&session, mine, &table)
    #expect(answer.found == [StreamPosition(stream: 0, last: 3)])
    #expect(answer.own == Self.streams && answer.learned == Self.streams)
    #expect(table.count == 0)
    try session.talk(1)
    // A second attempt, as two connections at once would make it, starts afresh.
    var second = try Self.later()
    let again = try Self.ask(&second, mine, &table)
    #expect(again.found == nil && again.learned == nil)
    try second.talk(2)
  }

  @Test("an hour, and a moment more", arguments: [(0, true), (1, false)] as [(Int64, Bool)])
  func expiry(nanoseconds: Int64, resumes: Bool) throws {
    let old = try Session()
    var session = try Self.later()
    var table = ResumptionTable()
    table.insert(old.responder.resumable, streams: [], now: session.now)
    let answer = try Self.ask(
      &session, old.initiator.resumable, &table, after: .seconds(3600) + .nanoseconds(nanoseconds))
    #expect((answer.found != nil) == resumes && (answer.learned != nil) == resumes)
    #expect(table.count == 0)
  }

  @Test("another DID that knows the name gets nothing, and the session is gone")
  func otherParty() throws {
    let old = try Session()
    var session = try Self.later(Party(5))
    var table = ResumptionTable()
    table.insert(old.responder.resumable, streams: Self.streams, now: session.now)
    // It even has the secret.
    let answer = try Self.ask(&session, old.initiator.resumable, &table)
    #expect(answer.found == nil && answer.learned == nil && table.count == 0)
  }

  @Test("a proof made for another session")
  func replayed() throws {
    let old = try Session()
    var first = try Self.later()
    var record = [UInt8]()
    try first.initiator.resume(old.initiator.resumable, streams: [], into: &record)
    let body = try first.responder.open(record).body
    var session = try Session(handshake: Handshake())
    var table = ResumptionTable()
    table.insert(old.responder.resumable, streams: [], now: session.now)
    // `first` has another transcript than `session`.
    #expect(try session.responder.open(session.forge(.initiator, .resume, body)).type == .resume)
    var answer = [UInt8]()
    #expect(try session.responder.answerResume(from: &table, now: session.now, into: &answer) == nil)
    #expect(table.count == 0)
  }

  @Test("an answer without the secret ends the session")
  func falseAnswer() throws {
    let old = try Session()
    var session = try Self.later()
    var record = [UInt8]()
    try session.initiator.resume(old.initiator.resumable, streams: [], into: &record)
    _ = try session.responder.open(record)
    let body = ResumedBody(proof: [UInt8](repeating: 0, count: 32), streams: []).encoded
    #expect(session.failureOfInitiator(try session.forge(.responder, .resumed, body)) == .malformedResumption)
  }

  @Test("RESUME later than first, twice, or from the responder; RESUMED unasked")
  func order() throws {
    let body = ResumeBody(
      resumeID: [UInt8](repeating: 1, count: 16), proof: [UInt8](repeating: 2, count: 32), streams: []
    )
    .encoded
    var session = try Session()
    try session.talk(1)
    #expect(session.failureOfResponder(try session.forge(.initiator, .resume, body)) == .unexpectedRecordType(7))
    session = try Session()
    _ = try session.responder.open(session.forge(.initiator, .resume, body))
    #expect(session.failureOfResponder(try session.forge(.initiator, .resume, body)) == .unexpectedRecordType(7))
    session = try Session()
    #expect(session.failureOfInitiator(try session.forge(.responder, .resume, body)) == .unexpectedRecordType(7))
    session = try Session()
    #expect(session.failureOfInitiator(try session.forge(.responder, .resumed, [])) == .unexpectedRecordType(8))
    session = try Session()
    #expect(session.failureOfResponder(try session.forge(.initiator, .resumed, [])) == .unexpectedRecordType(8))
    session = try Session()
    try session.renew()
    #expect(session.failureOfResponder(try session.forge(.initiator, .resume, body)) == .unexpectedRecordType(7))
  }

  @Test("bodies: cut, extended, too many streams, streams out of order or twice")
  func bodies() throws {
    func error(_ bytes: [UInt8]) -> HandshakeError? {
      failure { () throws(HandshakeError) in _ = try ResumeBody(bytes.rawSpan) }
    }
    let most = (0..<256).map { StreamPosition(stream: UInt32($0), last: UInt64($0)) }
    let body = ResumeBody(
      resumeID: [UInt8](repeating: 1, count: 16), proof: [UInt8](repeating: 2, count: 32), streams: most)
    let bytes = body.encoded
    #expect(try ResumeBody(bytes.rawSpan) == body)
    #expect(bytes.count == 16 + 32 + 2 + 256 * 12)
    for cut in [0, 15, 47, 49, 50, bytes.count - 1] { #expect(error(Array(bytes[..<cut])) == .malformedResumption) }
    #expect(error(bytes + [0]) == .malformedResumption)
    var many = Array(bytes[..<48]) + [1, 1]
    for number in 0..<257 as Range<UInt32> {
      many.appendBigEndian(number)
      many.appendBigEndian(0 as UInt64)
    }
    #expect(error(many) == .malformedResumption)
    for pair in [(1, 1), (2, 1)] as [(UInt32, UInt32)] {
      var wrong = Array(bytes[..<48]) + [0, 2]
      for number in [pair.0, pair.1] {
        wrong.appendBigEndian(number)
        wrong.appendBigEndian(0 as UInt64)
      }
      #expect(error(wrong) == .malformedResumption)
    }
  }

  @Test("the table holds no more than its limit, and drops the oldest")
  func table() throws {
    let peer = try Party(1).identity.did
    let now = ContinuousClock.now
    var table = ResumptionTable(limit: 3)
    func named(_ number: UInt8) -> ResumableSession {
      ResumableSession(
        resumeID: [UInt8](repeating: number, count: 16), peer: peer,
        continuity: SecretBytes(repeating: number, count: 32))
    }
    for number in 0..<4 as Range<UInt8> { table.insert(named(number), streams: [], now: now) }
    #expect(table.count == 3)
    func take(_ number: UInt8, after age: Duration = .zero) -> Bool {
      table.take(named(number).resumeID, of: peer, now: now + age) != nil
    }
    #expect([0, 1, 1, 3].map { take($0) } == [false, true, false, true])
    // What is too old goes when something comes.
    table.insert(named(9), streams: [], now: now + .seconds(3601))
    #expect(table.count == 1)
    for number in 10..<40 as Range<UInt8> {
      table.insert(named(number), streams: [], now: now + .seconds(3601))
      #expect(take(number, after: .seconds(3601)))
    }
  }
}
