public import ParleyWire

/// What to ask; the session adds the nonce and the time.
public struct RequestDraft: Hashable, Sendable {
  /// The package, as seen by who buys it; at most 20 legs.
  public var legs: [Leg]
  /// The fewest lots.
  public var lotsMin: Int64
  /// The most lots; of the first request of a group, its cap.
  public var lotsMax: Int64
  /// What is wanted.
  public var side: RequestSide
  /// How many Counters may follow, at most 8.
  public var rounds: Int64
  /// 16 bytes shared by requests that fill one need; `nil` for a group of its own.
  public var group: [UInt8]?
  /// The topic that the peer is asked by, one of those that it declared; `nil` for a request to it by name.
  public var topic: Topic?
  /// How long Quotes stay hidden, in nanoseconds, at most five seconds: until then this side neither counters nor accepts.
  public var blind: Int64
  /// Life, in nanoseconds, at most an hour.
  public var lifetime: Int64
  /// By when a trade is to be settled; 0 when not said.
  public var settleBy: UnixNanoseconds
  /// The DIDs of at most three witnesses, one of which every firm offer must name; empty for none.
  public var witnesses: [String] = []

  /// Creates a draft.
  public init(
    legs: [Leg], lotsMin: Int64, lotsMax: Int64, side: RequestSide, rounds: Int64 = 3, group: [UInt8]? = nil,
    topic: Topic? = nil, blind: Int64 = 0, lifetime: Int64 = 60_000_000_000,
    settleBy: UnixNanoseconds = UnixNanoseconds(0)
  ) {
    self.legs = legs
    self.lotsMin = lotsMin
    self.lotsMax = lotsMax
    self.side = side
    self.rounds = rounds
    self.group = group
    self.topic = topic
    self.blind = blind
    self.lifetime = lifetime
    self.settleBy = settleBy
  }
}

/// What to offer; the session adds round, the offer replaced and the time.
public struct OfferDraft: Hashable, Sendable {
  /// How far it binds.
  public var mode: OfferMode
  /// At which this side buys.
  public var bid: OfferSide?
  /// At which this side sells.
  public var ask: OfferSide?
  /// Whether an Accept must take all lots.
  public var isAllOrNone: Bool
  /// With ``OfferMode/lastLook``: for how long this side may look at an Accept, in nanoseconds; at most two seconds.
  public var look: Int64
  /// Life, in nanoseconds: indicative at most an hour, else a minute.
  public var lifetime: Int64
  /// For how long this side may not cancel, replace or pass, in nanoseconds; at most five seconds.
  public var hold: Int64
  /// The witness of a firm offer, one of the request's; the offer is then held until its end, at most five seconds.
  public var witness: String?

  /// Creates a draft.
  public init(
    mode: OfferMode = .firm, bid: OfferSide? = nil, ask: OfferSide? = nil, isAllOrNone: Bool = false,
    lifetime: Int64 = 2_000_000_000, hold: Int64 = 0, look: Int64 = 0
  ) {
    self.mode = mode
    self.bid = bid
    self.ask = ask
    self.isAllOrNone = isAllOrNone
    self.lifetime = lifetime
    self.hold = hold
    self.look = look
  }
}

// Commands of this node's owner. Each checks everything before it changes anything; what it signs is journaled with the
// client's order id in one row, so that the same order given again, after a restart too, has one effect.
extension PairSession {
  /// Asks for quotes.
  ///
  /// A peer that has no channel now is asked when it is back, as long as a SYNC with it was checked since the session was
  /// made: the request waits in the journal, and arrives or has died by its end.
  ///
  /// - Parameters:
  ///   - draft: What is asked.
  ///   - nonce: 16 random bytes.
  ///   - clientOrderID: A name for this command.
  ///   - now: The wall clock.
  /// - Returns: The dialogue, and what to do.
  /// - Throws: Why not; the session is then as it was.
  public mutating func requestQuote(
    _ draft: RequestDraft, nonce: [UInt8], clientOrderID: String? = nil, now: UnixNanoseconds
  ) throws(NegotiationError) -> CommandResult {
    var request = QuoteRequest(
      nonce: nonce, group: draft.group, legs: draft.legs, lotsMin: draft.lotsMin, lotsMax: draft.lotsMax,
      side: draft.side, rounds: draft.rounds, settleBy: draft.settleBy)
    request.blindNanoseconds = draft.blind
    request.isTopic = draft.topic != nil
    let topic = draft.topic.map { Array($0.description.utf8) }
    var content = request
    content.nonce = []
    content.group = draft.group ?? []
    content.witnesses = draft.witnesses
    let order = try Self.order(clientOrderID, "request", .pair, content.encoded + (topic ?? []), draft.lifetime)
    if let result = try repeated(order) { return result }
    let now = journalTime(now)
    try checkReady(binding: true, isRequest: true, now)
    let id = DialogueID(requester: state.local, responder: state.peer, nonce: nonce)
    nameWitnesses(draft.witnesses, in: id, &request)
    try Self.check(.quoteRequest(request))
    if let fault = Self.unserved(request) ?? witnessFault(request) { throw .invalid(fault) }
    try checkGroup(draft)
    guard draft.legs.count <= limits.legs else { throw .limit("legs") }
    guard (1...QuoteRequest.lifeLimit).contains(draft.lifetime) else { throw .invalid(Fault(.limit, field: 11)) }
    guard state.open.count < min(limits.openDialogues, Int(clamping: peerLimits?.dialogues ?? .max)) else {
      throw .limit("openDialogues")
    }
    let requests = min(limits.requestsPerMinute, Int(clamping: peerLimits?.requestsPerMinute ?? .max))
    guard rates.ownRequests.take(requests, now) else { throw .limit("requestsPerMinute") }
    if draft.group == nil { request.group = nonce }
    guard state.dialogues[id] == nil else { throw .invalid(Fault(.duplicate, field: 101)) }
    try checkVet(.request(request, id))
    return finish(
      .quoteRequest(request), id, now.advanced(byNanoseconds: draft.lifetime), order, now,
      extensions: topic.map { [Header.Extension(id: Header.topicExtension, isCritical: false, value: $0)] } ?? [])
  }

  /// Offers, as the responder.
  public mutating func quote(
    _ id: DialogueID, _ draft: OfferDraft, clientOrderID: String? = nil, now: UnixNanoseconds
  ) throws(NegotiationError) -> CommandResult {
    try offer(id, draft, .responder, clientOrderID, now)
  }

  /// Offers, as the requester, after a Quote.
  public mutating func counter(
    _ id: DialogueID, _ draft: OfferDraft, clientOrderID: String? = nil, now: UnixNanoseconds
  ) throws(NegotiationError) -> CommandResult {
    try offer(id, draft, .requester, clientOrderID, now)
  }

  /// Accepts the peer's live offer, firm or last look: from here on this side is bound until the peer's verdict.
  ///
  /// - Parameters:
  ///   - id: The dialogue.
  ///   - offer: The offer's id, so that what is taken is what was looked at.
  ///   - side: What this side does.
  ///   - lots: How many.
  ///   - clientOrderID: A name for this command.
  ///   - now: The wall clock.
  /// - Returns: The Accept's id, and what to do.
  /// - Throws: Why not; the session is then as it was.
  public mutating func accept(
    _ id: DialogueID, offer: StatementID, side: Side, lots: Int64, clientOrderID: String? = nil,
    now: UnixNanoseconds
  ) throws(NegotiationError) -> CommandResult {
    let order = try Self.order(clientOrderID, "accept", id, offer.bytes + [side.rawValue], lots)
    if let result = try repeated(order) { return result }
    let wall = now
    let now = journalTime(now)
    try checkReady(binding: true, now)
    let dialogue = try openDialogue(id, now)
    guard let live = dialogue.peerLive, live.id == offer else { throw .noLiveOffer }
    guard live.offer.mode != .indicative else { throw .indicative }
    try checkWitness(live.offer, dialogue)
    try checkAlive(live.expiry, wall)
    try checkBlind(dialogue, now)
    try checkNotHeld(dialogue, now)
    if let overdue = state.openDialogues.compactMap(\.pending).first(where: { now >= overdueTime($0) }) {
      throw .peerOverdue(overdue.accept)
    }
    let terms = try terms(dialogue, live, side, lots)
    let inDoubt = state.inDoubt
    guard inDoubt.count < limits.acceptsInDoubt else { throw .limit("acceptsInDoubt") }
    guard lots <= limits.lotsInDoubt - inDoubt.lots else { throw .limit("lotsInDoubt") }
    try checkCap(dialogue, lots)
    try checkVet(.accept(live.offer, side, lots, dialogue))
    let accept = Accept(offer: offer, side: side, lots: lots, terms: terms.encoded)
    return finish(.accept(accept), id, UnixNanoseconds(0), order, now)
  }

  /// Takes this side's live offer back.
  public mutating func cancelOffer(
    _ id: DialogueID, code: NegotiationCode = .none, clientOrderID: String? = nil, now: UnixNanoseconds
  ) throws(NegotiationError) -> CommandResult {
    let order = try Self.order(clientOrderID, "cancel", id, [], Int64(code.rawValue))
    if let result = try repeated(order) { return result }
    let now = journalTime(now)
    try checkReady(binding: false, now)
    if breaks(.cancelsAfterConfirm), let trade = state.dialogues[id]?.trade, !trade.isAcceptor {
      return finish(.quoteCancel(QuoteCancel(offer: trade.offer, code: code)), id, UnixNanoseconds(0), order, now)
    }
    let dialogue = try openDialogue(id, now)
    guard let live = aliveMine(dialogue, now) else { throw .noLiveOffer }
    try checkNotHeld(dialogue, now)
    return finish(.quoteCancel(QuoteCancel(offer: live.id, code: code)), id, UnixNanoseconds(0), order, now)
  }

  /// Ends the dialogue.
  public mutating func pass(
    _ id: DialogueID, code: NegotiationCode = .none, clientOrderID: String? = nil, now: UnixNanoseconds
  ) throws(NegotiationError) -> CommandResult {
    let order = try Self.order(clientOrderID, "pass", id, [], Int64(code.rawValue))
    if let result = try repeated(order) { return result }
    let now = journalTime(now)
    try checkReady(binding: false, now)
    let dialogue = try openDialogue(id, now)
    try checkNotHeld(dialogue, now)
    return finish(.pass(Pass(code: code)), id, UnixNanoseconds(0), order, now)
  }

  /// Refuses the peer's request, as the responder, with a reason; ends the dialogue.
  ///
  /// - Parameters:
  ///   - id: The dialogue.
  ///   - fault: Why, such as ``NegotiationCode/spec`` or ``NegotiationCode/policy``.
  ///   - clientOrderID: A name for this command.
  ///   - now: The wall clock.
  /// - Returns: The Reject's id, and what to do.
  /// - Throws: Why not; the session is then as it was.
  public mutating func refuse(
    _ id: DialogueID, _ fault: Fault, clientOrderID: String? = nil, now: UnixNanoseconds
  ) throws(NegotiationError) -> CommandResult {
    let content = Array(fault.text.utf8) + [fault.field]
    let order = try Self.order(clientOrderID, "refuse", id, content, Int64(fault.code.rawValue))
    if let result = try repeated(order) { return result }
    let now = journalTime(now)
    try checkReady(binding: false, now)
    let dialogue = try openDialogue(id, now)
    guard dialogue.role == .responder else { throw .wrongRole }
    try checkNotHeld(dialogue, now)
    return finish(.reject(Reject(target: dialogue.requestID, fault)), id, UnixNanoseconds(0), order, now)
  }

  // MARK: Offers

  private mutating func offer(
    _ id: DialogueID, _ draft: OfferDraft, _ role: Role, _ clientOrderID: String?, _ wall: UnixNanoseconds
  ) throws(NegotiationError) -> CommandResult {
    let now = journalTime(wall)
    var offer = Offer(
      round: 0, replaces: .zero, mode: draft.mode, lookNanoseconds: draft.look, holdUntil: UnixNanoseconds(draft.hold),
      bid: draft.bid, ask: draft.ask, isAllOrNone: draft.isAllOrNone, witness: nil)
    let name = role == .responder ? "quote" : "counter"
    let order = try Self.order(clientOrderID, name, id, offer.encoded, draft.lifetime)
    if let result = try repeated(order) { return result }
    try checkReady(binding: true, now)
    let dialogue = try openDialogue(id, now)
    guard dialogue.role == role else { throw .wrongRole }
    offer.witness = draft.witness.map {
      Offer.Witness(did: $0, slotKey: slotKey(ofAcceptor: role.other, dialogue.request, isMe: false))
    }
    if role == .requester {
      guard dialogue.isQuoted else { throw .notQuotedYet }
      guard dialogue.counterRound < dialogue.request.rounds else { throw .noRoundsLeft }
      offer.round = dialogue.counterRound + 1
      try checkBlind(dialogue, now)
    } else {
      offer.round = dialogue.counterRound
    }
    try checkNotHeld(dialogue, now)
    offer.replaces = aliveMine(dialogue, now)?.id ?? .zero
    let expiry = now.advanced(byNanoseconds: draft.lifetime)
    offer.holdUntil = draft.hold == 0 ? UnixNanoseconds(0) : now.advanced(byNanoseconds: draft.hold)
    if draft.witness != nil { offer.holdUntil = expiry }
    guard draft.lifetime > 0 else { throw .invalid(Fault(.terms, field: 11)) }
    try Self.check(role == .responder ? .quote(offer) : .counter(offer))
    try checkTerms(offer, dialogue, role, expiry, now)
    guard dialogue.mine.count < limits.statementsPerDialogue - 2 else { throw .limit("statementsPerDialogue") }
    if draft.mode == .firm {
      guard offer.lotsAtMost <= limits.firmLots - state.firmLots + dialogue.firmLots else { throw .limit("firmLots") }
    }
    if draft.mode != .indicative { try checkCap(dialogue, offer.lotsAtMost) }
    try checkVet(.offer(offer, dialogue))
    return finish(role == .responder ? .quote(offer) : .counter(offer), id, expiry, order, now)
  }

  private func checkTerms(
    _ offer: Offer, _ dialogue: Dialogue, _ role: Role, _ expiry: UnixNanoseconds, _ now: UnixNanoseconds
  ) throws(NegotiationError) {
    let header = Header(
      kind: 0, dialogue: dialogue.id, from: "", fromKey: "", to: "", seq: 1, own: .zero, seen: .zero, created: now,
      expiry: expiry, docHash: .zero, extensions: [])
    if let fault = termsFault(offer, header, dialogue.request, role) { throw .invalid(fault) }
  }

  private func terms(
    _ dialogue: Dialogue, _ live: LiveOffer, _ side: Side, _ lots: Int64
  ) throws(NegotiationError) -> Terms {
    let isRequester = dialogue.role == .requester
    do throws(Fault) {
      return try Terms(
        request: dialogue.request, requester: isRequester ? state.local : state.peer,
        responder: isRequester ? state.peer : state.local, offer: live.offer, id: live.id,
        ownerIsRequester: !isRequester, acceptorSide: side, lots: lots)
    } catch {
      throw .invalid(error)
    }
  }

  // MARK: Checks

  private static func check(_ payload: Payload) throws(NegotiationError) {
    do throws(Fault) {
      _ = try Payload.decode(payload.encoded, of: payload.kind)
    } catch {
      throw .invalid(error)
    }
  }

  /// A command that is `binding` offers, asks or accepts, which needs the peer to be there; a request can wait for it.
  mutating func checkReady(
    binding: Bool, isRequest: Bool = false, _ now: UnixNanoseconds
  ) throws(NegotiationError) {
    if let code = state.frozen { throw .frozen(code) }
    if isSuspended { throw .suspended }
    let isThere = channel == .synced || isRequest || !binding
    guard state.peerIncarnation != nil, !awaitsFirstSync, isThere else { throw .notConnected }
    guard binding else { return }
    if let clock = apart(now) { throw .clocksApart(offset: clock.offset, bound: clock.bound) }
    let bytes = min(limits.unackedBytes, Int(clamping: peerLimits?.unackedBytes ?? .max))
    guard state.outboxByteCount + Statement.byteLimit(of: .accept) <= bytes else { throw .limit("unackedBytes") }
    // Half of what the peer takes: its seconds are not this side's.
    let statements = min(limits.statementsPerSecond, Int(clamping: peerLimits?.statementsPerSecond ?? .max))
    guard rates.ownStatements.take(max(1, statements / 2), now) else { throw .limit("statementsPerSecond") }
  }

  private func openDialogue(_ id: DialogueID, _ now: UnixNanoseconds) throws(NegotiationError) -> Dialogue {
    guard let dialogue = state.dialogues[id] else { throw .unknownDialogue(id) }
    guard dialogue.isOpen, !isPast(dialogue, now) else { throw .dialogueClosed(id) }
    if let pending = dialogue.pending { throw .acceptUndecided(pending.accept) }
    if let look = dialogue.look { throw .looking(look.accept) }
    return dialogue
  }

  private func checkNotHeld(_ dialogue: Dialogue, _ now: UnixNanoseconds) throws(NegotiationError) {
    guard let live = aliveMine(dialogue, now) else { return }
    if now < live.offer.holdUntil || dialogue.isUndecided(live) { throw .held(until: live.offer.holdUntil) }
  }

  // MARK: Client orders

  static func order(
    _ id: String?, _ name: String, _ dialogue: DialogueID, _ content: [UInt8], _ number: Int64
  ) throws(NegotiationError) -> JournalRow.ClientOrder? {
    guard let id else { return nil }
    guard (1...clientOrderIDByteLimit).contains(id.utf8.count) else { throw .clientOrderIDLength(id.utf8.count) }
    var tail = [UInt8]()
    tail.appendBigEndian(number)
    let digest = Hash256.tagged("parley/neg1 order " + name, dialogue.bytes, content, tail)
    return JournalRow.ClientOrder(id: id, content: digest)
  }

  /// What an order that was carried out before led to.
  func repeated(_ order: JournalRow.ClientOrder?) throws(NegotiationError) -> CommandResult? {
    guard let order, let known = state.orders[Array(order.id.utf8)] else { return nil }
    guard known.content == order.content else { throw .clientOrderIDReused(order.id) }
    return CommandResult(
      dialogue: known.dialogue, statement: known.statement, isRepeat: true, outcome: Outcome(channel: channelCount))
  }

  mutating func finish(
    _ payload: Payload, _ id: DialogueID, _ expiry: UnixNanoseconds, _ order: JournalRow.ClientOrder?,
    _ now: UnixNanoseconds, extensions: [Header.Extension] = []
  ) -> CommandResult {
    var outcome = Outcome(channel: channelCount)
    runTimers(now, &outcome)
    let statement = sign(payload, in: id, expiry: expiry, now, order: order, extensions: extensions, &outcome)
    return CommandResult(dialogue: id, statement: statement, isRepeat: false, outcome: outcome)
  }
}
