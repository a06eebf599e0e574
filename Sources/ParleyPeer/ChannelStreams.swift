public import ParleyNoise
import ParleyWire

/// The streams inside a secure channel: yamux in its records, one protocol a stream (`docs/protocol/secure-channel.md`,
/// section 7).
///
/// A sans-IO machine for the bytes of application records. The driver gives it what ``receive(_:now:)`` takes, acts on
/// ``poll()`` until it is `nil` after every call, and while the connection takes more seals ``takeOutput()``. What waits is
/// put into records as late as that: each stream that may send gets an equal share of each record, so that none waits for
/// another longer than a record lasts.
///
///     R                                                             I
///     │ stream 2: names /parley/negotiate/1, and its first message  │
///     │ ──────────────────────────────────────────────────────────▶ │
///     │                stream 2: the same name, and its own message │
///     │ ◀────────────────────────────────────────────────────────── │
public struct ChannelStreams: ~Copyable, Sendable {
  /// The protocol of negotiations, on the one stream that the responder opens first.
  public static let negotiation = "/parley/negotiate/1"
  /// The protocol that measures round trips, as libp2p's ping does.
  public static let ping = "/parley/ping/1"
  /// What a ping carries, in bytes.
  public static let pingByteCount = 32

  let side: NoiseRole
  let limits: ChannelStreamLimits
  var yamux: YamuxMachine
  var streams: [UInt32: ChannelStream] = [:]
  /// The names that the peer may open streams for.
  let names: [String]
  /// The stream of the negotiation, once it is agreed on or, on the responder's side, opened.
  var negotiationStream: UInt32?
  /// Messages of the initiator from before the responder opened the stream.
  var early = WaitingBytes()
  var pings = PingTimer()
  var totals = ChannelStreamCounters()
  var isEnded = false
  private var events: [ChannelStreamsEvent] = []
  private var nextEvent = 0

  /// Begins; the responder opens the negotiation's stream at once.
  ///
  /// - Parameters:
  ///   - side: The channel's initiator or responder.
  ///   - protocols: What else the peer may open streams for; they carry messages.
  ///   - limits: What the streams may grow to.
  public init(_ side: NoiseRole, protocols: [String] = [], limits: ChannelStreamLimits = ChannelStreamLimits()) {
    precondition(limits.queueByteCount >= MessageStream.headByteCount + MessageStream.messageByteLimit)
    precondition(limits.recordByteCount / (2 * limits.streamCount) > YamuxFrame.headerByteCount)
    self.side = side
    self.limits = limits
    names = (side == .initiator ? [Self.negotiation] : []) + [Self.ping] + protocols
    yamux = YamuxMachine(side, limits: limits.yamux)
    if side == .responder { negotiationStream = openStream(Self.negotiation, for: .negotiation) }
  }

  /// What the streams have come to.
  public var counters: ChannelStreamCounters {
    var counters = totals
    counters.open = streams.count
    return counters
  }

  /// The next event, in the order of their causes.
  public mutating func poll() -> ChannelStreamsEvent? {
    guard nextEvent < events.count else {
      events.removeAll(keepingCapacity: true)
      nextEvent = 0
      return nil
    }
    defer { nextEvent += 1 }
    return events[nextEvent]
  }

  mutating func emit(_ event: ChannelStreamsEvent) { events.append(event) }

  // MARK: Input

  /// Takes the body of the next application record.
  ///
  /// - Throws: How the peer broke a rule; the channel has to end, and every later input throws
  ///   ``ChannelStreamsError/ended``. Events from before it are still there to ``poll()``.
  public mutating func receive(
    _ bytes: RawSpan, now: ContinuousClock.Instant
  ) throws(ChannelStreamsError) {
    guard !isEnded else { throw .ended }
    do throws(ChannelStreamsError) {
      try take(bytes, now: now)
    } catch {
      isEnded = true
      throw error
    }
  }

  /// Checks that the peer, which sends no more, has ended between two frames, and between two messages of the negotiation.
  ///
  /// - Throws: ``ChannelStreamsError/truncatedFrame`` or ``ChannelStreamsError/truncatedMessage``.
  public mutating func receiveClose() throws(ChannelStreamsError) {
    guard !isEnded else { throw .ended }
    isEnded = true
    guard yamux.isBetweenFrames else { throw .truncatedFrame }
    guard let id = negotiationStream, let stream = streams[id] else { return }
    guard stream.incoming.isAtBoundary else { throw .truncatedMessage }
  }

  // MARK: Messages

  /// Puts a message of the negotiation behind those that wait.
  ///
  /// - Returns: `false` when so much waits that it was not taken.
  /// - Precondition: It has 1 to ``MessageStream/messageByteLimit`` bytes.
  public mutating func negotiate(_ message: [UInt8]) -> Bool {
    guard let id = negotiationStream else {
      guard !isEnded, fits(message, behind: early) else { return false }
      early.append(message: message)
      return true
    }
    return send(message, on: id)
  }

  /// Whether all messages of the negotiation have left in ``takeOutput()``.
  public var hasSentNegotiation: Bool {
    guard let id = negotiationStream else { return early.isEmpty }
    return streams[id]?.queue.isEmpty ?? true
  }

  /// Opens a stream for a protocol that carries messages; they may follow at once, and are lost if the peer does not
  /// speak it.
  ///
  /// - Returns: Its number; `nil` when the limits forbid one more now, or a side has gone away.
  public mutating func open(_ name: String) -> UInt32? { openStream(name, for: .messages) }

  /// Puts a message behind those that wait on a stream.
  ///
  /// - Returns: Whether it was taken: not while so much waits, after which ``ChannelStreamsEvent/writable(_:)`` follows,
  ///   and not on a stream that is gone or finished.
  /// - Precondition: It has 1 to ``MessageStream/messageByteLimit`` bytes.
  public mutating func send(_ message: [UInt8], on id: UInt32) -> Bool {
    guard !isEnded, let stream = streams[id], !stream.finishes else { return false }
    guard fits(message, behind: stream.queue) else {
      streams[id]?.isWaiting = true
      return false
    }
    streams[id]?.queue.append(message: message)
    return true
  }

  private func fits(_ message: [UInt8], behind queue: WaitingBytes) -> Bool {
    message.count + MessageStream.headByteCount <= limits.queueByteCount - queue.count
  }

  /// Says that a message was dealt with: the peer may send as much again.
  ///
  /// - Parameters:
  ///   - message: As it came.
  ///   - id: Its stream; `nil` for the negotiation's.
  /// - Precondition: The message came and was not consumed before.
  public mutating func consume(_ message: [UInt8], of id: UInt32? = nil) {
    guard let id = id ?? negotiationStream else { return }
    yamux.consume(MessageStream.headByteCount + message.count, of: id)
  }

  /// Says that this side sends no more on a stream, after what waits on it; the peer may go on.
  public mutating func finish(_ id: UInt32) {
    guard streams[id]?.isTold == true else { return }
    streams[id]?.finishes = true
    finishIfSent(id)
  }

  /// Ends a stream at once, in both directions.
  public mutating func reset(_ id: UInt32) {
    guard streams[id]?.isTold == true else { return }
    drop(id)
  }

  // MARK: Pings

  /// Asks the peer for an answer; ``ChannelStreamsEvent/roundTrip(_:)`` follows.
  ///
  /// A question that is still open is given up, and with it its stream.
  ///
  /// - Parameters:
  ///   - payload: ``pingByteCount`` random bytes.
  ///   - now: The time.
  /// - Returns: Whether it was asked: not when no stream can be opened now.
  public mutating func ping(_ payload: [UInt8], now: ContinuousClock.Instant) -> Bool {
    precondition(payload.count == Self.pingByteCount)
    if pings.question != nil { givePingUp() }
    guard !isEnded, let id = pings.stream ?? openStream(Self.ping, for: .ping) else { return false }
    pings.stream = id
    pings.question = PingTimer.Question(payload: payload, asked: now)
    streams[id]?.queue.append(payload)
    return true
  }

  /// Ends the stream of pings; the next one opens another.
  mutating func givePingUp() {
    if pings.question != nil { totals.lostPings += 1 }
    pings.question = nil
    guard let id = pings.stream else { return }
    pings.stream = nil
    drop(id)
  }

  // MARK: Streams

  private mutating func openStream(_ name: String, for purpose: ChannelStreamPurpose) -> UInt32? {
    guard !isEnded, let id = try? yamux.open() else { return nil }
    var selector = MultistreamSelector(.initiator, [name])
    let proposal = selector.takeOutput()
    var stream = ChannelStream(isInbound: false, purpose: purpose, selector: selector)
    stream.queue.append(proposal)
    streams[id] = stream
    totals.opened += 1
    return id
  }

  /// Ends a stream out of order.
  mutating func drop(_ id: UInt32) {
    guard streams.removeValue(forKey: id) != nil else { return }
    totals.reset += 1
    yamux.reset(id)
  }

  mutating func finishIfSent(_ id: UInt32) {
    guard let stream = streams[id], stream.finishes, stream.queue.isEmpty else { return }
    yamux.finish(id)
    if !yamux.isOpen(id) { streams[id] = nil }
  }
}

/// This side's pings: one at a time, on a stream of their own.
struct PingTimer: Sendable {
  struct Question: Sendable {
    let payload: [UInt8]
    let asked: ContinuousClock.Instant
  }

  var stream: UInt32?
  var question: Question?
}
