import Foundation
import Parley

extension Option {
  static let fingerprint = Option(
    "--fingerprint", "TEXT", "What the peer's owner says that its fingerprint is; a did:web is approved only with it.")
}

extension Command {
  static let peers = Command(
    name: "peers", summary: "List the peers of this node, let one in, deny one or forget one.",
    positionals: ["[ACTION]", "[DID]"],
    options: [.home, .fingerprint, .limit, .skip, .json],
    notes: """
      parley peers                 who was let in, who waits, with the fingerprints of their keys
      parley peers approve DID     let it in from now on, pinned to the keys that it has today
      parley peers deny DID        turn it away, and end its channel
      parley peers forget DID      take its pin away: the next contact is a first one
      parley peers waive DID       after LOST_SELF: sign again to others without waiting for it

      Compare the fingerprint with what its owner told you by another way: that is all that tells two servers apart.
      """
  ) { arguments in
    let action = arguments.positionals.first ?? "list"
    guard action != "list" else {
      guard arguments.positionals.count < 2 else { throw UsageError("'peers list' takes no DID") }
      return arguments.show(try await arguments.call("peers", arguments.page())) { list in
        let rows = (list.arrayValue ?? []).flatMap(peerLines)
        return rows.isEmpty ? ["nobody yet: 'parley connect DID' calls one"] : rows
      }
    }
    guard ["approve", "deny", "forget", "waive"].contains(action) else {
      throw UsageError("'peers' takes list, approve, deny, forget or waive, not '\(action)'")
    }
    guard arguments.positionals.count == 2 else { throw UsageError("'peers \(action)' needs DID") }
    var parameters: JSONObject = ["did": .string(arguments.positionals[1])]
    if action == "approve" { parameters["fingerprint"] = arguments["--fingerprint"].map(JSONValue.string) }
    let result = try await arguments.call(action, parameters)
    arguments.show(result) { result in
      switch action {
      case "approve":
        ["Approved \(result["did"]?.stringValue ?? "")", "  fingerprint  \(result["fingerprint"]?.stringValue ?? "")"]
      case "deny": ["Denied: it is turned away from now on"]
      case "waive":
        (result["awaited"]?.arrayValue ?? []).isEmpty
          ? ["Waived: nobody else is waited for"]
          : ["Waived; still waiting for"]
            + (result["awaited"]?.arrayValue ?? []).compactMap(\.stringValue).map { "  " + $0 }
      default: ["Forgotten: its next contact is a first one"]
      }
    }
  }

  static let rotate = Command(
    name: "rotate", summary: "Give this node's did:web new keys, which the old ones sign for.", positionals: [],
    options: [
      .home, Option("--finish", "Use the new keys from the next start on, once they are published."),
      Option("--post-quantum", "Have an ML-DSA-65 key too, where there was none."),
      .resolverCA, .resolverPrivate, .passphraseFile, .passphraseEnvironment, .json,
    ],
    notes: """
      1. 'parley rotate' makes new keys and leaves did.json and did-rotations.jsonl in the folder 'publish'.
      2. Copy both to the web server. Peers follow from there, also those that are connected.
      3. Stop the node, 'parley rotate --finish', start it. The old keystore stays beside the new one, under another name.
      """
  ) { arguments in
    let home = arguments.nodeHome
    let isFinish = arguments.has("--finish")
    let identity: PeerIdentity
    if isFinish {
      identity = try await home.finishRotation(arguments.resolver)
    } else {
      identity = try home.beginRotation(
        passphrase: arguments.passphrase.read(), postQuantum: arguments.has("--post-quantum"))
    }
    if arguments.has("--json") { return Terminal.print(NodeIdentity.describe(identity).serialized()) }
    Terminal.print(isFinish ? "The new keys are in place" : "Made new keys for \(identity.did.string)")
    Terminal.print("  fingerprint  \(KeyFingerprint(identity))")
    guard !isFinish else { return }
    Terminal.print("  publish      \(home.publishFolder.path())")
    Terminal.print("  as           \((try? DIDWeb.url(for: identity.did)) ?? "")")
    Terminal.print("  and          \((try? DIDWeb.rotationsURL(for: identity.did)) ?? "")")
    Terminal.print("then stop the node, run 'parley rotate --finish', and start it.")
  }
}

private func peerLines(_ peer: JSONValue) -> [String] {
  func text(_ name: String) -> String { peer[name]?.stringValue ?? "" }
  let state = peer["connected"]?.boolValue == true ? ", connected" : ""
  var lines = [
    "\(text("did"))", "  standing     \(text("standing"))\(state), since \(text("since"))",
    "  fingerprint  \(text("fingerprint"))",
  ]
  if let refused = peer["refused"] {
    let fingerprint = refused["fingerprint"]?.stringValue ?? ""
    lines.append(
      "  turned away  \(refused["count"]?.int64Value ?? 0) times, last \(refused["last"]?.stringValue ?? "")"
        + (fingerprint == text("fingerprint") ? "" : ", with the fingerprint \(fingerprint)"))
  }
  for view in peer["split_views"]?.arrayValue ?? [] {
    lines.append(
      "  split view   \(view["time"]?.stringValue ?? ""): "
        + (view["hashes"]?.arrayValue ?? []).compactMap(\.stringValue).map { $0.prefix(16) + "…" }.joined(
          separator: " against "))
  }
  return lines
}
