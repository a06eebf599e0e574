import ParleyNoise
import ParleyPeer
import ParleyWire

/// A session that gets any bytes between any calls traps never, keeps its limits, and sends only whole frames; and the
/// same bytes lead to the same events however they are cut.
@c(LLVMFuzzerTestOneInput)
public func fuzzYamux(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let first = input.first else { return 0 }
  var session = Session(first & 1 == 0 ? .initiator : .responder)
  session.run(input.dropFirst())
  compareCuts(Array(input.dropFirst()), step: Int(first >> 1) + 1)
  return 0
}

private func limits() -> YamuxLimits {
  var limits = YamuxLimits()
  limits.inboundStreamCount = 3
  limits.outboundStreamCount = 2
  limits.outputByteCount = 100
  limits.answerByteCount = 60
  limits.unreadByteCount = limits.windowByteCount
  return limits
}

/// The machine, and what is known of it from outside.
private struct Session: ~Copyable {
  var machine: YamuxMachine
  var unread: [UInt32: Int] = [:]
  var output: [UInt8] = []

  init(_ side: NoiseRole) { machine = YamuxMachine(side, limits: limits()) }

  /// A byte is a call; for bytes from the peer it also says how many of those that follow.
  mutating func run(_ script: ArraySlice<UInt8>) {
    var rest = script
    while let call = rest.popFirst() {
      let id = UInt32(call >> 4)
      switch call & 7 {
      case 0...2:
        let bytes = Array(rest.prefix(Int(call >> 2)))
        rest = rest.dropFirst(bytes.count)
        let isOver = (try? machine.receive(bytes.rawSpan)) == nil
        drain()
        if isOver { return checkOutput() }
      case 3: _ = try? machine.open()
      case 4: _ = machine.send([UInt8](repeating: call, count: 70).rawSpan, on: id)
      case 5:
        machine.consume(unread[id] ?? 0, of: id)
        unread[id] = nil
      case 6: call & 8 == 0 ? machine.finish(id) : machine.reset(id)
      default:
        output += machine.takeOutput()
        _ = machine.ping(UInt32(call))
        if call == 0xFF { machine.goAway() }
      }
      drain()
      precondition(machine.streamCount <= 5)
      // Beyond what answers may take there is room for what the calls of one script say, each a header.
      precondition(machine.outputByteCount <= 160 + 12 * (script.count + 1))
    }
    checkOutput()
  }

  private mutating func drain() {
    while let event = machine.poll() {
      switch event {
      case .opened(let id): if id & 2 == 0 { machine.accept(id) }
      case .data(let id, let bytes):
        precondition(!bytes.isEmpty)
        unread[id, default: 0] += bytes.count
        precondition(unread[id, default: 0] <= YamuxLimits.initialWindowByteCount)
      case .reset(let id), .overrun(let id): unread[id] = nil
      case .acknowledged, .finished, .writable, .pong, .goAway: continue
      }
    }
  }

  /// All that was sent is frames, one after the other.
  private mutating func checkOutput() {
    output += machine.takeOutput()
    var position = 0
    while position < output.count {
      precondition(output.count - position >= 12 && output[position] == 0 && output[position + 1] <= 3)
      let length = output[(position + 8)..<(position + 12)].reduce(0) { $0 << 8 | Int($1) }
      position += output[position + 1] == 0 ? 12 + length : 12
    }
    precondition(position == output.count)
  }
}

private func compareCuts(_ bytes: [UInt8], step: Int) {
  let whole = events([bytes])
  let pieces = events(
    stride(from: 0, to: bytes.count, by: step).map { Array(bytes[$0..<min($0 + step, bytes.count)]) })
  precondition(whole.error == pieces.error && whole.events == pieces.events)
}

private func events(_ pieces: [[UInt8]]) -> (events: [YamuxEvent], error: YamuxError?) {
  var machine = YamuxMachine(.responder)
  var events = [YamuxEvent]()
  for piece in pieces {
    var failure: YamuxError?
    do throws(YamuxError) {
      try machine.receive(piece.rawSpan)
    } catch {
      failure = error
    }
    while let event = machine.poll() {
      if case .data(let id, let more) = event, case .data(id, let before)? = events.last {
        events[events.count - 1] = .data(id, before + more)
      } else {
        events.append(event)
      }
    }
    if let failure { return (events, failure) }
  }
  return (events, nil)
}
