import Foundation
import Parley
import TestSupport
import Testing

/// A maker with limits and a taker, as processes.
final class DeskScene: @unchecked Sendable {
  let folder: URL
  let maker: RunningNode
  let taker: RunningNode

  private init(_ folder: URL, makerLimits: String?, takerLimits: String?, makerOptions: [String]) async throws {
    self.folder = folder
    taker = try await RunningNode(
      "taker", in: folder, endpoint: nil, ["up", "--marks", try Self.chain(folder), "--as-of", "chain"])
    let listener = try ListeningSocket()
    maker = try await RunningNode(
      "maker", in: folder, endpoint: "ws://\(listener.address)", listener: listener,
      [
        "maker", "--chain", try Self.chain(folder), "--as-of", "chain", "--quote-life", "50", "--allow", taker.longForm,
      ] + makerOptions)
    if let makerLimits { try await limit(maker, makerLimits) }
    if let takerLimits { try await limit(taker, takerLimits) }
    try await connect()
  }

  /// A chain of today: what has expired is held no more.
  private static let synthetic = try? SyntheticChain.bitcoin(
    asOf: UnixNanoseconds(UnixNanoseconds.now.rawValue / 1_000_000 * 1_000_000))

  /// A call at the money, some weeks from its expiry.
  static let instrument: String = {
    guard let synthetic, let day = synthetic.expiryDays.dropFirst(2).first else { return "none" }
    return "BTC-\(day.deribit)-96000-C"
  }()

  private static func chain(_ folder: URL) throws -> String {
    let file = folder.appending(path: "chain.json")
    if !FileManager.default.fileExists(atPath: file.path()) {
      guard let synthetic else { throw Failure("no chain") }
      try Data(synthetic.serialized()).write(to: file)
    }
    return file.path()
  }

  static func with(
    maker: String? = nil, taker: String? = nil, makerOptions: [String] = [],
    _ body: (DeskScene) async throws -> Void
  ) async throws {
    try await InteropTests.withFolder { folder in
      let scene = try await DeskScene(folder, makerLimits: maker, takerLimits: taker, makerOptions: makerOptions)
      try await body(scene)
      await scene.taker.stop()
      await scene.maker.stop()
    }
  }

  func limit(_ node: RunningNode, _ text: String) async throws {
    try Data(text.utf8).write(to: URL(filePath: node.home.limitsPath))
    _ = try await node.call("limits_reload")
  }

  func connect() async throws {
    for _ in 0..<100 {
      let answer = try? await taker.call("connect", ["did": .string(maker.longForm)])
      if answer?["synced"] == true { return }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw Failure("no connection\n\(maker.log)\n\(taker.log)")
  }

  func ask(_ amount: String, side: String = "buy") async throws -> JSONValue {
    try await taker.call(
      "rfq", ["instrument": .string(DeskScene.instrument), "amount": .string(amount), "side": .string(side)])
  }

  /// Asks and takes.
  func trade(_ amount: String) async throws -> JSONValue {
    let asked = try await ask(amount)
    let dialogue = try #require(asked["dialogue"], "\(asked.serialized())")
    return try await taker.call("accept", ["dialogue": dialogue])
  }

  /// The dialogue once it is as wanted, or as it is after a while.
  func dialogue(_ id: JSONValue?, _ isWanted: (JSONValue) -> Bool) async throws -> JSONValue {
    var found = JSONValue.null
    for _ in 0..<200 {
      let all = try await taker.call("quotes", ["all": true]).arrayValue ?? []
      found = all.first { $0["dialogue"] == id } ?? .null
      if isWanted(found) { return found }
      try await Task.sleep(for: .milliseconds(20))
    }
    return found
  }

  /// What the maker asks for, in an answer to `rfq`.
  static func ask(in quote: JSONValue) -> Double? { quote["theirs"]?["ask"]?.stringValue.flatMap(Double.init) }

  func refusals(_ node: RunningNode) async throws -> [String] {
    (try await node.call("refusals").arrayValue ?? []).map { row in
      ["limit", "act", "subject", "value", "bound"].compactMap { row[$0]?.stringValue }.joined(separator: " ")
    }
  }
}

@Suite("A desk's own protection, over real processes", .serialized)
struct DeskTests {
  @Test("a maker's limit stops the trade after the last that fits, and a restart does not forget what was traded")
  func size() async throws {
    try await DeskScene.with(maker: #"{"version":1,"size":{"all":"1"}}"#) { scene in
      #expect(try await scene.trade("0.6")["phase"] == "traded")
      let refused = try await scene.ask("0.5")
      #expect(refused["outcome"]?.stringValue == "rejected: LIMIT: limit 4: total-size", "\(refused.serialized())")
      #expect(try await scene.refusals(scene.maker) == ["total-size firmOffer  1.1 1"])
      await scene.maker.child.kill()
      try await scene.maker.restart()
      try await scene.connect()
      #expect(try await scene.ask("0.5")["outcome"]?.stringValue?.contains("total-size") == true)
      #expect(try await scene.refusals(scene.maker).count == 2)
      let uses = try await scene.maker.call("limits")["uses"]
      #expect(uses?[0]?["used"] == 0.6 && uses?[0]?["bound"] == 1, "\(uses?.serialized() ?? "")")
      // What is offered counts as much as what is traded.
      let offered = try await scene.ask("0.4")
      #expect(offered["theirs"]?["ask"]?.stringValue != nil)
      #expect(try await scene.maker.call("limits")["uses"]?[0]?["used"] == 1)
      #expect(try await scene.ask("0.1")["outcome"]?.stringValue?.contains("total-size") == true)
      // A firm offer that is live needs no further question.
      try scene.maker.home.setLimit("size.all", "0.1")
      _ = try await scene.maker.call("limits_reload")
      let dialogue = try #require(offered["dialogue"])
      #expect(try await scene.taker.call("accept", ["dialogue": dialogue])["phase"] == "traded")
    }
  }

  @Test("the kill switch takes every offer back, survives a restart, and is lifted")
  func kill() async throws {
    try await DeskScene.with { scene in
      let asked = try await scene.ask("1")
      #expect(asked["theirs"]?["ask"]?.stringValue != nil)
      let home = ["--home", scene.maker.home.folder.path()]
      let killed = try await CommandLineTests.parley(["kill", "--reason", "a test"] + home, in: scene.folder)
      #expect(killed.code == 0 && killed.text.contains("1 offers taken back, 0 held"), "\(killed)")
      let dead = try await scene.dialogue(asked["dialogue"]) { $0["theirs"] == .null }
      #expect(dead["theirs"] == .null)
      for _ in 0..<2 {
        #expect(try await scene.ask("1")["outcome"]?.stringValue == "rejected: KILLED: limit 12: kill-switch")
        await scene.maker.child.kill()
        try await scene.maker.restart()
        try await scene.connect()
      }
      let shown = try await CommandLineTests.parley(["limits"] + home, in: scene.folder)
      #expect(shown.text.contains("KILLED"), "\(shown)")
      #expect(try await CommandLineTests.parley(["kill", "--lift"] + home, in: scene.folder).code == 0)
      #expect(try await scene.trade("1")["phase"] == "traded")
    }
  }

  @Test("fills pull the quotes that are left, until the operator says so, across a restart")
  func protection() async throws {
    let limits = #"{"version":1,"protection":{"interval_s":60,"frozen_s":0,"fills":2}}"#
    try await DeskScene.with(maker: limits) { scene in
      let resting = try await scene.ask("1")
      #expect(try await scene.trade("0.1")["phase"] == "traded")
      #expect(try await scene.dialogue(resting["dialogue"]) { _ in true }["theirs"] != .null)
      #expect(try await scene.trade("0.1")["phase"] == "traded")
      let pulled = try await scene.dialogue(resting["dialogue"]) { $0["theirs"] == .null }
      #expect(pulled["theirs"] == .null, "\(scene.maker.log)")
      for _ in 0..<2 {
        let outcome = try await scene.ask("1")["outcome"]?.stringValue
        #expect(outcome == "rejected: PAUSED: limit 11: market-maker-protection")
        await scene.maker.child.kill()
        try await scene.maker.restart()
        try await scene.connect()
      }
      let reset = try await CommandLineTests.parley(
        ["mmp", "reset", "--home", scene.maker.home.folder.path()], in: scene.folder)
      #expect(reset.code == 0)
      #expect(try await scene.trade("0.1")["phase"] == "traded")
    }
  }

  @Test("what is held moves the quotes, and beyond the threshold the operator is told once to hedge")
  func inventory() async throws {
    try await DeskScene.with(makerOptions: ["--hedge-delta", "0.3", "--skew-delta", "20"]) { scene in
      func suggestions() -> [Substring] { scene.maker.log.split(separator: "\n").filter { $0.contains(" hedge ") } }
      let first = try await scene.ask("0.1")
      // A call at the money moves like half a unit, about.
      let small = try await scene.trade("0.1")
      #expect(small["phase"] == "traded", "\(small.serialized())")
      #expect(suggestions().isEmpty, "\(scene.maker.log)")
      for _ in 0..<2 {
        let large = try await scene.trade("1")
        #expect(large["phase"] == "traded", "\(large.serialized())")
      }
      for _ in 0..<100 where suggestions().isEmpty { try await Task.sleep(for: .milliseconds(20)) }
      let said = suggestions()
      #expect(said.count == 1, "\(scene.maker.log)")
      // Who sold calls is short, buys futures, and asks for more.
      #expect(said.first?.contains("underlying=BTC delta=-") == true, "\(said)")
      #expect(said.first?.contains(" futures=0.") == true, "\(said)")
      let later = try await scene.ask("0.1")
      #expect(try #require(DeskScene.ask(in: later)) > #require(DeskScene.ask(in: first)))
    }
  }

  @Test("offers are taken back when the client that steers the node is gone")
  func disconnect() async throws {
    try await DeskScene.with { scene in
      let asked = try await scene.ask("1")
      let loop = try EventLoop()
      defer { loop.shutDown() }
      let client = try UnixSocketClient.connect(to: scene.maker.home.controlSocket.path(), on: loop)
      let answer: [UInt8] = await withCheckedContinuation { continuation in
        loop.execute {
          client.start(onLine: { continuation.resume(returning: $0) }, onClose: { _ in })
          let line = #"{"jsonrpc":"2.0","id":1,"method":"cancel_on_disconnect","params":{"enabled":true}}"#
          client.send(line: Array(line.utf8))
        }
      }
      #expect(try JSONValue.parse(answer)["result"]?["enabled"] == true)
      #expect(try await scene.dialogue(asked["dialogue"]) { _ in true }["theirs"] != .null)
      loop.execute { client.close() }
      #expect(try await scene.dialogue(asked["dialogue"]) { $0["theirs"] == .null }["theirs"] == .null)
      // It is only the offers that are gone.
      #expect(try await scene.trade("1")["phase"] == "traded")
    }
  }

  @Test("who is denied, or of the same group, or asks too much, is told so")
  func counterparties() async throws {
    try await DeskScene.with { scene in
      let taker = try scene.taker.home.publicIdentity().did.string
      for (entry, outcome) in [
        (#""deny":["\#(taker)"]"#, "rejected: CPTY: limit 14: counterparty"),
        (#""allow":["did:key:z6MkOther"]"#, "rejected: CPTY: limit 14: counterparty"),
        (#""deny":[{"service":"ParleyNode"}],"own":["\#(taker)"]"#, "rejected: SELF_TRADE: limit 13: self-trade"),
      ] {
        try await scene.limit(scene.maker, #"{"version":1,\#(entry)}"#)
        #expect(try await scene.ask("1")["outcome"]?.stringValue == outcome)
      }
      try await scene.limit(scene.maker, #"{"version":1,"allow":["\#(taker)"],"credits":{"start":1,"trade":5}}"#)
      #expect(try await scene.ask("1")["theirs"]?["firm"] == true)
      let fishing = try await scene.ask("1")
      #expect(fishing["theirs"]?["firm"] == false, "\(fishing.serialized())")
      #expect(try await scene.refusals(scene.maker).last?.hasPrefix("credits") == true)
    }
  }

  @Test("a taker's own limits are asked before it asks, counters or takes")
  func taker() async throws {
    try await DeskScene.with(taker: #"{"version":1,"size":{"trade":"1"},"band":{"vol_points":2}}"#) { scene in
      func refusal(_ body: () async throws(ControlError) -> JSONValue) async -> String {
        do {
          return try await body().serialized()
        } catch {
          return error.message
        }
      }
      let instrument = JSONValue.string(DeskScene.instrument)
      let tooMuch = await refusal { () async throws(ControlError) in
        try await scene.taker.call("rfq", ["instrument": instrument, "amount": "1.1", "side": "buy"])
      }
      #expect(tooMuch.contains("trade-size: 1.1, the limit is 1"), "\(tooMuch)")
      let asked = try await scene.ask("1")
      let dialogue = try #require(asked["dialogue"])
      let dear = await refusal { () async throws(ControlError) in
        try await scene.taker.call("counter", ["dialogue": dialogue, "price": "0.9"])
      }
      #expect(dear.contains("price-band"), "\(dear)")
      try scene.taker.home.setLimit("band.vol_points", 0.5)
      _ = try await scene.taker.call("limits_reload")
      // The maker's spread is a whole point.
      let taken = await refusal { () async throws(ControlError) in
        try await scene.taker.call("accept", ["dialogue": dialogue])
      }
      #expect(taken.contains("price-band"), "\(taken)")
      // The owner is told at once, and the journal a moment later.
      for _ in 0..<100 where try await scene.refusals(scene.taker).count < 3 {
        try await Task.sleep(for: .milliseconds(20))
      }
      #expect(
        try await scene.refusals(scene.taker).map { $0.split(separator: " ").prefix(2).joined(separator: " ") }
          == ["trade-size request", "price-band firmOffer", "price-band accept"])
    }
  }

  @Test("limits are set by the command line, shown as bars, and a file that does not read is refused")
  func commands() async throws {
    try await DeskScene.with { scene in
      let home = ["--home", scene.maker.home.folder.path()]
      func run(_ words: [String]) async throws -> CommandLineTests.Run {
        try await CommandLineTests.parley(words + home, in: scene.folder)
      }
      #expect(try await run(["limits"]).text.contains("No limits are set"))
      #expect(try await run(["limits", "set", "size.all", "2"]).code == 0)
      #expect(try await run(["limits", "set", "exposure.BTC.vega.counterparty", "100000"]).code == 0)
      _ = try await scene.trade("1")
      let shown = try await run(["limits"])
      #expect(shown.text.contains("total-size                ██████████··········  1 of 2"), "\(shown.text)")
      #expect(shown.text.contains("counterparty-vega BTC"))
      let wrong = try await run(["limits", "set", "size.most", "2"])
      #expect(wrong.code == 1 && wrong.complaint.contains("size.most: is not known here"), "\(wrong)")
      #expect(try await run(["limits", "set", "exposure.BTC.vega.counterparty", "none"]).code == 0)
      #expect(try String(contentsOfFile: scene.maker.home.limitsPath, encoding: .utf8).contains("exposure") == false)
      _ = try await scene.ask("5")
      let refusals = try await run(["limits", "refusals"])
      #expect(refusals.text.contains("total-size  6 of 2  firmOffer"), "\(refusals.text)")
      try Data("{".utf8).write(to: URL(filePath: scene.maker.home.limitsPath))
      #expect(try await run(["limits", "reload"]).complaint.contains("not JSON"))
      #expect(try await scene.ask("5")["outcome"]?.stringValue?.contains("total-size") == true)
      // A node never starts with fewer limits than its owner wrote down.
      await scene.maker.stop()
      let start = try await run(["up"])
      #expect(start.code == 1 && start.complaint.contains("limits.json does not read"), "\(start)")
      try Data(#"{"version":1}"#.utf8).write(to: URL(filePath: scene.maker.home.limitsPath))
      #expect(try await run(["limits", "set", "size.all", "3"]).text.contains("No node is running here"))
    }
  }
}
