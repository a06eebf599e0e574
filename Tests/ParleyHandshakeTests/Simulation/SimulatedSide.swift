import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport

@testable import ParleyHandshake

/// One node's end of a connection: the machines, put together and given their times as a node does it.
final class SimulatedSide {
  /// A rule that the driver forgets, so that the simulation can show that it would notice.
  enum Bug: CaseIterable {
    case none
    /// A handshake has no end of time.
    case noDeadline
    /// A record that does not open is passed over.
    case recordErrorsIgnored
    /// Nobody notices that nothing comes any more.
    case noKeepAlive
  }

  enum State: ~Copyable {
    case awaitingUpgrade(Initiator)
    case awaitingMessage2(Initiator)
    case awaitingWork(Initiator)
    case awaitingAccept(Initiator)
    case awaitingMessage1(Responder)
    case awaitingMessage3(Responder)
    case awaitingDecision(Responder)
    case open(SecureChannel)
    /// Without keys, until the handshake's time is over.
    case erased
    case ended
  }

  struct Setting {
    var prologue: Prologue
    /// How long resolution takes.
    var decision: Duration = .milliseconds(5)
    var isAllowed = true
    /// How the responder's clock is off between one message 1 and the next.
    var skew: Duration = .zero
    var isUnderLoad = false
    var hasHeader = true
    var bug = Bug.none
  }

  private let network: SimulatedNetwork
  private let party: Party
  private let peer: PeerIdentity
  private let setting: Setting
  private var random: SplitMix64
  private var state: State
  private var gate: HandshakeGate
  /// The initiator's, to send.
  private var message1: [UInt8] = []
  private var frames = Frame()
  private var retries = 0
  /// Whether the responder has had the request, and message 1.
  private var (hasRequest, hasMessage1) = (false, false)
  private var hasAnswered = false
  private var lastHeard: ContinuousClock.Instant
  private var hasFailed = false
  var link: SimulatedLink?

  /// Why the side has ended, if it was a fault.
  private(set) var fault: String?
  /// Whether the side was open at any time.
  private(set) var hasOpened = false
  private(set) var transcriptHash: [UInt8] = []
  private(set) var received: [[UInt8]] = []
  private(set) var sentMessages: [[UInt8]] = []
  private(set) var endedInOrder = false
  private(set) var answeredRetries = 0
  let isInitiator: Bool

  private static let staticKeys = (X25519.PrivateKey(), X25519.PrivateKey())
  private static let keepAlive: Duration = .seconds(30)

  init(
    _ role: Role, _ network: SimulatedNetwork, _ party: Party, peer: Party, _ setting: Setting,
    randomness: HandshakeRandomness, random: SplitMix64
  ) {
    self.network = network
    self.party = party
    self.peer = peer.identity
    self.setting = setting
    self.random = random
    lastHeard = network.now
    isInitiator = role == .initiator
    gate = HandshakeGate(responder: party.identity.did, now: network.now)
    switch role {
    case .initiator:
      let machine = Initiator(
        signer: party.signer, responder: peer.identity, staticKey: Self.staticKeys.0, randomness: randomness)
      message1 = machine.message1
      state = .awaitingUpgrade(machine)
    case .responder:
      state = .awaitingMessage1(
        Responder(signer: party.signer, staticKey: Self.staticKeys.1, randomness: randomness))
    }
  }

  /// Where the side stands.
  private enum Phase { case handshake, working, deciding, open, ended }

  private var phase: Phase {
    switch state {
    case .awaitingUpgrade: .handshake
    case .awaitingMessage2: .handshake
    case .awaitingWork: .working
    case .awaitingAccept: .handshake
    case .awaitingMessage1: .handshake
    case .awaitingMessage3: .handshake
    case .awaitingDecision: .deciding
    case .erased: .handshake
    case .open: .open
    case .ended: .ended
    }
  }

  var isOpen: Bool { phase == .open }
  var isEnded: Bool { phase == .ended }

  var counters: ChannelCounters? {
    guard isOpen, case .open(let channel) = exchange(.ended) else { return nil }
    let counters = channel.counters
    state = .open(channel)
    return counters
  }

  // MARK: What happens to the connection

  func start() {
    if setting.bug != .noDeadline { scheduleDeadline(HandshakeTimes.handshake) }
    if isInitiator {
      link?.send(Frame.binary, setting.hasHeader ? message1 : [])
    } else {
      // The whole request, and then message 1.
      scheduleDeadline(HandshakeTimes.upgrade + HandshakeTimes.message1, onlyBeforeMessage1: true)
    }
  }

  func arrive(_ bytes: [UInt8]) {
    guard !isEnded else { return }
    lastHeard = network.now
    frames.receive(bytes)
    while !isEnded, let frame = frames.next() {
      switch frame.opcode {
      case Frame.binary: take(frame.message)
      case Frame.close: connectionEnded()
      case Frame.ping: break
      default: refuse("no frame")
      }
    }
  }

  func connectionEnded() {
    if case .open(var channel) = exchange(.ended) { try? channel.connectionEnded() }
  }

  private func scheduleDeadline(_ time: Duration, onlyBeforeMessage1: Bool = false) {
    network.schedule(after: time) { [weak self] in
      guard let self, !isOpen, !isEnded, !onlyBeforeMessage1 || !hasMessage1 else { return }
      refuse("time is over")
    }
  }

  private func refuse(_ why: String) {
    guard !isEnded else { return }
    fault = fault ?? why
    _ = exchange(.ended)
    link?.close()
  }

  // MARK: The handshake

  private func take(_ message: [UInt8]) {
    do throws(HandshakeError) {
      try receive(message)
    } catch {
      if hasFailed { return }
      fault = fault ?? "\(error)"
      if setting.bug == .recordErrorsIgnored, hasOpened { return }
      if hasAnswered, !hasOpened {
        // What is wrong with message 3 shows only when the time is over.
        hasFailed = true
        _ = exchange(.erased)
      } else {
        refuse("\(error)")
      }
    }
  }

  private func receive(_ message: [UInt8]) throws(HandshakeError) {
    switch exchange(.ended) {
    case .awaitingUpgrade(var initiator):
      guard message == [101] else { throw .unexpectedSubprotocol }
      initiator.begin(prologue: setting.prologue)
      state = .awaitingMessage2(initiator)
      if !setting.hasHeader { link?.send(Frame.binary, message1) }
    case .awaitingMessage2(var initiator):
      if message.count == Retry.byteCount {
        let task = try initiator.receiveRetry(message, randomness: randomness())
        answeredRetries += 1
        state = .awaitingWork(initiator)
        network.schedule(after: task.delay) { [weak self] in self?.pay(task.work) }
        return
      }
      link?.send(Frame.binary, try initiator.receiveMessage2(message))
      state = .awaitingAccept(initiator)
    case .awaitingWork(var initiator):
      _ = try initiator.receiveMessage2(message)
    case .awaitingAccept(var initiator):
      try initiator.receiveAccept(message)
      try begin(initiator.split())
    case .awaitingMessage1(let responder): try receiveMessage1(message, responder)
    case .awaitingMessage3(var responder):
      _ = try responder.openMessage3(message)
      state = .awaitingDecision(responder)
      network.schedule(after: setting.decision) { [weak self] in self?.decide() }
    case .awaitingDecision(var responder): _ = try responder.openMessage3(message)
    case .open(var channel):
      var record: (type: RecordType, body: [UInt8])?
      var failure: HandshakeError?
      do throws(HandshakeError) { record = try channel.open(message) } catch { failure = error }
      if failure == nil || setting.bug == .recordErrorsIgnored { state = .open(channel) }
      if let failure { throw failure }
      if let record { try received(record) }
    case .erased: state = .erased
    case .ended: break
    }
  }

  private func receiveMessage1(
    _ message: [UInt8], _ responder: consuming Responder
  ) throws(HandshakeError) {
    if !hasRequest {
      hasRequest = true
      link?.send(Frame.binary, [101])
      // A request without the field: message 1 follows.
      guard !message.isEmpty else {
        state = .awaitingMessage1(responder)
        return
      }
    }
    hasMessage1 = true
    let now = network.now + (retries > 0 ? setting.skew * retries : .zero)
    // Just more than is free: the work is real.
    if setting.isUnderLoad { gate.spent(retries == 0 || setting.skew > .zero ? .milliseconds(210) : .zero, now: now) }
    guard let source = AdmissionSource([192, 0, 2, 1]) else { return }
    if case .retry(let retry) = try gate.decide(message, from: source, now: now) {
      guard retries < Retry.countLimit else { throw .tooManyRetries }
      retries += 1
      link?.send(Frame.binary, retry)
      state = .awaitingMessage1(responder)
      return
    }
    var responder = responder
    let message2 = try responder.receiveMessage1(message, prologue: setting.prologue)
    hasAnswered = true
    link?.send(Frame.binary, message2)
    state = .awaitingMessage3(responder)
  }

  private func pay(_ search: ProofOfWork) {
    guard phase == .working, case .awaitingWork(var initiator) = exchange(.ended) else { return }
    var search = search
    var work: UInt64?
    while work == nil { work = search.search(4096) }
    link?.send(Frame.binary, initiator.resend(work: work ?? 0))
    state = .awaitingMessage2(initiator)
  }

  private func decide() {
    guard phase == .deciding, case .awaitingDecision(var responder) = exchange(.erased) else { return }
    guard setting.isAllowed, setting.decision <= HandshakeTimes.resolution else { return }
    do throws(HandshakeError) {
      link?.send(Frame.binary, try responder.accept(peer))
      try begin(responder.split())
    } catch {
      fault = fault ?? "\(error)"
    }
  }

  // MARK: The channel

  private func begin(_ channel: consuming SecureChannel) throws(HandshakeError) {
    transcriptHash = channel.transcriptHash
    hasOpened = true
    state = .open(channel)
    try tend()
    if setting.bug != .noKeepAlive { keepAlive() }
    for _ in 0..<1 + Int(random.next() % 3) { say(random.bytes(8)) }
  }

  /// Sends a message.
  func say(_ message: [UInt8]) {
    guard isOpen, case .open(var channel) = exchange(.ended) else { return }
    if let record = try? channel.seal(.application, message) {
      sentMessages.append(message)
      link?.send(Frame.binary, record)
    }
    state = .open(channel)
  }

  /// Ends the session in order.
  func close() {
    guard isOpen, case .open(var channel) = exchange(.ended) else { return }
    if let record = try? channel.seal(.close) {
      link?.send(Frame.binary, record)
      endedInOrder = true
    }
    link?.close()
  }

  private func received(_ record: (type: RecordType, body: [UInt8])) throws(HandshakeError) {
    switch record.type {
    case .application: received.append(record.body)
    case .close:
      endedInOrder = true
      close()
    case .offer, .reply, .done, .resume, .resumed, .accept, .refuse: try tend()
    }
  }

  private func tend() throws(HandshakeError) {
    guard isOpen, case .open(var channel) = exchange(.ended) else { return }
    var turn: SecureChannel.Turn
    repeat {
      var record = [UInt8]()
      turn = try channel.poll(now: network.now, into: &record)
      if turn == .record { link?.send(Frame.binary, record) }
    } while turn == .record
    let deadline = channel.deadline
    state = .open(channel)
    if turn == .overdue { return close() }
    guard let deadline else { return }
    network.schedule(after: max(.zero, network.now.duration(to: deadline))) { [weak self] in
      guard let self, isOpen else { return }
      do throws(HandshakeError) { try tend() } catch { refuse("\(error)") }
    }
  }

  /// A ping now and then; silence ends the connection.
  private func keepAlive() {
    network.schedule(after: Self.keepAlive) { [weak self] in
      guard let self, isOpen else { return }
      guard lastHeard.duration(to: network.now) < Self.keepAlive * 2 else { return refuse("silence") }
      link?.send(Frame.ping, [])
      keepAlive()
    }
  }

  private func randomness() -> HandshakeRandomness {
    HandshakeRandomness(
      ephemeralKey: SecretBytes(copying: random.bytes(32)), kemSeed: SecretBytes(copying: random.bytes(64)),
      kemMessage: SecretBytes(copying: random.bytes(32)), resumeID: random.bytes(16),
      priorityTokens: random.bytes(128))
  }

  private func exchange(_ next: consuming State) -> State {
    var taken = next
    swap(&taken, &state)
    return taken
  }
}
