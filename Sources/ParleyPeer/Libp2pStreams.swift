import ParleyNoise
import ParleyWire

/// Either side of an agreement: who dialled, or who opened the stream, proposes.
struct MultistreamSelector: Sendable {
  private enum Machine {
    case dialer(MultistreamDialer)
    case listener(MultistreamListener)
  }

  private var machine: Machine

  init(_ side: NoiseRole, _ names: [String]) {
    machine =
      switch side {
      case .initiator: .dialer(MultistreamDialer(names))
      case .responder: .listener(MultistreamListener(names))
      }
  }

  mutating func takeOutput() -> [UInt8] {
    switch machine {
    case .dialer(var dialer):
      defer { machine = .dialer(dialer) }
      return dialer.takeOutput()
    case .listener(var listener):
      defer { machine = .listener(listener) }
      return listener.takeOutput()
    }
  }

  mutating func receive(_ bytes: RawSpan) throws(MultistreamError) -> MultistreamSelection? {
    switch machine {
    case .dialer(var dialer):
      let selection = try dialer.receive(bytes)
      machine = .dialer(dialer)
      return selection
    case .listener(var listener):
      let selection = try listener.receive(bytes)
      machine = .listener(listener)
      return selection
    }
  }
}

/// The streams of a connection that is up, each of which begins with an agreement.
struct Libp2pStreams: ~Copyable, Sendable {
  private struct Stream: Sendable {
    let isInbound: Bool
    /// `nil` once there is an agreement.
    var selector: MultistreamSelector?
    /// What of the agreement yamux has not taken yet: less than the limits of multistream-select.
    var unsent: [UInt8] = []
    /// Whether a writer waits for that.
    var isWaiting = false
    /// Whether the stream is to be finished after that.
    var finishes = false
  }

  private var channel: Libp2pChannel
  var yamux: YamuxMachine
  private let protocols: [String]
  private var streams: [UInt32: Stream] = [:]

  init(channel: consuming Libp2pChannel, yamux: consuming YamuxMachine, protocols: [String]) {
    self.channel = channel
    self.yamux = yamux
    self.protocols = protocols
  }

  mutating func receive(_ bytes: RawSpan, _ events: inout [Libp2pEvent]) throws(Libp2pError) {
    var plaintext = [UInt8]()
    try Libp2pError.proving { () throws(Libp2pNoiseError) in try channel.open(bytes, appendingTo: &plaintext) }
    try receive(plaintext: plaintext, &events)
  }

  mutating func receive(plaintext: [UInt8], _ events: inout [Libp2pEvent]) throws(Libp2pError) {
    do throws(YamuxError) {
      try yamux.receive(plaintext.rawSpan)
    } catch {
      handleEvents(&events)
      throw .yamux(error)
    }
    handleEvents(&events)
  }

  mutating func takeOutput(into output: inout [UInt8], _ events: inout [Libp2pEvent]) throws(Libp2pError) {
    let frames = yamux.takeOutput()
    try Libp2pError.proving { () throws(Libp2pNoiseError) in try channel.seal(frames.rawSpan, appendingTo: &output) }
    handleEvents(&events)
  }

  mutating func disconnect(_ events: inout [Libp2pEvent]) {
    yamux.disconnect()
    handleEvents(&events)
  }

  mutating func open(_ name: String) -> UInt32? {
    guard let id = try? yamux.open() else { return nil }
    var selector = MultistreamSelector(.initiator, [name])
    var stream = Stream(isInbound: false)
    stream.unsent = selector.takeOutput()
    stream.selector = selector
    streams[id] = stream
    _ = flush(id)
    return id
  }

  mutating func send(_ bytes: [UInt8], on id: UInt32) -> Int? {
    guard let stream = streams[id], !stream.finishes else { return nil }
    guard stream.unsent.isEmpty else {
      streams[id]?.isWaiting = true
      return 0
    }
    return yamux.send(bytes.rawSpan, on: id)
  }

  mutating func finish(_ id: UInt32) {
    guard let stream = streams[id] else { return }
    streams[id]?.finishes = true
    if stream.unsent.isEmpty { yamux.finish(id) }
  }

  mutating func reset(_ id: UInt32) {
    streams[id] = nil
    yamux.reset(id)
  }

  // MARK: Events

  private mutating func handleEvents(_ events: inout [Libp2pEvent]) {
    while let event = yamux.poll() {
      switch event {
      case .opened(let id):
        yamux.accept(id)
        streams[id] = Stream(isInbound: true, selector: MultistreamSelector(.responder, protocols))
      case .data(let id, let bytes): receive(bytes, on: id, &events)
      case .finished(let id):
        if streams[id]?.selector == nil {
          events.append(.finished(id))
        } else {
          // It ended before there was an agreement.
          refuse(id, &events)
        }
      case .reset(let id), .overrun(let id):
        guard let stream = streams.removeValue(forKey: id) else { continue }
        // Of a stream that the peer opened and nothing was agreed for, nobody has heard.
        if !stream.isInbound || stream.selector == nil { events.append(.reset(id)) }
      case .writable(let id):
        let wasWaiting = streams[id]?.isWaiting == true || streams[id]?.unsent.isEmpty == true
        if flush(id), wasWaiting { events.append(.writable(id)) }
      case .acknowledged, .pong: continue
      case .goAway(let reason): events.append(.goAway(reason))
      }
    }
    forgetClosed()
  }

  /// Streams that both sides have finished are gone from yamux.
  private mutating func forgetClosed() {
    guard streams.count > yamux.streamCount else { return }
    for id in Array(streams.keys) where !yamux.isOpen(id) { streams[id] = nil }
  }

  private mutating func receive(_ bytes: [UInt8], on id: UInt32, _ events: inout [Libp2pEvent]) {
    guard var stream = streams[id] else { return }
    guard var selector = stream.selector else { return events.append(.data(id, bytes)) }
    do throws(MultistreamError) {
      let selection = try selector.receive(bytes.rawSpan)
      stream.unsent += selector.takeOutput()
      stream.selector = selection == nil ? selector : nil
      streams[id] = stream
      yamux.consume(bytes.count - (selection?.rest.count ?? 0), of: id)
      _ = flush(id)
      guard let selection else { return }
      events.append(stream.isInbound ? .opened(id, protocol: selection.name) : .agreed(id))
      if !selection.rest.isEmpty { events.append(.data(id, selection.rest)) }
    } catch {
      refuse(id, &events)
    }
  }

  private mutating func refuse(_ id: UInt32, _ events: inout [Libp2pEvent]) {
    guard let stream = streams.removeValue(forKey: id) else { return }
    yamux.reset(id)
    if !stream.isInbound { events.append(.reset(id)) }
  }

  /// Sends what is left of an agreement.
  ///
  /// - Returns: Whether nothing is left.
  private mutating func flush(_ id: UInt32) -> Bool {
    guard var stream = streams[id] else { return false }
    guard !stream.unsent.isEmpty else { return true }
    guard let count = yamux.send(stream.unsent.rawSpan, on: id) else { return false }
    stream.unsent.removeFirst(count)
    guard stream.unsent.isEmpty else {
      streams[id] = stream
      return false
    }
    stream.isWaiting = false
    streams[id] = stream
    if stream.finishes { yamux.finish(id) }
    return true
  }
}
