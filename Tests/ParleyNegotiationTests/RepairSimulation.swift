import ParleyIdentity
import ParleyWire
import TestSupport

@testable import ParleyNegotiation

/// A taker and a maker of whom one is given back an older copy of its journal, and the repair of their pair: all from one seed.
///
/// Each machine commits its outcomes in order, several as one transaction, some time after they were made; what was
/// not committed is lost in a crash. Channels cut, delay and repeat. What can go wrong without a repair is
/// `ParleySimulation`'s subject.
final class RepairSimulation {
  final class Machine {
    let name: String
    let signer: LocalSigner
    let other: LocalSigner
    let offset: Int64
    var session: PairSession
    var durable: [[JournalRow]] = []
    var queue: [Outcome] = []
    var wire: [(channel: Int, frame: [UInt8])] = []
    /// The highest numbers that left this machine.
    var acknowledgedOnWire: Int64 = 0
    var sentOnWire: Int64 = 0
    var orders = 0
    /// Orders given, by id, so that one can be given again.
    var given: [(id: String, nonce: [UInt8], draft: RequestDraft, statement: StatementID?)] = []

    init(_ name: String, _ signer: LocalSigner, _ other: LocalSigner, offset: Int64) {
      self.name = name
      self.signer = signer
      self.other = other
      self.offset = offset
      session = PairSession(signer: signer, peer: other.identity)
    }
  }

  let seed: UInt64
  private(set) var restorations = 0
  private(set) var repairs = 0
  var random: SplitMix64
  var now = UnixNanoseconds.start
  let taker: Machine
  let maker: Machine
  /// The channel that is up, by each side's count.
  var isUp = false
  var violations: [String] = []

  init(seed: UInt64) {
    self.seed = seed
    random = SplitMix64(seed: seed)
    // One pair in ten is further apart than is traded on: by minutes.
    let most: Int64 = seed % 10 == 9 ? 600_000_000_000 : 700_000_000
    taker = Machine("taker", Traders.taker, Traders.maker, offset: Int64.random(in: -most...most, using: &random))
    maker = Machine("maker", Traders.maker, Traders.taker, offset: Int64.random(in: -most...most, using: &random))
    for machine in [taker, maker] { begin(machine) }
  }

  private func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
  private func clock(_ machine: Machine) -> UnixNanoseconds { now.advanced(byNanoseconds: machine.offset) }
  private func other(_ machine: Machine) -> Machine { machine === taker ? maker : taker }
  private func complain(_ text: String) { violations.append("seed \(seed): \(text)") }

  private func begin(_ machine: Machine) {
    take(machine, machine.session.begin(incarnation: random.bytes(16).map { $0 | 1 }, now: clock(machine)))
  }

  // MARK: Machines

  private func take(_ machine: Machine, _ outcome: Outcome) {
    guard !outcome.isEmpty else { return }
    machine.queue.append(outcome)
  }

  /// Commits the first `count` outcomes as one transaction, and only then sends their frames.
  private func commit(_ machine: Machine, _ count: Int) {
    let batch = machine.queue.prefix(count)
    machine.queue.removeFirst(batch.count)
    let rows = batch.flatMap(\.rows)
    if !rows.isEmpty { machine.durable.append(rows) }
    for outcome in batch {
      send(machine, outcome)
      if outcome.close != nil, outcome.channel == machine.session.channelCount { cut() }
    }
  }

  private func send(_ machine: Machine, _ outcome: Outcome) {
    guard outcome.channel == machine.session.channelCount, isUp else { return }
    for frame in outcome.frames {
      machine.wire.append((outcome.channel, frame))
      switch try! Frame.decode(frame) {
      case .ack(let n, _): machine.acknowledgedOnWire = max(machine.acknowledgedOnWire, n)
      case .data(let n, _): machine.sentOnWire = max(machine.sentOnWire, n)
      case .sync, .ping, .pong, .freeze, .repair, .returned, .bye: break
      }
    }
  }

  /// The machine loses what was not durable, and starts again from what was.
  private func crash(_ machine: Machine) {
    cut()
    machine.queue = []
    machine.session = PairSession(signer: machine.signer, peer: machine.other.identity)
    for row in machine.durable.flatMap({ $0 }) { try! machine.session.restore(row.encoded) }
    let counters = machine.session.counters
    if counters.received < machine.acknowledgedOnWire {
      complain("\(machine.name) acknowledged \(machine.acknowledgedOnWire), has \(counters.received)")
    }
    if counters.sent < machine.sentOnWire {
      complain("\(machine.name) let statement \(machine.sentOnWire) out, has \(counters.sent)")
    }
    begin(machine)
    take(machine, machine.session.poll(now: clock(machine)))
  }

  /// The machine's disk is replaced by an older copy of it.
  private func restore(_ machine: Machine) {
    guard machine.durable.count > 2 else { return }
    restorations += 1
    machine.durable.removeLast(Int.random(in: 0..<machine.durable.count - 1, using: &random))
    (machine.acknowledgedOnWire, machine.sentOnWire, machine.given) = (0, 0, [])
    other(machine).acknowledgedOnWire = 0
    crash(machine)
  }

  /// The operators repair what is frozen.
  private func mend(_ machine: Machine) {
    commit(machine, machine.queue.count)
    guard let view = machine.session.repairView else { return }
    do throws(NegotiationError) {
      take(machine, try machine.session.openBook(machine.durable.flatMap { $0 }.map(\.encoded), now: clock(machine)))
      guard !view.isAgreed else { return }
      let incarnation = random.bytes(16).map { $0 | 1 }
      take(machine, try machine.session.agreeToRepair(newIncarnation: incarnation, now: clock(machine)))
      repairs += 1
    } catch {
      complain("\(machine.name) cannot be repaired: \(error)")
    }
  }

  // MARK: Network

  private func cut() {
    isUp = false
    for machine in [taker, maker] {
      machine.wire = []
      machine.session.channelClosed()
    }
  }

  private func connect() {
    cut()
    isUp = true
    for machine in [taker, maker] {
      // A driver that waits for the running commit sends SYNC after it: that is what the queue does here.
      take(machine, machine.session.channelOpened(now: clock(machine)))
    }
  }

  private func deliver(to machine: Machine) {
    let from = other(machine)
    guard let next = from.wire.first else { return }
    from.wire.removeFirst()
    guard isUp, next.channel == from.session.channelCount else { return }
    take(machine, machine.session.receive(next.frame, now: clock(machine)))
    if next.frame.prefix(2) == [0x93, 1], chance(5) {
      take(machine, machine.session.receive(next.frame, now: clock(machine)))
    }
  }

  // MARK: Running

  /// Random steps, then a network that works and clocks that run until all has ended.
  func run(steps: Int = 160) {
    connect()
    for _ in 0..<steps where violations.isEmpty { step() }
    heal()
    check()
  }

  private func step() {
    now = now + .milliseconds(Int.random(in: 0...(chance(2) ? 2_500 : 15), using: &random))
    let machine = chance(50) ? taker : maker
    if !isUp, chance(20) { connect() }
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<40: for _ in 0..<Int.random(in: 1...4, using: &random) { deliver(to: machine) }
    case 40..<72: commit(machine, chance(70) ? machine.queue.count : 1)
    case 72..<74: take(machine, machine.session.poll(now: clock(machine)))
    case 74: connect()
    case 75: restorations == 0 && chance(90) ? restore(machine) : crash(machine)
    default: act(machine)
    }
  }

  private func act(_ machine: Machine) {
    let now = clock(machine)
    let open = machine.session.openDialogues
    guard let dialogue = open.randomElement(using: &random) else {
      if machine === taker || chance(10) { ask(machine, now) }
      return
    }
    do throws(NegotiationError) {
      let result: CommandResult
      if let look = dialogue.look {
        let decline: NegotiationCode? = chance(70) ? nil : .price
        return take(
          machine, try machine.session.decideLook(dialogue.id, accept: look.accept, decline: decline, now: now).outcome)
      }
      if dialogue.lookUntil != nil, chance(30) {
        return take(machine, try machine.session.withdraw(dialogue.id, now: now).outcome)
      }
      switch Int.random(in: 0..<20, using: &random) {
      case 0 where machine === taker: return ask(machine, now)
      case 1 where chance(40): result = try machine.session.pass(dialogue.id, now: now)
      case 2: result = try machine.session.cancelOffer(dialogue.id, code: .price, now: now)
      case 3 where chance(20): return take(machine, try machine.session.massCancel(code: .killed, now: now).outcome)
      case 3 where dialogue.role == .responder && chance(40):
        result = try machine.session.refuse(dialogue.id, Fault(.policy, "no"), now: now)
      case 4..<10:
        let draft = offerDraft()
        result =
          dialogue.role == .responder
          ? try machine.session.quote(dialogue.id, draft, now: now)
          : try machine.session.counter(dialogue.id, draft, now: now)
      default:
        guard let offer = dialogue.peerOffer else { return }
        let side: Side = chance(50) ? .buy : .sell
        result = try machine.session.accept(
          dialogue.id, offer: offer.id, side: side, lots: Int64.random(in: 1...10, using: &random), now: now)
      }
      take(machine, result.outcome)
    } catch {
      // The command did not fit the moment: the session must not have changed, which `check` sees by restoring.
    }
  }

  private func offerDraft() -> OfferDraft {
    let middle = Int64.random(in: 90...110, using: &random)
    let mode: OfferMode = chance(10) ? .indicative : chance(12) ? .lastLook : .firm
    return Samples.twoWay(
      bid: middle - 3, ask: middle + 3, mode: mode,
      lifetime: Int64.random(in: 300_000_000...12_000_000_000, using: &random),
      hold: mode == .firm && chance(20) ? 150_000_000 : 0,
      look: mode == .lastLook ? Int64.random(in: 1_000_000...2_000_000_000, using: &random) : 0)
  }

  private func ask(_ machine: Machine, _ now: UnixNanoseconds) {
    if let again = machine.given.randomElement(using: &random), chance(30) {
      // The client gives an order again: it must not be carried out twice.
      guard
        let result = try? machine.session.requestQuote(
          again.draft, nonce: random.bytes(16), clientOrderID: again.id, now: now)
      else { return }
      if result.isRepeat, let statement = again.statement, statement != result.statement {
        complain("order \(again.id) had another result")
      }
      return take(machine, result.outcome)
    }
    machine.orders += 1
    let draft = Samples.request(lifetime: Int64.random(in: 4_000_000_000...12_000_000_000, using: &random))
    let nonce = random.bytes(16)
    let id = "order \(machine.orders)"
    guard let result = try? machine.session.requestQuote(draft, nonce: nonce, clientOrderID: id, now: now) else {
      return
    }
    machine.given.append((id, nonce, draft, nil))
    take(machine, result.outcome)
  }

  private func heal() {
    guard violations.isEmpty else { return }
    for round in 0..<12 {
      if !isUp || round % 3 == 0 { connect() }
      for machine in [taker, maker] { mend(machine) }
      for _ in 0..<200 {
        guard [taker, maker].contains(where: { !$0.queue.isEmpty || !$0.wire.isEmpty }) else { break }
        for machine in [taker, maker] {
          commit(machine, machine.queue.count)
          while !other(machine).wire.isEmpty { deliver(to: machine) }
        }
      }
      now = now + .seconds(5)
      for machine in [taker, maker] { take(machine, machine.session.poll(now: clock(machine))) }
    }
    for machine in [taker, maker] { commit(machine, machine.queue.count) }
  }

  // MARK: Checking

  private func check() {
    guard violations.isEmpty else { return }
    for machine in [taker, maker] {
      if let code = machine.session.frozen { complain("\(machine.name) froze: \(code)") }
      if !machine.session.openDialogues.isEmpty { complain("\(machine.name) has dialogues that do not end") }
      let counters = machine.session.counters
      if counters.acknowledged != counters.sent { complain("\(machine.name) has statements that were not taken") }
      var copy = PairSession(signer: machine.signer, peer: machine.other.identity)
      for row in machine.durable.flatMap({ $0 }) { try! copy.restore(row.encoded) }
      if copy.state != machine.session.state { complain("\(machine.name) restores to another state") }
      if machine.session.firmLots != 0 { complain("\(machine.name) still reserves lots") }
    }
    let trades = [taker, maker].map { Set($0.session.trades.map(\.confirm)) }
    if trades[0] != trades[1] { complain("the trades differ: \(trades[0].count) and \(trades[1].count)") }
    if Set(taker.session.trades.map(\.terms.encoded)) != Set(maker.session.trades.map(\.terms.encoded)) {
      complain("the terms differ")
    }
    checkVerdicts()
    if seed % 4 == 0 { checkReceipts(taker) }
    if seed % 4 == 2 { checkReceipts(maker) }
  }

  /// A stranger sees in each side's journal what that side believes.
  private func checkReceipts(_ machine: Machine) {
    var dialogues: [DialogueID: [[UInt8]]] = [:]
    for row in machine.durable.flatMap({ $0 }) {
      guard let dialogue = row.dialogue, let statement = row.statement else { continue }
      dialogues[dialogue, default: []].append(statement)
    }
    // A Decline may rest on what was signed about the pair.
    let cancels = (dialogues[.pair] ?? []).filter { bytes in
      guard case .massCancel? = (try? Statement(bytes))?.payload else { return false }
      return true
    }
    for id in dialogues.keys where id != .pair { dialogues[id]? += cancels }
    for (id, statements) in dialogues {
      guard let view = machine.session.dialogue(id) else { continue }
      let verdict = DialogueVerifier.verify(
        statements.shuffled(using: &random), taker.signer.identity, maker.signer.identity)
      switch verdict {
      case .traded(let trade): if view.trade?.confirm == trade.confirm { continue }
      case .notTraded, .noAccept: if view.phase == .closed { continue }
      case .inDoubt, .breach, .equivocation, .invalid, .unverifiable: break
      }
      complain("\(machine.name)'s statements prove \(verdict), not \(view.phase)")
    }
  }

  /// One verdict an Accept, one Confirm an offer and a dialogue, over all that both sides ever signed durably.
  private func checkVerdicts() {
    var accepts: Set<StatementID> = []
    var verdicts: [StatementID: Int] = [:]
    var confirmed: [StatementID: Int] = [:]
    var traded: [DialogueID: Int] = [:]
    for machine in [taker, maker] {
      for row in machine.durable.flatMap({ $0 }) {
        guard case .sent(_, let bytes, _) = row.content, let statement = try? Statement(bytes) else { continue }
        switch statement.payload {
        case .accept: accepts.insert(statement.id)
        case .confirm(let confirm):
          guard let embedded = try? Statement(confirm.acceptStatement), case .accept(let accept) = embedded.payload
          else { return complain("a Confirm without an Accept") }
          verdicts[embedded.id, default: 0] += 1
          confirmed[accept.offer, default: 0] += 1
          traded[statement.header.dialogue, default: 0] += 1
        case .decline(let decline): verdicts[decline.accept, default: 0] += 1
        case .quoteRequest, .quote, .counter, .quoteCancel, .withdraw, .pass, .reject, .tradeAck, .massCancel,
          .incarnation:
          break
        }
      }
    }
    if Set(verdicts.keys) != accepts { complain("\(accepts.count) Accepts, \(verdicts.count) with verdicts") }
    if verdicts.values.contains(where: { $0 != 1 }) { complain("an Accept has several verdicts") }
    if confirmed.values.contains(where: { $0 != 1 }) { complain("an offer was confirmed twice") }
    if traded.values.contains(where: { $0 != 1 }) { complain("a dialogue has two trades") }
  }
}
