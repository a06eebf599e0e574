import Parley

// The maker's desk by hand.
extension Command {
  static let quote = Command(
    name: "quote", summary: "Quote in a negotiation that was asked of you, or quote anew.", positionals: ["DIALOGUE"],
    options: [
      .home, Option("--bid", "PRICE", "What you pay, in the instrument's currency; of a package, the net."),
      Option("--ask", "PRICE", "What you sell at."), .amount,
      Option("--firm", "An accept in time is a trade: the default."),
      Option("--indicative", "Nobody can accept it."),
      Option("--look", "SECONDS", "Last look: you decide about an accept within so long, at most 2."),
      Option("--hold", "SECONDS", "You do not take it back for so long, at most 5; firm quotes only."),
      Option("--life", "SECONDS", "How long it lives: firm or with last look at most 60, default 10."),
      .clientOrderID, .json,
    ],
    notes: "A new quote takes the place of your live one. 'parley up --by-hand' leaves requests to you."
  ) { arguments in
    let modes = ["--firm", "--indicative", "--look"].filter { arguments.has($0) || arguments[$0] != nil }
    guard modes.count <= 1 else { throw UsageError("\(modes.joined(separator: " and ")) exclude each other") }
    guard arguments["--bid"] != nil || arguments["--ask"] != nil else {
      throw UsageError("'quote' needs --bid, --ask or both")
    }
    let mode = arguments["--look"] != nil ? "last-look" : arguments.has("--indicative") ? "indicative" : "firm"
    var parameters: JSONObject = ["dialogue": .string(arguments.positionals[0]), "mode": .string(mode)]
    for name in ["bid", "ask", "amount"] { parameters[name] = arguments["--" + name].map(JSONValue.string) }
    for (option, name) in [("--look", "look_ms"), ("--hold", "hold_ms"), ("--life", "life_ms")] {
      parameters[name] = try arguments.parse(option, "a number of seconds up to 3600") {
        Double($0).flatMap { (0...3_600).contains($0) ? .integer(Int64($0 * 1_000)) : nil }
      }
    }
    parameters["client_order_id"] = arguments["--client-order-id"].map(JSONValue.string)
    arguments.show(try await arguments.call("quote", parameters), Rendering.dialogue)
  }

  static let confirm = verdict(
    "confirm", "Confirm the accept of your last-look quote: then there is a trade.",
    notes: "Only within the look; after it the accept has lapsed.")

  static let decline = verdict(
    "decline", "Decline the accept of your last-look quote.",
    notes: "Who declines more than half of what it looks at is given no last looks for a day.")

  static let withdraw = verdict(
    "withdraw", "Ask for your accept of a last-look quote back.",
    notes: "It binds you until the other side's verdict all the same.")

  private static func verdict(_ name: String, _ summary: String, notes: String) -> Command {
    Command(
      name: name, summary: summary, positionals: ["DIALOGUE"], options: [.home, .clientOrderID, .wait, .json],
      notes: notes
    ) { arguments in
      var parameters: JSONObject = [
        "dialogue": .string(arguments.positionals[0]), "wait_ms": .integer(try arguments.waitMilliseconds()),
      ]
      parameters["client_order_id"] = arguments["--client-order-id"].map(JSONValue.string)
      arguments.show(try await arguments.call(name, parameters), Rendering.dialogue)
    }
  }
}
