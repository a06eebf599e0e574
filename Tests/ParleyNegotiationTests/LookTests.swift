import ParleyIdentity
import ParleyWire
import Testing

@testable import ParleyNegotiation

/// Last look: the owner decides about an Accept within the look, and every way in which that can end.
@Suite("Last look")
struct LookTests {
  static let look: Int64 = 500_000_000

  static func draft(lifetime: Int64 = 2_000_000_000) -> OfferDraft {
    OfferDraft(mode: .lastLook, bid: Samples.side(95), ask: Samples.side(105), lifetime: lifetime, look: look)
  }

  /// A taker whose Accept the maker looks at.
  struct Scene {
    let pair = Pair()
    let id: DialogueID
    let accept: StatementID

    init() throws {
      id = try pair.ask()
      let offer = try pair.quote(id, LookTests.draft())
      accept =
        pair.taker.take(
          try pair.taker.session.accept(id, offer: offer, side: .buy, lots: 3, now: pair.now)
        ).statement
      pair.settle()
    }

    func decide(_ decline: NegotiationCode?) throws {
      pair.maker.take(try pair.maker.session.decideLook(id, accept: accept, decline: decline, now: pair.now))
      pair.settle()
    }

    var declined: NegotiationCode? {
      for case .declined(id, accept, let code) in pair.taker.events { return code }
      return nil
    }

    func verdict() -> DialogueVerifier.Verdict {
      var statements: [[UInt8]] = []
      for row in pair.maker.journal {
        guard let row = try? JournalRow(row), row.dialogue == id, let bytes = row.statement else { continue }
        statements.append(bytes)
      }
      return DialogueVerifier.verify(statements, Traders.taker.identity, Traders.maker.identity)
    }

    func checkRestores() throws {
      for peer in [pair.taker, pair.maker] { #expect(try peer.restored() == peer.session.state) }
    }
  }

  @Test("an Accept of a last-look offer is looked at, durably, and a Confirm within the look trades")
  func confirmed() throws {
    let scene = try Scene()
    let (taker, maker) = (scene.pair.taker, scene.pair.maker)
    let look = try #require(maker.session.dialogue(scene.id)?.look)
    #expect(look.accept == scene.accept && look.side == .sell && look.lots == 3)
    #expect(look.until == .start + .milliseconds(500))
    #expect(maker.events.contains(.lookBegan(scene.id, look)))
    #expect(maker.session.dialogue(scene.id)?.myOffer == nil)
    #expect(maker.session.nextEnding == look.until + .nanoseconds(1))
    #expect(taker.session.dialogue(scene.id)?.phase == .acceptInDoubt(scene.accept))
    #expect(taker.session.dialogue(scene.id)?.lookUntil == .start + .milliseconds(2_500))
    try scene.checkRestores()
    scene.pair.now = look.until
    try scene.decide(nil)
    #expect(taker.session.trades.count == 1)
    #expect(taker.session.trades.map(\.confirm) == maker.session.trades.map(\.confirm))
    #expect(maker.session.trades.first?.decided == look.until && maker.session.trades.first?.received == .start)
    guard case .traded = scene.verdict() else {
      Issue.record("the statements prove \(scene.verdict())")
      return
    }
    try scene.checkRestores()
  }

  @Test("a Decline within the look ends it; the offer is done")
  func declined() throws {
    let scene = try Scene()
    try scene.decide(.price)
    #expect(scene.declined == .price)
    #expect(scene.pair.taker.session.dialogue(scene.id)?.phase == .open)
    #expect(scene.pair.maker.session.dialogue(scene.id)?.look == nil)
    #expect(scene.verdict() == .notTraded)
    #expect(throws: NegotiationError.noLook) { try scene.decide(nil) }
    try scene.checkRestores()
    // The dialogue goes on: the owner may quote again, and the taker cannot take the old one twice.
    #expect(scene.pair.taker.session.dialogue(scene.id)?.peerOffer == nil)
    try scene.pair.quote(scene.id)
    #expect(scene.pair.taker.session.dialogue(scene.id)?.peerOffer?.offer.mode == .firm)
  }

  @Test("after the look the Accept lapses, by the clock and not by command")
  func lapsed() throws {
    let scene = try Scene()
    scene.pair.now = .start + .nanoseconds(500_000_001)
    #expect(throws: NegotiationError.lookOver(until: .start + .milliseconds(500))) { try scene.decide(nil) }
    #expect(throws: NegotiationError.lookOver(until: .start + .milliseconds(500))) { try scene.decide(.price) }
    scene.pair.maker.take(scene.pair.maker.session.poll(now: scene.pair.now))
    scene.pair.settle()
    #expect(scene.declined == .lapsed)
    try scene.checkRestores()
  }

  @Test(
    "after a restart it lapses with the first SYNC, before anything of the peer's is taken in")
  func restarted() throws {
    for isOver in [true, false] {
      let scene = try Scene()
      let (pair, maker) = (scene.pair, scene.pair.maker)
      let sent = maker.session.counters.sent
      // On the way when the maker stops: it must find the look decided.
      pair.taker.take(try pair.taker.session.withdraw(scene.id, now: pair.now))
      _ = pair.taker.drain()
      try maker.restart()
      if isOver { pair.now = pair.now + .milliseconds(501) }
      maker.take(maker.session.poll(now: pair.now))
      #expect(maker.session.counters.sent == sent)
      #expect(maker.session.dialogue(scene.id)?.look?.accept == scene.accept)
      #expect(!isOver || maker.session.nextDeadline == nil)
      if isOver {
        pair.connect()
        #expect(scene.declined == .lapsed)
        #expect(LookTests.isDecided(pair.taker))
      } else {
        #expect(throws: NegotiationError.notConnected) { try scene.decide(nil) }
        pair.connect()
        #expect(scene.declined == .withdrawn)
      }
      try scene.checkRestores()
    }
  }

  @Test("a Withdraw in look gets Decline WITHDRAWN; after the verdict Reject DECIDED; once")
  func withdrawn() throws {
    let scene = try Scene()
    let (taker, pair) = (scene.pair.taker, scene.pair)
    taker.take(try taker.session.withdraw(scene.id, code: .price, now: pair.now))
    #expect(throws: NegotiationError.nothingToWithdraw) { try taker.session.withdraw(scene.id, now: pair.now) }
    // It binds until the verdict is here.
    #expect(taker.session.dialogue(scene.id)?.phase == .acceptInDoubt(scene.accept))
    pair.settle()
    #expect(scene.declined == .withdrawn)
    #expect(scene.verdict() == .notTraded)
    try scene.checkRestores()

    let late = try Scene()
    late.pair.taker.take(try late.pair.taker.session.withdraw(late.id, now: late.pair.now))
    late.pair.maker.take(
      try late.pair.maker.session.decideLook(late.id, accept: late.accept, decline: nil, now: late.pair.now))
    late.pair.settle()
    #expect(late.pair.taker.session.trades.count == 1 && late.pair.maker.session.trades.count == 1)
    #expect(LookTests.isDecided(late.pair.taker))
    guard case .traded = late.verdict() else {
      Issue.record("the statements prove \(late.verdict())")
      return
    }
    // A firm offer's Accept has its verdict at once.
    let firm = Pair()
    let id = try firm.ask()
    let offer = try firm.quote(id)
    firm.taker.take(try firm.taker.session.accept(id, offer: offer, side: .buy, lots: 1, now: firm.now))
    #expect(throws: NegotiationError.nothingToWithdraw) { try firm.taker.session.withdraw(id, now: firm.now) }
  }

  static func isDecided(_ peer: Peer) -> Bool {
    peer.events.contains { if case .rejected(_, _, let fault) = $0 { fault.code == .decided } else { false } }
  }

  @Test("while it looks, the owner can do nothing else in the dialogue, and the dialogue does not end")
  func bound() throws {
    let scene = try Scene()
    let (maker, now, id) = (scene.pair.maker, scene.pair.now, scene.id)
    let looking = NegotiationError.looking(scene.accept)
    #expect(throws: looking) { try maker.session.pass(id, now: now) }
    #expect(throws: looking) { try maker.session.cancelOffer(id, now: now) }
    #expect(throws: looking) { try maker.session.quote(id, Samples.twoWay(), now: now) }
    #expect(throws: looking) { try maker.session.refuse(id, Fault(.policy), now: now) }
    #expect(throws: NegotiationError.noLook) {
      try maker.session.decideLook(id, accept: Samples.spec, decline: nil, now: now)
    }
    let twice = try maker.session.decideLook(id, accept: scene.accept, decline: nil, clientOrderID: "a", now: now)
    maker.take(twice)
    let again = try maker.session.decideLook(id, accept: scene.accept, decline: nil, clientOrderID: "a", now: now)
    #expect(again.isRepeat && again.statement == twice.statement)
    #expect(throws: NegotiationError.clientOrderIDReused("a")) {
      try maker.session.decideLook(id, accept: scene.accept, decline: .price, clientOrderID: "a", now: now)
    }
  }

  // MARK: Scripts

  /// A script that takes the session's last-look offer, and the Accept that it sent.
  static func takerScript() throws -> (Script, DialogueID, LiveOffer, Statement) {
    let script = Script(Traders.taker, to: Traders.maker)
    let (request, id) = script.request()
    script.say(.quoteRequest(request), in: id, expiry: script.now + .seconds(60))
    script.peer.take(try script.peer.session.quote(id, draft(), now: script.now))
    script.hear()
    let live = try #require(script.peer.session.dialogue(id)?.myOffer)
    let accept = script.statement(.accept(script.accept(live, in: id)), in: id)
    #expect(script.say(accept) == .nothing)
    return (script, id, live, accept)
  }

  @Test("what the acceptor may not do while its Accept is looked at")
  func acceptorInLook() throws {
    let (script, id, live, accept) = try Self.takerScript()
    #expect(script.say(.accept(script.accept(live, in: id, lots: 1)), in: id) == .decline(.taken))
    #expect(script.say(.pass(Pass(code: .none)), in: id) == .reject(.held))
    #expect(script.say(.withdraw(Withdraw(accept: Samples.spec, code: .none)), in: id) == .reject(.decided))
    #expect(script.say(.withdraw(Withdraw(accept: accept.id, code: .none)), in: .pair) == .reject(.unknown))
    // Its Reject of the request ends the dialogue only after the verdict.
    #expect(script.peer.session.dialogue(id)?.look?.accept == accept.id)
    #expect(script.say(.withdraw(Withdraw(accept: accept.id, code: .none)), in: id) == .decline(.withdrawn))
    #expect(script.say(.withdraw(Withdraw(accept: accept.id, code: .none)), in: id) == .reject(.decided))
    #expect(script.say(.accept(script.accept(live, in: id, lots: 2)), in: id) == .decline(.taken))
    #expect(try script.peer.restored() == script.peer.session.state)
  }

  /// A session in doubt about the script's last-look offer.
  static func makerScript() throws -> (Script, DialogueID, Statement, Statement) {
    let script = Script(Traders.maker, to: Traders.taker)
    let now = script.now
    let result = script.peer.take(
      try script.peer.session.requestQuote(Samples.request(), nonce: [UInt8](repeating: 3, count: 16), now: now))
    script.hear()
    let quote = script.statement(.quote(offer(script)), in: result.dialogue)
    #expect(script.say(quote) == .nothing)
    return (script, result.dialogue, quote, try accept(script, result.dialogue, quote.id))
  }

  static func offer(_ script: Script, look: Int64 = look) -> Offer {
    var offer = script.offer(mode: .lastLook)
    offer.lookNanoseconds = look
    return offer
  }

  static func accept(_ script: Script, _ id: DialogueID, _ quote: StatementID) throws -> Statement {
    script.peer.take(try script.peer.session.accept(id, offer: quote, side: .buy, lots: 1, now: script.now))
    script.hear()
    return try #require(script.heard.last)
  }

  @Test("what the owner signs after it has the Accept and before its verdict is held; what it signed before is not")
  func ownerInLook() throws {
    for hasSeen in [true, false] {
      let (script, id, quote, accept) = try Self.makerScript()
      // The request: all that the owner had when it had not seen the Accept.
      let before = script.heard[0].id
      func seen(_ header: inout Header) { if !hasSeen { header.seen = before } }
      let next = script.offer(replaces: quote.id)
      let answer = Script.Answer.reject(.held)
      #expect(script.say(.quote(next), in: id, expiry: nil, seen) == (hasSeen ? answer : .nothing))
      let cancelled = hasSeen ? quote.id : script.peer.session.dialogue(id)?.peerOffer?.id ?? .zero
      let cancel = Payload.quoteCancel(QuoteCancel(offer: cancelled, code: .none))
      #expect(script.say(cancel, in: id, expiry: nil, seen) == (hasSeen ? answer : .nothing))
      #expect(script.say(.pass(Pass(code: .none)), in: id, expiry: nil, seen) == (hasSeen ? answer : .nothing))
      #expect(script.peer.session.dialogue(id)?.phase == .acceptInDoubt(accept.id))
      #expect(try script.peer.restored() == script.peer.session.state)
    }
  }

  @Test("a Confirm is taken until the offer's end and the look, not a nanosecond longer")
  func decidedInTime() throws {
    for (excess, answer) in [(Int64(0), Script.Answer.tradeAck), (1, .reject(.late))] {
      let (script, id, quote, accept) = try Self.makerScript()
      var confirm = script.confirm(accept)
      confirm.decided = quote.header.expiry.advanced(byNanoseconds: Self.look + excess)
      #expect(script.say(.confirm(confirm), in: id) == answer)
    }
  }

  @Test("last-look offers without a look, held, or that live for more than a minute are refused")
  func badOffers() throws {
    let pair = Pair()
    let id = try pair.ask()
    var drafts = [Self.draft(), Self.draft(lifetime: 60_000_000_001), Self.draft(), Self.draft()]
    drafts[0].look = 0
    drafts[2].hold = 1
    drafts[3].look = 2_000_000_001
    for draft in drafts {
      #expect(throws: NegotiationError.self) { try pair.maker.session.quote(id, draft, now: pair.now) }
    }
    let script = Script(Traders.maker, to: Traders.taker)
    let now = script.now
    let result = script.peer.take(
      try script.peer.session.requestQuote(Samples.request(), nonce: [UInt8](repeating: 3, count: 16), now: now))
    script.hear()
    #expect(script.say(.quote(Self.offer(script, look: 0)), in: result.dialogue) == .reject(.terms))
  }

  @Test("who looks to decline is not given last looks any more, for a day; withdrawn ones do not count")
  func abuse() throws {
    // Seven declined and one withdrawn; of eight, four declined; five.
    for (declines, others, code, isAbuse) in [
      (8, 0, NegotiationCode.price, true), (4, 4, .price, false), (5, 3, .lapsed, true), (8, 0, .withdrawn, false),
      (7, 0, .price, false),
    ] {
      var (script, id, quote, accept) = try Self.makerScript()
      for number in 0..<declines + others {
        // The others, confirmed, each end their dialogue.
        let isConfirm = number >= declines
        let verdict: Payload =
          isConfirm ? .confirm(script.confirm(accept)) : .decline(script.decline(accept.id, code))
        #expect(script.say(verdict, in: id) == (isConfirm ? .tradeAck : .nothing))
        if isConfirm {
          let nonce = [UInt8](repeating: UInt8(100 + number), count: 16)
          id =
            script.peer.take(
              try script.peer.session.requestQuote(Samples.request(), nonce: nonce, now: script.now)
            ).dialogue
          script.hear()
        }
        var next = Self.offer(script)
        next.replaces = isConfirm ? .zero : quote.id
        quote = script.statement(.quote(next), in: id)
        let answer = script.say(quote)
        guard number == declines + others - 1 else {
          #expect(answer == .nothing)
          accept = try Self.accept(script, id, quote.id)
          continue
        }
        #expect(answer == (isAbuse ? .reject(.lookAbuse) : .nothing), "\(declines) \(code)")
      }
      #expect(try script.peer.restored() == script.peer.session.state)
      #expect(script.peer.session.state.looks.isAbuse(script.now + .seconds(86_401)) == false)
    }
  }
}
