import Parley

/// A node's answers in words.
enum Rendering {
  /// One negotiation: what is asked, what is on offer, how it ended.
  static func dialogue(_ result: JSONValue) -> [String] {
    func text(_ key: String) -> String { result[key]?.stringValue ?? "" }
    var head = "\(text("dialogue").prefix(12))  \(text("instrument"))  \(text("side")) \(text("amount"))"
    head += "  with \(shortDID(text("peer")))  \(text("phase"))"
    var lines = [head]
    if let offer = result["theirs"], offer != .null { lines.append("  theirs  " + self.offer(offer)) }
    if let offer = result["mine"], offer != .null { lines.append("  mine    " + self.offer(offer)) }
    if let look = result["look"], look != .null {
      let (verb, amount) = (look["direction"]?.stringValue ?? "", look["amount"]?.stringValue ?? "")
      let wait = look["ends_in_ms"]?.int64Value ?? 0
      lines.append("  look    accepted: you would \(verb) \(amount); 'parley confirm' or 'decline' within \(wait) ms")
    }
    if let outcome = result["outcome"]?.stringValue { lines.append("  \(outcome)") }
    if let trade = result["trade"], trade != .null { lines.append("  " + self.trade(trade)) }
    return lines
  }

  /// What became of the offers to one peer when all were cancelled.
  static func cancelled(_ result: JSONValue) -> String {
    func count(_ key: String) -> Int { result[key]?.arrayValue?.count ?? 0 }
    let peer = shortDID(result["peer"]?.stringValue ?? "")
    if let why = result["refused"]?.stringValue { return "\(peer)  nothing cancelled: \(why)" }
    let isDeferred = result["deferred"]?.boolValue == true
    var line = "\(peer)  \(count("cancelled")) \(isDeferred ? "to be cancelled as soon as it is met" : "cancelled")"
    if count("held") > 0 { line += ", \(count("held")) held until their time" }
    if count("in_doubt") > 0 { line += ", \(count("in_doubt")) accepts in doubt: bound until they are decided" }
    return line
  }

  /// A need that was put to several: how much of it is filled, the offers, the best first, and what was not possible.
  static func group(_ result: JSONValue) -> [String] { group(result, withTimes: true) }

  /// The same, with how long each offer lives or without.
  static func group(_ result: JSONValue, withTimes: Bool) -> [String] {
    func text(_ key: String) -> String { result[key]?.stringValue ?? "" }
    func list(_ key: String) -> [JSONValue] { result[key]?.arrayValue ?? [] }
    var lines = [
      "group \(text("group"))  \(text("instrument"))  \(text("side")) \(text("amount"))",
      "  filled \(text("filled"))  in doubt \(text("in_doubt"))  on offer \(text("offered"))  free \(text("free"))",
    ]
    for (key, word) in [("bids", "bid"), ("asks", "ask")] {
      lines += list(key).map { "  \(word) \(quote($0, withTimes: withTimes))" }
    }
    if let blind = result["blind_ms"]?.int64Value, blind > 0 {
      lines.append(withTimes ? "  quotes are hidden for \(blind) ms" : "  quotes are hidden")
    }
    let waiting = list("dialogues").filter { $0["connected"] == false && $0["phase"]?.stringValue == "open" }
    lines += waiting.map { "  waiting for \(shortDID($0["peer"]?.stringValue ?? "")): it is not connected" }
    for failure in list("failed") {
      lines.append(
        "  not asked: \(shortDID(failure["peer"]?.stringValue ?? "")): \(failure["message"]?.stringValue ?? "")")
    }
    lines += list("taken").map(fill)
    if let rest = result["rest"]?.stringValue, rest != "0" { lines.append("  nobody was left for \(rest)") }
    return lines
  }

  /// Whether anything can still happen in a group.
  static func isOpen(group: JSONValue) -> Bool {
    group["dialogues"]?.arrayValue?.contains { ["open", "in doubt"].contains($0["phase"]?.stringValue ?? "") } ?? false
  }

  private static func quote(_ quote: JSONValue, withTimes: Bool) -> String {
    func text(_ key: String) -> String { quote[key]?.stringValue ?? "" }
    var parts = ["\(text("price")) for \(text("amount"))"]
    if text("least") != text("amount") { parts.append("at least \(text("least"))") }
    parts.append("\(text("mode"))  \(shortDID(text("peer")))  \(text("dialogue").prefix(12))")
    if withTimes { parts.append("\(quote["expires_in_ms"]?.int64Value ?? 0) ms") }
    return parts.joined(separator: "  ")
  }

  private static func fill(_ fill: JSONValue) -> String {
    func text(_ key: String) -> String { fill[key]?.stringValue ?? "" }
    if let trade = fill["trade"], trade != .null { return "  " + self.trade(trade) }
    let why = text("why").isEmpty ? "" : ": \(text("why"))"
    return "  \(text("state")) \(text("amount"))  with \(shortDID(text("peer")))\(why)"
  }

  /// One trade on one line.
  static func trade(_ trade: JSONValue) -> String {
    func text(_ key: String) -> String { trade[key]?.stringValue ?? "" }
    let verb = text("direction") == "buy" ? "bought" : "sold"
    return "\(text("trade").prefix(12))  \(verb) \(text("amount")) \(text("instrument")) at \(text("price"))"
      + "  with \(shortDID(text("counterparty")))  \(text("time"))"
  }

  /// A node, and its channels.
  static func status(_ status: JSONValue) -> [String] {
    let entries = status["entries"]?.int64Value ?? 0
    let channels = status["channels"]?.arrayValue ?? []
    return [
      status["did"]?.stringValue ?? "", "  listening  \(status["listen"]?.stringValue ?? "no: this node only calls")",
      "  journal    \(entries) entries",
    ]
      + (status["awaited"]?.arrayValue ?? []).compactMap(\.stringValue).map {
        "  signs nothing before it has met  \(shortDID($0))"
      }
      + (channels.isEmpty ? ["  channels   none"] : channels.flatMap(channel))
  }

  private static func channel(_ channel: JSONValue) -> [String] {
    let time = channel["round_trip_ms"]?.doubleValue.map { "round trip \($0) ms" } ?? "round trip not known yet"
    func direction(_ key: String) -> String {
      "\(channel[key]?["records"]?.int64Value ?? 0) records, \(channel[key]?["bytes"]?.int64Value ?? 0) bytes"
    }
    let (streams, epoch) = (channel["streams"]?.int64Value ?? 0, channel["sent"]?["epoch"]?.int64Value ?? 0)
    let clock =
      if let clock = channel["clock"], let offset = clock["offset_ms"]?.doubleValue,
        let bound = clock["bound_ms"]?.doubleValue
      {
        "its clock shows \(offset) ms more than this one, ± \(bound) ms"
      } else {
        "its clock is not measured yet"
      }
    return [
      "  channel    \(shortDID(channel["peer"]?.stringValue ?? ""))  \(time), \(streams) streams, epoch \(epoch)",
      "             \(clock)",
      "             sent \(direction("sent"))", "             received \(direction("received"))",
    ]
  }

  /// A DID as far as a person reads it.
  static func shortDID(_ did: String) -> String {
    did.count <= 28 ? did : "\(did.prefix(20))…\(did.suffix(6))"
  }

  private static func offer(_ offer: JSONValue) -> String {
    var parts: [String] = []
    if let bid = offer["bid"]?.stringValue { parts.append("bid \(bid)") }
    if let ask = offer["ask"]?.stringValue { parts.append("ask \(ask)") }
    if let amount = offer["amount"]?.stringValue { parts.append("for \(amount)") }
    if let milliseconds = offer["expires_in_ms"]?.int64Value {
      let mode =
        switch offer["mode"]?.stringValue {
        case "indicative": "indicative"
        case "last-look": "last look of \(offer["look_ms"]?.int64Value ?? 0) ms,"
        default: "firm"
        }
      parts.append(milliseconds > 0 ? "\(mode) for \(milliseconds) ms" : "expired")
    }
    if let state = offer["state"]?.stringValue { parts.append(state) }
    return parts.joined(separator: "  ")
  }
}
