import ParleyIdentity
import ParleyWire
import Testing

@testable import ParleyNegotiation

/// What is wrong with a statement, one fault each, and the code that answers.
@Suite("Refusals")
struct RefusalTests {
  typealias Answer = Script.Answer

  /// A session that is the maker, a script that is the taker.
  static func script(
    limits: NegotiationLimits = NegotiationLimits(), policy: NegotiationPolicy = NegotiationPolicy()
  ) -> Script {
    Script(Traders.taker, to: Traders.maker, limits: limits, policy: policy)
  }

  // MARK: Requests

  struct RequestFault: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let answer: Script.Answer
    let change: @Sendable (inout QuoteRequest, inout Header) -> Void
  }

  static let requestFaults: [RequestFault] = [
    .init(testDescription: "none", answer: .nothing) { _, _ in },
    .init(testDescription: "20 legs", answer: .nothing) { request, _ in request.legs = Samples.legs(20) },
    .init(testDescription: "an instrument twice", answer: .reject(.malformed)) { request, _ in
      request.legs.append(Samples.leg)
    },
    .init(testDescription: "common divisor", answer: .reject(.malformed)) { request, _ in
      request.legs = Samples.legs(2).map { Leg(instrument: $0.instrument, specHash: $0.specHash, ratio: 2) }
    },
    .init(testDescription: "hedge", answer: .reject(.policy)) { request, _ in
      request.hedge = Hedge(instrument: "BTC-PERPETUAL", specHash: Samples.spec, side: .sell, lots: 1)
    },
    .init(testDescription: "no topic", answer: .reject(.malformed)) { request, _ in request.isTopic = true },
    .init(testDescription: "a topic not declared", answer: .reject(.policy)) { request, header in
      request.isTopic = true
      header.extensions = [.init(id: 16, isCritical: false, value: Array("option/BTC".utf8))]
    },
    .init(testDescription: "a bad topic", answer: .reject(.malformed)) { request, header in
      request.isTopic = true
      header.extensions = [.init(id: 16, isCritical: false, value: Array("option//BTC".utf8))]
    },
    .init(testDescription: "a topic beside a name", answer: .nothing) { _, header in
      header.extensions = [.init(id: 16, isCritical: false, value: Array("option//BTC".utf8))]
    },
    .init(testDescription: "anonymous", answer: .reject(.policy)) { request, _ in request.isDisclosed = false },
    .init(testDescription: "blind", answer: .nothing) { request, _ in request.blindNanoseconds = 5_000_000_000 },
    .init(testDescription: "blind too long", answer: .reject(.malformed)) { request, _ in
      request.blindNanoseconds = 5_000_000_001
    },
    .init(testDescription: "witness", answer: .reject(.witness)) { request, _ in request.witnesses = ["did:web:w"] },
    .init(testDescription: "slot key", answer: .reject(.witness)) { request, _ in request.slotKey = Samples.spec },
    .init(testDescription: "settlement", answer: .reject(.policy)) { request, _ in request.settlement = 1 },
    .init(testDescription: "other nonce", answer: .reject(.chain)) { request, _ in request.nonce[0] ^= 1 },
    .init(testDescription: "short nonce", answer: .reject(.malformed)) { request, _ in request.nonce.removeLast() },
    .init(testDescription: "no legs", answer: .reject(.malformed)) { request, _ in request.legs = [] },
    .init(testDescription: "21 legs", answer: .reject(.malformed)) { request, _ in
      request.legs = Samples.legs(21)
    },
    .init(testDescription: "ratio 2", answer: .reject(.malformed)) { request, _ in request.legs[0].ratio = 2 },
    .init(testDescription: "lots 0", answer: .reject(.malformed)) { request, _ in request.lotsMin = 0 },
    .init(testDescription: "lots reversed", answer: .reject(.malformed)) { request, _ in request.lotsMin = 11 },
    .init(testDescription: "9 rounds", answer: .reject(.malformed)) { request, _ in request.rounds = 9 },
    .init(testDescription: "long instrument", answer: .reject(.malformed)) { request, _ in
      request.legs[0].instrument = String(repeating: "x", count: 65)
    },
    .init(testDescription: "an hour and a bit", answer: .reject(.limit)) { _, header in
      header.expiry = header.created + .seconds(3_600) + .nanoseconds(1)
    },
    .init(testDescription: "an hour", answer: .nothing) { _, header in
      header.expiry = header.created + .seconds(3_600)
    },
    .init(testDescription: "no expiry", answer: .reject(.malformed)) { _, header in
      header.expiry = UnixNanoseconds(0)
    },
    .init(testDescription: "expired", answer: .reject(.dead)) { _, header in
      header.created = header.created + .seconds(-5)
      header.expiry = header.created + .nanoseconds(4_999_999_999)
    },
    .init(testDescription: "at its end", answer: .nothing) { _, header in
      header.created = header.created + .seconds(-5)
      header.expiry = header.created + .seconds(5)
    },
    .init(testDescription: "from the future", answer: .reject(.clock)) { _, header in
      header.created = header.created + .seconds(2) + .nanoseconds(1)
      header.expiry = header.created + .seconds(1)
    },
    .init(testDescription: "seq 2", answer: .reject(.chain)) { _, header in header.seq = 2 },
    .init(testDescription: "own", answer: .reject(.chain)) { _, header in header.own = Samples.spec },
    .init(testDescription: "seen", answer: .reject(.chain)) { _, header in header.seen = Samples.spec },
    .init(testDescription: "from another", answer: .reject(.key)) { _, header in
      header.from = Traders.stranger.identity.did.string
    },
    .init(testDescription: "to another", answer: .reject(.key)) { _, header in
      header.to = Traders.stranger.identity.did.string
    },
    .init(testDescription: "other key", answer: .reject(.key)) { _, header in header.fromKey = "key-9" },
    .init(testDescription: "other document", answer: .reject(.key)) { _, header in header.docHash = Samples.spec },
    .init(testDescription: "critical extension", answer: .reject(.critical)) { _, header in
      header.extensions = [.init(id: 1, isCritical: true, value: [])]
    },
    .init(testDescription: "harmless extension", answer: .nothing) { _, header in
      header.extensions = [.init(id: 1, isCritical: false, value: [1]), .init(id: 2, isCritical: false, value: [])]
    },
    .init(testDescription: "extensions out of order", answer: .reject(.malformed)) { _, header in
      header.extensions = [.init(id: 2, isCritical: false, value: []), .init(id: 1, isCritical: false, value: [])]
    },
  ]

  @Test("requests", arguments: requestFaults)
  func request(fault: RequestFault) throws {
    let script = Self.script()
    var (request, dialogue) = script.request()
    var header = script.statement(.quoteRequest(request), in: dialogue, expiry: script.now + .seconds(60)).header
    fault.change(&request, &header)
    #expect(
      script.say(Statement(header: header, payload: .quoteRequest(request), signer: script.signer)) == fault.answer)
    #expect((script.peer.session.dialogue(dialogue) != nil) == (fault.answer == .nothing))
    #expect(try script.peer.restored() == script.peer.session.state)
    // A refused request leaves nothing behind: the answer is about the pair.
    if fault.answer != .nothing { #expect(script.heard.last?.header.dialogue == .pair) }
  }

  @Test("policy refuses unknown instruments, other definitions and everything when killed")
  func policy() throws {
    let known = ["BTC-27NOV26-100000-C": Samples.spec]
    let cases: [(NegotiationPolicy, Answer)] = [
      (NegotiationPolicy(instruments: known), .nothing),
      (NegotiationPolicy(instruments: ["ETH": Samples.spec]), .reject(.spec)),
      (NegotiationPolicy(instruments: ["BTC-27NOV26-100000-C": .zero]), .reject(.spec)),
      (NegotiationPolicy(requestRefusal: .killed, instruments: known), .reject(.killed)),
    ]
    for (policy, answer) in cases {
      let script = Self.script(policy: policy)
      let (request, dialogue) = script.request()
      #expect(script.say(.quoteRequest(request), in: dialogue) == answer)
    }
  }

  @Test("an instrument that only looks the same is another")
  func lookalike() {
    let script = Self.script(policy: NegotiationPolicy(instruments: ["K": Samples.spec]))
    var (request, dialogue) = script.request()
    request.legs[0].instrument = "\u{212A}"
    #expect(script.say(.quoteRequest(request), in: dialogue) == .reject(.spec))
  }

  @Test("the 65th open dialogue is refused, and the 61st request of a minute")
  func limits() {
    var limits = NegotiationLimits()
    limits.openDialogues = 3
    limits.requestsPerMinute = 5
    let script = Self.script(limits: limits)
    var answers: [Answer] = []
    for nonce in UInt8(1)...6 {
      let (request, dialogue) = script.request(nonce)
      answers.append(script.say(.quoteRequest(request), in: dialogue, expiry: script.now + .seconds(60)))
    }
    #expect(answers == [.nothing, .nothing, .nothing, .reject(.limit), .reject(.limit), .reject(.rate)])
    #expect(NegotiationLimits().openDialogues == 64)
    #expect(NegotiationLimits().requestsPerMinute == 60)
  }

  // MARK: Offers

  /// A script that is the maker, in a dialogue that the session asked for.
  static func asked(_ side: RequestSide = .twoWay) throws -> (Script, DialogueID) {
    let script = Script(Traders.maker, to: Traders.taker)
    let draft = Samples.request(side)
    let result = try script.peer.session.requestQuote(draft, nonce: [UInt8](repeating: 1, count: 16), now: script.now)
    script.peer.take(result)
    script.hear()
    return (script, result.dialogue)
  }

  struct OfferFault: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let answer: Script.Answer
    let change: @Sendable (inout Offer, inout Header) -> Void
  }

  static let offerFaults: [OfferFault] = [
    .init(testDescription: "none", answer: .nothing) { _, _ in },
    .init(testDescription: "round 1 before a Counter", answer: .reject(.rounds)) { offer, _ in offer.round = 1 },
    .init(testDescription: "round 9", answer: .reject(.malformed)) { offer, _ in offer.round = 9 },
    .init(testDescription: "replaces nothing", answer: .reject(.replaces)) { offer, _ in offer.replaces = Samples.spec
    },
    .init(testDescription: "last look without a look", answer: .reject(.terms)) { offer, _ in offer.mode = .lastLook },
    .init(testDescription: "look of a firm offer", answer: .reject(.malformed)) { offer, _ in offer.lookNanoseconds = 1
    },
    .init(testDescription: "witness", answer: .reject(.witness)) { offer, _ in
      offer.witness = .init(did: "did:web:w", slotKey: Samples.spec)
    },
    .init(testDescription: "two prices", answer: .reject(.terms)) { offer, _ in offer.bid?.prices.append(1) },
    .init(testDescription: "no prices", answer: .reject(.malformed)) { offer, _ in offer.bid?.prices = [] },
    .init(testDescription: "price too large", answer: .reject(.malformed)) { offer, _ in
      offer.bid?.prices = [OfferSide.priceLimit + 1]
    },
    .init(testDescription: "largest price", answer: .nothing) { offer, _ in offer.bid?.prices = [-OfferSide.priceLimit]
    },
    .init(testDescription: "hedge price", answer: .reject(.terms)) { offer, _ in offer.bid?.hedgePrice = 1 },
    .init(testDescription: "too many lots", answer: .reject(.terms)) { offer, _ in offer.ask?.lotsMax = 11 },
    .init(testDescription: "no sides", answer: .reject(.malformed)) { offer, _ in (offer.bid, offer.ask) = (nil, nil) },
    .init(testDescription: "one side", answer: .nothing) { offer, _ in offer.bid = nil },
    .init(testDescription: "a minute and a bit", answer: .reject(.terms)) { _, header in
      header.expiry = header.created + .seconds(60) + .nanoseconds(1)
    },
    .init(testDescription: "a minute", answer: .nothing) { _, header in header.expiry = header.created + .seconds(60) },
    .init(testDescription: "indicative for an hour", answer: .nothing) { offer, header in
      offer.mode = .indicative
      header.expiry = header.created + .seconds(3_600)
    },
    .init(testDescription: "held too long", answer: .reject(.terms)) { offer, header in
      header.expiry = header.created + .seconds(10)
      offer.holdUntil = header.created + .seconds(5) + .nanoseconds(1)
    },
    .init(testDescription: "held five seconds", answer: .nothing) { offer, header in
      header.expiry = header.created + .seconds(10)
      offer.holdUntil = header.created + .seconds(5)
    },
    .init(testDescription: "held beyond its end", answer: .reject(.terms)) { offer, header in
      offer.holdUntil = header.expiry + .nanoseconds(1)
    },
    .init(testDescription: "indicative and held", answer: .reject(.terms)) { offer, header in
      offer.mode = .indicative
      offer.holdUntil = header.expiry
    },
    .init(testDescription: "dead", answer: .reject(.dead)) { _, header in
      header.expiry = header.created + .nanoseconds(1)
      header.created = header.created + .seconds(-1)
      header.expiry = header.created + .milliseconds(899)
    },
    .init(testDescription: "from the future", answer: .reject(.clock)) { _, header in
      header.created = header.created + .seconds(3)
      header.expiry = header.created + .seconds(1)
    },
    .init(testDescription: "expiry before created", answer: .reject(.malformed)) { _, header in
      header.expiry = header.created
    },
  ]

  @Test("offers", arguments: offerFaults)
  func offer(fault: OfferFault) throws {
    let (script, dialogue) = try Self.asked()
    var offer = script.offer()
    script.now = script.now + .seconds(2)
    var header = script.statement(.quote(offer), in: dialogue).header
    fault.change(&offer, &header)
    #expect(script.say(Statement(header: header, payload: .quote(offer), signer: script.signer)) == fault.answer)
    #expect((script.peer.session.dialogue(dialogue)?.peerOffer != nil) == (fault.answer == .nothing))
    #expect(try script.peer.restored() == script.peer.session.state)
  }

  @Test("a request for one side takes offers of that side only")
  func sides() throws {
    for (side, bid, ask) in [(RequestSide.buy, nil, 105), (.sell, 95, nil)] as [(RequestSide, Int64?, Int64?)] {
      let (script, dialogue) = try Self.asked(side)
      #expect(script.say(.quote(script.offer()), in: dialogue) == .reject(.terms))
      #expect(script.say(.quote(script.offer(bid: ask, ask: bid)), in: dialogue) == .reject(.terms))
      #expect(script.say(.quote(script.offer(bid: bid, ask: ask)), in: dialogue) == .nothing)
    }
  }

  @Test("an offer names the one that it replaces, by what its owner could know")
  func replaces() throws {
    let (script, dialogue) = try Self.asked()
    let first = script.statement(.quote(script.offer()), in: dialogue)
    #expect(script.say(first) == .nothing)
    #expect(script.say(.quote(script.offer()), in: dialogue) == .reject(.replaces))
    // The refused one became the latest, so its id and none are both right.
    let refused = script.statement(.quote(script.offer(replaces: first.id)), in: dialogue)
    #expect(script.say(refused) == .reject(.replaces))
    let second = script.statement(.quote(script.offer(replaces: refused.id)), in: dialogue)
    #expect(script.say(second) == .nothing)
    script.say(.quoteCancel(QuoteCancel(offer: second.id, code: .none)), in: dialogue)
    #expect(script.say(.quote(script.offer(replaces: second.id)), in: dialogue) == .reject(.replaces))
    let third = script.statement(.quote(script.offer()), in: dialogue)
    #expect(script.say(third) == .nothing)
    // Its end has passed on its owner's clock: there is nothing to replace.
    script.now = script.now + .seconds(2) + .nanoseconds(1)
    #expect(script.say(.quote(script.offer(replaces: third.id)), in: dialogue) == .reject(.replaces))
    #expect(script.say(.quote(script.offer()), in: dialogue) == .nothing)
  }

  @Test("a held offer is neither cancelled, replaced nor passed")
  func held() throws {
    let (script, dialogue) = try Self.asked()
    let until = script.now + .seconds(1)
    let held = script.statement(.quote(script.offer(hold: until)), in: dialogue)
    #expect(script.say(held) == .nothing)
    script.now = until + .nanoseconds(-1)
    #expect(script.say(.quoteCancel(QuoteCancel(offer: held.id, code: .none)), in: dialogue) == .reject(.held))
    #expect(script.say(.quote(script.offer(replaces: held.id)), in: dialogue) == .reject(.held))
    #expect(script.say(.pass(Pass(code: .none)), in: dialogue) == .reject(.held))
    #expect(script.peer.session.dialogue(dialogue)?.peerOffer?.id == held.id)
    script.now = until
    #expect(script.say(.quoteCancel(QuoteCancel(offer: held.id, code: .none)), in: dialogue) == .nothing)
  }

  @Test("Counters come after a Quote, in ascending rounds, as many as allowed")
  func counters() throws {
    let script = Self.script()
    let (request, dialogue) = script.request(rounds: 2)
    script.say(.quoteRequest(request), in: dialogue, expiry: script.now + .seconds(60))
    #expect(script.say(.counter(script.offer(round: 1)), in: dialogue) == .reject(.noOffer))
    script.peer.take(try script.peer.session.quote(dialogue, Samples.twoWay(), now: script.now))
    script.hear()
    #expect(script.say(.counter(script.offer(round: 0)), in: dialogue) == .reject(.rounds))
    let first = script.statement(.counter(script.offer(round: 1)), in: dialogue)
    #expect(script.say(first) == .nothing)
    #expect(script.say(.counter(script.offer(round: 1, replaces: first.id)), in: dialogue) == .reject(.rounds))
    #expect(script.say(.counter(script.offer(round: 2)), in: dialogue) == .nothing)
    #expect(script.say(.counter(script.offer(round: 3)), in: dialogue) == .reject(.rounds))
    #expect(script.say(.quote(script.offer()), in: dialogue) == .reject(.role))
  }

  // MARK: Chain

  @Test("a statement out of its place is refused CHAIN, and the next one in place is taken")
  func chain() throws {
    let changes: [(inout Header) -> Void] = [
      { $0.seq += 9 }, { $0.own = Samples.spec }, { $0.seen = .zero }, { $0.seen = Samples.spec },
      { $0.created = $0.created + .nanoseconds(-1) },
    ]
    for (index, change) in changes.enumerated() {
      let (script, dialogue) = try Self.asked()
      let first = script.statement(.quote(script.offer()), in: dialogue)
      script.say(first)
      #expect(script.say(.quote(script.offer(replaces: first.id)), in: dialogue, change) == .reject(.chain), "\(index)")
      #expect(script.say(.quote(script.offer(replaces: first.id)), in: dialogue) == .nothing, "\(index)")
      #expect(try script.peer.restored() == script.peer.session.state, "\(index)")
    }
  }

  @Test("an Accept out of its place is declined CHAIN; a Confirm out of its place trades")
  func chainOfVerdicts() throws {
    let open = try MessageTableTests.Stage(.open, counters: true)
    let accept = Accept(offer: open.counter!.id, side: .buy, lots: 1, terms: [1])
    #expect(open.script.say(.accept(accept), in: open.dialogue) { $0.own = .zero } == .decline(.chain))
    let pending = try MessageTableTests.Stage(.pending)
    let confirm = Payload.confirm(pending.script.confirm(pending.accept!))
    #expect(pending.script.say(confirm, in: pending.dialogue) { $0.own = .zero } == .reject(.chain))
    #expect(pending.phase == .traded)
    #expect(try pending.script.peer.restored() == pending.script.peer.session.state)
  }

  @Test("one seq for two statements is equivocation; the same statement again is a duplicate")
  func equivocation() throws {
    let (script, dialogue) = try Self.asked()
    let first = script.statement(.quote(script.offer()), in: dialogue)
    let other = script.statement(.quote(script.offer(bid: 94)), in: dialogue)
    #expect(script.say(first) == .nothing)
    #expect(script.say(first.bytes) == .reject(.duplicate))
    #expect(script.say(other.bytes) == .freeze(.equivocation))
    #expect(throws: NegotiationError.frozen(.equivocation)) {
      try script.peer.session.pass(dialogue, now: script.now)
    }
  }

  @Test("a seq is used by what bore it, wherever that stood")
  func usedSeq() throws {
    let (script, dialogue) = try Self.asked()
    let ahead = script.statement(.quote(script.offer()), in: dialogue) { $0.seq = 2 }
    let first = script.statement(.quote(script.offer(bid: 94)), in: dialogue)
    #expect(script.say(ahead) == .reject(.chain))
    // Not equivocation: no two statements bear seq 1.
    #expect(script.say(first.bytes) == .reject(.chain))
    #expect(script.say(ahead.bytes) == .reject(.duplicate))
    #expect(script.say(.quote(script.offer(bid: 93)), in: dialogue) { $0.seq = 2 } == .freeze(.equivocation))
    #expect(try script.peer.restored() == script.peer.session.state)
  }

  @Test("a statement that is not authentic uses no seq: the Accept that is gets its verdict")
  func forgedSeq() throws {
    let stage = try MessageTableTests.Stage(.open, counters: true)
    let script = stage.script
    let accept = script.statement(.accept(script.accept(stage.counter!, in: stage.dialogue)), in: stage.dialogue)
    var unsigned = accept.bytes
    unsigned[unsigned.count - 1] ^= 1
    var foreign = accept.header
    foreign.docHash = Samples.spec
    #expect(script.say(unsigned) == .reject(.signature))
    #expect(
      script.say(Statement(header: foreign, payload: accept.payload, signer: script.signer).bytes) == .reject(.key))
    #expect(script.say(accept.bytes) == .decline(.chain))
    #expect(script.say(accept.bytes) == .reject(.duplicate))
    #expect(try script.peer.restored() == script.peer.session.state)
  }

  @Test("an Accept that was declined out of its place is not confirmed when it comes again in its place")
  func secondVerdict() throws {
    let stage = try MessageTableTests.Stage(.open, counters: true)
    let (script, dialogue) = (stage.script, stage.dialogue)
    let between = script.statement(.tradeAck(TradeAck(confirm: Samples.spec)), in: dialogue) { $0.own = Samples.spec }
    let accept = script.statement(.accept(script.accept(stage.counter!, in: dialogue)), in: dialogue) {
      $0.seq += 2
      $0.own = between.id
    }
    #expect(script.say(accept.bytes) == .decline(.chain))
    #expect(script.say(between.bytes) == .reject(.chain))
    #expect(script.say(accept.bytes) == .reject(.duplicate))
    #expect(stage.phase == .open)
  }

  @Test("created is compared with the statement before, not with the latest of all")
  func created() throws {
    let (script, dialogue) = try Self.asked()
    let later = script.statement(.quote(script.offer()), in: dialogue) {
      $0.created = $0.created + .seconds(1)
      $0.own = Samples.spec
    }
    #expect(script.say(later) == .reject(.chain))
    #expect(script.say(.pass(Pass(code: .none)), in: dialogue) == .reject(.chain))
    #expect(script.say(.pass(Pass(code: .none)), in: dialogue) == .nothing)
  }

  @Test("a confirmed Accept that comes again is a duplicate, never declined")
  func acceptAgain() throws {
    let stage = try MessageTableTests.Stage(.open, counters: true)
    let script = stage.script
    let accept = script.statement(.accept(script.accept(stage.counter!, in: stage.dialogue)), in: stage.dialogue)
    #expect(script.say(accept) == .confirm)
    #expect(script.say(accept.bytes) == .reject(.duplicate))
  }

  // MARK: Bytes

  @Test("what is no statement counts, is refused, and blocks nothing")
  func garbage() throws {
    let (script, dialogue) = try Self.asked()
    let good = script.statement(.quote(script.offer()), in: dialogue)
    let broken: [[UInt8]] = [[], [0xC1], good.bytes.dropLast(), good.bytes + [0], [2] + good.bytes.dropFirst()]
    for bytes in broken {
      #expect(script.say(bytes) == .reject(.malformed))
    }
    var flipped = good.bytes
    flipped[flipped.count - 1] ^= 1
    #expect(script.say(Array(flipped)) == .reject(.signature))
    #expect(script.peer.session.counters.received == 6)
    #expect(try script.peer.restored() == script.peer.session.state)
  }

  @Test("another version is refused VERSION")
  func version() throws {
    let (script, dialogue) = try Self.asked()
    var header = script.statement(.pass(Pass(code: .none)), in: dialogue).header.encoded
    header[1] = 2
    #expect(script.say(Envelope(header: header, payload: [0x91, 0], signer: script.signer).bytes) == .reject(.version))
  }

  @Test("a Reject is never answered, whatever is wrong with it")
  func rejectsOfRejects() throws {
    let (script, dialogue) = try Self.asked()
    let reject = Payload.reject(Reject(target: .zero, code: .none, field: 0, text: ""))
    #expect(script.say(reject, in: dialogue) { $0.seq = 9 } == .nothing)
    #expect(script.say(reject, in: dialogue) { $0.docHash = .zero } == .nothing)
    #expect(
      script.say(reject, in: dialogue) { $0.extensions = [.init(id: 1, isCritical: true, value: [])] } == .nothing)
    var broken = script.statement(reject, in: dialogue).bytes
    broken[broken.count - 1] ^= 1
    #expect(script.say(Array(broken)) == .nothing)
  }

  @Test("the eleventh Reject of a second, and the 201st statement, close the channel")
  func floods() throws {
    let (script, _) = try Self.asked()
    let answers = (0..<11).map { _ in script.say([0xC1]) }
    #expect(answers == Array(repeating: .reject(.malformed), count: 10) + [.close])
    #expect(script.peer.close == .rejectRate)
    #expect(script.peer.session.counters.received == 10)

    let (other, dialogue) = try Self.asked()
    let reject = Payload.reject(Reject(target: .zero, code: .none, field: 0, text: ""))
    for _ in 0..<200 { #expect(other.say(reject, in: dialogue) == .nothing) }
    #expect(other.say(reject, in: dialogue) == .close)
    #expect(other.peer.close == .statementRate)
  }
}
