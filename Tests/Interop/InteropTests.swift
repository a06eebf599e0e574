import Foundation
import Parley
import TestSupport
import Testing

/// The second implementation, in Python and written from the protocol pages, deals with this one.
@Suite("Interop with the Python peer", .serialized)
struct InteropTests {
  static let instrument = "BTC-27NOV26-100000-C"

  /// A maker of ours that anybody may call, and the words with which the Python peer calls it.
  static func maker(
    in folder: URL, postQuantum: Bool = false, scheme: String = "ws", host: String = "127.0.0.1",
    access: [String] = ["--allow-anyone"], more: [String] = []
  ) async throws -> RunningNode {
    let chain = folder.appending(path: "chain.json")
    // As of a fixed time: the instruments of the tests must be in it.
    let asOf = UnixNanoseconds(1_795_000_000_000_000_000)
    try Data(SyntheticChain.bitcoin(asOf: asOf).serialized()).write(to: chain)
    let listener = try ListeningSocket()
    return try await RunningNode(
      "maker", in: folder, endpoint: "\(scheme)://\(host):\(listener.address.port)", postQuantum: postQuantum,
      listener: listener, ["maker", "--chain", chain.path(), "--as-of", "chain"] + access + more)
  }

  static func initiate(_ maker: RunningNode, _ more: [String] = []) throws -> [String] {
    guard let url = maker.listen else { throw Failure("the maker does not listen") }
    return ["initiate", "--url", url, "--peer", maker.longForm, "--lots", "10", "--side", "buy"]
      + (more.contains("--rfq") ? more : ["--rfq", instrument] + more)
  }

  static func withFolder(_ body: (URL) async throws -> Void) async throws {
    let folder = try Programs.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    try await body(folder)
  }

  /// What the Python side checked by itself of a trade.
  static func expectTrade(_ outcome: JSONValue, _ name: String) {
    let trade = outcome["trade"]
    for check in ["digest_matches", "terms_match", "accept_signature_valid", "confirm_signature_valid"] {
      #expect(trade?[check]?.boolValue == true, "\(name): \(check): \(outcome.serialized())")
    }
  }

  @Test(
    "Python takes from our maker",
    arguments: [
      [], ["--post-quantum"], ["--headerless"], ["--did-key"], ["--counter-by", "-1"], ["--drop", "sent"],
      ["--blind-ms", "300"], ["--blind-ms", "2500", "--counter-by", "-1"],
      ["--drop", "unsent"],
      ["--chunk", "16000"], ["--renew-after", "2"], ["--renew-after", "1", "--post-quantum"],
    ])
  func pythonInitiates(more: [String]) async throws {
    try await Self.withFolder { folder in
      let maker = try await Self.maker(in: folder, postQuantum: more.contains("--post-quantum"))
      let peer = try PythonPeer(Self.initiate(maker, more), in: folder, name: "python")
      let outcome = try await peer.outcome()
      #expect(outcome["traded"]?.boolValue == true, "\(peer.child.text)\n\(maker.log)")
      Self.expectTrade(outcome, "\(more)")
      let trades = try await maker.call("trades")
      let digest = outcome["trade"]?["terms_digest"]?.stringValue
      #expect(trades[0]?["terms_digest"]?.stringValue == digest)
      await maker.stop()
    }
  }

  @Test(
    "our taker takes from Python's maker",
    arguments: [[], ["--post-quantum"], ["--chunk", "16000"], ["--retries", "2"]])
  func pythonResponds(more: [String]) async throws {
    try await Self.withFolder { folder in
      let python = try PythonPeer(
        ["respond", "--port", "0", "--quote-bid", "100", "--quote-ask", "110", "--on-counter", "meet"] + more,
        in: folder, name: "python")
      let did = try await python.child.line { $0["event"]?.stringValue == "listening" }["did"]?.stringValue ?? ""
      let taker = try await RunningNode(
        "taker", in: folder, endpoint: nil, postQuantum: more.contains("--post-quantum"), ["up"])
      _ = try await taker.call("connect", ["did": .string(did)])
      let asked = try await taker.call(
        "rfq", ["instrument": .string(Self.instrument), "amount": "1", "side": "buy"])
      #expect(asked["theirs"]?["ask"]?.stringValue == "0.0110")
      let dialogue = try #require(asked["dialogue"])
      let met = try await taker.call("counter", ["dialogue": dialogue, "price": "0.0105"])
      #expect(met["theirs"]?["ask"]?.stringValue == "0.0105", "\(met.serialized())\n\(python.child.text)")
      let accepted = try await taker.call("accept", ["dialogue": dialogue])
      #expect(accepted["phase"]?.stringValue == "traded", "\(accepted.serialized())")
      await taker.stop()
      let outcome = try await python.outcome()
      Self.expectTrade(outcome, "\(more)")
      #expect(outcome["trade"]?["terms_digest"] == accepted["trade"]?["terms_digest"])
      await python.child.stop()
    }
  }

  /// One call bought, two higher ones sold: at a net price that may be below nothing.
  static let package = "\(instrument),-2*BTC-27NOV26-110000-C"

  @Test("Python takes a package from our maker, which meets its counter")
  func pythonTakesPackage() async throws {
    try await Self.withFolder { folder in
      let maker = try await Self.maker(in: folder)
      let more = ["--rfq", Self.package, "--counter-by", "-1"]
      let outcome = try await PythonPeer(Self.initiate(maker, more), in: folder, name: "python").outcome()
      #expect(outcome["traded"]?.boolValue == true, "\(outcome.serialized())\n\(maker.log)")
      Self.expectTrade(outcome, "package")
      let trade = try await maker.call("trades")[0]
      #expect(trade?["terms_digest"] == outcome["trade"]?["terms_digest"])
      #expect(trade?["instrument"]?.stringValue == Self.package)
      #expect(trade?["legs"]?[1]?["ratio"]?.int64Value == 2 && trade?["legs"]?[1]?["direction"]?.stringValue == "sell")
      #expect(trade?["price_ticks"] == outcome["trade"]?["net"])
      await maker.stop()
    }
  }

  @Test("our taker takes a package from Python's maker; its receipt says so to anybody")
  func pythonMakesPackage() async throws {
    try await Self.withFolder { folder in
      let python = try PythonPeer(
        ["respond", "--port", "0", "--quote-bid", "-20", "--quote-ask", "-10", "--on-counter", "meet"], in: folder,
        name: "python")
      let did = try await python.child.line { $0["event"]?.stringValue == "listening" }["did"]?.stringValue ?? ""
      let taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up"])
      _ = try await taker.call("connect", ["did": .string(did)])
      let asked = try await taker.call("rfq", ["instrument": .string(Self.package), "amount": "1", "side": "buy"])
      #expect(asked["theirs"]?["ask"]?.stringValue == "-0.0010", "\(asked.serialized())")
      let dialogue = try #require(asked["dialogue"])
      let met = try await taker.call("counter", ["dialogue": dialogue, "price": "-0.0013"])
      #expect(met["theirs"]?["ask"]?.stringValue == "-0.0013", "\(met.serialized())\n\(python.child.text)")
      let accepted = try await taker.call("accept", ["dialogue": dialogue])
      let trade = try #require(accepted["trade"]?["trade"], "\(accepted.serialized())")
      let receipt = try await taker.call("receipt", ["trade": trade])["receipt"]?.stringValue ?? ""
      let report = ReceiptVerifier.verify(Array(receipt.utf8))
      #expect(report.isTraded && report.json["instrument"]?.stringValue == Self.package, "\(report.lines)")
      #expect(report.json["price"]?.stringValue == "-0.0013" && report.json["amount"]?.stringValue == "1")
      await taker.stop()
      Self.expectTrade(try await python.outcome(), "package")
      await python.child.stop()
    }
  }

  @Test(
    "last look: Python's maker confirms, declines, or lets our taker's accept lapse or be withdrawn",
    arguments: [("confirm", false), ("decline", false), ("lapse", false), ("lapse", true)])
  func pythonLooks(onLook: String, withdraws: Bool) async throws {
    try await Self.withFolder { folder in
      let python = try PythonPeer(
        [
          "respond", "--port", "0", "--quote-bid", "100", "--quote-ask", "110", "--life-ms", "20000", "--look-ms",
          withdraws ? "2000" : "500", "--on-look", onLook,
        ], in: folder, name: "python")
      let did = try await python.child.line { $0["event"]?.stringValue == "listening" }["did"]?.stringValue ?? ""
      let taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up"])
      _ = try await taker.call("connect", ["did": .string(did)])
      let asked = try await taker.call("rfq", ["instrument": .string(Self.instrument), "amount": "1", "side": "buy"])
      #expect(asked["theirs"]?["mode"]?.stringValue == "last-look", "\(asked.serialized())")
      let dialogue = try #require(asked["dialogue"])
      let accepted = try await taker.call(
        "accept", ["dialogue": dialogue, "wait_ms": .integer(withdraws ? 0 : 10_000)])
      if withdraws {
        #expect(accepted["phase"]?.stringValue == "in doubt")
        let after = try await taker.call("withdraw", ["dialogue": dialogue])
        #expect(after["outcome"]?.stringValue == "declined: WITHDRAWN", "\(after.serialized())")
      } else if onLook == "confirm" {
        #expect(accepted["phase"]?.stringValue == "traded", "\(accepted.serialized())")
        let trade = try #require(accepted["trade"]?["trade"])
        let receipt = try await taker.call("receipt", ["trade": trade])["receipt"]?.stringValue ?? ""
        #expect(ReceiptVerifier.verify(Array(receipt.utf8)).isTraded)
      } else {
        let code = onLook == "decline" ? "PRICE" : "LAPSED"
        #expect(accepted["outcome"]?.stringValue == "declined: \(code)", "\(accepted.serialized())")
      }
      await taker.stop()
      await python.child.stop()
    }
  }

  @Test("a maker by hand quotes Python with last look, amends, and confirms in the look", arguments: [true, false])
  func quotedByHand(confirms: Bool) async throws {
    try await Self.withFolder { folder in
      let listener = try ListeningSocket()
      let maker = try await RunningNode(
        "maker", in: folder, endpoint: "ws://127.0.0.1:\(listener.address.port)", listener: listener,
        ["up", "--by-hand", "--allow-anyone"])
      let peer = try PythonPeer(Self.initiate(maker, []), in: folder, name: "python")
      let dialogue = try await Self.first(maker) { $0["dialogue"] }
      let quoted = try await maker.call(
        "quote", ["dialogue": dialogue, "ask": "0.0110", "mode": "last-look", "look_ms": 2_000])
      await #expect(throws: ControlError.self, "a bid was not asked for") {
        try await maker.call("quote", ["dialogue": dialogue, "bid": "0.0100"])
      }
      #expect(quoted["mine"]?["mode"]?.stringValue == "last-look", "\(quoted.serialized())")
      let look = try await Self.first(maker) { $0["look"] }
      #expect(look["direction"]?.stringValue == "sell")
      let decided = try await maker.call(confirms ? "confirm" : "decline", ["dialogue": dialogue])
      #expect((decided["phase"]?.stringValue == "traded") == confirms, "\(decided.serialized())")
      let outcome = try await peer.outcome()
      #expect(outcome["traded"]?.boolValue == confirms, "\(peer.child.text)\n\(maker.log)")
      if confirms { Self.expectTrade(outcome, "last look") }
      await maker.stop()
    }
  }

  /// What the first negotiation shows, once it does.
  private static func first(_ node: RunningNode, _ read: (JSONValue) -> JSONValue?) async throws -> JSONValue {
    for _ in 0..<500 {
      if let value = try await node.call("quotes")[0].flatMap(read) { return value }
      try await Task.sleep(for: .milliseconds(10))
    }
    throw Failure("no negotiation shows it")
  }

  @Test("all is cancelled by the Python maker, and by our taker from the command line")
  func cancelAll() async throws {
    try await Self.withFolder { folder in
      let python = try PythonPeer(
        [
          "respond", "--port", "0", "--quote-bid", "100", "--quote-ask", "110", "--on-counter", "cancel-all",
          "--life-ms", "30000",
        ], in: folder, name: "python")
      let did = try await python.child.line { $0["event"]?.stringValue == "listening" }["did"]?.stringValue ?? ""
      let taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up"])
      _ = try await taker.call("connect", ["did": .string(did)])
      let rfq: JSONObject = ["instrument": .string(Self.instrument), "amount": "1", "side": "buy"]
      let first = try await taker.call("rfq", rfq)
      let dialogue = try #require(first["dialogue"])
      #expect(first["theirs"]?["ask"]?.stringValue == "0.0110")
      // Its answer to the Counter is a MassCancel: the quote of this dialogue and that of the other one are gone.
      let second = try await taker.call("rfq", rfq)
      #expect(second["theirs"]?["ask"]?.stringValue == "0.0110")
      _ = try await taker.call("counter", ["dialogue": dialogue, "price": "0.0105", "wait_ms": 0])
      let deadline = ContinuousClock.now + .seconds(10)
      var theirs: [JSONValue?] = []
      repeat {
        theirs = try await taker.call("quotes").arrayValue?.map { $0["theirs"] } ?? []
      } while theirs != [.null, .null] && ContinuousClock.now < deadline
      #expect(theirs == [.null, .null])
      let run = try await CommandLineTests.parley(["cancel", "--all", "--home", taker.home.folder.path()], in: folder)
      #expect(run.code == 0 && run.text.contains("1 cancelled"), "\(run.text)\(run.complaint)")
      _ = try await python.child.line { $0["event"]?.stringValue == "cancelled" }
      #expect(try await taker.call("quotes").arrayValue?.map { $0["mine"] } == [.null, .null])
      let again = try await CommandLineTests.parley(
        ["cancel", "--all", "--home", taker.home.folder.path()], in: folder)
      #expect(again.code == 0 && again.text == "Nothing is live.\n", "\(again.text)\(again.complaint)")
      await taker.stop()
      await python.child.stop()
    }
  }

  @Test("a topic is asked by either side, and taken by who has declared it only")
  func topics() async throws {
    try await Self.withFolder { folder in
      let maker = try await Self.maker(in: folder, more: ["--interest", "option/BTC", "--interest", "future/BTC"])
      for (topic, code) in [("option/BTC", nil), ("option/ETH", "POLICY"), ("not a topic", "MALFORMED")] {
        let peer = try PythonPeer(
          Self.initiate(maker, ["--topic", topic]), in: folder, name: "python-\(code ?? "asks")")
        let outcome = try await peer.outcome()
        #expect(outcome["traded"]?.boolValue == (code == nil), "\(topic): \(outcome.serialized())")
        if let code { #expect(outcome["rejected"] == .array([.string(code)]), "\(topic): \(outcome.serialized())") }
      }
      await maker.stop()
      let python = try PythonPeer(
        ["respond", "--port", "0", "--quote-bid", "100", "--quote-ask", "110", "--interest", "option/BTC"],
        in: folder, name: "python")
      let did = try await python.child.line { $0["event"]?.stringValue == "listening" }["did"]?.stringValue ?? ""
      let taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up"])
      _ = try await taker.call("connect", ["did": .string(did)])
      while try await taker.call("peers")[0]?["interests"] == nil { try await Task.sleep(for: .milliseconds(10)) }
      let asked = try await taker.call(
        "rfq",
        ["instrument": .string(Self.instrument), "amount": "1", "side": "buy", "topic": "option/BTC"])
      #expect(asked["asks"]?[0]?["price"]?.stringValue == "0.0110", "\(asked.serialized())")
      let group = try #require(asked["group"])
      let taken = try await taker.call("accept", ["group": group])
      #expect(taken["taken"]?[0]?["state"]?.stringValue == "filled", "\(taken.serialized())")
      await #expect(throws: ControlError.self) {
        try await taker.call(
          "rfq",
          ["instrument": .string(Self.instrument), "amount": "1", "side": "buy", "topic": "option/ETH"])
      }
      await taker.stop()
      await python.child.stop()
    }
  }

  @Test("Python agrees with itself, and with the recorded handshakes where they are")
  func pythonSelfTest() async throws {
    try await Self.withFolder { folder in
      let peer = try PythonPeer(["selftest"], in: folder, name: "selftest")
      #expect(await peer.child.end() == 0, "\(peer.child.text)\n\(peer.child.log)")
    }
  }
}

/// Every rule that the Python peer can break, broken against us: it ends as the protocol pages say, our node names the
/// fault in its log, and goes on serving others.
@Suite("A peer that misbehaves", .serialized)
struct MisbehaviourTests {
  /// One rule broken, and what a correct peer does about it.
  struct Case: Sendable {
    let name: String
    let roles: String
    let needsPostQuantum: Bool
    let expected: JSONObject

    static func all(in folder: URL) async throws -> [Case] {
      let list = try PythonPeer(["misbehaviours"], in: folder, name: "list")
      guard await list.child.end() == 0 else { throw Failure(list.child.log) }
      return list.child.lines.compactMap { line in
        guard let name = line["name"]?.stringValue, let roles = line["roles"]?.stringValue,
          let expected = line["expected"]?.objectValue
        else { return nil }
        return Case(
          name: name, roles: roles, needsPostQuantum: line["post_quantum"]?.boolValue ?? false, expected: expected)
      }
    }

    func check(_ outcome: JSONValue, _ story: @autoclosure () -> String) {
      for member in expected.members {
        #expect(outcome[member.key] == member.value, "\(name) (\(roles)): \(member.key)\n\(story())")
      }
    }
  }

  /// What our log must name, for the rules that anybody would try first.
  static let faultsOfInitiators = [
    "garbage-m1": "unsupportedVersion", "wrong-mac1": "wrongAuthenticator", "garbage-m3": "decryptionFailed",
    "wrong-signing-key": "invalidSignature", "wrong-did": "invalidSignature", "truncated-record": "wrongRecordLength",
    "oversized-frame": "messageTooBig", "replayed-record": "recordDecryptionFailed", "expired-accept": "why=LATE",
    "early-accept": "why=BLIND",
    "old-epoch": "unexpectedEpoch(0)", "far-epoch": "unexpectedEpoch(2)", "offer-far-epoch": "malformedRatchet",
    "offer-small-order": "zeroSharedSecret", "offer-unreduced-key": "invalidEncapsulationKey",
    "offer-half-suite": "wrongSuite", "reply-unasked": "unexpectedRecordType(5)", "huge-length": "malformedRecord",
    "changed-price": "why=TERMS", "fork": "code=FORK", "yamux-version": "unknownVersion(1)",
    "unknown-stream": "unknownStream(77)", "wrong-parity": "misplacedStream(78)", "window-overrun": "windowExceeded",
    "huge-frame": "byteCount: 4294967295", "data-after-finish": "dataAfterFinish",
    "negotiation-reset": "negotiationEnded", "close-inside-frame": "truncatedFrame",
    "close-inside-message": "truncatedMessage", "long-message": "wrongMessageLength(65537)",
    "go-away-with-error": "goneAway",
  ]
  static let faultsOfResponders = [
    "garbage-m2": "decryptionFailed", "garbage-accept": "recordDecryptionFailed",
    "retry-too-hard": "malformedRetry", "retry-without-end": "tooManyRetries",
    "wrong-signing-key": "invalidSignature", "wrong-did": "wrongDID", "truncated-record": "wrongRecordLength",
    "oversized-frame": "messageTooBig", "replayed-record": "recordDecryptionFailed", "forged-confirm": "code=FORGED",
    "unknown-stream": "unknownStream(78)", "wrong-parity": "misplacedStream(77)", "window-overrun": "windowExceeded",
    "data-after-finish": "dataAfterFinish", "negotiation-finished": "negotiationEnded",
  ]

  @Test("as the initiator")
  func initiators() async throws {
    try await InteropTests.withFolder { folder in
      let maker = try await InteropTests.maker(in: folder)
      let all = try await Case.all(in: folder)
      // Each of them is run here, or by `responders`, or by both.
      #expect(Set(all.map(\.name)).count >= 110 && all.allSatisfy { ["I", "R", "IR"].contains($0.roles) })
      let cases = all.filter { $0.roles.contains("I") }
      #expect(cases.count >= 85)
      try await concurrently(cases, width: 6) { broken in
        let more =
          ["--misbehave", broken.name, "--timeout", "14"] + (broken.needsPostQuantum ? ["--post-quantum"] : [])
        let peer = try PythonPeer(InteropTests.initiate(maker, more), in: folder, name: "I-\(broken.name)")
        broken.check(try await peer.outcome(), peer.child.text)
      }
      try await expectService(maker, folder)
      for (name, fault) in Self.faultsOfInitiators {
        #expect(maker.log.contains(fault), "\(name) should be logged as \(fault):\n\(maker.log)")
      }
      await maker.stop()
    }
  }

  @Test("as the responder")
  func responders() async throws {
    try await InteropTests.withFolder { folder in
      let taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up", "--log-level", "debug"])
      let cases = try await Case.all(in: folder).filter { $0.roles.contains("R") }
      #expect(cases.count >= 50)
      try await concurrently(cases, width: 6) { broken in
        let more = ["--misbehave", broken.name] + (broken.needsPostQuantum ? ["--post-quantum"] : [])
        let python = try PythonPeer(
          [
            "respond", "--port", "0", "--quote-bid", "100", "--quote-ask", "110", "--connections", "1", "--lifetime",
            "8",
          ] + more,
          in: folder, name: "R-\(broken.name)")
        let listening = try await python.child.line { $0["event"]?.stringValue == "listening" }
        await deal(taker, listening["did"]?.stringValue ?? "", with: listening["short"]?.stringValue ?? "")
        broken.check(try await python.outcome(), python.child.text)
        await python.child.stop()
      }
      for (name, fault) in Self.faultsOfResponders {
        #expect(taker.log.contains(fault), "\(name) should be logged as \(fault):\n\(taker.log)")
      }
      // It still deals with who behaves.
      let maker = try await InteropTests.maker(in: folder)
      await deal(taker, maker.longForm, with: try maker.home.publicIdentity().did.string)
      let trades = try await taker.call("trades").arrayValue ?? []
      #expect(trades.contains { $0["counterparty"]?.stringValue.map(maker.longForm.hasPrefix) ?? false })
      await maker.stop()
      await taker.stop()
    }
  }

  /// Does what an honest taker would, as far as the other side lets it.
  private func deal(_ taker: RunningNode, _ did: String, with short: String) async {
    do throws(ControlError) {
      _ = try await taker.call("connect", ["did": .string(did)])
      let asked = try await taker.call(
        "rfq",
        [
          "instrument": .string(InteropTests.instrument), "amount": "1", "side": "buy", "with": .string(short),
          "wait_ms": 1_500,
        ])
      guard let dialogue = asked["dialogue"], asked["theirs"] != .null else { return }
      _ = try await taker.call("accept", ["dialogue": dialogue, "wait_ms": 1_000])
    } catch {
      // A typed error of ours: which one, the log says.
    }
  }

  /// The node deals with a peer that behaves.
  private func expectService(_ maker: RunningNode, _ folder: URL) async throws {
    let peer = try PythonPeer(InteropTests.initiate(maker), in: folder, name: "behaved")
    let outcome = try await peer.outcome()
    #expect(outcome["traded"]?.boolValue == true, "\(peer.child.text)\n\(maker.log)")
  }

  private func concurrently<T: Sendable>(
    _ values: [T], width: Int, _ body: @escaping @Sendable (T) async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, value) in values.enumerated() {
        if index >= width { try await group.next() }
        group.addTask { try await body(value) }
      }
      try await group.waitForAll()
    }
  }
}
