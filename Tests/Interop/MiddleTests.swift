import Foundation
import Parley
import TestSupport
import Testing

/// Two of our nodes with a proxy between them that reads what passes and changes one thing.
@Suite("A man in the middle", .serialized)
struct MiddleTests {
  /// One thing to change, and what the proxy must then see.
  struct Attack: Sendable {
    let name: String
    let expected: JSONObject
    let isAtDeadline: Bool

    /// Whether records flow before the attack shows, or in spite of it.
    var opens: Bool { expected["opened"]?.boolValue ?? true }

    static func all(in folder: URL) async throws -> [Attack] {
      let list = try PythonPeer(["middle"], in: folder, name: "list")
      guard await list.child.end() == 0 else { throw Failure(list.child.log) }
      return list.child.lines.compactMap { line in
        guard let name = line["name"]?.stringValue, let expected = line["expected"]?.objectValue else { return nil }
        return Attack(name: name, expected: expected, isAtDeadline: line["at_deadline"]?.boolValue ?? false)
      }
    }

    func check(_ passage: JSONValue) {
      for member in expected.members {
        #expect(passage[member.key] == member.value, "\(name): \(member.key): \(passage.serialized())")
      }
      let seconds = passage["seconds"]?.doubleValue ?? 0
      // With machines as busy as they may be, late is no fault; early is.
      if isAtDeadline { #expect(seconds >= 9.9, "\(name) ended after \(seconds) s") }
    }
  }

  /// A maker, and the proxy that its DID document names.
  struct Setup {
    let maker: RunningNode
    let proxy: PythonPeer

    init(_ attacks: [String], in folder: URL, name: String) async throws {
      let chain = folder.appending(path: "\(name)-chain.json")
      let asOf = UnixNanoseconds(1_795_000_000_000_000_000)
      try Data(SyntheticChain.bitcoin(asOf: asOf).serialized()).write(to: chain)
      let listener = try ListeningSocket()
      proxy = try PythonPeer(
        ["middle", "--target", "\(listener.address.port)"] + attacks.flatMap { ["--attack", $0] }, in: folder,
        name: "\(name)-proxy")
      let port = try await proxy.child.line { $0["event"]?.stringValue == "listening" }["port"]?.serialized() ?? ""
      maker = try await RunningNode(
        "\(name)-maker", in: folder, endpoint: "ws://127.0.0.1:\(port)", listener: listener,
        ["maker", "--chain", chain.path(), "--as-of", "chain", "--allow-anyone"])
    }

    var passages: [JSONValue] { proxy.child.lines.filter { $0["event"]?.stringValue == "passage" } }

    /// Waits until the proxy has told of as many connections that met an attack.
    func awaitPassages(_ count: Int, within seconds: Double) async throws {
      let deadline = ContinuousClock.now + .seconds(seconds)
      while passages.filter({ $0["attack"] != .null }).count < count {
        guard ContinuousClock.now < deadline else {
          throw Failure("only \(passages.count) of \(count):\n\(proxy.child.text)\n\(maker.log)")
        }
        try await Task.sleep(for: .milliseconds(50))
      }
    }

    func stop() async {
      await maker.stop()
      await proxy.child.kill()
    }
  }

  @Test("handshakes that somebody changes end as the page says, and the nodes deal afterwards")
  func handshakes() async throws {
    try await InteropTests.withFolder { folder in
      let attacks = try await Attack.all(in: folder).filter { !$0.opens }
      #expect(attacks.count >= 25)
      // Those that end with the handshake's time first: others go on meanwhile.
      let order = attacks.filter(\.isAtDeadline) + attacks.filter { !$0.isAtDeadline }
      let setup = try await Setup(["none"] + order.map(\.name), in: folder, name: "handshakes")
      // Somebody has dealt before, and the attacker has kept that session.
      let first = try await RunningNode("first", in: folder, endpoint: nil, ["up"])
      _ = try await first.call("connect", ["did": .string(setup.maker.longForm)])
      await first.stop()
      try await Self.takers(6, setup, in: folder) { taker in
        while setup.passages.count <= order.count {
          do throws(ControlError) {
            _ = try await taker.call("connect", ["did": .string(setup.maker.longForm)])
            return
          } catch {
            // As it should be.
          }
        }
      }
      try await setup.awaitPassages(order.count, within: 60)
      Self.check(attacks, setup)
      await setup.stop()
    }
  }

  @Test("sessions that somebody disturbs end or go on as the page says, and the nodes deal afterwards")
  func sessions() async throws {
    try await InteropTests.withFolder { folder in
      let attacks = try await Attack.all(in: folder).filter(\.opens)
      #expect(attacks.count >= 12)
      let setup = try await Setup(["none"] + attacks.map(\.name), in: folder, name: "sessions")
      let first = try await RunningNode("first", in: folder, endpoint: nil, ["up"])
      _ = try await first.call("connect", ["did": .string(setup.maker.longForm)])
      await first.stop()
      try await Self.takers(4, setup, in: folder) { taker in
        // What ends before it has begun is called again by its owner; what ends later, by the node itself, and a call of
        // the owner's at the same time would take the place of the node's before the attack shows.
        var isConnected = false
        while setup.passages.filter({ $0["attack"] != .null }).count < attacks.count {
          do throws(ControlError) {
            if !isConnected { _ = try await taker.call("connect", ["did": .string(setup.maker.longForm)]) }
            isConnected = true
          } catch {
            // As it should be.
          }
          try? await Task.sleep(for: .milliseconds(200))
        }
      }
      try await setup.awaitPassages(attacks.count, within: 60)
      Self.check(attacks, setup)
      await setup.stop()
    }
  }

  /// Some nodes call at the same time; afterwards each of them deals.
  private static func takers(
    _ count: Int, _ setup: Setup, in folder: URL, _ call: @escaping @Sendable (RunningNode) async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<count {
        let taker = try await RunningNode("taker-\(number)", in: folder, endpoint: nil, ["up"])
        group.addTask {
          try await call(taker)
          let dealt = await deals(taker, setup.maker)
          #expect(dealt, "taker \(number) cannot deal:\n\(taker.log)")
          await taker.stop()
        }
      }
      try await group.waitForAll()
    }
  }

  private static func deals(_ taker: RunningNode, _ maker: RunningNode) async -> Bool {
    for _ in 0..<20 {
      do throws(ControlError) {
        _ = try await taker.call("connect", ["did": .string(maker.longForm)])
        let asked = try await taker.call(
          "rfq", ["instrument": .string(InteropTests.instrument), "amount": "1", "side": "buy"])
        guard let dialogue = asked["dialogue"] else { continue }
        let accepted = try await taker.call("accept", ["dialogue": dialogue])
        if accepted["phase"]?.stringValue == "traded" { return true }
      } catch {
        try? await Task.sleep(for: .milliseconds(200))
      }
    }
    return false
  }

  private static func check(_ attacks: [Attack], _ setup: Setup) {
    let passages = setup.passages
    for attack in attacks {
      let mine = passages.filter { $0["attack"]?.stringValue == attack.name }
      #expect(mine.count == 1, "\(attack.name) was tried \(mine.count) times")
      mine.forEach(attack.check)
    }
  }

  @Test("three round trips, from the TCP connection to the initiator's first byte of the application")
  func roundTrips() async throws {
    try await InteropTests.withFolder { folder in
      let setup = try await Setup([], in: folder, name: "turns")
      let taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up"])
      _ = try await taker.call("connect", ["did": .string(setup.maker.longForm)])
      await taker.stop()
      let passage = try await setup.proxy.child.line { $0["event"]?.stringValue == "passage" }
      let flights = passage["flights"]?.arrayValue ?? []
      let what = flights.prefix(5).map { flight in
        (flight[1]?.arrayValue ?? []).map { "\($0[0]?.stringValue ?? "") \($0[1]?.serialized() ?? "")" }
      }
      try #require(what.count == 5, "\(passage.serialized())")
      #expect(flights.prefix(5).map { $0[0]?.stringValue } == ["I", "R", "I", "R", "I"])
      // The request with message 1; the 101, and message 2 in the same flight; message 3; ACCEPT; records.
      #expect(what[0].count == 1 && what[0][0].hasPrefix("GET "))
      #expect(what[1].count == 2 && what[1][0].hasPrefix("101 ") && what[1][1] == "message 2224")
      #expect(what[2].count == 1 && what[2][0] == "message 1088" || what[2][0] == "message 2112", "\(what[2])")
      #expect(what[3].first == "message 532", "\(what[3])")
      // TCP's own, and one for each two flights before the initiator's first record.
      let trips = 1 + (what.count - 1) / 2
      #expect(trips == 3 && what[4].first?.hasPrefix("message ") == true)
      await setup.stop()
    }
  }
}
