internal import ParleyDesk
internal import ParleyIO
internal import ParleyIdentity
internal import ParleyMarket
internal import ParleyNegotiation
internal import ParleyWire

extension Node {
  /// Takes one event of a session, after all that led to it is durable.
  func handle(_ event: SessionEvent, of session: PeerSession) {
    report(event, of: session)
    switch event {
    case .requestArrived(let dialogue, _, _): quote(dialogue, session)
    case .counterArrived(let dialogue, let counter): answer(counter, in: dialogue, session)
    case .synced:
      if isLostSelf { reconsiderLostSelf() }
      reconsider(session)
    case .lookBegan(let dialogue, let look): decide(look, in: dialogue, session)
    case .traded(let trade):
      note(trade)
      reportTrade(trade, with: session)
    case .frozen:
      openBook(of: session)
      noteLostSelf(session)
    default: break
    }
    changed(event.dialogue, in: session)
  }

  private func report(_ event: SessionEvent, of session: PeerSession) {
    let peer = session.peer.did.string
    switch event {
    case .acknowledged(let n):
      log.debug("acknowledged", ["peer": peer, "n": "\(n)"])
    case .synced(let resent, _):
      let counters = session.counters
      log.info(
        "synced", ["peer": peer, "resent": "\(resent)", "sent": "\(counters.sent)", "received": "\(counters.received)"])
    case .traded(let trade):
      log.info(
        "traded",
        [
          "trade": "\(trade.id)", "dialogue": "\(trade.dialogue)", "peer": peer, "lots": "\(trade.terms.lots)",
          "ticks": "\(trade.terms.net)",
        ])
    case .frozen(let code, let byPeer):
      log.error("frozen", ["peer": peer, "code": "\(code)", "by": byPeer ? "peer" : "me"])
    case .repairOffered(let isAgreed):
      log.warning("repair-offered", ["peer": peer, "agreed": "\(isAgreed)"])
    case .adopted(let own, let received):
      log.warning("adopted", ["peer": peer, "own": "\(own)", "received": "\(received)"])
    case .repairFailed(let code):
      log.error("repair-failed", ["peer": peer, "code": "\(code)"])
    case .repaired:
      log.warning("repaired", ["peer": peer])
    case .overdue(let dialogue, _):
      log.warning("overdue", ["peer": peer, "dialogue": "\(dialogue)"])
    case .tradeUnacknowledged(let dialogue):
      log.warning("trade-unacknowledged", ["peer": peer, "dialogue": "\(dialogue)"])
    case .requestArrived(let dialogue, let request, _):
      log.info(
        "request", ["dialogue": "\(dialogue)", "instrument": Package.text(request.legs), "peer": peer])
    case .rejected(let dialogue, _, let fault):
      log.info("rejected", ["dialogue": dialogue?.description ?? "-", "why": "\(fault)", "peer": peer])
    case .rejectedPeer(let dialogue, _, let fault):
      log.info("rejected-peer", ["dialogue": dialogue?.description ?? "-", "why": "\(fault)", "peer": peer])
    case .declined(let dialogue, _, let code):
      log.info("declined", ["dialogue": "\(dialogue)", "why": "\(code)", "peer": peer])
    case .declinedPeer(let dialogue, _, let code):
      log.info("declined-peer", ["dialogue": "\(dialogue)", "why": "\(code)", "peer": peer])
    case .witnessEquivocated(let dialogue, let offer):
      log.error("witness-equivocated", ["dialogue": "\(dialogue)", "offer": "\(offer)", "peer": peer])
    case .tradeConfirmed(let trade):
      log.info("trade-confirmed", ["trade": "\(trade.confirm)", "dialogue": "\(trade.dialogue)", "peer": peer])
    case .lookBegan(let dialogue, let look):
      log.info(
        "look", ["dialogue": "\(dialogue)", "accept": "\(look.accept)", "lots": "\(look.lots)", "peer": peer])
    case .quoteArrived, .counterArrived, .offerEnded, .tradeAcknowledged, .dialogueClosed, .evidenceKept:
      log.debug("negotiation", ["event": "\(event)", "peer": peer])
    }
  }

  // MARK: Making a market

  /// Counts a trade against the limits.
  func note(_ trade: Trade) {
    tradedAmount = tradedAmount.adding(trade.terms.lots, of: trade.terms.legs.map(\.leg))
  }

  /// Answers a request with a quote, or with the reason why there is none.
  private func quote(_ dialogue: DialogueID, _ session: PeerSession) {
    guard let view = session.published[dialogue], view.role == .responder, view.phase == .open else { return }
    guard let quoting = configuration.quoting else {
      if configuration.quotesByHand { return }
      return refuse(dialogue, Fault(.policy, "this node does not quote"), session)
    }
    if let fault = requestRefusal(of: session.peer.did, dialogue) { return refuse(dialogue, fault, session) }
    guard !isJournalSlow else { return refuse(dialogue, Fault(.overload, "the journal is slow"), session) }
    decide(occasion(view, session), quoting, session)
  }

  /// Answers a counter: takes it, meets it half way, or ends the talk.
  private func answer(_ counter: LiveOffer, in dialogue: DialogueID, _ session: PeerSession) {
    guard let quoting = configuration.quoting, let view = session.published[dialogue], view.phase == .open,
      view.peerOffer?.id == counter.id
    else { return }
    // What the other side would buy, this side sells, and the reverse.
    let (side, price) = counter.offer.bid.map { (Side.buy, $0) } ?? (Side.sell, counter.offer.ask ?? OfferSide.none)
    guard let net = price.net(view.request.legs) else { return }
    let asked = QuoteOccasion.Counter(offer: counter.id, side: side, price: Ticks(net), lots: Lots(price.lotsMax))
    decide(occasion(view, session, counter: asked), quoting, session)
  }

  /// Quotes in a dialogue.
  func offer(_ terms: QuoteTerms, in view: DialogueView, _ quoting: Quoting, _ session: PeerSession) {
    let most = min(terms.lots ?? view.request.lotsMax, view.request.lotsMax)
    func side(_ net: Ticks?, _ unwanted: RequestSide) -> OfferSide? {
      guard view.request.side != unwanted, let net, most >= view.request.lotsMin,
        let prices = quoting.strategy.prices(of: view.request.legs, making: net, now: .now)
      else { return nil }
      return OfferSide(prices: prices.map(\.rawValue), lotsMin: view.request.lotsMin, lotsMax: most)
    }
    // It must live past the blind time, or nobody can take it.
    let blind = max(0, UnixNanoseconds.now.nanoseconds(to: view.blindEnd))
    let life = min((terms.life ?? quoting.quoteLife) + blind, Offer.firmLifeLimit)
    var draft = OfferDraft(bid: side(terms.bid, .buy), ask: side(terms.ask, .sell), lifetime: life)
    if !view.request.witnesses.isEmpty {
      guard let witness = chosenWitness(view.request) else {
        return refuse(view.id, Fault(.witness, field: 112, "no witness can be reached"), session)
      }
      // A witnessed offer is held to its end.
      draft.witness = witness
      draft.lifetime = min(draft.lifetime, Offer.holdLimit)
    }
    guard draft.bid != nil || draft.ask != nil else {
      guard view.myOffer == nil, view.peerOffer == nil else { return pass(view.id, .policy, session) }
      return refuse(view.id, Fault(.policy, "the package cannot be priced"), session)
    }
    send(draft, in: view, session)
  }

  /// Sends an offer; where the limits forbid it, an indicative one, or the reason.
  private func send(_ draft: OfferDraft, in view: DialogueView, _ session: PeerSession) {
    let veto = perform(session) { engine throws(NegotiationError) in try engine.quote(view.id, draft, now: .now) }
    guard let veto else { return }
    if veto.limit == DeskLimit.credits.rawValue, draft.mode != .indicative {
      var indicative = draft
      indicative.mode = .indicative
      return send(indicative, in: view, session)
    }
    // A request is refused with the reason; a talk that has gone further ends.
    guard view.myOffer == nil, view.peerOffer == nil else { return pass(view.id, veto.fault.code, session) }
    refuse(view.id, veto.fault, session)
  }

  /// Ends a talk.
  func pass(_ dialogue: DialogueID, _ code: NegotiationCode, _ session: PeerSession) {
    perform(session) { engine throws(NegotiationError) in try engine.pass(dialogue, code: code, now: .now) }
  }

  /// Refuses a request.
  func refuse(_ dialogue: DialogueID, _ fault: Fault, _ session: PeerSession) {
    perform(session) { engine throws(NegotiationError) in try engine.refuse(dialogue, fault, now: .now) }
  }

  /// Carries out a command of the node's own.
  ///
  /// - Returns: Why the limits forbid it; `nil` when it was done, or could not be for another reason.
  @discardableResult
  func perform(
    _ session: PeerSession, _ command: (inout PairSession) throws(NegotiationError) -> CommandResult
  ) -> Veto? {
    do throws(NegotiationError) {
      try session.performNow(command)
    } catch {
      if case .vetoed(let veto) = error { return veto }
      log.warning("not-done", ["peer": session.peer.did.string, "why": error.sentence])
    }
    return nil
  }

  /// Answers what a restart or a lost channel left unanswered.
  private func reconsider(_ session: PeerSession) {
    for view in session.open.values where view.role == .responder && view.phase == .open && view.expiry > .now {
      // A quote carries the round of the counter that it answers. One from before the counter may still be live.
      if let counter = view.peerOffer, counter.offer.round > view.myOffer?.offer.round ?? 0 {
        answer(counter, in: view.id, session)
      } else if view.myOffer == nil {
        quote(view.id, session)
      }
    }
  }

  /// Contracts traded, or in an Accept of this side, in all options together.
  func committed() -> ExactDecimal {
    sessions.values.flatMap(\.open.values).filter(\.phase.isInDoubt).reduce(tradedAmount) { total, view in
      total.adding(view.request.lotsMax, of: view.request.legs)
    }
  }
}

extension ExactDecimal {
  /// This total and the contracts in so many lots of a package; one that is not traded here adds nothing.
  func adding(_ lots: Int64, of legs: [Leg]) -> ExactDecimal {
    guard let contracts = try? Package(listed: legs).contracts(Lots(lots)), let sum = try? plus(contracts) else {
      return self
    }
    return sum
  }
}

extension OfferSide {
  /// No price at all; an offer that was taken in has one side at least.
  fileprivate static let none = OfferSide(prices: [], lotsMin: 1, lotsMax: 1)
}
