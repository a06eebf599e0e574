import ParleyCrypto
import ParleyIdentity
import ParleyWire
import Testing

@testable import ParleyHandshake

extension RatchetRandomness {
  /// Values made from one number.
  static func numbered(_ number: UInt8) -> RatchetRandomness {
    RatchetRandomness(
      ephemeralKey: SecretBytes(repeating: number, count: 32), kemSeed: SecretBytes(repeating: number, count: 64),
      kemMessage: SecretBytes(repeating: number, count: 32))
  }
}

/// The two ends of a session with a clock that the test moves.
struct Session: ~Copyable {
  var initiator: SecureChannel
  var responder: SecureChannel
  private let start: ContinuousClock.Instant
  var elapsed: Duration = .zero

  init(
    postQuantum: Bool = false, limits: ChannelLimits = ChannelLimits(),
    handshake: Handshake? = nil
  ) throws {
    let handshake = try handshake ?? Handshake(postQuantum: postQuantum)
    let start = ContinuousClock.now
    var channels = try handshake.channels(limits: limits)
    var none = [UInt8]()
    _ = try channels.initiator.poll(now: start, into: &none)
    _ = try channels.responder.poll(now: start, into: &none)
    self.init(channels, start: start)
  }

  private init(_ channels: consuming Channels, start: ContinuousClock.Instant) {
    initiator = channels.initiator
    responder = channels.responder
    self.start = start
  }

  var now: ContinuousClock.Instant { start + elapsed }

  /// Polls one side once.
  mutating func poll(_ role: Role, number: UInt8 = 0x31) throws -> (turn: SecureChannel.Turn, record: [UInt8]) {
    var record = [UInt8]()
    let turn =
      switch role {
      case .initiator: try initiator.poll(now: now, randomness: { .numbered(number) }, into: &record)
      case .responder: try responder.poll(now: now, randomness: { .numbered(number ^ 0x80) }, into: &record)
      }
    #expect((turn == .record) == !record.isEmpty)
    return (turn, record)
  }

  /// The record that one side must have to send now.
  mutating func due(_ role: Role, number: UInt8 = 0x31) throws -> [UInt8] {
    let polled = try poll(role, number: number)
    #expect(polled.turn == .record)
    return polled.record
  }

  /// Waits until a renewal is due, and carries it out.
  mutating func renew() throws {
    elapsed += .seconds(600)
    let offer = try due(.initiator)
    #expect(try responder.open(offer).type == .offer)
    let reply = try due(.responder)
    #expect(try initiator.open(reply).type == .reply)
    let done = try due(.initiator)
    #expect(try responder.open(done).type == .done)
    #expect(try poll(.initiator).turn == .idle)
    #expect(try poll(.responder).turn == .idle)
  }

  /// One message each way.
  mutating func talk(_ text: UInt8) throws {
    #expect(try responder.open(initiator.seal(.application, [text])).body == [text])
    #expect(try initiator.open(responder.seal(.application, [text, text])).body == [text, text])
  }

  /// Another plaintext as the next record of one side.
  mutating func forge(_ role: Role, _ type: RecordType, _ body: [UInt8]) throws -> [UInt8] {
    var record = [UInt8]()
    switch role {
    case .initiator: try initiator.sealAny(type, body.rawSpan, into: &record)
    case .responder: try responder.sealAny(type, body.rawSpan, into: &record)
    }
    return record
  }

  mutating func failureOfResponder(_ record: [UInt8]) -> HandshakeError? {
    failure { () throws(HandshakeError) in _ = try responder.open(record) }
  }

  mutating func failureOfInitiator(_ record: [UInt8]) -> HandshakeError? {
    failure { () throws(HandshakeError) in _ = try initiator.open(record) }
  }
}

@Suite("The ratchet")
struct RatchetTests {
  @Test("epoch after epoch, both ways, in both suites", arguments: [false, true])
  func renewals(postQuantum: Bool) throws {
    var session = try Session(postQuantum: postQuantum)
    for epoch in 0..<4 as Range<UInt32> {
      let counters = session.initiator.counters
      let mirror = session.responder.counters
      #expect(counters.sent.epoch == epoch && counters.received.epoch == epoch)
      #expect(counters.sent == mirror.received && counters.received == mirror.sent)
      try session.talk(UInt8(epoch))
      try session.renew()
    }
    // ACCEPT, and then one record of each epoch and the REPLY that ends it.
    let counters = session.responder.counters
    #expect(counters.sent.records == 9 && counters.sent.epochRecords == 0)
    #expect(counters.received.records == 12 && counters.received.epochRecords == 1)
    #expect(counters.sent.bytes == 532 + 4 * (84 + (postQuantum ? 8212 : 2068)))
  }

  @Test("not a moment before the time, nor a record or a byte before the count")
  func due() throws {
    var session = try Session()
    session.elapsed = .seconds(600) - .nanoseconds(1)
    #expect(try session.poll(.initiator).turn == .idle)
    let deadline = session.initiator.deadline
    #expect(deadline == session.now + .nanoseconds(1))
    session.elapsed = .seconds(600)
    #expect(try session.poll(.responder).turn == .idle)
    #expect(try session.poll(.initiator).turn == .record)

    for isSender in [true, false] {
      var limits = ChannelLimits()
      limits.renewalRecords = 3
      // The responder's ACCEPT is one of its records.
      var session = try Session(limits: limits)
      for count in 1...3 {
        let needed = session.initiator.needsPoll
        #expect(!needed)
        #expect(try session.poll(.initiator).turn == .idle)
        if isSender {
          _ = try session.initiator.seal(.application, [1])
        } else if count > 1 {
          _ = try session.initiator.open(session.responder.seal(.application, [1]))
        }
      }
      let needed = session.initiator.needsPoll
      #expect(needed)
      #expect(try session.poll(.initiator).turn == .record)
    }

    var small = ChannelLimits()
    // ACCEPT had 532.
    small.renewalBytes = 532 + 84
    var bytes = try Session(limits: small)
    #expect(try bytes.poll(.initiator).turn == .idle)
    _ = try bytes.initiator.open(bytes.responder.seal(.application, []))
    #expect(try bytes.poll(.initiator).turn == .record)
    let defaults = ChannelLimits()
    #expect(defaults.renewalRecords == 16_384 && defaults.renewalBytes == 67_108_864)
    #expect(defaults.epochRecords == 65_536 && defaults.epochBytes == 268_435_456)
  }

  @Test("records that are under way while the keys change")
  func underWay() throws {
    var session = try Session()
    session.elapsed = .seconds(600)
    let offer = try session.due(.initiator)
    let afterOffer = try session.initiator.seal(.application, [1])
    let beforeReply = try session.responder.seal(.application, [2])
    _ = try session.responder.open(offer)
    let beforePoll = try session.responder.seal(.application, [3])
    let reply = try session.due(.responder)
    let afterReply = try session.responder.seal(.application, [4])
    #expect(afterReply.prefix(4) == [0, 0, 0, 1])
    #expect(try session.responder.open(afterOffer).body == [1])
    for (record, body) in [(beforeReply, [2]), (beforePoll, [3])] as [([UInt8], [UInt8])] {
      #expect(try session.initiator.open(record).body == body)
    }
    #expect(try session.initiator.open(reply).type == .reply)
    #expect(try session.initiator.open(afterReply).body == [4])
    let beforeDone = try session.initiator.seal(.application, [5])
    #expect(beforeDone.prefix(4) == [0, 0, 0, 0])
    let done = try session.due(.initiator)
    let afterDone = try session.initiator.seal(.application, [6])
    #expect(try session.responder.open(beforeDone).body == [5])
    #expect(try session.responder.open(done).type == .done)
    #expect(try session.responder.open(afterDone).body == [6])
  }

  @Test("the old epoch after the switch, and the next but one")
  func epochs() throws {
    var late = try Session()
    let stale = try late.forge(.initiator, .application, [9])
    _ = try late.responder.open(stale)
    try late.renew()
    #expect(late.failureOfResponder(stale) == .unexpectedEpoch(0))

    for epoch in [0, 2, 3, .max] as [UInt32] {
      var session = try Session()
      try session.renew()
      var record = try session.initiator.seal(.application, [1])
      for index in 0..<4 { record[index] = UInt8(truncatingIfNeeded: epoch >> UInt32(24 - 8 * index)) }
      #expect(session.failureOfResponder(record) == .unexpectedEpoch(epoch))
      #expect(throws: HandshakeError.ended) { try session.responder.seal(.application, []) }
    }

    // While the responder awaits DONE, an epoch further on is as wrong.
    for (epoch, expected) in [(1, .recordDecryptionFailed), (2, .unexpectedEpoch(2))] as [(UInt8, HandshakeError)] {
      var waiting = try Session()
      waiting.elapsed = .seconds(600)
      _ = try waiting.responder.open(waiting.due(.initiator))
      _ = try waiting.due(.responder)
      var record = try waiting.initiator.seal(.application, [1])
      record[3] = epoch
      #expect(waiting.failureOfResponder(record) == expected)
    }
  }

  @Test("the initiator refuses records of the epoch that REPLY ended")
  func oldEpochToInitiator() throws {
    var session = try Session()
    session.elapsed = .seconds(600)
    _ = try session.responder.open(session.due(.initiator))
    let reply = try session.due(.responder)
    _ = try session.initiator.open(reply)
    #expect(session.failureOfInitiator(reply) == .unexpectedEpoch(0))
  }

  @Test("the first record of an epoch is DONE, with its number, and DONE comes only there")
  func done() throws {
    func next(_ type: RecordType, _ body: [UInt8]) throws -> HandshakeError? {
      var session = try Session()
      session.elapsed = .seconds(600)
      _ = try session.responder.open(session.due(.initiator))
      _ = try session.initiator.open(session.due(.responder))
      // The initiator switches to its new keys; its DONE is dropped, and another record takes its number.
      guard case .owesDone(let direction) = session.initiator.keys?.ratchet.take() else { return nil }
      session.initiator.keys?.sending = direction
      return session.failureOfResponder(try session.forge(.initiator, type, body))
    }
    #expect(try next(.done, [0, 0, 0, 1]) == nil)
    #expect(try next(.done, [0, 0, 0, 2]) == .malformedRatchet)
    #expect(try next(.done, [0, 0, 0, 1, 0]) == .malformedRatchet)
    #expect(try next(.done, []) == .malformedRatchet)
    #expect(try next(.application, [1]) == .unexpectedRecordType(16))
    #expect(try next(.close, []) == .unexpectedRecordType(3))
    #expect(try next(.offer, [0, 0, 0, 1]) == .unexpectedRecordType(4))

    var session = try Session()
    try session.renew()
    #expect(session.failureOfResponder(try session.forge(.initiator, .done, [0, 0, 0, 1])) == .unexpectedRecordType(6))
    var early = try Session()
    #expect(early.failureOfResponder(try early.forge(.initiator, .done, [0, 0, 0, 1])) == .unexpectedRecordType(6))
  }

  @Test("OFFER from the responder, a second one, one of another epoch; REPLY that nobody asked for")
  func order() throws {
    let offer = try Self.body(of: .offer)
    let reply = try Self.body(of: .reply)
    var session = try Session()
    #expect(session.failureOfInitiator(try session.forge(.responder, .offer, offer)) == .unexpectedRecordType(4))
    session = try Session()
    #expect(session.failureOfInitiator(try session.forge(.responder, .reply, reply)) == .unexpectedRecordType(5))
    session = try Session()
    #expect(session.failureOfResponder(try session.forge(.initiator, .reply, reply)) == .unexpectedRecordType(5))
    session = try Session()
    _ = try session.responder.open(session.forge(.initiator, .offer, offer))
    #expect(session.failureOfResponder(try session.forge(.initiator, .offer, offer)) == .unexpectedRecordType(4))
    session = try Session()
    try session.renew()
    #expect(session.failureOfResponder(try session.forge(.initiator, .offer, offer)) == .malformedRatchet)
  }

  /// The body of the first OFFER or REPLY of the session that the tests have.
  static func body(of type: RecordType) throws -> [UInt8] {
    var session = try Session()
    session.elapsed = .seconds(600)
    let offer = try session.responder.open(session.due(.initiator))
    return type == .offer ? offer.body : try session.initiator.open(session.due(.responder)).body
  }

  @Test("every byte of OFFER and REPLY counts", arguments: [RecordType.offer, .reply])
  func changed(type: RecordType) throws {
    let body = try Self.body(of: type)
    for offset in 0..<body.count where offset < 40 || offset > body.count - 72 || offset.isMultiple(of: 97) {
      var session = try Session()
      session.elapsed = .seconds(600)
      var changed = body
      changed[offset] ^= 1
      let found: HandshakeError?
      if type == .offer {
        found = session.failureOfResponder(try session.forge(.initiator, .offer, changed))
      } else {
        _ = try session.responder.open(session.due(.initiator))
        found = session.failureOfInitiator(try session.forge(.responder, .reply, changed))
      }
      let lengths = [body.count - 68, body.count - 67, body.count - 2, body.count - 1]
      let expected: HandshakeError = offset < 4 || lengths.contains(offset) ? .malformedRatchet : .invalidSignature
      #expect(found == expected, "offset \(offset)")
    }
    for wrong in [Array(body.dropLast()), body + [0], []] {
      #expect(
        failure { () throws(HandshakeError) in
          if type == .offer { _ = try OfferBody(wrong.rawSpan) } else { _ = try ReplyBody(wrong.rawSpan) }
        } == .malformedRatchet)
    }
  }

  @Test("a REPLY to another OFFER")
  func replyToOther() throws {
    let reply = try Self.body(of: .reply)
    var session = try Session()
    session.elapsed = .seconds(600)
    // The same session with other random numbers: only H(OFFER) tells.
    _ = try session.due(.initiator, number: 0x32)
    #expect(session.failureOfInitiator(try session.forge(.responder, .reply, reply)) == .invalidSignature)
  }

  @Test("who has stolen a session's keys, but not the identity, cannot renew it")
  func stolen() throws {
    let thief = try Party(3)
    var session = try Session()
    let e = X25519.PrivateKey()
    let e1 = MLKEM768.DecapsulationKey()
    let statement = RatchetStatement(
      transcriptHash: session.initiator.transcriptHash, initiator: session.responder.peer.did,
      responder: session.initiator.peer.did
    ).offer(epoch: 1, e: e.publicKey, e1: e1.encapsulationKey)
    let body = OfferBody(
      epoch: 1, e: e.publicKey, e1: e1.encapsulationKey,
      signature: thief.signer.sign(statement, context: IdentityStatement.context))
    #expect(session.failureOfResponder(try session.forge(.initiator, .offer, body.encoded)) == .invalidSignature)

    // Nor with half of the suite.
    var strong = try Session(postQuantum: true)
    let initiator = try Party(1, postQuantum: true)
    let message = RatchetStatement(
      transcriptHash: strong.initiator.transcriptHash, initiator: strong.responder.peer.did,
      responder: strong.initiator.peer.did
    ).offer(epoch: 1, e: e.publicKey, e1: e1.encapsulationKey)
    let half = OfferBody(
      epoch: 1, e: e.publicKey, e1: e1.encapsulationKey,
      signature: try IdentitySignature(suite: .ed25519, ed25519: initiator.ed25519.sign(message)))
    #expect(strong.failureOfResponder(try strong.forge(.initiator, .offer, half.encoded)) == .wrongSuite(found: 1))
  }

  @Test("keys of small order, not reduced, or reflected, rightly signed")
  func keys() throws {
    func offer(_ e: [UInt8], _ e1: [UInt8]) throws -> HandshakeError? {
      var session = try Session()
      let party = try Party(1)
      let statement = RatchetStatement(
        transcriptHash: session.initiator.transcriptHash, initiator: party.identity.did,
        responder: session.initiator.peer.did
      ).offer(epoch: 1, e: e, e1: e1)
      let body = OfferBody(
        epoch: 1, e: e, e1: e1, signature: party.signer.sign(statement, context: IdentityStatement.context))
      _ = try session.responder.open(session.forge(.initiator, .offer, body.encoded))
      do {
        _ = try session.poll(.responder)
      } catch let error as HandshakeError {
        #expect(throws: HandshakeError.ended) { try session.responder.seal(.application, []) }
        return error
      }
      return nil
    }
    let e = X25519.PrivateKey(raw: SecretBytes(repeating: 0x31, count: 32)).publicKey
    let e1 = MLKEM768.DecapsulationKey(seed: SecretBytes(repeating: 0x31, count: 64)).encapsulationKey
    #expect(try offer(e, e1) == nil)
    #expect(try offer([UInt8](repeating: 0, count: 32), e1) == .zeroSharedSecret)
    #expect(try offer(e, [0xFF, 0xFF] + e1.dropFirst(2)) == .invalidEncapsulationKey)
    let own = X25519.PrivateKey(raw: SecretBytes(repeating: 0x31 ^ 0x80, count: 32)).publicKey
    #expect(try offer(own, e1) == .reflectedKey)
  }

  @Test("an epoch of 30 minutes and a session of 24 hours end")
  func overdue() throws {
    var session = try Session()
    session.elapsed = .seconds(1800) - .nanoseconds(1)
    // Nobody answers the OFFER.
    _ = try session.due(.initiator)
    #expect(try session.poll(.initiator).turn == .idle)
    #expect(try session.poll(.responder).turn == .idle)
    session.elapsed = .seconds(1800)
    #expect(try session.poll(.initiator).turn == .overdue)
    #expect(try session.poll(.responder).turn == .overdue)
    _ = try session.initiator.seal(.close)

    // A responder that has sent REPLY waits no longer for DONE.
    session = try Session()
    session.elapsed = .seconds(600)
    _ = try session.responder.open(session.due(.initiator))
    _ = try session.due(.responder)
    session.elapsed = .seconds(1800)
    #expect(try session.poll(.responder).turn == .overdue)

    session = try Session()
    for _ in 0..<143 { try session.renew() }
    session.elapsed = .seconds(86_400) - .nanoseconds(1)
    #expect(try session.poll(.responder).turn == .idle)
    let deadline = session.responder.deadline
    #expect(deadline == session.now + .nanoseconds(1))
    session.elapsed = .seconds(86_400)
    #expect(try session.poll(.initiator).turn == .overdue)
    #expect(try session.poll(.responder).turn == .overdue)
  }

  @Test("an epoch that is full goes on in the next")
  func exhausted() throws {
    var limits = ChannelLimits()
    limits.renewalRecords = 8
    limits.epochRecords = 10
    var session = try Session(limits: limits)
    for _ in 0..<8 { _ = try session.responder.open(session.initiator.seal(.application, [1])) }
    #expect(throws: HandshakeError.epochExhausted) { try session.initiator.seal(.application, [1]) }
    #expect(
      failure { () throws(HandshakeError) in
        var buffer = [UInt8](repeating: 0, count: SecureChannel.bodyOffset)
        try session.initiator.seal(in: &buffer)
      } == .epochExhausted)
    _ = try session.responder.open(session.due(.initiator))
    _ = try session.initiator.open(session.due(.responder))
    _ = try session.responder.open(session.due(.initiator))
    try session.talk(1)
  }

  @Test("after CLOSE nothing is renewed")
  func closed() throws {
    var session = try Session()
    session.elapsed = .seconds(600)
    let offer = try session.due(.initiator)
    let close = try session.initiator.seal(.close)
    _ = try session.responder.open(offer)
    let reply = try session.due(.responder)
    _ = try session.responder.open(close)
    // REPLY crossed with CLOSE: what follows is readable, but nothing is sent.
    #expect(try session.initiator.open(reply).type == .reply)
    #expect(try session.poll(.initiator).turn == .idle)
    #expect(try session.initiator.open(session.responder.seal(.close)).type == .close)

    session = try Session()
    session.elapsed = .seconds(600)
    _ = try session.responder.seal(.close)
    _ = try session.responder.open(session.due(.initiator))
    #expect(try session.poll(.responder).turn == .idle)
    let deadline = session.responder.deadline
    #expect(deadline == nil)
  }

  @Test("the counters of key updates")
  func counters() throws {
    var session = try Session()
    for _ in 0..<1024 { _ = try session.responder.open(session.initiator.seal(.application, [])) }
    var counters = session.initiator.counters
    #expect(counters.sent.keyUpdates == 2 && counters.received.keyUpdates == 0)
    #expect(counters.sent.epochBytes == 1024 * 84)
    try session.renew()
    counters = session.initiator.counters
    let mirror = session.responder.counters
    #expect(counters.sent.keyUpdates == 2 && counters.sent.epochRecords == 1 && counters.sent.records == 1026)
    #expect(counters.sent == mirror.received && counters.received == mirror.sent)
  }

  @Test("a record made and opened where it lies")
  func inPlace() throws {
    var session = try Session()
    for count in [0, 1, 55, 59, 60, 16_379] {
      let body = [UInt8](repeating: 7, count: count)
      var buffer = [UInt8](repeating: 0xEE, count: SecureChannel.bodyOffset) + body
      try session.initiator.seal(in: &buffer)
      let opened = try session.responder.open(in: &buffer)
      #expect(opened.type == .application && Array(buffer[opened.body]) == body)
    }
  }
}
