import Foundation
import Parley

/// A taker in this process and a maker in another.
final class Party {
  /// How a number of deals went.
  struct Outcome {
    /// From the request until the trade was durable, in microseconds.
    let times: [Double]
    /// Trades a second.
    let rate: Double
    /// Microseconds of processor time a trade, in both processes.
    let cpu: Double
  }

  private let taker: Node
  private let maker: ChildProcess
  private let makerDID: String
  private let instrument: String

  /// Starts both and connects them.
  ///
  /// - Parameters:
  ///   - folder: Where both live.
  ///   - isSingle: Whether every submission to a journal is a transaction of its own.
  /// - Throws: What went wrong; nothing is left running that was not reached.
  init(_ folder: URL, isSingle: Bool) async throws {
    let socket = try ListeningSocket()
    let homes = try Self.makeHomes(folder, endpoint: "ws://\(socket.address)")
    let chain = try SyntheticChain.bitcoin(asOf: .now)
    try Data(chain.serialized()).write(to: homes.maker.folder.appending(path: "chain.json"))
    instrument = try Self.option(of: try Quoting.readChain(homes.maker.folder.appending(path: "chain.json").path()))
    makerDID = NodeIdentity.longForm(try homes.maker.publicIdentity())
    let terminal = FileHandle.standardError.fileDescriptor
    maker = try ChildProcess(
      program: URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().path(),
      arguments: [
        "--maker", homes.maker.folder.path(), try homes.taker.publicIdentity().did.string,
        isSingle ? "single" : "grouped",
      ],
      environment: ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" },
      standardInput: socket.descriptor, standardOutput: terminal, standardError: terminal)
    let signer = try homes.taker.openSigner(passphrase: Array(Self.passphrase.utf8))
    taker = try await Node.start(Self.configuration(homes.taker, isSingle), signer: signer)
    try await connect()
  }

  private static func makeHomes(_ folder: URL, endpoint: String) throws -> (taker: NodeHome, maker: NodeHome) {
    func home(_ name: String, _ endpoint: String?) throws -> NodeHome {
      let home = NodeHome(path: folder.appending(path: name).path())
      try home.initialize(
        try Keystore.create(
          passphrase: SecretBytes(copying: Array(passphrase.utf8)), endpoint: endpoint, cost: .minimum))
      return home
    }
    return (try home("taker", nil), try home("maker", endpoint))
  }

  private static func option(of chain: OptionChain) throws -> String {
    guard let option = chain.summaries.first(where: { ($0.markPrice ?? 0) > 0.01 }) else {
      throw Failure(answer: "no option is worth anything")
    }
    return option.name.text
  }

  /// Connects the two; the maker may still be reading its chain.
  private func connect() async throws {
    var attempts = 0
    while true {
      do {
        _ = try await taker.call("connect", ["did": .string(makerDID)])
        return
      } catch {
        attempts += 1
        guard attempts < 50 else { throw error }
        try await Task.sleep(for: .milliseconds(100))
      }
    }
  }

  /// Asks and accepts `count` times, `width` deals at a time.
  func deal(_ count: Int, width: Int) async throws -> Outcome {
    let before =
      try Self.processorTime(of: ProcessInfo.processInfo.processIdentifier)
      + Self.processorTime(of: maker.identifier)
    let clock = ContinuousClock()
    let start = clock.now
    let (taker, instrument, makerDID) = (taker, instrument, makerDID)
    let times = try await withThrowingTaskGroup(of: [Double].self) { group in
      for worker in 0..<width {
        group.addTask {
          var times: [Double] = []
          for _ in stride(from: worker, to: count, by: width) {
            times.append(
              try await clock.measure { try await Self.dealOnce(taker, instrument, makerDID) } / .microseconds(1))
            // The acknowledgements of the last deal should not meet the next one.
            if width == 1 { try await Task.sleep(for: .milliseconds(3)) }
          }
          return times
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    let took = start.duration(to: clock.now) / .seconds(1)
    let after =
      try Self.processorTime(of: ProcessInfo.processInfo.processIdentifier)
      + Self.processorTime(of: maker.identifier)
    return Outcome(times: times, rate: Double(count) / took, cpu: (after - before) * 1e6 / Double(count))
  }

  private static func dealOnce(_ taker: Node, _ instrument: String, _ maker: String) async throws {
    let asked = try await taker.call(
      "rfq",
      [
        "instrument": .string(instrument), "amount": "0.1", "side": "buy", "with": .string(maker), "wait_ms": 10_000,
      ])
    guard let dialogue = asked["dialogue"], asked["theirs"] != .null else { throw Failure(answer: asked.serialized()) }
    let answer = try await taker.call("accept", ["dialogue": dialogue, "wait_ms": 10_000])
    guard answer["trade"] ?? .null != .null else { throw Failure(answer: answer.serialized()) }
  }

  /// Ends both.
  func stop() async {
    await taker.stop()
    maker.kill()
    maker.wait()
  }

  // MARK: The other process

  /// Runs the maker until it is killed.
  static func runMaker(home: String, taker: String, isSingle: Bool) async throws {
    let home = NodeHome(path: home)
    var configuration = configuration(home, isSingle)
    configuration.listen = .descriptor(0)
    configuration.allowed = [try NodeIdentity.parseDID(taker)]
    let policy = MakerPolicy(maximumAmount: try ExactDecimal(parsing: "1000000"), valuation: .asOfChain)
    configuration.quoting = try Quoting(
      chainFile: home.folder.appending(path: "chain.json").path(), policy: policy, quoteLife: 30_000_000_000)
    let signer = try home.openSigner(passphrase: Array(passphrase.utf8))
    try await Node.start(configuration, signer: signer).runUntilStopped()
  }

  private static let passphrase = "not a secret"

  private static func configuration(_ home: NodeHome, _ isSingle: Bool) -> NodeConfiguration {
    var configuration = NodeConfiguration(home: home, log: .standardError(.error))
    configuration.limits.requestsPerMinute = 10_000_000
    configuration.limits.statementsPerSecond = 1_000_000
    configuration.limits.openDialogues = 256
    configuration.limits.acceptsInDoubt = 256
    if isSingle { configuration.journalLimits.entriesPerCommit = 1 }
    return configuration
  }

  /// Seconds of processor time that a process has used (proc(5), stat, fields 14 and 15).
  private static func processorTime(of process: Int32) throws -> Double {
    let text = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
    let fields = text[text.index(after: text.lastIndex(of: ")")!)...].split(separator: " ")
    return (Double(fields[11])! + Double(fields[12])!) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }
}

/// A deal that did not end in a trade.
struct Failure: Error {
  let answer: String
}
