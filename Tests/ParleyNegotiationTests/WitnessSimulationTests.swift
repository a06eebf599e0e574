import Testing

@testable import ParleyNegotiation

@Suite("Witness simulation")
struct WitnessSimulationTests {
  @Test(
    "whoever of the three crashes, all end with the same trades, and doubt ends without the owner", arguments: 0..<5)
  func agreement(block: Int) {
    var (trades, endedAlone) = (0, 0)
    for seed in UInt64(block) * 100..<UInt64(block) * 100 + 100 {
      let simulation = WitnessSimulation(seed: seed)
      simulation.run()
      trades += simulation.taker.session.trades.count
      endedAlone += simulation.endedAlone
      #expect(simulation.violations.isEmpty, "\(simulation.violations.first ?? "")")
    }
    #expect(trades > 5, "the runs of this block hardly trade")
    #expect(endedAlone > 0, "hardly a doubt of this block ends by the witness alone")
  }

  @Test(
    "a driver that breaks a rule is caught",
    arguments: [WitnessSimulation.Rule.answerBeforeDurable, .writeBeforeDurable, .backdatedWitness])
  func brokenRules(rule: WitnessSimulation.Rule) {
    let isCaught = (UInt64(0)..<800).contains { seed in
      let simulation = WitnessSimulation(seed: seed, rule: rule)
      simulation.run()
      return !simulation.violations.isEmpty
    }
    #expect(isCaught)
  }
}
