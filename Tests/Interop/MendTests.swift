import Foundation
import Parley
import TestSupport
import Testing

/// A node and the Python peer, one of which has lost the end of its journal: both owners repair the pair.
@Suite("Repair with the Python peer", .serialized)
struct MendTests {
  private static func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while try await !condition() {
      guard ContinuousClock.now < deadline else { throw Failure("not in time: \(what)") }
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  @Test("Python lost its Accept and the trade: our maker hands them back once its owner agrees")
  func pythonLoses() async throws {
    try await InteropTests.withFolder { folder in
      let maker = try await InteropTests.maker(in: folder)
      let peer = try PythonPeer(try InteropTests.initiate(maker, ["--lose"]), in: folder, name: "python")
      try await Self.eventually("the maker freezes") { maker.log.contains("code=LOST_PEER by=me") }
      let did = try await peer.child.line { $0["event"]?.stringValue == "identity" }["did"]?.stringValue ?? ""
      let home = ["--home", maker.home.folder.path()]
      // Nobody is there to be asked: what is lost is shown, and nothing done.
      var asked = try await CommandLineTests.parley(["repair", did] + home, in: folder)
      #expect(asked.code == 2 && asked.complaint.contains("2 of its own statements, 1 of the other side's"))
      let run = try await CommandLineTests.parley(["repair", did, "--yes"] + home, in: folder)
      #expect(run.code == 0, "\(run.text)\(run.complaint)")
      let outcome = try await peer.outcome()
      #expect(outcome["traded"]?.boolValue == true, "\(peer.child.text)\n\(maker.log)")
      InteropTests.expectTrade(outcome, "repaired")
      let trades = try await maker.call("trades").arrayValue
      #expect(trades?.count == 1 && trades?[0]["terms_digest"] == outcome["trade"]?["terms_digest"])
      #expect(maker.log.contains(" repaired "))
      asked = try await CommandLineTests.parley(["repair", did] + home, in: folder)
      #expect(asked.text.contains("not frozen"), "\(asked.text)\(asked.complaint)")
      await maker.stop()
    }
  }

  @Test("our taker lost its Accept and the trade, and its owner agrees: Python's maker hands them back")
  func nodeLoses() async throws {
    try await InteropTests.withFolder { folder in
      let python = try PythonPeer(
        ["respond", "--port", "0", "--quote-bid", "100", "--quote-ask", "110", "--life-ms", "50000", "--repair"],
        in: folder, name: "python")
      let did = try await python.child.line { $0["event"]?.stringValue == "listening" }["did"]?.stringValue ?? ""
      let taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up"])
      _ = try await taker.call("connect", ["did": .string(did)])
      let asked = try await taker.call(
        "rfq", ["instrument": .string(InteropTests.instrument), "amount": "1", "side": "buy"])
      let dialogue = try #require(asked["dialogue"])
      await taker.stop()
      let old = folder.appending(path: "old")
      try FileManager.default.copyItem(at: taker.home.folder, to: old)
      try await taker.restart()
      try await Self.eventually("it meets the maker again") {
        try await taker.call("status")["connected"]?.arrayValue?.isEmpty == false
      }
      let accepted = try await taker.call("accept", ["dialogue": dialogue])
      #expect(accepted["phase"]?.stringValue == "traded", "\(accepted.serialized())")
      await taker.stop()
      try FileManager.default.removeItem(at: taker.home.folder)
      try FileManager.default.moveItem(at: old, to: taker.home.folder)
      try await taker.restart()
      #expect(try await taker.call("trades").arrayValue?.isEmpty == true)
      try await Self.eventually("the taker freezes") { taker.log.contains("frozen") }
      // An Accept now would be a second one.
      await #expect(throws: ControlError.self) { try await taker.call("accept", ["dialogue": dialogue]) }
      let view = try await taker.call("repair", ["did": .string(did)])
      #expect(view["lost_here"]?["own"]?.int64Value == 2 && view["lost_there"]?["own"]?.int64Value == 0, "\(view)")
      #expect(view["agreed_by_peer"]?.boolValue == true)
      let repaired = try await taker.call("repair", ["did": .string(did), "confirm": true])
      #expect(repaired["frozen"] == .null, "\(repaired.serialized())\n\(taker.log)\n\(python.child.text)")
      let trades = try await taker.call("trades").arrayValue
      #expect(trades?.count == 1 && trades?[0]["terms_digest"] == accepted["trade"]?["terms_digest"])
      // They go on, over another restart too.
      try await Self.eventually("they are in step again") {
        try await taker.call("status")["connected"]?.arrayValue?.isEmpty == false
      }
      let again = try await taker.call(
        "rfq", ["instrument": .string(InteropTests.instrument), "amount": "1", "side": "buy"])
      #expect(again["theirs"]?["ask"]?.stringValue == "0.0110", "\(again.serialized())")
      await taker.stop()
      try await taker.restart()
      #expect(try await taker.call("trades").arrayValue?.count == 1)
      await taker.stop()
      await python.child.stop()
    }
  }

  /// A Python maker, and its DID.
  private static func maker(_ name: String, in folder: URL) async throws -> (peer: PythonPeer, did: String) {
    let words = ["respond", "--port", "0", "--quote-bid", "100", "--quote-ask", "110", "--life-ms", "50000"]
    let peer = try PythonPeer(words, in: folder, name: name)
    let did = try await peer.child.line { $0["event"]?.stringValue == "listening" }["did"]?.stringValue
    return (peer, did ?? "")
  }

  private static func rfq(_ taker: RunningNode, with did: String) async throws -> JSONValue {
    try await taker.call(
      "rfq",
      ["instrument": .string(InteropTests.instrument), "amount": "1", "side": "buy", "with": .string(did)])
  }

  private static func awaited(_ taker: RunningNode) async throws -> Int? {
    try await taker.call("status")["awaited"]?.arrayValue?.count
  }

  @Test("LOST_SELF with one stops signing to all, until they have synchronised or are waived, over restarts too")
  func lostSelf() async throws {
    try await InteropTests.withFolder { folder in
      let (first, second) = (try await Self.maker("first", in: folder), try await Self.maker("second", in: folder))
      let taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up"])
      for maker in [first, second] {
        _ = try await taker.call("connect", ["did": .string(maker.did)])
        let dialogue = try #require(try await Self.rfq(taker, with: maker.did)["dialogue"])
        let accepted = try await taker.call("accept", ["dialogue": dialogue])
        #expect(accepted["phase"]?.stringValue == "traded", "\(accepted.serialized())")
      }
      await taker.stop()
      let old = folder.appending(path: "old")
      try FileManager.default.copyItem(at: taker.home.folder, to: old)
      try await taker.restart()
      try await Self.eventually("it meets both again") {
        try await taker.call("status")["connected"]?.arrayValue?.count == 2
      }
      _ = try await Self.rfq(taker, with: first.did)
      await taker.stop()
      try FileManager.default.removeItem(at: taker.home.folder)
      try FileManager.default.moveItem(at: old, to: taker.home.folder)

      // With the second one away, both are awaited; the second has lost nothing, but nobody knows.
      await second.peer.child.stop()
      try await taker.restart()
      try await Self.eventually("the taker finds LOST_SELF") { taker.log.contains("code=LOST_SELF by=me") }
      try await Self.eventually("it is suspended") { try await Self.awaited(taker) == 2 }
      let third = try await Self.maker("third", in: folder)
      _ = try await taker.call("connect", ["did": .string(third.did)])
      let refused = await #expect(throws: ControlError.self) { try await Self.rfq(taker, with: third.did) }
      #expect(refused?.message.contains("lost a part of its journal") == true, "\(String(describing: refused))")
      let home = ["--home", taker.home.folder.path()]
      var run = try await CommandLineTests.parley(["peers", "waive", second.did] + home, in: folder)
      #expect(run.code == 0 && run.text.contains("still waiting for"), "\(run.text)\(run.complaint)")
      await #expect(throws: ControlError.self) { try await Self.rfq(taker, with: third.did) }
      // So it is after a restart, and the waiver is in the journal.
      await taker.stop()
      try await taker.restart()
      try await Self.eventually("one is awaited") { try await Self.awaited(taker) == 1 }
      run = try await CommandLineTests.parley(["peers", "waive", first.did] + home, in: folder)
      #expect(run.code == 0 && run.text.contains("nobody else"), "\(run.text)\(run.complaint)")
      try await Self.eventually("it meets the third one") {
        try await taker.call("status")["connected"]?.arrayValue?.isEmpty == false
      }
      #expect(try await Self.rfq(taker, with: third.did)["theirs"]?["ask"]?.stringValue == "0.0110")
      #expect(try await Self.awaited(taker) == 0)
      await taker.stop()
      for maker in [first, third] { await maker.peer.child.stop() }
    }
  }
}
