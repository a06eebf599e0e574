import Testing

@testable import ParleyNegotiation

@Suite("Simulation")
struct SimulationTests {
  @Test("whatever crashes or is cut, both sides end with the same trades", arguments: 0..<15)
  func agreement(block: Int) {
    var trades = 0
    for seed in UInt64(block) * 100..<UInt64(block) * 100 + 100 {
      let simulation = Simulation(seed: seed)
      simulation.run()
      trades += simulation.taker.session.trades.count
      #expect(simulation.violations.isEmpty, "\(simulation.violations.first ?? "")")
    }
    #expect(trades > 10, "the runs of this block hardly trade")
  }

  @Test(
    "a journal restored to an earlier moment is repaired, and both sides end with the same trades", arguments: 0..<8)
  func repair(block: Int) {
    var (restorations, repairs, trades) = (0, 0, 0)
    for seed in UInt64(block) * 60..<UInt64(block) * 60 + 60 {
      let simulation = Simulation(seed: seed, restores: true)
      simulation.run()
      restorations += simulation.restorations
      repairs += simulation.repairs
      trades += simulation.taker.session.trades.count
      #expect(simulation.violations.isEmpty, "\(simulation.violations.first ?? "")")
    }
    #expect(restorations > 15 && repairs > 15 && trades > 1, "\(restorations), \(repairs), \(trades)")
  }

  @Test(
    "a driver that breaks a rule is caught",
    arguments: [
      Simulation.Rule.sendBeforeDurable, .acknowledgeBeforeDurable, .syncBeforeDurable, .splitTransactions, .lyingDisk,
    ])
  func brokenRules(rule: Simulation.Rule) {
    let isCaught = (UInt64(0)..<600).contains { seed in
      let simulation = Simulation(seed: seed, rule: rule)
      simulation.run()
      return !simulation.violations.isEmpty
    }
    #expect(isCaught)
  }
}
