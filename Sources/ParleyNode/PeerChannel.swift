internal import ParleyHandshake
internal import ParleyIO
internal import ParleyIdentity
internal import ParleyWebSocket
internal import ParleyWire

/// One secure channel over one WebSocket connection: drives the handshake, then seals and opens messages.
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
    /// Message 1 was answered.
    case answered
    /// Message 3 is open: the node decides about the claim, and then calls ``accept(_:)`` or ``erase()``.
    case claim(IdentityClaim)
    /// The channel is open.
    case opened(PeerIdentity)
    /// Messages of the peer, in order.
    case messages([[UInt8]])
    /// The peer ends the channel in order.
    case closedByPeer
  }

  private enum State: ~Copyable {
    case awaitingMessage1(Responder)
    case awaitingMessage3(Responder)
    case awaitingDecision(Responder)
    case awaitingMessage2(Initiator)
    case awaitingAccept(Initiator)
    case open(SecureChannel)
    case ended
  }

  let number: Int
  let isInitiator: Bool
  /// Who was called; `nil` on the answering side.
  let dialled: DID?
  private let connection: WebSocketConnection
  private let prologue: Prologue
  private var state: State
  private var stream = MessageStream()
  /// Who the peer is, once it has proved it.
  private(set) var peer: PeerIdentity?
  /// Whether both sides said that they were done.
  private(set) var endedInOrder = false
  /// Whether a fault now must not show before the handshake's deadline.
  private(set) var failsAtDeadline = false
  /// Ends a handshake that takes too long.
  var deadline: ScheduledWork?

  /// The dialling side, after the upgrade that carried message 1.
  init(
    number: Int, to dialled: DID, connection: WebSocketConnection, initiator: consuming Initiator, prologue: Prologue
  ) {
    self.number = number
    self.dialled = dialled
    self.connection = connection
    self.prologue = prologue
    isInitiator = true
    initiator.begin(prologue: prologue)
    state = .awaitingMessage2(initiator)
  }

  /// The answering side.
  ///
  /// With message 1 in the upgrade request the answer has left already, with the 101.
  init(
    number: Int, connection: WebSocketConnection, responder: consuming Responder, prologue: Prologue,
    hasMessage1: Bool
  ) {
    self.number = number
    dialled = nil
    self.connection = connection
    self.prologue = prologue
    isInitiator = false
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
    case .awaitingMessage3: false
    case .awaitingDecision: false
    case .awaitingAccept: false
    case .ended: false
    }
  }

  /// Takes one binary message of the WebSocket.
  ///
  /// - Throws: Why the channel ends; its keys are erased, and the caller ends the connection.
  func receive(_ bytes: [UInt8]) throws(HandshakeError) -> Event {
    switch exchange(.ended) {
    case .awaitingMessage1(var responder):
      connection.send(binary: try responder.receiveMessage1(bytes, prologue: prologue))
      failsAtDeadline = true
      state = .awaitingMessage3(responder)
      return .answered
    case .awaitingMessage3(var responder):
      let claim = try responder.openMessage3(bytes)
      state = .awaitingDecision(responder)
      return .claim(claim)
    case .awaitingDecision(var responder):
      // The initiator may not speak before the answer.
      _ = try responder.openMessage3(bytes)
      return .nothing
    case .awaitingMessage2(var initiator):
      connection.send(binary: try initiator.receiveMessage2(bytes))
      state = .awaitingAccept(initiator)
      return .nothing
    case .awaitingAccept(var initiator):
      try initiator.receiveAccept(bytes)
      return .opened(begin(initiator.split()))
    case .open(var channel):
      let record = try channel.open(bytes)
      guard record.type == .application else {
        try stream.finish()
        endedInOrder = true
        state = .open(channel)
        return .closedByPeer
      }
      let messages = try stream.receive(record.body.rawSpan)
      state = .open(channel)
      return messages.isEmpty ? .nothing : .messages(messages)
    case .ended:
      return .nothing
    }
  }

  /// Admits the peer whose claim was resolved: verifies its signature, sends ACCEPT, and the channel is open.
  ///
  /// - Throws: Why not; the keys are erased.
  func accept(_ peer: PeerIdentity) throws(HandshakeError) {
    guard case .awaitingDecision(var responder) = exchange(.ended) else { throw .ended }
    connection.send(binary: try responder.accept(peer))
    _ = begin(responder.split())
  }

  /// Seals one message and sends it.
  ///
  /// When the keys have carried all that they may, the channel ends, and the messages go over the next one.
  func send(_ message: [UInt8]) {
    guard case .open(var channel) = exchange(.ended) else { return }
    do throws(HandshakeError) {
      for record in try channel.seal(messages: [message]) { connection.send(binary: record) }
      state = .open(channel)
    } catch {
      state = .open(channel)
      close()
    }
  }

  /// Ends the channel in order: a CLOSE record, then the WebSocket's closing handshake.
  func close() {
    deadline?.cancel()
    if case .open(var channel) = exchange(.ended), let record = try? channel.seal(.close) {
      connection.send(binary: record)
      endedInOrder = true
    }
    connection.close(.normal)
  }

  /// Ends the channel because the peer broke a rule: keys erased, close code 1008, no reason given.
  func refuse() {
    deadline?.cancel()
    erase()
    connection.close(.policyViolation)
  }

  /// Erases the keys; the connection stays until its deadline, so that all refusals look alike.
  func erase() { _ = exchange(.ended) }

  private func begin(_ channel: consuming SecureChannel) -> PeerIdentity {
    let peer = channel.peer
    self.peer = peer
    failsAtDeadline = false
    deadline?.cancel()
    connection.markAuthenticated()
    // From here on pings keep a quiet connection alive.
    connection.admitsOnlyBinaryMessages = false
    state = .open(channel)
    return peer
  }

  private func exchange(_ next: consuming State) -> State {
    var taken = next
    swap(&taken, &state)
    return taken
  }
}
