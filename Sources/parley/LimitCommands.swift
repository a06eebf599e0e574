import Parley

extension Command {
  static let limits = Command(
    name: "limits", summary: "Show what this node allows itself, and how much of it is used.", positionals: [],
    options: [.home, .json],
    notes: """
      The limits stand in limits.json in the node's home; docs/desk.md has every entry. Used is the worst that can come of
      what was traded, what is in doubt and what is offered.
      """
  ) { arguments in
    arguments.show(try await arguments.call("limits"), limitLines)
  }

  static let limitsSet = Command(
    name: "limits set", summary: "Set a limit, and have the running node take it.", positionals: ["NAME", "VALUE"],
    options: [.home, .json],
    notes: """
      For example: parley limits set exposure.BTC.delta.all 20
                   parley limits set deny '["did:key:z6Mk…"]'
      VALUE is JSON, or a text; 'none' takes the limit out. A file that would not read is not written.
      """
  ) { arguments in
    let (name, text) = (arguments.positionals[0], arguments.positionals[1])
    let value = (try? JSONValue.parse(Array(text.utf8))) ?? .string(text)
    try arguments.nodeHome.setLimit(name, text == "none" ? nil : value)
    do throws(ControlError) {
      arguments.show(try await arguments.call("limits_reload"), limitLines)
    } catch {
      guard error.isNodeAbsent else { throw error }
      arguments.show(["file": .string(arguments.nodeHome.limitsPath)]) { _ in
        ["Wrote \(arguments.nodeHome.limitsPath). No node is running here; the next one takes it."]
      }
    }
  }

  static let limitsReload = Command(
    name: "limits reload", summary: "Have the running node read limits.json, and its marks, again.", positionals: [],
    options: [.home, .json], notes: "What does not read is refused, and the limits stay as they are."
  ) { arguments in
    arguments.show(try await arguments.call("limits_reload"), limitLines)
  }

  static let limitsRefusals = Command(
    name: "limits refusals", summary: "Show what was not signed because of a limit.", positionals: [],
    options: [.home, .limit, .skip, .json], notes: "From the journal: nothing of it is lost by a restart."
  ) { arguments in
    let result = try await arguments.call("refusals", try arguments.page())
    arguments.show(result) { result in
      let rows = result.arrayValue ?? []
      return rows.isEmpty ? ["Nothing was refused."] : rows.map(refusalLine)
    }
  }

  static let kill = Command(
    name: "kill", summary: "Stop trading: take back every offer, and sign nothing that binds.", positionals: [],
    options: [
      .home, Option("--lift", "Let trading go on."), Option("--reason", "TEXT", "Why; it is kept in the journal."),
      .json,
    ],
    notes: """
      It survives restarts until it is lifted. Offers that are held stand until they may be taken back (five seconds at most),
      what was accepted stays accepted, and verdicts that are owed are given.
      """
  ) { arguments in
    if arguments.has("--lift") {
      return arguments.show(try await arguments.call("lift")) { _ in ["Trading goes on."] }
    }
    var parameters = JSONObject()
    parameters["reason"] = arguments["--reason"].map(JSONValue.string)
    arguments.show(try await arguments.call("kill", parameters)) { result in
      [
        "Trading is stopped: \(result["cancelled"]?.int64Value ?? 0) offers taken back, \(result["held"]?.int64Value ?? 0) held.",
        "'parley kill --lift' lets it go on.",
      ]
    }
  }

  static let protectionReset = Command(
    name: "mmp reset", summary: "Let quotes be made again after market-maker protection has pulled them.",
    positionals: [], options: [.home, .json], notes: ""
  ) { arguments in
    arguments.show(try await arguments.call("mmp_reset")) { _ in ["Quotes are made again."] }
  }

  // MARK: Lines

  private static func limitLines(_ result: JSONValue) -> [String] {
    var lines: [String] = []
    if result["killed"] == true { lines.append("KILLED: nothing that binds is signed until 'parley kill --lift'") }
    if let freeze = result["frozen"]?.objectValue {
      let until = freeze["until"]?.stringValue.map { "until \($0)" } ?? "until 'parley mmp reset'"
      lines.append("QUOTES PULLED \(until): too much \(freeze["cause"]?.stringValue ?? "")")
    }
    let uses = result["uses"]?.arrayValue ?? []
    lines += uses.map(useLine)
    if uses.isEmpty {
      lines.append(
        result["file"]?.objectValue == nil
          ? "No limits are set. 'parley limits set --help' sets one." : "Nothing is used.")
    }
    return lines
  }

  private static func useLine(_ use: JSONValue) -> String {
    let (used, bound) = (use["used"]?.doubleValue ?? 0, use["bound"]?.doubleValue ?? 0)
    let share = bound > 0 ? used / bound : used > 0 ? 1 : 0
    let filled = Int((min(1, max(0, share)) * 20).rounded())
    let bar = String(repeating: "█", count: filled) + String(repeating: "·", count: 20 - filled)
    let name = [use["limit"]?.stringValue, use["underlying"]?.stringValue].compactMap(\.self).joined(separator: " ")
    let pad = String(repeating: " ", count: max(1, 26 - name.count))
    let peer = use["peer"]?.stringValue.map { "  \(Rendering.shortDID($0))" } ?? ""
    return "\(name)\(pad)\(bar)  \(number(used)) of \(number(bound))\(peer)"
  }

  private static func number(_ value: Double) -> String {
    JSONValue.number((value * 1e6).rounded() / 1e6).serialized()
  }

  private static func refusalLine(_ row: JSONValue) -> String {
    func text(_ key: String) -> String { row[key]?.stringValue ?? "" }
    var line = "\(text("time"))  \(text("limit"))"
    if !text("subject").isEmpty { line += " (\(text("subject")))" }
    if !text("value").isEmpty { line += "  \(text("value"))" }
    if !text("bound").isEmpty { line += " of \(text("bound"))" }
    return line + "  \(text("act"))  with \(Rendering.shortDID(text("peer")))"
  }
}
