import ParleyIdentity
import ParleyWire
import Testing

@testable import ParleyNegotiation

/// MassCancel, and what may be signed after a restart.
@Suite("Mass cancel")
struct MassCancelTests {
  /// Three requests of the taker's with firm quotes: one live, one held, one that the taker accepts.
  struct Scene {
    let pair = Pair()
    let live: DialogueID
    let held: DialogueID

    init() throws {
      live = try pair.ask(nonce: 1)
      try pair.quote(live)
      held = try pair.ask(nonce: 2)
      try pair.quote(held, Samples.twoWay(hold: 1_000_000_000))
    }
  }

  @Test("cancels what is not held, on both sides alike; the offer held stands and can be taken")
  func cancels() throws {
    let scene = try Scene()
    let (pair, maker) = (scene.pair, scene.pair.maker)
    let result = try maker.session.massCancel(code: .killed, now: pair.now)
    #expect(result.cancelled == [scene.live] && result.held == [scene.held])
    #expect(!result.isDeferred && result.outcome.rows.count == 1)
    maker.take(result.outcome)
    pair.settle()
    for peer in [pair.taker, pair.maker] {
      let (live, held) = (peer.session.dialogue(scene.live), peer.session.dialogue(scene.held))
      #expect((peer === maker ? live?.myOffer : live?.peerOffer) == nil)
      #expect((peer === maker ? held?.myOffer : held?.peerOffer) != nil)
      #expect(try peer.restored() == peer.session.state)
    }
    let offer = try #require(pair.taker.session.dialogue(scene.held)?.peerOffer)
    pair.taker.take(try pair.taker.session.accept(scene.held, offer: offer.id, side: .buy, lots: 1, now: pair.now))
    pair.settle()
    #expect(pair.taker.session.trades.count == 1)
    // A new offer names none: the one before it is gone by signed values.
    try pair.quote(scene.live)
    #expect(pair.taker.session.dialogue(scene.live)?.peerOffer != nil)
    // Nothing is live that is not held: nothing is signed.
    pair.taker.take(try pair.taker.session.pass(scene.live, now: pair.now))
    pair.settle()
    #expect(try maker.session.massCancel(now: pair.now).outcome.isEmpty)
  }

  @Test("an Accept that crosses it is declined CANCELLED, which a stranger finds borne out")
  func crossing() throws {
    let scene = try Scene()
    let pair = scene.pair
    let offer = try #require(pair.taker.session.dialogue(scene.live)?.peerOffer)
    pair.taker.take(try pair.taker.session.accept(scene.live, offer: offer.id, side: .buy, lots: 1, now: pair.now))
    let doubt = try pair.taker.session.massCancel(now: pair.now)
    #expect(doubt.inDoubt == [scene.live] && doubt.outcome.isEmpty)
    pair.maker.take(try pair.maker.session.massCancel(now: pair.now).outcome)
    pair.settle()
    let accept = try #require(
      pair.taker.events.compactMap { if case .declined(_, _, let code) = $0 { code } else { nil } }.last)
    #expect(accept == .cancelled)
    var statements = try pair.maker.journal.compactMap { bytes -> [UInt8]? in
      let row = try JournalRow(bytes)
      return row.dialogue == scene.live || row.dialogue == .pair ? row.statement : nil
    }
    func verdict() -> DialogueVerifier.Verdict {
      DialogueVerifier.verify(statements, Traders.taker.identity, Traders.maker.identity)
    }
    #expect(verdict() == .notTraded)
    statements.removeAll { if case .massCancel? = (try? Statement($0))?.payload { true } else { false } }
    guard case .breach(_, _, .cancelled) = verdict() else {
      Issue.record("without the MassCancel the Decline rests on nothing: \(verdict())")
      return
    }
  }

  @Test("a MassCancel in a dialogue is malformed")
  func misplaced() throws {
    let stage = try MessageTableTests.Stage(.open)
    #expect(stage.script.say(.massCancel(MassCancel(code: .none)), in: stage.dialogue) == .reject(.malformed))
  }

  // MARK: After a restart

  @Test("after a restart nothing is signed before a SYNC was checked, with a channel or without")
  func nothingBeforeSync() throws {
    let scene = try Scene()
    let (pair, maker) = (scene.pair, scene.pair.maker)
    let other = try pair.ask(nonce: 3)
    try maker.restart()
    let sent = maker.session.counters.sent
    for isOpen in [false, true] {
      if isOpen { maker.open(pair.now) }
      #expect(throws: NegotiationError.notConnected) { try maker.session.cancelOffer(scene.live, now: pair.now) }
      #expect(throws: NegotiationError.notConnected) { try maker.session.pass(scene.live, now: pair.now) }
      #expect(throws: NegotiationError.notConnected) {
        try maker.session.refuse(other, Fault(.policy), now: pair.now)
      }
      #expect(throws: NegotiationError.notConnected) { try maker.session.quote(other, Samples.twoWay(), now: pair.now) }
    }
    #expect(maker.session.counters.sent == sent)
    pair.connect()
    maker.take(try maker.session.cancelOffer(scene.live, now: pair.now))
    // Without a channel, but with a SYNC since the start: the journal is the newest there is.
    maker.session.channelClosed()
    maker.take(try maker.session.pass(other, now: pair.now))
  }

  @Test("a MassCancel ordered before the first SYNC is durable, and signed before the peer's Accept is taken in")
  func deferred() throws {
    for restartsTwice in [false, true] {
      let scene = try Scene()
      let (pair, maker) = (scene.pair, scene.pair.maker)
      let offer = try #require(pair.taker.session.dialogue(scene.live)?.peerOffer)
      // An Accept that does not arrive before the restart: it follows the taker's SYNC.
      pair.taker.take(try pair.taker.session.accept(scene.live, offer: offer.id, side: .buy, lots: 1, now: pair.now))
      pair.taker.session.channelClosed()
      _ = pair.taker.drain()
      try maker.restart()
      pair.taker.open(pair.now)
      maker.open(pair.now)
      for frame in maker.drain() { pair.taker.take(pair.taker.session.receive(frame, now: pair.now)) }
      let result = try maker.session.massCancel(code: .killed, now: pair.now)
      #expect(result.isDeferred && result.cancelled == [scene.live] && result.held == [scene.held])
      maker.take(result.outcome)
      #expect(try maker.restored() == maker.session.state)
      if restartsTwice {
        try maker.restart()
        pair.connect()
      } else {
        pair.settle()
      }
      #expect(maker.session.state.orderedCancel == nil)
      #expect(pair.taker.session.trades.isEmpty && maker.session.trades.isEmpty)
      #expect(pair.taker.events.contains { if case .declined(scene.live, _, .cancelled) = $0 { true } else { false } })
      #expect(maker.session.dialogue(scene.held)?.myOffer != nil)
      #expect(try maker.restored() == maker.session.state)
      #expect(try pair.taker.restored() == pair.taker.session.state)
    }
  }

  @Test("a frozen pair cancels nothing")
  func frozen() throws {
    let scene = try Scene()
    scene.pair.maker.take(scene.pair.maker.session.freeze(.fork, now: scene.pair.now))
    #expect(throws: NegotiationError.frozen(.fork)) { try scene.pair.maker.session.massCancel(now: scene.pair.now) }
  }
}
