import Foundation
import Parley

extension Command {
  static let demo = Command(
    name: "demo", summary: "Watch two nodes that have never met trade a BTC option.", positionals: [],
    options: [
      Option("--chain", "FILE", "A recorded option chain; default a synthetic one, made from SVI parameters."),
      Option("--dir", "DIR", "Where the two nodes and the receipt are kept; default a new folder for temporary files."),
      Option("--post-quantum", "Give the maker an ML-DSA-65 key as well."),
      Option("--json", "End with one JSON object on standard output; the story goes to standard error."),
    ],
    notes: "Everything is real: two processes, their keys, sockets and journals. Nothing is left running."
  ) { arguments in
    let demo = try Demo(arguments)
    do {
      let result = try await demo.run()
      demo.stopNodes()
      if arguments.has("--json") { Terminal.print(result.serialized()) }
    } catch {
      demo.stopNodes()
      throw error
    }
  }
}

/// The demonstration: what `make demo` shows.
private final class Demo {
  private let folder: URL
  private let chainFile: URL
  private let chain: OptionChain
  private let postQuantum: Bool
  private let quiet: Bool
  private let passphrase = SystemRandom.bytes(16).hex
  private var nodes: [DemoNode] = []
  private var phases: [(name: String, milliseconds: Double)] = []

  init(_ arguments: Arguments) throws {
    quiet = arguments.has("--json")
    postQuantum = arguments.has("--post-quantum")
    folder =
      arguments["--dir"].map { URL(filePath: $0, directoryHint: .isDirectory) }
      ?? FileManager.default.temporaryDirectory.appending(path: "parley-demo-\(SystemRandom.bytes(4).hex)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    if let path = arguments["--chain"] {
      chainFile = URL(filePath: path)
    } else {
      chainFile = folder.appending(path: "chain.json")
      try Data(SyntheticChain.bitcoin(asOf: .now).serialized()).write(to: chainFile)
    }
    chain = try Quoting.readChain(chainFile.path())
  }

  /// Plays the whole story.
  ///
  /// - Returns: the object that `--json` ends with.
  func run() async throws -> JSONValue {
    say("Parley demo: two nodes that have never met trade a BTC option. Files in \(folder.path())")
    let picks = try pickOptions()
    say("")
    say("Chain: \(chainFile.lastPathComponent), \(chain.summaries.count) options as of \(chain.asOf.iso8601)")
    let day = picks[0].summary.expiryDay
    for line in VolatilitySmileChart().lines(chain, expiring: day) { say("  " + line) }

    let socket = try ListeningSocket()
    let makerDID = try await phase("make two identities") { try await makeIdentities(port: socket.address.port) }
    let taker = try await phase("start two processes") { try startNodes(socket) }
    let connected = try await phase("connect: prove both identities") {
      try await taker.call("connect", ["did": .string(makerDID)])
    }
    let connectMilliseconds = connected["connect_ms"]?.doubleValue ?? 0
    say("  hybrid post-quantum channel, both DIDs proved, in \(connectMilliseconds) ms")

    let start = ContinuousClock.now
    let trade = try await phase("ask, counter, accept") { try await tradeOne(picks[0], taker) }
    let tradeMicroseconds = Self.milliseconds(since: start) * 1_000
    try await phase("let a quote expire") { try await letExpire(picks[1], taker) }
    try await phase("be rejected") { try await beRejected(picks[2], taker) }
    let receipt = try await phase("take the receipt and verify it") { try await takeReceipt(trade, taker) }
    let tampered = try await phase("change one digit of a copy") { try tamper(receipt) }

    say("")
    say("How long each part took:")
    for (name, milliseconds) in phases { say("  \(Self.padded(milliseconds)) ms  \(name)") }
    return [
      "trade": trade, "receipt": .string(receipt.path()), "verified": true,
      "tampered_verified": .bool(tampered), "connect_ms": .number(connectMilliseconds),
      "rfq_to_trade_us": .integer(Int64(tradeMicroseconds)),
    ]
  }

  /// Ends both nodes; nothing is left running.
  func stopNodes() {
    for node in nodes { node.stop() }
    nodes = []
  }

  // MARK: The steps

  private func makeIdentities(port: UInt16) async throws -> String {
    let endpoint = "ws://127.0.0.1:\(port)"
    for (name, endpoint) in [("taker", nil), ("maker", endpoint as String?)] {
      let keystore = try NodeIdentity.make(
        endpoint: endpoint, postQuantum: postQuantum && name == "maker", passphrase: Array(passphrase.utf8))
      try home(name).initialize(keystore)
      say("  \(name)  \(Rendering.shortDID(keystore.did.string))  \(endpoint ?? "calls only")")
    }
    return NodeIdentity.longForm(try home("maker").publicIdentity())
  }

  private func startNodes(_ socket: ListeningSocket) throws -> DemoNode {
    let takerDID = try home("taker").publicIdentity().did.string
    let maker = try DemoNode(
      "maker", home: home("maker"), passphrase: passphrase,
      [
        "maker", "--chain", chainFile.path(), "--as-of", "chain", "--quote-life", "1", "--listen", "fd:0", "--allow",
        takerDID,
      ], standardInput: socket.descriptor)
    nodes.append(maker)
    let taker = try DemoNode("taker", home: home("taker"), passphrase: passphrase, ["up"])
    nodes.append(taker)
    say("  maker is process \(maker.identifier) on \(socket.address), taker is process \(taker.identifier)")
    return taker
  }

  private func tradeOne(_ option: ChainPricer.Appraisal, _ taker: DemoNode) async throws -> JSONValue {
    let name = option.instrument.name.text
    let asked = try await taker.call(
      "rfq", ["instrument": .string(name), "amount": "1", "side": "buy", "wait_ms": 5_000])
    let dialogue = try Self.text(asked, "dialogue")
    let quoted = try Self.offer(asked, "theirs")
    say("  rfq      buy 1 \(name)")
    say("  quote    \(quoted.ask)")
    // As far below the fair price as the maker asks above it.
    guard let fair = option.fairTicks, let ask = quoted.askTicks else { throw CommandFailure("no price for \(name)") }
    let bid = try option.instrument.price(Ticks(max(1, 2 * fair.rawValue - ask))).description
    let countered = try await taker.call(
      "counter", ["dialogue": .string(dialogue), "price": .string(bid), "wait_ms": 5_000])
    say("  counter  \(bid)")
    let improved = try Self.offer(countered, "theirs")
    say(
      "  quote    \(improved.ask)  (Black-76 at the mark IV of \(option.summary.markIV ?? 0) %: \(Self.rounded(option.fairPrice)))"
    )
    let accepted = try await taker.call("accept", ["dialogue": .string(dialogue), "wait_ms": 5_000])
    guard let trade = accepted["trade"], trade != .null else {
      throw CommandFailure("the maker did not confirm: \(accepted.serialized())")
    }
    say("  accept   confirmed: " + Rendering.trade(trade))
    return trade
  }

  private func letExpire(_ option: ChainPricer.Appraisal, _ taker: DemoNode) async throws {
    let name = option.instrument.name.text
    let asked = try await taker.call(
      "rfq", ["instrument": .string(name), "amount": "1", "side": "two-way", "wait_ms": 5_000])
    let quoted = try Self.offer(asked, "theirs")
    say("  rfq      two-way 1 \(name)")
    say("  quote    \(quoted.bid ?? "-") / \(quoted.ask), firm for \(quoted.milliseconds) ms")
    try await Task.sleep(for: .milliseconds(quoted.milliseconds + 20))
    let late: JSONObject = ["dialogue": .string(try Self.text(asked, "dialogue")), "side": "buy", "wait_ms": 5_000]
    guard let refusal = await taker.refusal("accept", late) else {
      throw CommandFailure("a quote that had expired was accepted")
    }
    say("  accept   refused, as it must be: \(refusal.message)")
  }

  private func beRejected(_ option: ChainPricer.Appraisal, _ taker: DemoNode) async throws {
    let name = option.instrument.name.text
    let asked = try await taker.call(
      "rfq", ["instrument": .string(name), "amount": "5000", "side": "sell", "wait_ms": 5_000])
    say("  rfq      sell 5000 \(name)")
    guard asked["phase"]?.stringValue == "closed", let outcome = asked["outcome"]?.stringValue else {
      throw CommandFailure("the maker should have rejected this: \(asked.serialized())")
    }
    say("  \(outcome)")
  }

  private func takeReceipt(_ trade: JSONValue, _ taker: DemoNode) async throws -> URL {
    let answer = try await taker.call("receipt", ["trade": .string(try Self.text(trade, "trade"))])
    let file = folder.appending(path: "receipt.json")
    try Data(try Self.text(answer, "receipt").utf8).write(to: file)
    let report = ReceiptVerifier.verify([UInt8](try Data(contentsOf: file)))
    for line in report.lines { say("  " + line) }
    guard report.isTraded else { throw CommandFailure("the receipt does not verify: \(report.verdict)") }
    return file
  }

  /// Changes one digit of the last statement in a copy of the receipt, and verifies the copy.
  private func tamper(_ receipt: URL) throws -> Bool {
    var object = try JSONValue.parse([UInt8](try Data(contentsOf: receipt)), limits: JSONLimits(byteCount: 8 << 20))
    guard var items = object["statements"]?.arrayValue, var last = items.last?.objectValue,
      var digits = last["statement"]?.stringValue.map({ Array($0.utf8) }), digits.count > 400
    else { throw CommandFailure("the receipt holds no statement to change") }
    digits[400] = digits[400] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
    last["statement"] = .string(String(decoding: digits, as: UTF8.self))
    items[items.count - 1] = .object(last)
    guard var members = object.objectValue else { throw CommandFailure("the receipt is not an object") }
    members["statements"] = .array(items)
    object = .object(members)
    let bytes = Array(object.serialized().utf8)
    let copy = folder.appending(path: "receipt-tampered.json")
    try Data(bytes).write(to: copy)
    let report = ReceiptVerifier.verify(bytes)
    say("  \(copy.lastPathComponent): \(report.verdict)")
    guard !report.isTraded else { throw CommandFailure("a changed receipt verified") }
    return report.isTraded
  }

  // MARK: Small parts

  /// Three options near the money: of those that still live, if any does, and not of the last day.
  private func pickOptions() throws -> [ChainPricer.Appraisal] {
    let pricer = ChainPricer(chain: chain, valuation: .asOfChain)
    let worthwhile = chain.summaries.compactMap { try? pricer.appraise($0.name.text, now: .now) }.filter { option in
      (option.fairTicks?.rawValue ?? 0) >= 20 && option.option.expiry > 1.0 / 365
    }
    let living = worthwhile.filter { ($0.instrument.expiry ?? .now) > .now }
    let picks = (living.isEmpty ? worthwhile : living).sorted { Self.distance($0) < Self.distance($1) }.prefix(3)
    guard picks.count == 3 else { throw CommandFailure("\(chainFile.path()) holds fewer than three options to trade") }
    return Array(picks)
  }

  /// How far from an option at the money with a month to live.
  private static func distance(_ option: ChainPricer.Appraisal) -> Double {
    let moneyness = abs(option.option.strike / option.option.forward - 1)
    return moneyness + abs(option.option.expiry - 30.0 / 365)
  }

  private func home(_ name: String) -> NodeHome { NodeHome(path: folder.appending(path: name).path()) }

  private func phase<T>(_ name: String, _ body: () async throws -> T) async throws -> T {
    say("")
    say("\(phases.count + 1). \(name)")
    let start = ContinuousClock.now
    let result = try await body()
    phases.append((name, Self.milliseconds(since: start)))
    return result
  }

  private func say(_ line: String) {
    if quiet { Terminal.complain(line) } else { Terminal.print(line) }
  }

  private static func text(_ value: JSONValue, _ key: String) throws -> String {
    guard let text = value[key]?.stringValue else {
      throw CommandFailure("the node's answer has no '\(key)': \(value.serialized())")
    }
    return text
  }

  private static func offer(
    _ answer: JSONValue, _ key: String
  ) throws -> (bid: String?, ask: String, askTicks: Int64?, milliseconds: Int64) {
    guard let offer = answer[key], let ask = offer["ask"]?.stringValue else {
      throw CommandFailure("no quote came: \(answer.serialized())")
    }
    return (
      offer["bid"]?.stringValue, ask, offer["ask_ticks"]?.int64Value, offer["expires_in_ms"]?.int64Value ?? 0
    )
  }

  private static func rounded(_ price: Double) -> String { String(format: "%.6f", price) }

  private static func milliseconds(since start: ContinuousClock.Instant) -> Double {
    (start.duration(to: .now) / .microseconds(1)).rounded() / 1_000
  }

  private static func padded(_ milliseconds: Double) -> String {
    let text = String(format: "%.1f", milliseconds)
    return String(repeating: " ", count: max(0, 8 - text.count)) + text
  }
}
