import ParleyWebSocket
import ParleyWire

/// A connection machine never traps, says the same however its input is split, and stops at the first fault; and two
/// of them understand each other, whatever they say and however it is cut.
///
/// The input: a byte of options, a byte for the size of the pieces, then what the socket gives, or what the two do.
@c(LLVMFuzzerTestOneInput)
public func fuzzWebSocketMachine(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard input.count > 2 else { return 0 }
  let options = Options(bits: input[0])
  let rest = Array(input[2...])
  guard !options.isConversation else {
    converse(rest, options)
    return 0
  }
  let whole = run(rest, pieceSize: rest.count, options)
  // Each piece costs: small ones only where there are few.
  let pieces = run(rest, pieceSize: max(1, Int(input[1]), rest.count / 12), options)
  precondition(whole.agrees(with: pieces, options))
  return 0
}

// MARK: What is tried

private struct Options {
  let bits: UInt8

  var role: WebSocketMachine.Role { bits & 1 != 0 ? .client : .server }
  var admitsOnlyBinaryMessages: Bool { bits & 2 != 0 }
  var isClosing: Bool { bits & 4 != 0 }
  var hasSmallLimits: Bool { bits & 8 != 0 }
  var isCompressed: Bool { bits & 16 != 0 }
  var keepsContext: Bool { bits & 32 != 0 }
  var isConversation: Bool { bits & 64 != 0 }

  /// Where one end compresses alone, windows are whole: a reference beyond a smaller one is seen or not, as the input is
  /// cut.
  var agreement: PermessageDeflate.Agreement {
    .init(
      serverNoContextTakeover: !keepsContext, clientNoContextTakeover: !keepsContext,
      serverMaximumWindowBits: isConversation ? 9 : 15, clientMaximumWindowBits: isConversation ? 8 : 15)
  }
}

private let epoch = MonotonicTime.zero
nonisolated(unsafe) private let pool = DeflatePool()

/// Made once: the server's and the client's, with large limits and with small.
private let endpoints: [WebSocketEndpoint] = [WebSocketMachine.Role.server, .client].flatMap { role in
  [false, true].map { isSmall in
    var limits = WebSocketLimits()
    limits.maximumInflatedByteCount = isSmall ? 64 : 1 << 16
    // Where the ratio is looked at depends a little on how the input is cut.
    limits.maximumInflationRatio = .max
    if isSmall {
      limits.maximumMessageByteCount = 100
      limits.maximumFragmentCount = 3
      limits.minimumFragmentByteCount = 1
      limits.acceptsText = false
    }
    var deflate = PermessageDeflate.Options()
    deflate.minimumByteCount = 8
    deflate.memoryLevel = 1
    return WebSocketEndpoint(role: role, limits: limits, deflate: deflate) { MaskingKey(1, 2, 3, 4) }
  }
}

private func machine(_ role: WebSocketMachine.Role, _ options: Options) -> WebSocketMachine {
  WebSocketMachine(
    endpoint: endpoints[(role == .client ? 2 : 0) + (options.hasSmallLimits ? 1 : 0)],
    deflate: options.isCompressed ? (options.agreement, pool) : nil, now: epoch)
}

// MARK: One end

private struct Outcome: Equatable {
  var messages: [[UInt8]] = []
  var close: CloseCode?
  var failure: WebSocketError?

  /// Of two faults in one compressed piece, such as text that is not UTF-8 before data that is not DEFLATE, either
  /// may be named first.
  func agrees(with other: Self, _ options: Options) -> Bool {
    self == other
      || options.isCompressed && failure != nil && other.failure != nil && messages == other.messages
        && close == other.close
  }
}

private func run(_ stream: [UInt8], pieceSize: Int, _ options: Options) -> Outcome {
  var machine = machine(options.role, options)
  machine.admitsOnlyBinaryMessages = options.admitsOnlyBinaryMessages
  var outcome = Outcome()
  var output: [UInt8] = []
  if options.isClosing { machine.close(.normal, now: epoch, into: &output) }
  var offset = 0
  while offset < stream.count {
    let end = min(stream.count, offset &+ pieceSize)
    receive(Array(stream[offset..<end]), &machine, &outcome, &output)
    offset = end
    _ = machine.poll(now: epoch, into: &output)
  }
  // At most a pong a ping, a ping and a Close of each 129 bytes come out of what the peer sends.
  precondition(output.count <= 131 &* (machine.endpoint.limits.maximumPingsPerSecond &+ 3))
  for message in outcome.messages { precondition(message.count <= 1 << 20) }
  return outcome
}

private func receive(
  _ piece: [UInt8], _ machine: inout WebSocketMachine, _ outcome: inout Outcome, _ output: inout [UInt8]
) {
  var bytes = piece
  var span = bytes.mutableSpan
  var raw = span.mutableBytes
  var position = 0
  do throws(WebSocketError) {
    while let event = try machine.receive(&raw, from: &position, now: epoch) {
      precondition(outcome.failure == nil && outcome.close == nil)
      switch event {
      case .message(_, let range): outcome.messages.append([UInt8](raw.bytes.extracting(range)))
      case .assembledMessage: outcome.messages.append(machine.takeAssembled())
      case .ping: _ = machine.poll(now: epoch, into: &output)
      case .close(let code): outcome.close = code
      }
    }
    precondition(position == piece.count)
  } catch {
    precondition(outcome.failure == nil)
    outcome.failure = error
  }
}

// MARK: Two ends

/// One end of a conversation: what it has sent, what it has heard, and its bytes on the way.
private struct Speaker: ~Copyable {
  var machine: WebSocketMachine
  var sent: [[UInt8]] = []
  var heard = Outcome()
  var output: [UInt8] = []

  mutating func say(_ message: [UInt8]) {
    if machine.send(.binary, message.rawSpan, now: epoch, into: &output) { sent.append(message) }
  }

  mutating func hear(_ piece: [UInt8]) {
    receive(piece, &machine, &heard, &output)
    _ = machine.poll(now: epoch, into: &output)
  }

  mutating func deliver(_ count: Int) -> [UInt8] {
    defer { output.removeFirst(count) }
    return Array(output[..<count])
  }
}

/// Each step: a byte of which the low bit says who, the next two what, and the rest how much.
private func converse(_ steps: [UInt8], _ options: Options) {
  var server = Speaker(machine: machine(.server, options))
  var client = Speaker(machine: machine(.client, options))
  var isClosed = false
  // Each step costs, and thirty are a long conversation.
  for (index, step) in steps.prefix(30).enumerated() {
    let amount = Int(step >> 3)
    switch step & 7 {
    case 0: server.say(Array(steps[index..<min(steps.count, index + amount)]))
    case 1: client.say(Array(steps[index..<min(steps.count, index + amount)]))
    case 2, 4: client.hear(server.deliver(min(server.output.count, amount)))
    case 3, 5: server.hear(client.deliver(min(client.output.count, amount)))
    case 6:
      isClosed = true
      server.machine.close(.goingAway, reason: "bye", now: epoch, into: &server.output)
    default:
      isClosed = true
      client.machine.close(.normal, now: epoch, into: &client.output)
    }
  }
  for _ in 0..<3 {
    client.hear(server.deliver(server.output.count))
    server.hear(client.deliver(client.output.count))
  }
  precondition(server.heard.failure == nil && client.heard.failure == nil)
  if isClosed {
    // What crossed a Close is not heard.
    precondition(client.sent.starts(with: server.heard.messages) && server.sent.starts(with: client.heard.messages))
    precondition(!server.machine.isOpen && !client.machine.isOpen)
    precondition(server.heard.close != nil && client.heard.close != nil)
  } else {
    precondition(client.heard.messages == server.sent && server.heard.messages == client.sent)
  }
}
