import Foundation
import Measure
import ParleyMarket
import ParleyNegotiation
import ParleyNode
import ParleyOptions
import ParleyWire

/// What exact wings cost: Black-76 against the formula of the textbook, which is wrong out there.
@main
enum BenchBlack76 {
  static func main() throws {
    // Prices from deep in the money to far out of it, so that no branch is learnt by heart.
    let options = try (0..<256).map { index in
      let strike = 40_000 + Double(index * 37 % 256) * 400
      let expiry = 0.003 + Double(index * 11 % 64) / 64
      let volatility = 0.3 + Double(index * 7 % 32) / 64
      return try Black76(
        index.isMultiple(of: 2) ? .call : .put, forward: 76_090.65, strike: strike, expiry: expiry,
        volatility: volatility)
    }
    let quoted = options.filter { $0.undiscountedPrice > 1e-6 && $0.right == ($0.strike < $0.forward ? .put : .call) }
    var next = 0
    func option(_ options: [Black76]) -> Black76 {
      next = (next + 1) % options.count
      return options[next]
    }
    let textbook = measure("textbook price, wrong in the wings (the peer)") { naive(option(options)) }
    let price = measure("price") { option(options).undiscountedPrice }
    let greeks = measure("price and eight Greeks") {
      let option = option(options)
      return (option.undiscountedPrice, option.greeks)
    }
    let prices = quoted.map { ($0, $0.undiscountedPrice) }
    let volatility = try measure("implied volatility") {
      next = (next + 1) % prices.count
      let (option, price) = prices[next]
      return try Black76.impliedVolatility(
        option.right, undiscountedPrice: price, forward: option.forward, strike: option.strike, expiry: option.expiry)
    }
    report("Black-76", against: textbook, [price, greeks, volatility])

    let now = UnixNanoseconds(1_795_248_000_000_000_000)
    let chain = try SyntheticChain.bitcoin(asOf: now)
    let maker = ChainMaker(chain: chain)
    let packages = try chain.summaries.map { row in
      [Leg(instrument: row.name.text, specHash: Hash256(try Instrument(listed: row.name).specHash)!)]
    }
    let bytes = chain.serialized()
    let perOption = measure("textbook price of both sides (the limit)") {
      (naive(option(options)), naive(option(options)))
    }
    let quote = try measure("quote an option by name, both sides") {
      next = (next + 1) % packages.count
      return try maker.quote(packages[next], lots: Lots(1), side: .twoWay, now: now)
    }
    report("Maker, \(packages.count) options", against: perOption, [quote])

    let parse = try measure("parse the JSON of a chain (the limit)") { try JSONValue.parse(bytes) }
    let read = try measure("read the chain") { try OptionChain(parsing: bytes) }
    report("Chain of \(packages.count) options", against: parse, [read])
  }

  /// F N(d1) - K N(d2) as the textbook has it.
  private static func naive(_ option: Black76) -> Double {
    let deviation = option.volatility * option.expiry.squareRoot()
    let d1 = log(option.forward / option.strike) / deviation + 0.5 * deviation
    let sign = option.right == .call ? 1.0 : -1.0
    func cumulative(_ d: Double) -> Double { 0.5 * erfc(-d * 0.5.squareRoot()) }
    return sign
      * (option.forward * cumulative(sign * d1) - option.strike * cumulative(sign * (d1 - deviation)))
  }
}
