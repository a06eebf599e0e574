import Foundation
import ParleyMarket
import ParleyOptions
import ParleyWire
import Testing

@testable import ParleyNode

@Suite("What the analytics make of a chain")
struct ChainAnalyticsTests {
  private static func analytics() throws -> ChainAnalytics {
    ChainAnalytics(chain: try SyntheticChain.bitcoin(asOf: UnixNanoseconds(1_795_248_000_000_000_000)))
  }

  @Test("a table has a line a strike, and the Greeks of the marks") func table() throws {
    let analytics = try Self.analytics()
    let day = try #require(analytics.chain.expiryDays.last)
    let rows = analytics.rows(expiring: day)
    let forward = try #require(analytics.forward(expiring: day))
    #expect(rows.count * 2 == analytics.chain.summaries(expiring: day).count)
    let lines = ChainTable(analytics).lines(day)
    // The head, the names of the columns, the line at the forward, and the blank one.
    #expect(lines.count == rows.count + 4)
    for row in rows {
      let (call, put) = (try #require(row.callGreeks), try #require(row.putGreeks))
      #expect(abs(call.delta - put.delta - 1) < 1e-12 && call.gamma == put.gamma && call.vega == put.vega)
      let option = try Black76(
        .call, forward: forward, strike: row.strike, expiry: analytics.years(to: day),
        volatility: try #require(row.volatility))
      #expect(call == DeribitGreeks(option))
    }
    let cut = try #require(lines.firstIndex { $0.hasPrefix("----") })
    #expect(rows[cut - 3].strike <= forward && rows[cut - 2].strike > forward)
    let json = try #require(ChainTable(analytics).json([day]).arrayValue)
    #expect(json.count == rows.count * 2)
    #expect(json[0]["greeks"]?["delta"]?.doubleValue == rows[0].callGreeks?.delta)
  }

  @Test("a surface is fitted, reported and drawn") func surface() throws {
    let analytics = try Self.analytics()
    let smiles = Array(analytics.smiles.prefix(3))
    #expect(smiles.count == 3)
    let surface = try VolatilitySurface(fitting: smiles.map(\.quotes))
    let report = SurfaceReport(surface: surface, smiles: smiles)
    #expect(report.faults == [] && report.slices.count == 3)
    #expect(report.slices.allSatisfy { $0.liquid > 5 && $0.inside <= $0.liquid })
    #expect(report.lines.count == 6 && report.lines[4].hasPrefix("surface: no arbitrage"))
    #expect(report.json["slices"]?.arrayValue?.count == 3)

    let drawing = SurfacePlot(title: "a < b & c", surface: surface, smiles: smiles).svg()
    #expect(drawing.hasPrefix("<svg ") && drawing.hasSuffix("</svg>\n"))
    #expect(drawing.contains("a &lt; b &amp; c") && !drawing.contains("nan") && !drawing.contains("?"))
    // A curve a slice in space and in its panel, and its curtain; a panel's frame each.
    #expect(drawing.components(separatedBy: "stroke=\"#444\"/>").count - 1 == 3)
    for smile in smiles { #expect(drawing.contains(">\(smile.day.deribit)<")) }
    let marks = smiles.flatMap(\.quotes.quotes).filter { $0.mark != nil }.count
    #expect((20...marks + 1).contains(drawing.components(separatedBy: "<circle").count - 1))
  }

  @Test("an axis has round ticks inside its range") func axis() {
    let axis = PlotAxis(from: 0.334, to: 0.621, atMost: 6, padding: 0.05)
    #expect(axis.ticks.count >= 3 && axis.ticks.count <= 7)
    #expect(abs(axis.step - 0.05) < 1e-12)
    #expect(axis.ticks.allSatisfy { $0 >= axis.from && $0 <= axis.to })
    #expect(axis.share(axis.from) == 0 && axis.share(axis.to) == 1)
    #expect(PlotAxis(from: 1, to: 1, atMost: 5, padding: 0).ticks.count <= 7)
  }
}
