import Testing

@testable import ParleyNegotiation

@Suite("Repair simulation")
struct RepairSimulationTests {
  @Test(
    "a journal restored to an earlier moment is repaired, and both sides end with the same trades", arguments: 0..<8)
  func repair(block: Int) {
    var (restorations, repairs, trades) = (0, 0, 0)
    for seed in UInt64(block) * 60..<UInt64(block) * 60 + 60 {
      let simulation = RepairSimulation(seed: seed)
      simulation.run()
      restorations += simulation.restorations
      repairs += simulation.repairs
      trades += simulation.taker.session.trades.count
      #expect(simulation.violations.isEmpty, "\(simulation.violations.first ?? "")")
    }
    #expect(restorations > 15 && repairs > 15 && trades > 1, "\(restorations), \(repairs), \(trades)")
  }
}
