import Foundation
import ParleyOptions
import TestSupport
import Testing

@Suite("Volatility surface")
struct VolatilitySurfaceTests {
  private struct Reply: Decodable {
    let result: [Row]
  }

  private struct Row: Decodable {
    let instrument_name: String, underlying_index: String
    let underlying_price: Double, creation_timestamp: Double
    let bid_price: Double?, ask_price: Double?, mark_price: Double?, mark_iv: Double?
  }

  /// The recorded chain as smiles: the out-of-the-money options of each expiry, prices in units of the forward.
  static func recorded() throws -> [SmileQuotes] {
    let rows = try SharedVectors.json(
      "market/deribit_btc_option_chain_2026-04-28.json", as: Reply.self
    ).result
    #expect(rows.count == 908)
    let months = [
      "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ]
    var smiles: [SmileQuotes] = []
    for (day, rows) in Dictionary(
      grouping: rows, by: { $0.instrument_name.split(separator: "-")[1] })
    {
      let month = try #require(months.firstIndex(of: String(day.dropLast(2).suffix(3))))
      var date = DateComponents(
        timeZone: .gmt, year: 2000 + (Int(day.suffix(2)) ?? 0), month: month + 1)
      (date.day, date.hour) = (Int(day.dropLast(5)), 8)
      let expiry = try #require(Calendar(identifier: .gregorian).date(from: date))
        .timeIntervalSince1970
      let now = rows[0].creation_timestamp / 1000
      var forward = rows[0].underlying_price
      let marks = Dictionary(
        uniqueKeysWithValues: rows.map { ($0.instrument_name, $0.mark_price ?? 0) })
      if rows[0].underlying_index == "index_price" {
        let implied = rows.compactMap { row -> Double? in
          let parts = row.instrument_name.split(separator: "-")
          guard parts[3] == "C", let put = marks[row.instrument_name.dropLast() + "P"] else {
            return nil
          }
          return Double(parts[2]).map { $0 / (1 - (marks[row.instrument_name] ?? 0) + put) }
        }
        forward = implied.sorted()[implied.count / 2]
      }
      var smile = try SmileQuotes(expiry: (expiry - now) / (365 * 86_400), forward: forward)
      for row in rows {
        let parts = row.instrument_name.split(separator: "-")
        let strike = try #require(Double(parts[2]))
        guard (parts[3] == "P") == (strike < forward) else { continue }
        try smile.add(
          strike: strike, bidPrice: row.bid_price.map { $0 * forward },
          askPrice: row.ask_price.map { $0 * forward },
          mark: row.mark_iv.map { $0 / 100 })
      }
      smiles.append(smile)
    }
    return smiles.sorted { $0.expiry < $1.expiry }
  }

  @Test(
    "a surface through the recorded chain is free of arbitrage and inside 95 % of the spreads",
    .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
  func recordedChain() throws {
    let smiles = try Self.recorded()
    #expect(smiles.count == 12)
    let surface = try VolatilitySurface(fitting: smiles)
    #expect(surface.slices.count == 12)
    #expect(surface.faults() == [])
    // A finer grid than the fit looked at, and wider.
    #expect(surface.faults(on: stride(from: -5, through: 5, by: 0.003).map { $0 }) == [])
    var (inside, liquid) = (0, 0)
    for (slice, smile) in zip(surface.slices, smiles) {
      for quote in smile.quotes {
        let volatility = try #require(slice.svi.volatility(at: quote.k, expiry: slice.expiry))
        let option = try Black76(
          quote.k < 0 ? .put : .call, forward: slice.forward, strike: quote.strike,
          expiry: slice.expiry,
          volatility: volatility)
        // Liquid: out of the money, quoted on both sides, with a delta of at least 5 %.
        guard let isInside = quote.holds(volatility), abs(try #require(option.greeks).delta) >= 0.05
        else { continue }
        liquid += 1
        if isInside { inside += 1 }
      }
    }
    #expect(liquid > 290)
    #expect(Double(inside) >= 0.95 * Double(liquid), "\(inside) of \(liquid)")
    print(
      "surface through the recorded chain: inside bid and ask of \(inside) of \(liquid) liquid quotes"
    )
    #expect(SmileQuotes.faults(in: smiles) == [])
  }

  @Test("refits a surface that quotes were made of, and fits others than it") func synthetic()
    throws
  {
    let form = try SSVI(rho: -0.3, eta: 1.1, gamma: 0.4)
    var smiles: [SmileQuotes] = []
    for (expiry, theta) in [(0.05, 0.008), (0.2, 0.03), (0.8, 0.11)] {
      var smile = try SmileQuotes(expiry: expiry, forward: 100)
      for strike in stride(from: 60.0, through: 160, by: 5) {
        let volatility = (form.totalVariance(at: log(strike / 100), theta: theta) / expiry)
          .squareRoot()
        try smile.add(strike: strike, bid: volatility - 0.005, ask: volatility + 0.005, mark: nil)
      }
      smiles.append(smile)
    }
    #expect(SmileQuotes.faults(in: smiles) == [])
    let surface = try VolatilitySurface(fitting: smiles)
    #expect(surface.faults() == [])
    for (slice, smile) in zip(surface.slices, smiles) {
      for quote in smile.quotes {
        #expect(
          quote.holds(try #require(slice.svi.volatility(at: quote.k, expiry: slice.expiry))) == true
        )
      }
    }
    let between = try #require(surface.volatility(at: 0, expiry: 0.5))
    let straight =
      surface.slices[1].svi.totalVariance(at: 0) + surface.slices[2].svi.totalVariance(at: 0)
    #expect(abs(between * between * 0.5 - 0.5 * straight) < 1e-12)
    #expect(
      surface.volatility(at: 0.1, expiry: 2)
        == surface.slices[2].svi.volatility(at: 0.1, expiry: 0.8))
    #expect(surface.volatility(at: 0, expiry: 0) == nil)
  }

  @Test("quotes of Vogt's smile have butterflies, and the surface fitted to them has none")
  func vogt() throws {
    let vogt = try RawSVI(a: -0.0410, b: 0.1331, rho: 0.3060, m: 0.3586, sigma: 0.4153)
    var smile = try SmileQuotes(expiry: 1, forward: 100)
    for place in -15...15 {
      let k = Double(place) / 10
      let volatility = try #require(vogt.volatility(at: k, expiry: 1))
      try smile.add(strike: 100 * exp(k), bid: volatility, ask: volatility, mark: nil)
    }
    let faults = SmileQuotes.faults(in: [smile])
    #expect(!faults.isEmpty)
    var butterflies = 0
    for fault in faults {
      switch fault {
      case .butterfly(_, let strikes, let gain):
        #expect(gain > 0 && strikes[1] > 100 * exp(0.6) && strikes[1] < 100 * exp(1.3))
        butterflies += 1
      // Where the density is negative for long enough, calls rise with the strike.
      case .vertical(_, let strikes, let gain): #expect(gain > 0 && strikes[0] > 100 * exp(0.3))
      case .calendar: Issue.record("\(fault)")
      }
    }
    #expect(butterflies > 2)
    #expect(try VolatilitySurface(fitting: [smile]).faults() == [])
    #expect(
      try VolatilitySurface([.init(expiry: 1, forward: 100, svi: vogt)]).faults().isEmpty == false)
  }

  @Test("finds vertical and calendar faults of quotes") func quoteFaults() throws {
    var early = try SmileQuotes(expiry: 0.25, forward: 100)
    var late = try SmileQuotes(expiry: 0.5, forward: 100)
    for strike in [90.0, 100, 110] {
      try early.add(strike: strike, bid: 0.8, ask: 0.82, mark: nil)
      try late.add(strike: strike, bid: 0.5, ask: 0.52, mark: nil)
    }
    let k = early.quotes.map(\.k)
    #expect(
      SmileQuotes.faults(in: [late, early]) == k.map { .calendar(k: $0, expiries: [0.25, 0.5]) })
    var steep = try SmileQuotes(expiry: 0.25, forward: 100)
    try steep.add(strike: 150, bid: 0.3, ask: 0.3, mark: nil)
    try steep.add(strike: 151, bid: 0.9, ask: 0.9, mark: nil)
    guard case .vertical(_, let strikes, _) = SmileQuotes.faults(in: [steep]).first else {
      Issue.record("no vertical fault")
      return
    }
    #expect(strikes == [150, 151])
  }

  @Test("refuses what is no surface") func refusals() throws {
    #expect(throws: OptionsError.surface(0)) { try VolatilitySurface([]) }
    #expect(throws: OptionsError.surface(0)) { try VolatilitySurface(fitting: []) }
    #expect(throws: OptionsError.expiry(0)) { try SmileQuotes(expiry: 0, forward: 1) }
    #expect(throws: OptionsError.forward(-1)) { try SmileQuotes(expiry: 1, forward: -1) }
    var smile = try SmileQuotes(expiry: 1, forward: 1)
    #expect(throws: OptionsError.strike(0)) { try smile.add(strike: 0, bid: 1, ask: 1, mark: 1) }
    try smile.add(strike: 1, bid: -1, ask: .nan, mark: nil)
    #expect(smile.quotes[0].middle == nil)
    let flat = try RawSVI(a: 0.1, b: 0, rho: 0, m: 0, sigma: 0.1)
    let slice = VolatilitySurface.Slice(expiry: 1, forward: 1, svi: flat)
    #expect(throws: OptionsError.surface(1)) { try VolatilitySurface([slice, slice]) }
  }
}
