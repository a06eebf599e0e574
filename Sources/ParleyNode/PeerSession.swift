internal import ParleyCrypto
internal import ParleyIO
internal import ParleyIdentity
internal import ParleyJournal
internal import ParleyNegotiation
internal import ParleyStore
internal import ParleyWire

/// Drives the negotiation with one peer: hands messages and commands to the ``PairSession``, makes what it decided
/// durable, and only then lets anything out.
///
///     message, command, time ──▶ PairSession ──▶ outcome ──▶ queue ──▶ journal
///                                                              │          │
///                     frames to the channel, events to the node ◀── durable
///
/// Invariant: outcomes leave the queue in the order in which they entered it, each after its rows and all rows before
/// them are durable. What the rest of the node sees of a dialogue (``published``) changes only then.
///
/// It belongs to its ``Node`` and is touched on the node's loop only.
final class PeerSession {
  /// The kind of the journal entries that hold rows of a negotiation.
  static let entryKind: UInt8 = 1

  /// An outcome on its way out.
  private struct Pending {
    let ticket: Int
    let outcome: Outcome
    let views: [DialogueView]
    var isDurable: Bool
    var release: (() -> Void)?
  }

  /// What a session reaches of its node.
  struct Surroundings {
    /// Where to tell the operator.
    let log: Log
    /// Makes drafts durable; ``PeerSession/committed(_:)`` with the ticket follows.
    let commit: ([EntryDraft], Int) -> Void
    /// Takes an event, after all that led to it is durable.
    let deliver: (SessionEvent, PeerSession) -> Void
    /// What the sessions with all other peers have bound in a group.
    let groupsElsewhere: ([UInt8]) -> GroupLedger
    /// The owner's limits, asked before anything is signed.
    let vet: (Commitment) -> Veto?
    /// Takes what was signed or received, before it is durable: the dialogues touched, and what happened.
    let observe: ([DialogueView], [SessionEvent]) -> Void
    /// Calls ``PeerSession/poll()`` after a while.
    let wakeUp: (Duration) -> ScheduledWork
    /// Asks witnesses what the session has to know; called when all that is based on is durable.
    let consult: (PeerSession) -> Void
    /// Whether a channel to the witness of this DID is up.
    let isReachable: (String) -> Bool
    /// The DIDs of the witnesses that this node takes.
    let witnesses: [String]
  }

  let peer: PeerIdentity
  private let surroundings: Surroundings
  private var engine: PairSession
  private var queue: [Pending] = []
  private var nextTicket = 0
  private var channel: PeerChannel?
  private var opensWhenDrained = false
  /// Frames that came before this side's SYNC could leave.
  private var early: [[UInt8]] = []
  private static let earlyFrameLimit = 3
  private var countersAtOpening: (sent: Int64, acknowledged: Int64, received: Int64) = (0, 0, 0)
  /// The engine's number of the channel in use; 0 without one.
  private var channelNumber = 0
  private var timer: ScheduledWork?
  /// When each slot was asked about last, by its id.
  private var questioned: [Hash256: ContinuousClock.Instant] = [:]
  private var watch = ClockWatch(wall: .now, steady: PeerSession.steady())

  /// The dialogues as far as they are durable.
  private(set) var published: [DialogueID: DialogueView] = [:]
  /// Those of them in which something can still happen.
  private(set) var open: [DialogueID: DialogueView] = [:]
  /// Those that this node opened, by group.
  private(set) var asked: [[UInt8]: Set<DialogueID>] = [:]
  /// How dialogues ended without a trade, in words.
  private(set) var endings: [DialogueID: String] = [:]
  /// The offer that this side accepted last, by dialogue.
  private(set) var accepted: [DialogueID: StatementID] = [:]
  /// The Accept of the peer's that this side looked at last, by dialogue.
  private(set) var lookedAt: [DialogueID: StatementID] = [:]
  /// The trades that are durable, the oldest first.
  private(set) var trades: [Trade] = []

  /// Creates a session and folds what the journal holds of it.
  ///
  /// - Throws: ``NodeError/journal(_:)`` for rows that do not read.
  init(
    peer: PeerIdentity, signer: LocalSigner, limits: NegotiationLimits, policy: NegotiationPolicy, rows: [[UInt8]],
    surroundings: Surroundings
  ) throws(NodeError) {
    self.peer = peer
    self.surroundings = surroundings
    engine = PairSession(signer: signer, peer: peer, limits: limits, policy: policy)
    engine.policy.witnesses = surroundings.witnesses
    engine.groupsElsewhere = surroundings.groupsElsewhere
    engine.vet = surroundings.vet
    var dialogues: Set<DialogueID> = []
    do {
      for bytes in rows {
        try engine.restore(bytes)
        let row = try JournalRow(bytes)
        noteAccept(row)
        if let dialogue = row.dialogue { dialogues.insert(dialogue) }
      }
    } catch {
      throw .journal("the rows about \(peer.did.string) do not fold: \(error)")
    }
    // Those that are over too: a client may ask what became of its order.
    for dialogue in dialogues { if let view = engine.dialogue(dialogue) { publish(view) } }
    trades = engine.trades
  }

  /// Whether a channel is open and both sides agree where they stand.
  var isSynced: Bool { engine.isSynced }

  /// What the peer has said on the channel in use that it is interested in.
  var interests: Interests { channel?.interests ?? Interests.none }

  /// Whether there is a channel.
  var isConnected: Bool { channel != nil }

  /// Whether nothing waits to be durable.
  var isQuiet: Bool { queue.isEmpty }

  /// Whether the last channel has carried a statement or an acknowledgement.
  var hasProgressed: Bool {
    engine.counters.received > countersAtOpening.received
      || engine.counters.acknowledged > countersAtOpening.acknowledged
  }

  /// Why nothing more is signed; `nil` while all is well.
  var frozen: NegotiationCode? { engine.frozen }

  /// The dialogues with a live offer of this side's, durable or not.
  var liveOffers: [DialogueView] { engine.openDialogues.filter { $0.myOffer != nil } }

  /// Whether something waits for the peer: statements not acknowledged, or an Accept in doubt.
  var hasUnfinishedBusiness: Bool {
    engine.counters.sent > engine.counters.acknowledged || !engine.openDialogues.isEmpty
  }

  /// Statements signed, of those acknowledged, and received.
  var counters: (sent: Int64, acknowledged: Int64, received: Int64) { engine.counters }

  /// What this pair has bound in a group, durable or on its way there.
  func ledger(of group: [UInt8]) -> GroupLedger { engine.ledger(of: group) }

  /// The peer's offers for this node's requests of a group, durable or on their way there.
  func candidates(of group: [UInt8], now: UnixNanoseconds) -> [BestQuotes.Candidate] {
    engine.candidates(of: group, now: now)
  }

  /// The durable dialogue in which a client's order was carried out.
  func published(order: String?) -> DialogueView? {
    order.flatMap { engine.dialogue(ofOrder: $0) }.flatMap { published[$0] }
  }

  // MARK: Channel

  /// Takes a new channel; the old one is dead before the new one's first frame.
  func attach(_ channel: PeerChannel) {
    detach()
    self.channel = channel
    opensWhenDrained = true
    countersAtOpening = engine.counters
    beginIfNeeded()
    openIfDrained()
  }

  /// Lets the channel go, if there is one.
  func detach() {
    guard let channel else { return }
    self.channel = nil
    channelNumber = 0
    opensWhenDrained = false
    early = []
    engine.channelClosed()
    channel.close()
  }

  /// Notes that a channel has ended by itself.
  func channelEnded(_ channel: PeerChannel) {
    guard self.channel === channel else { return }
    self.channel = nil
    channelNumber = 0
    opensWhenDrained = false
    early = []
    engine.channelClosed()
  }

  /// Whether this is the channel in use.
  func uses(_ channel: PeerChannel) -> Bool { self.channel === channel }

  /// Takes one message of the channel.
  ///
  /// The peer's SYNC may be here before this side's own could leave: it waits. Nothing but a SYNC, FREEZE or BYE can
  /// come before the peer has seen ours.
  func receive(_ frame: [UInt8]) {
    guard opensWhenDrained else { return handle(engine.receive(frame, now: time())) }
    guard early.count < Self.earlyFrameLimit else { return detach() }
    early.append(frame)
  }

  private func beginIfNeeded() {
    handle(engine.begin(incarnation: SystemRandom.bytes(PairSession.incarnationByteCount), now: .now))
  }

  private func openIfDrained() {
    guard opensWhenDrained, queue.isEmpty else { return }
    opensWhenDrained = false
    let outcome = engine.channelOpened(now: time())
    channelNumber = outcome.channel
    handle(outcome)
    let frames = early
    early = []
    for frame in frames { handle(engine.receive(frame, now: time())) }
  }

  /// Whether a SYNC has been checked since this node started, and nothing is frozen.
  var hasSynced: Bool { engine.hasSynced }
  /// When this side last found that it had lost statements of its own.
  var lostSelfAt: UnixNanoseconds? { engine.lostSelfAt }
  /// Whether that was before any SYNC had been checked since the start.
  var lostAtFirstSync: Bool { engine.awaitsFirstSync }
  /// When the operator last said that the node need not wait for this pair.
  var waivedAt: UnixNanoseconds? { engine.waivedAt }
  /// When the last trade was decided.
  var lastTrade: UnixNanoseconds? { engine.lastTrade }

  /// Signs nothing until ``resume()``.
  func suspend() { engine.suspend() }

  /// Goes on.
  func resume() { handle(engine.resume(now: .now)) }

  /// Notes that the node need not wait for this pair, and returns once that is durable.
  func waive(_ isolation: isolated Node) async {
    let outcome = engine.waive(now: .now)
    await withCheckedContinuation { continuation in
      handle(outcome) { continuation.resume() }
    }
  }

  /// How the pair stands while it is frozen.
  var repairView: RepairView? { engine.repairView }

  /// Takes all rows of the pair, of which the last are durable: a frozen session can then be repaired.
  func openBook(_ rows: [[UInt8]]) throws(NodeError) {
    do {
      handle(try engine.openBook(rows, now: .now))
    } catch {
      throw .journal(error.sentence)
    }
  }

  /// Says for the operator that the pair is to be repaired, and returns once that is durable.
  func agreeToRepair(_ isolation: isolated Node, incarnation: [UInt8]) async throws(NodeError) {
    let outcome: Outcome
    do {
      outcome = try engine.agreeToRepair(newIncarnation: incarnation, now: .now)
    } catch {
      throw .notNow(error.sentence)
    }
    await withCheckedContinuation { continuation in
      handle(outcome) { continuation.resume() }
    }
  }

  /// Signs nothing more for this peer, and tells it why.
  func freeze(_ code: NegotiationCode) { handle(engine.freeze(code, now: time())) }

  // MARK: Commands

  /// Carries out one command and returns once what it decided is durable.
  ///
  /// - Throws: ``NodeError/notNow(_:)`` with the engine's reason.
  func perform(
    _ isolation: isolated Node,
    _ command: (inout PairSession) throws(NegotiationError) -> CommandResult
  ) async throws(NodeError) -> DialogueID {
    _ = time()
    noteReachableWitnesses()
    let result: CommandResult
    do {
      result = try command(&engine)
    } catch {
      throw .notNow(error.sentence)
    }
    await withCheckedContinuation { continuation in
      handle(result.outcome, touching: result.dialogue) { continuation.resume() }
    }
    return result.dialogue
  }

  /// Takes back all offers that are not held, and returns once that is durable.
  func massCancel(
    _ isolation: isolated Node, _ code: NegotiationCode
  ) async throws(NegotiationError) -> MassCancelResult {
    let result = try engine.massCancel(code: code, now: .now)
    await withCheckedContinuation { continuation in
      handle(result.outcome) { continuation.resume() }
    }
    return result
  }

  /// Takes back all offers that are not held, without waiting.
  func massCancelNow(_ code: NegotiationCode) throws(NegotiationError) -> MassCancelResult {
    let result = try engine.massCancel(code: code, now: .now)
    handle(result.outcome)
    return result
  }

  /// Carries out one command without waiting, such as a quote; `release` is called once what it decided is durable.
  @discardableResult
  func performNow(
    _ command: (inout PairSession) throws(NegotiationError) -> CommandResult, release: (() -> Void)? = nil
  ) throws(NegotiationError) -> CommandResult {
    _ = time()
    noteReachableWitnesses()
    let result = try command(&engine)
    handle(result.outcome, touching: result.dialogue, release: release)
    return result
  }

  // MARK: Outcomes

  private func handle(_ outcome: Outcome, touching dialogue: DialogueID? = nil, release: (() -> Void)? = nil) {
    guard !outcome.isEmpty || release != nil else { return schedule() }
    var touched = Set(outcome.events.compactMap(\.dialogue))
    touched.formUnion(outcome.rows.compactMap(\.dialogue))
    if let dialogue { touched.insert(dialogue) }
    nextTicket += 1
    let ticket = nextTicket
    for row in outcome.rows { noteAccept(row) }
    let views = touched.compactMap { engine.dialogue($0) }
    queue.append(
      Pending(ticket: ticket, outcome: outcome, views: views, isDurable: outcome.rows.isEmpty, release: release))
    if !outcome.rows.isEmpty { surroundings.commit(drafts(outcome.rows), ticket) }
    surroundings.observe(views, outcome.events)
    drain()
    schedule()
  }

  private func noteAccept(_ row: JournalRow) {
    guard case .sent(_, let bytes, _) = row.content, let statement = try? Statement(bytes),
      case .accept(let accept) = statement.payload
    else { return }
    accepted[statement.header.dialogue] = accept.offer
  }

  private func drafts(_ rows: [JournalRow]) -> [EntryDraft] {
    rows.map { row in
      do {
        return try EntryDraft(
          time: row.time, kind: Self.entryKind, peer: peer.did.string, group: row.dialogue?.bytes ?? [],
          body: row.encoded)
      } catch {
        preconditionFailure("a row is smaller than the largest entry: \(error)")
      }
    }
  }

  /// Notes that the rows of an outcome are durable.
  func committed(_ ticket: Int) {
    guard let index = queue.firstIndex(where: { $0.ticket == ticket }) else { return }
    queue[index].isDurable = true
    drain()
    openIfDrained()
  }

  private func drain() {
    while let first = queue.first, first.isDurable {
      queue.removeFirst()
      leave(first)
    }
    if queue.isEmpty { surroundings.consult(self) }
  }

  // MARK: Witnesses

  private func noteReachableWitnesses() {
    engine.reachableWitnesses = engine.openDialogues.flatMap(\.request.witnesses).filter(surroundings.isReachable)
  }

  /// Slots of which this session has to know what is in them.
  var slotQuestionCount: Int { engine.slotQuestions(now: .now).count }

  /// What is to be asked of witnesses now: nothing while something is not durable, and nothing twice in a moment.
  func dueSlotQuestions() -> [SlotQuestion] {
    guard queue.isEmpty else { return [] }
    let (questions, now) = (engine.slotQuestions(now: .now), ContinuousClock.now)
    questioned = questioned.filter { slot, _ in questions.contains { $0.slot.id == slot } }
    return questions.filter { question in
      if let last = questioned[question.slot.id], last.duration(to: now) < WitnessTimes.question { return false }
      questioned[question.slot.id] = now
      return true
    }
  }

  /// Asks the peer, as a witness.
  func askWitness(_ message: [UInt8]) { channel?.askWitness(message) }

  /// Takes a witness's stamp.
  func take(_ stamp: Stamp, of witness: PeerIdentity) { handle(engine.receive(stamp, of: witness, now: time())) }

  private func leave(_ pending: Pending) {
    for view in pending.views { publish(view) }
    if let channel, pending.outcome.channel == channelNumber {
      for frame in pending.outcome.frames { channel.send(frame) }
    }
    for event in pending.outcome.events { note(event) }
    pending.release?()
    for event in pending.outcome.events { surroundings.deliver(event, self) }
    if let reason = pending.outcome.close, pending.outcome.channel == channelNumber {
      surroundings.log.warning("channel-fault", ["peer": peer.did.string, "why": "\(reason)"])
      detach()
    }
  }

  private func publish(_ view: DialogueView) {
    published[view.id] = view
    open[view.id] = view.phase.isOpen ? view : nil
    if view.role == .requester { asked[view.request.group, default: []].insert(view.id) }
  }

  private func note(_ event: SessionEvent) {
    switch event {
    case .traded(let trade): trades.append(trade)
    case .tradeConfirmed(let trade):
      if let index = trades.firstIndex(where: { $0.accept == trade.accept }) { trades[index] = trade }
    case .lookBegan(let dialogue, let look): lookedAt[dialogue] = look.accept
    case .dialogueClosed(let dialogue, let end): endings[dialogue] = endings[dialogue] ?? end.sentence
    case .rejected(let dialogue?, _, let fault): endings[dialogue] = "rejected: \(fault)"
    case .declined(let dialogue, _, let code): endings[dialogue] = "declined: \(code)"
    default: break
    }
  }

  // MARK: Time

  private static let origin = ContinuousClock.now

  /// A clock that is never set.
  private static func steady() -> UnixNanoseconds {
    UnixNanoseconds(Int64((ContinuousClock.now - origin) / .nanoseconds(1)))
  }

  /// What the peer's clock shows more than this one, and how far that may be wrong; `nil` while it is not measured.
  var peerClock: PeerClock.Estimate? { isSynced ? engine.peerClock(now: .now) : nil }

  /// The wall clock; where it was set since it was read last, the peer's is measured again.
  private func time() -> UnixNanoseconds {
    let now = UnixNanoseconds.now
    guard watch.hasStepped(wall: now, steady: Self.steady()) else { return now }
    surroundings.log.warning("clock-stepped", ["peer": peer.did.string])
    handle(engine.clockStepped(now: now))
    return now
  }

  private func schedule() {
    timer?.cancel()
    timer = nil
    var deadlines = [engine.nextDeadline, engine.nextSlotQuestion].compactMap { $0 }
    if !engine.slotQuestions(now: .now).isEmpty {
      deadlines.append(UnixNanoseconds.now.advanced(byNanoseconds: 500_000_000))
    }
    guard let deadline = deadlines.min() else { return }
    let wait = max(0, UnixNanoseconds.now.nanoseconds(to: deadline)) &+ 1_000_000
    timer = surroundings.wakeUp(.nanoseconds(min(wait, 3_600_000_000_000)))
  }

  /// Ends what has run out.
  func poll() {
    handle(engine.poll(now: time()))
    if queue.isEmpty { surroundings.consult(self) }
  }

  /// Stops timers; the session is of no use afterwards.
  func stop() {
    timer?.cancel()
    detach()
  }
}

extension SessionEvent {
  /// The dialogue that the event is about; `nil` for the session's own.
  var dialogue: DialogueID? {
    switch self {
    case .requestArrived(let id, _, _), .quoteArrived(let id, _), .counterArrived(let id, _),
      .offerEnded(let id, _, _, _), .tradeAcknowledged(let id), .declined(let id, _, _), .declinedPeer(let id, _, _),
      .lookBegan(let id, _), .dialogueClosed(let id, _), .overdue(let id, _), .tradeUnacknowledged(let id),
      .witnessEquivocated(let id, _):
      id
    case .rejected(let id, _, _), .rejectedPeer(let id, _, _): id
    case .traded(let trade), .tradeConfirmed(let trade): trade.dialogue
    case .synced, .acknowledged, .frozen, .evidenceKept, .repairOffered, .adopted, .repairFailed, .repaired: nil
    }
  }
}

extension DialogueEnd {
  /// The end in words.
  var sentence: String {
    switch self {
    case .expired: "expired"
    case .passed(let code): code == .none ? "passed" : "passed: \(code)"
    case .peerPassed(let code): code == .none ? "the other side passed" : "the other side passed: \(code)"
    case .refused(let code): "rejected: \(code)"
    }
  }
}

extension NegotiationError {
  /// Why a command was not carried out, for a person.
  var sentence: String {
    switch self {
    case .notConnected: "no channel to this peer is up; it will be tried again"
    case .suspended:
      "this node has lost a part of its journal: 'parley status' says whom it waits for, 'parley peers waive DID' goes on without"
    case .frozen(let code): "the session is frozen (\(code)): only the operators of both sides can end that"
    case .unknownDialogue(let id): "there is no dialogue \(id) here"
    case .dialogueClosed: "the negotiation is over"
    case .wrongRole: "that belongs to the other side"
    case .acceptUndecided: "an earlier accept has no verdict yet"
    case .held(let until): "your own offer is held until \(until.iso8601)"
    case .noLiveOffer: "no offer of the other side is live: it expired, or was taken back"
    case .indicative: "the offer is only indicative"
    case .tooLate(let expiry): "the offer ends at \(expiry.iso8601): an accept may not arrive in time"
    case .clockUnmeasured: "the other side's clock is not measured yet: try again in a second"
    case .clocksApart(let offset, let bound):
      "the other side's clock shows \(offset / 1_000_000) ms more than this one, ± \(bound / 1_000_000) ms; set the clock that is wrong"
    case .looking: "first confirm or decline the accept that is being looked at"
    case .noLook: "there is no accept to confirm or decline"
    case .lookOver(let until): "the look was over at \(until.iso8601): the accept has lapsed"
    case .nothingToWithdraw: "there is no accept of a last-look quote to withdraw, or it was withdrawn"
    case .noRoundsLeft: "no counter is left in this negotiation"
    case .notQuotedYet: "the other side has not quoted yet"
    case .invalid(let fault): "that makes no valid statement: \(fault)"
    case .limit(let name): "a limit stands in the way: \(name)"
    case .overCap(let free): "that is more than was asked for: \(free) lots are still free"
    case .blind(let until): "the quotes are hidden until \(until.iso8601): the blind time that was asked for"
    case .aboveGroupCap(let cap): "a further request of this group asks for at most \(cap) lots, as the first one did"
    case .peerOverdue: "an earlier accept is overdue; no new one to this peer until it is decided"
    case .vetoed(let veto): "a limit of this node stands in the way: \(veto.detail)"
    case .witnessUnreachable(let did): "no channel to the offer's witness \(did) is up"
    case .clientOrderIDReused(let id): "the client order id '\(id)' was used for something else"
    case .clientOrderIDLength(let count): "a client order id has 1 to 64 bytes, not \(count)"
    case .notRepairable(.none): "the pair is not frozen: there is nothing to repair"
    case .notRepairable(let code): "\(code) cannot be repaired: what both hold must be settled by another way"
    case .corruptRow(let why): "the journal does not read: \(why)"
    }
  }
}
