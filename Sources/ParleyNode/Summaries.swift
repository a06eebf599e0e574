internal import ParleyIO
internal import ParleyIdentity
internal import ParleyMarket
internal import ParleyNegotiation
internal import ParleyWire

extension Package {
  /// The package that legs describe.
  ///
  /// - Throws: `MarketError` for an instrument that is not traded here or is defined otherwise, and for legs that make no
  ///   package.
  init(listed legs: [Leg]) throws(MarketError) {
    var listed: [PackageLeg] = []
    for leg in legs {
      let instrument = try Instrument(listed: leg.instrument)
      // An instrument is what its definition says, not what it is called.
      guard instrument.specHash == leg.specHash.bytes else { throw .undefinedInstrument(leg.instrument) }
      listed.append(PackageLeg(instrument, isSold: leg.side == .sell, ratio: leg.ratio))
    }
    try self.init(listed)
  }

  /// The legs as a QuoteRequest has them.
  var requestLegs: [Leg] {
    legs.map { leg in
      guard let specHash = Hash256(leg.instrument.specHash) else { preconditionFailure("SHA-256 has 32 bytes") }
      return Leg(
        instrument: leg.instrument.name.text, specHash: specHash, side: leg.isSold ? .sell : .buy, ratio: leg.ratio)
    }
  }

  /// Legs as text: as the package is written, or their bare names where they make none.
  static func text(_ legs: [Leg]) -> String {
    (try? Package(listed: legs).description) ?? legs.map(\.instrument).joined(separator: ",")
  }

  /// A price in ticks as a decimal; the bare number of ticks where that does not fit.
  func text(ticks: Int64) -> String {
    (try? price(Ticks(ticks)).text(decimals: tick.scale)) ?? "\(ticks) ticks"
  }

  /// An amount in lots as a decimal; the bare number of lots where that does not fit.
  func text(lots: Int64) -> String {
    (try? amount(Lots(lots)).description) ?? "\(lots) lots"
  }
}

extension DialogueView {
  /// What is negotiated.
  ///
  /// - Throws: ``NodeError/terms(_:)`` for what is not traded here.
  func package() throws(NodeError) -> Package {
    do {
      return try Package(listed: request.legs)
    } catch {
      throw .terms("\(error)")
    }
  }
}

/// The legs of a package for programs, with their prices where there are some.
private func json(_ legs: [Leg], _ package: Package?, prices: [Int64]? = nil) -> JSONValue {
  .array(
    legs.enumerated().map { index, leg in
      var object: JSONObject = [
        "instrument": .string(leg.instrument), "direction": leg.side == .buy ? "buy" : "sell",
        "ratio": .integer(leg.ratio),
      ]
      if let ticks = prices?[index] {
        object["price"] = .string(package?.text(ticks: ticks) ?? "\(ticks) ticks")
        object["price_ticks"] = .integer(ticks)
      }
      return .object(object)
    })
}

/// A dialogue as the command line shows it.
struct DialogueSummary {
  let view: DialogueView
  private let peer: DID
  private let ending: String?
  private let isConnected: Bool

  init(_ view: DialogueView, _ session: PeerSession) {
    self.view = view
    peer = session.peer.did
    ending = session.endings[view.id]
    isConnected = session.isSynced
  }

  var json: JSONValue {
    let package = try? view.package()
    var object: JSONObject = [
      "dialogue": .string(view.id.description), "peer": .string(peer.string),
      "role": view.role == .requester ? "requester" : "responder",
      "instrument": .string(Package.text(view.request.legs)), "side": .string(side),
      "group": .string(view.request.group.hex), "connected": .bool(isConnected),
      "legs": ParleyNode.json(view.request.legs, package),
      "amount": .string(package?.text(lots: view.request.lotsMax) ?? "\(view.request.lotsMax) lots"),
      "phase": .string(phase), "mine": offer(view.myOffer, package),
      "theirs": view.isVisible ? offer(view.peerOffer, package) : .null,
    ]
    if !view.isVisible {
      object["blind_ms"] = .integer(UnixNanoseconds.now.nanoseconds(to: view.blindEnd) / 1_000_000)
    }
    if let look = view.look {
      object["look"] = [
        "accept": .string(look.accept.description), "direction": look.side == .buy ? "buy" : "sell",
        "amount": .string(package?.text(lots: look.lots) ?? "\(look.lots) lots"),
        "ends_in_ms": .integer(max(0, UnixNanoseconds.now.nanoseconds(to: look.until)) / 1_000_000),
      ]
    }
    if let outcome { object["outcome"] = .string(outcome) }
    if let trade = view.trade { object["trade"] = TradeSummary(trade, peer).json }
    return .object(object)
  }

  /// What was asked for, as a word.
  var side: String {
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

  private func offer(_ live: LiveOffer?, _ package: Package?) -> JSONValue {
    guard let live else { return .null }
    func net(_ side: OfferSide?) -> Int64? { side?.net(view.request.legs) }
    func price(_ side: OfferSide?) -> JSONValue {
      net(side).map { .string(package?.text(ticks: $0) ?? "\($0) ticks") } ?? .null
    }
    let lots = (live.offer.ask ?? live.offer.bid)?.lotsMax ?? 0
    return [
      "offer": .string(live.id.description), "bid": price(live.offer.bid), "ask": price(live.offer.ask),
      "bid_ticks": net(live.offer.bid).map(JSONValue.integer) ?? .null,
      "ask_ticks": net(live.offer.ask).map(JSONValue.integer) ?? .null,
      "amount": .string(package?.text(lots: lots) ?? "\(lots) lots"), "firm": .bool(live.offer.mode == .firm),
      "mode": live.offer.mode == .firm ? "firm" : live.offer.mode == .indicative ? "indicative" : "last-look",
      "look_ms": .integer(live.offer.lookNanoseconds / 1_000_000),
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
    let legs = trade.terms.legs.map(\.leg)
    let package = try? Package(listed: legs)
    let lots = trade.terms.lots
    return [
      "trade": .string(trade.id.description), "witnessed": .bool(trade.confirm == .zero),
      "dialogue": .string(trade.dialogue.description),
      "instrument": .string(Package.text(legs)),
      "legs": ParleyNode.json(legs, package, prices: trade.terms.legs.map(\.price)),
      "direction": trade.side == .buy ? "buy" : "sell",
      "amount": .string(package?.text(lots: lots) ?? "\(lots) lots"), "lots": .integer(lots),
      "price": .string(package?.text(ticks: trade.terms.net) ?? "\(trade.terms.net) ticks"),
      "price_ticks": .integer(trade.terms.net), "tick": .string(package?.tick.description ?? ""),
      "counterparty": .string(peer.string), "accepted_by": trade.isAcceptor ? "me" : "them",
      "time": .string(trade.decided.iso8601), "timestamp_ns": .integer(trade.decided.rawValue),
      "terms_digest": .string(Terms.digest(of: trade.terms.encoded).description),
    ]
  }
}
