import ParleyWire
import TestSupport
import Testing

@testable import ParleyNegotiation

@Suite("Best quotes")
struct BestQuotesTests {
  /// One offer of a book, as a test writes it.
  struct Line: Sendable {
    var bid: Int64?
    var ask: Int64?
    var lots: ClosedRange<Int64> = 1...10
    var mode = OfferMode.firm
    var isAllOrNone = false
    /// In milliseconds after the start.
    var arrived: Int64 = 0
    var isAlive = true
    var phase = DialogueView.Phase.open
    var blind: Int64 = 0
    var instrument = "BTC-27NOV26-100000-C"
    var isMine = true
  }

  static func candidates(_ lines: [Line]) -> [BestQuotes.Candidate] {
    lines.enumerated().map { index, line in
      func side(_ price: Int64?) -> OfferSide? {
        price.map { OfferSide(prices: [$0], lotsMin: line.lots.lowerBound, lotsMax: line.lots.upperBound) }
      }
      let id = Hash256.tagged("line", [UInt8(index)])
      var request = QuoteRequest(
        nonce: [UInt8](repeating: UInt8(index), count: 16), group: GroupScene.group,
        legs: [Leg(instrument: line.instrument, specHash: Samples.spec)], lotsMin: 1, lotsMax: 10, side: .twoWay)
      request.blindNanoseconds = line.blind
      let live = LiveOffer(
        id: id,
        offer: Offer(
          round: 0, replaces: .zero, mode: line.mode, lookNanoseconds: 0, holdUntil: UnixNanoseconds(0),
          bid: side(line.bid), ask: side(line.ask), isAllOrNone: line.isAllOrNone, witness: nil),
        created: .start, expiry: .start + .seconds(2))
      var dialogue = Dialogue(
        id: DialogueID(requester: "a", responder: "b\(index)", nonce: request.nonce),
        role: line.isMine ? .requester : .responder, request: request, requestID: id,
        created: .start + .nanoseconds(index), expiry: .start + .seconds(60))
      let arrived = UnixNanoseconds.start + .milliseconds(line.arrived)
      dialogue.peerOffer = Dialogue.PeerOffer(live: live, end: nil, arrived: arrived)
      if line.phase == .traded { dialogue.phase = .traded }
      if case .acceptInDoubt(let id) = line.phase {
        dialogue.pending = Dialogue.Pending(
          accept: id, offer: live.id, lots: 1, terms: [], side: .buy, expiry: live.expiry, write: nil, look: 0)
      }
      return BestQuotes.Candidate(view: DialogueView(dialogue), arrived: arrived, isAlive: line.isAlive)
    }
  }

  static func book(_ lines: [Line], at now: UnixNanoseconds = .start + .seconds(1)) -> BestQuotes {
    BestQuotes(candidates(lines), now: now)
  }

  @Test("the best price first, then the firmer, then who came first, in whatever order they are given")
  func order() {
    let lines = [
      Line(bid: 90, ask: 103, arrived: 5), Line(bid: 95, ask: 101, arrived: 9), Line(bid: 95, ask: 101, arrived: 2),
      Line(ask: 101, mode: .lastLook, arrived: 1), Line(ask: 101, mode: .indicative), Line(bid: 99, arrived: 8),
    ]
    var random = SplitMix64(seed: 1)
    for _ in 0..<10 {
      let book = BestQuotes(Self.candidates(lines).shuffled(using: &random), now: .start + .seconds(1))
      #expect(book.asks.map(\.net) == [101, 101, 101, 101, 103])
      #expect(book.asks.map(\.live.offer.mode) == [.firm, .firm, .lastLook, .indicative, .firm])
      #expect(book.asks.prefix(2).map(\.arrived) == [.start + .milliseconds(2), .start + .milliseconds(9)])
      #expect(book.bids.map(\.net) == [99, 95, 95, 90])
      #expect(book.bids[1].arrived == .start + .milliseconds(2))
    }
  }

  @Test(
    "what cannot be taken is not in it",
    arguments: [
      Line(ask: 100, isAlive: false), Line(ask: 100, phase: .traded), Line(ask: 100, phase: .acceptInDoubt(.zero)),
      Line(ask: 100, blind: 1_000_000_001), Line(ask: 100, instrument: "BTC-27NOV26-90000-C"),
      Line(ask: 100, isMine: false),
    ])
  func excluded(line: Line) {
    #expect(Self.book([Line(ask: 101), line]).asks.map(\.net) == [101])
  }

  @Test("at the end of the blind time the quotes show")
  func blind() {
    let lines = [Line(ask: 100, blind: 1_000_000_000)]
    #expect(Self.book(lines, at: .start + .nanoseconds(999_999_999)).asks.isEmpty)
    #expect(Self.book(lines).asks.count == 1)
  }

  @Test("an amount is filled over several makers, each once, within the limit of the price")
  func plan() {
    let book = Self.book([
      Line(bid: 95, ask: 101, lots: 1...4), Line(bid: 96, ask: 102, lots: 1...4), Line(bid: 97, ask: 103, lots: 1...4),
    ])
    func fills(_ lots: Int64, _ side: Side = .buy, limit: Int64? = nil) -> [[Int64]] {
      let plan = book.plan(lots, side, limit: limit)
      #expect(plan.rest + plan.fills.reduce(0) { $0 + $1.lots } == lots)
      return plan.fills.map { [$0.quote.net, $0.lots] }
    }
    #expect(fills(3) == [[101, 3]])
    #expect(fills(9) == [[101, 4], [102, 4], [103, 1]])
    #expect(fills(20) == [[101, 4], [102, 4], [103, 4]])
    #expect(fills(9, limit: 102) == [[101, 4], [102, 4]])
    #expect(fills(9, limit: 100).isEmpty)
    #expect(fills(5, .sell) == [[97, 4], [96, 1]])
    #expect(fills(5, .sell, limit: 97) == [[97, 4]])
  }

  @Test("an offer that takes only more than is wanted, or binds nobody, is passed over")
  func passedOver() {
    let book = Self.book([
      Line(ask: 100, mode: .indicative), Line(ask: 101, lots: 1...6, isAllOrNone: true), Line(ask: 102, lots: 5...10),
      Line(ask: 103),
    ])
    func fills(_ lots: Int64) -> [[Int64]] { book.plan(lots, .buy).fills.map { [$0.quote.net, $0.lots] } }
    #expect(fills(3) == [[103, 3]])
    #expect(fills(5) == [[102, 5]])
    #expect(fills(6) == [[101, 6]])
    #expect(fills(8) == [[101, 6], [103, 2]])
    #expect(fills(12) == [[101, 6], [102, 6]])
  }

  @Test("a session gives its offers with when they came, and whether an Accept comes in time")
  func candidates() throws {
    let pair = Pair()
    var draft = Samples.request()
    draft.group = GroupScene.group
    let id = try pair.ask(draft)
    _ = try pair.ask(nonce: 8)
    pair.now = pair.now + .milliseconds(40)
    let offer = try pair.quote(id)
    let now = pair.now
    let found = pair.taker.session.candidates(of: GroupScene.group, now: now)
    #expect(found.map(\.view.id) == [id] && found.first?.view.peerOffer?.id == offer)
    #expect(found.first?.arrived == now && found.first?.isAlive == true)
    let late = now + .milliseconds(1_999)
    #expect(pair.taker.session.candidates(of: GroupScene.group, now: late).first?.isAlive == false)
    #expect(pair.maker.session.candidates(of: GroupScene.group, now: now).isEmpty)
    #expect(throws: NegotiationError.tooLate(expiry: now + .seconds(2))) {
      try pair.taker.session.accept(id, offer: offer, side: .buy, lots: 1, now: late)
    }
  }
}
