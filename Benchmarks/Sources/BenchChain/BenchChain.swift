import CPlainOptions
import Measure
import ParleyOptions

/// Price and five Greeks of a chain, beside plain loops in C over the same columns.
@main
enum BenchChain {
  static let count = 1_700

  static func main() throws {
    var rows: [[Double]] = [[], [], [], [], [], []]
    var columns = OptionColumns(capacity: count)
    for index in 0..<count {
      let expiry = 0.02 + Double(index * 11 % 64) / 64
      let volatility = 0.3 + Double(index * 7 % 32) / 64
      let strike = 76_090.65 * (0.6 + Double(index * 37 % 256) / 256)
      let option = try Black76(
        index.isMultiple(of: 2) ? .call : .put, forward: 76_090.65, strike: strike, expiry: expiry,
        volatility: volatility, rate: index.isMultiple(of: 3) ? 0.03 : 0)
      columns.append(option)
      let row = [
        option.forward, strike, expiry, volatility, option.rate, option.right == .call ? 1.0 : -1.0,
      ]
      for (place, value) in row.enumerated() { rows[place].append(value) }
    }
    // The C loops read and write plain memory that lives as long as the program.
    func column(_ values: [Double]) -> UnsafeMutablePointer<Double> {
      let memory = UnsafeMutablePointer<Double>.allocate(capacity: count)
      memory.initialize(from: values, count: count)
      return memory
    }
    let source = rows.map(column)
    let target = (0..<6).map { _ in column([Double](repeating: 0, count: count)) }
    let inputs = plain_inputs(
      forward: source[0], strike: source[1], expiry: source[2], volatility: source[3], rate: source[4],
      sign: source[5])
    let results = plain_results(
      price: target[0], delta: target[1], gamma: target[2], vega: target[3], theta: target[4], rho: target[5])

    var greeks = GreekColumns()
    let scalar = measure("scalar loop in C") { plain_greeks(count, inputs, results) }
    let ours = measure("ours") { columns.price(into: &greeks) }
    let each = ours.each(of: count, "price and five Greeks")
    let plain = scalar.each(of: count, "the same in C, one at a time")
    if vector_greeks(count, inputs, results) == 1 {
      let vector = measure("vector loop in C") { vector_greeks(count, inputs, results) }
      report(
        "A chain of \(count), each option",
        against: vector.each(of: count, "AVX2 and libmvec in C (the peer)"), [each, plain])
    } else {
      report("A chain of \(count), each option", against: plain, [each])
    }
    // A mark: every option's volatility from its slice, then price and Greeks.
    let slice = try RawSVI(a: 0.01, b: 0.1, rho: -0.3, m: 0.05, sigma: 0.2)
    let places = (0..<count).map { (k: Double($0 % 200) / 200 - 0.5, expiry: columns.expiries[$0]) }
    var marked = columns
    let mark = try measure("the whole chain marked to an SVI surface") {
      for (index, place) in places.enumerated() {
        try marked.setVolatility(slice.volatility(at: place.k, expiry: place.expiry) ?? 0, at: index)
      }
      marked.price(into: &greeks)
    }
    report("A mark of \(count) options", against: ours, [mark])
    print("  \(mark.nanoseconds < 100_000 ? "under" : "NOT under") the 100 us that a mark may take")
    columns.price(into: &greeks)
    var worst = 0.0
    for index in 0..<count { worst = max(worst, abs(greeks.price[index] - target[0][index])) }
    print("  greatest difference of a price from the peer's: \(worst)")
  }
}
