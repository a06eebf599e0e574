import ParleyNegotiation
import ParleyWire

/// A command of a node's owner, drawn at random: a new one is one more line in ``all``.
struct Command: Sendable {
  /// Gives a command: the session's answer, or its refusal, which must leave the session as it was.
  typealias Order = (inout PairSession, UnixNanoseconds) throws(NegotiationError) -> Outcome

  let name: String
  /// Whose command it is, where it is not both sides'.
  var role: Role?
  /// How often, beside the others.
  let weight: Int
  /// Makes the order for one dialogue; `nil` if there is nothing to order.
  let make: @Sendable (inout Chance, DialogueView) -> Order?

  static let all: [Command] = [
    Command(name: "quote", role: .responder, weight: 30) { chance, dialogue in
      let draft = offer(&chance, dialogue)
      return { session, now throws(NegotiationError) in try session.quote(dialogue.id, draft, now: now).outcome }
    },
    Command(name: "counter", role: .requester, weight: 10) { chance, dialogue in
      let draft = offer(&chance, dialogue)
      return { session, now throws(NegotiationError) in try session.counter(dialogue.id, draft, now: now).outcome }
    },
    accept,
    Command(name: "cancel", weight: 6) { _, dialogue in
      { session, now throws(NegotiationError) in try session.cancelOffer(dialogue.id, code: .price, now: now).outcome }
    },
    Command(name: "pass", weight: 4) { chance, dialogue in
      guard chance.percent(25) else { return nil }
      return { session, now throws(NegotiationError) in try session.pass(dialogue.id, now: now).outcome }
    },
    Command(name: "massCancel", weight: 1) { _, _ in
      { session, now throws(NegotiationError) in try session.massCancel(now: now).outcome }
    },
    Command(name: "refuse", role: .responder, weight: 1) { _, dialogue in
      { session, now throws(NegotiationError) in try session.refuse(dialogue.id, Fault(.policy, "no"), now: now).outcome
      }
    },
  ]

  static let accept = Command(name: "accept", weight: 40) { chance, dialogue in
    guard let offer = dialogue.peerOffer else { return nil }
    let side: Side = (offer.offer.bid == nil || chance.percent(50)) && offer.offer.ask != nil ? .buy : .sell
    let lots = chance.between(1...10)
    return { session, now throws(NegotiationError) in
      try session.accept(dialogue.id, offer: offer.id, side: side, lots: lots, now: now).outcome
    }
  }

  /// One of them for who has `role`, most of the time.
  static func random(_ chance: inout Chance, _ role: Role) -> Command {
    let wrong = chance.percent(1)
    func fits(_ command: Command) -> Bool { wrong || command.role == nil || command.role == role }
    var place = chance.below(all.reduce(0) { $0 + (fits($1) ? $1.weight : 0) })
    for command in all where fits(command) {
      place -= command.weight
      if place < 0 { return command }
    }
    return all[0]
  }

  // MARK: Drafts

  private static let leg = Leg(instrument: "BTC-27NOV26-100000-C", specHash: .zero)

  static func request(_ chance: inout Chance, group: [UInt8]) -> RequestDraft {
    let lifetime = chance.percent(10) ? 10 * Span.minute : chance.between(Span.second...8 * Span.second)
    let side: RequestSide = chance.percent(60) ? .twoWay : chance.percent(50) ? .buy : .sell
    return RequestDraft(
      legs: [leg], lotsMin: 1, lotsMax: 10, side: side, rounds: chance.between(0...4), group: group, lifetime: lifetime)
  }

  private static func offer(_ chance: inout Chance, _ dialogue: DialogueView) -> OfferDraft {
    let price = chance.between(90...110)
    let lots = chance.between(1...10)
    func side(_ price: Int64) -> OfferSide { OfferSide(prices: [price], lotsMin: 1, lotsMax: lots) }
    let takesBid = dialogue.request.side == .twoWay || (dialogue.request.side == .buy) == (dialogue.role == .requester)
    let takesAsk = dialogue.request.side == .twoWay || !takesBid
    return OfferDraft(
      mode: chance.percent(8) ? .indicative : .firm, bid: takesBid ? side(price - 3) : nil,
      ask: takesAsk ? side(price + 3) : nil, isAllOrNone: chance.percent(10),
      lifetime: chance.between(
        150 * Span.millisecond...(chance.percent(30) ? 600 * Span.millisecond : 4 * Span.second)),
      hold: chance.percent(15) ? 150 * Span.millisecond : 0)
  }
}

extension Simulation {
  /// Gives a random command, or one again that was given before.
  func haveIdea(_ node: SimulatedNode) {
    let busy = node.links.filter { !$0.session.openDialogues.isEmpty }
    let link = chance.pick(busy) ?? node.links[chance.below(node.links.count)]
    if chance.percent(6), !link.orders.isEmpty { return repeatOrder(link, of: node) }
    if node.index == 0, chance.percent(20) { return sweep(node) }
    let open = link.session.openDialogues
    if node.index == 0, open.isEmpty || chance.percent(6) { return ask(node) }
    let dialogue: DialogueView
    if chance.percent(5), let trade = chance.pick(link.session.trades),
      let view = link.session.dialogue(trade.dialogue)
    {
      dialogue = view
    } else if let view = chance.pick(chance.percent(60) ? open.filter { $0.peerOffer != nil } : open)
      ?? chance.pick(open)
    {
      dialogue = view
    } else {
      return nodes[0].isUp ? ask(nodes[0]) : ()
    }
    // Not every idea fits the moment: the next one may.
    for _ in 0..<3 {
      let command = Command.random(&chance, dialogue.role)
      guard let order = command.make(&chance, dialogue) else { continue }
      if give(command.name, order, link, of: node) { return }
    }
  }

  /// Asks some makers for the same.
  private func ask(_ node: SimulatedNode) {
    let group = chance.bytes(16)
    let draft = Command.request(&chance, group: group)
    for link in node.links where chance.percent(60) {
      let nonce = chance.bytes(16)
      let id = "order \(link.orders.count)"
      let order = Link.Order { session, now throws(NegotiationError) in
        try session.requestQuote(draft, nonce: nonce, clientOrderID: id, now: now)
      }
      link.orders.append(order)
      let request: Command.Order = { session, now throws(NegotiationError) in try order.give(&session, now).outcome }
      give("request", request, link, of: node, number: link.orders.count - 1)
    }
  }

  /// Accepts at once what several makers offer for one need: only the cap is between the taker and too much of it.
  private func sweep(_ node: SimulatedNode) {
    var offered: [(link: Link, dialogue: DialogueView)] = []
    for link in node.links {
      for dialogue in link.session.openDialogues where dialogue.role == .requester && dialogue.peerOffer != nil {
        offered.append((link, dialogue))
      }
    }
    guard let group = chance.pick(offered)?.dialogue.request.group else { return ask(node) }
    for (link, dialogue) in offered where dialogue.request.group == group {
      guard let order = Command.accept.make(&chance, dialogue) else { continue }
      give(Command.accept.name, order, link, of: node)
    }
  }

  /// A client that does not know what became of its order gives it again.
  private func repeatOrder(_ link: Link, of node: SimulatedNode) {
    let number = chance.below(link.orders.count)
    let known = link.orders[number].statement
    guard let result = try? link.orders[number].give(&link.session, clock(node)) else { return }
    if let known, !result.isRepeat || result.statement != known {
      oracle.complain("\(node.name) carried an order out twice")
    }
    trace?.line("\(node.name) gets order \(number) again")
    handle(result.outcome, link, of: node, order: result.isRepeat ? nil : number)
  }

  @discardableResult
  private func give(
    _ name: String, _ order: Command.Order, _ link: Link, of node: SimulatedNode, number: Int? = nil
  ) -> Bool {
    do throws(NegotiationError) {
      let outcome = try order(&link.session, clock(node))
      tally.commands[name, default: 0] += 1
      trace?.line("\(node.name) orders: \(name)")
      handle(outcome, link, of: node, order: number)
      return true
    } catch {
      // It did not fit the moment. That nothing has changed shows when the journal is folded.
      trace?.line("\(node.name) would \(name), but: \(error)")
      return false
    }
  }
}
