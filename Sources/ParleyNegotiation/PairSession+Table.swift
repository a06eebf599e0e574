import ParleyIdentity
import ParleyWire

// The message table and its notes: section 7 of docs/protocol/negotiation.md.
extension PairSession {
  /// What a well-formed statement, signed by the peer and in its place, does here.
  mutating func judgeByTable(_ statement: Statement, _ now: UnixNanoseconds) -> Judgement {
    let dialogue = state.dialogues[statement.header.dialogue]
    switch statement.payload {
    case .quoteRequest(let request):
      return dialogue == nil ? judge(request, statement.header, now) : .reject(Fault(.duplicate))
    case .quote(let offer), .counter(let offer):
      guard let dialogue else { return .reject(Fault(.unknown)) }
      return judge(offer, statement, dialogue, now)
    case .accept(let accept):
      guard let dialogue else { return .decline(Fault(.unknown)) }
      return judge(accept, statement, dialogue, now)
    case .confirm(let confirm): return judge(confirm, statement.header, dialogue)
    case .decline(let decline): return judge(decline, statement.header)
    case .quoteCancel(let cancel):
      guard let dialogue else { return .reject(Fault(.unknown)) }
      return judge(cancel, statement.header, dialogue)
    case .pass:
      guard let dialogue else { return .reject(Fault(.unknown)) }
      guard dialogue.isOpen, dialogue.closing == nil else { return .reject(Fault(.closed)) }
      // One with an Accept in look, or one that waits for its slot, is undecided itself.
      let isUndecided = dialogue.look != nil || !dialogue.witnessed.waiting.isEmpty
      return isUndecided || isHeld(dialogue, statement.header) ? .reject(Fault(.held)) : .effect()
    case .withdraw(let withdraw):
      guard let dialogue else { return .reject(Fault(.unknown)) }
      return dialogue.look?.accept == withdraw.accept ? .withdrawn : .reject(Fault(.decided))
    case .reject, .massCancel: return .effect()
    // Only a frozen pair is repaired, and in frames of its own.
    case .incarnation: return .reject(Fault(.unsolicited))
    case .tradeAck(let ack):
      guard let dialogue else { return .reject(Fault(.unknown)) }
      guard let trade = dialogue.trade, !trade.isAcceptor, trade.confirm == ack.confirm
      else { return .reject(Fault(.unsolicited)) }
      return .effect()
    }
  }

  // MARK: Request

  private mutating func judge(_ request: QuoteRequest, _ header: Header, _ now: UnixNanoseconds) -> Judgement {
    let id = DialogueID(requester: state.peer, responder: state.local, nonce: request.nonce)
    guard header.dialogue == id else { return .reject(Fault(.chain, field: 3)) }
    guard rates.requests.take(limits.requestsPerMinute, now) else { return .reject(Fault(.rate)) }
    if state.open.count >= limits.openDialogues { return .reject(Fault(.limit, "too many open dialogues")) }
    if request.legs.count > limits.legs { return .reject(Fault(.limit, field: 103, "too many legs")) }
    if header.created.nanoseconds(to: header.expiry) > QuoteRequest.lifeLimit {
      return .reject(Fault(.limit, field: 11))
    }
    let fault = Self.unserved(request) ?? topicFault(request, header) ?? witnessFault(request)
    if let fault { return .reject(fault) }
    if !takesWitnesses(of: request) { return .reject(Fault(.witness, field: 112, "not a witness that is taken here")) }
    if let fault = clockFault(header, now) { return .reject(fault) }
    if let instruments = policy.instruments {
      for leg in request.legs {
        guard let index = instruments.index(forKey: leg.instrument),
          instruments[index].key.hasSameBytes(as: leg.instrument), instruments[index].value == leg.specHash
        else { return .reject(Fault(.spec, field: 103)) }
      }
    }
    if let code = policy.requestRefusal { return .reject(Fault(code)) }
    return .effect()
  }

  /// What the format has and this version refuses.
  static func unserved(_ request: QuoteRequest) -> Fault? {
    if request.hedge != nil { return Fault(.policy, field: 104, "no hedges") }
    if !request.isDisclosed { return Fault(.policy, field: 110, "disclosed requests only") }
    return request.settlement != 0 ? Fault(.policy, field: 114, "settlement between the parties only") : nil
  }

  /// A request or offer whose end has passed, or that comes from the future.
  private func clockFault(_ header: Header, _ now: UnixNanoseconds) -> Fault? {
    if clock.estimate(at: now).isDead(header.expiry, now) { return Fault(.dead, field: 11) }
    if apart(now) != nil { return Fault(.clock, "the clocks are too far apart") }
    return header.created > now.advanced(byNanoseconds: 2_000_000_000) ? Fault(.clock, field: 10) : nil
  }

  // MARK: Offer

  private func judge(
    _ offer: Offer, _ statement: Statement, _ dialogue: Dialogue, _ now: UnixNanoseconds
  ) -> Judgement {
    let header = statement.header
    let owner: Role = statement.payload.kind == .quote ? .responder : .requester
    if owner == dialogue.role { return .reject(Fault(.role, field: 2)) }
    guard dialogue.isOpen, dialogue.closing == nil else { return .reject(Fault(.closed)) }
    guard isRoundRight(offer, owner, dialogue) else { return .reject(Fault(.rounds, field: 101), .refusedOffer) }
    if owner == .requester, !dialogue.isQuoted { return .reject(Fault(.noOffer), .refusedOffer) }
    guard isReplacementRight(offer, header, dialogue.peerOffer) else {
      return .reject(Fault(.replaces, field: 102), .refusedOffer)
    }
    if isHeld(dialogue, header) { return .reject(Fault(.held)) }
    if let fault = Self.blindFault(header, dialogue) { return .reject(fault, .refusedOffer) }
    if offer.mode == .lastLook, state.looks.isAbuse(now) { return .reject(Fault(.lookAbuse), .refusedOffer) }
    if let fault = termsFault(offer, header, dialogue.request, owner) { return .reject(fault, .refusedOffer) }
    if let fault = clockFault(header, now) { return .reject(fault, .refusedOffer) }
    return .effect()
  }

  private func isRoundRight(_ offer: Offer, _ owner: Role, _ dialogue: Dialogue) -> Bool {
    switch owner {
    case .responder: offer.round >= dialogue.quoteRound && offer.round <= dialogue.counterRound
    case .requester: offer.round > dialogue.counterRound && offer.round <= dialogue.request.rounds
    }
  }

  /// Whether `replaces` names what the owner could think live when it signed: all by signed values.
  private func isReplacementRight(_ offer: Offer, _ header: Header, _ latest: Dialogue.PeerOffer?) -> Bool {
    guard let latest else { return offer.replaces == .zero }
    let hasEnded = latest.live.expiry < header.created
    switch latest.end {
    case nil, .expired: return offer.replaces == (hasEnded ? .zero : latest.live.id)
    case .rejected: return offer.replaces == .zero || (!hasEnded && offer.replaces == latest.live.id)
    case .cancelled, .superseded, .taken, .crossed, .closed: return offer.replaces == .zero
    }
  }

  /// Whether the sender's live offer still holds it, or it looks at this side's Accept.
  private func isHeld(_ dialogue: Dialogue, _ header: Header) -> Bool {
    if dialogue.isLookedAt(seen: header.seen) { return true }
    guard let live = dialogue.peerLive else { return false }
    return header.created < live.offer.holdUntil
  }

  /// What an offer says that the request does not allow, or this version does not serve.
  func termsFault(_ offer: Offer, _ header: Header, _ request: QuoteRequest, _ owner: Role) -> Fault? {
    let life = header.created.nanoseconds(to: header.expiry)
    let hold = header.created.nanoseconds(to: offer.holdUntil)
    if offer.mode == .lastLook, offer.lookNanoseconds == 0 { return Fault(.terms, field: 104, "no time to look") }
    if let fault = witnessFault(offer, header, request, owner) { return fault }
    if life > (offer.mode == .indicative ? Offer.indicativeLifeLimit : Offer.firmLifeLimit) {
      return Fault(.terms, field: 11, "it lives too long")
    }
    if offer.holdUntil.rawValue != 0 {
      guard offer.mode == .firm, hold >= 0, hold <= Offer.holdLimit, offer.holdUntil <= header.expiry else {
        return Fault(.terms, field: 105)
      }
    }
    let requesterBuys = request.side == .buy
    if request.side != .twoWay {
      // Who buys shows a bid, who sells an ask.
      let showsBid = (owner == .requester) == requesterBuys
      if showsBid, offer.ask != nil { return Fault(.terms, field: 107, "only a bid is wanted") }
      if !showsBid, offer.bid != nil { return Fault(.terms, field: 106, "only an ask is wanted") }
    }
    for (side, field) in [(offer.bid, 106 as UInt8), (offer.ask, 107)] {
      guard let side else { continue }
      guard (request.lotsMin...request.lotsMax).contains(side.lotsMax) else {
        return Fault(.terms, field: field, "not the lots that are wanted")
      }
      guard Terms.net(of: side, request) != nil else { return Fault(.terms, field: field, "no net price of the legs") }
    }
    return nil
  }

  // MARK: Accept

  private func judge(
    _ accept: Accept, _ statement: Statement, _ dialogue: Dialogue, _ now: UnixNanoseconds
  ) -> Judgement {
    switch dialogue.phase {
    case .traded: return .decline(Fault(.taken))
    case .closed: return .decline(Fault(.closed))
    case .open: break
    }
    if dialogue.pending != nil { return .decline(Fault(.crossed)) }
    if breaks(.acceptsByDialogue), dialogue.myOffer != nil { return .confirm }
    if let end = dialogue.myDeadOffers[accept.offer] {
      if breaks(.confirmsDeadOffers) || (end == .expired && breaks(.confirmsAfterTheEnd)) { return .confirm }
      return .decline(Fault(dialogue.hasStamp(of: accept.offer) ? .witness : Self.code(for: end)))
    }
    guard let live = dialogue.myOffer, live.id == accept.offer else { return .decline(Fault(.unknown, field: 101)) }
    let isLate = now > live.expiry && live.offer.witness == nil
    if isLate, !breaks(.confirmsAfterTheEnd) { return .decline(Fault(.late)) }
    if let fault = Self.blindFault(statement.header, dialogue) { return .decline(fault) }
    if live.offer.mode == .indicative { return .decline(Fault(.indicative)) }
    do throws(Fault) {
      let terms = try Terms(
        request: dialogue.request, requester: dialogue.role == .requester ? state.local : state.peer,
        responder: dialogue.role == .requester ? state.peer : state.local, offer: live.offer, id: live.id,
        ownerIsRequester: dialogue.role == .requester, acceptorSide: accept.side, lots: accept.lots)
      guard terms.encoded == accept.terms else { return .decline(Fault(.terms, field: 104)) }
      return live.offer.mode == .firm ? judgeWrite(accept, statement, dialogue) : .look
    } catch {
      return .decline(error)
    }
  }

  private static func code(for end: OfferEnd) -> NegotiationCode {
    switch end {
    case .expired: .late
    case .cancelled, .rejected: .cancelled
    case .superseded: .superseded
    case .taken: .taken
    case .crossed: .crossed
    case .closed: .closed
    }
  }

  // MARK: Verdicts

  private func judge(_ confirm: Confirm, _ header: Header, _ dialogue: Dialogue?) -> Judgement {
    guard let embedded = try? Statement(confirm.acceptStatement), case .accept(let accept) = embedded.payload,
      embedded.header.dialogue == header.dialogue, embedded.header.from.hasSameBytes(as: state.local),
      embedded.header.to.hasSameBytes(as: state.peer)
    else { return .reject(Fault(.malformed, field: 101)) }
    // Whether I signed it is between me and my key: nothing that the peer says about it counts.
    guard embedded.envelope.isSigned(by: signer.identity, signatures) else { return .freeze(.forged) }
    guard let dialogue else { return .freeze(.lostSelf) }
    if dialogue.declined.contains(embedded.id) { return .freeze(.equivocation) }
    if let trade = dialogue.trade, trade.isAcceptor, trade.accept == embedded.id {
      return judge(confirm, of: trade, accept)
    }
    guard let pending = dialogue.pending, pending.accept == embedded.id else { return .freeze(.lostSelf) }
    // What a stranger would not take for a trade is none here: the Accept stays in doubt.
    guard confirm.termsDigest == Terms.digest(of: accept.terms) else { return .reject(Fault(.terms, field: 102)) }
    let isInTime = confirm.decided <= pending.expiry.advanced(byNanoseconds: pending.look)
    return isInTime || pending.write != nil ? .tradeAck : .reject(Fault(.late, field: 104))
  }

  private func judge(_ decline: Decline, _ header: Header) -> Judgement {
    if let id = state.dialogue(pending: decline.accept) {
      return header.dialogue == id || header.dialogue == .pair ? .effect() : .reject(Fault(.unsolicited))
    }
    if let id = state.dialogue(awaitingDecline: decline.accept), header.dialogue == id { return .effect() }
    guard let dialogue = state.dialogues[header.dialogue] else { return .reject(Fault(.unknown)) }
    if let trade = dialogue.trade, trade.isAcceptor, trade.accept == decline.accept { return .freeze(.equivocation) }
    return .reject(Fault(.unsolicited))
  }

  // MARK: Cancel

  private func judge(_ cancel: QuoteCancel, _ header: Header, _ dialogue: Dialogue) -> Judgement {
    guard dialogue.isOpen, dialogue.closing == nil else { return .reject(Fault(.closed)) }
    guard let latest = dialogue.peerOffer, latest.live.id == cancel.offer else { return .reject(Fault(.noOffer)) }
    switch latest.end {
    case .cancelled, .superseded, .taken, .crossed, .closed: return .reject(Fault(.noOffer))
    case nil: return isHeld(dialogue, header) ? .reject(Fault(.held)) : .effect()
    case .expired, .rejected: return .effect()
    }
  }
}
