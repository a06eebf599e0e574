import Foundation
import ParleySimulation
import Synchronization

/// Many worlds on several processors.
final class Campaign: Sendable {
  /// One processor's part; each takes the next block of seeds that nobody has.
  final class Worker: Sendable {
    /// The seed that is running, for the message of a crash.
    let seed = Atomic<UInt64>(0)
    let done = Atomic<UInt64>(0)
  }

  private struct Result {
    var tally = Tally()
    var failures: [(seed: UInt64, what: String)] = []
  }

  private static let blockSize: UInt64 = 32
  /// For the handler of signals, which can be given nothing.
  private static let running = Mutex<[Worker]>([])

  private let seeds: Range<UInt64>
  private let workers: [Worker]
  private let bug: PlantedBug?
  /// How many failures are looked for: of a planted bug, one.
  private let failureLimit: Int
  private let next: Atomic<UInt64>
  private let failureCount = Atomic<Int>(0)

  init(seeds: Range<UInt64>, workers: Int, bug: PlantedBug?) {
    self.seeds = seeds
    self.workers = (0..<workers).map { _ in Worker() }
    self.bug = bug
    failureLimit = bug == nil ? 10 : 1
    next = Atomic(seeds.lowerBound)
  }

  private var done: UInt64 { workers.reduce(0) { $0 + $1.done.load(ordering: .relaxed) } }

  /// Runs all worlds and says what came of it.
  ///
  /// - Returns: Whether nothing was wrong.
  func run() async -> Bool {
    nameSeedsOnCrash()
    let clock = ContinuousClock()
    let start = clock.now
    let progress = Task { await showProgress(since: start) }
    var result = Result()
    await withTaskGroup(of: Result.self) { group in
      for worker in workers { group.addTask { self.work(worker) } }
      for await part in group {
        result.tally.add(part.tally)
        result.failures += part.failures
      }
    }
    progress.cancel()
    await progress.value
    report(result, clock.now - start)
    return result.failures.isEmpty
  }

  private func work(_ worker: Worker) -> Result {
    var result = Result()
    while true {
      let start = next.add(Self.blockSize, ordering: .relaxed).oldValue
      guard start < seeds.upperBound else { break }
      for seed in start..<min(start + Self.blockSize, seeds.upperBound) {
        guard failureCount.load(ordering: .relaxed) < failureLimit else { return result }
        worker.seed.store(seed, ordering: .relaxed)
        let world = Simulation(seed: seed, bug: bug)
        if let violation = world.run() {
          result.failures.append((seed, violation))
          failureCount.add(1, ordering: .relaxed)
        }
        result.tally.add(world.tally)
        worker.done.add(1, ordering: .relaxed)
      }
    }
    return result
  }

  // MARK: Saying

  private func report(_ result: Result, _ time: Duration) {
    let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
    let tally = result.tally
    for failure in result.failures.sorted(by: { $0.seed < $1.seed }).prefix(failureLimit) {
      print("seed \(failure.seed): \(failure.what)")
      let option = bug.map { " --bug \($0)" } ?? ""
      print("  everything that happened in it: parley-simulation --replay \(failure.seed)\(option)")
    }
    print(
      """
      \(done) seeds from \(seeds.lowerBound) in \(Int(seconds)) s (\(Int(Double(done) / max(seconds, 0.001))) a second): \
      \(result.failures.count) failures
      \(tally.events) events, \(tally.frames) frames, \(tally.crashes) crashes, \(tally.trades) trades, \
      \(tally.declines) declined Accepts, \(tally.rejects) refused statements, \(tally.frozenPairs) frozen pairs
      \(tally.commands.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", "))
      """)
  }

  /// A line that is written over and over, where a person looks at it.
  private func showProgress(since start: ContinuousClock.Instant) async {
    guard isatty(STDERR_FILENO) == 1 else { return }
    while (try? await Task.sleep(for: .seconds(1))) != nil {
      let seconds = max(1, (ContinuousClock().now - start).components.seconds)
      let failures = failureCount.load(ordering: .relaxed)
      let text = "\r\(done) of \(seeds.count) seeds, \(done / UInt64(seconds)) a second, \(failures) failures "
      write(text)
    }
    write("\r\u{1B}[K")
  }

  private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

  /// A trap in the code under test ends the program: say first where it was.
  private func nameSeedsOnCrash() {
    Self.running.withLock { $0 = workers }
    for number in [SIGILL, SIGTRAP, SIGSEGV, SIGABRT] {
      signal(number) { number in
        signal(number, SIG_DFL)
        let seeds = Campaign.running.withLock { $0.map { String($0.seed.load(ordering: .relaxed)) } }
        let text = """

          the program crashes; it was running the seeds \(seeds.joined(separator: ", "))
            everything that happened in one of them: parley-simulation --replay SEED

          """
        FileHandle.standardError.write(Data(text.utf8))
      }
    }
  }
}
