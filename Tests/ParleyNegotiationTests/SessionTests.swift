import ParleyIdentity
import ParleyWire
import Testing

@testable import ParleyNegotiation

/// SYNC, ACK, gaps, forks and freezes.
@Suite("Session")
struct SessionTests {
  /// A script whose session has signed two statements and received one; what its SYNC would say now.
  static func stage() throws -> (MessageTableTests.Stage, Sync) {
    let stage = try MessageTableTests.Stage(.pending)
    let script = stage.script
    let state = script.peer.session.state
    let sync = Sync(
      incarnation: script.incarnation, peerIncarnation: state.incarnation!, sent: script.sent,
      sentLink: state.receivedLink, received: script.received, receivedLink: state.sentLink,
      limits: NegotiationLimits().announced, now: script.now)
    return (stage, sync)
  }

  static func reopen(_ peer: Peer, _ now: UnixNanoseconds) {
    peer.session.channelClosed()
    _ = (peer.drain(), peer.drainEvents())
    peer.open(now)
  }

  @Test("the first frame of a channel is SYNC, and nothing else goes before the peer's")
  func first() throws {
    let peer = Peer(Traders.taker, to: Traders.maker)
    peer.open(.start)
    let frames = peer.drain().map { try! Frame.decode($0) }
    guard frames.count == 1, case .sync(let sync) = frames[0] else {
      Issue.record("not one SYNC")
      return
    }
    #expect(!sync.knowsPeer)
    #expect(throws: NegotiationError.notConnected) {
      try peer.session.requestQuote(Samples.request(), nonce: [UInt8](repeating: 1, count: 16), now: .start)
    }
    peer.receive(.ack(n: 0, link: .zero), .start)
    #expect(peer.close != nil)
  }

  @Test("a second SYNC, DATA before SYNC and unknown frames close the channel")
  func badFrames() throws {
    let (stage, sync) = try Self.stage()
    stage.script.peer.receive(.sync(sync), stage.script.now)
    #expect(stage.script.peer.close == .badFrame(Fault(.unsolicited, "a second SYNC")))
    let peer = Peer(Traders.taker, to: Traders.maker)
    peer.open(.start)
    peer.receive(.data(n: 1, statement: []), .start)
    #expect(peer.close != nil)
    let other = Peer(Traders.taker, to: Traders.maker)
    other.open(.start)
    other.take(other.session.receive([0x92, 4, 0], now: .start))
    #expect(other.close != nil)
    // What comes after the session asked to close leads to nothing.
    #expect(other.session.receive([0x91, 7], now: .start).isEmpty)
  }

  @Test("a SYNC that continues both journals resends what is missing, from any height")
  func resend() throws {
    for missing in 0...2 {
      let (stage, sync) = try Self.stage()
      let peer = stage.script.peer
      var older = sync
      older.received -= Int64(missing)
      older.receivedLink = peer.session.state.myLink(older.received)!
      Self.reopen(peer, stage.script.now)
      peer.receive(.sync(older), stage.script.now)
      let frames = peer.drain().map { try! Frame.decode($0) }
      let resent = frames.compactMap { frame -> Int64? in
        if case .data(let n, _) = frame { n } else { nil }
      }
      #expect(resent == (0..<missing).map { sync.received - Int64(missing) + 1 + Int64($0) })
      #expect(peer.session.frozen == nil)
      #expect(peer.events.contains(.synced(resent: missing, peerClock: sync.now)))
      #expect(try peer.restored() == peer.session.state)
    }
  }

  @Test("a SYNC that does not continue them freezes")
  func conflicts() throws {
    let cases: [(NegotiationCode, (inout Sync) -> Void)] = [
      (.newIncarnation, { $0.incarnation[0] ^= 1 }),
      (.newIncarnation, { $0.peerIncarnation[0] ^= 1 }),
      (.lostSelf, { $0.received += 1 }),
      (.lostPeer, { $0.sent -= 1 }),
      (
        .lostPeer,
        {
          $0.peerIncarnation = [UInt8](repeating: 0, count: 16)
          ($0.sent, $0.received, $0.sentLink, $0.receivedLink) = (0, 0, .zero, .zero)
        }
      ),
      (.fork, { $0.receivedLink = Samples.spec }),
      (.fork, { $0.sentLink = Samples.spec }),
    ]
    for (index, (code, change)) in cases.enumerated() {
      var (stage, sync) = try Self.stage()
      let peer = stage.script.peer
      change(&sync)
      Self.reopen(peer, stage.script.now)
      peer.receive(.sync(sync), stage.script.now)
      #expect(peer.session.frozen == code, "case \(index)")
      let frames = peer.drain().map { try! Frame.decode($0) }
      #expect(frames.contains { if case .freeze(code, _) = $0 { true } else { false } })
      #expect(try peer.restored() == peer.session.state)
    }
  }

  @Test("a SYNC below an ACK that is held freezes LOST_PEER")
  func belowAcknowledged() throws {
    var (stage, sync) = try Self.stage()
    let peer = stage.script.peer
    peer.receive(.ack(n: sync.received, link: sync.receivedLink), stage.script.now)
    #expect(peer.events.contains(.acknowledged(n: sync.received)))
    sync.received -= 1
    sync.receivedLink = .zero
    Self.reopen(peer, stage.script.now)
    peer.receive(.sync(sync), stage.script.now)
    #expect(peer.session.frozen == .lostPeer)
  }

  @Test("the announced link is compared when its statement arrives")
  func announcedLink() throws {
    for isRight in [true, false] {
      var (stage, sync) = try Self.stage()
      let script = stage.script
      let pass = script.statement(.pass(Pass(code: .none)), in: stage.dialogue)
      sync.sent += 1
      sync.sentLink = isRight ? PairState.link(after: sync.sentLink, n: sync.sent, id: pass.id) : Samples.spec
      Self.reopen(script.peer, script.now)
      script.peer.receive(.sync(sync), script.now)
      script.peer.receive(.data(n: sync.sent, statement: pass.bytes), script.now)
      #expect(script.peer.session.frozen == (isRight ? nil : .fork))
      #expect(script.peer.session.counters.received == (isRight ? sync.sent : sync.sent - 1))
    }
  }

  @Test("a statement that comes again is dropped and acknowledged; another under its number forks")
  func duplicates() throws {
    let (stage, sync) = try Self.stage()
    let peer = stage.script.peer
    peer.receive(.data(n: 1, statement: stage.quote!.bytes), stage.script.now)
    #expect(peer.drain().map { try! Frame.decode($0) } == [.ack(n: sync.sent, link: sync.sentLink)])
    peer.receive(.data(n: 1, statement: stage.accept!.bytes), stage.script.now)
    #expect(peer.session.frozen == .fork)
  }

  @Test("a gap closes the channel; the third in a minute without progress freezes")
  func gaps() throws {
    var (stage, sync) = try Self.stage()
    let peer = stage.script.peer
    for round in 1...3 {
      peer.receive(.data(n: sync.sent + 2, statement: []), stage.script.now)
      #expect(peer.close == .gap(expected: sync.sent + 1, got: sync.sent + 2))
      #expect(peer.session.frozen == (round == 3 ? .resyncLoop : nil))
      Self.reopen(peer, stage.script.now)
      sync.received = stage.script.received
      if round < 3 { peer.receive(.sync(sync), stage.script.now) }
    }
  }

  @Test("an ACK beyond what was sent, or of another chain, freezes; an old one says nothing")
  func acknowledgements() throws {
    for (change, code) in [(Int64(1), NegotiationCode.lostSelf), (0, .fork)] {
      let (stage, sync) = try Self.stage()
      stage.script.peer.receive(.ack(n: sync.received + change, link: Samples.spec), stage.script.now)
      #expect(stage.script.peer.session.frozen == code)
    }
    let (stage, sync) = try Self.stage()
    let peer = stage.script.peer
    peer.receive(.ack(n: sync.received, link: sync.receivedLink), stage.script.now)
    peer.receive(.ack(n: 0, link: Samples.spec), stage.script.now)
    #expect(peer.session.frozen == nil)
    #expect(peer.session.state.outbox.isEmpty)
    #expect(peer.session.state.outboxByteCount == 0)
  }

  @Test("a frozen pair signs nothing, keeps evidence, and answers FREEZE, also on the next channel")
  func frozen() throws {
    let (stage, sync) = try Self.stage()
    let script = stage.script
    let peer = script.peer
    peer.receive(.freeze(code: .fork, evidence: [1]), script.now)
    #expect(peer.events.last == .frozen(.fork, byPeer: true))
    let sent = peer.session.counters.sent
    let confirm = script.statement(.confirm(script.confirm(stage.accept!)), in: stage.dialogue)
    peer.receive(.data(n: sync.sent + 1, statement: confirm.bytes), script.now)
    #expect(peer.drain().map { try! Frame.decode($0) } == [.freeze(code: .fork, evidence: [])])
    #expect(peer.session.counters.sent == sent)
    #expect(peer.events.last == .evidenceKept)
    #expect(stage.phase == .pending)
    #expect(try peer.restored() == peer.session.state)
    Self.reopen(peer, script.now)
    #expect(peer.drain().map { try! Frame.decode($0) } == [.freeze(code: .fork, evidence: [])])
    #expect(peer.session.nextDeadline == nil)
    for number in 0..<100 { peer.receive(.data(n: 9, statement: [UInt8(number)]), script.now) }
    #expect(peer.session.state.evidence.count == 64)
  }

  @Test("BYE means nothing")
  func bye() throws {
    let (stage, _) = try Self.stage()
    #expect(stage.script.peer.session.receive(Frame.bye.encoded, now: stage.script.now).isEmpty)
  }

  @Test("rows of another pair, or with a gap, do not restore")
  func foreignRows() throws {
    let pair = Pair()
    _ = try pair.ask()
    var other = PairSession(signer: Traders.maker, peer: Traders.taker.identity)
    #expect(throws: NegotiationError.self) { try other.restore(pair.taker.journal[0]) }
    var gap = PairSession(signer: Traders.taker, peer: Traders.maker.identity)
    let rows = try pair.taker.journal.filter { row in
      if case .sent = try JournalRow(row).content { false } else { true }
    }
    #expect(throws: NegotiationError.self) { for row in rows { try gap.restore(row) } }
  }

  @Test("folding every row twice changes nothing")
  func idempotent() throws {
    let pair = Pair()
    let id = try pair.ask()
    let offer = try pair.quote(id)
    pair.taker.take(try pair.taker.session.accept(id, offer: offer, side: .sell, lots: 1, now: pair.now))
    pair.settle()
    for peer in [pair.taker, pair.maker] {
      var copy = PairSession(signer: peer.signer, peer: peer.other.identity)
      for row in peer.journal {
        try copy.restore(row)
        try copy.restore(row)
      }
      for row in peer.journal { try copy.restore(row) }
      #expect(copy.state == peer.session.state)
    }
  }

  @Test("journal time never goes back")
  func journalTime() throws {
    let pair = Pair()
    _ = try pair.ask()
    let before = pair.taker.session.state.time
    pair.now = pair.now + .seconds(-3_600)
    let id = try pair.ask(nonce: 8)
    #expect(pair.taker.session.state.time == before)
    #expect(pair.taker.session.dialogue(id)?.created == before)
  }
}
