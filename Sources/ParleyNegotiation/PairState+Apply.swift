import ParleyWire

// The fold: one function a row type. What is decided has been decided; these only carry it out, the same when the
// row is made and when it is read back after a restart.
extension PairState {
  /// Applies one row.
  ///
  /// - Parameters:
  ///   - row: The row.
  ///   - events: What it means to the node is appended.
  /// - Throws: ``NegotiationError/corruptRow(_:)`` when the row cannot follow those before it.
  mutating func apply(_ row: JournalRow, _ events: inout [SessionEvent]) throws(NegotiationError) {
    time = max(time, row.time)
    switch row.content {
    case .began(let incarnation, let local, let peer):
      guard local.hasSameBytes(as: self.local), peer.hasSameBytes(as: self.peer) else {
        throw .corruptRow("the row is of another pair")
      }
      if self.incarnation == nil { self.incarnation = incarnation }
    case .peerBegan(let incarnation): applyPeerBegan(incarnation)
    case .sent(let n, let bytes, let order):
      guard n > sent else { return }
      guard n == sent + 1 else { throw .corruptRow("statement \(n) sent follows \(sent)") }
      try applySent(n, bytes, order, &events)
    case .received(let n, let bytes, let code, let effect):
      guard n > received else { return }
      guard n == received + 1 else { throw .corruptRow("statement \(n) received follows \(received)") }
      applyReceived(bytes, code, effect, &events)
    case .acknowledged(let n, let link):
      guard n > acknowledged else { return }
      guard n <= sent else { throw .corruptRow("acknowledged \(n) of \(sent)") }
      let dropped = Int(n - acknowledged)
      outboxByteCount -= outbox[..<dropped].reduce(0) { $0 + $1.bytes.count }
      outbox.removeFirst(dropped)
      acknowledged = n
      acknowledgedLink = link
      unconfirmedIncarnation = nil
      events.append(.acknowledged(n: n))
    case .ended(let id, let ending): applyEnded(id, ending, &events)
    case .stamped(let id, let stamp): applyStamped(id, stamp, &events)
    case .frozen(let code, let byPeer, _):
      guard frozen == nil else { return }
      frozen = code
      isFrozenByPeer = byPeer
      if code == .lostSelf, !byPeer { lostSelfAt = row.time }
      events.append(.frozen(code, byPeer: byPeer))
    case .evidence(let statement):
      let id = (try? Envelope(statement))?.id ?? Envelope.malformedID(statement)
      guard !evidence.contains(id) else { return }
      evidence.append(id)
      events.append(.evidenceKept)
    case .repairAgreed(let incarnation): applyAgreed(incarnation)
    case .incarnationSigned(let statement): applySigned(incarnation: statement)
    case .repaired(let statement): applyRepaired(statement, &events)
    case .ordered(.massCancel(let code)): orderedCancel = code
    case .ordered(.waived): waivedAt = row.time
    }
    prune()
  }

  private mutating func applyPeerBegan(_ incarnation: [UInt8]) {
    guard peerIncarnation == nil, let mine = self.incarnation else { return }
    peerIncarnation = incarnation
    sentLink = Self.firstLink(from: local, to: peer, mine, incarnation)
    acknowledgedLink = sentLink
    receivedLink = Self.firstLink(from: peer, to: local, incarnation, mine)
  }

  /// Forgets dialogues that closed long ago, and the oldest of too many.
  private mutating func prune() {
    while let id = closed.first, let dialogue = dialogues[id], let closedAt = dialogue.closedAt,
      closed.count > Self.closedLimit || closedAt.nanoseconds(to: time) > Self.memory
    {
      closed.removeFirst()
      dialogues[id] = nil
      for order in dialogue.orders { orders[order] = nil }
      guard dialogue.role == .requester, var group = groups[dialogue.request.group] else { continue }
      group.dialogueCount -= 1
      groups[dialogue.request.group] = group.dialogueCount == 0 ? nil : group
    }
  }

  // MARK: Clock

  private mutating func applyEnded(
    _ id: DialogueID, _ ending: JournalRow.Ending, _ events: inout [SessionEvent]
  ) {
    guard var dialogue = dialogues[id], dialogue.isOpen else { return }
    switch ending {
    case .myOffer: dialogue.endMyOffer(.expired, &events)
    case .peerOffer: dialogue.endPeerOffer(.expired, &events)
    case .dialogue: dialogue.close(.expired, time, &events)
    }
    store(dialogue)
  }

  /// Puts a dialogue back, and notes when it is open no more.
  mutating func store(_ dialogue: Dialogue) {
    if !dialogue.isOpen, let index = open.firstIndex(of: dialogue.id) {
      open.remove(at: index)
      if dialogue.phase == .closed { closed.append(dialogue.id) }
    }
    dialogues[dialogue.id] = dialogue
  }
}

extension Dialogue {
  /// This side's live offer dies.
  mutating func endMyOffer(_ end: OfferEnd, _ events: inout [SessionEvent]) {
    guard let offer = myOffer else { return }
    myOffer = nil
    myDeadOffers[offer.id] = end
    events.append(.offerEnded(id, offer: offer.id, isMine: true, end))
  }

  /// The peer's live offer dies.
  mutating func endPeerOffer(_ end: OfferEnd, _ events: inout [SessionEvent]) {
    guard let offer = peerLive else { return }
    peerOffer?.end = end
    events.append(.offerEnded(id, offer: offer.id, isMine: false, end))
  }

  /// The dialogue ends without a trade: at once, or when the pending Accept has its verdict.
  mutating func close(_ end: DialogueEnd, _ time: UnixNanoseconds, _ events: inout [SessionEvent]) {
    guard phase == .open else { return }
    endMyOffer(.closed, &events)
    endPeerOffer(.closed, &events)
    guard pending == nil, look == nil else {
      closing = closing ?? end
      return
    }
    phase = .closed
    closedAt = time
    mine.forget()
    theirs.forget()
    myDeadOffers = [:]
    witnessed.forget()
    events.append(.dialogueClosed(id, end))
  }

  /// This side's Accept has made no trade.
  mutating func decline(
    _ accept: StatementID, _ code: NegotiationCode, _ time: UnixNanoseconds, _ events: inout [SessionEvent]
  ) {
    pending = nil
    declined.append(accept)
    events.append(.declined(id, accept: accept, code))
    if let end = closing { close(end, time, &events) }
  }

  /// The dialogue has its trade.
  mutating func trade(_ trade: Trade, _ events: inout [SessionEvent]) {
    if trade.isAcceptor {
      endMyOffer(.closed, &events)
      peerOffer?.end = .taken
    } else {
      endMyOffer(.taken, &events)
      endPeerOffer(.closed, &events)
    }
    pending = nil
    witnessed.waiting = []
    look = nil
    phase = .traded
    self.trade = trade
    events.append(.traded(trade))
  }
}
