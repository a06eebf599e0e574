internal import ParleyDesk
internal import ParleyIO
internal import ParleyIdentity
internal import ParleyMarket
internal import ParleyNegotiation
internal import ParleyOptions
internal import ParleyWire

/// What holds a node's limits: hands a ``DeskGuard`` the numbers that it needs, and what the sessions sign.
///
/// It belongs to its ``Node`` and is touched on the node's loop only.
final class Desk {
  /// The rules.
  private(set) var sentry = DeskGuard()
  /// Where marks come from; `nil` for a node that has none.
  private(set) var pricer: ChainPricer?
  /// The file that the limits were read from.
  private(set) var file: [UInt8] = []
  /// When marks that follow the clock were taken last.
  private var marked: UnixNanoseconds?
  /// Instruments whose marks are of that time.
  private var fresh: Set<String> = []
  /// For how long such marks are good, in nanoseconds.
  private static let markLife: Int64 = 1_000_000_000

  init(limits: DeskLimits, file: [UInt8], pricer: ChainPricer?) {
    self.file = file
    self.pricer = pricer
    sentry.adopt(limits)
  }

  /// Takes other limits, and other marks if there are some.
  func adopt(_ limits: DeskLimits, file: [UInt8], pricer: ChainPricer?) {
    self.file = file
    sentry.adopt(limits)
    self.pricer = pricer ?? self.pricer
    marked = nil
  }

  // MARK: What is signed

  /// Whether something may be signed.
  ///
  /// - Throws: ``DeskRefusal``.
  func check(_ commitment: Commitment, with peer: String, now: UnixNanoseconds) throws(DeskRefusal) {
    refreshMarks(now)
    guard let package = Self.package(commitment.legs) else {
      // What is not listed here has no contracts to count and no mark: nothing could be held by it.
      return try sentry.checkUnlisted(commitment.legs.first?.instrument ?? "", with: peer)
    }
    for leg in package.legs { mark(leg.instrument.name, now) }
    try sentry.check(
      DeskIntent(
        commitment.deskAct, peer: peer, dialogue: commitment.dialogue.bytes, package: package,
        buys: commitment.buys.map { DeskPrice(net: $0.net(commitment.legs), lots: $0.lotsMax) },
        sells: commitment.sells.map { DeskPrice(net: $0.net(commitment.legs), lots: $0.lotsMax) }),
      now: now)
  }

  /// Whether a counterparty's request is looked at.
  ///
  /// - Throws: ``DeskRefusal``.
  func checkRequest(from peer: String, now: UnixNanoseconds) throws(DeskRefusal) {
    try sentry.checkDealing(with: peer)
    try sentry.checkQuoting(now)
  }

  /// Notes how a dialogue stands: what of it may be traded without asking again.
  func track(_ view: DialogueView, with peer: String) {
    guard let package = Self.package(view.request.legs) else { return }
    var (buys, sells): (Int64, Int64) = (0, 0)
    if view.phase.isOpen {
      if let doubt = view.doubt {
        if doubt.side == .buy { buys = doubt.lots } else { sells = doubt.lots }
      } else if let offer = view.myOffer?.offer, offer.mode == .firm {
        (buys, sells) = (offer.bid?.lotsMax ?? 0, offer.ask?.lotsMax ?? 0)
      }
    }
    sentry.reserve(view.id.bytes, peer: peer, package: package, buys: buys, sells: sells)
  }

  /// Counts a trade.
  ///
  /// - Returns: What follows for the quotes.
  func note(_ trade: Trade, with peer: String, now: UnixNanoseconds) -> DeskFreeze? {
    guard let package = Self.package(trade.terms.legs.map(\.leg)) else { return nil }
    for leg in package.legs { mark(leg.instrument.name, now) }
    return sentry.fill(
      peer: peer, package: package, lots: trade.side == .buy ? trade.terms.lots : -trade.terms.lots,
      isMaker: !trade.isAcceptor, time: trade.decided, now: now)
  }

  /// Notes that a counterparty has asked.
  func asked(_ peer: String, _ time: UnixNanoseconds) { sentry.asked(peer: peer, time: time) }

  /// Notes who a counterparty is.
  func meet(_ peer: PeerIdentity) { sentry.meet(DeskPeer(peer)) }

  func setKilled(_ isKilled: Bool) { sentry.setKilled(isKilled) }
  func freeze(_ freeze: DeskFreeze?) { sentry.freeze(freeze) }
  func resetProtection(at time: UnixNanoseconds) { sentry.resetProtection(at: time) }

  /// The use of every limit.
  func uses(now: UnixNanoseconds) -> [DeskUse] {
    refreshMarks(now)
    return sentry.uses(now: now)
  }

  /// What is held in an underlying; `nil` where a mark is missing.
  func inventory(of underlying: String, now: UnixNanoseconds) -> (delta: Double, gamma: Double, vega: Double)? {
    refreshMarks(now)
    return sentry.inventory(of: underlying, now: now)
  }

  // MARK: Marks

  private func refreshMarks(_ now: UnixNanoseconds) {
    // Marks of a recorded chain stay as they are, and so does that there are none.
    if let marked, pricer?.valuation != .now || abs(marked.nanoseconds(to: now)) < Self.markLife { return }
    marked = now
    fresh = []
    for instrument in sentry.instrumentsHeld { mark(instrument.name, now) }
  }

  private func mark(_ instrument: String, _ now: UnixNanoseconds) {
    guard fresh.insert(instrument).inserted else { return }
    sentry.setMark(pricer?.deskMark(of: instrument, now: now), of: instrument)
  }

  /// Legs as the guard has them; `nil` for an instrument that is not listed, or whose contracts do not fit.
  static func package(_ legs: [Leg]) -> DeskPackage? {
    var result: [DeskPackage.Leg] = []
    for leg in legs {
      guard let instrument = try? Instrument(listed: leg.instrument), instrument.specHash == leg.specHash.bytes,
        let contracts = try? instrument.amount(Lots(1)), let amount = Contracts(parsing: contracts.description)
      else { return nil }
      result.append(
        DeskPackage.Leg(
          DeskInstrument(
            name: instrument.name.text, underlying: instrument.name.market, contractsPerLot: amount,
            expiry: instrument.expiry), weight: leg.side == .buy ? leg.ratio : -leg.ratio))
    }
    return DeskPackage(result)
  }
}

extension Commitment {
  fileprivate var deskAct: DeskIntent.Act {
    switch act {
    case .request: .request
    case .offer(.firm): .firmOffer
    case .offer(.indicative): .indicativeOffer
    case .offer(.lastLook): .lookOffer
    case .accept: .accept
    case .confirm: .confirm
    }
  }

  /// The act as the journal has it.
  var recordedAct: DeskIntent.Act { deskAct }
}

extension ChainPricer {
  /// What a lot of an option is worth, by Black-76 at the mark volatility; `nil` where the chain does not say.
  func deskMark(of name: String, now: UnixNanoseconds) -> DeskMark? {
    guard let appraisal = try? appraise(name, now: now), let greeks = appraisal.greeks,
      let contracts = try? appraisal.instrument.amount(Lots(1)),
      let units = try? contracts.times(appraisal.instrument.multiplier),
      let up = appraisal.price(shiftedBy: 1), let down = appraisal.price(shiftedBy: -1)
    else { return nil }
    let (lot, tick) = (units.doubleValue, appraisal.instrument.tick.doubleValue)
    return DeskMark(
      delta: greeks.delta * lot, gamma: greeks.gamma * lot, vega: greeks.vega * lot,
      fairTicks: appraisal.fairPrice / tick, ticksPerPoint: 0.5 * (up - down) / tick)
  }
}

extension DeskPeer {
  /// What a counterparty's document says.
  init(_ peer: PeerIdentity) {
    func texts(_ name: String) -> [String] {
      let value = peer.document.json[name]
      return value?.stringValue.map { [$0] } ?? value?.arrayValue?.compactMap(\.stringValue) ?? []
    }
    self.init(
      did: peer.did.string, host: peer.did.webHost, services: peer.document.services.flatMap(\.types),
      alsoKnownAs: texts("alsoKnownAs"), controllers: texts("controller"))
  }
}

extension DID {
  /// The host that a did:web or did:webvh names; `nil` for the others.
  var webHost: String? {
    let parts = string.split(separator: ":", omittingEmptySubsequences: false)
    let place: Int
    switch method {
    case .web: place = 2
    case .webvh: place = 3
    default: return nil
    }
    guard parts.count > place else { return nil }
    return parts[place].split(separator: "%", omittingEmptySubsequences: false).first.map { $0.lowercased() }
  }
}

extension DeskRefusal {
  /// The refusal as the other side is told it: which limit, and never where it lies.
  var fault: Fault {
    let code: NegotiationCode =
      switch limit {
      case .priceBand: .band
      case .tradeSize, .counterpartySize, .totalSize, .counterpartyDelta, .totalDelta, .counterpartyGamma, .totalGamma,
        .counterpartyVega, .totalVega:
        .limit
      case .marketMakerProtection: .paused
      case .killSwitch: .killed
      case .selfTrade: .selfTrade
      case .counterparty: .counterparty
      case .credits: .fishing
      case .unmarked: .policy
      }
    return Fault(code, "limit \(limit.rawValue): \(limit)")
  }

  /// The refusal as a session throws it.
  var veto: Veto { Veto(fault, limit: limit.rawValue, detail: description) }
}
