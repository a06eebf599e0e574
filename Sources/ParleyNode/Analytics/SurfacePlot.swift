public import ParleyMarket
public import ParleyOptions

/// A volatility surface as a drawing: the fitted surface in space, and a panel an expiry with its quotes and its smile.
///
/// SVG 1.1 without scripts or outside references, for a browser or a printer.
public struct SurfacePlot: Sendable {
  /// What stands above it all.
  public let title: String
  /// The fitted surface.
  public let surface: VolatilitySurface
  /// The quotes that it was fitted to, by expiry.
  public let smiles: [(day: CivilDate, quotes: SmileQuotes)]

  private static let columns = 4
  private static let panel = (width: 340.0, height: 250.0)
  private static let spaceHeight = 470.0

  /// Prepares a drawing.
  ///
  /// - Parameters:
  ///   - title: What stands above it all.
  ///   - surface: The fitted surface.
  ///   - smiles: The quotes, by expiry.
  public init(title: String, surface: VolatilitySurface, smiles: [(day: CivilDate, quotes: SmileQuotes)]) {
    self.title = title
    self.surface = surface
    self.smiles = smiles
  }

  /// The drawing as SVG.
  public func svg() -> String {
    let panels = smiles.compactMap { item in
      surface.slices.first { $0.expiry == item.quotes.expiry }.map { (item.day, item.quotes, $0) }
    }
    let rows = (panels.count + Self.columns - 1) / Self.columns
    var canvas = SVGCanvas(
      width: Self.panel.width * Double(Self.columns) + 20,
      height: 60 + Self.spaceHeight + Self.panel.height * Double(rows) + 20)
    canvas.text(title, x: 24, y: 34, size: 20, weight: "600")
    drawLegend(in: &canvas)
    drawSpace(in: &canvas, panels.map { (day: $0.0, slice: $0.2) })
    for (place, item) in panels.enumerated() {
      let x = 10 + Double(place % Self.columns) * Self.panel.width
      let y = 60 + Self.spaceHeight + Double(place / Self.columns) * Self.panel.height
      drawSmile(item.0, item.1, item.2, color: Self.color(place, of: panels.count), x: x, y: y, in: &canvas)
    }
    return canvas.document
  }

  private func drawLegend(in canvas: inout SVGCanvas) {
    let right = canvas.width - 520
    canvas.line(from: (right, 22), to: (right, 38), color: "#555", width: 2)
    canvas.text("bid to ask", x: right + 10, y: 34)
    canvas.circle(x: right + 100, y: 30, radius: 2.6, color: "#c0392b")
    canvas.text("mark", x: right + 110, y: 34)
    canvas.line(from: (right + 160, 30), to: (right + 190, 30), color: "#2c7fb8", width: 2.4)
    canvas.text("fitted, free of arbitrage", x: right + 198, y: 34)
    canvas.line(from: (right + 370, 22), to: (right + 370, 38), color: "#888", width: 1, dash: "3 3")
    canvas.text("forward", x: right + 380, y: 34)
  }

  // MARK: One smile

  private func drawSmile(
    _ day: CivilDate, _ quotes: SmileQuotes, _ slice: VolatilitySurface.Slice, color: String, x: Double, y: Double,
    in canvas: inout SVGCanvas
  ) {
    let frame = (left: x + 46, top: y + 34, right: x + Self.panel.width - 12, bottom: y + Self.panel.height - 34)
    // As far as three and a half deviations: further out a point of volatility is worth next to nothing.
    let reach = 3.5 * (slice.svi.totalVariance(at: 0)).squareRoot()
    let shown = quotes.quotes.filter { abs($0.k) <= reach && $0.middle != nil }
    guard let first = shown.first, let last = shown.last, first.k < last.k else { return }
    let (from, to) = (first.k - 0.02 * reach, last.k + 0.02 * reach)
    let curve = (0...120).compactMap { step -> (k: Double, volatility: Double)? in
      let k = from + (to - from) * Double(step) / 120
      return slice.svi.volatility(at: k, expiry: slice.expiry).map { (k, $0) }
    }
    let levels = curve.map(\.volatility) + shown.compactMap(\.middle) + shown.compactMap(\.mark)
    let axis = PlotAxis(from: levels.min() ?? 0, to: levels.max() ?? 1, atMost: 6, padding: 0.06)
    func across(_ k: Double) -> Double { frame.left + (k - from) / (to - from) * (frame.right - frame.left) }
    func down(_ v: Double) -> Double {
      min(max(frame.bottom - axis.share(v) * (frame.bottom - frame.top), frame.top), frame.bottom)
    }

    let days = slice.expiry * 365
    canvas.text(day.deribit, x: frame.left, y: y + 24, size: 14, weight: "600")
    canvas.text(
      "\(PlotAxis.text(days, decimals: 1)) days, forward \(PlotAxis.text(slice.forward, decimals: 0))",
      x: frame.right, y: y + 24, anchor: "end", color: "#555")
    for tick in axis.ticks {
      canvas.line(from: (frame.left, down(tick)), to: (frame.right, down(tick)), color: "#e6e6e6")
      canvas.text(
        PlotAxis.text(tick * 100, decimals: axis.step < 0.01 ? 1 : 0) + "%", x: frame.left - 6, y: down(tick) + 4,
        anchor: "end",
        color: "#444")
    }
    let strikes = PlotAxis(from: first.strike, to: last.strike, atMost: 6, padding: 0)
    var free = -Double.infinity
    for tick in strikes.ticks where tick >= first.strike && tick <= last.strike {
      // The axis is in ln K: where a strike lies follows from the strikes around it. Labels keep their distance.
      guard let place = Self.place(of: tick, in: shown), across(place) >= free else { continue }
      free = across(place) + 38
      canvas.line(from: (across(place), frame.bottom), to: (across(place), frame.bottom + 4), color: "#444")
      canvas.text(Self.strike(tick), x: across(place), y: frame.bottom + 17, anchor: "middle", color: "#444")
    }
    canvas.line(from: (across(0), frame.top), to: (across(0), frame.bottom), color: "#888", dash: "3 3")
    canvas.rectangle(x: frame.left, y: frame.top, width: frame.right - frame.left, height: frame.bottom - frame.top)
    for quote in shown {
      if let bid = quote.bid, let ask = quote.ask {
        canvas.line(
          from: (across(quote.k), down(bid)), to: (across(quote.k), min(down(ask), down(bid) - 1.5)), color: "#555",
          width: 2)
      } else if let only = quote.ask ?? quote.bid {
        canvas.line(
          from: (across(quote.k) - 3, down(only)), to: (across(quote.k) + 3, down(only)), color: "#999", width: 1.5)
      }
      if let mark = quote.mark { canvas.circle(x: across(quote.k), y: down(mark), radius: 1.8, color: "#c0392b") }
    }
    canvas.path(curve.map { (across($0.k), down($0.volatility)) }, color: color, width: 2)
  }

  private static func place(of strike: Double, in quotes: [SmileQuotes.Quote]) -> Double? {
    guard let right = quotes.firstIndex(where: { $0.strike >= strike }) else { return nil }
    guard quotes[right].strike > strike, right > 0 else { return quotes[right].k }
    let (from, to) = (quotes[right - 1], quotes[right])
    return from.k + (strike - from.strike) / (to.strike - from.strike) * (to.k - from.k)
  }

  private static func strike(_ value: Double) -> String {
    value >= 1000
      ? PlotAxis.text(value / 1000, decimals: value.truncatingRemainder(dividingBy: 1000) == 0 ? 0 : 1) + "k"
      : PlotAxis.text(value, decimals: 0)
  }

  // MARK: The surface in space

  private func drawSpace(in canvas: inout SVGCanvas, _ panels: [(day: CivilDate, slice: VolatilitySurface.Slice)]) {
    let far = 0.6
    let steps = 48
    func volatility(_ slice: VolatilitySurface.Slice, _ k: Double) -> Double {
      slice.svi.volatility(at: k, expiry: slice.expiry) ?? 0
    }
    func ks(_ slice: VolatilitySurface.Slice) -> [Double] {
      // A slice is drawn as far as it means something: five deviations.
      let reach = min(far, 5 * slice.svi.totalVariance(at: 0).squareRoot())
      return (0...steps).map { -reach + 2 * reach * Double($0) / Double(steps) }
    }
    let levels = panels.flatMap { panel in ks(panel.slice).map { volatility(panel.slice, $0) } }
    let axis = PlotAxis(from: levels.min() ?? 0, to: levels.max() ?? 1, atMost: 7, padding: 0.03)
    let depthCount = Double(max(panels.count - 1, 1))
    // An oblique view: k to the right, later expiries back and to the right, volatility upwards.
    let (left, bottom) = (110.0, 60 + Self.spaceHeight - 50)
    func point(_ k: Double, _ depth: Double, _ level: Double) -> (Double, Double) {
      let back = depth / depthCount
      return (
        left + (k + far) / (2 * far) * 760 + back * 320, bottom - back * 165 - axis.share(level) * 245
      )
    }
    let floor = axis.from
    for tick in stride(from: -0.6, through: 0.61, by: 0.2) {
      canvas.line(
        from: point(tick, 0, floor), to: point(tick, depthCount, floor), color: abs(tick) < 0.01 ? "#999" : "#e0e0e0")
      let foot = point(tick, 0, floor)
      canvas.text(PlotAxis.text(tick, decimals: 1), x: foot.0, y: foot.1 + 18, anchor: "middle", color: "#444")
    }
    let middle = point(0, 0, floor)
    canvas.text("ln(strike / forward)", x: middle.0, y: middle.1 + 38, anchor: "middle")
    for tick in axis.ticks {
      let (near, back) = (point(-far, 0, tick), point(-far, depthCount, tick))
      canvas.path([near, back, point(far, depthCount, tick)], color: "#e6e6e6")
      canvas.text(
        PlotAxis.text(tick * 100, decimals: 0) + "%", x: near.0 - 8, y: near.1 + 4, anchor: "end", color: "#444")
    }
    let corner = point(-far, 0, axis.to)
    canvas.text("volatility", x: corner.0 - 8, y: corner.1 - 14, anchor: "end")
    // From the back to the front, so that near slices cover far ones.
    for (depth, panel) in panels.enumerated().reversed() {
      let color = Self.color(depth, of: panels.count)
      let line = ks(panel.slice).map { point($0, Double(depth), volatility(panel.slice, $0)) }
      if depth + 1 < panels.count {
        let next = panels[depth + 1]
        for (near, back) in zip(ks(panel.slice), ks(next.slice)).enumerated().filter({ $0.offset.isMultiple(of: 4) })
          .map(\.element)
        {
          canvas.line(
            from: point(near, Double(depth), volatility(panel.slice, near)),
            to: point(back, Double(depth + 1), volatility(next.slice, back)), color: "#b8c4cc", width: 0.8)
        }
      }
      let curtain =
        [point(ks(panel.slice)[0], Double(depth), floor)] + line
        + [point(ks(panel.slice)[steps], Double(depth), floor)]
      canvas.path(curtain, color: "none", fill: color, opacity: 0.05)
      canvas.path(line, color: color, width: 2.2)
      let label = point(far, Double(depth), floor)
      canvas.text(panel.day.deribit, x: label.0 + 12, y: label.1 + 4, size: 11, color: color)
    }
  }

  /// Colours from blue (soon) over green to red (late), dark enough for lines on white.
  private static func color(_ place: Int, of count: Int) -> String {
    let hue = 215 - 215 * Double(place) / Double(max(count - 1, 1))
    return "hsl(\(PlotAxis.text(hue, decimals: 0)), 65%, 42%)"
  }
}
