public import ParleyMarket

/// A plot of one expiry's smile in text: strikes to the right, volatility upwards.
///
///     BTC-27NOV26  6.0 d  forward 96,094.68  84 options
///     65.6 ┤⠉⠒⠤⡀
///          │   ⠈⠑⠒⠤⣀
///          │        ⠉⠢⠤⣀
///          │            ⠉⠒⠢⣄⡀                                    ⢀
///          │                ⠈⠑⠒⠤⢄⡀                      ⢀⣀⣀⠤⠤⠔⠒⠉⠉⠁
///     46.8 ┤                     ⠈⠉⠒⠒⠢⠤⠤⣀⣀⣀⣀⣀⣀⣀⣀⠤⠤⠤⠔⠒⠒⠊⠉⠉
///          └────────────────────────┼─────────────────────────────
///           83000                   F                       112000
///
/// Braille dots, two by four a character. Every line of the plot is at most `width` characters.
public struct VolatilitySmileChart: Hashable, Sendable {
  /// Characters a line, 40 to 200.
  public let width: Int
  /// Lines of the plot itself, 3 to 40.
  public let height: Int

  /// Sizes a chart; what is out of range is brought into it.
  public init(width: Int = 72, height: Int = 8) {
    self.width = min(max(width, 40), 200)
    self.height = min(max(height, 3), 40)
  }

  /// The lines of the chart.
  ///
  /// - Parameters:
  ///   - chain: The chain.
  ///   - day: One of its expiry days.
  /// - Returns: The lines; empty when fewer than two strikes of the day have a mark volatility.
  public func lines(_ chain: OptionChain, expiring day: CivilDate) -> [String] {
    let rows = chain.summaries(expiring: day)
    // A call and a put of one strike have one volatility; the out-of-the-money one is the one that trades.
    var points = [(strike: Double, volatility: Double)]()
    guard let first = rows.first, let forward = chain.forward(of: first) else { return [] }
    for row in rows where row.type == (row.strike.doubleValue < forward ? .put : .call) {
      if let volatility = row.markIV, volatility > 0 { points.append((row.strike.doubleValue, volatility)) }
    }
    guard let left = points.first, let right = points.last, left.strike < right.strike else { return [] }
    let lowest = points.map(\.volatility).min() ?? 0
    let highest = points.map(\.volatility).max() ?? 0
    let labels = (top: Self.text(highest, decimals: 1), bottom: Self.text(lowest, decimals: 1))
    let margin = max(labels.top.count, labels.bottom.count)
    let columns = width - margin - 2
    func column(_ strike: Double) -> Double { (strike - left.strike) / (right.strike - left.strike) }

    var canvas = BrailleCanvas(columns: columns, rows: height)
    let span = max(highest - lowest, 0.01)
    for (from, to) in zip(points, points.dropFirst()) {
      canvas.drawLine(
        from: (column(from.strike), (from.volatility - lowest) / span),
        to: (column(to.strike), (to.volatility - lowest) / span))
    }
    let days = OptionChain.years(from: chain.asOf, to: day.expiry) * 365
    var lines = [
      "\(first.name.market)-\(day.deribit)  \(Self.text(days, decimals: 1)) d"
        + "  forward \(Self.grouped(forward))  \(rows.count) options"
    ]
    for (index, row) in canvas.lines.enumerated() {
      let label = index == 0 ? labels.top : index == height - 1 ? labels.bottom : ""
      lines.append(Self.padded(label, to: margin) + (label.isEmpty ? " │" : " ┤") + row)
    }
    lines += axis(
      margin: margin, columns: columns, strikes: (left.strike, right.strike), forward: column(forward))
    return lines.map { line in String(line.reversed().drop { $0 == " " }.reversed()) }
  }

  /// The line below the plot, with the forward on it, and the strikes at its ends.
  private func axis(margin: Int, columns: Int, strikes: (Double, Double), forward: Double) -> [String] {
    var rule = [Character](repeating: "─", count: columns)
    let ends = (Self.text(strikes.0, decimals: 0), Self.text(strikes.1, decimals: 0))
    var names = [Character](repeating: " ", count: columns)
    for (place, character) in ends.0.enumerated() where place < columns { names[place] = character }
    for (place, character) in ends.1.enumerated() {
      let column = columns - ends.1.count + place
      if column > ends.0.count { names[column] = character }
    }
    if (0...1).contains(forward) {
      let column = min(Int(forward * Double(columns)), columns - 1)
      rule[column] = "┼"
      if names[max(column - 1, 0)...min(column + 1, columns - 1)].allSatisfy({ $0 == " " }) { names[column] = "F" }
    }
    let indent = String(repeating: " ", count: margin + 1)
    return [indent + "└" + String(rule), indent + " " + String(names)]
  }

  private static func padded(_ text: String, to count: Int) -> String {
    String(repeating: " ", count: max(0, count - text.count)) + text
  }

  /// A number with a fixed count of decimals, 0 to 9.
  static func text(_ value: Double, decimals: Int) -> String {
    let scale = (0..<decimals).reduce(into: Int64(1)) { scale, _ in scale *= 10 }
    guard value.magnitude < 1e18 / Double(scale) else { return "?" }
    let scaled = Int64((value * Double(scale)).rounded())
    let (whole, rest) = scaled.magnitude.quotientAndRemainder(dividingBy: UInt64(scale))
    let sign = scaled < 0 ? "-" : ""
    guard decimals > 0 else { return sign + String(whole) }
    let digits = String(rest)
    return sign + String(whole) + "." + String(repeating: "0", count: decimals - digits.count) + digits
  }

  /// A number with two decimals and a comma every three digits: 96,086.79.
  static func grouped(_ value: Double) -> String {
    let text = text(value, decimals: 2)
    guard let point = text.firstIndex(of: ".") else { return text }
    var grouped = ""
    for (place, digit) in text[..<point].reversed().enumerated() {
      if place > 0, place.isMultiple(of: 3), digit != "-" { grouped.append(",") }
      grouped.append(digit)
    }
    return String(grouped.reversed()) + text[point...]
  }
}

/// Dots in Braille characters: two across and four up in each.
struct BrailleCanvas {
  private let columns: Int
  private let rows: Int
  private var cells: [UInt8]

  init(columns: Int, rows: Int) {
    self.columns = columns
    self.rows = rows
    cells = [UInt8](repeating: 0, count: columns * rows)
  }

  /// Draws a line between two points of the unit square, the origin at the lower left.
  mutating func drawLine(from: (x: Double, y: Double), to: (x: Double, y: Double)) {
    let (width, height) = (Double(columns * 2 - 1), Double(rows * 4 - 1))
    let steps = max(abs(to.x - from.x) * width, abs(to.y - from.y) * height, 1).rounded(.up)
    for step in stride(from: 0, through: steps, by: 1) {
      let share = step / steps
      dot(
        x: Int(((from.x + (to.x - from.x) * share) * width).rounded()),
        y: Int(((from.y + (to.y - from.y) * share) * height).rounded()))
    }
  }

  private mutating func dot(x: Int, y: Int) {
    guard (0..<columns * 2).contains(x), (0..<rows * 4).contains(y) else { return }
    let fromTop = rows * 4 - 1 - y
    // Unicode numbers the dots down the left column 1 2 3 7, down the right one 4 5 6 8.
    let bits: [UInt8] = x.isMultiple(of: 2) ? [0x01, 0x02, 0x04, 0x40] : [0x08, 0x10, 0x20, 0x80]
    cells[fromTop / 4 * columns + x / 2] |= bits[fromTop % 4]
  }

  /// The rows from the top.
  var lines: [String] {
    (0..<rows).map { row in
      var line = ""
      for cell in cells[row * columns..<(row + 1) * columns] {
        line.unicodeScalars.append(Unicode.Scalar(0x2800 + UInt32(cell)) ?? " ")
      }
      return String(line.map { $0 == "\u{2800}" ? " " : $0 })
    }
  }
}
