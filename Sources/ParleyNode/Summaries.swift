internal import ParleyIO
internal import ParleyIdentity
internal import ParleyMarket
internal import ParleyNegotiation
internal import ParleyWire

extension DialogueView {
  /// What is negotiated: the instrument of the only leg.
  ///
  /// - Throws: ``NodeError/terms(_:)`` for one that is not listed.
  func instrument() throws(NodeError) -> Instrument {
    try Instrument.listed(in: request.legs)
  }
}

extension Instrument {
  fileprivate static func listed(in legs: [Leg]) throws(NodeError) -> Instrument {
    guard let leg = legs.first else { throw .terms("a request without legs") }
    do {
      return try Instrument(listed: leg.instrument)
    } catch {
      throw .terms("\(leg.instrument): \(error)")
    }
  }

  /// A price in ticks as a decimal; the bare number of ticks where that does not fit.
  fileprivate func text(ticks: Int64) -> String {
    (try? price(Ticks(ticks)).text(decimals: tick.scale)) ?? "\(ticks) ticks"
  }

  /// An amount in lots as a decimal; the bare number of lots where that does not fit.
  fileprivate func text(lots: Int64) -> String {
    (try? amount(Lots(lots)).description) ?? "\(lots) lots"
  }
}

/// A dialogue as the command line shows it.
struct DialogueSummary {
  let view: DialogueView
  private let peer: DID
  private let ending: String?

  init(_ view: DialogueView, _ session: PeerSession) {
    self.view = view
    peer = session.peer.did
    ending = session.endings[view.id]
  }

  var json: JSONValue {
    let instrument = try? view.instrument()
    var object: JSONObject = [
      "dialogue": .string(view.id.description), "peer": .string(peer.string),
      "role": view.role == .requester ? "requester" : "responder",
      "instrument": .string(view.request.legs.first?.instrument ?? ""), "side": .string(side),
      "amount": .string(instrument?.text(lots: view.request.lotsMax) ?? "\(view.request.lotsMax) lots"),
      "phase": .string(phase), "mine": offer(view.myOffer, instrument), "theirs": offer(view.peerOffer, instrument),
    ]
    if let outcome { object["outcome"] = .string(outcome) }
    if let trade = view.trade { object["trade"] = TradeSummary(trade, peer).json }
    return .object(object)
  }

  private var side: String {
    switch view.request.side {
    case .buy: "buy"
    case .sell: "sell"
    case .twoWay: "two-way"
    }
  }

  private var phase: String {
    switch view.phase {
    case .open: "open"
    case .acceptInDoubt: "in doubt"
    case .traded: "traded"
    case .closed: "closed"
    }
  }

  private var outcome: String? {
    switch view.phase {
    case .acceptInDoubt: "accepted, and not decided by the other side: you are bound until it is"
    case .open, .closed: ending
    case .traded: nil
    }
  }

  private func offer(_ live: LiveOffer?, _ instrument: Instrument?) -> JSONValue {
    guard let live else { return .null }
    func price(_ side: OfferSide?) -> JSONValue {
      side?.prices.first.map { .string(instrument?.text(ticks: $0) ?? "\($0) ticks") } ?? .null
    }
    let lots = (live.offer.ask ?? live.offer.bid)?.lotsMax ?? 0
    return [
      "offer": .string(live.id.description), "bid": price(live.offer.bid), "ask": price(live.offer.ask),
      "bid_ticks": live.offer.bid?.prices.first.map(JSONValue.integer) ?? .null,
      "ask_ticks": live.offer.ask?.prices.first.map(JSONValue.integer) ?? .null,
      "amount": .string(instrument?.text(lots: lots) ?? "\(lots) lots"), "firm": .bool(live.offer.mode == .firm),
      "expires_in_ms": .integer(max(0, UnixNanoseconds.now.nanoseconds(to: live.expiry)) / 1_000_000),
    ]
  }
}

/// A trade as the command line shows it.
struct TradeSummary {
  let trade: Trade
  private let peer: DID

  init(_ trade: Trade, _ peer: DID) {
    self.trade = trade
    self.peer = peer
  }

  var json: JSONValue {
    let instrument = try? Instrument.listed(in: trade.terms.legs.map(\.leg))
    let lots = trade.terms.lots
    return [
      "trade": .string(trade.confirm.description), "dialogue": .string(trade.dialogue.description),
      "instrument": .string(trade.terms.legs.first?.leg.instrument ?? ""),
      "direction": trade.side == .buy ? "buy" : "sell",
      "amount": .string(instrument?.text(lots: lots) ?? "\(lots) lots"), "lots": .integer(lots),
      "price": .string(instrument?.text(ticks: trade.terms.net) ?? "\(trade.terms.net) ticks"),
      "price_ticks": .integer(trade.terms.net), "tick": .string(instrument?.tick.description ?? ""),
      "counterparty": .string(peer.string), "accepted_by": trade.isAcceptor ? "me" : "them",
      "time": .string(trade.decided.iso8601), "timestamp_ns": .integer(trade.decided.rawValue),
      "terms_digest": .string(Terms.digest(of: trade.terms.encoded).description),
    ]
  }
}
