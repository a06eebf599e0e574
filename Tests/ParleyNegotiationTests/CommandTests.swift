import ParleyIdentity
import ParleyWire
import Testing

@testable import ParleyNegotiation

/// What the node's owner may do, and when not; and what the clock does.
@Suite("Commands")
struct CommandTests {
  static let nonce = [UInt8](repeating: 7, count: 16)

  static func accept(
    _ pair: Pair, _ id: DialogueID, _ offer: StatementID, lots: Int64 = 3, order: String? = nil
  ) throws(NegotiationError) -> CommandResult {
    try pair.taker.session.accept(id, offer: offer, side: .buy, lots: lots, clientOrderID: order, now: pair.now)
  }

  @Test("a whole negotiation, and what each side is told")
  func negotiation() throws {
    let pair = Pair()
    _ = (pair.taker.drainEvents(), pair.maker.drainEvents())
    let id = try pair.ask()
    let told = pair.maker.drainEvents()
    #expect(told.contains { if case .requestArrived(id, _, _) = $0 { true } else { false } })
    let first = try pair.quote(id)
    let counter = try pair.counter(id)
    let second = try pair.quote(id, Samples.twoWay(bid: 96, ask: 104))
    let events = pair.taker.drainEvents()
    let live = pair.taker.session.dialogue(id)!.peerOffer!
    #expect(live.id == second)
    #expect(events.contains(.quoteArrived(id, live)))
    #expect(events.contains(.offerEnded(id, offer: first, isMine: false, .superseded)))
    #expect(
      pair.maker.events.contains { if case .counterArrived(id, let offer) = $0 { offer.id == counter } else { false } })
    pair.taker.take(try Self.accept(pair, id, second))
    #expect(pair.taker.session.dialogue(id)?.myOffer == nil)
    pair.settle()
    let (bought, sold) = (pair.taker.session.trades[0], pair.maker.session.trades[0])
    #expect(bought.terms == sold.terms)
    #expect(bought.terms.net == 104)
    #expect((bought.side, sold.side) == (.buy, .sell))
    #expect((bought.isAcceptor, sold.isAcceptor) == (true, false))
    #expect(pair.maker.events.contains(.tradeAcknowledged(id)))
    #expect(pair.taker.session.counters.acknowledged == pair.taker.session.counters.sent)
    for peer in [pair.taker, pair.maker] { #expect(try peer.restored() == peer.session.state) }
  }

  @Test("a Counter that the maker accepts is a trade too")
  func acceptedCounter() throws {
    let pair = Pair()
    let id = try pair.ask()
    try pair.quote(id)
    let counter = try pair.counter(id, OfferDraft(bid: Samples.side(99)))
    pair.maker.take(
      try pair.maker.session.accept(id, offer: counter, side: .sell, lots: 10, now: pair.now))
    pair.settle()
    #expect(pair.taker.session.trades.first?.side == .buy)
    #expect(pair.taker.session.trades.first?.terms.requesterBuys == true)
    #expect(pair.maker.session.trades == [pair.maker.session.trades[0]])
    #expect(pair.maker.session.firmLots == 0)
  }

  // MARK: Client orders

  @Test("an order given again has one effect, after a restart too; with other content it is refused")
  func idempotency() throws {
    let pair = Pair()
    let draft = Samples.request()
    let first = pair.taker.take(
      try pair.taker.session.requestQuote(draft, nonce: Self.nonce, clientOrderID: "a", now: pair.now))
    pair.settle()
    for isRestarted in [false, true] {
      if isRestarted {
        try pair.taker.restart()
        pair.connect()
      }
      let again = try pair.taker.session.requestQuote(
        draft, nonce: [UInt8](repeating: 9, count: 16), clientOrderID: "a", now: pair.now + .seconds(1))
      #expect(again.isRepeat)
      #expect(again.outcome.isEmpty)
      #expect((again.dialogue, again.statement) == (first.dialogue, first.statement))
      var other = draft
      other.lotsMax = 9
      #expect(throws: NegotiationError.clientOrderIDReused("a")) {
        try pair.taker.session.requestQuote(other, nonce: Self.nonce, clientOrderID: "a", now: pair.now)
      }
      #expect(throws: NegotiationError.clientOrderIDReused("a")) {
        try pair.taker.session.pass(first.dialogue, clientOrderID: "a", now: pair.now)
      }
    }
    let offer = try pair.quote(first.dialogue)
    let accept = pair.taker.take(try Self.accept(pair, first.dialogue, offer, order: "b"))
    pair.settle()
    try pair.taker.restart()
    #expect(try Self.accept(pair, first.dialogue, offer, order: "b").statement == accept.statement)
    #expect(throws: NegotiationError.clientOrderIDReused("b")) {
      try Self.accept(pair, first.dialogue, offer, lots: 4, order: "b")
    }
    #expect(throws: NegotiationError.clientOrderIDLength(0)) { try Self.accept(pair, first.dialogue, offer, order: "") }
    #expect(throws: NegotiationError.clientOrderIDLength(65)) {
      try Self.accept(pair, first.dialogue, offer, order: String(repeating: "x", count: 65))
    }
  }

  @Test("an order whose row was lost is carried out")
  func lostOrder() throws {
    let pair = Pair()
    _ = try pair.taker.session.requestQuote(Samples.request(), nonce: Self.nonce, clientOrderID: "a", now: pair.now)
    try pair.taker.restart()
    pair.connect()
    let again = try pair.taker.session.requestQuote(
      Samples.request(), nonce: Self.nonce, clientOrderID: "a", now: pair.now)
    #expect(!again.isRepeat)
    #expect(again.outcome.rows.count == 1)
  }

  // MARK: What is refused

  @Test("a command that is refused changes nothing")
  func refusals() throws {
    let pair = Pair()
    let id = try pair.ask()
    let taker = pair.taker
    let maker = pair.maker
    let unknown = DialogueID([UInt8](repeating: 1, count: 16))!
    func check(_ peer: Peer, _ error: NegotiationError, _ command: (Peer) throws -> CommandResult) {
      let before = peer.session.state
      #expect(throws: error) { try command(peer) }
      #expect(peer.session.state == before)
    }
    let now = pair.now
    check(taker, .unknownDialogue(unknown)) { try $0.session.pass(unknown, now: now) }
    check(taker, .wrongRole) { try $0.session.quote(id, Samples.twoWay(), now: now) }
    check(maker, .wrongRole) { try $0.session.counter(id, Samples.twoWay(), now: now) }
    check(taker, .wrongRole) { try $0.session.refuse(id, Fault(.policy), now: now) }
    check(taker, .notQuotedYet) { try $0.session.counter(id, Samples.twoWay(), now: now) }
    check(maker, .noLiveOffer) { try $0.session.cancelOffer(id, now: now) }
    check(taker, .noLiveOffer) { try $0.session.accept(id, offer: Samples.spec, side: .buy, lots: 1, now: now) }
    check(maker, .invalid(Fault(.malformed, field: 106, "neither bid nor ask"))) {
      try $0.session.quote(id, OfferDraft(), now: now)
    }
    check(maker, .invalid(Fault(.terms, field: 11))) { try $0.session.quote(id, Samples.twoWay(lifetime: 0), now: now) }
    check(maker, .invalid(Fault(.terms, field: 11, "it lives too long"))) {
      try $0.session.quote(id, Samples.twoWay(lifetime: 60_000_000_001), now: now)
    }
    check(maker, .invalid(Fault(.terms, field: 107, "not the lots that are wanted"))) {
      try $0.session.quote(id, OfferDraft(ask: Samples.side(1, lots: 11)), now: now)
    }
    check(maker, .invalid(Fault(.terms, field: 104, "no time to look"))) {
      try $0.session.quote(id, Samples.twoWay(mode: .lastLook), now: now)
    }
    check(taker, .invalid(Fault(.malformed, field: 101))) {
      try $0.session.requestQuote(Samples.request(), nonce: [1], now: now)
    }
    check(taker, .invalid(Fault(.limit, field: 11))) {
      try $0.session.requestQuote(Samples.request(lifetime: 3_600_000_000_001), nonce: Self.nonce, now: now)
    }
    check(taker, .invalid(Fault(.duplicate, field: 101))) {
      try $0.session.requestQuote(Samples.request(), nonce: Self.nonce, now: now)
    }
    var legs = Samples.request()
    legs.legs = Samples.legs(21)
    check(taker, .invalid(Fault(.malformed, field: 103))) {
      try $0.session.requestQuote(legs, nonce: Self.nonce, now: now)
    }
    let indicative = try pair.quote(id, Samples.twoWay(mode: .indicative))
    check(taker, .indicative) { try $0.session.accept(id, offer: indicative, side: .buy, lots: 1, now: now) }
    let held = try pair.quote(id, Samples.twoWay(hold: 500_000_000))
    let until = now + .milliseconds(500)
    check(maker, .held(until: until)) { try $0.session.cancelOffer(id, now: now) }
    check(maker, .held(until: until)) { try $0.session.pass(id, now: now) }
    check(maker, .held(until: until)) { try $0.session.quote(id, Samples.twoWay(), now: now) }
    check(maker, .held(until: until)) { try $0.session.refuse(id, Fault(.policy), now: now) }
    check(taker, .invalid(Fault(.lots, field: 103))) {
      try $0.session.accept(id, offer: held, side: .buy, lots: 11, now: now)
    }
    // It is too late to be sure 5 ms of transit before the end, and what the clocks may have drifted since the start.
    let end = now + .seconds(2)
    check(taker, .tooLate(expiry: end)) {
      try $0.session.accept(id, offer: held, side: .buy, lots: 1, now: end + .nanoseconds(-5_398_919))
    }
    let accept = taker.take(
      try taker.session.accept(id, offer: held, side: .buy, lots: 1, now: end + .nanoseconds(-5_398_920)))
    check(taker, .acceptUndecided(accept.statement)) { try $0.session.pass(id, now: now) }
    check(taker, .acceptUndecided(accept.statement)) { try $0.session.counter(id, Samples.twoWay(), now: now) }
    pair.now = end + .milliseconds(-100)
    pair.settle()
    check(taker, .dialogueClosed(id)) { try $0.session.pass(id, now: now) }
  }

  @Test("without a channel only what takes back is signed")
  func disconnected() throws {
    let pair = Pair()
    let id = try pair.ask()
    try pair.quote(id)
    for peer in [pair.taker, pair.maker] { peer.session.channelClosed() }
    let live = pair.taker.session.dialogue(id)!.peerOffer!
    #expect(throws: NegotiationError.notConnected) { try Self.accept(pair, id, live.id) }
    #expect(throws: NegotiationError.notConnected) { try pair.maker.session.quote(id, Samples.twoWay(), now: pair.now) }
    let cancel = pair.maker.take(try pair.maker.session.cancelOffer(id, code: .killed, now: pair.now))
    #expect(cancel.outcome.frames.isEmpty)
    pair.connect()
    #expect(pair.taker.session.dialogue(id)?.peerOffer == nil)
    #expect(pair.taker.events.contains(.offerEnded(id, offer: live.id, isMine: false, .cancelled)))
  }

  @Test("Counters end with the request's rounds")
  func rounds() throws {
    let pair = Pair()
    let id = try pair.ask(Samples.request(rounds: 2))
    try pair.quote(id)
    try pair.counter(id)
    try pair.quote(id)
    try pair.counter(id)
    #expect(throws: NegotiationError.noRoundsLeft) { try pair.counter(id) }
    #expect(pair.maker.session.dialogue(id)?.peerOffer?.offer.round == 2)
  }

  // MARK: Caps

  @Test("a group is not filled twice, over any dialogues")
  func groupCap() throws {
    let pair = Pair()
    var draft = Samples.request(lots: 10)
    draft.group = [UInt8](repeating: 1, count: 16)
    let first = try pair.ask(draft, nonce: 1)
    let second = try pair.ask(draft, nonce: 2)
    let offers = [try pair.quote(first), try pair.quote(second)]
    pair.taker.take(try Self.accept(pair, first, offers[0], lots: 6))
    // In doubt counts as filled.
    #expect(throws: NegotiationError.overCap(free: 4)) { try Self.accept(pair, second, offers[1], lots: 5) }
    pair.settle()
    #expect(throws: NegotiationError.overCap(free: 4)) { try Self.accept(pair, second, offers[1], lots: 5) }
    #expect(throws: NegotiationError.overCap(free: 4)) {
      try pair.taker.session.counter(second, OfferDraft(bid: Samples.side(99, lots: 5)), now: pair.now)
    }
    pair.taker.take(try Self.accept(pair, second, offers[1], lots: 4))
    pair.settle()
    #expect(pair.taker.session.trades.map(\.terms.lots).reduce(0, +) == 10)
    try pair.taker.restart()
    #expect(pair.taker.session.state.groups.values.first?.filled == 10)
  }

  @Test("only a Decline releases what an Accept reserved")
  func release() throws {
    let pair = Pair()
    let id = try pair.ask()
    let offer = try pair.quote(id)
    let accept = pair.taker.take(try Self.accept(pair, id, offer, lots: 10))
    let group = pair.taker.session.state.dialogues[id]!.request.group
    #expect(pair.taker.session.state.inDoubt == (1, 10))
    #expect(pair.taker.session.ledger(of: group).free == 0)
    pair.maker.take(try pair.maker.session.cancelOffer(id, now: pair.now))
    pair.settle()
    #expect(pair.taker.session.state.inDoubt == (0, 0))
    #expect(pair.taker.session.ledger(of: group).free == 10)
    #expect(pair.taker.events.contains(.declined(id, accept: accept.statement, .cancelled)))
    #expect(pair.maker.events.contains(.declinedPeer(id, accept: accept.statement, .cancelled)))
  }

  @Test("limits on doubt, firm lots, dialogues and bytes under way")
  func limits() throws {
    var limits = NegotiationLimits()
    limits.acceptsInDoubt = 1
    limits.lotsInDoubt = 5
    limits.firmLots = 15
    limits.openDialogues = 2
    let pair = Pair(limits: limits)
    let first = try pair.ask(nonce: 1)
    let second = try pair.ask(nonce: 2)
    #expect(throws: NegotiationError.limit("openDialogues")) { try pair.ask(nonce: 3) }
    let offers = [try pair.quote(first), try pair.quote(second, Samples.twoWay(lots: 5))]
    #expect(pair.maker.session.firmLots == 15)
    #expect(throws: NegotiationError.limit("firmLots")) { try pair.quote(second, Samples.twoWay(lots: 6)) }
    #expect(throws: NegotiationError.limit("lotsInDoubt")) { try Self.accept(pair, first, offers[0], lots: 6) }
    pair.taker.take(try Self.accept(pair, first, offers[0], lots: 5))
    #expect(throws: NegotiationError.limit("acceptsInDoubt")) { try Self.accept(pair, second, offers[1], lots: 1) }
    limits = NegotiationLimits()
    limits.unackedBytes = 10_000
    let small = Pair(limits: limits)
    #expect(throws: NegotiationError.limit("unackedBytes")) { try small.ask() }
  }

  @Test("half of the statements that a peer takes in a second are signed, no more")
  func ownRate() throws {
    let pair = Pair()
    let id = try pair.ask()
    for _ in 0..<99 { try pair.quote(id) }
    try pair.quote(id)
    #expect(throws: NegotiationError.limit("statementsPerSecond")) { try pair.quote(id) }
    pair.now = pair.now + .seconds(1)
    try pair.quote(id)
    #expect(pair.maker.close == nil)
  }

  // MARK: Time

  @Test("offers die on time, each by its owner's clock, and the dialogue after them")
  func expiry() throws {
    let pair = Pair()
    let id = try pair.ask(Samples.request(lifetime: 1_000_000_000))
    let offer = try pair.quote(id, Samples.twoWay(lifetime: 2_000_000_000))
    let end = UnixNanoseconds.start + .seconds(2)
    // 200 millionths of two seconds, and of that again.
    let sureEnd = end + .nanoseconds(400_081)
    #expect(pair.maker.session.nextEnding == end + .nanoseconds(1))
    #expect(pair.taker.session.nextEnding == sureEnd)
    #expect(pair.maker.session.poll(now: end).rows.isEmpty)
    pair.maker.take(pair.maker.session.poll(now: end + .nanoseconds(1)))
    #expect(
      pair.maker.events.suffix(2) == [
        .offerEnded(id, offer: offer, isMine: true, .expired), .dialogueClosed(id, .expired),
      ])
    #expect(pair.taker.session.poll(now: sureEnd + .nanoseconds(-1)).rows.isEmpty)
    pair.taker.take(pair.taker.session.poll(now: sureEnd))
    #expect(
      pair.taker.events.suffix(2) == [
        .offerEnded(id, offer: offer, isMine: false, .expired), .dialogueClosed(id, .expired),
      ])
    for peer in [pair.taker, pair.maker] {
      #expect(peer.session.openDialogues.isEmpty)
      #expect(peer.session.nextEnding == nil)
      #expect(try peer.restored() == peer.session.state)
    }
  }

  @Test("a verdict that does not come is told once and voids nothing")
  func overdue() throws {
    let pair = Pair()
    let id = try pair.ask()
    let other = try pair.ask(nonce: 8)
    let offer = try pair.quote(id)
    let accept = pair.taker.take(try Self.accept(pair, id, offer))
    _ = pair.taker.drain()
    let due = UnixNanoseconds.start + .nanoseconds(2_010_402_080)
    #expect(!pair.taker.session.poll(now: due).events.contains(.overdue(id, accept: accept.statement)))
    let told = pair.taker.session.poll(now: due + .nanoseconds(1))
    #expect(told.events.contains(.overdue(id, accept: accept.statement)))
    #expect(!pair.taker.session.poll(now: due + .seconds(1)).events.contains(.overdue(id, accept: accept.statement)))
    pair.now = due + .seconds(5)
    let fresh = try pair.quote(other)
    #expect(throws: NegotiationError.peerOverdue(accept.statement)) { try Self.accept(pair, other, fresh) }
    // The Accept arrives at last: declined LATE, and the doubt is over.
    pair.connect()
    #expect(pair.taker.session.dialogue(id)?.phase == .open)
    #expect(pair.taker.events.contains(.declined(id, accept: accept.statement, .late)))
  }

  @Test("a day without a TradeAck is told once")
  func unacknowledged() throws {
    let stage = try MessageTableTests.Stage(.open, counters: true)
    let script = stage.script
    script.say(.accept(script.accept(stage.counter!, in: stage.dialogue)), in: stage.dialogue)
    let due = script.now + .seconds(86_400) + .nanoseconds(1)
    #expect(script.peer.session.nextEnding == due)
    #expect(script.peer.session.poll(now: due).events == [.tradeUnacknowledged(stage.dialogue)])
    #expect(script.peer.session.poll(now: due).events.isEmpty)
  }

  @Test("a closed dialogue is forgotten after 90 days, a trade is not")
  func forgetting() throws {
    let pair = Pair()
    let closed = try pair.ask(nonce: 1)
    let traded = try pair.ask(nonce: 2)
    pair.taker.take(try pair.taker.session.pass(closed, clientOrderID: "a", now: pair.now))
    let offer = try pair.quote(traded)
    pair.taker.take(try Self.accept(pair, traded, offer))
    pair.settle()
    pair.now = pair.now + .seconds(90 * 86_400 + 1)
    // The measurement of the clocks is 90 days old too.
    #expect(throws: NegotiationError.self) { try pair.ask(nonce: 3) }
    pair.connect()
    _ = try pair.ask(nonce: 3)
    for peer in [pair.taker, pair.maker] {
      #expect(peer.session.dialogue(closed) == nil)
      #expect(peer.session.dialogue(traded)?.phase == .traded)
      #expect(try peer.restored() == peer.session.state)
    }
    #expect(pair.taker.session.state.orders.isEmpty)
  }

  @Test("of too many closed dialogues the oldest is forgotten")
  func tooManyClosed() {
    var state = PairState(local: "did:web:a", peer: "did:web:b")
    var events: [SessionEvent] = []
    let request = QuoteRequest(nonce: Self.nonce, legs: [Samples.leg], lotsMin: 1, lotsMax: 1, side: .buy)
    for number in 1...PairState.closedLimit + 1 {
      var bytes = [UInt8](repeating: 0, count: 8)
      bytes.appendBigEndian(UInt64(number))
      let id = DialogueID(bytes)!
      var dialogue = Dialogue(
        id: id, role: .responder, request: request, requestID: .zero, created: .start, expiry: .start)
      state.open.append(id)
      dialogue.close(.expired, .start, &events)
      state.store(dialogue)
    }
    #expect(state.closed.count == PairState.closedLimit + 1)
    try? state.apply(JournalRow(.evidence(statement: []), at: .start), &events)
    #expect(state.closed.count == PairState.closedLimit)
    #expect(state.dialogues.count == PairState.closedLimit)
  }

  // MARK: Restarting

  @Test("after every row of a negotiation the restored state is the live one")
  func restoredAfterEachStep() throws {
    let pair = Pair()
    func check() throws {
      for peer in [pair.taker, pair.maker] { #expect(try peer.restored() == peer.session.state) }
    }
    try check()
    let id = try pair.ask()
    try check()
    try pair.quote(id)
    try check()
    try pair.counter(id)
    try check()
    let offer = try pair.quote(id, Samples.twoWay(bid: 96, ask: 104, hold: 100_000_000))
    try check()
    pair.taker.take(try Self.accept(pair, id, offer))
    try check()
    pair.settle()
    try check()
  }

  @Test("a refused request closes on both sides, with the reason")
  func refusedRequest() throws {
    let pair = Pair()
    let id = try pair.ask()
    pair.maker.take(try pair.maker.session.refuse(id, Fault(.spec, field: 103, "not traded"), now: pair.now))
    pair.settle()
    for peer in [pair.taker, pair.maker] {
      #expect(peer.events.contains(.dialogueClosed(id, .refused(.spec))))
      #expect(peer.session.dialogue(id)?.phase == .closed)
    }
    #expect(
      pair.taker.events.contains { event in
        if case .rejected(id, _, let fault) = event { fault.text == "not traded" } else { false }
      })
  }
}
