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
      }
      await taker.stop()
      await other.stop()
    }
  }
}
