import ParleyWire
import Synchronization
import TestSupport
import Testing

@testable import ParleyWebSocket

@Suite("WebSocket machine: every state and input")
struct MachinePairTests {
  enum State: CaseIterable { case open, midMessage, awaitingClose, closed, failed }

  enum Input: CaseIterable {
    case text, fragment, continuation, ping, pong, close, emptyClose, fault, nothing

    func bytes(_ masked: Bool) -> [UInt8] {
      switch self {
      case .text: frame(.text, [0x61], masked: masked)
      case .fragment: frame(.text, [0x61], isFinal: false, masked: masked)
      case .continuation: frame(.continuation, [0x61], masked: masked)
      case .ping: frame(.ping, [0x70], masked: masked)
      case .pong: frame(.pong, [0x70], masked: masked)
      case .close: frame(.close, [0x03, 0xE9], masked: masked)
      case .emptyClose: frame(.close, masked: masked)
      case .fault: rawFrame(0x83, [], masked: masked)
      case .nothing: []
      }
    }
  }

  /// What is seen, what is sent back, and where it leads.
  struct Outcome: Equatable {
    var seen: [Endpoint.Seen] = []
    var reply: [UInt8]?
    var replyCode: FrameOpcode = .close
    var next: State
  }

  /// Section 5 to 7, pair by pair.
  static func expected(_ state: State, _ input: Input) -> Outcome {
    let fault = { (error: WebSocketError) in
      Outcome(seen: [.failure(error)], reply: state == .awaitingClose ? nil : [0x03, 0xEA], next: .failed)
    }
    switch (state, input) {
    case (.closed, _): return Outcome(next: .closed)
    case (.failed, _): return Outcome(next: .failed)
    case (_, .nothing), (_, .pong): return Outcome(next: state)
    case (_, .fault): return fault(.reservedOpcode(3))
    case (.open, .text): return Outcome(seen: [.text("a")], next: .open)
    case (.open, .fragment): return Outcome(next: .midMessage)
    case (.midMessage, .text), (.midMessage, .fragment): return fault(.interleavedMessage)
    case (.midMessage, .continuation): return Outcome(seen: [.text("xa")], next: .open)
    case (.open, .continuation), (.awaitingClose, .continuation): return fault(.unexpectedContinuation)
    case (.open, .ping), (.midMessage, .ping): return Outcome(reply: [0x70], replyCode: .pong, next: state)
    case (.open, .close), (.midMessage, .close):
      return Outcome(seen: [.close(.goingAway, "")], reply: [0x03, 0xE9], next: .closed)
    case (.open, .emptyClose), (.midMessage, .emptyClose):
      return Outcome(seen: [.close(.noStatus, "")], reply: [], next: .closed)
    // Messages are read past, pings are not answered, and a Close ends it without another.
    case (.awaitingClose, .text), (.awaitingClose, .fragment), (.awaitingClose, .ping): return Outcome(next: state)
    case (.awaitingClose, .close): return Outcome(seen: [.close(.goingAway, "")], next: .closed)
    case (.awaitingClose, .emptyClose): return Outcome(seen: [.close(.noStatus, "")], next: .closed)
    }
  }

  static func endpoint(_ role: WebSocketMachine.Role, in state: State) -> Endpoint {
    var endpoint = Endpoint(role)
    let isMasked = role == .server
    switch state {
    case .open: break
    case .midMessage: endpoint.receive(frame(.text, [0x78], isFinal: false, masked: isMasked))
    case .awaitingClose: endpoint.machine.close(.normal, now: epoch, into: &endpoint.output)
    case .closed: endpoint.receive(frame(.close, masked: isMasked))
    case .failed: endpoint.receive(rawFrame(0x83, [], masked: isMasked))
    }
    endpoint.seen = []
    endpoint.output = []
    return endpoint
  }

  @Test(
    "each state takes each input as the RFC says, whole and a byte at a time",
    arguments: [WebSocketMachine.Role.server, .client], State.allCases)
  func everyPair(role: WebSocketMachine.Role, state: State) {
    for input in Input.allCases {
      let bytes = input.bytes(role == .server)
      for pieces in [[bytes], bytes.map { [$0] }] {
        var endpoint = Self.endpoint(role, in: state)
        for piece in pieces { endpoint.receive(piece) }
        endpoint.poll()
        let (seen, output, isOpen, action) = (endpoint.seen, endpoint.output, endpoint.machine.isOpen, endpoint.action)
        let expected = Self.expected(state, input)
        #expect(seen == expected.seen, "\(input)")
        let reply = expected.reply.map { frame(expected.replyCode, $0, masked: role == .client) } ?? []
        #expect(output == reply, "\(input)")
        #expect(isOpen == (expected.next == .open || expected.next == .midMessage), "\(input)")
        switch expected.next {
        case .open, .midMessage: #expect(action == .wait(until: epoch + openLimits.pingInterval), "\(input)")
        case .awaitingClose: #expect(action == .wait(until: epoch + openLimits.closeTimeout), "\(input)")
        case .closed, .failed: #expect(action == .finish, "\(input)")
        }
        // The state is the one named: what comes next is taken as it would be there.
        endpoint.seen = []
        endpoint.output = []
        endpoint.receive(Input.continuation.bytes(role == .server))
        let next = endpoint.seen
        // In the middle of a message that this input began, the text is its own.
        let wanted = Self.expected(expected.next, .continuation).seen
        if state == .open, input == .fragment {
          #expect(next == [.text("aa")])
        } else if state == .awaitingClose, input == .fragment {
          #expect(next == [])
        } else {
          #expect(next == wanted, "\(input)")
        }
      }
    }
  }

  @Test("messages, closes and time in each state", arguments: [WebSocketMachine.Role.server, .client], State.allCases)
  func sendingAfterClose(role: WebSocketMachine.Role, state: State) {
    let canSend = state == .open || state == .midMessage
    let isMasked = role == .client
    var endpoint = Self.endpoint(role, in: state)
    var sent = endpoint.machine.send(.binary, [1, 2], into: &endpoint.output)
    #expect(sent == canSend)
    sent = endpoint.machine.send(PreparedMessage(text: "a"), now: epoch, into: &endpoint.output)
    #expect(sent == canSend)
    let header = endpoint.machine.sendHeader(of: .text, byteCount: 1, now: epoch, into: &endpoint.output)
    #expect(header == (canSend && role == .server))
    var expected = frame(.binary, [1, 2], masked: isMasked) + frame(.text, [0x61], masked: isMasked)
    if role == .server { expected += [0x81, 0x01] }
    var output = endpoint.output
    #expect(output == (canSend ? expected : []))

    endpoint.output = []
    sent = endpoint.machine.close(.goingAway, reason: "bye", now: epoch, into: &endpoint.output)
    #expect(sent == canSend)
    output = endpoint.output
    #expect(output == (canSend ? frame(.close, [0x03, 0xE9] + Array("bye".utf8), masked: isMasked) : []))
    // And nothing more after it.
    endpoint.output = []
    sent = endpoint.machine.send(.binary, [1], into: &endpoint.output)
    let closed = endpoint.machine.close(.normal, now: epoch, into: &endpoint.output)
    #expect(!sent && !closed)
    endpoint.now = epoch + openLimits.closeTimeout
    endpoint.poll()
    let action = endpoint.action
    #expect(action == (state == .closed || state == .failed ? .finish : .drop(.closeTimeout)))
    output = endpoint.output
    #expect(output == [])
  }

  @Test("a client takes a new key for each frame, a server none at all")
  func freshKeys() {
    let counter = Counter()
    for role in [WebSocketMachine.Role.client, .server] {
      let shared = WebSocketEndpoint(role: role, limits: openLimits) { counter.next() }
      var machine = WebSocketMachine(endpoint: shared, now: epoch)
      var output: [UInt8] = []
      machine.send(.text, [0x61, 0x62], into: &output)
      machine.send(.binary, [], into: &output)
      machine.close(nil, now: epoch, into: &output)
      #expect(
        output
          == (role == .client
            ? [0x81, 0x82, 1, 0, 0, 0, 0x60, 0x62, 0x82, 0x80, 2, 0, 0, 0, 0x88, 0x80, 3, 0, 0, 0]
            : [0x81, 0x02, 0x61, 0x62, 0x82, 0x00, 0x88, 0x00]))
    }
    #expect(counter.value.withLock { $0 } == 3)
  }

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

private final class Counter: Sendable {
  let value = Mutex<UInt32>(0)

  func next() -> MaskingKey {
    MaskingKey(
      random: value.withLock {
        $0 += 1
        return $0
      })
  }
}
