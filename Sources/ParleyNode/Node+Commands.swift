internal import ParleyCrypto
internal import ParleyIO
internal import ParleyIdentity
internal import ParleyMarket
internal import ParleyNegotiation
public import ParleyWire

extension Node {
  /// Carries out a request as the control socket would: the methods of docs/control.md, without the socket.
  ///
  /// - Throws: ``ControlError`` with what to do about it.
  public func call(
    _ method: String, _ parameters: JSONObject = JSONObject()
  ) async throws(ControlError) -> JSONValue {
    try await answer(ControlRequest(method, parameters))
  }

  /// Carries out one request.
  ///
  /// - Throws: ``ControlError`` with what to do about it.
  func answer(_ request: ControlRequest) async throws(ControlError) -> JSONValue {
    do {
      switch request.method {
      case "status": return status().json
      case "connect": return try await connect(request)
      case "peers": return .array(try request.page(of: peerList()).map(\.json))
      case "approve":
        let peer = try await approve(request.text("did"), fingerprint: request.optionalText("fingerprint"))
        return ["did": .string(peer.did.string), "fingerprint": .string("\(KeyFingerprint(peer))")]
      case "deny":
        try deny(request.text("did"))
        return true
      case "forget":
        try forget(request.text("did"))
        return true
      case "rfq": return try await requestQuote(request)
      case "quotes": return .array(try request.page(of: dialogues(all: request.flag("all"))).map(\.json))
      case "counter": return try await counter(request)
      case "quote": return try await quoteByHand(request)
      case "confirm": return try await decideLook(request, confirms: true)
      case "decline": return try await decideLook(request, confirms: false)
      case "withdraw": return try await withdraw(request)
      case "best": return try summary(of: group(request.text("group")))
      case "accept":
        return try await request.optionalText("group") == nil ? accept(request) : acceptBest(request)
      case "cancel": return try await cancel(request)
      case "pass": return try await pass(request)
      case "waive": return try await waive(request)
      case "repair": return try await repair(request)
      case "trades": return .array(try request.page(of: trades()).map(\.json))
      case "receipt": return try receipt(request)
      default:
        if let answer = try answerDesk(request) { return answer }
        guard let answer = try keeper.answer(request) else {
          throw ControlError(.methodNotFound, "there is no method '\(request.method)'")
        }
        return answer
      }
    } catch let error as NodeError {
      throw ControlError(error)
    } catch let error as ControlError {
      throw error
    } catch let error as MarketError {
      throw ControlError(.invalidParameters, "\(error)")
    } catch {
      throw ControlError(.failed, "\(error)")
    }
  }

  private func connect(_ request: ControlRequest) async throws -> JSONValue {
    let (peer, duration) = try await connect(request.text("did"))
    return [
      "peer": .string(peer.did.string), "connect_ms": .number((duration / .microseconds(1)).rounded() / 1_000),
      "synced": .bool(sessions[peer.did]?.isSynced ?? false),
    ]
  }

  // MARK: Negotiating

  /// What is asked for; by default all of it, in one trade.
  func requestDraft(_ request: ControlRequest) throws -> RequestDraft {
    let package = try Package(parsing: try request.text("instrument"))
    let lots = try package.lots(ExactDecimal(parsing: try request.text("amount")))
    let least = try request.optionalText("min_amount").map { try package.lots(ExactDecimal(parsing: $0)) } ?? lots
    let side = try request.choice(
      "side", ["buy": RequestSide.buy, "sell": RequestSide.sell, "two-way": RequestSide.twoWay])
    return RequestDraft(
      legs: package.requestLegs, lotsMin: least.rawValue, lotsMax: lots.rawValue, side: side,
      topic: try topic(request), blind: try request.nanoseconds("blind_ms", upTo: 5_000) ?? 0,
      lifetime: try request.nanoseconds("life_ms", upTo: 3_600_000) ?? 60_000_000_000)
  }

  private func requestQuote(_ request: ControlRequest) async throws -> JSONValue {
    let named = request.texts("witnesses") ?? []
    if let makers = try makers(request) {
      guard named.isEmpty else { throw ControlError(.invalidParameters, "'witnesses' goes with one maker") }
      return try await requestQuotes(request, from: makers)
    }
    var wanted = try requestDraft(request)
    // Asked for by name, before a witness is one of several that are connected.
    let session = try session(named: request.optionalText("with"))
    for witness in named {
      wanted.witnesses.append(try await connect(witness).peer.did.string)
    }
    let draft = wanted
    let dialogue = try await session.perform(self) { engine throws(NegotiationError) in
      try engine.requestQuote(
        draft, nonce: SystemRandom.bytes(16), clientOrderID: request.optionalText("client_order_id"), now: .now)
    }
    return try await settled(dialogue, in: session, within: request.wait) { view in
      view.hasVisibleOffer || view.phase != .open
    }.json
  }

  private func counter(_ request: ControlRequest) async throws -> JSONValue {
    let (session, view) = try dialogue(request.text("dialogue"))
    let side = try side(request, view)
    let package = try view.package()
    let net = try package.ticks(ExactDecimal(parsing: try request.text("price")))
    let lots = try lots(request, view, package)
    let price = OfferSide(prices: try prices(making: net, package, view), lotsMin: lots, lotsMax: lots)
    let draft = OfferDraft(bid: side == .buy ? price : nil, ask: side == .sell ? price : nil, lifetime: 10_000_000_000)
    let before = view.peerOffer?.id
    _ = try await session.perform(self) { engine throws(NegotiationError) in
      try engine.counter(view.id, draft, clientOrderID: request.optionalText("client_order_id"), now: .now)
    }
    return try await settled(view.id, in: session, within: request.wait) { view in
      view.phase != .open || view.myOffer == nil || (view.peerOffer != nil && view.peerOffer?.id != before)
    }.json
  }

  private func accept(_ request: ControlRequest) async throws -> JSONValue {
    let (session, view) = try dialogue(request.text("dialogue"))
    let side = try side(request, view)
    let lots = try lots(request, view, view.package())
    // Without a live offer the engine says why there is nothing to take, and still knows an order said twice.
    let offer = view.peerOffer?.id ?? session.accepted[view.id] ?? .zero
    _ = try await session.perform(self) { engine throws(NegotiationError) in
      try engine.accept(
        view.id, offer: offer, side: side, lots: lots, clientOrderID: request.optionalText("client_order_id"),
        now: .now)
    }
    return try await settled(view.id, in: session, within: request.wait) { view in !view.phase.isInDoubt }.json
  }

  private func pass(_ request: ControlRequest) async throws -> JSONValue {
    let (session, view) = try dialogue(request.text("dialogue"))
    _ = try await session.perform(self) { engine throws(NegotiationError) in try engine.pass(view.id, now: .now) }
    return try await settled(view.id, in: session, within: .zero) { _ in true }.json
  }

  // MARK: Finding

  /// The peer that was named, or the only one that is connected.
  func session(named text: String?) throws(NodeError) -> PeerSession {
    let connected = sessions.values.filter(\.isSynced)
    guard let text else {
      guard connected.count == 1, let only = connected.first else {
        throw .peerUnclear(connected.map(\.peer.did.string).sorted())
      }
      return only
    }
    let did = try NodeIdentity.parseDID(text).shortForm
    guard let session = sessions[did] else { throw .unknown("peer \(did.string)") }
    return session
  }

  /// The dialogue whose id begins with `text`.
  func dialogue(_ text: String) throws(NodeError) -> (PeerSession, DialogueView) {
    // Programs give the whole id: that must not take longer the more dialogues there have been.
    if let id = [UInt8](hex: text).flatMap(DialogueID.init) {
      for session in sessions.values { if let view = session.published[id] { return (session, view) } }
      throw .unknown("dialogue \(text)")
    }
    var found: [(PeerSession, DialogueView)] = []
    for session in sessions.values {
      for (id, view) in session.published where text.count >= 4 && id.description.hasPrefix(text) {
        found.append((session, view))
      }
    }
    guard let first = found.first else { throw .unknown("dialogue \(text)") }
    guard found.count == 1 else { throw .terms("several dialogues begin with \(text): give more of the id") }
    return first
  }

  /// What this node does: as said, or as asked for.
  func side(_ request: ControlRequest, _ view: DialogueView) throws -> Side {
    if request.optionalText("side") != nil {
      return try request.choice("side", ["buy": Side.buy, "sell": Side.sell])
    }
    switch (view.request.side, view.role) {
    case (.buy, .requester), (.sell, .responder): return .buy
    case (.sell, .requester), (.buy, .responder): return .sell
    case (.twoWay, _): throw NodeError.terms("the request was two-way: say which side with --side")
    }
  }

  /// Prices of the legs that make a net price, near to those that were quoted.
  func prices(making net: Ticks, _ package: Package, _ view: DialogueView) throws(NodeError) -> [Int64] {
    let quoted = (view.peerOffer ?? view.myOffer).flatMap { $0.offer.ask ?? $0.offer.bid }?.prices.map(Ticks.init)
    let reference = quoted ?? package.legs.map { _ in Ticks(0) }
    guard let prices = package.prices(making: net, near: reference) else {
      throw .terms("no prices of the legs make \(net.rawValue) ticks")
    }
    return prices.map(\.rawValue)
  }

  func lots(_ request: ControlRequest, _ view: DialogueView, _ package: Package) throws -> Int64 {
    guard let text = request.optionalText("amount") else { return view.request.lotsMax }
    return try package.lots(ExactDecimal(parsing: text)).rawValue
  }

  /// Every dialogue that is open, or every one.
  func dialogues(all: Bool) -> [DialogueSummary] {
    sessions.values.flatMap { session in
      (all ? session.published : session.open).values.map { DialogueSummary($0, session) }
    }.sorted { $0.view.created < $1.view.created }
  }

  /// Every trade, the oldest first.
  func trades() -> [TradeSummary] {
    sessions.values.flatMap { session in session.trades.map { TradeSummary($0, session.peer.did) } }
      .sorted { $0.trade.decided < $1.trade.decided }
  }

  // MARK: Waiting

  /// The dialogue once `isSettled` says so of its durable state, or when the time is over.
  func settled(
    _ dialogue: DialogueID, in session: PeerSession, within wait: Duration, _ isSettled: (DialogueView) -> Bool
  ) async throws(NodeError) -> DialogueSummary {
    let deadline = ContinuousClock.now + wait
    while true {
      guard let view = session.published[dialogue] else { throw .unknown("dialogue \(dialogue)") }
      if isSettled(view) || ContinuousClock.now >= deadline || isStopping { return DialogueSummary(view, session) }
      await change(of: dialogue, until: view.nextLook(before: deadline))
    }
  }

  /// Returns when something durable has happened in a dialogue or group, or at the deadline.
  func change(of dialogue: DialogueID, until deadline: ContinuousClock.Instant) async {
    nextWaiter += 1
    let number = nextWaiter
    let timer = loop.schedule(at: deadline) { [weak self] in
      self?.assumeIsolated { $0.changeWaiters[dialogue]?.removeValue(forKey: number)?.resume() }
    }
    await withCheckedContinuation { changeWaiters[dialogue, default: [:]][number] = $0 }
    timer.cancel()
  }

  /// Returns when both sides agree where they stand, or after a few seconds.
  func synced(_ did: DID) async {
    let deadline = ContinuousClock.now + .seconds(5)
    while sessions[did]?.isSynced == false, ContinuousClock.now < deadline, !isStopping {
      await change(of: .pair, until: deadline)
    }
  }

  /// Wakes those who wait for a dialogue.
  func changed(_ dialogue: DialogueID) {
    for waiter in (changeWaiters.removeValue(forKey: dialogue) ?? [:]).values { waiter.resume() }
  }
}

extension DialogueView.Phase {
  /// Whether an Accept of this side has no verdict yet.
  var isInDoubt: Bool {
    if case .acceptInDoubt = self { true } else { false }
  }

  /// Whether something can still happen.
  var isOpen: Bool { self == .open || isInDoubt }
}
