internal import ParleyCrypto
internal import ParleyHandshake
internal import ParleyIO
internal import ParleyIdentity
internal import ParleyNegotiation
internal import ParleyNoise
internal import ParleyPeer
internal import ParleyWebSocket
internal import ParleyWire

/// One secure channel over one WebSocket connection: drives the handshake, then the streams in its records.
///
///     ┌──────────────────┐ message 2   ┌────────────────┐ ACCEPT
///     │ awaitingMessage2 │ ──────────▶ │ awaitingAccept │ ─────────────────────┐
///     └──────────────────┘             └────────────────┘                      ▼
///     ┌──────────────────┐ message 1   ┌──────────────────┐                 ┌──────┐ close, error ┌───────┐
///     │ awaitingMessage1 │ ──────────▶ │ awaitingMessage3 │                 │ open │ ───────────▶ │ ended │
///     └──────────────────┘             └──────────────────┘                 └──────┘              └───────┘
///                                                │ message 3                   ▲
///                                                ▼                  accept     │
///                                      ┌──────────────────┐ ───────────────────┘
///                                      │ awaitingDecision │
///                                      └──────────────────┘
///
/// It belongs to its ``Node`` and is touched on the node's loop only.
final class PeerChannel {
  /// What a message from the peer led to.
  enum Event {
    /// Nothing to tell.
    case nothing
    /// Message 1 was answered, if only with a request for work.
    case answered
    /// Message 3 is open: the node decides about the claim, and then calls ``accept(_:)`` or ``erase()``.
    case claim(IdentityClaim)
    /// The channel is open.
    case opened(PeerIdentity)
    /// Messages of the negotiation, in order; each is given back with ``consume(_:)``.
    case messages([[UInt8]])
    /// The peer ends the channel in order.
    case closedByPeer
  }

  /// What a WebSocket message was.
  private enum Received {
    case event(Event)
    case application([UInt8], body: Range<Int>)
    case close
  }

  private enum State: ~Copyable {
    case awaitingMessage1(Responder)
    case awaitingMessage3(Responder)
    case awaitingDecision(Responder)
    case awaitingMessage2(Initiator)
    case awaitingWork(Initiator)
    case awaitingAccept(Initiator)
    case open(SecureChannel)
    case ended
  }

  let number: Int
  let isInitiator: Bool
  /// Who was called; `nil` on the answering side.
  let dialled: DID?
  private let connection: WebSocketConnection
  /// On whose behalf something is fetched: the caller's address, of IPv6 the network.
  var source: String? {
    connection.info.peerAddress.map { Array($0.bytes.prefix($0.isIPv6 ? 8 : 4)).hex }
  }
  private let prologue: Prologue
  private var state: State
  private let limits: ChannelLimits
  private var streams: ChannelStreams
  /// Frames that wait for the next epoch.
  private var queue = RecordQueue()
  /// When the peer is pinged next.
  private var nextPing = ContinuousClock.now
  /// What this side is interested in, told to the peer as soon as the channel is open.
  var declaration = Interests.none
  /// What the peer has said that it is interested in.
  private(set) var interests = Interests.none
  /// Who the peer is, once it has proved it.
  private(set) var peer: PeerIdentity?
  /// What the channel had carried when it ended.
  private var lastCounters: ChannelCounters?
  /// Whether both sides said that they were done.
  private(set) var endedInOrder = false
  /// Whether a fault now must not show before the handshake's deadline.
  private(set) var failsAtDeadline = false
  /// Messages on streams of witnesses that nobody has taken yet.
  private var witnessMessages: [WitnessDelivery] = []
  /// This side's stream to the witness that the peer is.
  private var witnessStream: UInt32?
  /// Streams on which the peer says what it may be asked for.
  private var interestStreams: Set<UInt32> = []
  private static let protocols = [WitnessMessage.protocolName, Interests.protocolName]
  /// Ends a handshake that takes too long.
  var deadline: ScheduledWork?
  /// Calls ``tick()`` after a while.
  var wakeUp: ((Duration) -> ScheduledWork)?
  private var renewal: ScheduledWork?
  /// Decides whether a message 1 may go on.
  var gate: (([UInt8]) throws(HandshakeError) -> HandshakeGate.Decision)?
  /// How often the responder has asked for work on this connection.
  var retries = 0
  /// What a responder under load has asked for.
  private var work: ProofOfWork?
  /// The tokens of this session: the responder's to recognize, the initiator's to spend.
  private(set) var priorityTokens: [[UInt8]] = []

  /// The dialling side, after the upgrade that carried message 1.
  init(
    number: Int, to dialled: DID, connection: WebSocketConnection, initiator: consuming Initiator, prologue: Prologue,
    limits: ChannelLimits
  ) {
    self.number = number
    self.dialled = dialled
    self.connection = connection
    self.prologue = prologue
    self.limits = limits
    isInitiator = true
    streams = ChannelStreams(.initiator, protocols: Self.protocols)
    initiator.begin(prologue: prologue)
    state = .awaitingMessage2(initiator)
  }

  /// The answering side.
  ///
  /// With message 1 in the upgrade request the answer has left already, with the 101.
  init(
    number: Int, connection: WebSocketConnection, responder: consuming Responder, prologue: Prologue,
    hasMessage1: Bool, limits: ChannelLimits
  ) {
    self.number = number
    dialled = nil
    self.connection = connection
    self.prologue = prologue
    self.limits = limits
    isInitiator = false
    streams = ChannelStreams(.responder, protocols: Self.protocols)
    failsAtDeadline = hasMessage1
    state = hasMessage1 ? .awaitingMessage3(responder) : .awaitingMessage1(responder)
  }

  /// The peer's DID as far as it is known, for the log: proved, or dialled.
  var peerText: String { (peer?.did ?? dialled)?.string ?? "-" }

  /// Whether records flow.
  var isOpen: Bool {
    switch state {
    case .open: true
    case .awaitingMessage1: false
    case .awaitingMessage2: false
    case .awaitingWork: false
    case .awaitingMessage3: false
    case .awaitingDecision: false
    case .awaitingAccept: false
    case .ended: false
    }
  }

  /// How much the channel has carried; `nil` before it was open.
  var counters: ChannelCounters? {
    switch state {
    case .open(let channel): channel.counters
    case .awaitingMessage1: nil
    case .awaitingMessage2: nil
    case .awaitingWork: nil
    case .awaitingMessage3: nil
    case .awaitingDecision: nil
    case .awaitingAccept: nil
    case .ended: lastCounters
    }
  }

  /// How the channel stands; `nil` while it is not open.
  var status: ChannelStatus? {
    guard isOpen, let peer, let counters else { return nil }
    let counted = streams.counters
    return ChannelStatus(
      peer: peer.did.string, isInitiator: isInitiator, roundTrip: counted.roundTrip, streams: counted.open,
      resetStreams: counted.reset, lostPings: counted.lostPings, sent: .init(counters.sent),
      received: .init(counters.received))
  }

  /// Takes one binary message of the WebSocket; ``flush()`` follows, when the event was acted on.
  ///
  /// - Throws: Why the channel ends; its keys are erased, and the caller ends the connection.
  func receive(_ bytes: [UInt8]) throws(ChannelFault) -> Event {
    switch try ChannelFault.ofHandshake({ () throws(HandshakeError) in try open(bytes) }) {
    case .event(let event): return event
    case .close:
      try receiveStreams { () throws(ChannelStreamsError) in try streams.receiveClose() }
      endedInOrder = true
      return .closedByPeer
    case .application(let buffer, let body):
      try receiveStreams { () throws(ChannelStreamsError) in
        try streams.receive(buffer.rawSpan.extracting(body), now: .now)
      }
      let messages = drainStreams()
      if needsTending { try ChannelFault.ofHandshake { () throws(HandshakeError) in try tend() } }
      return messages.isEmpty ? .nothing : .messages(messages)
    }
  }

  private func receiveStreams(_ body: () throws(ChannelStreamsError) -> Void) throws(ChannelFault) {
    do throws(ChannelStreamsError) {
      try body()
    } catch {
      erase()
      throw .streams(error)
    }
  }

  /// Says that a message of the negotiation was dealt with: the peer may send as much again.
  func consume(_ message: [UInt8]) { streams.consume(message) }

  /// The messages of the negotiation; the peer's interests are noted, what else the streams tell nobody here asks for.
  private func drainStreams() -> [[UInt8]] {
    var messages: [[UInt8]] = []
    while let event = streams.poll() {
      switch event {
      case .negotiation(let message): messages.append(message)
      case .opened(let id, Interests.protocolName): interestStreams.insert(id)
      case .message(let id, let message) where interestStreams.contains(id): noteInterests(message, on: id)
      case .message(let id, let message):
        witnessMessages.append(WitnessDelivery(stream: id, isAnswer: id == witnessStream, message: message))
      case .finished(let id):
        interestStreams.remove(id)
        streams.finish(id)
      case .reset(let id):
        interestStreams.remove(id)
        if id == witnessStream { witnessStream = nil }
      case .opened, .agreed, .writable, .roundTrip, .goneAway: break
      }
    }
    return messages
  }

  // MARK: Witness

  /// What has come on streams of witnesses since this was asked last.
  func takeWitnessMessages() -> [WitnessDelivery] {
    defer { witnessMessages = [] }
    return witnessMessages
  }

  /// Says that a message was dealt with.
  func consumeWitness(_ delivery: WitnessDelivery) { streams.consume(delivery.message, of: delivery.stream) }

  /// Asks the peer as a witness; what it does not take now will be asked again.
  func askWitness(_ message: [UInt8]) {
    guard isOpen else { return }
    if witnessStream == nil { witnessStream = streams.open(WitnessMessage.protocolName) }
    guard let id = witnessStream else { return }
    _ = streams.send(message, on: id)
    flush()
  }

  /// Answers the peer; one that does not read its answers loses the stream.
  func answerWitness(_ message: [UInt8], on id: UInt32) {
    guard isOpen else { return }
    if !streams.send(message, on: id) { streams.reset(id) }
    flush()
  }

  /// Ends a stream on which the peer broke a rule; `nil` for this side's own.
  func resetWitness(_ id: UInt32?) {
    guard let id = id ?? witnessStream else { return }
    if id == witnessStream { witnessStream = nil }
    streams.reset(id)
  }

  // MARK: Interests

  /// The newest message counts; one that cannot be read ends its stream.
  private func noteInterests(_ message: [UInt8], on stream: UInt32) {
    streams.consume(message, of: stream)
    if let said = try? Interests(decoding: message) { interests = said } else { streams.reset(stream) }
  }

  /// Tells the peer what this side is interested in, if that is anything.
  private func declare() {
    guard !declaration.topics.isEmpty, let stream = streams.open(Interests.protocolName) else { return }
    _ = streams.send(declaration.encoded, on: stream)
    streams.finish(stream)
  }

  private func open(_ bytes: [UInt8]) throws(HandshakeError) -> Received {
    switch exchange(.ended) {
    case .awaitingMessage1(var responder):
      if try askForWork(bytes) {
        state = .awaitingMessage1(responder)
        return .event(.answered)
      }
      connection.send(binary: try responder.receiveMessage1(bytes, prologue: prologue))
      failsAtDeadline = true
      state = .awaitingMessage3(responder)
      return .event(.answered)
    case .awaitingMessage3(var responder):
      let claim = try responder.openMessage3(bytes)
      state = .awaitingDecision(responder)
      return .event(.claim(claim))
    case .awaitingDecision(var responder):
      // The initiator may not speak before the answer.
      _ = try responder.openMessage3(bytes)
      return .event(.nothing)
    case .awaitingWork(var initiator):
      // The responder has said what it wants, and waits.
      _ = try initiator.receiveMessage2(bytes)
      return .event(.nothing)
    case .awaitingMessage2(var initiator):
      if bytes.count == Retry.byteCount {
        let task = try initiator.receiveRetry(bytes)
        work = task.work
        retries += 1
        renewal = wakeUp?(task.delay)
        state = .awaitingWork(initiator)
        return .event(.nothing)
      }
      connection.send(binary: try initiator.receiveMessage2(bytes))
      state = .awaitingAccept(initiator)
      return .event(.nothing)
    case .awaitingAccept(var initiator):
      try initiator.receiveAccept(bytes)
      return .event(.opened(try begin(initiator.split(limits: limits))))
    case .open(var channel):
      var buffer = bytes
      let record = try channel.open(in: &buffer)
      switch record.type {
      case .application:
        state = .open(channel)
        return .application(buffer, body: record.body)
      case .close:
        state = .open(channel)
        return .close
      case .resume:
        // The negotiation's own SYNC says where both sides stand: nothing is kept to resume from.
        var none = ResumptionTable(limit: 1)
        var answer = [UInt8]()
        _ = try channel.answerResume(from: &none, now: .now, into: &answer)
        connection.send(binary: answer)
        state = .open(channel)
        return .event(.nothing)
      case .offer, .reply, .done, .accept, .refuse, .resumed:
        state = .open(channel)
        try tend()
        return .event(.nothing)
      }
    case .ended:
      return .event(.nothing)
    }
  }

  /// Admits the peer whose claim was resolved: verifies its signature, sends ACCEPT, and the channel is open.
  ///
  /// - Throws: Why not; the keys are erased.
  func accept(_ peer: PeerIdentity) throws(HandshakeError) {
    guard case .awaitingDecision(var responder) = exchange(.ended) else { throw .ended }
    connection.send(binary: try responder.accept(peer))
    _ = try begin(responder.split(limits: limits))
  }

  /// Refuses the peer whose claim was resolved: verifies its signature, tells it why, and ends the connection.
  ///
  /// - Throws: Why there is nobody to tell; the keys are erased.
  func refuse(_ peer: PeerIdentity, _ code: RefusalCode) throws(HandshakeError) {
    guard case .awaitingDecision(var responder) = exchange(.ended) else { throw .ended }
    connection.send(binary: try responder.refuse(peer, code))
    refuse()
  }

  /// Whether the claim of message 3 is signed by this identity, whatever document it names.
  func isSigned(by peer: PeerIdentity) -> Bool {
    switch state {
    case .awaitingDecision(let responder): responder.isSigned(by: peer)
    case .awaitingMessage1: false
    case .awaitingMessage2: false
    case .awaitingWork: false
    case .awaitingMessage3: false
    case .awaitingAccept: false
    case .open: false
    case .ended: false
    }
  }

  /// Sends one message of the negotiation: at once where the socket is idle, else in a record with all others that wait
  /// for it.
  ///
  /// A peer that takes nothing for so long that too much waits loses the channel.
  func send(_ message: [UInt8]) {
    guard isOpen else { return }
    guard streams.negotiate(message) else { return close() }
    flush()
  }

  /// Seals and sends what waits, a record at a time, while the socket takes it.
  func flush() {
    guard isOpen else { return }
    while connection.bufferedByteCount == 0, hasFrames(), seal() {}
    if needsTending { tick() }
  }

  /// Whether there is something to seal.
  private func hasFrames() -> Bool {
    if queue.isEmpty, streams.hasOutput { queue.append(streams.takeOutput()) }
    return !queue.isEmpty
  }

  /// Seals and sends what has been put into frames.
  ///
  /// - Returns: Whether all of it went.
  private func seal() -> Bool {
    guard case .open(var channel) = exchange(.ended) else { return false }
    do throws(HandshakeError) {
      try queue.seal(with: &channel) { record in connection.send(.binary, record) }
      state = .open(channel)
      return true
    } catch .epochExhausted {
      // The rest goes into the next epoch.
      state = .open(channel)
    } catch {
      state = .open(channel)
      close()
    }
    return false
  }

  private var needsTending: Bool {
    switch state {
    case .open(let channel): channel.needsPoll
    case .awaitingMessage1: false
    case .awaitingMessage2: false
    case .awaitingWork: false
    case .awaitingMessage3: false
    case .awaitingDecision: false
    case .awaitingAccept: false
    case .ended: false
    }
  }

  /// Does what is due by now.
  func tick() {
    guard work == nil else { return pay() }
    do throws(HandshakeError) {
      try tend()
    } catch {
      refuse()
    }
  }

  /// Sends the answer to a message 1 that has to pay first; whether it has to.
  private func askForWork(_ message1: [UInt8]) throws(HandshakeError) -> Bool {
    guard case .retry(let retry) = try gate?(message1) else { return false }
    guard retries < Retry.countLimit else { throw .tooManyRetries }
    retries += 1
    connection.send(binary: retry)
    return true
  }

  /// Goes on with the work that the responder has asked for, a little at a time.
  private func pay() {
    guard var search = work, case .awaitingWork(var initiator) = exchange(.ended) else { return }
    if let found = search.search(Self.hashesAtATime) {
      work = nil
      connection.send(binary: initiator.resend(work: found))
      state = .awaitingMessage2(initiator)
    } else {
      work = search
      state = .awaitingWork(initiator)
      renewal = wakeUp?(.zero)
    }
  }

  /// So few that nothing else on the loop has to wait long.
  private static let hashesAtATime = 256

  /// Renews the channel's keys when that is due, and ends a channel that is too old.
  private func tend() throws(HandshakeError) {
    guard case .open(var channel) = exchange(.ended) else { return }
    var turn: SecureChannel.Turn
    repeat {
      var record = [UInt8]()
      turn = try channel.poll(now: .now, into: &record)
      if turn == .record { connection.send(binary: record) }
    } while turn == .record
    let now = ContinuousClock.now
    if now >= nextPing {
      _ = streams.ping(SystemRandom.bytes(ChannelStreams.pingByteCount), now: now)
      nextPing = now + Self.pingInterval
    }
    renewal?.cancel()
    renewal = wakeUp?(max(.zero, now.duration(to: min(channel.deadline ?? nextPing, nextPing))))
    state = .open(channel)
    if turn == .overdue { return close() }
    flush()
  }

  /// How long after a ping the next one is sent; one that was not answered by then is given up.
  static let pingInterval: Duration = .seconds(15)

  /// Ends the channel in order: a CLOSE record, then the WebSocket's closing handshake.
  func close() {
    deadline?.cancel()
    renewal?.cancel()
    if case .open(var channel) = exchange(.ended) {
      let isSent = sealNegotiation(with: &channel)
      // Without CLOSE the peer knows that it has not had everything: what did not fit goes over the next channel.
      if isSent, let record = try? channel.seal(.close) {
        connection.send(binary: record)
        endedInOrder = true
      }
      lastCounters = channel.counters
    }
    connection.close(.normal)
  }

  /// Sends what is left of the negotiation.
  ///
  /// - Returns: Whether all of it went.
  private func sealNegotiation(with channel: inout SecureChannel) -> Bool {
    repeat {
      guard (try? queue.seal(with: &channel, { connection.send(.binary, $0) })) != nil else { return false }
      guard !streams.hasSentNegotiation else { return true }
    } while connection.bufferedByteCount < Self.lastByteCount && hasFrames()
    return false
  }

  /// What may wait for the socket when a channel ends: less than what ends the connection.
  private static let lastByteCount = WebSocketLimits.peerPort.maximumBufferedByteCount / 2

  /// Ends the channel because the peer broke a rule: keys erased, close code 1008, no reason given.
  func refuse() {
    deadline?.cancel()
    renewal?.cancel()
    erase()
    connection.close(.policyViolation)
  }

  /// Erases the keys; the connection stays until its deadline, so that all refusals look alike.
  func erase() { _ = exchange(.ended) }

  private func begin(_ channel: consuming SecureChannel) throws(HandshakeError) -> PeerIdentity {
    let peer = channel.peer
    self.peer = peer
    priorityTokens = channel.priorityTokens
    failsAtDeadline = false
    deadline?.cancel()
    connection.markAuthenticated()
    // From here on pings keep a quiet connection alive.
    connection.admitsOnlyBinaryMessages = false
    state = .open(channel)
    declare()
    try tend()
    return peer
  }

  private func exchange(_ next: consuming State) -> State {
    var taken = next
    swap(&taken, &state)
    return taken
  }
}

/// A message of a stream `/parley/witness/1`.
struct WitnessDelivery {
  let stream: UInt32
  /// Whether it came on a stream of this side's, which asks there.
  let isAnswer: Bool
  let message: [UInt8]
}

extension ChannelStatus.Direction {
  fileprivate init(_ counters: DirectionCounters) {
    self.init(epoch: counters.epoch, records: counters.records, bytes: counters.bytes)
  }
}
