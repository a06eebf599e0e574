public import ParleyMarket
public import ParleyOptions
public import ParleyWire

/// What a fitted surface is worth: its slices, how many quotes it lies within, and what is wrong with it or with them.
public struct SurfaceReport: Sendable {
  /// One expiry.
  public struct Slice: Hashable, Sendable {
    /// The expiry day.
    public let day: CivilDate
    /// The slice.
    public let slice: VolatilitySurface.Slice
    /// How many liquid quotes there are: out of the money, two-sided, with a delta of at least 5 %.
    public let liquid: Int
    /// How many of them the slice lies within.
    public let inside: Int
  }

  /// By expiry.
  public let slices: [Slice]
  /// What is wrong with the surface; empty for a fitted one.
  public let faults: [VolatilitySurface.Fault]
  /// Where the quotes admit arbitrage.
  public let quoteFaults: [QuoteFault]

  /// Compares a surface with the quotes that it was fitted to.
  public init(surface: VolatilitySurface, smiles: [(day: CivilDate, quotes: SmileQuotes)]) {
    slices = smiles.compactMap { item in
      guard let slice = surface.slices.first(where: { $0.expiry == item.quotes.expiry }) else { return nil }
      var (liquid, inside) = (0, 0)
      for quote in item.quotes.quotes {
        guard let volatility = slice.svi.volatility(at: quote.k, expiry: slice.expiry),
          let isInside = quote.holds(volatility),
          let option = try? Black76(
            quote.k < 0 ? .put : .call, forward: slice.forward, strike: quote.strike, expiry: slice.expiry,
            volatility: volatility), let greeks = option.greeks, abs(greeks.delta) >= 0.05
        else { continue }
        liquid += 1
        if isInside { inside += 1 }
      }
      return Slice(day: item.day, slice: slice, liquid: liquid, inside: inside)
    }
    faults = surface.faults()
    quoteFaults = SmileQuotes.faults(in: smiles.map(\.quotes))
  }

  /// The report in words.
  public var lines: [String] {
    func cell(_ value: Double, _ decimals: Int, _ width: Int) -> String {
      pad(VolatilitySmileChart.text(value, decimals: decimals), width)
    }
    func pad(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    var lines = ["  expiry    days    forward   ATM IV         a         b       rho         m     sigma   inside"]
    for row in slices {
      let svi = row.slice.svi
      lines.append(
        [
          pad(row.day.deribit, 8), cell(row.slice.expiry * 365, 1, 8), cell(row.slice.forward, 2, 11),
          cell((svi.volatility(at: 0, expiry: row.slice.expiry) ?? .nan) * 100, 2, 8) + "%", cell(svi.a, 5, 10),
          cell(svi.b, 5, 10), cell(svi.rho, 4, 10), cell(svi.m, 4, 10), cell(svi.sigma, 4, 10),
          pad("\(row.inside)/\(row.liquid)", 9),
        ].joined())
    }
    let (inside, liquid) = (slices.map(\.inside).reduce(0, +), slices.map(\.liquid).reduce(0, +))
    let share = VolatilitySmileChart.text(100 * Double(inside) / Double(max(liquid, 1)), decimals: 1)
    lines.append(
      "surface: \(faults.isEmpty ? "no arbitrage" : "\(faults.count) faults"); inside \(inside) of \(liquid) liquid quotes (\(share) %)"
    )
    lines.append(
      "quotes: \(quoteFaults.isEmpty ? "no arbitrage at bid and ask" : "\(quoteFaults.count) arbitrages at bid and ask")"
    )
    lines += quoteFaults.prefix(20).map { "  \(Self.words($0))" }
    return lines
  }

  /// The report for programs.
  public var json: JSONValue {
    [
      "slices": .array(
        slices.map { row in
          let svi = row.slice.svi
          return [
            "expiry": .string(row.day.deribit), "years": .number(row.slice.expiry),
            "forward": .number(row.slice.forward),
            "a": .number(svi.a), "b": .number(svi.b), "rho": .number(svi.rho), "m": .number(svi.m),
            "sigma": .number(svi.sigma), "liquid": .integer(Int64(row.liquid)), "inside": .integer(Int64(row.inside)),
          ]
        }),
      "surface_faults": .integer(Int64(faults.count)),
      "quote_faults": .array(quoteFaults.map { .string(Self.words($0)) }),
    ]
  }

  private static func words(_ fault: QuoteFault) -> String {
    func strikes(_ values: [Double]) -> String {
      values.map { VolatilitySmileChart.text($0, decimals: 0) }.joined(separator: ", ")
    }
    func days(_ years: Double) -> String { VolatilitySmileChart.text(years * 365, decimals: 1) + " days" }
    switch fault {
    case .butterfly(let expiry, let values, let gain):
      return "butterfly \(strikes(values)), \(days(expiry)): brings \(VolatilitySmileChart.grouped(gain))"
    case .vertical(let expiry, let values, let gain):
      return "vertical \(strikes(values)), \(days(expiry)): brings \(VolatilitySmileChart.grouped(gain))"
    case .calendar(let k, let expiries):
      return "calendar at ln(K/F) \(VolatilitySmileChart.text(k, decimals: 2)), "
        + expiries.map(days).joined(separator: " over ")
    }
  }
}
