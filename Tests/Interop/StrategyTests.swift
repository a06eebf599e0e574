import Foundation
import Parley
import TestSupport
import Testing

@Suite("A strategy in another process", .serialized)
struct StrategyTests {
  /// The example of docs/strategy.md, attached to the maker.
  private func attach(_ scene: DeskScene, _ words: [String] = []) async throws -> Child {
    let script = SharedVectors.root.appending(path: "examples/strategy.py").path()
    let home = scene.maker.home.folder.path()
    let strategy = try Child(
      Programs.python, [script, "--home", home] + words, in: scene.folder, name: "strategy-\(words.count)")
    _ = try await strategy.line { $0["result"]?["deadline_ms"] == 2_000 }
    return strategy
  }

  private func scene(_ body: (DeskScene) async throws -> Void) async throws {
    try await DeskScene.with(
      makerOptions: ["--strategy", "external", "--strategy-deadline", "2000", "--hedge-delta", "0.3"], body)
  }

  private func why(_ asked: JSONValue) -> String { asked["outcome"]?.stringValue ?? asked.serialized() }

  @Test("it quotes, counters and trades; once it is killed its quotes are gone, and nothing is quoted")
  func killed() async throws {
    try await scene { scene in
      let silence = "rejected: OVERLOAD: the maker's strategy does not answer"
      let early = try await scene.ask("1")
      #expect(why(early) == silence)
      let strategy = try await attach(scene)
      let first = try await scene.ask("1")
      let question = try await strategy.line { $0["params"]?["event"] == "request" }["params"]
      let fair = try #require(question?["fair"]?.stringValue.flatMap(Double.init))
      let offered = try #require(DeskScene.ask(in: first), "\(first.serialized())")
      #expect(abs(offered - fair - 0.0005) < 1e-9, "five ticks over \(fair)")
      // Below the fair price: met half way. At it: taken.
      let countered = try await scene.taker.call(
        "counter", ["dialogue": first["dialogue"] ?? .null, "price": .string(text(fair - 0.0003))])
      #expect(countered["theirs"]?["ask"]?.stringValue == text(fair + 0.0001), "\(countered.serialized())")
      let traded = try await scene.taker.call(
        "counter", ["dialogue": first["dialogue"] ?? .null, "price": .string(text(fair))])
      #expect(traded["phase"] == "traded", "\(traded.serialized())")
      let hedge = try await strategy.line { $0["params"]?["event"] == "hedge" }["params"]
      #expect(hedge?["underlying"] == "BTC")
      let told = try await strategy.line { $0["params"]?["event"] == "trade" }["params"]
      #expect(told?["trade"]?["direction"] == "sell" && told?["inventory"] != .null)

      let live = try await scene.ask("1")
      #expect(live["theirs"] != .null, "\(live.serialized())")
      await strategy.kill()
      let pulled = try await scene.dialogue(live["dialogue"]) { $0["theirs"] == .null }
      #expect(pulled["theirs"] == .null && pulled["phase"] != "traded", "\(pulled.serialized())")
      let late = try await scene.ask("1")
      #expect(why(late) == silence)
      // Another one goes on.
      let next = try await attach(scene, ["--ticks", "3"])
      let again = try await scene.ask("1")
      #expect(again["theirs"] != .null, "\(again.serialized())")
      await next.kill()
    }
  }

  @Test("one that falls silent loses its quotes at its deadline, and a second one is turned away")
  func silent() async throws {
    try await scene { scene in
      let strategy = try await attach(scene, ["--answers", "1"])
      let second = try Child(
        Programs.python,
        [
          SharedVectors.root.appending(path: "examples/strategy.py").path(), "--home",
          scene.maker.home.folder.path(),
        ], in: scene.folder, name: "second")
      let turnedAway = try await second.line { $0["error"] != nil }
      #expect(turnedAway["error"]?["message"] == "another strategy is attached")
      let live = try await scene.ask("1")
      #expect(live["theirs"] != .null, "\(live.serialized())")
      let unanswered = try await scene.ask("0.5")
      #expect(why(unanswered) == "rejected: OVERLOAD: the maker's strategy does not answer")
      let pulled = try await scene.dialogue(live["dialogue"]) { $0["theirs"] == .null }
      #expect(pulled["theirs"] == .null, "\(pulled.serialized())")
      #expect(scene.maker.log.contains("strategy-silent"))
      await strategy.kill()
    }
  }

  private func text(_ price: Double) -> String { String(format: "%.4f", price) }
}
