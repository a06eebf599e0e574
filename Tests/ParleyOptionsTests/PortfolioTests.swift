import ParleyOptions
import Testing

@Suite("Portfolio")
struct PortfolioTests {
  private static func option(_ right: OptionRight, _ strike: Double, expiry: Double = 0.1) throws
    -> Black76
  {
    try Black76(right, forward: 100, strike: strike, expiry: expiry, volatility: 0.6)
  }

  @Test("sums what it holds") func exposure() throws {
    var portfolio = Portfolio()
    let (call, put) = (try Self.option(.call, 110), try Self.option(.put, 95))
    try portfolio.add(call, quantity: -2)
    try portfolio.add(put, quantity: 3)
    try portfolio.add(linear: 0.5, at: 100)
    let sum = portfolio.exposure
    let (c, p) = (try #require(call.greeks), try #require(put.greeks))
    func close(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-11 * max(abs(b), 1) }
    #expect(close(sum.value, 3 * put.price - 2 * call.price))
    #expect(
      close(sum.delta, 0.5 + 3 * p.delta - 2 * c.delta)
        && close(sum.gamma, 3 * p.gamma - 2 * c.gamma))
    #expect(close(sum.vega, 3 * p.vega - 2 * c.vega) && close(sum.theta, 3 * p.theta - 2 * c.theta))
    #expect(close(sum.rho, 3 * p.rho - 2 * c.rho))
    #expect(throws: OptionsError.quantity(.infinity)) {
      try portfolio.add(call, quantity: .infinity)
    }
    #expect(throws: OptionsError.quantity(.infinity)) {
      try portfolio.add(linear: .infinity, at: 1)
    }
    #expect(Portfolio().exposure.value == 0 && Portfolio().exposure.delta == 0)
  }

  @Test("gains of a grid are those of options priced anew") func scenarios() throws {
    var portfolio = Portfolio()
    try portfolio.add(try Self.option(.call, 105), quantity: -1)
    try portfolio.add(linear: 0.4, at: 100)
    let grid = try Scenario.grid(
      spots: [-0.2, 0, 0.2], volatilities: [0, 0.5], years: [0, 0.05, 0.1])
    #expect(
      grid.count == 18 && grid[1].spot == 0 && grid[3].volatility == 0.5 && grid[6].years == 0.05)
    let now = try Self.option(.call, 105).price
    for (scenario, gain) in zip(grid, portfolio.gains(in: grid)) {
      let then = try Black76(
        .call, forward: 100 * (1 + scenario.spot), strike: 105, expiry: 0.1 - scenario.years,
        volatility: 0.6 * (1 + scenario.volatility))
      #expect(abs(gain - (now - then.price + 40 * scenario.spot)) < 1e-10, "\(scenario)")
    }
    // Settled at expiry, the call is worth 15 at 120.
    #expect(
      abs(
        portfolio.gains(in: [try Scenario(spot: 0.2, volatility: 0, years: 9)])[0] - (now - 15 + 8))
        < 1e-10)
    #expect(throws: OptionsError.scenario(-1)) { try Scenario(spot: -1, volatility: 0) }
    #expect(throws: OptionsError.scenario(-2)) { try Scenario(spot: 0, volatility: -2) }
    #expect(throws: OptionsError.scenario(-3)) { try Scenario(spot: 0, volatility: 0, years: -3) }
  }

  @Test("margin is the worst loss and the contingency of what is short") func margin() throws {
    let rules = try MarginRules.standard()
    #expect(rules.scenarios.count == 27)
    var long = Portfolio()
    try long.add(try Self.option(.call, 100), quantity: 2)
    let held = rules.requirement(of: long)
    // A long option can lose what it is worth and no more.
    #expect(held.contingency == 0 && held.loss > 0 && held.margin <= long.exposure.value)
    #expect(held.worst == (try Scenario(spot: -0.16, volatility: -0.25)))
    var short = Portfolio()
    try short.add(try Self.option(.call, 100), quantity: -2)
    let sold = rules.requirement(of: short)
    #expect(sold.worst == (try Scenario(spot: 0.16, volatility: 0.5)))
    #expect(
      abs(sold.contingency - 0.006 * 200) < 1e-12 && sold.margin == sold.loss + sold.contingency)
    // Bought back, nothing is short.
    try short.add(try Self.option(.call, 100), quantity: 2)
    #expect(rules.requirement(of: short).margin < 1e-10)
    #expect(rules.requirement(of: Portfolio()).worst == nil)
    #expect(throws: OptionsError.scenario(-1)) { try MarginRules(scenarios: [], contingency: -1) }
  }

  @Test("hedges leave no delta, and no vega where options may be traded") func hedges() throws {
    var portfolio = Portfolio()
    try portfolio.add(try Self.option(.call, 110), quantity: -5)
    let plain = portfolio.deltaHedge
    #expect(
      plain.linear == -portfolio.exposure.delta && plain.options == [] && plain.left.delta == 0)
    let candidates = [try Self.option(.put, 90, expiry: 0.5), try Self.option(.call, 112)]
    let hedge = portfolio.vegaHedge(with: candidates)
    // The like option leaves less gamma than the long one.
    #expect(hedge.options.map(\.option) == [candidates[1]])
    var hedged = portfolio
    for position in hedge.options { try hedged.add(position.option, quantity: position.quantity) }
    try hedged.add(linear: hedge.linear, at: 100)
    let left = hedged.exposure
    #expect(
      abs(left.delta) < 1e-12 && abs(left.vega) < 1e-10
        && abs(left.gamma - hedge.left.gamma) < 1e-12)
    #expect(portfolio.vegaHedge(with: []) == plain)
    #expect(Portfolio().vegaHedge(with: candidates).options == [])
  }
}
