/// Shapes and words of a drawing, as SVG.
struct SVGCanvas {
  let width: Double
  let height: Double
  private var body = ""

  init(width: Double, height: Double) {
    self.width = width
    self.height = height
  }

  /// The whole document.
  var document: String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" width="\(Self.number(width))" height="\(Self.number(height))" \
    viewBox="0 0 \(Self.number(width)) \(Self.number(height))" font-family="Helvetica, Arial, sans-serif">
    <rect width="100%" height="100%" fill="white"/>
    \(body)</svg>

    """
  }

  mutating func line(
    from: (Double, Double), to: (Double, Double), color: String, width: Double = 1, dash: String? = nil
  ) {
    let dashes = dash.map { " stroke-dasharray=\"\($0)\"" } ?? ""
    body += "<line x1=\"\(Self.number(from.0))\" y1=\"\(Self.number(from.1))\" x2=\"\(Self.number(to.0))\""
    body += " y2=\"\(Self.number(to.1))\" stroke=\"\(color)\" stroke-width=\"\(Self.number(width))\"\(dashes)/>\n"
  }

  mutating func path(
    _ points: [(Double, Double)], color: String, width: Double = 1, fill: String = "none", opacity: Double = 1
  ) {
    let places = points.map { "\(Self.number($0.0)),\(Self.number($0.1))" }.joined(separator: " ")
    body +=
      "<polyline points=\"\(places)\" fill=\"\(fill)\" fill-opacity=\"\(Self.number(opacity))\" stroke=\"\(color)\""
    body += " stroke-width=\"\(Self.number(width))\" stroke-linejoin=\"round\"/>\n"
  }

  mutating func circle(x: Double, y: Double, radius: Double, color: String) {
    body +=
      "<circle cx=\"\(Self.number(x))\" cy=\"\(Self.number(y))\" r=\"\(Self.number(radius))\" fill=\"\(color)\"/>\n"
  }

  mutating func rectangle(x: Double, y: Double, width: Double, height: Double) {
    body += "<rect x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" width=\"\(Self.number(width))\""
    body += " height=\"\(Self.number(height))\" fill=\"none\" stroke=\"#444\"/>\n"
  }

  mutating func text(
    _ words: String, x: Double, y: Double, size: Double = 12, anchor: String = "start", color: String = "#222",
    weight: String = "400"
  ) {
    // `&` first: the others bring more of it.
    let escaped = words.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    body += "<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" font-size=\"\(Self.number(size))\""
    body += " text-anchor=\"\(anchor)\" fill=\"\(color)\" font-weight=\"\(weight)\">\(escaped)</text>\n"
  }

  /// A coordinate with two decimals; 0 for what is no number.
  private static func number(_ value: Double) -> String { PlotAxis.text(value.isFinite ? value : 0, decimals: 2) }
}

/// An axis with round ticks: steps of 1, 2 or 5 times a power of ten.
struct PlotAxis {
  let from: Double
  let to: Double
  let step: Double

  /// Covers a range and a share of it more on both sides, with at most so many steps.
  init(from: Double, to: Double, atMost: Int, padding: Double) {
    let span = max(to - from, 1e-9 * max(abs(to), 1))
    self.from = from - padding * span
    self.to = to + padding * span
    var step = 1e-9
    let factors = [2, 2.5, 2]
    var turn = 0
    while span / step > Double(atMost) {
      step *= factors[turn % 3]
      turn += 1
    }
    self.step = step
  }

  /// The multiples of `step` in the range.
  var ticks: [Double] {
    var ticks: [Double] = []
    var tick = (from / step).rounded(.up) * step
    while tick <= to, ticks.count < 100 {
      ticks.append(tick)
      tick += step
    }
    return ticks
  }

  /// How far along the axis a value lies, 0 to 1.
  func share(_ value: Double) -> Double { (value - from) / (to - from) }

  /// A number with so many decimals.
  static func text(_ value: Double, decimals: Int) -> String {
    VolatilitySmileChart.text(value, decimals: decimals)
  }
}
