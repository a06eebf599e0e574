import Foundation
import Parley

extension Command {
  static let repair = Command(
    name: "repair", summary: "Go on with a peer whose pair is frozen, together with its owner.", positionals: ["DID"],
    options: [.home, Option("--yes", "Agree without asking."), .wait, .json],
    notes: """
      Shows what is lost here and there, and asks. What a side signed binds it, trades too: the other side hands it back.
      An accept that was acknowledged, and whose verdict nobody has, is declined AMNESIA.
      Nothing happens before both owners have said so. A fork, an equivocation and a forgery cannot be repaired.
      """
  ) { arguments in
    let did = JSONValue.string(arguments.positionals[0])
    let wait = JSONValue.integer(try arguments.waitMilliseconds())
    let view = try await arguments.call("repair", ["did": did, "wait_ms": wait])
    if let code = view["obstacle"]?.stringValue {
      throw CommandFailure("\(code) cannot be repaired: what both hold must be settled by another way")
    }
    guard view["frozen"]?.stringValue != nil else {
      return arguments.show(view) { _ in ["The pair is not frozen: there is nothing to repair"] }
    }
    if !arguments.has("--yes") {
      for line in lines(view) { Terminal.complain(line) }
      guard isatty(STDIN_FILENO) == 1 else { throw UsageError("nobody is there to ask: say --yes to agree") }
      Terminal.complain("Agree? Type 'yes':")
      guard readLine() == "yes" else { throw CommandFailure("not agreed; nothing was changed") }
    }
    let result = try await arguments.call("repair", ["did": did, "confirm": true, "wait_ms": wait])
    arguments.show(result) { result in
      guard result["frozen"]?.stringValue != nil else { return ["Repaired: the pair goes on"] }
      return ["Agreed. It is repaired as soon as the other owner agrees and there is a channel."]
    }
  }
}

private func lines(_ view: JSONValue) -> [String] {
  func loss(_ key: String, _ whose: String) -> String {
    guard let loss = view[key], loss != .null else { return "not known: the other side has not said where it stands" }
    let (own, received) = (loss["own"]?.int64Value ?? 0, loss["received"]?.int64Value ?? 0)
    return own + received == 0 ? "nothing" : "\(own) of \(whose) own statements, \(received) of the other side's"
  }
  let agreement = view["agreed_by_peer"]?.boolValue.map { $0 ? "has agreed" : "has not agreed yet" } ?? "not heard"
  return [
    "Frozen with \(view["frozen"]?.stringValue ?? ""), found by \(view["by"]?.stringValue == "me" ? "this side" : "the other side")",
    "  lost here    \(loss("lost_here", "your"))", "  lost there   \(loss("lost_there", "its"))",
    "  other owner  \(agreement)",
  ]
}
