import Foundation
import Parley
import TestSupport
import Testing

/// Two nodes deal without pause while one of them, now this, now that, is killed as by a power failure.
@Suite("kill -9 of either node", .serialized)
struct KillTests {
  /// How often a node is killed; `PARLEY_KILLS` says otherwise for a quick run or a long one (`scripts/check kills`: 1,000).
  static let kills = ProcessInfo.processInfo.environment["PARLEY_KILLS"].flatMap(Int.init) ?? 200

  @Test("at random instants: nothing acknowledged is lost, and both hold the same trades")
  func kills() async throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    try await InteropTests.withFolder { folder in
      var run = try await KillRun(in: folder, seed: seed)
      do {
        try await run.killAgainAndAgain(Self.kills)
        try await run.settle()
        try await run.checkTrades()
        #expect(run.killed["maker", default: 0] >= Self.kills * 3 / 10)
        #expect(run.killed["taker", default: 0] >= Self.kills * 3 / 10)
      } catch {
        Issue.record("seed \(seed), after \(run.killed) kills: \(error)\n\(await run.story())")
      }
      await run.end()
    }
  }
}

/// A maker, a taker, a client who deals, and what has been seen of them.
private struct KillRun {
  private var random: SplitMix64
  private let kills: [String]
  private let taker: RunningNode
  private let maker: RunningNode
  private let load: TradingLoad
  private var ledgers: (taker: Ledger, maker: Ledger)
  /// How many statements of each node's its own logs say the other has acknowledged.
  private var logged = (taker: 0, maker: 0)
  private(set) var killed: [String: Int] = [:]

  init(in folder: URL, seed: UInt64) async throws {
    random = SplitMix64(seed: seed)
    let halves = (0..<KillTests.kills).map { $0 % 2 == 0 ? "taker" : "maker" }
    kills = halves.shuffled(using: &random)
    taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up", "--log-level", "debug"])
    let chain = folder.appending(path: "chain.json")
    let asOf = UnixNanoseconds(1_795_000_000_000_000_000)
    try Data(SyntheticChain.bitcoin(asOf: asOf).serialized()).write(to: chain)
    let listener = try ListeningSocket()
    maker = try await RunningNode(
      "maker", in: folder, endpoint: "ws://\(listener.address)", listener: listener,
      [
        "maker", "--chain", chain.path(), "--as-of", "chain", "--quote-life", "10", "--allow", taker.longForm,
        "--log-level", "debug",
      ])
    _ = try await taker.call("connect", ["did": .string(maker.longForm)])
    ledgers = (Ledger(of: taker), Ledger(of: maker))
    load = TradingLoad(taker: taker, maker: maker, instrument: InteropTests.instrument)
  }

  // MARK: Killing

  mutating func killAgainAndAgain(_ count: Int) async throws {
    await load.start(width: 3)
    for name in kills.prefix(count) {
      try await Task.sleep(for: .microseconds(Int.random(in: 0...60_000, using: &random)))
      let victim = name == "taker" ? taker : maker
      await victim.child.kill()
      killed[name, default: 0] += 1
      try await check(down: victim)
      try await victim.restart()
      // One life in four may end before the two have found each other again.
      if Int.random(in: 0..<4, using: &random) > 0 { try await synced(victim) }
    }
    for node in [taker, maker] { try await synced(node) }
  }

  /// Waits until a node that has just been started has its channel.
  private func synced(_ node: RunningNode) async throws {
    try await eventually("\(node.name) has its channel") {
      try await node.call("status")["connected"]?.arrayValue?.isEmpty == false
    }
  }

  private func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(120)
    while try await !condition() {
      guard ContinuousClock.now < deadline else { throw Failure("not within two minutes: \(what)") }
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  /// Checks all that was ever promised, while `victim` is down; the other goes on meanwhile.
  ///
  /// What was promised is read before what was kept.
  private mutating func check(down victim: RunningNode) async throws {
    let reported = await load.trades
    logged = (
      max(logged.taker, try acknowledged(taker.child.log)), max(logged.maker, try acknowledged(maker.child.log))
    )
    try ledgers.taker.read(verifying: victim === taker)
    try ledgers.maker.read(verifying: victim === maker)
    try checkStatements()
    for (order, trade) in reported where !ledgers.taker.identifiers.contains(trade) {
      throw Failure("the trade \(trade) of order \(order) was reported, and is not in the taker's journal")
    }
    if let contradiction = await load.contradictions.first { throw Failure(contradiction) }
  }

  private func checkStatements() throws {
    try ledgers.maker.check(
      against: ledgers.taker, acknowledged: max(logged.taker, ledgers.taker.acknowledged))
    try ledgers.taker.check(
      against: ledgers.maker, acknowledged: max(logged.maker, ledgers.maker.acknowledged))
  }

  /// How many statements a log says to be acknowledged; the log of a node that is well.
  private func acknowledged(_ log: String) throws -> Int {
    var count = 0
    // What stands behind the last newline was cut off.
    for line in log.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
      let words = line.split(separator: " ")
      guard words.count > 2 else { continue }
      switch words[2] {
      case "acknowledged":
        guard let n = words.last?.split(separator: "=").last.flatMap({ Int($0) }) else { throw Failure(String(line)) }
        count = max(count, n)
      case "frozen", "node-failed", "channel-fault", "channel-refused": throw Failure(String(line))
      default: break
      }
    }
    return count
  }

  // MARK: Afterwards

  /// Waits until nobody has anything more to say.
  mutating func settle() async throws {
    await load.stop()
    let deadline = ContinuousClock.now + .seconds(120)
    while true {
      try ledgers.taker.read(verifying: false)
      try ledgers.maker.read(verifying: false)
      let isAcknowledged = [ledgers.taker, ledgers.maker].allSatisfy { $0.acknowledged == $0.sent.count }
      if isAcknowledged, try await !isInDoubt(taker), try await !isInDoubt(maker) { break }
      guard ContinuousClock.now < deadline else { throw Failure("the nodes do not come to an end") }
      try await Task.sleep(for: .milliseconds(20))
    }
    try checkStatements()
    try #require(ledgers.taker.sent == ledgers.maker.received)
    try #require(ledgers.maker.sent == ledgers.taker.received)
  }

  private func isInDoubt(_ node: RunningNode) async throws -> Bool {
    try await node.call("quotes", ["limit": 500])
      .arrayValue?.contains { $0["phase"]?.stringValue == "in doubt" } ?? true
  }

  /// Both nodes hold the same trades, signed by both, and no order became two of them.
  func checkTrades() async throws {
    let trades = try await digests(taker)
    #expect(try await digests(maker) == trades)
    #expect(trades.count >= KillTests.kills / 5, "too few trades to prove anything")
    for ledger in [ledgers.taker, ledgers.maker] {
      #expect(try verifiedDigests(ledger) == trades, "by the statements in the journal of the \(ledger.name)")
    }
    try await checkOrders(trades)
    try await checkReceipts(trades)
    for node in [taker, maker] {
      await node.stop()
      try JournalReader(path: node.home.journal.path()).verify()
    }
  }

  /// The trades as a node tells them: the digests of their terms.
  private func digests(_ node: RunningNode) async throws -> [String: String] {
    var digests: [String: String] = [:]
    var trades: [JSONValue] = []
    while true {
      let page: JSONObject = ["limit": 500, "skip": .integer(Int64(trades.count))]
      guard let more = try await node.call("trades", page).arrayValue, !more.isEmpty else { break }
      trades += more
    }
    for trade in trades {
      let old = digests.updateValue(
        trade["terms_digest"]?.stringValue ?? "", forKey: trade["trade"]?.stringValue ?? "")
      #expect(old == nil, "the \(node.name) tells a trade twice: \(trade.serialized())")
    }
    return digests
  }

  /// The trades that the statements in a journal prove to a stranger.
  private func verifiedDigests(_ ledger: Ledger) throws -> [String: String] {
    let (own, peer) =
      try ledger.name == taker.name ? (identity(taker), identity(maker)) : (identity(maker), identity(taker))
    for statement in ledger.sent { #expect(try Envelope(statement).isSigned(by: own)) }
    for statement in ledger.received { #expect(try Envelope(statement).isSigned(by: peer)) }
    var digests: [String: String] = [:]
    for (dialogue, statements) in try ledger.dialogues() where dialogue != .pair {
      switch DialogueVerifier.verify(statements.map(\.bytes), own, peer) {
      case .traded(let trade): digests["\(trade.confirm)"] = "\(Terms.digest(of: trade.terms.encoded))"
      case .notTraded, .noAccept: #expect(!statements.contains { $0.isConfirm })
      case let verdict: Issue.record("the \(ledger.name)'s journal proves of \(dialogue): \(verdict)")
      }
    }
    return digests
  }

  private func identity(_ node: RunningNode) throws -> PeerIdentity { try node.home.publicIdentity() }

  /// Each order, however often it was given, is one dialogue and at most one trade, and what the client was told.
  private func checkOrders(_ trades: [String: String]) async throws {
    #expect(await load.contradictions.isEmpty)
    let dialogues = try ledgers.taker.dialogues()
    var requests: Set<DialogueID> = []
    for (name, n) in ledgers.taker.orders where name.hasSuffix("-rfq") {
      let dialogue = try Statement(ledgers.taker.sent[n - 1]).header.dialogue
      #expect(requests.insert(dialogue).inserted, "\(name)")
      let confirms = dialogues[dialogue]?.filter(\.isConfirm) ?? []
      #expect(confirms.count <= 1, "\(name) became \(confirms.count) trades")
    }
    for (number, trade) in await load.trades {
      #expect(trades[trade] != nil, "order \(number): the trade \(trade) was reported")
      let n = try #require(ledgers.taker.orders[TradingLoad.name(number, "rfq")])
      let dialogue = try Statement(ledgers.taker.sent[n - 1]).header.dialogue
      #expect(dialogues[dialogue]?.contains { $0.isConfirm && "\($0.id)" == trade } == true, "order \(number)")
    }
  }

  /// A stranger can verify the receipts, whoever issues them.
  private func checkReceipts(_ trades: [String: String]) async throws {
    for (index, trade) in trades.sorted(by: { $0.key < $1.key }).prefix(60).enumerated() {
      let issuer = index % 2 == 0 ? taker : maker
      let receipt = try await issuer.call("receipt", ["trade": .string(trade.key)])["receipt"]?.stringValue ?? ""
      let report = ReceiptVerifier.verify(Array(receipt.utf8))
      #expect(report.isTraded && report.json["terms_digest"]?.stringValue == trade.value, "\(report.verdict)")
    }
  }

  /// What happened lately, for whoever looks for the fault.
  func story() async -> String {
    let logs = [taker, maker].map { "\($0.name):\n" + $0.log.split(separator: "\n").suffix(60).joined(separator: "\n") }
    return "\(await load.refusals)\n" + logs.joined(separator: "\n")
  }

  func end() async {
    for node in [taker, maker] { await node.child.kill() }
    await load.stop()
  }
}
