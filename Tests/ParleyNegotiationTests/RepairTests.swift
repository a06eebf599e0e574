import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyNegotiation

/// The repair of a frozen pair by both operators: what comes back, what cannot, and cuts at every instant.
@Suite("Repair")
struct RepairTests {
  /// Two who have negotiated a little of everything: trades both ways, declines, a refusal, something open.
  static func story() throws -> Pair {
    let pair = Pair()
    let traded = try pair.ask(nonce: 1)
    let offer = try pair.quote(traded)
    pair.taker.take(try pair.taker.session.accept(traded, offer: offer, side: .buy, lots: 2, now: pair.now))
    pair.settle()
    // The maker accepts a Counter.
    let countered = try pair.ask(nonce: 2)
    try pair.quote(countered)
    let counter = try pair.counter(countered)
    pair.maker.take(try pair.maker.session.accept(countered, offer: counter, side: .sell, lots: 3, now: pair.now))
    pair.settle()
    // An Accept that crosses a cancel is declined.
    let crossed = try pair.ask(nonce: 3)
    let gone = try pair.quote(crossed)
    pair.taker.take(try pair.taker.session.accept(crossed, offer: gone, side: .buy, lots: 1, now: pair.now))
    pair.maker.take(try pair.maker.session.cancelOffer(crossed, now: pair.now))
    pair.settle()
    // An Accept that crosses the next quote, and a request that is refused.
    let amended = try pair.ask(nonce: 4)
    let first = try pair.quote(amended)
    pair.maker.take(try pair.maker.session.quote(amended, Samples.twoWay(bid: 94, ask: 106), now: pair.now))
    pair.taker.take(try pair.taker.session.accept(amended, offer: first, side: .sell, lots: 1, now: pair.now))
    pair.settle()
    let refused = try pair.ask(nonce: 5)
    pair.maker.take(try pair.maker.session.refuse(refused, Fault(.policy, "no"), now: pair.now))
    pair.settle()
    let open = try pair.ask(nonce: 6)
    try pair.quote(open)
    try pair.counter(open)
    pair.taker.take(try pair.taker.session.massCancel(now: pair.now).outcome)
    pair.settle()
    return pair
  }

  /// Both operators agree, and everything is delivered.
  static func mend(_ pair: Pair) throws {
    pair.connect()
    for peer in [pair.taker, pair.maker] { try peer.agree(pair.now) }
    pair.settle()
  }

  /// All that must be so once a pair is repaired.
  static func check(_ pair: Pair, _ note: String) throws {
    for peer in [pair.taker, pair.maker] {
      #expect(peer.session.frozen == nil && peer.session.isSynced, "\(note)")
      #expect(try peer.restored() == peer.session.state, "\(note) restores otherwise")
      #expect(peer.session.state.owed.isEmpty && peer.session.counters.acknowledged == peer.session.counters.sent)
    }
    let (taker, maker) = (pair.taker.session.state, pair.maker.session.state)
    #expect(taker.sentLink == maker.receivedLink && maker.sentLink == taker.receivedLink, "\(note)")
    let trades = [taker, maker].map { state in Set(state.dialogues.values.compactMap(\.trade?.confirm)) }
    #expect(trades[0] == trades[1], "\(note): \(trades[0].count) and \(trades[1].count) trades")
    // The next negotiation goes its way.
    let id = try pair.ask(nonce: 99)
    let offer = try pair.quote(id)
    pair.taker.take(try pair.taker.session.accept(id, offer: offer, side: .buy, lots: 1, now: pair.now))
    pair.settle()
    #expect(pair.maker.session.dialogue(id)?.phase == .traded, "\(note)")
    #expect(pair.taker.session.dialogue(id)?.phase == .traded, "\(note)")
  }

  @Test("a journal cut at any of its transactions gets everything back, on either side", arguments: [true, false])
  func everyLoss(losesTaker: Bool) throws {
    let whole = try Self.story()
    let count = (losesTaker ? whole.taker : whole.maker).boundaries.count
    let trades = Set(whole.taker.session.trades.map(\.confirm))
    #expect(trades.count == 2)
    for kept in 0...count {
      let pair = try Self.story()
      let loser = losesTaker ? pair.taker : pair.maker
      try loser.lose(keeping: kept)
      let before = loser.session.counters
      pair.connect()
      let isFrozen = loser.session.frozen != nil
      // Only what is known to both anyway may be missing without a freeze.
      if !isFrozen { #expect(before.sent == loser.session.counters.sent, "\(kept)") }
      if isFrozen {
        #expect([.lostSelf, .newIncarnation, .lostPeer].contains(loser.session.frozen), "\(kept)")
        for peer in [pair.taker, pair.maker] { try peer.agree(pair.now) }
        pair.settle()
      }
      #expect(Set(loser.session.trades.map(\.confirm)) == trades, "kept \(kept)")
      try Self.check(pair, "kept \(kept)")
    }
  }

  @Test("both journals cut: what either holds comes back to both", arguments: 0..<12)
  func bothLose(block: Int) throws {
    var random = SplitMix64(seed: UInt64(block))
    for _ in 0..<12 {
      let pair = try Self.story()
      let kept = [pair.taker, pair.maker].map { Int.random(in: 1...$0.boundaries.count, using: &random) }
      try pair.taker.lose(keeping: kept[0])
      try pair.maker.lose(keeping: kept[1])
      try Self.mend(pair)
      if pair.taker.session.frozen != nil, pair.taker.session.repairView?.obstacle == .fork { continue }
      try Self.check(pair, "kept \(kept)")
    }
  }

  @Test("a channel that is cut, and a crash of either side, after any frame of the repair: it goes on from there")
  func everyCut() throws {
    for losesTaker in [true, false] {
      for crashes in [false, true] {
        for frames in 0..<24 {
          let pair = try Self.story()
          let loser = losesTaker ? pair.taker : pair.maker
          try loser.lose(keeping: 7)
          pair.connect()
          for peer in [pair.taker, pair.maker] { try peer.agree(pair.now) }
          pair.deliver(frames)
          if crashes { for peer in [pair.taker, pair.maker] { try peer.restart() } }
          pair.reconnect()
          pair.deliver(frames % 5)
          if crashes { try (frames % 2 == 0 ? pair.taker : pair.maker).restart() }
          pair.reconnect()
          pair.settle()
          try Self.check(pair, "cut after \(frames) frames, crash \(crashes), taker loses \(losesTaker)")
        }
      }
    }
  }

  @Test("an Accept that its owner acknowledged and lost, with a verdict that nobody has, is declined AMNESIA")
  func amnesia() throws {
    let pair = Pair()
    let id = try pair.ask()
    let offer = try pair.quote(id)
    let kept = pair.maker.boundaries.count
    pair.taker.take(try pair.taker.session.accept(id, offer: offer, side: .buy, lots: 2, now: pair.now))
    // The maker confirms; its Confirm never arrives, but its next SYNC says that it has the Accept.
    for frame in pair.taker.drain() { pair.maker.take(pair.maker.session.receive(frame, now: pair.now)) }
    #expect(pair.maker.session.trades.count == 1)
    pair.reconnect()
    let sync = try #require(pair.maker.drain().first)
    pair.taker.take(pair.taker.session.receive(sync, now: pair.now))
    #expect(pair.taker.session.counters.acknowledged == pair.taker.session.counters.sent)
    try pair.maker.lose(keeping: kept)
    try Self.mend(pair)
    #expect(pair.taker.events.contains { if case .declined(id, _, .amnesia) = $0 { true } else { false } })
    #expect(pair.taker.session.dialogue(id)?.phase == .open)
    for peer in [pair.taker, pair.maker] {
      let statements = try peer.journal.compactMap { bytes -> [UInt8]? in
        let row = try JournalRow(bytes)
        return row.dialogue == id ? row.statement : nil
      }
      #expect(DialogueVerifier.verify(statements, Traders.taker.identity, Traders.maker.identity) == .notTraded)
    }
    try Self.check(pair, "amnesia")
  }

  @Test("a Confirm that the acceptor acknowledged and lost makes its trade again, and gets its TradeAck")
  func lostTradeAck() throws {
    let pair = Pair()
    let id = try pair.ask()
    let offer = try pair.quote(id)
    pair.taker.take(try pair.taker.session.accept(id, offer: offer, side: .buy, lots: 2, now: pair.now))
    let kept = pair.taker.boundaries.count
    for frame in pair.taker.drain() { pair.maker.take(pair.maker.session.receive(frame, now: pair.now)) }
    for frame in pair.maker.drain() { pair.taker.take(pair.taker.session.receive(frame, now: pair.now)) }
    // The TradeAck is lost with the channel; the SYNC after it says that the Confirm is here.
    pair.reconnect()
    let sync = try #require(pair.taker.drain().first)
    pair.maker.take(pair.maker.session.receive(sync, now: pair.now))
    try pair.taker.lose(keeping: kept)
    try Self.mend(pair)
    #expect(pair.taker.session.trades.count == 1)
    #expect(pair.maker.events.contains(.tradeAcknowledged(id)))
    try Self.check(pair, "TradeAck")
  }

  // MARK: Codes

  static let codes: [(NegotiationCode, Bool)] = [
    (.lostSelf, true), (.lostPeer, true), (.fork, true), (.newIncarnation, true), (.equivocation, false),
    (.forged, false), (.resyncLoop, true), (NegotiationCode(rawValue: 4_711), true),
  ]

  @Test(
    "every freeze: with one history on both sides it is repaired, but for what one side may not sign", arguments: codes)
  func everyCode(code: NegotiationCode, isRepairable: Bool) throws {
    let pair = try Self.story()
    pair.maker.take(pair.maker.session.freeze(code, now: pair.now))
    pair.settle()
    #expect(pair.taker.session.frozen == code && pair.maker.session.frozen == code)
    guard isRepairable else {
      for peer in [pair.taker, pair.maker] {
        #expect(throws: NegotiationError.notRepairable(code)) { try peer.agree(pair.now) }
      }
      pair.connect()
      #expect(pair.taker.session.frozen == code && pair.maker.session.frozen == code)
      return
    }
    for peer in [pair.taker, pair.maker] { try peer.agree(pair.now) }
    pair.settle()
    for peer in [pair.taker, pair.maker] {
      #expect(!peer.events.contains { if case .adopted = $0 { true } else { false } })
      #expect(peer.events.contains(.repaired))
    }
    try Self.check(pair, "\(code)")
  }

  @Test("two histories are not repaired: the operator is told FORK, and nothing is signed")
  func fork() throws {
    let pair = try Self.story()
    try pair.taker.lose(keeping: pair.taker.boundaries.count - 4)
    // What the rules forbid: it signs before it has checked a SYNC.
    pair.taker.session.awaitsFirstSync = false
    let dialogue = try #require(pair.taker.session.openDialogues.first)
    pair.taker.take(try pair.taker.session.pass(dialogue.id, now: pair.now))
    pair.connect()
    #expect(pair.taker.session.frozen != nil && pair.maker.session.frozen != nil)
    for peer in [pair.taker, pair.maker] { try peer.open(book: pair.now) }
    pair.settle()
    // The one who holds both stories sees it; the other one lacks what it would have to compare.
    #expect(pair.maker.session.repairView?.obstacle == .fork)
    #expect(throws: NegotiationError.notRepairable(.fork)) { try pair.maker.agree(pair.now) }
    // Also where both had agreed before either could know.
    pair.maker.session.repairing.peer = nil
    for peer in [pair.taker, pair.maker] { try peer.agree(pair.now) }
    let signed = [pair.taker.session.counters.sent, pair.maker.session.counters.sent]
    pair.settle()
    #expect(pair.maker.events.contains(.repairFailed(.fork)))
    #expect(pair.taker.session.frozen != nil && pair.maker.session.frozen != nil)
    #expect([pair.taker.session.counters.sent, pair.maker.session.counters.sent] == signed)
    #expect(pair.taker.session.state.signedIncarnation == nil && pair.maker.session.state.signedIncarnation == nil)
  }

  // MARK: Agreement

  @Test("one operator alone repairs nothing, but each sees what is lost on either side")
  func oneSided() throws {
    let pair = try Self.story()
    let (sent, received) = (pair.maker.session.counters.sent, pair.maker.session.counters.received)
    try pair.maker.lose(keeping: 6)
    let left = pair.maker.session.counters
    pair.connect()
    for peer in [pair.taker, pair.maker] { try peer.open(book: pair.now) }
    pair.settle()
    let loss = RepairView.Loss(own: sent - left.sent, received: received - left.received)
    let none = RepairView.Loss(own: 0, received: 0)
    #expect(pair.maker.session.repairView?.lostHere == loss)
    #expect(pair.maker.session.repairView?.lostThere == none)
    #expect(pair.taker.session.repairView?.lostThere == loss)
    try pair.maker.agree(pair.now)
    pair.settle()
    #expect(pair.taker.session.repairView?.isAgreedByPeer == true && pair.taker.session.repairView?.isAgreed == false)
    #expect(pair.maker.session.frozen == .lostSelf && pair.taker.session.frozen != nil)
    #expect(pair.maker.session.counters == left)
    // It holds until the other one agrees, over channels and restarts.
    try pair.maker.restart()
    pair.reconnect()
    pair.settle()
    try pair.taker.agree(pair.now)
    pair.settle()
    try Self.check(pair, "later")
  }

  @Test("a REPAIR freezes a side that knew nothing of it; frames of a repair that is not under way close the channel")
  func misplaced() throws {
    let pair = try Self.story()
    let zeros = [UInt8](repeating: 0, count: 16)
    let position = RepairPosition(
      code: .resyncLoop, incarnation: pair.maker.session.state.incarnation!, newIncarnation: zeros, sent: 1,
      sentHistory: .zero, received: 0, receivedHistory: .zero, acknowledged: 0)
    pair.taker.receive(.returned(.incarnation, n: 0, statement: [1]), pair.now)
    #expect(pair.taker.close == nil && pair.taker.session.frozen == nil)
    pair.taker.receive(.repair(position), pair.now)
    #expect(pair.taker.session.frozen == .resyncLoop)
    pair.taker.receive(.returned(.yours, n: 1, statement: [1]), pair.now)
    #expect(pair.taker.close != nil)
    #expect(throws: NegotiationError.notRepairable(.none)) {
      _ = try pair.maker.session.agreeToRepair(newIncarnation: [UInt8](repeating: 1, count: 16), now: pair.now)
    }
  }

  @Test("what is handed back and is not signed, changed or out of place is adopted not at all", arguments: 0..<4)
  func falseReturns(fault: Int) throws {
    let pair = try Self.story()
    try pair.maker.lose(keeping: 6)
    pair.connect()
    for peer in [pair.taker, pair.maker] { try peer.agree(pair.now) }
    // The maker's REPAIR goes to the taker, whose answer is spoiled on its way.
    for frame in pair.maker.drain() { pair.taker.take(pair.taker.session.receive(frame, now: pair.now)) }
    let before = pair.maker.session.counters
    var isSpoiled = false
    for frame in pair.taker.drain() {
      var decoded = try Frame.decode(frame)
      if case .returned(.yours, let n, var statement) = decoded, !isSpoiled {
        isSpoiled = true
        switch fault {
        case 0: statement[statement.count - 1] ^= 1
        case 1: statement = Array(try #require(pair.taker.journal.last))
        case 2: decoded = .returned(.yours, n: n + 1, statement: statement)
        default: decoded = .returned(.end, n: 0, statement: [])
        }
        if fault < 2 { decoded = .returned(.yours, n: n, statement: statement) }
      }
      pair.maker.receive(decoded, pair.now)
    }
    #expect(isSpoiled && pair.maker.close != nil)
    #expect(pair.maker.session.counters == before && pair.maker.session.frozen == .lostSelf)
    // On the next channel it is handed back as it is.
    pair.reconnect()
    pair.settle()
    try Self.check(pair, "fault \(fault)")
  }

  @Test("the frames and the Incarnation read back, and cut or with too much they do not")
  func coding() throws {
    let bytes = [UInt8](repeating: 7, count: 16)
    let position = RepairPosition(
      code: .lostSelf, incarnation: bytes, newIncarnation: bytes, sent: 9, sentHistory: Samples.spec, received: 300,
      receivedHistory: Samples.spec, acknowledged: 9)
    let content = Incarnation(
      old: bytes, peerOld: [UInt8](repeating: 0, count: 16), new: bytes, peerNew: bytes, sent: 9,
      sentHistory: Samples.spec, received: 0, receivedHistory: Samples.spec)
    for frame in [
      Frame.repair(position), .returned(.end, n: 0, statement: []), .returned(.yours, n: 70_000, statement: bytes),
      .returned(.incarnation, n: 0, statement: bytes),
    ] {
      let encoded = frame.encoded
      #expect(try Frame.decode(encoded) == frame)
      for count in encoded.indices { #expect(throws: Fault.self) { try Frame.decode(Array(encoded[..<count])) } }
      #expect(throws: Fault.self) { try Frame.decode(encoded + [0]) }
    }
    var wrong = position
    wrong.acknowledged = 10
    #expect(throws: Fault.self) { try Frame.decode(Frame.repair(wrong).encoded) }
    #expect(throws: Fault.self) { try Frame.decode([0x94, 9, 4, 0, 0xC4, 0]) }
    #expect(try Payload.decode(content.encoded, of: .incarnation) == .incarnation(content))
    for count in content.encoded.indices {
      #expect(throws: Fault.self) { try Payload.decode(Array(content.encoded[..<count]), of: .incarnation) }
    }
    var zero = content
    zero.peerNew = [UInt8](repeating: 0, count: 16)
    #expect(throws: Fault.self) { try Payload.decode(zero.encoded, of: .incarnation) }
  }
}

extension Peer {
  /// The journal is as it was after so many transactions; with none at all a new incarnation begins.
  func lose(keeping transactions: Int) throws {
    cut(to: transactions == 0 ? 0 : boundaries[transactions - 1])
    try restart()
    take(
      session.begin(
        incarnation: Array(Hash256.tagged("another incarnation", signer.identity.ed25519.raw).bytes.prefix(16)),
        now: .start))
    _ = (drain(), drainEvents())
  }

  func open(book now: UnixNanoseconds) throws { take(try session.openBook(journal, now: now)) }

  /// This side's operator agrees; the node opens the book as soon as the session freezes.
  func agree(_ now: UnixNanoseconds) throws {
    guard session.frozen != nil else { return }
    try open(book: now)
    let incarnation = Hash256.tagged("repaired", signer.identity.ed25519.raw + journal.flatMap { $0.suffix(1) })
    take(try session.agreeToRepair(newIncarnation: Array(incarnation.bytes.prefix(16)), now: now))
  }
}

extension Pair {
  /// A new channel, with nothing delivered on it.
  func reconnect() {
    taker.session.channelClosed()
    maker.session.channelClosed()
    _ = (taker.drain(), maker.drain())
    for peer in [taker, maker] {
      peer.forgetClose()
      if peer.session.frozen != nil { try! peer.open(book: now) }
      peer.open(now)
    }
  }

  /// Delivers so many frames, in turns.
  func deliver(_ count: Int) {
    var queues = (taker.drain(), maker.drain())
    for number in 0..<count {
      let toMaker = number % 2 == 0 && !queues.0.isEmpty || queues.1.isEmpty
      if toMaker {
        guard !queues.0.isEmpty else { return }
        maker.take(maker.session.receive(queues.0.removeFirst(), now: now))
      } else {
        taker.take(taker.session.receive(queues.1.removeFirst(), now: now))
      }
      queues.0 += taker.drain()
      queues.1 += maker.drain()
    }
  }
}
