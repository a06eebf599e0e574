public import ParleyWire

/// Since something was too much, no offers are made, until then.
public struct DeskFreeze: Hashable, Sendable {
  /// Until when; `nil` until the operator says so.
  public let until: UnixNanoseconds?
  /// What was too much: `fills`, `delta BTC`.
  public let cause: String

  /// Describes a freeze.
  public init(until: UnixNanoseconds?, cause: String) {
    self.until = until
    self.cause = cause
  }

  func holds(_ now: UnixNanoseconds) -> Bool { until.map { now < $0 } ?? true }

  var untilText: String { until.map { "until \($0.rawValue)" } ?? "until 'parley mmp reset'" }
}

/// Fills of a desk's own offers in the last while: market-maker protection.
struct FillWindow: Sendable {
  private var fills: [(time: UnixNanoseconds, greeks: [String: DeskGreeks])] = []
  /// What the last trip led to.
  var freeze: DeskFreeze?

  /// Counts a fill.
  ///
  /// - Returns: What follows, if that was too much.
  mutating func fill(
    _ greeks: [String: DeskGreeks], _ protection: DeskLimits.Protection, _ time: UnixNanoseconds
  ) -> DeskFreeze? {
    fills.append((time, greeks))
    let start = time.advanced(byNanoseconds: -protection.interval)
    fills.removeAll { $0.time <= start }
    guard let cause = excess(protection) else { return nil }
    // What has pulled the quotes once does not pull them again.
    fills = []
    let freeze = DeskFreeze(
      until: protection.frozen == 0 ? nil : time.advanced(byNanoseconds: protection.frozen), cause: cause)
    self.freeze = freeze
    return freeze
  }

  /// Forgets what was until then.
  mutating func reset(_ time: UnixNanoseconds) {
    freeze = nil
    fills.removeAll { $0.time <= time }
  }

  /// Which bound is reached; `nil` for none.
  func excess(_ protection: DeskLimits.Protection) -> String? {
    if let most = protection.fills, Int64(fills.count) >= most { return "fills" }
    for (underlying, most) in protection.delta.sorted(by: { $0.key < $1.key })
    where !(abs(sum(underlying).delta) < most) {
      return "delta \(underlying)"
    }
    for (underlying, most) in protection.vega.sorted(by: { $0.key < $1.key }) where !(abs(sum(underlying).vega) < most)
    {
      return "vega \(underlying)"
    }
    return nil
  }

  /// Fills that count at a time.
  func count(_ protection: DeskLimits.Protection, now: UnixNanoseconds) -> Int {
    fills.count { $0.time > now.advanced(byNanoseconds: -protection.interval) }
  }

  /// Greeks of the fills in one underlying.
  private func sum(_ underlying: String) -> DeskGreeks {
    var sum = DeskGreeks()
    for fill in fills {
      guard let greeks = fill.greeks[underlying] else { continue }
      sum.delta += greeks.delta
      sum.vega += greeks.vega
    }
    return sum
  }
}

/// What a counterparty has asked and traded, as credits.
struct CreditAccount: Sendable {
  private var amount: Double
  private var time: UnixNanoseconds

  init(_ credits: DeskLimits.Credits, _ time: UnixNanoseconds) {
    amount = credits.start
    self.time = time
  }

  /// The credits at a time: below 0 quotes are indicative.
  func balance(_ credits: DeskLimits.Credits, _ now: UnixNanoseconds) -> Double {
    let minutes = Double(max(0, time.nanoseconds(to: now))) / 60e9
    return min(credits.most, amount + minutes * credits.minute)
  }

  mutating func asked(_ credits: DeskLimits.Credits, _ now: UnixNanoseconds) {
    // One request's worth below zero and no further, so that the way back is short.
    amount = max(-credits.request, balance(credits, now) - credits.request)
    time = max(time, now)
  }

  mutating func traded(_ credits: DeskLimits.Credits, _ now: UnixNanoseconds) {
    amount = min(credits.most, balance(credits, now) + credits.trade)
    time = max(time, now)
  }
}
