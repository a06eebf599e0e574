import Foundation
import ParleyIdentity
import ParleyMarket
import ParleyWire
import TestSupport
import Testing

@testable import ParleyNode

/// One need and several makers: real nodes, real sockets.
@Suite("Several makers", .serialized, .enabled(if: WebSite.isPossible, "needs .deps/venv"))
struct GroupTests {
  static let instrument = "BTC-27NOV26-100000-C"

  /// Makers that anybody may call: the wider the spread, the later its letter.
  static func makers(_ scene: Scene, _ amounts: [String: String]) async throws -> [String: Node] {
    let chain = try SyntheticChain.bitcoin(asOf: UnixNanoseconds(1_795_000_000_000_000_000))
    var nodes: [String: Node] = [:]
    for (index, name) in amounts.keys.sorted().enumerated() {
      let policy = MakerPolicy(
        spread: Double(index + 1), maximumAmount: try ExactDecimal(parsing: amounts[name] ?? ""))
      nodes[name] = try await scene.plain(name, listens: true) {
        $0.allowsAnyone = true
        $0.quoting = Quoting(maker: ChainMaker(chain: chain, policy: policy), quoteLife: 20_000_000_000)
      }
    }
    return nodes
  }

  static func taker(_ scene: Scene, of makers: [String: Node]) async throws -> Node {
    let taker = try await scene.plain("taker")
    for maker in makers.values { _ = try await taker.connect(NodeIdentity.longForm(maker.identity)) }
    return taker
  }

  static func rfq(_ amount: String, _ more: JSONObject = [:]) -> JSONObject {
    var parameters: JSONObject = [
      "instrument": .string(instrument), "amount": .string(amount), "min_amount": "0.1", "side": "buy",
      "with": "all",
    ]
    for member in more.members { parameters[member.key] = member.value }
    return parameters
  }

  static func states(_ result: JSONValue) -> [String] {
    (result["taken"]?.arrayValue ?? []).map {
      "\($0["state"]?.stringValue ?? "") \($0["amount"]?.stringValue ?? "")"
    }
  }

  static func stop(_ taker: Node, _ makers: [String: Node]) async {
    for node in [taker] + makers.values { await node.stop() }
  }

  @Test("the best quotes of three makers fill an amount, and in all no more than was asked for, after a restart too")
  func fill() async throws {
    try await Scene.with { scene in
      let makers = try await Self.makers(scene, ["a": "2", "b": "2", "c": "10"])
      var taker = try await Self.taker(scene, of: makers)
      let asked = try await taker.call("rfq", Self.rfq("5"))
      let group = try #require(asked["group"])
      #expect(asked["dialogues"]?.arrayValue?.count == 3 && asked["failed"]?.arrayValue?.isEmpty == true)
      let asks = asked["asks"]?.arrayValue ?? []
      #expect(asks.map { $0["amount"]?.stringValue } == ["2", "2", "5"], "\(asked.serialized())")
      let prices = asks.compactMap { $0["price_ticks"]?.int64Value }
      #expect(prices == prices.sorted() && Set(prices).count == 3)
      #expect(asks.first?["peer"]?.stringValue == makers["a"]?.identity.did.string)

      // Nothing is at a price below the best, and too much is refused whole.
      let low = await scene.controlFailure {
        try await taker.call("accept", ["group": group, "amount": "1", "limit": "0.0001"])
      }
      #expect(low?.message.contains("no offer of this group") == true)
      let much = await scene.controlFailure { try await taker.call("accept", ["group": group, "amount": "5.1"]) }
      #expect(much?.message.contains("lots are still free") == true, "\(String(describing: much))")
      let none = await scene.controlFailure {
        try await taker.call(
          "accept", ["group": group, "amount": "4.5", "limit": asks[1]["price"] ?? .null, "all_or_none": true])
      }
      #expect(none?.message.contains("nothing was accepted") == true)

      let first = try await taker.call(
        "accept", ["group": group, "amount": "3.5", "client_order_id": "one"])
      #expect(Self.states(first) == ["filled 2", "filled 1.5"], "\(first.serialized())")
      #expect(first["filled"]?.stringValue == "3.5" && first["free"]?.stringValue == "1.5")
      // The same order again takes nothing more.
      let again = try await taker.call("accept", ["group": group, "amount": "3.5", "client_order_id": "one"])
      #expect(Self.states(again).sorted() == ["filled 1.5", "filled 2"] && again["filled"]?.stringValue == "3.5")

      await taker.stop()
      taker = try await scene.restart("taker")
      #expect(try await taker.call("best", ["group": group])["free"]?.stringValue == "1.5")
      #expect(await RenewalTests.eventually { await taker.syncedCount == 3 })
      let over = await scene.controlFailure { try await taker.call("accept", ["group": group, "amount": "2"]) }
      #expect(over != nil)
      let rest = try await taker.call("accept", ["group": group])
      #expect(Self.states(rest) == ["filled 1.5"] && rest["free"]?.stringValue == "0", "\(rest.serialized())")
      let trades = try await taker.call("trades").arrayValue ?? []
      #expect(trades.compactMap { $0["lots"]?.int64Value }.sorted() == [15, 15, 20])
      await Self.stop(taker, makers)
    }
  }

  @Test("a maker that is away is asked when it is back; one that is not known is named")
  func away() async throws {
    try await Scene.with { scene in
      var makers = try await Self.makers(scene, ["a": "2", "b": "2"])
      let taker = try await Self.taker(scene, of: makers)
      let dids = makers.mapValues { JSONValue.string($0.identity.did.string) }
      await makers["b"]?.stop()
      #expect(await RenewalTests.eventually { await taker.syncedCount == 1 })
      let stranger = "did:key:z6MkoTHsgNNrby8JzCNQ1iRLyW5QQ6R8Xuu6AA8igGrMVPUM"
      let asked = try await taker.call(
        "rfq", Self.rfq("4", ["with": [dids["a"] ?? .null, dids["b"] ?? .null, .string(stranger)]]))
      #expect(asked["failed"]?[0]?["peer"]?.stringValue == stranger && asked["failed"]?.arrayValue?.count == 1)
      let dialogues = asked["dialogues"]?.arrayValue ?? []
      #expect(dialogues.count == 2 && dialogues.filter { $0["connected"] == true }.count == 1)
      #expect(asked["asks"]?.arrayValue?.count == 1)
      makers["b"] = try await scene.restart("b")
      let group = try #require(asked["group"])
      #expect(
        await RenewalTests.eventually {
          (try? await taker.call("best", ["group": group]))?["asks"]?.arrayValue?.count == 2
        })
      let taken = try await taker.call("accept", ["group": group, "amount": "4", "all_or_none": true])
      #expect(Self.states(taken) == ["filled 2", "filled 2"], "\(taken.serialized())")
      await Self.stop(taker, makers)
    }
  }

  @Test("before the blind time is over no price shows and nothing can be taken")
  func blind() async throws {
    try await Scene.with { scene in
      let makers = try await Self.makers(scene, ["a": "2", "b": "2"])
      let taker = try await Self.taker(scene, of: makers)
      let asked = try await taker.call("rfq", Self.rfq("2", ["blind_ms": 2_000, "wait_ms": 600]))
      let group = try #require(asked["group"])
      #expect(asked["blind_ms"]?.int64Value ?? 0 > 0 && asked["asks"]?.arrayValue?.isEmpty == true)
      for dialogue in asked["dialogues"]?.arrayValue ?? [] {
        #expect(dialogue["theirs"] == .null && dialogue["blind_ms"]?.int64Value ?? 0 > 0)
        let id = try #require(dialogue["dialogue"])
        let early = await scene.controlFailure { try await taker.call("accept", ["dialogue": id]) }
        #expect(early?.message.contains("hidden until") == true, "\(String(describing: early))")
      }
      let none = await scene.controlFailure { try await taker.call("accept", ["group": group]) }
      #expect(none?.message.contains("no offer") == true)
      #expect(
        await RenewalTests.eventually {
          (try? await taker.call("best", ["group": group]))?["asks"]?.arrayValue?.count == 2
        })
      // One request alone waits for the end of its blind time by itself.
      let did = try #require(makers["a"]?.identity.did.string)
      let one = try await taker.call("rfq", Self.rfq("1", ["blind_ms": 400, "with": .string(did)]))
      #expect(one["theirs"]?["ask"]?.stringValue != nil && one["blind_ms"] == nil, "\(one.serialized())")
      await Self.stop(taker, makers)
    }
  }
}

extension Node {
  /// With how many peers both sides agree where they stand.
  var syncedCount: Int { sessions.values.count(where: \.isSynced) }
}

extension Scene {
  /// The error of the control socket that `body` ends with; `nil` if it does not.
  func controlFailure<T>(_ body: () async throws -> T) async -> ControlError? {
    do {
      _ = try await body()
      return nil
    } catch {
      return error as? ControlError
    }
  }
}
