public import ParleyNoise
import ParleyWire

/// Many streams on one connection: yamux (github.com/hashicorp/yamux, spec.md), version 0.
///
/// A sans-IO machine. After every call the driver sends ``takeOutput()`` when its connection takes more, and acts on
/// ``poll()`` until it is `nil`. Nothing here grows past ``YamuxLimits``: what a stream may not send yet stays with its
/// writer, and what is not consumed holds back the peer.
///
///                 open, opened        finish            finished
///     (nothing) ───────────────▶ open ──────▶ half-closed ──────▶ (nothing)
///                                 │  finished         finish           ▲
///                                 └──────────▶ half-closed ────────────┤
///                        reset, overrun: from anywhere ────────────────┘
///
/// A stream that is gone is forgotten; calls about it do nothing.
public struct YamuxMachine: ~Copyable, Sendable {
  let limits: YamuxLimits
  let side: NoiseRole
  var streams: [UInt32: YamuxStream] = [:]
  /// The stream that this side opens next; `nil` when the numbers are used up.
  var nextStream: UInt32?
  var highestInbound: UInt32 = 0
  var inboundCount = 0
  var unreadByteCount = 0
  var header: [UInt8] = []
  var payload: YamuxPayload?
  var isGoingAway = false
  var isPeerGoingAway = false
  var isEnded = false
  private var output: [UInt8] = []
  private var events: [YamuxEvent] = []
  private var nextEvent = 0
  private var waiting: [UInt32] = []
  private var pings: [UInt32] = []

  /// Begins a session.
  ///
  /// - Parameters:
  ///   - side: The initiator, the specification's client, gives its streams odd numbers.
  ///   - limits: At least 256 KiB of window, and as much unread in all.
  public init(_ side: NoiseRole, limits: YamuxLimits = YamuxLimits()) {
    precondition(limits.windowByteCount >= YamuxLimits.initialWindowByteCount)
    precondition(limits.windowByteCount <= Int(UInt32.max) && limits.unreadByteCount >= limits.windowByteCount)
    precondition(limits.frameByteCount > 0 && limits.outputByteCount > YamuxFrame.headerByteCount)
    self.side = side
    self.limits = limits
    nextStream = side == .initiator ? 1 : 2
  }

  /// How many streams are open.
  public var streamCount: Int { streams.count }

  /// Whether a stream is open in any direction.
  public func isOpen(_ id: UInt32) -> Bool { streams[id] != nil }

  /// How many bytes the peer's window still takes on a stream; none on one that is gone or that this side has finished.
  func sendWindow(of id: UInt32) -> Int {
    guard let stream = streams[id], !stream.isFinishedHere else { return 0 }
    return stream.sendWindow
  }

  /// Whether what came ended with a frame.
  var isBetweenFrames: Bool { header.isEmpty && payload == nil }

  // MARK: Events and output

  /// The next event, in the order of their causes.
  public mutating func poll() -> YamuxEvent? {
    guard nextEvent < events.count else { return nil }
    defer { nextEvent += 1 }
    return events[nextEvent]
  }

  /// What is to be sent; asked for when the connection takes more.
  public mutating func takeOutput() -> [UInt8] {
    let taken = output
    output = []
    // In the order in which they came to wait: none is passed over.
    let candidates = waiting
    waiting = []
    for id in candidates { wake(id) }
    return taken
  }

  /// How many bytes wait to be sent.
  public var outputByteCount: Int { output.count }

  mutating func emit(_ event: YamuxEvent) {
    if nextEvent == events.count {
      events.removeAll(keepingCapacity: true)
      nextEvent = 0
    }
    events.append(event)
  }

  mutating func send(_ kind: YamuxFrame.Kind, _ flags: YamuxFrame.Flags = [], _ stream: UInt32 = 0, _ length: Int) {
    YamuxFrame(kind: kind, flags: flags, stream: stream, length: UInt32(length)).encode(into: &output)
  }

  // MARK: Input

  /// Takes what came from the connection.
  ///
  /// - Throws: How the peer broke the protocol. Events from before it are still there to ``poll()``.
  /// - Precondition: ``poll()`` has given `nil` since the last call.
  public mutating func receive(_ bytes: RawSpan) throws(YamuxError) {
    guard !isEnded else { throw .ended }
    precondition(nextEvent == events.count, "events are polled before the next input")
    do throws(YamuxError) {
      try parse(bytes)
    } catch {
      fail()
      throw error
    }
  }

  /// Ends the session because of the peer, and says so.
  mutating func fail() {
    sendGoAway(.protocolError)
    end()
  }

  /// The connection is gone: every stream ends with ``YamuxEvent/reset(_:)``.
  public mutating func disconnect() {
    guard !isEnded else { return }
    for id in streams.keys.sorted() { emit(.reset(id)) }
    end()
  }

  private mutating func end() {
    isEnded = true
    streams = [:]
    waiting = []
    unreadByteCount = 0
  }

  private mutating func sendGoAway(_ reason: YamuxGoAway) {
    YamuxFrame(kind: .goAway, length: reason.code).encode(into: &output)
  }

  /// Whether the peer makes this side answer faster than it reads.
  func checkAnswers() throws(YamuxError) {
    let limit = limits.outputByteCount + limits.answerByteCount
    guard output.count <= limit else { throw .answersUnread(limit: limit) }
  }

  // MARK: Streams

  /// Opens a stream; data may follow at once.
  ///
  /// - Returns: Its number.
  /// - Throws: Why not; nothing has happened then.
  public mutating func open() throws(YamuxRefusal) -> UInt32 {
    guard !isEnded, !isGoingAway, !isPeerGoingAway else { throw .goingAway }
    let outbound = streams.values.lazy.filter { !$0.isInbound }
    guard streams.count - inboundCount < limits.outboundStreamCount else {
      throw .tooManyStreams(limit: limits.outboundStreamCount)
    }
    guard outbound.count(where: { !$0.isAcknowledged }) < limits.unacknowledgedStreamCount else {
      throw .tooManyUnacknowledged(limit: limits.unacknowledgedStreamCount)
    }
    guard let id = nextStream else { throw .exhausted }
    let (next, overflows) = id.addingReportingOverflow(2)
    nextStream = overflows ? nil : next
    streams[id] = YamuxStream(isInbound: false, window: limits.windowByteCount)
    send(.windowUpdate, .syn, id, limits.windowByteCount - YamuxLimits.initialWindowByteCount)
    return id
  }

  /// Accepts a stream of the peer's.
  public mutating func accept(_ id: UInt32) {
    guard var stream = streams[id], stream.isInbound, !stream.isAcknowledged else { return }
    let grant = grant(to: stream, id)
    stream.isAcknowledged = true
    stream.receiveWindow += grant
    streams[id] = stream
    send(.windowUpdate, .ack, id, grant)
  }

  /// Sends as much as the peer's window and this side's output take.
  ///
  /// - Returns: How many of the bytes were taken; ``YamuxEvent/writable(_:)`` follows if not all. `nil` when the stream
  ///   is gone or this side has finished it.
  public mutating func send(_ bytes: RawSpan, on id: UInt32) -> Int? {
    guard var stream = streams[id], !stream.isFinishedHere else { return nil }
    accept(id)
    stream = streams[id] ?? stream
    var sent = 0
    while sent < bytes.byteCount {
      let room = limits.outputByteCount - output.count - YamuxFrame.headerByteCount
      let count = min(bytes.byteCount - sent, stream.sendWindow, limits.frameByteCount, room)
      guard count > 0 else { break }
      send(.data, [], id, count)
      output.append(contentsOf: bytes.extracting(sent..<(sent + count)))
      stream.sendWindow -= count
      sent += count
    }
    if sent < bytes.byteCount, !stream.isWaiting {
      stream.isWaiting = true
      waiting.append(id)
    }
    streams[id] = stream
    return sent
  }

  /// Lets the peer send as many bytes more as were read.
  ///
  /// - Precondition: `count` is at most what came and was not consumed before.
  public mutating func consume(_ count: Int, of id: UInt32) {
    guard var stream = streams[id] else { return }
    precondition(count >= 0 && count <= stream.unreadByteCount, "more than came")
    stream.unreadByteCount -= count
    unreadByteCount -= count
    // As a few large updates: each costs a frame.
    let grant = grant(to: stream, id)
    if grant >= limits.windowByteCount / 2, !stream.isFinishedByPeer {
      stream.receiveWindow += grant
      send(.windowUpdate, [], id, grant)
    }
    streams[id] = stream
  }

  /// What may be added to the window of a stream: what was consumed, without what its frame under way still brings.
  private func grant(to stream: YamuxStream, _ id: UInt32) -> Int {
    let coming = payload?.stream == id ? payload?.remaining ?? 0 : 0
    return limits.windowByteCount - stream.receiveWindow - stream.unreadByteCount - coming
  }

  /// Says that this side has sent all on a stream; the peer may go on.
  public mutating func finish(_ id: UInt32) {
    guard var stream = streams[id], !stream.isFinishedHere else { return }
    accept(id)
    stream = streams[id] ?? stream
    stream.isFinishedHere = true
    streams[id] = stream
    send(.windowUpdate, .fin, id, 0)
    if stream.isFinishedByPeer { forget(id) }
  }

  /// Ends a stream at once, in both directions.
  public mutating func reset(_ id: UInt32) {
    guard streams[id] != nil else { return }
    send(.windowUpdate, .rst, id, 0)
    forget(id)
  }

  // MARK: The session

  /// Asks the peer to answer; ``YamuxEvent/pong(_:)`` has the same value.
  ///
  /// - Returns: Whether it was asked: not with ``YamuxLimits/pingCount`` questions open.
  public mutating func ping(_ value: UInt32) -> Bool {
    guard !isEnded, pings.count < limits.pingCount else { return false }
    pings.append(value)
    send(.ping, .syn, 0, Int(value))
    return true
  }

  mutating func receivePong(_ value: UInt32) {
    guard let index = pings.firstIndex(of: value) else { return }
    pings.remove(at: index)
    emit(.pong(value))
  }

  /// Says that this side takes no more streams; those that are open go on.
  public mutating func goAway(_ reason: YamuxGoAway = .normal) {
    guard !isEnded, !isGoingAway else { return }
    isGoingAway = true
    sendGoAway(reason)
  }

  mutating func forget(_ id: UInt32) {
    guard let stream = streams.removeValue(forKey: id) else { return }
    unreadByteCount -= stream.unreadByteCount
    if stream.isInbound { inboundCount -= 1 }
    if stream.isWaiting { waiting.removeAll { $0 == id } }
  }

  /// Tells a writer to go on, if it waits and may.
  mutating func wake(_ id: UInt32) {
    guard var stream = streams[id], stream.isWaiting else { return }
    guard stream.sendWindow > 0, output.count < limits.outputByteCount - YamuxFrame.headerByteCount else {
      if !waiting.contains(id) { waiting.append(id) }
      return
    }
    stream.isWaiting = false
    streams[id] = stream
    waiting.removeAll { $0 == id }
    emit(.writable(id))
  }
}
