import Foundation
import Parley
import Testing

@Suite("A quiet channel")
struct QuietTests {
  @Test("stays open when nobody has anything to say")
  func quiet() async throws {
    try await InteropTests.withFolder { folder in
      let taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up"])
      let listener = try ListeningSocket()
      let other = try await RunningNode(
        "other", in: folder, endpoint: "ws://\(listener.address)", listener: listener,
        ["up", "--allow", taker.longForm])
      _ = try await taker.call("connect", ["did": .string(other.longForm)])
      // Longer than a WebSocket is silent before it pings.
      try await Task.sleep(for: WebSocketLimits().pingInterval + .seconds(2))
      for node in [taker, other] {
        let connected = try await node.call("status")["connected"]?.arrayValue
        #expect(connected?.count == 1 && !node.log.contains(" channel-end "), "\(node.log)")
        // Each side measures on a stream of its own, beside the negotiation's.
        let channel = try await node.call("status")["channels"]?[0]
        #expect(channel?["streams"] == 3 && channel?["streams_reset"] == 0 && channel?["pings_lost"] == 0)
        #expect(channel?["round_trip_ms"]?.doubleValue ?? 0 > 0, "\(channel?.serialized() ?? "")")
        let shown = try await CommandLineTests.parley(["status", "--home", node.home.folder.path()], in: folder)
        #expect(shown.code == 0 && shown.text.contains("round trip") && shown.text.contains("3 streams"), "\(shown)")
      }
      await taker.stop()
      await other.stop()
    }
  }
}
