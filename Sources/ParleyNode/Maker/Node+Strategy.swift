internal import ParleyDesk
internal import ParleyIO
internal import ParleyIdentity
internal import ParleyMarket
internal import ParleyNegotiation
internal import ParleyWire

// A strategy decides, here or in another process.
extension Node {
  /// What a strategy is asked about a request, or about a counter in it.
  func occasion(
    _ view: DialogueView, _ session: PeerSession, counter: QuoteOccasion.Counter? = nil
  ) -> QuoteOccasion {
    let request = view.request
    let underlying = Desk.package(request.legs)?.legs.first?.instrument.underlying
    return QuoteOccasion(
      dialogue: view.id, peer: session.peer.did.string, legs: request.legs, side: request.side,
      lots: request.lotsMin...request.lotsMax, counter: counter, committed: committed(),
      inventory: underlying.flatMap(inventory), now: .now)
  }

  /// Has the strategy decide, and does what it says.
  func decide(_ occasion: QuoteOccasion, _ quoting: Quoting, _ session: PeerSession) {
    guard let deadline = quoting.strategyDeadline else {
      return carryOut(quoting.strategy.decide(occasion), occasion, quoting, session)
    }
    guard external.isAttached else {
      return carryOut(.pass(.silence), occasion, quoting, session)
    }
    let number = external.nextNumber()
    let timer = loop.schedule(after: .nanoseconds(deadline)) { [weak self] in
      self?.assumeIsolated { $0.strategyIsSilent(number) }
    }
    external.note(ExternalStrategy.Question(peer: session.peer.did, occasion: occasion, timer: timer), number)
    external.tell(occasion.counter == nil ? "request" : "counter", members(of: occasion, number, quoting))
  }

  /// Does what was decided, if it can still be done.
  private func carryOut(
    _ decision: QuoteDecision, _ occasion: QuoteOccasion, _ quoting: Quoting, _ session: PeerSession
  ) {
    guard let view = session.published[occasion.dialogue], view.phase == .open else { return }
    switch (decision, occasion.counter) {
    case (.quote(let terms), _): offer(terms, in: view, quoting, session)
    case (.pass(let refusal), nil): refuse(view.id, refusal.fault, session)
    case (.pass(let refusal), .some): pass(view.id, refusal.code, session)
    case (.accept, nil): refuse(view.id, Fault(.policy, "the maker's strategy gave no price"), session)
    case (.accept, let counter?):
      guard view.peerOffer?.id == counter.offer else { return }
      let veto = perform(session) { engine throws(NegotiationError) in
        try engine.accept(
          view.id, offer: counter.offer, side: counter.side.opposite, lots: counter.lots.rawValue, now: .now)
      }
      if let veto { pass(view.id, veto.fault.code, session) }
    }
  }

  // MARK: What is held

  /// What is held in an underlying; `nil` where a mark is missing.
  func inventory(_ underlying: String) -> Inventory? {
    desk.inventory(of: underlying, now: .now).map { Inventory(delta: $0.delta, gamma: $0.gamma, vega: $0.vega) }
  }

  /// Tells a strategy in another process of a trade, and the operator, once each time that the delta held in an underlying
  /// leaves the threshold, what would take it away.
  func reportTrade(_ trade: Trade, with session: PeerSession) {
    let underlying = Desk.package(trade.terms.legs.map(\.leg))?.legs.first?.instrument.underlying
    let held = underlying.flatMap(inventory)
    if external.isAttached {
      external.tell(
        "trade", ["trade": TradeSummary(trade, session.peer.did).json, "inventory": held?.json ?? .null])
    }
    guard let threshold = configuration.quoting?.hedgeThreshold, let underlying, let held else { return }
    guard abs(held.delta) > threshold else {
      hedgesWanted.remove(underlying)
      return
    }
    guard hedgesWanted.insert(underlying).inserted else { return }
    log.warning("hedge", ["underlying": underlying, "delta": "\(held.delta)", "futures": "\(-held.delta)"])
    external.tell(
      "hedge", ["underlying": .string(underlying), "inventory": held.json, "futures": .number(-held.delta)])
  }

  // MARK: A strategy in another process

  /// Gives the questions to this connection from now on.
  func attachStrategy(_ connection: LineConnection) throws(ControlError) -> JSONValue {
    guard let deadline = configuration.quoting?.strategyDeadline else {
      throw ControlError(.failed, "this node asks no strategy", hint: "Run it as 'parley maker --strategy external'.")
    }
    guard external.attach(connection) else { throw ControlError(.failed, "another strategy is attached") }
    log.info("strategy-attached", [:])
    return ["deadline_ms": .integer(deadline / 1_000_000)]
  }

  /// Takes the answer to a question.
  func decide(_ request: ControlRequest, from connection: LineConnection) throws(ControlError) -> JSONValue {
    guard external.isClient(connection), let quoting = configuration.quoting else {
      throw ControlError(.failed, "this connection is not the strategy's", hint: "Call 'strategy' first.")
    }
    let number = try request.text("question")
    guard let question = external.question(number) else {
      throw ControlError(.failed, "question \(number) is answered, late or void")
    }
    let decision: QuoteDecision
    do {
      decision = try request.decision(Package(listed: question.occasion.legs))
    } catch let error as ControlError {
      throw error
    } catch {
      throw ControlError(.invalidParameters, "\(error)")
    }
    guard external.take(number) != nil, let session = sessions[question.peer] else { return false }
    carryOut(decision, question.occasion, quoting, session)
    return true
  }

  /// A strategy that says nothing in time is taken for dead: nothing that it has quoted stands.
  private func strategyIsSilent(_ number: String) {
    guard !isStopping, let question = external.take(number) else { return }
    let (cancelled, held) = pullOffers(.none)
    log.warning(
      "strategy-silent",
      ["dialogue": "\(question.occasion.dialogue)", "cancelled": "\(cancelled)", "held": "\(held)"])
    answerForStrategy(question)
  }

  /// Notes that a connection has ended.
  ///
  /// - Returns: Whether it was the strategy's, so that its offers are to be taken back.
  func detachStrategy(_ number: ObjectIdentifier) -> Bool {
    guard let left = external.detach(number) else { return false }
    log.warning("strategy-gone", ["unanswered": "\(left.count)"])
    for question in left { answerForStrategy(question) }
    return true
  }

  private func answerForStrategy(_ question: ExternalStrategy.Question) {
    guard !isStopping, let quoting = configuration.quoting, let session = sessions[question.peer] else { return }
    carryOut(.pass(.silence), question.occasion, quoting, session)
  }

  private func members(of occasion: QuoteOccasion, _ number: String, _ quoting: Quoting) -> JSONObject {
    let package = try? Package(listed: occasion.legs)
    func amount(_ lots: Int64) -> JSONValue { .string(package?.text(lots: lots) ?? "\(lots) lots") }
    func price(_ net: Ticks) -> JSONValue { .string(package?.text(ticks: net.rawValue) ?? "\(net.rawValue) ticks") }
    let side =
      switch occasion.side {
      case .buy: "buy"
      case .sell: "sell"
      case .twoWay: "two-way"
      }
    var object: JSONObject = [
      "question": .string(number), "dialogue": .string(occasion.dialogue.description), "peer": .string(occasion.peer),
      "instrument": .string(Package.text(occasion.legs)), "side": .string(side),
      "amount": amount(occasion.lots.upperBound), "min_amount": amount(occasion.lots.lowerBound),
      "inventory": occasion.inventory?.json ?? .null, "tick": .string(package?.tick.description ?? ""),
      "deadline_ms": .integer((quoting.strategyDeadline ?? 0) / 1_000_000),
    ]
    let fair = (try? quoting.marks?.appraise(occasion.legs, now: occasion.now))?.fairTicks
    object["fair"] = fair.map(price) ?? .null
    if let counter = occasion.counter {
      object["their_side"] = counter.side == .buy ? "buy" : "sell"
      object["price"] = price(counter.price)
      object["counter_amount"] = amount(counter.lots.rawValue)
    }
    return object
  }
}

extension MakerRefusal {
  /// What is said where a strategy in another process says nothing.
  fileprivate static let silence = MakerRefusal(.overload, nil, "the maker's strategy does not answer")
}

extension Inventory {
  fileprivate var json: JSONValue { ["delta": .number(delta), "gamma": .number(gamma), "vega": .number(vega)] }
}

extension ControlRequest {
  /// What a strategy in another process answers about a package.
  fileprivate func decision(_ package: Package) throws -> QuoteDecision {
    switch try choice("action", ["quote": "quote", "accept": "accept", "pass": "pass"]) {
    case "accept": return .accept
    case "pass": return .pass(MakerRefusal(.policy, nil, optionalText("reason") ?? "the maker passes"))
    default: break
    }
    func net(_ name: String) throws -> Ticks? {
      try optionalText(name).map { try package.ticks(ExactDecimal(parsing: $0)) }
    }
    let terms = QuoteTerms(
      bid: try net("bid"), ask: try net("ask"),
      lots: try optionalText("amount").map { try package.lots(ExactDecimal(parsing: $0)).rawValue },
      life: try nanoseconds("life_ms", upTo: 60_000))
    guard terms.bid != nil || terms.ask != nil else {
      throw ControlError(.invalidParameters, "a quote has a 'bid', an 'ask' or both")
    }
    return .quote(terms)
  }
}
