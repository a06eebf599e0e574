public import ParleyWire

// What is asked before anything is signed.
extension DeskGuard {
  /// Whether something may be signed.
  ///
  /// The order of the questions: kill switch, self-trade, lists, protection, credits, size of the trade, price, exposures.
  /// What was exceeded already, because marks or limits have changed, may be signed as long as it makes that no worse:
  /// a desk must be able to trade its way back.
  ///
  /// - Parameters:
  ///   - intent: What is to be signed. What was reserved in its dialogue is replaced by it.
  ///   - now: The present time.
  /// - Throws: Why not.
  public mutating func check(_ intent: DeskIntent, now: UnixNanoseconds) throws(DeskRefusal) {
    settle(now: now)
    try checkDealing(with: intent.peer)
    switch intent.act {
    case .firmOffer, .indicativeOffer, .lookOffer, .confirm: try checkQuoting(now)
    case .request, .accept: break
    }
    if intent.act == .firmOffer { try checkCredits(of: intent.peer, now) }
    let sides = [(intent.buys, true), (intent.sells, false)].compactMap { side, buys in side.map { ($0, buys) } }
    for (side, buys) in sides {
      try checkTradeSize(intent.package, side.lots)
      try checkPrice(intent.package, side, buys: buys)
    }
    switch intent.act {
    case .indicativeOffer, .lookOffer: return
    case .firmOffer, .accept, .confirm:
      try checkExposure(intent, buys: intent.buys?.lots ?? 0, sells: intent.sells?.lots ?? 0)
    case .request:
      // It binds nobody: one way in which it could be taken is enough.
      var refusal: DeskRefusal?
      for (side, buys) in sides {
        do throws(DeskRefusal) {
          return try checkExposure(intent, buys: buys ? side.lots : 0, sells: buys ? 0 : side.lots)
        } catch {
          refusal = error
        }
      }
      if let refusal { throw refusal }
    }
  }

  /// Whether something may be signed about an instrument of which nothing is known here.
  public func checkUnlisted(_ instrument: String, with peer: String) throws(DeskRefusal) {
    try checkDealing(with: peer)
    if limits.band != nil || limits.tradeSize != nil || boundsExposure || limits.protection != nil {
      throw DeskRefusal(.unmarked, instrument)
    }
  }

  /// Whether a counterparty is answered at all: the kill switch, the desk's own group, and the lists.
  public func checkDealing(with did: String) throws(DeskRefusal) {
    if isKilled { throw DeskRefusal(.killSwitch) }
    let peer = peers[did] ?? DeskPeer(did: did)
    if let rule = limits.ownGroup.first(where: { $0.matches(peer) }) { throw DeskRefusal(.selfTrade, "\(rule)") }
    if let rule = limits.deny.first(where: { $0.matches(peer) }) { throw DeskRefusal(.counterparty, "\(rule)") }
    if !limits.allow.isEmpty, !limits.allow.contains(where: { $0.matches(peer) }) {
      throw DeskRefusal(.counterparty, "not on the list")
    }
  }

  /// Whether offers are made at all.
  public func checkQuoting(_ now: UnixNanoseconds) throws(DeskRefusal) {
    guard let freeze = frozen(now: now) else { return }
    throw DeskRefusal(.marketMakerProtection, freeze.cause, value: "quotes are pulled", bound: freeze.untilText)
  }

  /// Whether a counterparty is made firm offers.
  public func checkCredits(of did: String, _ now: UnixNanoseconds) throws(DeskRefusal) {
    guard let credits = limits.credits, let account = accounts[did] else { return }
    let balance = account.balance(credits, now)
    guard balance < 0 else { return }
    throw DeskRefusal(.credits, value: DeskNumber.text(balance), bound: "0")
  }

  private func checkTradeSize(_ package: DeskPackage, _ lots: Int64) throws(DeskRefusal) {
    guard let most = limits.tradeSize else { return }
    var millionths: Int128 = 0
    for leg in package.legs {
      millionths += Int128(leg.weight.magnitude) * Int128(lots) * Int128(leg.instrument.contractsPerLot.millionths)
    }
    guard millionths > Int128(most.millionths) else { return }
    throw DeskRefusal(.tradeSize, value: DeskNumber.text(millionths: millionths), bound: "\(most)")
  }

  private func checkPrice(_ package: DeskPackage, _ price: DeskPrice, buys: Bool) throws(DeskRefusal) {
    guard let band = limits.band, let net = price.net else { return }
    var (fair, widest) = (0.0, 0.0)
    for leg in package.legs {
      guard let mark = marks[leg.instrument.name] else { throw DeskRefusal(.unmarked, leg.instrument.name) }
      fair += Double(leg.weight) * mark.fairTicks
      widest = max(widest, Double(leg.weight.magnitude) * abs(mark.ticksPerPoint))
    }
    let width = max((band.volatilityPoints ?? 0) * widest, band.ticks ?? 0)
    // A price that is better than the reference is never out of the band.
    let excess = buys ? Double(net) - fair : fair - Double(net)
    guard excess > width * (1 + DeskNumber.tolerance) else { return }
    throw DeskRefusal(.priceBand, value: DeskNumber.text(excess) + " ticks", bound: DeskNumber.text(width) + " ticks")
  }

  // MARK: Exposures

  private func checkExposure(_ intent: DeskIntent, buys: Int64, sells: Int64) throws(DeskRefusal) {
    guard boundsExposure else { return }
    let claim = DeskReservation(peer: intent.peer, package: intent.package, buys: buys, sells: sells)
    let (peerBefore, allBefore) = loads(peer: intent.peer, without: nil, adding: nil)
    let (peerAfter, allAfter) = loads(peer: intent.peer, without: intent.dialogue, adding: claim)
    try checkSize(.counterpartySize, peerBefore, peerAfter, limits.size.counterparty)
    try checkSize(.totalSize, allBefore, allAfter, limits.size.all)
    // In the order of names, so that the same question has the same answer.
    for (underlying, bounds) in limits.exposure.sorted(by: { $0.key < $1.key }) {
      // One that has nothing to do with this underlying neither needs its marks nor moves its Greeks.
      guard intent.package.legs.contains(where: { $0.instrument.underlying == underlying }) else { continue }
      if let unmarked = allAfter.unmarked[underlying] { throw DeskRefusal(.unmarked, unmarked) }
      for (part, load, before) in [(Part.counterparty, peerAfter, peerBefore), (.all, allAfter, allBefore)] {
        let (now, then) = (load.greeks[underlying] ?? DeskGreekRanges(), before.greeks[underlying] ?? DeskGreekRanges())
        try check(part.delta, underlying, then.delta, now.delta, part.bound(bounds.delta))
        try check(part.gamma, underlying, then.gamma, now.gamma, part.bound(bounds.gamma))
        try check(part.vega, underlying, then.vega, now.vega, part.bound(bounds.vega))
      }
    }
  }

  private enum Part {
    case counterparty
    case all

    var delta: DeskLimit { self == .all ? .totalDelta : .counterpartyDelta }
    var gamma: DeskLimit { self == .all ? .totalGamma : .counterpartyGamma }
    var vega: DeskLimit { self == .all ? .totalVega : .counterpartyVega }

    func bound(_ bounds: DeskBounds<Double>) -> Double? { self == .all ? bounds.all : bounds.counterparty }
  }

  private var boundsExposure: Bool { !limits.size.isEmpty || !limits.exposure.isEmpty }

  /// The loads of a counterparty and of all, with a dialogue's reservation taken out and a claim put in.
  func loads(peer: String, without dialogue: [UInt8]?, adding claim: DeskReservation?) -> (DeskLoad, DeskLoad) {
    var (own, all): ([DeskReservation], [DeskReservation]) = ([], [])
    all.reserveCapacity(reservations.count + 1)
    for (key, reservation) in reservations where key != dialogue {
      all.append(reservation)
      if reservation.peer == peer { own.append(reservation) }
    }
    if let claim {
      all.append(claim)
      own.append(claim)
    }
    return (DeskLoad(books[peer] ?? DeskBook(), own, marks), DeskLoad(total, all, marks))
  }

  private func checkSize(
    _ limit: DeskLimit, _ before: DeskLoad, _ after: DeskLoad, _ bound: Contracts?
  ) throws(DeskRefusal) {
    guard let bound, after.size > Int128(bound.millionths), after.size > before.size else { return }
    throw DeskRefusal(limit, value: DeskNumber.text(millionths: after.size), bound: "\(bound)")
  }

  private func check(
    _ limit: DeskLimit, _ underlying: String, _ before: DeskRange, _ after: DeskRange, _ bound: Double?
  ) throws(DeskRefusal) {
    guard let bound else { return }
    let edge = bound * (1 + DeskNumber.tolerance)
    let isTooHigh = after.highest > edge && after.highest > before.highest
    let isTooLow = after.lowest < -edge && after.lowest < before.lowest
    guard isTooHigh || isTooLow else { return }
    throw DeskRefusal(
      limit, underlying, value: DeskNumber.text(isTooHigh ? after.highest : after.lowest), bound: DeskNumber.text(bound)
    )
  }
}

/// How the desk writes numbers.
enum DeskNumber {
  /// What sums of doubles may be off by, as a share: the last lot that fits must not fail by a rounding.
  static let tolerance = 1e-9

  /// A number to nine digits, so that 0.30000000000000004 is 0.3.
  static func text(_ value: Double) -> String {
    guard value.isFinite, value != 0 else { return "\(value)" }
    var scale = 1.0
    while abs(value) * scale < 1e8, scale < 1e15 { scale *= 10 }
    return JSONValue.number((value * scale).rounded() / scale).serialized()
  }

  static func text(millionths: Int128) -> String { "\(Contracts(millionths: Int64(clamping: millionths)))" }
}
