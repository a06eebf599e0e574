import ParleyIdentity
import ParleyMarket
import ParleyNegotiation
import ParleyWire
import TestSupport
import Testing

@testable import ParleyNode

/// A user's own strategy: asks 700 ticks for whatever it is, takes counters at 650, and has no bid.
private struct Stubborn: QuotingStrategy {
  let summary = ["one price for all"]

  func decide(_ occasion: QuoteOccasion) -> QuoteDecision {
    guard let counter = occasion.counter else {
      guard occasion.side == .buy else { return .pass(MakerRefusal(.policy, .side, "I only sell, ä")) }
      return .quote(QuoteTerms(bid: nil, ask: Ticks(700), lots: 15, life: 20_000_000_000))
    }
    return counter.price >= Ticks(650) ? .accept : .quote(QuoteTerms(bid: nil, ask: Ticks(690)))
  }

  func prices(of legs: [Leg], making net: Ticks, now: UnixNanoseconds) -> [Ticks]? { legs.count == 1 ? [net] : nil }
}

@Suite("A strategy of one's own", .serialized, .enabled(if: WebSite.isPossible, "needs .deps/venv"))
struct StrategyTests {
  @Test("it takes the place of the one built in: quotes a part, requotes, accepts, and refuses with its reason")
  func own() async throws {
    try await Scene.with { scene in
      let maker = try await scene.plain("maker", listens: true) {
        $0.allowsAnyone = true
        $0.quoting = Quoting(strategy: Stubborn(), marks: nil, quoteLife: 20_000_000_000)
      }
      #expect(await maker.status().quoting == ["one price for all"])
      let taker = try await scene.plain("taker")
      _ = try await taker.connect(NodeIdentity.longForm(maker.identity))
      func ask(_ side: JSONValue) async throws -> JSONValue {
        try await taker.call(
          "rfq",
          ["instrument": .string(GroupTests.instrument), "amount": "2", "min_amount": "0.1", "side": side])
      }
      let quoted = try await ask("buy")
      #expect(quoted["theirs"]?["ask_ticks"] == 700, "\(quoted.serialized())")
      #expect(quoted["theirs"]?["amount"] == "1.5")
      func counter(_ price: JSONValue) async throws -> JSONValue {
        try await taker.call("counter", ["dialogue": quoted["dialogue"] ?? .null, "price": price, "amount": "1"])
      }
      let low = try await counter("0.0600")
      #expect(low["theirs"]?["ask_ticks"] == 690, "\(low.serialized())")
      let good = try await counter("0.0650")
      #expect(good["phase"] == "traded", "\(good.serialized())")
      let refused = try await ask("sell")
      #expect(refused["outcome"]?.stringValue?.contains("I only sell, ??") == true, "\(refused.serialized())")
      await taker.stop()
      await maker.stop()
    }
  }
}
