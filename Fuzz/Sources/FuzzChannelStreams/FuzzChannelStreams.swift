import ParleyNoise
import ParleyPeer
import ParleyWire

/// The streams of a channel that get any bytes between any calls trap never, keep their limits, send only whole frames,
/// and are silent after an error; and the same bytes lead to the same events however they are cut into records.
@c(LLVMFuzzerTestOneInput)
public func fuzzChannelStreams(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let first = input.first else { return 0 }
  let side = first & 1 == 0 ? NoiseRole.initiator : .responder
  var end = End(side)
  end.run(input.dropFirst())
  let bytes = Array(input.dropFirst())
  let step = Int(first >> 1) + 1
  let whole = events([bytes], side)
  let pieces = events(
    stride(from: 0, to: bytes.count, by: step).map { Array(bytes[$0..<min($0 + step, bytes.count)]) }, side)
  precondition(whole.error == pieces.error)
  // An error hides the messages that come with it in one piece of a stream.
  precondition(whole.error != nil || whole.events == pieces.events)
  return 0
}

private let feed = "/parley/feed/1"
private let now = ContinuousClock.now

private func makeStreams(_ side: NoiseRole) -> ChannelStreams {
  var limits = ChannelStreamLimits()
  limits.streamCount = 3
  limits.queueByteCount = 70_000
  limits.recordByteCount = 200
  return ChannelStreams(side, protocols: [feed], limits: limits)
}

/// One end, and what is known of it from outside.
private struct End: ~Copyable {
  var streams: ChannelStreams
  var unread: [(id: UInt32?, message: [UInt8])] = []
  var output: [UInt8] = []

  init(_ side: NoiseRole) { streams = makeStreams(side) }

  /// A byte is a call; for bytes from the peer it also says how many of those that follow.
  mutating func run(_ script: ArraySlice<UInt8>) {
    var rest = script
    while let call = rest.popFirst() {
      let id = UInt32(call >> 4)
      switch call & 7 {
      case 0...2:
        let bytes = Array(rest.prefix(Int(call >> 1)))
        rest = rest.dropFirst(bytes.count)
        guard (try? streams.receive(bytes.rawSpan, now: now)) != nil else {
          drain()
          precondition(!streams.hasOutput && streams.takeOutput().isEmpty)
          return checkOutput()
        }
      case 3: _ = streams.open(feed)
      case 4: _ = streams.send([UInt8](repeating: call, count: 70), on: id)
      case 5: for (id, message) in unread { streams.consume(message, of: id) }
      case 6: call & 8 == 0 ? streams.finish(id) : streams.reset(id)
      default: act(call)
      }
      if call & 7 == 5 { unread = [] }
      drain()
      precondition(streams.counters.open <= 6)
    }
    while streams.hasOutput { output += streams.takeOutput() }
    checkOutput()
    _ = try? streams.receiveClose()
  }

  private mutating func act(_ call: UInt8) {
    switch call >> 3 & 3 {
    case 0: _ = streams.negotiate([call])
    case 1: _ = streams.ping([UInt8](repeating: call, count: ChannelStreams.pingByteCount), now: now)
    default:
      let record = streams.takeOutput()
      // Answers alone may be more than a record.
      precondition(record.count <= 200 + (16 << 10) + 12)
      output += record
    }
  }

  private mutating func drain() {
    while let event = streams.poll() {
      switch event {
      case .negotiation(let message): unread.append((nil, message))
      case .message(let id, let message): unread.append((id, message))
      case .opened, .agreed, .finished, .reset, .writable, .roundTrip, .goneAway: continue
      }
    }
  }

  /// All that was sent is frames, one after the other.
  private func checkOutput() {
    var position = 0
    while position < output.count {
      precondition(output.count - position >= 12 && output[position] == 0 && output[position + 1] <= 3)
      let length = output[(position + 8)..<(position + 12)].reduce(0) { $0 << 8 | Int($1) }
      position += output[position + 1] == 0 ? 12 + length : 12
    }
    precondition(position == output.count)
  }
}

private func events(
  _ pieces: [[UInt8]], _ side: NoiseRole
) -> (events: [ChannelStreamsEvent], error: ChannelStreamsError?) {
  var streams = makeStreams(side)
  var events = [ChannelStreamsEvent]()
  for piece in pieces {
    var failure: ChannelStreamsError?
    do throws(ChannelStreamsError) {
      try streams.receive(piece.rawSpan, now: now)
    } catch {
      failure = error
    }
    while let event = streams.poll() { events.append(event) }
    if let failure { return (events, failure) }
  }
  return (events, nil)
}
