import Foundation
import Parley

extension Option {
  static let wait = Option("--wait", "SECONDS", "How long to wait for the other side's answer; default 5.")
  static let amount = Option("--amount", "AMOUNT", "Contracts, as on Deribit: 0.1 is the least for BTC options.")
  static let limit = Option("--limit", "N", "How many, the newest: 1 to 500, default 100.")
  static let skip = Option("--skip", "N", "Leave the newest N out.")
  static let clientOrderID = Option(
    "--client-order-id", "ID", "Your own name for this order: said twice, it is done once, and answered twice.")
}

extension Arguments {
  /// Sends one request to the node running in this home.
  func call(_ method: String, _ parameters: JSONObject = JSONObject()) async throws(ControlError) -> JSONValue {
    let progress = Task {
      for second in 1... {
        try await Task.sleep(for: .seconds(1))
        Terminal.progress("parley: \(method), \(second) s …")
      }
    }
    defer {
      progress.cancel()
      Terminal.endProgress()
    }
    return try await ControlClient(home: nodeHome).call(method, parameters)
  }

  /// How long the node is to wait for the other side, in milliseconds.
  func waitMilliseconds() throws(UsageError) -> Int64 {
    try parse("--wait", "a number of seconds up to 600") {
      Double($0).flatMap { (0...600).contains($0) ? Int64($0 * 1_000) : nil }
    } ?? 5_000
  }

  /// A time given in seconds, in milliseconds.
  func milliseconds(_ name: String, upTo limit: Double) throws(UsageError) -> Int64? {
    try parse(name, "a number of seconds up to \(Int(limit))") {
      Double($0).flatMap { (0...limit).contains($0) ? Int64($0 * 1_000) : nil }
    }
  }

  /// Which part of a list was asked for.
  func page() throws(UsageError) -> JSONObject {
    var parameters = JSONObject()
    parameters["limit"] = try parse("--limit", "a number from 1 to 500", Int64.init(_:)).map(JSONValue.integer)
    parameters["skip"] = try parse("--skip", "a number", Int64.init(_:)).map(JSONValue.integer)
    return parameters
  }

  /// Prints a node's answer: as JSON where that was asked for, else through `render`.
  func show(_ result: JSONValue, _ render: (JSONValue) -> [String]) {
    if has("--json") {
      Terminal.print(result.serialized())
    } else {
      for line in render(result) { Terminal.print(line) }
    }
  }
}

extension Command {
  static let connect = Command(
    name: "connect", summary: "Open a channel to a counterparty, and keep it open.", positionals: ["DID"],
    options: [.home, .json],
    notes: """
      A did:peer:4 must be given in its long form the first time. Naming a DID here is the approval of first contact:
      check it against what its owner told you by another way.
      """
  ) { arguments in
    let result = try await arguments.call("connect", ["did": .string(arguments.positionals[0])])
    arguments.show(result) { result in
      ["Connected to \(result["peer"]?.stringValue ?? "") in \(result["connect_ms"]?.doubleValue ?? 0) ms"]
    }
  }

  static let requestForQuote = Command(
    name: "rfq", summary: "Ask one or several counterparties for a quote.", positionals: ["INSTRUMENT"],
    options: [
      .home, .amount,
      Option("--side", "SIDE", "buy, sell or two-way; default two-way."),
      Option(
        "--with", "DIDS",
        "Whom to ask: a DID, several with commas between them, or all that are connected; needed where several are."),
      Option("--topic", "TOPIC", "Ask all connected peers that have declared it, such as option/BTC."),
      Option("--min", "AMOUNT", "The least to trade with one of them; default all."),
      Option("--blind", "SECONDS", "Hide quotes for so long, up to 5: until then nothing is countered or accepted."),
      Option("--life", "SECONDS", "How long the request lives, up to 3600; default 60."),
      Option("--witness", "DID", repeatable: true, "A witness that decides; of several the other side chooses."),
      .clientOrderID, .wait, .json,
    ],
    notes: """
      Several are one group: 'parley best' shows their offers in order, 'parley accept --group' takes the best ones, and in
      all no more than the amount is ever traded. A counterparty that is away is asked when it is back.
      For example: parley rfq BTC-27NOV26-100000-C --amount 1 --side buy
      Several at one price, with commas between them; - sells, 2* takes two of it:
        parley rfq BTC-27NOV26-100000-C,-2*BTC-27NOV26-110000-C --amount 1 --side buy
      """
  ) { arguments in
    guard let amount = arguments["--amount"] else { throw UsageError("'rfq' needs --amount") }
    var parameters: JSONObject = [
      "instrument": .string(arguments.positionals[0]), "amount": .string(amount),
      "side": .string(arguments["--side"] ?? "two-way"), "wait_ms": .integer(try arguments.waitMilliseconds()),
    ]
    let makers = arguments["--with"]?.split(separator: ",").map { JSONValue.string(String($0)) } ?? []
    parameters["with"] = makers.count > 1 ? .array(makers) : makers.first
    parameters["topic"] = arguments["--topic"].map(JSONValue.string)
    parameters["min_amount"] = arguments["--min"].map(JSONValue.string)
    parameters["blind_ms"] = try arguments.milliseconds("--blind", upTo: 5).map(JSONValue.integer)
    parameters["life_ms"] = try arguments.milliseconds("--life", upTo: 3_600).map(JSONValue.integer)
    let witnesses = arguments.all("--witness")
    if !witnesses.isEmpty { parameters["witnesses"] = .array(witnesses.map(JSONValue.string)) }
    parameters["client_order_id"] = arguments["--client-order-id"].map(JSONValue.string)
    let result = try await arguments.call("rfq", parameters)
    arguments.show(result, result["dialogues"] == nil ? Rendering.dialogue : Rendering.group)
  }

  static let quotes = Command(
    name: "quotes", summary: "Show the open negotiations and the offers in them.", positionals: [],
    options: [.home, Option("--all", "Show the closed ones too."), .limit, .skip, .json], notes: ""
  ) { arguments in
    var parameters = try arguments.page()
    parameters["all"] = .bool(arguments.has("--all"))
    let result = try await arguments.call("quotes", parameters)
    arguments.show(result) { result in
      let rows = result.arrayValue ?? []
      return rows.isEmpty ? ["Nothing is open. 'parley rfq' asks for a quote."] : rows.flatMap(Rendering.dialogue)
    }
  }

  static let counter = Command(
    name: "counter", summary: "Answer a quote with a price of your own.", positionals: ["DIALOGUE"],
    options: [
      .home, Option("--price", "PRICE", "In the instrument's currency: 0.0425; of a package, the net."), .amount,
      Option("--side", "SIDE", "buy or sell, where the request was two-way."),
      .clientOrderID, .wait, .json,
    ],
    notes: "A counter is firm: the other side may accept it while it lives. It kills the offer it answers."
  ) { arguments in
    guard let price = arguments["--price"] else { throw UsageError("'counter' needs --price") }
    var parameters: JSONObject = [
      "dialogue": .string(arguments.positionals[0]), "price": .string(price),
      "wait_ms": .integer(try arguments.waitMilliseconds()),
    ]
    parameters["amount"] = arguments["--amount"].map(JSONValue.string)
    parameters["side"] = arguments["--side"].map(JSONValue.string)
    parameters["client_order_id"] = arguments["--client-order-id"].map(JSONValue.string)
    arguments.show(try await arguments.call("counter", parameters), Rendering.dialogue)
  }

  static let accept = Command(
    name: "accept", summary: "Take the other side's live offer. This binds you.", positionals: ["[DIALOGUE]"],
    options: [
      .home, .amount, Option("--side", "SIDE", "buy or sell, where the request was two-way."),
      Option("--group", "GROUP", "Instead of DIALOGUE: take the best offers of several, one accept each."),
      Option("--limit", "PRICE", "With --group: the worst price to take."),
      Option("--all-or-none", "With --group: accept nothing unless the offers make up the amount."),
      .clientOrderID, .wait, .json,
    ],
    notes: """
      The trade exists once the other side has confirmed; until then you are in doubt: bound, and not yet traded.
      With --group each maker decides for itself: some may confirm and others decline, and what was declined is not tried
      elsewhere. Say it again for the rest.
      """
  ) { arguments in
    guard (arguments["--group"] == nil) == (arguments.positionals.count == 1) else {
      throw UsageError("'accept' needs DIALOGUE, or --group")
    }
    var parameters: JSONObject = ["wait_ms": .integer(try arguments.waitMilliseconds())]
    parameters["dialogue"] = arguments.positionals.first.map(JSONValue.string)
    parameters["group"] = arguments["--group"].map(JSONValue.string)
    parameters["limit"] = arguments["--limit"].map(JSONValue.string)
    if arguments.has("--all-or-none") { parameters["all_or_none"] = true }
    parameters["amount"] = arguments["--amount"].map(JSONValue.string)
    parameters["side"] = arguments["--side"].map(JSONValue.string)
    parameters["client_order_id"] = arguments["--client-order-id"].map(JSONValue.string)
    arguments.show(
      try await arguments.call("accept", parameters),
      arguments["--group"] == nil ? Rendering.dialogue : Rendering.group)
  }

  static let best = Command(
    name: "best", summary: "Show the best offers of several counterparties for one need.", positionals: ["GROUP"],
    options: [
      .home, Option("--watch", "Show them again whenever they change, until nothing is open."), .json,
    ],
    notes: """
      GROUP is the id that 'parley rfq' shows, or enough of its beginning. Offers that an accept may reach too late are out.
      """
  ) { arguments in
    let parameters: JSONObject = ["group": .string(arguments.positionals[0])]
    var shown: [String] = []
    repeat {
      let result = try await arguments.call("best", parameters)
      let lines = Rendering.group(result, withTimes: !arguments.has("--watch"))
      if lines != shown || !arguments.has("--watch") { arguments.show(result) { _ in lines } }
      shown = lines
      guard arguments.has("--watch"), Rendering.isOpen(group: result) else { return }
      try await Task.sleep(for: .milliseconds(250))
    } while true
  }

  static let cancel = Command(
    name: "cancel", summary: "Take back your live offer in a negotiation, or all of them.", positionals: ["[DIALOGUE]"],
    options: [.home, Option("--all", "Every live offer, to every peer."), .clientOrderID, .json],
    notes: """
      An offer that is held stands until its time, and an accept in doubt until its verdict.
      With --all, what cannot be signed yet since the node has not met the peer again is signed before anything of the
      peer's is taken in.
      """
  ) { arguments in
    if arguments.has("--all") {
      guard arguments.positionals.isEmpty else { throw UsageError("'cancel --all' takes no DIALOGUE") }
      let result = try await arguments.call("cancel", ["all": true])
      return arguments.show(result) { result in
        let lines = (result.arrayValue ?? []).map(Rendering.cancelled)
        return lines.isEmpty ? ["Nothing is live."] : lines
      }
    }
    guard let dialogue = arguments.positionals.first else { throw UsageError("'cancel' needs DIALOGUE, or --all") }
    var parameters: JSONObject = ["dialogue": .string(dialogue)]
    parameters["client_order_id"] = arguments["--client-order-id"].map(JSONValue.string)
    arguments.show(try await arguments.call("cancel", parameters), Rendering.dialogue)
  }

  static let pass = Command(
    name: "pass", summary: "End a negotiation without a trade.", positionals: ["DIALOGUE"],
    options: [.home, .json], notes: ""
  ) { arguments in
    let result = try await arguments.call("pass", ["dialogue": .string(arguments.positionals[0])])
    arguments.show(result, Rendering.dialogue)
  }

  static let trades = Command(
    name: "trades", summary: "Show what was traded.", positionals: [],
    options: [.home, .limit, .skip, .json], notes: ""
  ) { arguments in
    let result = try await arguments.call("trades", try arguments.page())
    arguments.show(result) { result in
      let rows = result.arrayValue ?? []
      return rows.isEmpty ? ["No trades yet."] : rows.map(Rendering.trade)
    }
  }

  static let status = Command(
    name: "status", summary: "Show how this node and its channels stand.", positionals: [], options: [.home, .json],
    notes: "A channel's round trip is measured through it, every 15 seconds."
  ) { arguments in
    arguments.show(try await arguments.call("status", [:]), Rendering.status)
  }

  static let receipt = Command(
    name: "receipt", summary: "Write the receipt of a trade, for anybody to verify.", positionals: ["TRADE"],
    options: [.home, Option("--out", "FILE", "Where to write it; default receipt-TRADE.json here."), .json],
    notes: "TRADE is an id that 'parley trades' shows, or enough of its beginning."
  ) { arguments in
    let result = try await arguments.call("receipt", ["trade": .string(arguments.positionals[0])])
    guard let text = result["receipt"]?.stringValue, let trade = result["trade"]?.stringValue else {
      throw CommandFailure("the node's answer held no receipt")
    }
    let path = arguments["--out"] ?? "receipt-\(trade.prefix(12)).json"
    do {
      try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
    } catch {
      throw CommandFailure("\(path) cannot be written: \(error.localizedDescription)")
    }
    arguments.show(["trade": .string(trade), "receipt": .string(path)]) { _ in
      ["Wrote \(path). Anybody can check it: parley verify \(path)"]
    }
  }

  static let verify = Command(
    name: "verify", summary: "Check a receipt, offline and without trusting anyone.", positionals: ["FILE"],
    options: [.json],
    notes: "Exit code 0 only when everything in the file holds and it proves a trade."
  ) { arguments in
    let path = arguments.positionals[0]
    guard let contents = FileManager.default.contents(atPath: path) else {
      throw CommandFailure("\(path) cannot be read")
    }
    let report = ReceiptVerifier.verify([UInt8](contents))
    arguments.show(report.json) { _ in report.lines }
    guard report.isTraded else { throw CommandFailure("\(path) proves no trade: \(report.verdict)") }
  }
}
