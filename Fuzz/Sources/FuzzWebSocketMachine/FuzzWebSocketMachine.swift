import ParleyWebSocket
import ParleyWire

/// A connection machine never traps, says the same however its input is split, and stops at the first fault.
///
/// The input: a byte of options, a byte for the size of the pieces, then what the socket gives.
@c(LLVMFuzzerTestOneInput)
public func fuzzWebSocketMachine(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard input.count > 2 else { return 0 }
  let stream = Array(input[2...])
  let whole = run(stream, pieceSize: stream.count, options: input[0])
  let pieces = run(stream, pieceSize: max(1, Int(input[1])), options: input[0])
  precondition(whole == pieces)
  return 0
}

private struct Outcome: Equatable {
  var messages: [[UInt8]] = []
  var close: CloseCode?
  var failure: WebSocketError?
}

private let epoch = MonotonicTime.zero

private func run(_ stream: [UInt8], pieceSize: Int, options: UInt8) -> Outcome {
  var limits = WebSocketLimits()
  if options & 1 != 0 {
    limits.acceptsText = true
    limits.minimumFragmentByteCount = 0
  }
  let role: WebSocketMachine.Role = options & 2 != 0 ? .client : .server
  var machine = WebSocketMachine(
    endpoint: WebSocketEndpoint(role: role, limits: limits) { MaskingKey(1, 2, 3, 4) }, now: epoch)
  machine.admitsOnlyBinaryMessages = options & 4 != 0
  var outcome = Outcome()
  var output: [UInt8] = []
  if options & 8 != 0 { machine.close(.normal, now: epoch, into: &output) }
  var offset = 0
  while offset < stream.count {
    let end = min(stream.count, offset &+ pieceSize)
    receive(Array(stream[offset..<end]), &machine, &outcome)
    offset = end
    _ = machine.poll(now: epoch, into: &output)
  }
  // At most a pong a ping, a ping and a Close of each 129 bytes come out of what the peer sends.
  precondition(output.count <= 131 &* (limits.maximumPingsPerSecond &+ 3))
  return outcome
}

private func receive(_ piece: [UInt8], _ machine: inout WebSocketMachine, _ outcome: inout Outcome) {
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
      case .ping: break
      case .close(let code): outcome.close = code
      }
    }
    precondition(position == piece.count)
  } catch {
    precondition(outcome.failure == nil)
    outcome.failure = error
  }
}
