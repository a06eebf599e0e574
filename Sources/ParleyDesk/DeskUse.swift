public import ParleyWire

/// How much of a limit is used: at the worst side of all that is open.
public struct DeskUse: Hashable, Sendable {
  /// The limit.
  public let limit: DeskLimit
  /// The counterparty; `nil` for all together.
  public let peer: String?
  /// The underlying; empty where the limit is not about one.
  public let underlying: String
  /// What it comes to.
  public let used: Double
  /// Where the limit lies.
  public let bound: Double
}

extension DeskGuard {
  /// The use of every limit that can be used up, those of all counterparties together first.
  public mutating func uses(now: UnixNanoseconds) -> [DeskUse] {
    settle(now: now)
    var uses: [DeskUse] = []
    let peers = Set(books.keys).union(reservations.values.map(\.peer)).sorted()
    let all = loads(peer: "", without: nil, adding: nil).1
    func note(_ limit: DeskLimit, _ peer: String?, _ underlying: String, _ used: Double, _ bound: Double?) {
      guard let bound else { return }
      uses.append(DeskUse(limit: limit, peer: peer, underlying: underlying, used: used, bound: bound))
    }
    func contracts(_ millionths: Int128) -> Double { Double(millionths) / 1e6 }
    func bound(_ contracts: Contracts?) -> Double? { contracts.map { Double($0.millionths) / 1e6 } }
    note(.totalSize, nil, "", contracts(all.size), bound(limits.size.all))
    let exposures = limits.exposure.sorted { $0.key < $1.key }
    for (underlying, bounds) in exposures {
      let greeks = all.greeks[underlying] ?? DeskGreekRanges()
      note(.totalDelta, nil, underlying, greeks.delta.magnitude, bounds.delta.all)
      note(.totalGamma, nil, underlying, greeks.gamma.magnitude, bounds.gamma.all)
      note(.totalVega, nil, underlying, greeks.vega.magnitude, bounds.vega.all)
    }
    if let protection = limits.protection, let most = protection.fills {
      note(.marketMakerProtection, nil, "", Double(window.count(protection, now: now)), Double(most))
    }
    for peer in peers {
      let own = loads(peer: peer, without: nil, adding: nil).0
      note(.counterpartySize, peer, "", contracts(own.size), bound(limits.size.counterparty))
      for (underlying, bounds) in exposures {
        let greeks = own.greeks[underlying] ?? DeskGreekRanges()
        note(.counterpartyDelta, peer, underlying, greeks.delta.magnitude, bounds.delta.counterparty)
        note(.counterpartyGamma, peer, underlying, greeks.gamma.magnitude, bounds.gamma.counterparty)
        note(.counterpartyVega, peer, underlying, greeks.vega.magnitude, bounds.vega.counterparty)
      }
    }
    guard let credits = limits.credits else { return uses }
    for (peer, account) in accounts.sorted(by: { $0.key < $1.key }) {
      note(.credits, peer, "", credits.most - account.balance(credits, now), credits.most)
    }
    return uses
  }

  /// What is held in an underlying, nothing that is open counted: delta, gamma and vega.
  ///
  /// - Returns: `nil` where an instrument held has no mark.
  public mutating func inventory(of underlying: String, now: UnixNanoseconds)
    -> (delta: Double, gamma: Double, vega: Double)?
  {
    settle(now: now)
    guard !total.unmarked.values.contains(underlying) else { return nil }
    let greeks = total.greeks[underlying] ?? DeskGreeks()
    return (greeks.delta, greeks.gamma, greeks.vega)
  }

  /// Net lots held of every instrument, by name.
  public var positions: [(instrument: DeskInstrument, lots: Int64)] {
    total.lots.compactMap { name, lots in instruments[name].map { ($0, Int64(clamping: lots)) } }
      .sorted { $0.instrument.name < $1.instrument.name }
  }
}
