import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyHandshake

@Suite("Admission")
struct AdmissionTests {
  static let now = ContinuousClock.now

  static func source(_ a: UInt8, _ b: UInt8 = 0, _ c: UInt8 = 0, _ d: UInt8 = 1) throws -> AdmissionSource {
    try #require(AdmissionSource([a, b, c, d]))
  }

  @Test("hosts and networks of addresses")
  func sources() throws {
    let four = try Self.source(192, 0, 2, 1)
    #expect(try four.host != Self.source(192, 0, 2, 2).host && four.network == Self.source(192, 0, 2, 2).network)
    #expect(try four.network != Self.source(192, 0, 3, 1).network)
    #expect(AdmissionSource([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 1]) == four)
    func six(_ bytes: [UInt8]) -> AdmissionSource? {
      AdmissionSource(bytes + [UInt8](repeating: 7, count: 16 - bytes.count))
    }
    let one = try #require(six([0x20, 1, 0xD, 0xB8, 0, 1, 0, 2]))
    #expect(AdmissionSource([0x20, 1, 0xD, 0xB8, 0, 1, 0, 2] + [UInt8](repeating: 9, count: 8))?.host == one.host)
    #expect(six([0x20, 1, 0xD, 0xB8, 0, 1, 0, 3])?.host != one.host)
    #expect(six([0x20, 1, 0xD, 0xB8, 0, 1, 0, 3])?.network == one.network)
    #expect(six([0x20, 1, 0xD, 0xB8, 0, 2, 0, 2])?.network != one.network)
    for count in [0, 3, 5, 15, 17] { #expect(AdmissionSource([UInt8](repeating: 1, count: count)) == nil) }
  }

  @Test("4 a host, 32 a network, 512 in all, and back")
  func counts() throws {
    var pending = PendingConnections()
    func admit(_ source: AdmissionSource, _ draw: UInt32 = .max) -> Bool { pending.admit(source, draw: draw) }
    let host = try Self.source(10)
    #expect((0..<5).map { _ in admit(host) } == [true, true, true, true, false])
    var inNetwork = 4
    for number in 2..<12 as Range<UInt8> {
      for _ in 0..<4 where admit(try Self.source(10, 0, 0, number)) { inNetwork += 1 }
    }
    #expect(inNetwork == 32 && pending.count == 32)
    pending.release(host)
    #expect(admit(host))
    #expect(!admit(host))
    var all = pending.count
    for number in 0..<200 as Range<UInt8> {
      for _ in 0..<4 where admit(try Self.source(11, number)) { all += 1 }
    }
    #expect(all == 512 && pending.count == 512)
    pending.release(try Self.source(99))
    #expect(pending.count == 512)
  }

  @Test("from half of the room on, the fuller the fewer")
  func earlyDrop() throws {
    var pending = PendingConnections()
    func admit(_ source: AdmissionSource, _ draw: UInt32 = .max) -> Bool { pending.admit(source, draw: draw) }
    func fill(to count: Int) throws {
      while pending.count < count {
        let number = pending.count / 4
        #expect(
          admit(
            try Self.source(12, UInt8(number / 250), UInt8(number % 250))))
      }
    }
    let other = try Self.source(13)
    try fill(to: 256)
    #expect(admit(other, 0))
    pending.release(other)
    try fill(to: 384)
    // Half of them.
    #expect(!admit(other, .max / 2))
    #expect(admit(other, .max / 2 + 2))
    pending.release(other)
    try fill(to: 511)
    #expect(!admit(other, .max / 512 * 509))
    #expect(admit(other))
  }

  @Test("penalties add up to ten minutes, and end")
  func penalties() throws {
    var table = PenaltyTable(limit: 2)
    let (a, b, c) = (try Self.source(1).host, try Self.source(2).host, try Self.source(3).host)
    #expect(!table.isPenalized(a, now: Self.now))
    for (offence, seconds) in [(.authenticationFailed, 5), (.timedOut, 15), (.malformed, 45)]
      as [(PenaltyTable.Offence, Int)]
    {
      table.add(offence, of: a, now: Self.now)
      #expect(table.isPenalized(a, now: Self.now + .seconds(seconds) - .nanoseconds(1)))
      #expect(!table.isPenalized(a, now: Self.now + .seconds(seconds)))
    }
    for _ in 0..<100 { table.add(.malformed, of: a, now: Self.now) }
    #expect(table.isPenalized(a, now: Self.now + .seconds(600) - .nanoseconds(1)))
    #expect(!table.isPenalized(a, now: Self.now + .seconds(600)))
    // It starts again from now once it is over.
    table.add(.timedOut, of: a, now: Self.now + .seconds(700))
    #expect(!table.isPenalized(a, now: Self.now + .seconds(710)))
    table.add(.malformed, of: b, now: Self.now)
    table.add(.malformed, of: c, now: Self.now)
    #expect(table.count == 2 && !table.isPenalized(a, now: Self.now) && table.isPenalized(b, now: Self.now))
    table.add(.malformed, of: a, now: Self.now)
    #expect(table.count == 2 && !table.isPenalized(b, now: Self.now) && table.isPenalized(c, now: Self.now))
    #expect(AdmissionLimits().penalties == 65_536)
  }

  @Test("the newest first, and the oldest out")
  func queue() {
    var queue = NewestFirst<Int>(limit: 3)
    let pushed = (0..<5).map { queue.push($0) }
    #expect(pushed == [nil, nil, nil, 0, 1])
    let popped = (0..<4).map { _ in queue.pop() }
    #expect(popped == [4, 3, 2, nil])
    for number in 0..<100 {
      let pushed = queue.push(number)
      #expect(pushed == (number < 3 ? nil : number - 3))
    }
    #expect(queue.count == 3)
  }

  // MARK: Message 1

  static func message1() throws -> [UInt8] {
    let initiator = try Handshake().makeInitiator()
    return initiator.message1
  }

  static func gate(isLoaded: Bool = true) throws -> HandshakeGate {
    var gate = HandshakeGate(
      responder: try Party(2).identity.did, cookieKey: SecretBytes(repeating: 3, count: 32), now: now)
    if isLoaded { gate.spent(.milliseconds(201), now: now) }
    return gate
  }

  @Test("the checks in their order, before any price")
  func order() throws {
    let message = try Self.message1()
    var changed = message
    changed[1217] = 2
    changed[1219] = 1
    let from = try Self.source(1)
    let cases: [([UInt8], HandshakeError)] = [
      (Array(message.dropLast()), .wrongMessageLength(.one, 1275)), (changed, .unsupportedVersion(2)),
      (message.dropLast() + [message[1275] ^ 1], .wrongAuthenticator),
    ]
    for (message, expected) in cases {
      #expect(
        failure { () throws(HandshakeError) in
          var gate = HandshakeGate(responder: Self.responder, now: Self.now)
          _ = try gate.decide(message, from: from, now: Self.now)
        } == expected)
    }
  }

  static let responder = try! Party(2).identity.did

  @Test("at a fifth of a core nobody pays; beyond it everybody does; a second later nobody again")
  func load() throws {
    var gate = try Self.gate(isLoaded: false)
    let message = try Self.message1()
    let from = try Self.source(1)
    #expect(try gate.decide(message, from: from, now: Self.now) == .proceed)
    gate.spent(.milliseconds(200), now: Self.now)
    #expect(try gate.decide(message, from: from, now: Self.now) == .proceed)
    gate.spent(.milliseconds(1), now: Self.now)
    #expect(try gate.decide(message, from: from, now: Self.now) != .proceed)
    #expect(try gate.decide(message, from: from, now: Self.now + .milliseconds(1900)) == .proceed)
    #expect(try gate.decide(message, from: from, now: Self.now + .seconds(60)) == .proceed)
  }

  /// The RETRY that a loaded gate answers with.
  static func retry(_ gate: inout HandshakeGate, _ message: [UInt8], _ from: AdmissionSource) throws -> [UInt8] {
    guard case .retry(let bytes) = try gate.decide(message, from: from, now: now) else {
      Issue.record("it should have asked for work")
      return []
    }
    return bytes
  }

  @Test("an initiator pays, and gets in from its own address for two buckets of time, not from another")
  func pays() throws {
    var gate = try Self.gate()
    let handshake = try Handshake()
    var initiator = handshake.makeInitiator()
    let from = try Self.source(1)
    let first = initiator.message1
    let bytes = try Self.retry(&gate, first, from)
    #expect(bytes.count == 35)
    var (delay, search) = try initiator.receiveRetry(bytes, randomness: .numbered(0x41))
    #expect(delay == .zero)
    var work: UInt64?
    while work == nil { work = search.search(1000) }
    let paid = initiator.resend(work: try #require(work))
    #expect(paid.count == 1276 && paid[..<1216] != first[..<1216])
    var unused = gate
    #expect(try gate.decide(paid, from: from, now: Self.now) == .proceed)
    // Again, from where it came from: somebody repeats what was paid for once.
    #expect(try gate.decide(paid, from: from, now: Self.now) != .proceed)
    for (time, isGood) in [(0, true), (239, true), (240, false)] {
      var later = unused
      later.spent(.seconds(1), now: Self.now + .seconds(time))
      #expect((try later.decide(paid, from: from, now: Self.now + .seconds(time)) == .proceed) == isGood, "\(time)")
    }
    #expect(try unused.decide(paid, from: Self.source(2), now: Self.now) != .proceed)
    // Without the work, or with a cookie that claims less of it.
    let one = try Message1(paid, at: Self.responder)
    let idle = Message1(e: one.e, e1: one.e1, to: Self.responder, token: one.token, work: one.work &+ 1)
    #expect(try unused.decide(idle.bytes, from: from, now: Self.now) != .proceed)
    let cheap = Message1(e: one.e, e1: one.e1, to: Self.responder, token: [0] + one.token.dropFirst(), work: one.work)
    #expect(try unused.decide(cheap.bytes, from: from, now: Self.now) != .proceed)

    // The handshake goes on with the second message 1.
    var responder = handshake.makeResponder()
    let two = try responder.receiveMessage1(paid, prologue: Handshake.prologue)
    _ = try responder.openMessage3(initiator.receiveMessage2(two))
    try initiator.receiveAccept(responder.accept(handshake.initiator.identity))
  }

  @Test("an initiator obeys two RETRYs, and none that asks for too much")
  func obeys() throws {
    func retry(_ difficulty: UInt8, _ milliseconds: UInt16) -> [UInt8] {
      Retry(cookie: [UInt8](repeating: 1, count: 32), difficulty: difficulty, milliseconds: milliseconds).encoded
    }
    for (bytes, isGood) in [
      (retry(20, 2000), true), (retry(21, 0), false), (retry(255, .max), false), (retry(0, 2001), false),
      (Array(retry(0, 0).dropLast()), false), (retry(0, 0) + [0], false),
    ] {
      var initiator = try Handshake().makeInitiator()
      let found = failure { () throws(HandshakeError) in _ = try initiator.receiveRetry(bytes) }
      #expect(found == (isGood ? nil : .malformedRetry))
    }
    var initiator = try Handshake().makeInitiator()
    for _ in 0..<2 {
      _ = try initiator.receiveRetry(retry(0, 0))
      _ = initiator.resend(work: 0)
    }
    #expect(failure { () throws(HandshakeError) in _ = try initiator.receiveRetry(retry(0, 0)) } == .tooManyRetries)
    #expect(failure { () throws(HandshakeError) in _ = try initiator.receiveMessage2([]) } == .ended)
    // A message while it works.
    initiator = try Handshake().makeInitiator()
    _ = try initiator.receiveRetry(retry(0, 0))
    #expect(failure { () throws(HandshakeError) in _ = try initiator.receiveMessage2([]) } == .unexpectedMessage)
  }

  @Test("a priority token opens the gate once; the table of them has a limit")
  func tokens() throws {
    var limits = AdmissionLimits()
    limits.priorityTokens = 4
    var gate = HandshakeGate(responder: Self.responder, limits: limits, now: Self.now)
    gate.spent(.seconds(1), now: Self.now)
    let peer = try Party(1).identity.did
    let tokens = (0..<6 as Range<UInt8>).map { [UInt8](repeating: $0 + 1, count: 32) }
    gate.issued(tokens, to: peer)
    let from = try Self.source(1)
    func decide(_ token: [UInt8]) throws -> Bool {
      let one = try Message1(Self.message1(), at: Self.responder)
      let message = Message1(e: one.e, e1: one.e1, to: Self.responder, token: token, work: 0).bytes
      return try gate.decide(message, from: from, now: Self.now) == .proceed
    }
    #expect(try [0, 1, 2, 2, 5, 5].map { try decide(tokens[$0]) } == [false, false, true, false, true, false])
    #expect(try !decide([UInt8](repeating: 0, count: 32)))
  }

  @Test("what was seen lately is known, up to a limit, of which the oldest goes first")
  func recent() {
    var recent = Recent(limit: 3)
    #expect([1, 2, 3, 1, 3].map { recent.insert([$0]) } == [true, true, true, false, false])
    // 4 takes the place of 1, and 1 then that of 2.
    #expect([4, 2, 1, 3, 4, 1, 2].map { recent.insert([$0]) } == [true, false, true, false, false, false, true])
  }

  private final class Counter: @unchecked Sendable { var count = 0 }

  @Test("a wrong authenticator, 100,000 times: no key is looked at, and nobody is asked to sign")
  func wrongAuthenticators() throws {
    let party = try Party(2)
    let signed = Counter()
    let signer = ScriptedSigner(identity: party.identity) { message in
      signed.count += 1
      return party.signer.sign(message, context: IdentityStatement.context)
    }
    func answer(_ message: [UInt8]) -> HandshakeError? {
      var responder = Responder(signer: signer, staticKey: party.staticKey, randomness: .numbered(0xB2))
      return failure { () throws(HandshakeError) in
        _ = try responder.receiveMessage1(message, prologue: Handshake.prologue)
      }
    }
    // Keys that whoever looks at them must refuse by name.
    let poison = (e: [UInt8](repeating: 0, count: 32), e1: [UInt8](repeating: 0xFF, count: 1184))
    let right = Message1(e: poison.e, e1: poison.e1, to: party.identity.did).bytes
    #expect(answer(right) == .zeroSharedSecret)

    var gate = HandshakeGate(responder: party.identity.did, now: Self.now)
    let from = try Self.source(1)
    #expect(try gate.decide(right, from: from, now: Self.now) == .proceed)
    var random = SplitMix64(seed: 71)
    var faults: [HandshakeError: Int] = [:]
    var message = right
    for number in 0..<100_000 {
      message = right
      message[1260 + number % 16] ^= UInt8.random(in: 1...255, using: &random)
      let fault = failure { () throws(HandshakeError) in _ = try gate.decide(message, from: from, now: Self.now) }
      faults[fault ?? .ended, default: 0] += 1
      if number.isMultiple(of: 1000) { #expect(answer(message) == .wrongAuthenticator) }
    }
    #expect(faults == [.wrongAuthenticator: 100_000])
    #expect(signed.count == 0)
    #expect(answer(try Handshake().makeInitiator().message1) == nil && signed.count == 1)
  }

  @Test("a number of leading zero bits")
  func work() {
    var search = ProofOfWork(token: [1], e: [2], e1: [3], difficulty: 9)
    var found: UInt64?
    while found == nil { found = search.search(64) }
    let hash = SHA256.hash([1, 2, 3] + (0..<8).map { UInt8(truncatingIfNeeded: (found ?? 0) >> UInt64(56 - 8 * $0)) })
    #expect(hash[0] == 0 && hash[1] < 0x80)
    #expect(ProofOfWork.zeroBits([1, 2, 3], found ?? 0) >= 9)
  }
}
