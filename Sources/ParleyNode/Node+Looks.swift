internal import ParleyIO
internal import ParleyIdentity
internal import ParleyMarket
public import ParleyNegotiation
internal import ParleyWire

/// What a desk does about an Accept of its last-look offer.
public enum LookDecision: Hashable, Sendable {
  /// There is a trade.
  case confirm
  /// There is none, for this reason.
  case decline(NegotiationCode)
  /// A person decides, or it lapses.
  case leave
}

// A maker's desk by hand: the quotes that it gives and the looks that it takes.
extension Node {
  /// Offers in a dialogue that was asked of this node; in place of its live offer there, if it has one.
  func quoteByHand(_ request: ControlRequest) async throws -> JSONValue {
    let (session, view) = try dialogue(request.text("dialogue"))
    let package = try view.package()
    let lots = try lots(request, view, package)
    func side(_ name: String) throws -> OfferSide? {
      guard let text = request.optionalText(name) else { return nil }
      let net = try package.ticks(ExactDecimal(parsing: text))
      return OfferSide(
        prices: try prices(making: net, package, view), lotsMin: min(view.request.lotsMin, lots), lotsMax: lots)
    }
    let mode = try request.choice(
      "mode", ["firm": OfferMode.firm, "indicative": .indicative, "last-look": .lastLook], default: .firm)
    let draft = OfferDraft(
      mode: mode, bid: try side("bid"), ask: try side("ask"),
      lifetime: try request.nanoseconds("life_ms", default: mode == .indicative ? 60_000 : 10_000),
      hold: try request.nanoseconds("hold_ms", default: 0),
      look: try request.nanoseconds("look_ms", default: mode == .lastLook ? 1_000 : 0))
    guard draft.bid != nil || draft.ask != nil else { throw NodeError.terms("a quote needs a bid, an ask or both") }
    _ = try await session.perform(self) { engine throws(NegotiationError) in
      try engine.quote(view.id, draft, clientOrderID: request.optionalText("client_order_id"), now: .now)
    }
    return DialogueSummary(session.published[view.id] ?? view, session).json
  }

  /// Confirms or declines the Accept that this node looks at.
  func decideLook(_ request: ControlRequest, confirms: Bool) async throws -> JSONValue {
    let (session, view) = try dialogue(request.text("dialogue"))
    let accept = view.look?.accept ?? session.lookedAt[view.id] ?? .zero
    _ = try await session.perform(self) { engine throws(NegotiationError) in
      try engine.decideLook(
        view.id, accept: accept, decline: confirms ? nil : .price,
        clientOrderID: request.optionalText("client_order_id"), now: .now)
    }
    return DialogueSummary(session.published[view.id] ?? view, session).json
  }

  /// Asks for this node's Accept of a last-look offer back.
  func withdraw(_ request: ControlRequest) async throws -> JSONValue {
    let (session, view) = try dialogue(request.text("dialogue"))
    _ = try await session.perform(self) { engine throws(NegotiationError) in
      try engine.withdraw(view.id, clientOrderID: request.optionalText("client_order_id"), now: .now)
    }
    return try await settled(view.id, in: session, within: request.wait) { !$0.phase.isInDoubt }.json
  }

  /// Has the desk's own rule decide, where there is one.
  func decide(_ look: Look, in dialogue: DialogueID, _ session: PeerSession) {
    guard let rule = configuration.looks, let view = session.published[dialogue], view.look?.accept == look.accept
    else { return }
    let decline: NegotiationCode?
    switch rule(look, view) {
    case .leave: return
    case .confirm: decline = nil
    case .decline(let code): decline = code
    }
    perform(session) { engine throws(NegotiationError) in
      try engine.decideLook(dialogue, accept: look.accept, decline: decline, now: .now)
    }
  }
}
