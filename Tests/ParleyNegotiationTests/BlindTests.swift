import ParleyWire
import Testing

@testable import ParleyNegotiation

@Suite("Blind time")
struct BlindTests {
  static let blind: Int64 = 1_500_000_000

  /// Our maker, asked by a script with a blind time, and its firm Quote.
  static func scene() throws -> (Script, DialogueID, LiveOffer) {
    let script = RefusalTests.script()
    var (request, id) = script.request()
    request.blindNanoseconds = blind
    #expect(script.say(.quoteRequest(request), in: id, expiry: script.now + .seconds(60)) == .nothing)
    script.peer.take(
      try script.peer.session.quote(id, Samples.twoWay(lifetime: 10_000_000_000), now: script.now).outcome)
    script.hear()
    return (script, id, try #require(script.peer.session.dialogue(id)?.myOffer))
  }

  @Test("an Accept or a Counter is judged by its signed time: one nanosecond before the end it is BLIND")
  func received() throws {
    let (script, id, live) = try Self.scene()
    let start = script.now
    script.now = start.advanced(byNanoseconds: Self.blind - 1)
    #expect(script.say(.counter(script.offer(round: 1)), in: id) == .reject(.blind))
    #expect(script.say(.accept(script.accept(live, in: id)), in: id) == .decline(.blind))
    script.now = start.advanced(byNanoseconds: Self.blind)
    // The one that was refused has taken its round; its owner could not know.
    #expect(script.say(.counter(script.offer(round: 2)), in: id) == .nothing)
    #expect(script.say(.accept(script.accept(live, in: id)), in: id) == .confirm)
    #expect(try script.peer.restored() == script.peer.session.state)
  }

  @Test("the requester's own session neither accepts nor counters before, and both from then on")
  func signed() throws {
    let pair = Pair()
    var draft = Samples.request()
    draft.blind = Self.blind
    let id = try pair.ask(draft)
    let offer = try pair.quote(id, Samples.twoWay(lifetime: 10_000_000_000))
    let end = pair.now.advanced(byNanoseconds: Self.blind)
    #expect(pair.taker.session.dialogue(id)?.blindEnd == end)
    pair.now = end.advanced(byNanoseconds: -1)
    #expect(throws: NegotiationError.blind(until: end)) { try pair.counter(id) }
    #expect(throws: NegotiationError.blind(until: end)) {
      try pair.taker.session.accept(id, offer: offer, side: .buy, lots: 1, now: pair.now)
    }
    pair.now = end
    try pair.counter(id)
    pair.taker.take(try pair.taker.session.accept(id, offer: offer, side: .buy, lots: 1, now: pair.now))
    pair.settle()
    #expect(pair.maker.session.trades.count == 1)
  }

  @Test("the maker's Accept of a Counter knows no blind time")
  func makers() throws {
    let pair = Pair()
    var draft = Samples.request()
    draft.blind = Self.blind
    let id = try pair.ask(draft)
    try pair.quote(id, Samples.twoWay(lifetime: 10_000_000_000))
    pair.now = pair.now.advanced(byNanoseconds: Self.blind)
    let counter = try pair.counter(id)
    pair.maker.take(try pair.maker.session.accept(id, offer: counter, side: .sell, lots: 2, now: pair.now))
    pair.settle()
    #expect(pair.taker.session.trades.first?.terms.lots == 2)
  }

  @Test("five seconds is the longest")
  func longest() throws {
    let pair = Pair()
    var draft = Samples.request()
    draft.blind = 5_000_000_001
    #expect(throws: NegotiationError.invalid(Fault(.malformed, field: 111))) { try pair.ask(draft) }
    draft.blind = 5_000_000_000
    _ = try pair.ask(draft)
  }

  @Test("a Decline BLIND is borne out by the Accept's signed time, or is a breach")
  func verified() {
    for (blind, isBreach) in [(Int64(0), true), (4_000_000_000, false)] {
      var talk = DialogueVerifierTests.Talk()
      talk.request.blindNanoseconds = blind
      talk.ask()
      let quote = talk.say(talk.maker, .quote(talk.offer()))
      let accept = talk.say(talk.taker, talk.accept(quote))
      var confirmed = talk
      talk.say(talk.maker, talk.decline(accept, .blind))
      #expect(talk.verdictName == (isBreach ? "BREACH(maker, BLIND)" : "NOT_TRADED"))
      // Both have signed it: it is a trade whatever the maker was free to do.
      confirmed.say(confirmed.maker, confirmed.confirm(accept))
      #expect(confirmed.verdictName == "TRADED")
    }
  }

  @Test("an offer that cannot fill the least that is wanted is refused, and not signed")
  func minimum() throws {
    let script = RefusalTests.script()
    var (request, id) = script.request()
    request.lotsMin = 4
    #expect(script.say(.quoteRequest(request), in: id, expiry: script.now + .seconds(60)) == .nothing)
    #expect(throws: NegotiationError.invalid(Fault(.terms, field: 106, "not the lots that are wanted"))) {
      try script.peer.session.quote(id, Samples.twoWay(lots: 3), now: script.now)
    }
    script.peer.take(try script.peer.session.quote(id, Samples.twoWay(lots: 4), now: script.now).outcome)
    script.hear()
    var small = script.offer(round: 1)
    small.bid = Samples.side(95, lots: 3)
    #expect(script.say(.counter(small), in: id) == .reject(.terms))
  }

  @Test("a peer that is away is asked all the same, if a SYNC was checked since the start")
  func away() throws {
    let pair = Pair()
    pair.taker.session.channelClosed()
    pair.maker.session.channelClosed()
    let id = try pair.ask()
    #expect(pair.maker.session.dialogue(id) == nil)
    pair.now = pair.now + .seconds(30)
    pair.connect()
    #expect(pair.maker.session.dialogue(id)?.phase == .open)
    // A second one dies on the way: the maker refuses it, the taker has ended it.
    pair.taker.session.channelClosed()
    pair.maker.session.channelClosed()
    let late = try pair.ask(nonce: 8)
    pair.now = pair.now + .seconds(70)
    pair.taker.take(pair.taker.session.poll(now: pair.now))
    pair.connect()
    #expect(pair.taker.session.dialogue(late)?.phase == .closed && pair.maker.session.dialogue(late) == nil)
    try pair.taker.restart()
    #expect(throws: NegotiationError.notConnected) { try pair.ask(nonce: 9) }
  }
}
