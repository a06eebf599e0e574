import ParleyMarket
import ParleyWire
import Testing

@testable import ParleyNode

@Suite("Volatility smile chart")
struct VolatilitySmileChartTests {
  private static let chain = Result { try SyntheticChain(asOf: UnixNanoseconds(1_795_248_000_000_000_000)).chain() }

  @Test("draws a smile") func smile() throws {
    let chain = try Self.chain.get()
    let day = try #require(CivilDate(deribit: "27NOV26"))
    let lines = VolatilitySmileChart(width: 60, height: 6).lines(chain, expiring: day)
    #expect(
      lines.joined(separator: "\n")
        == """
        BTC-27NOV26  6.0 d  forward 96,094.68  84 options
        65.6 ┤⠉⠒⠤⡀
             │   ⠈⠑⠒⠤⣀
             │        ⠉⠢⠤⣀
             │            ⠉⠒⠢⣄⡀                                    ⢀
             │                ⠈⠑⠒⠤⢄⡀                      ⢀⣀⣀⠤⠤⠔⠒⠉⠉⠁
        46.8 ┤                     ⠈⠉⠒⠒⠢⠤⠤⣀⣀⣀⣀⣀⣀⣀⣀⠤⠤⠤⠔⠒⠒⠊⠉⠉
             └────────────────────────┼─────────────────────────────
              83000                   F                       112000
        """)
  }

  @Test("fits every width and height") func sizes() throws {
    let chain = try Self.chain.get()
    for width in [0, 41, 1_000] {
      for height in [-1, 8, 100] {
        let chart = VolatilitySmileChart(width: width, height: height)
        #expect((40...200).contains(chart.width) && (3...40).contains(chart.height))
        for day in chain.expiryDays {
          let lines = chart.lines(chain, expiring: day)
          #expect(lines.count == chart.height + 3)
          #expect(lines.dropFirst().allSatisfy { $0.count <= chart.width && $0.last != " " })
        }
      }
    }
  }

  @Test("has nothing to draw without two strikes") func empty() throws {
    let chain = try Self.chain.get()
    let day = try #require(CivilDate(deribit: "27NOV26"))
    let chart = VolatilitySmileChart()
    #expect(chart.lines(chain, expiring: .earliest).isEmpty)
    let one = try OptionChain(Array(chain.summaries(expiring: day).prefix(2)))
    #expect(chart.lines(one, expiring: day).isEmpty)
    let blind = try OptionChain(
      chain.summaries.map {
        var row = $0
        row.markIV = nil
        return row
      })
    #expect(chart.lines(blind, expiring: day).isEmpty)
    // A flat smile is one line at the bottom.
    let flat = try OptionChain(
      chain.summaries.map {
        var row = $0
        row.markIV = 50
        return row
      })
    let lines = chart.lines(flat, expiring: day)
    #expect(lines[chart.height].contains("⣀⣀⣀⣀") && lines[1].hasSuffix("┤"))
  }

  @Test("puts every dot where Unicode has it") func dots() {
    var canvas = BrailleCanvas(columns: 1, rows: 1)
    canvas.drawLine(from: (0, 0), to: (0, 0))
    #expect(canvas.lines == ["⡀"])
    canvas.drawLine(from: (1, 1), to: (1, 1))
    #expect(canvas.lines == ["⡈"])
    canvas.drawLine(from: (0, 1), to: (0, 0))
    #expect(canvas.lines == ["⡏"])
    canvas.drawLine(from: (-5, 3), to: (-4, 9))
    #expect(canvas.lines == ["⡏"])
  }

  @Test(
    "writes numbers",
    arguments: [
      (0.0, "0.00"), (96_086.785, "96,086.79"), (1_234_567.891, "1,234,567.89"), (999.999, "1,000.00"),
      (-1234.5, "-1,234.50"),
      (1e300, "?"), (.nan, "?"),
    ])
  func numbers(value: Double, text: String) {
    #expect(VolatilitySmileChart.grouped(value) == text)
  }
}
