import CPlainOptions
import Measure
import ParleyOptions

/// What an implied volatility costs, and how exact it is, beside Newton's method on the textbook's formula in C.
@main
enum BenchImpliedVolatility {
  static func main() throws {
    // Out of the money, from a day to a year and a half, as far as 5 deviations out: what a chain quotes.
    var options: [Black76] = []
    for index in 0..<1024 {
      let expiry = 0.003 + Double(index * 11 % 64) / 42
      let volatility = 0.3 + Double(index * 7 % 32) / 32
      let distance = (Double(index * 37 % 256) / 128 - 1) * 5 * volatility * expiry.squareRoot()
      let strike = 76_090.65 * exponential(distance)
      options.append(
        try Black76(
          strike < 76_090.65 ? .put : .call, forward: 76_090.65, strike: strike, expiry: expiry, volatility: volatility)
      )
    }
    let quotes = options.map { ($0, $0.undiscountedPrice) }
    var next = 0
    func quote() -> (Black76, Double) {
      next = (next + 1) % quotes.count
      return quotes[next]
    }
    let newton = measure("Newton on the textbook price in C (the peer)") {
      let (option, price) = quote()
      return plain_implied_volatility(
        option.right == .call ? 1 : -1, price, option.forward, option.strike, option.expiry)
    }
    let ours = try measure("implied volatility") {
      let (option, price) = quote()
      return try Black76.impliedVolatility(
        option.right, undiscountedPrice: price, forward: option.forward, strike: option.strike, expiry: option.expiry)
    }
    let columns = OptionColumns(options)
    let prices = quotes.map(\.1)
    let chain = measure("implied volatilities of a column of 1,024") {
      columns.impliedVolatilities(undiscountedPrices: prices)
    }
    report("Implied volatility", against: newton, [ours, chain.each(of: columns.count, "  each")])

    var worst = (ours: 0.0, peer: 0.0)
    for (option, price) in quotes {
      let found = try Black76.impliedVolatility(
        option.right, undiscountedPrice: price, forward: option.forward, strike: option.strike, expiry: option.expiry)
      let peer = plain_implied_volatility(
        option.right == .call ? 1 : -1, price, option.forward, option.strike, option.expiry)
      worst.ours = max(worst.ours, abs(found / option.volatility - 1))
      worst.peer = max(worst.peer, abs(peer / option.volatility - 1))
    }
    print("  worst relative error: \(worst.ours), the peer's \(worst.peer)")
    let verdict = ours.nanoseconds < 300 ? "under" : "NOT under"
    print("  \(verdict) the 300 ns that \"Let's Be Rational\" takes in C++")
  }

  private static func exponential(_ x: Double) -> Double {
    var (term, sum) = (1.0, 1.0)
    for n in 1...60 {
      term *= x / Double(n)
      sum += term
    }
    return sum
  }
}
