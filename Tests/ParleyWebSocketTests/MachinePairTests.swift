import ParleyWire
import TestSupport
import Testing

@testable import ParleyWebSocket

@Suite("WebSocket machine: every state and input")
struct MachinePairTests {
  @Test("a buffer full of small frames takes no more stack than one", arguments: [true, false])
  func noNesting(isOpen: Bool) {
    var endpoint = Endpoint(.server)
    if !isOpen { endpoint.machine.close(.normal, now: epoch, into: &endpoint.output) }
    let pong = frame(.pong)
    endpoint.receive((0..<200_000).flatMap { _ in pong })
    let (seen, output) = (endpoint.seen, endpoint.output)
    #expect(seen == [])
    #expect(output.count == (isOpen ? 0 : 4))
  }
}
