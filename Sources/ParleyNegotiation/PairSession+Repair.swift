import ParleyIdentity
public import ParleyWire

/// How a frozen pair stands, for its operator.
public struct RepairView: Hashable, Sendable {
  /// What one side lacks of what the other holds.
  public struct Loss: Hashable, Sendable {
    /// How many of its own statements.
    public let own: Int64
    /// How many of the other side's, which it had acknowledged.
    public let received: Int64
  }

  /// Why the pair is frozen.
  public let code: NegotiationCode
  /// Whether the peer froze first.
  public let isFrozenByPeer: Bool
  /// Whether this side's operator has agreed to the repair.
  public let isAgreed: Bool
  /// Whether the peer's operator has; `nil` while the peer has not said where it stands.
  public let isAgreedByPeer: Bool?
  /// What is lost here; `nil` while the peer has not said where it stands.
  public let lostHere: Loss?
  /// What is lost there; `nil` while the peer has not said where it stands.
  public let lostThere: Loss?
  /// Why no repair is possible; `nil` as far as is known.
  public let obstacle: NegotiationCode?
}

// Repair by both operators: section 5.1 of docs/protocol/negotiation.md.
//
//     frozen ──agree──▶ REPAIR ⇄ REPAIR ──▶ RETURN… ──▶ adopted ──▶ Incarnation ⇄ Incarnation ──▶ SYNC
//
// Each step is durable before the next frame leaves, and starts again from REPAIR on the next channel.
extension PairSession {
  /// What a repair needs to know beyond the state, while it lasts.
  struct Repairing {
    var book: RepairBook?
    /// Where the peer stands, on this channel.
    var peer: RepairPosition?
    var hasReturned = false
    var returned: (mine: [[UInt8]], theirs: [[UInt8]], byteCount: Int) = ([], [], 0)

    /// Forgets what belongs to one channel.
    mutating func reset() { self = Repairing(book: book) }
  }

  /// Freezes that nobody repairs: one side signed what it may not.
  static let unrepairable: Set<NegotiationCode> = [.equivocation, .forged]

  /// Hands the session all of its journal rows, so that it can say where it stands and hand statements back.
  ///
  /// To be called whenever the session is frozen: after it was restored, and when it freezes.
  ///
  /// - Parameters:
  ///   - rows: All rows of the pair, in order; those that are durable are all there are, as a frozen pair signs nothing.
  ///   - now: The wall clock.
  /// - Returns: Where this side stands, for the channel that is open, if one is.
  /// - Throws: ``NegotiationError/corruptRow(_:)``.
  public mutating func openBook(_ rows: [[UInt8]], now: UnixNanoseconds) throws(NegotiationError) -> Outcome {
    var outcome = Outcome(channel: channelCount)
    guard state.frozen != nil, repairing.book == nil else { return outcome }
    var book = RepairBook(local: state.local, peer: state.peer)
    for row in rows { book.take(try JournalRow(row).content) }
    guard book.mine.count == state.sent, book.theirs.count == state.received else {
      throw .corruptRow("the rows are not all of the pair's")
    }
    repairing.book = book
    if channel != .closed { sendPosition(&outcome) }
    return outcome
  }

  /// How the pair stands; `nil` while it is not frozen.
  public var repairView: RepairView? {
    guard let code = state.frozen else { return nil }
    let peer = repairing.peer
    let lostHere = peer.map { peer in
      RepairView.Loss(
        own: max(0, peer.received - state.sent), received: max(0, peer.acknowledged - state.received))
    }
    let lostThere = peer.map { peer in
      RepairView.Loss(
        own: max(0, state.received - peer.sent), received: max(0, state.acknowledged - peer.received))
    }
    let isForked = peer.map { repairing.book?.agrees(with: $0) == false } ?? false
    return RepairView(
      code: code, isFrozenByPeer: state.isFrozenByPeer, isAgreed: state.newIncarnation != nil,
      isAgreedByPeer: peer?.isAgreed, lostHere: lostHere, lostThere: lostThere,
      obstacle: Self.unrepairable.contains(code) ? code : isForked ? .fork : nil)
  }

  /// Says for this side's operator that the pair is to go on: what it signed binds it, the peer hands back what is lost.
  ///
  /// - Parameters:
  ///   - newIncarnation: 16 random bytes, not all zero.
  ///   - now: The wall clock.
  /// - Returns: The row to make durable, and what to send.
  /// - Throws: ``NegotiationError/notRepairable(_:)`` where the pair is not frozen, or nobody can repair it.
  public mutating func agreeToRepair(
    newIncarnation: [UInt8], now: UnixNanoseconds
  ) throws(NegotiationError) -> Outcome {
    precondition(newIncarnation.count == Self.incarnationByteCount && newIncarnation.contains { $0 != 0 })
    guard let view = repairView else { throw .notRepairable(.none) }
    if let obstacle = view.obstacle { throw .notRepairable(obstacle) }
    let now = journalTime(now)
    var outcome = Outcome(channel: channelCount)
    if state.newIncarnation == nil { record(.repairAgreed(incarnation: newIncarnation), now, &outcome) }
    if channel != .closed { sendPosition(&outcome) }
    evaluate(now, &outcome)
    return outcome
  }

  // MARK: Frames

  /// The first frames on a channel of a frozen pair.
  ///
  /// Where the operator has agreed no FREEZE leaves: the peer may have finished the repair already.
  func appendFrozen(_ code: NegotiationCode, _ outcome: inout Outcome) {
    if state.newIncarnation == nil || repairing.book == nil {
      outcome.frames.append(Frame.freeze(code: code, evidence: []).encoded)
    }
    sendPosition(&outcome)
  }

  private func sendPosition(_ outcome: inout Outcome) {
    guard let book = repairing.book, let code = state.frozen, let incarnation = state.incarnation,
      let sent = book.mine.history(state.sent), let received = book.theirs.history(state.received)
    else { return }
    let position = RepairPosition(
      code: code, incarnation: incarnation,
      newIncarnation: state.newIncarnation ?? [UInt8](repeating: 0, count: Self.incarnationByteCount),
      sent: state.sent, sentHistory: sent, received: state.received, receivedHistory: received,
      acknowledged: state.acknowledged)
    outcome.frames.append(Frame.repair(position).encoded)
  }

  mutating func receive(
    _ position: RepairPosition, _ frame: [UInt8], _ now: UnixNanoseconds, _ outcome: inout Outcome
  ) {
    if state.frozen == nil {
      // It has not seen this side's Incarnation yet, which leaves before SYNC.
      if state.unconfirmedIncarnation != nil, position.isAgreed { return }
      record(.frozen(position.code, byPeer: true, evidence: frame), now, &outcome)
    }
    repairing.peer = position
    outcome.events.append(.repairOffered(isAgreed: position.isAgreed))
    evaluate(now, &outcome)
  }

  mutating func receive(
    returned kind: ReturnedKind, _ n: Int64, _ bytes: [UInt8], _ now: UnixNanoseconds, _ outcome: inout Outcome
  ) {
    if kind == .incarnation { return receive(incarnation: bytes, now, &outcome) }
    guard state.frozen != nil, state.newIncarnation != nil, let peer = repairing.peer, peer.isAgreed else {
      return close(.badFrame(Fault(.unsolicited, "nothing was asked back")), &outcome)
    }
    repairing.returned.byteCount += bytes.count
    let count = repairing.returned.mine.count + repairing.returned.theirs.count
    guard repairing.returned.byteCount <= RepairAdoption.byteLimit, count < RepairAdoption.countLimit else {
      return close(.badFrame(Fault(.limit, "too much is handed back")), &outcome)
    }
    switch kind {
    case .yours where n == state.sent + Int64(repairing.returned.mine.count) + 1: repairing.returned.mine.append(bytes)
    case .mine where n == state.received + Int64(repairing.returned.theirs.count) + 1:
      repairing.returned.theirs.append(bytes)
    case .end: adopt(peer, now, &outcome)
    case .yours, .mine, .incarnation:
      close(.badFrame(Fault(.unsolicited, "not the statement that is missing")), &outcome)
    }
  }

  // MARK: Steps

  /// Does what comes next, now that both operators have agreed.
  private mutating func evaluate(_ now: UnixNanoseconds, _ outcome: inout Outcome) {
    guard let book = repairing.book, let peer = repairing.peer, peer.isAgreed, let new = state.newIncarnation,
      let code = state.frozen, channel != .closed
    else { return }
    guard !Self.unrepairable.contains(code), book.agrees(with: peer) else {
      outcome.events.append(.repairFailed(.fork))
      return
    }
    let isBehind = peer.received > state.sent || peer.acknowledged > state.received
    let isPeerBehind = peer.sent < state.received || peer.received < state.acknowledged
    if isPeerBehind, !repairing.hasReturned { handBack(to: peer, book, &outcome) }
    guard !isBehind, !isPeerBehind, let incarnation = state.incarnation,
      let sent = book.mine.history(state.sent), let received = book.theirs.history(state.received)
    else { return }
    let content = Incarnation(
      old: incarnation, peerOld: peer.incarnation, new: new, peerNew: peer.newIncarnation, sent: state.sent,
      sentHistory: sent, received: state.received, receivedHistory: received)
    if state.mySignedIncarnation != content {
      record(.incarnationSigned(statement: signed(content, now).bytes), now, &outcome)
    }
    guard let statement = state.signedIncarnation else { return }
    outcome.frames.append(Frame.returned(.incarnation, n: 0, statement: statement).encoded)
  }

  private mutating func handBack(to peer: RepairPosition, _ book: RepairBook, _ outcome: inout Outcome) {
    repairing.hasReturned = true
    if peer.sent < book.theirs.count {
      for n in (peer.sent + 1)...book.theirs.count {
        outcome.frames.append(Frame.returned(.yours, n: n, statement: book.theirs[n]).encoded)
      }
    }
    let last = book.processed(byPeerBeyond: peer.sent, atLeast: state.acknowledged)
    if peer.received < last {
      for n in (peer.received + 1)...last {
        outcome.frames.append(Frame.returned(.mine, n: n, statement: book.mine[n]).encoded)
      }
    }
    outcome.frames.append(Frame.returned(.end, n: 0, statement: []).encoded)
  }

  private mutating func adopt(_ peer: RepairPosition, _ now: UnixNanoseconds, _ outcome: inout Outcome) {
    let (mine, theirs, _) = repairing.returned
    repairing.returned = ([], [], 0)
    guard state.sent + Int64(mine.count) >= peer.received, state.received + Int64(theirs.count) >= peer.acknowledged,
      let contents = RepairAdoption.contents(
        mine: mine, theirs: theirs, onto: state, signer.identity, self.peer)
    else {
      outcome.events.append(.repairFailed(.malformed))
      return close(.badFrame(Fault(.malformed, "what was handed back does not follow what is here")), &outcome)
    }
    for content in contents { record(content, now, &outcome) }
    outcome.events.append(.adopted(own: mine.count, received: theirs.count))
    sendPosition(&outcome)
    evaluate(now, &outcome)
  }

  /// An Incarnation is in no strand: both of a pair's, with the same histories, end it.
  private func signed(_ content: Incarnation, _ now: UnixNanoseconds) -> Statement {
    guard let documentHash = Hash256(signer.identity.documentHash) else {
      preconditionFailure("a document's hash has 32 bytes")
    }
    let header = Header(
      kind: Kind.incarnation.rawValue, dialogue: .pair, from: state.local, fromKey: signer.identity.keyFragment,
      to: state.peer, seq: 1, own: .zero, seen: .zero, created: now, expiry: UnixNanoseconds(0), docHash: documentHash,
      extensions: [])
    return Statement(header: header, payload: .incarnation(content), signer: signer)
  }

  private mutating func receive(incarnation bytes: [UInt8], _ now: UnixNanoseconds, _ outcome: inout Outcome) {
    // One that comes again, or after a restore that SYNC will find.
    guard state.frozen != nil, let mine = state.mySignedIncarnation, let book = repairing.book else { return }
    guard let statement = try? Statement(bytes), case .incarnation(let theirs) = statement.payload,
      state.isFromPeer(statement.header), statement.header.fromKey.hasSameBytes(as: peer.keyFragment),
      statement.header.docHash.bytes == peer.documentHash, statement.envelope.isSigned(by: peer),
      statement.header.seq == 1, theirs.new == mine.peerNew, theirs.peerNew == mine.new,
      theirs.received >= state.acknowledged, book.mine.history(theirs.received) == theirs.receivedHistory,
      theirs.sent > state.received || book.theirs.history(theirs.sent) == theirs.sentHistory,
      theirs.sent >= state.received
    else { return close(.badFrame(Fault(.malformed, "an Incarnation of something else")), &outcome) }
    record(.repaired(statement: bytes), now, &outcome)
    repairing = Repairing()
    awaitsFirstSync = true
    announced = nil
    channel = .awaitingSync
    clock.channelOpened()
    runTimers(now, &outcome)
    outcome.frames.append(Frame.sync(sync(now)).encoded)
  }

  /// Answers what was adopted without the answer that it had: an Accept is declined, a trade acknowledged.
  mutating func signOwed(_ now: UnixNanoseconds, _ outcome: inout Outcome) {
    for owed in isSuspended ? [] : state.owed {
      let dialogue: DialogueID = state.dialogues[owed.dialogue] == nil ? .pair : owed.dialogue
      if owed.isTrade {
        sign(.tradeAck(TradeAck(confirm: owed.statement)), in: dialogue, now, &outcome)
      } else {
        let decline = Decline(accept: owed.statement, code: .amnesia, limit: 0, received: now, decided: now)
        sign(.decline(decline), in: dialogue, now, &outcome)
      }
    }
  }
}
