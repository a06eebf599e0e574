import Foundation
import ParleySimulation
import Testing

/// Worlds of taker and makers in which everything fails that can.
///
/// `PARLEY_NEGOTIATIONS` says how many, `PARLEY_SEED` where the seeds begin; `scripts/check negotiation-simulation` runs a
/// million in a release build.
@Suite("Simulation")
struct SimulationTests {
  private static let environment = ProcessInfo.processInfo.environment
  private static let blocks = 16
  private static let count = environment["PARLEY_NEGOTIATIONS"].flatMap(UInt64.init) ?? 1_280
  private static let first = environment["PARLEY_SEED"].flatMap(UInt64.init) ?? 0

  @Test("whatever goes wrong, both sides end with the same trades", arguments: 0..<UInt64(blocks))
  func rest(block: UInt64) {
    var tally = Tally()
    let size = max(1, Self.count / UInt64(Self.blocks))
    for seed in Self.first + block * size..<Self.first + (block + 1) * size {
      let world = Simulation(seed: seed)
      let violation = world.run()
      #expect(violation == nil, "seed \(seed); to see it: parley-simulation --replay \(seed)")
      tally.add(world.tally)
    }
    guard size >= 40 else { return }
    #expect(tally.trades > 4 && tally.crashes > 4, "hardly anything happens: \(tally)")
  }

  @Test("a seed always gives the same world", arguments: [3, 63, 1_000] as [UInt64])
  func determinism(seed: UInt64) {
    func lines() -> [String] {
      var lines: [String] = []
      let world = Simulation(seed: seed) { lines.append($0) }
      _ = world.run()
      return lines
    }
    let first = lines()
    #expect(first.count > 20)
    #expect(first == lines())
  }

  #if PARLEY_RULE_BREAKS
    /// Each is found in the first few hundred of the 10,000 worlds that it has.
    @Test("a deliberate bug is found", arguments: PlantedBug.all)
    func plantedBugs(bug: PlantedBug) {
      let found = (UInt64(0)..<10_000).first { Simulation(seed: $0, bug: bug).run() != nil }
      #expect(found != nil)
      if let found { #expect(Simulation(seed: found).run() == nil, "seed \(found) fails without the bug too") }
    }
  #endif
}
