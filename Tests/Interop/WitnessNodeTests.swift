import Foundation
import Glibc
import Parley
import TestSupport
import Testing

/// Three nodes as their owners run them: a maker, a taker, and the witness of their offers.
@Suite("A witness", .serialized)
struct WitnessNodeTests {
  private struct Scene {
    let maker: RunningNode
    let taker: RunningNode
    let dialogue: String

    /// A maker and a taker that know each other, and a quote that the witness decides about.
    init(in folder: URL, witness: String) async throws {
      let shortForm = try DID(parsing: witness).shortForm.string
      maker = try await InteropTests.maker(in: folder, more: ["--quote-life", "5", "--witness", witness])
      taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up"])
      _ = try await taker.call("connect", ["did": .string(maker.longForm)])
      try await Self.await("the maker reaches its witness") { [maker] in
        let connected = try await maker.call("status")["connected"]?.arrayValue ?? []
        return connected.contains(.string(shortForm))
      }
      let asked = try await taker.call(
        "rfq",
        [
          "instrument": .string(InteropTests.instrument), "amount": "0.1", "side": "buy",
          "with": .string(maker.shortForm), "witnesses": [.string(witness)],
        ])
      guard asked["theirs"] != .null else { throw Failure("\(asked.serialized())\n\(maker.log)") }
      dialogue = asked["dialogue"]?.stringValue ?? ""
    }

    static func await(_ what: String, _ isSo: () async throws -> Bool) async throws {
      let deadline = ContinuousClock.now + .seconds(30)
      while try await !isSo() {
        guard ContinuousClock.now < deadline else { throw Failure("not within 30 s: \(what)") }
        try await Task.sleep(for: .milliseconds(50))
      }
    }

    func phase() async throws -> String {
      let all = try await taker.call("quotes", ["all": true]).arrayValue ?? []
      return all.first { $0["dialogue"]?.stringValue == dialogue }?["phase"]?.stringValue ?? "?"
    }

    func stop() async { for node in [maker, taker] { await node.stop() } }

    /// What both verifiers say of the taker's receipt of the dialogue, and how many stamps are in it.
    func verdicts(_ node: RunningNode, in folder: URL) async throws -> (ours: String, theirs: String, stamps: Int) {
      let proof = try await node.call("prove", ["dialogue": .string(dialogue)])
      let receipt = proof["proof"]?.stringValue ?? ""
      let file = folder.appending(path: "\(node.name)-receipt.json")
      try Data(receipt.utf8).write(to: file)
      let theirs = try await JournalTests.python([file.path()], in: folder)["verdict"]?.stringValue ?? ""
      let stamps = try JSONValue.parse(Array(receipt.utf8))["stamps"]?.arrayValue ?? []
      return (ReceiptVerifier.verify(Array(receipt.utf8)).verdict, theirs, stamps.count)
    }
  }

  private static func witness(in folder: URL) async throws -> RunningNode {
    let listener = try ListeningSocket()
    return try await RunningNode(
      "witness", in: folder, endpoint: "ws://127.0.0.1:\(listener.address.port)", listener: listener,
      ["up", "--witness-for", "anyone", "--allow-anyone"])
  }

  @Test(
    "the owner is killed after the Accept: its acceptor learns TRADED from the witness, and the owner then agrees"
  )
  func ownerKilled() async throws {
    try await InteropTests.withFolder { folder in
      let witness = try await Self.witness(in: folder)
      let scene = try await Scene(in: folder, witness: witness.longForm)
      // It hears nothing more, but its channel stands.
      kill(scene.maker.child.identifier, SIGSTOP)
      let accepted = try await scene.taker.call(
        "accept", ["dialogue": .string(scene.dialogue), "wait_ms": .integer(10_000)])
      #expect(accepted["phase"]?.stringValue == "traded", "\(accepted.serialized())\n\(witness.log)")
      #expect(accepted["trade"]?["witnessed"]?.boolValue == true)
      await scene.maker.child.kill()
      let alone = try await scene.verdicts(scene.taker, in: folder)
      #expect((alone.ours, alone.theirs) == ("TRADED", "TRADED"))
      #expect(alone.stamps == 1)
      #expect(try await witness.call("status")["witness"]?["slots"] == .integer(1))
      // Neither the witness nor the taker needs to live on for the stamp to hold.
      await witness.child.kill()
      try await witness.restart()
      try await scene.maker.restart()
      try await Scene.await("the maker confirms") {
        let trades = try await scene.taker.call("trades").arrayValue ?? []
        return trades.first?["witnessed"]?.boolValue == false
      }
      let trades = (
        try await scene.taker.call("trades")[0]?["trade"], try await scene.maker.call("trades")[0]?["trade"]
      )
      #expect(trades.0 == trades.1)
      for node in [scene.taker, scene.maker] {
        let both = try await scene.verdicts(node, in: folder)
        #expect((both.ours, both.theirs, both.stamps) == ("TRADED", "TRADED", 1), "\(node.name)")
      }
      await scene.stop()
      await witness.stop()
    }
  }

  @Test("the write comes too late: EMPTY ends the doubt without the owner, who agrees when it is back")
  func tooLate() async throws {
    try await InteropTests.withFolder { folder in
      let witness = try await Self.witness(in: folder)
      let scene = try await Scene(in: folder, witness: witness.longForm)
      for node in [scene.maker, witness] { kill(node.child.identifier, SIGSTOP) }
      let accepted = try await scene.taker.call(
        "accept", ["dialogue": .string(scene.dialogue), "wait_ms": .integer(0)])
      #expect(accepted["phase"]?.stringValue == "in doubt", "\(accepted.serialized())")
      #expect(try await scene.taker.call("status")["witness"]?["doubts"] == .integer(1))
      await scene.maker.child.kill()
      try await Task.sleep(for: .seconds(5.2))
      kill(witness.child.identifier, SIGCONT)
      try await Scene.await("the taker's doubt ends") { try await scene.phase() != "in doubt" }
      #expect(try await scene.phase() != "traded")
      let alone = try await scene.verdicts(scene.taker, in: folder)
      #expect(alone.ours.hasPrefix("NOT_TRADED") && alone.theirs == "NOT_TRADED", "\(alone)")
      #expect(alone.stamps == 1)
      try await scene.maker.restart()
      try await Scene.await("the maker declines") {
        try await scene.maker.call("status")["witness"]?["doubts"] == .integer(0)
          && scene.maker.log.contains("declined-peer")
      }
      #expect(try await scene.maker.call("trades") == [])
      await scene.stop()
      await witness.stop()
    }
  }
}

// A witness of other hands.
extension WitnessNodeTests {
  @Test("a witness that was written in Python from the page: the owner is killed, and the stamp proves the trade")
  func python() async throws {
    try await InteropTests.withFolder { folder in
      let words = ["respond", "--port", "0", "--quote-bid", "100", "--quote-ask", "110"]
      let python = try PythonPeer(words, in: folder, name: "witness")
      let did = try await python.child.line { $0["event"]?.stringValue == "listening" }["did"]?.stringValue ?? ""
      let scene = try await Scene(in: folder, witness: did)
      kill(scene.maker.child.identifier, SIGSTOP)
      let accepted = try await scene.taker.call(
        "accept", ["dialogue": .string(scene.dialogue), "wait_ms": .integer(10_000)])
      #expect(accepted["phase"]?.stringValue == "traded", "\(accepted.serialized())\n\(python.child.log)")
      await scene.maker.child.kill()
      let both = try await scene.verdicts(scene.taker, in: folder)
      #expect((both.ours, both.theirs, both.stamps) == ("TRADED", "TRADED", 1))
      await scene.stop()
      await python.child.stop()
    }
  }
}

extension RunningNode {
  /// The DID as others name it.
  fileprivate var shortForm: String { (try? DID(parsing: longForm).shortForm.string) ?? "" }
}
