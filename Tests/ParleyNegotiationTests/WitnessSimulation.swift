import ParleyIdentity
import ParleyWire
import TestSupport

@testable import ParleyNegotiation

/// A taker, a maker and the witness of their offers, each of which crashes between any two steps: all from one seed.
///
/// Questions and answers to and from the witness are lost, late and repeated. At the end the maker may stay dead: the
/// taker's doubt must end without it, and when it is back it must agree.
final class WitnessSimulation {
  enum Rule {
    case none
    /// The witness answers before its rows are durable.
    case answerBeforeDurable
    /// A side hands its write in before the Accept is durable.
    case writeBeforeDurable
    /// The witness's clock may go back, and it does not mind.
    case backdatedWitness
  }

  final class Side {
    let signer: LocalSigner
    let other: LocalSigner
    let offset: Int64
    var session: PairSession
    var durable: [JournalRow] = []
    var queue: [Outcome] = []
    var wire: [(channel: Int, frame: [UInt8])] = []
    /// Stamps on their way from the witness.
    var stamps: [Stamp] = []

    init(_ signer: LocalSigner, _ other: LocalSigner, offset: Int64) {
      self.signer = signer
      self.other = other
      self.offset = offset
      session = PairSession(signer: signer, peer: other.identity)
    }
  }

  let seed: UInt64
  let rule: Rule
  var random: SplitMix64
  var now = UnixNanoseconds.start
  let taker: Side
  let maker: Side
  let witness = Traders.stranger
  var slots = WitnessSlots(signer: Traders.stranger)
  var slotRows: [(row: [UInt8], peer: String)] = []
  var slotQueue: [(rows: [(row: [UInt8], peer: String)], answer: WitnessMessage, to: Side)] = []
  var questions: [(message: WitnessMessage, from: Side)] = []
  var seen: [Slot: Stamp] = [:]
  var isMakerDead = false
  var violations: [String] = []
  /// Doubts that ended by the witness's word alone.
  var endedAlone = 0

  init(seed: UInt64, rule: Rule = .none) {
    self.seed = seed
    self.rule = rule
    random = SplitMix64(seed: seed)
    taker = Side(
      Traders.taker, Traders.maker, offset: Int64.random(in: -45_000_000...45_000_000, using: &random))
    maker = Side(
      Traders.maker, Traders.taker, offset: Int64.random(in: -45_000_000...45_000_000, using: &random))
    for side in [taker, maker] { begin(side) }
  }

  private func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
  private func clock(_ side: Side) -> UnixNanoseconds { now.advanced(byNanoseconds: side.offset) }
  private func other(_ side: Side) -> Side { side === taker ? maker : taker }
  private func complain(_ text: String) { violations.append("seed \(seed): \(text)") }

  private func begin(_ side: Side) {
    side.session.policy.witnesses = [witness.identity.did.string]
    side.session.reachableWitnesses = side.session.policy.witnesses
    take(side, side.session.begin(incarnation: random.bytes(16).map { $0 | 1 }, now: clock(side)))
    take(side, side.session.poll(now: clock(side)))
  }

  private func take(_ side: Side, _ outcome: Outcome) {
    if !outcome.isEmpty { side.queue.append(outcome) }
  }

  private func commit(_ side: Side) {
    for outcome in side.queue {
      side.durable += outcome.rows
      guard outcome.channel == side.session.channelCount else { continue }
      side.wire += outcome.frames.map { (outcome.channel, $0) }
    }
    side.queue = []
  }

  private func crash(_ side: Side) {
    cut()
    side.queue = []
    side.stamps = []
    side.session = PairSession(signer: side.signer, peer: side.other.identity)
    for row in side.durable { try! side.session.restore(row.encoded) }
    begin(side)
  }

  private func cut() {
    for side in [taker, maker] {
      side.wire = []
      side.session.channelClosed()
    }
  }

  private func connect() {
    cut()
    for side in [taker, maker] { take(side, side.session.channelOpened(now: clock(side))) }
  }

  private func deliver(to side: Side) {
    let from = other(side)
    guard !isMakerDead, let next = from.wire.first else { return }
    from.wire.removeFirst()
    guard next.channel == from.session.channelCount else { return }
    take(side, side.session.receive(next.frame, now: clock(side)))
  }

  // MARK: The witness

  private func ask(_ side: Side) {
    // What a question rests on is durable.
    guard side.queue.isEmpty || rule == .writeBeforeDurable else { return }
    for question in side.session.slotQuestions(now: clock(side)) { questions.append((question.message, side)) }
  }

  private func serve() {
    guard !questions.isEmpty else { return }
    let index = Int.random(in: questions.indices, using: &random)
    let question = chance(20) ? questions[index] : questions.remove(at: index)
    let peer = question.from.signer.identity.did.string
    let time = rule == .backdatedWitness && chance(50) ? now.advanced(byNanoseconds: -3_000_000_000) : now
    if rule == .backdatedWitness { restartWitness(keepingTime: false) }
    guard let outcome = try? slots.receive(question.message.encoded, from: peer, isServed: true, now: time) else {
      return complain("a question was malformed")
    }
    let rows = outcome.rows.map { ($0.encoded, peer) }
    slotQueue.append((rows, outcome.answer, question.from))
    if rule == .answerBeforeDurable { leave(outcome.answer, to: question.from) }
  }

  private func commitWitness() {
    for outcome in slotQueue {
      slotRows += outcome.rows
      if rule != .answerBeforeDurable { leave(outcome.answer, to: outcome.to) }
    }
    slotQueue = []
  }

  private func leave(_ answer: WitnessMessage, to side: Side) {
    guard case .stamp(let stamp) = answer else { return }
    if seen[stamp.slot]?.contradicts(stamp) == true { complain("the witness contradicts itself") }
    seen[stamp.slot] = stamp
    side.stamps.append(stamp)
  }

  private func restartWitness(keepingTime: Bool = true) {
    slotQueue = []
    slots = WitnessSlots(signer: witness)
    for (row, peer) in slotRows {
      if !keepingTime, (try? WitnessRow(row))?.content == .passed { continue }
      try! slots.restore(row, peer: peer)
    }
  }

  private func hear(_ side: Side) {
    guard !side.stamps.isEmpty else { return }
    let stamp = chance(15) ? side.stamps[0] : side.stamps.removeFirst()
    if side === maker, isMakerDead { return }
    take(side, side.session.receive(stamp, of: witness.identity, now: clock(side)))
  }

  // MARK: Running

  func run(steps: Int = 400) {
    connect()
    for _ in 0..<steps where violations.isEmpty { step() }
    heal()
    check()
  }

  private func step() {
    now = now + .milliseconds(Int.random(in: 0...(chance(1) ? 2_500 : 15), using: &random))
    let side = chance(50) ? taker : maker
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<28: for _ in 0..<Int.random(in: 1...4, using: &random) { deliver(to: side) }
    case 28..<48: commit(side)
    case 48..<55: ask(side)
    case 55..<61: serve()
    case 61..<66: commitWitness()
    case 66..<71: hear(side)
    case 71: if chance(60) { crash(side) } else { restartWitness() }
    case 72: if chance(50) { connect() } else { questions = [] }
    case 73..<75: take(side, side.session.poll(now: clock(side)))
    default: act(side)
    }
  }

  private func act(_ side: Side) {
    let now = clock(side)
    do throws(NegotiationError) {
      guard let dialogue = side.session.openDialogues.randomElement(using: &random) else {
        guard side === taker else { return }
        var draft = Samples.request(lifetime: 6_000_000_000)
        draft.witnesses = [witness.identity.did.string]
        return take(side, try side.session.requestQuote(draft, nonce: random.bytes(16), now: now).outcome)
      }
      if let offer = dialogue.peerOffer, chance(75) {
        let side1: ParleyNegotiation.Side = chance(50) ? .buy : .sell
        take(
          side,
          try side.session.accept(
            dialogue.id, offer: offer.id, side: side1, lots: Int64.random(in: 1...10, using: &random), now: now
          ).outcome)
        if rule == .writeBeforeDurable { ask(side) }
        return
      }
      var draft = Samples.twoWay(lifetime: Int64.random(in: 100_000_000...1_500_000_000, using: &random))
      draft.witness = witness.identity.did.string
      let result =
        dialogue.role == .responder
        ? try side.session.quote(dialogue.id, draft, now: now) : try side.session.counter(dialogue.id, draft, now: now)
      take(side, result.outcome)
    } catch {
      // The command did not fit the moment.
    }
  }

  /// The maker stays dead for a while, or not; the taker and the witness go on.
  private func heal() {
    guard violations.isEmpty else { return }
    isMakerDead = chance(50)
    if isMakerDead { crash(maker) }
    let doubts = doubted(taker).count
    rounds(6, [taker])
    if isMakerDead {
      endedAlone += doubts
      if !doubted(taker).isEmpty { complain("the taker's doubt does not end without the maker") }
    }
    isMakerDead = false
    rounds(8, [taker, maker])
  }

  private func doubted(_ side: Side) -> [DialogueView] {
    side.session.openDialogues.filter { if case .acceptInDoubt = $0.phase { true } else { false } }
  }

  private func rounds(_ count: Int, _ sides: [Side]) {
    for _ in 0..<count {
      if !isMakerDead { connect() }
      for _ in 0..<40 {
        for side in sides {
          commit(side)
          if !isMakerDead { while !other(side).wire.isEmpty { deliver(to: side) } }
          commit(side)
          ask(side)
        }
        while !questions.isEmpty { serve() }
        commitWitness()
        for side in sides { while !side.stamps.isEmpty { hear(side) } }
      }
      now = now + .seconds(3)
      for side in sides { take(side, side.session.poll(now: clock(side))) }
    }
    for side in sides { commit(side) }
  }

  // MARK: Checking

  private func check() {
    guard violations.isEmpty else { return }
    for (name, side) in [("taker", taker), ("maker", maker)] {
      if let code = side.session.frozen { complain("the \(name) froze: \(code)") }
      for dialogue in side.session.state.openDialogues {
        let stamp = dialogue.myOffer.flatMap { dialogue.witnessed.offers[$0.id]?.stamp }
        complain(
          "the \(name)'s dialogue does not end: pending \(dialogue.pending != nil), own offer \(dialogue.myOffer != nil), "
            + "stamp \(stamp != nil), empty \(stamp?.content == nil), waiting \(dialogue.witnessed.waiting.count), "
            + "theirs \(dialogue.peerLive != nil), \(dialogue.expiry.nanoseconds(to: now) / 1_000_000) ms over")
      }
      if side.session.firmLots != 0 { complain("the \(name) still reserves lots") }
      var copy = PairSession(signer: side.signer, peer: side.other.identity)
      for row in side.durable { try! copy.restore(row.encoded) }
      if copy.state != side.session.state { complain("the \(name) restores to another state") }
      for trade in side.session.trades where trade.confirm == .zero {
        complain("a Confirm of the \(name)'s is missing")
      }
    }
    if Set(taker.session.trades.map(\.confirm)) != Set(maker.session.trades.map(\.confirm)) {
      complain("the trades differ")
    }
    for trade in taker.session.trades
    where !seen.values.contains(where: { $0.slot.offer == trade.offer && $0.content != nil }) {
      complain("a trade without a stamp")
    }
    for side in [taker, maker] { checkReceipts(side) }
  }

  private func checkReceipts(_ side: Side) {
    for id in Set(side.durable.compactMap(\.dialogue)) where id != .pair {
      guard let view = side.session.dialogue(id) else { continue }
      let rows = side.durable.filter { $0.dialogue == id }
      let verdict = DialogueVerifier.verify(
        rows.compactMap(\.statement), taker.signer.identity, maker.signer.identity,
        stamps: rows.compactMap(\.stamp), witnesses: [witness.identity])
      switch verdict {
      case .traded(let trade): if view.trade?.accept == trade.accept { continue }
      case .notTraded, .noAccept: if view.phase == .closed { continue }
      // The owner's Decline was here before the stamp: why it declined is the other journal's to show.
      case .unverifiable: if view.phase == .closed { continue }
      case .inDoubt, .breach, .equivocation, .invalid: break
      }
      complain("statements prove \(verdict), not \(view.phase)")
    }
  }
}
