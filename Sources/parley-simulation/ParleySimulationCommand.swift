import Foundation
import ParleySimulation

/// Runs simulated worlds: see the help text.
///
/// `scripts/check negotiation-simulation` builds and calls this.
@main
struct ParleySimulationCommand {
  private static let help = """
    Simulates a taker and its makers over networks, disks and clocks that fail, a world from each seed.

    usage: parley-simulation [--seeds N] [--from SEED] [--workers N] [--bug NAME]
           parley-simulation --replay SEED [--bug NAME]

      --seeds N      how many worlds (10000)
      --from SEED    the first seed (0)
      --workers N    how many at once (one for each processor)
      --bug NAME     make this mistake on purpose: it should be found
      --replay SEED  run one world and print everything that happens in it
    """

  private var options: [String: String] = [:]

  static func main() async {
    let command = ParleySimulationCommand(Array(CommandLine.arguments.dropFirst()))
    exit(await command.run() ? 0 : 1)
  }

  private static func fail(_ text: String) -> Never {
    print("parley-simulation: \(text)\n\n\(help)")
    exit(2)
  }

  private init(_ arguments: [String]) {
    var arguments = arguments[...]
    while let name = arguments.popFirst() {
      if name == "--help" {
        print(Self.help)
        print("\n  bugs of this build: \(PlantedBug.all.map(\.description).joined(separator: ", "))")
        exit(0)
      }
      guard ["--seeds", "--from", "--workers", "--bug", "--replay"].contains(name) else {
        Self.fail("there is no option \(name)")
      }
      guard let value = arguments.popFirst() else { Self.fail("\(name) needs a value") }
      options[name] = value
    }
  }

  private func number(_ name: String, default value: UInt64) -> UInt64 {
    guard let text = options[name] else { return value }
    guard let number = UInt64(text) else { Self.fail("\(name) needs a number, not '\(text)'") }
    return number
  }

  private func run() async -> Bool {
    let bug = options["--bug"].map { name in
      guard let bug = PlantedBug(named: name) else { Self.fail("there is no bug \(name) in this build; see --help") }
      return bug
    }
    if options["--replay"] != nil { return replay(number("--replay", default: 0), bug) }
    let count = number("--seeds", default: 10_000)
    let first = number("--from", default: 0)
    guard !first.addingReportingOverflow(count).overflow else { Self.fail("--from and --seeds are too large") }
    let processors = UInt64(ProcessInfo.processInfo.activeProcessorCount)
    let workers = Int(min(64, max(1, number("--workers", default: processors))))
    return await Campaign(seeds: first..<first + count, workers: workers, bug: bug).run()
  }

  private func replay(_ seed: UInt64, _ bug: PlantedBug?) -> Bool {
    let world = Simulation(seed: seed, bug: bug) { print($0) }
    let violation = world.run()
    print("seed \(seed): \(violation ?? "nothing is wrong")")
    return violation == nil
  }
}
