import ParleyWire

// Statements in the fold.
extension PairState {
  // MARK: Sent

  mutating func applySent(
    _ n: Int64, _ bytes: [UInt8], _ order: JournalRow.ClientOrder?, _ events: inout [SessionEvent]
  ) throws(NegotiationError) {
    let statement: Statement
    do throws(Fault) {
      statement = try Statement(bytes)
    } catch {
      throw .corruptRow("a statement of one's own does not read: \(error)")
    }
    sent = n
    sentLink = Self.link(after: sentLink, n: n, id: statement.id)
    outbox.append(Outbound(n: n, link: sentLink, bytes: bytes))
    outboxByteCount += bytes.count
    notePaid(statement.payload)
    let header = statement.header
    if header.dialogue == .pair {
      minePair.append(statement.id, created: header.created, keeping: 0)
      if case .massCancel = statement.payload {
        orderedCancel = nil
        cancelAll(signedBySelf: true, header.created, &events)
      }
      return
    }
    if case .quoteRequest(let request) = statement.payload { open(request, statement, role: .requester, &events) }
    guard var dialogue = dialogues[header.dialogue] else {
      throw .corruptRow("a statement of one's own is in no dialogue")
    }
    dialogue.mine.append(
      statement.id, created: header.created, keeping: dialogue.phase == .closed ? 0 : Self.strandLimit)
    if let order {
      let id = Array(order.id.utf8)
      orders[id] = OrderResult(content: order.content, dialogue: dialogue.id, statement: statement.id)
      dialogue.orders.append(id)
    }
    try applySent(statement, &dialogue, &events)
    store(dialogue)
  }

  private mutating func applySent(
    _ statement: Statement, _ dialogue: inout Dialogue, _ events: inout [SessionEvent]
  ) throws(NegotiationError) {
    switch statement.payload {
    case .quoteRequest, .tradeAck, .massCancel, .incarnation: break
    case .quote(let offer), .counter(let offer):
      dialogue.endMyOffer(.superseded, &events)
      dialogue.myOffer = LiveOffer(statement, offer)
      dialogue.witnessed.note(LiveOffer(statement, offer))
      dialogue.note(offer, statement.payload.kind)
    case .accept(let accept):
      guard let offer = dialogue.peerOffer?.live, offer.id == accept.offer else {
        throw .corruptRow("an Accept of one's own names no offer")
      }
      dialogue.endMyOffer(.crossed, &events)
      dialogue.pending = Dialogue.Pending(
        accept: statement.id, offer: accept.offer, lots: accept.lots, terms: accept.terms, side: accept.side,
        expiry: offer.expiry, write: SlotWrite(statement), look: offer.offer.lookNanoseconds)
    case .confirm(let confirm):
      guard let trade = trade(statement, confirm, dialogue, isAcceptor: false) else {
        throw .corruptRow("a Confirm of one's own does not read")
      }
      dialogue.trade(trade, &events)
      unacknowledged.append(dialogue.id)
      if dialogue.role == .requester { groups[dialogue.request.group]?.filled += trade.terms.lots }
    case .decline(let decline):
      dialogue.witnessed.waiting.removeAll { $0.accept == decline.accept }
      dialogue.endLook(decline, time, &events)
      events.append(.declinedPeer(dialogue.id, accept: decline.accept, decline.code))
    case .quoteCancel: dialogue.endMyOffer(.cancelled, &events)
    case .withdraw: dialogue.pending?.isWithdrawn = true
    case .pass(let pass): dialogue.close(.passed(pass.code), time, &events)
    case .reject(let reject):
      if dialogue.role == .responder, reject.target == dialogue.requestID {
        dialogue.close(.refused(reject.code), time, &events)
      }
    }
  }

  // MARK: Received

  mutating func applyReceived(
    _ bytes: [UInt8], _ code: NegotiationCode, _ effect: JournalRow.Effect, _ events: inout [SessionEvent]
  ) {
    let envelope = try? Envelope(bytes)
    let id = envelope?.id ?? Envelope.malformedID(bytes)
    received += 1
    unconfirmedIncarnation = nil
    receivedLink = Self.link(after: receivedLink, n: received, id: id)
    recent.append(id)
    if recent.count >= 2 * Self.recentLimit { recent.removeFirst(recent.count - Self.recentLimit) }
    guard let envelope, let header = try? Header.decode(envelope.header), isFromPeer(header) else { return }
    let statement = effect == .none ? nil : try? Statement(envelope, header)
    if let statement, effect == .full, case .quoteRequest(let request) = statement.payload {
      open(request, statement, role: .responder, &events)
    }
    if header.dialogue == .pair {
      theirsPair.append(id, created: header.created, keeping: 0)
    } else if var dialogue = dialogues[header.dialogue] {
      dialogue.theirs.append(id, created: header.created, keeping: 0)
      // The faults that say that a statement may not be its sender's.
      let isAuthentic = code != .key && code != .signature
      if isAuthentic, dialogue.phase != .closed {
        dialogue.theirs.use(header.seq, by: id, keeping: Self.strandLimit)
      }
      if let count = dialogue.seenCount(naming: header.seen) { dialogue.theirs.seenCount = count }
      store(dialogue)
    }
    guard let statement else { return }
    if effect == .full, code == .amnesia { noteOwed(statement) }
    apply(statement, code, effect, &events)
  }

  /// Whether the header names the pair, in this direction.
  func isFromPeer(_ header: Header) -> Bool {
    header.from.hasSameBytes(as: peer) && header.to.hasSameBytes(as: local)
  }

  private mutating func apply(
    _ statement: Statement, _ code: NegotiationCode, _ effect: JournalRow.Effect, _ events: inout [SessionEvent]
  ) {
    switch statement.payload {
    case .decline(let decline): return applyDecline(decline, &events)
    case .reject(let reject): return applyReject(reject, &events)
    case .massCancel: return cancelAll(signedBySelf: false, statement.header.created, &events)
    case .quoteRequest, .quote, .counter, .accept, .confirm, .quoteCancel, .withdraw, .pass, .tradeAck, .incarnation:
      break
    }
    guard var dialogue = dialogues[statement.header.dialogue] else { return }
    switch statement.payload {
    case .quote(let offer), .counter(let offer):
      dialogue.endPeerOffer(.superseded, &events)
      let live = LiveOffer(statement, offer)
      dialogue.peerOffer = Dialogue.PeerOffer(live: live, end: effect == .full ? nil : .rejected, arrived: time)
      guard effect == .full else { break }
      dialogue.witnessed.note(live)
      dialogue.note(offer, statement.payload.kind)
      events.append(
        statement.payload.kind == .quote ? .quoteArrived(dialogue.id, live) : .counterArrived(dialogue.id, live))
    case .accept(let accept):
      dialogue.endPeerOffer(.crossed, &events)
      if effect == .look { dialogue.beginLook(statement, accept, time, &events) }
      dialogue.awaitSlot(statement, code, time)
    case .confirm(let confirm):
      guard let trade = trade(statement, confirm, dialogue, isAcceptor: true) else { return }
      if dialogue.pending?.look ?? 0 > 0 { looks.note(time, isDecline: false) }
      if dialogue.confirmWitnessed(trade, &events) { break }
      dialogue.trade(trade, &events)
      if dialogue.role == .requester { groups[dialogue.request.group]?.filled += trade.terms.lots }
    case .quoteCancel: dialogue.cancelPeerOffer(&events)
    case .pass(let pass): dialogue.close(.peerPassed(pass.code), time, &events)
    case .tradeAck:
      unacknowledged.removeAll { $0 == dialogue.id }
      events.append(.tradeAcknowledged(dialogue.id))
    case .quoteRequest, .decline, .withdraw, .reject, .massCancel, .incarnation: break
    }
    store(dialogue)
  }

  private mutating func applyDecline(_ decline: Decline, _ events: inout [SessionEvent]) {
    guard let id = dialogue(pending: decline.accept), var dialogue = dialogues[id] else {
      if let id = dialogue(awaitingDecline: decline.accept) {
        dialogues[id]?.witnessed.declined.removeAll { $0 == decline.accept }
      }
      return
    }
    if dialogue.pending?.look ?? 0 > 0 {
      if decline.code != .withdrawn { looks.note(time, isDecline: true) }
      // A last-look offer takes one Accept, however that ends: but its owner may have declined it unseen, and kept it.
      dialogue.endPeerOffer(.rejected, &events)
    }
    dialogue.decline(decline.accept, decline.code, time, &events)
    store(dialogue)
  }

  private mutating func applyReject(_ reject: Reject, _ events: inout [SessionEvent]) {
    let id = dialogue(ofMine: reject.target)
    events.append(
      .rejected(id, target: reject.target, Fault(reject.code, field: reject.field, reject.text)))
    // It settles no Accept, its sender's own neither.
    guard let id, var dialogue = dialogues[id], dialogue.witnessed.waiting.isEmpty else { return }
    if dialogue.requestID == reject.target {
      dialogue.close(.refused(reject.code), time, &events)
    } else {
      dialogue.endMyOffer(.rejected, &events)
    }
    store(dialogue)
  }

  // MARK: Pieces

  private mutating func open(
    _ request: QuoteRequest, _ statement: Statement, role: Role, _ events: inout [SessionEvent]
  ) {
    let header = statement.header
    open.append(header.dialogue)
    dialogues[header.dialogue] = Dialogue(
      id: header.dialogue, role: role, request: request, requestID: statement.id, created: header.created,
      expiry: header.expiry)
    if role == .requester {
      var group = groups[request.group] ?? Group(cap: 0)
      group.cap = max(group.cap, request.lotsMax)
      group.dialogueCount += 1
      groups[request.group] = group
    } else {
      events.append(.requestArrived(header.dialogue, request, expiry: header.expiry))
    }
  }

  private func trade(
    _ statement: Statement, _ confirm: Confirm, _ dialogue: Dialogue, isAcceptor: Bool
  ) -> Trade? {
    guard let embedded = try? Statement(confirm.acceptStatement), case .accept(let accept) = embedded.payload,
      let terms = try? Terms.decode(accept.terms)
    else { return nil }
    return Trade(
      dialogue: dialogue.id, offer: accept.offer, accept: embedded.id, confirm: statement.id, terms: terms,
      side: (dialogue.role == .requester) == terms.requesterBuys ? .buy : .sell, isAcceptor: isAcceptor,
      received: confirm.received, decided: confirm.decided)
  }
}

extension LiveOffer {
  init(_ statement: Statement, _ offer: Offer) {
    self.init(
      id: statement.id, offer: offer, created: statement.header.created, expiry: statement.header.expiry)
  }
}

extension Dialogue {
  /// How many of this side's statements the peer had processed when it named `seen`: not fewer than it named before.
  func seenCount(naming seen: StatementID) -> Int? {
    let start = max(theirs.seenCount - 1, 0)
    guard start < mine.ids.count, let index = mine.ids[start...].firstIndex(of: seen) else { return nil }
    return index + 1
  }

  /// Notes the round of an offer that was sent, or taken.
  mutating func note(_ offer: Offer, _ kind: Kind) {
    if kind == .quote {
      quoteRound = offer.round
      isQuoted = true
    } else {
      counterRound = offer.round
    }
  }
}
