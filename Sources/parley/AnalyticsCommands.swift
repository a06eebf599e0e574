import Foundation
import Parley

extension Option {
  static let expiry = Option("--expiry", "DAY", repeatable: true, "Only this expiry, as in names: 26JUN26.")
}

extension Arguments {
  /// The chain that was named, and those of its expiries that were asked for.
  fileprivate func chain() throws -> (analytics: ChainAnalytics, days: [CivilDate]) {
    let chain = try Quoting.readChain(positionals[0])
    let wanted = try all("--expiry").map { text in
      guard let day = CivilDate(deribit: text.uppercased()), chain.expiryDays.contains(day) else {
        throw UsageError(
          "there is no expiry '\(text)' in \(positionals[0])",
          hint: "there are \(chain.expiryDays.map(\.deribit).joined(separator: ", "))")
      }
      return day
    }
    return (ChainAnalytics(chain: chain), wanted.isEmpty ? chain.expiryDays : wanted.sorted())
  }
}

extension Command {
  static let chain = Command(
    name: "chain", summary: "Print an option chain with its Greeks.", positionals: ["FILE"],
    options: [.expiry, .json],
    notes: """
      FILE is a reply of Deribit's get_book_summary_by_currency. Volatility is that of the mark, in points; the Greeks are
      Deribit's, at that volatility and the chain's own time: delta not adjusted for the premium, vega a point, theta a day,
      both in dollars. Prices are in units of the underlying.
      """
  ) { arguments in
    let (analytics, days) = try arguments.chain()
    if arguments.has("--json") {
      Terminal.print(ChainTable(analytics).json(days).serialized())
    } else {
      for day in days {
        for line in ChainTable(analytics).lines(day) { Terminal.print(line) }
      }
    }
  }

  static let surface = Command(
    name: "surface", summary: "Fit a volatility surface to an option chain, and draw it.", positionals: ["FILE"],
    options: [.expiry, Option("--plot", "FILE", "Draw smiles and surface into this file (SVG)."), .json],
    notes: """
      The surface is a raw SVI slice an expiry, free of butterfly and calendar arbitrage, as close to bid and ask as that
      allows. 'inside' counts the liquid quotes that it lies within: out of the money, two-sided, delta at least 5 %. Where
      the quotes themselves admit arbitrage, that is said.
      """
  ) { arguments in
    let (analytics, days) = try arguments.chain()
    let smiles = days.compactMap { day in analytics.smile(expiring: day).map { (day: day, quotes: $0) } }
    let surface: VolatilitySurface
    do {
      surface = try VolatilitySurface(fitting: smiles.map(\.quotes))
    } catch {
      throw CommandFailure(
        "no surface fits \(arguments.positionals[0]): \(error)", hint: "see 'parley chain' for what is quoted")
    }
    let report = SurfaceReport(surface: surface, smiles: smiles)
    if let path = arguments["--plot"] {
      let title = "\(analytics.chain.summaries[0].name.market) volatility, \(analytics.chain.asOf.iso8601.prefix(19))Z"
      let drawing = SurfacePlot(title: title, surface: surface, smiles: smiles).svg()
      do {
        try Data(drawing.utf8).write(to: URL(filePath: path), options: .atomic)
      } catch {
        throw CommandFailure("\(path) cannot be written", hint: "\(error.localizedDescription)")
      }
    }
    if arguments.has("--json") {
      Terminal.print(report.json.serialized())
    } else {
      for line in report.lines { Terminal.print(line) }
      if let path = arguments["--plot"] { Terminal.print("drawn in \(path)") }
    }
  }
}
