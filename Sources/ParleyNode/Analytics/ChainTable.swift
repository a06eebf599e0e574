public import ParleyMarket
internal import ParleyOptions
public import ParleyWire

/// A chain as a trader reads it: a line a strike, calls to the left, puts to the right.
public struct ChainTable: Sendable {
  private let analytics: ChainAnalytics

  /// Shows a chain.
  public init(_ analytics: ChainAnalytics) { self.analytics = analytics }

  /// The table of one expiry, a blank line below it.
  public func lines(_ day: CivilDate) -> [String] {
    let rows = analytics.rows(expiring: day)
    let forward = analytics.forward(expiring: day)
    let days = VolatilitySmileChart.text(analytics.years(to: day) * 365, decimals: 1)
    let name = rows.first.flatMap { $0.call ?? $0.put }?.name.market ?? ""
    var lines = [
      "\(name)-\(day.deribit)  \(days) days  forward \(forward.map(VolatilitySmileChart.grouped) ?? "unknown")",
      "    delta     bid    mark     ask |   strike     IV     gamma     vega     theta |    bid    mark     ask    delta",
    ]
    func cell(_ value: Double?, _ decimals: Int, _ width: Int) -> String {
      let text = value.map { VolatilitySmileChart.text($0, decimals: decimals) } ?? "-"
      return String(repeating: " ", count: max(0, width - text.count)) + text
    }
    // A line between the last strike below the forward and the first above it.
    var isAbove = rows.first.map { $0.strike > forward ?? 0 } ?? true
    for row in rows {
      if !isAbove, let forward, row.strike > forward {
        lines.append(String(repeating: "-", count: lines[1].count))
        isAbove = true
      }
      let shared = row.callGreeks ?? row.putGreeks
      lines.append(
        [
          cell(row.callGreeks?.delta, 4, 9), cell(row.call?.bidPrice, 4, 8), cell(row.call?.markPrice, 4, 8),
          cell(row.call?.askPrice, 4, 8), " |", cell(row.strike, row.strike == row.strike.rounded() ? 0 : 2, 9),
          cell(row.volatility.map { $0 * 100 }, 2, 7), cell(shared?.gamma, 6, 10), cell(shared?.vega, 2, 9),
          cell(shared?.theta, 2, 10), " |", cell(row.put?.bidPrice, 4, 7), cell(row.put?.markPrice, 4, 8),
          cell(row.put?.askPrice, 4, 8), cell(row.putGreeks?.delta, 4, 9),
        ].joined())
    }
    return lines + [""]
  }

  /// The options of some expiries for programs, with Deribit's member names.
  public func json(_ days: [CivilDate]) -> JSONValue {
    var options: [JSONValue] = []
    for row in days.flatMap(analytics.rows(expiring:)) {
      for (summary, greeks) in [(row.call, row.callGreeks), (row.put, row.putGreeks)] {
        guard let summary else { continue }
        options.append([
          "instrument_name": .string(summary.name.text),
          "underlying_price": analytics.chain.forward(of: summary).map(JSONValue.number) ?? .null,
          "best_bid_price": summary.bidPrice.map(JSONValue.number) ?? .null,
          "best_ask_price": summary.askPrice.map(JSONValue.number) ?? .null,
          "mark_price": summary.markPrice.map(JSONValue.number) ?? .null,
          "mark_iv": summary.markIV.map(JSONValue.number) ?? .null,
          "greeks": greeks.map {
            [
              "delta": .number($0.delta), "gamma": .number($0.gamma), "vega": .number($0.vega),
              "theta": .number($0.theta), "rho": .number($0.rho),
            ]
          } ?? .null,
        ])
      }
    }
    return .array(options)
  }
}
