internal import ParleyCrypto
public import ParleyWebSocket
internal import ParleyWire

/// How a connection ended.
public enum WebSocketClosure: Hashable, Sendable {
  /// The closing handshake took place. The code and reason are the peer's; `.noStatus` where it gave none.
  case closed(CloseCode, reason: String)
  /// Without a closing handshake: the peer broke a rule (`webSocket`), was too slow or silent, the network failed, or
  /// this end aborted.
  case failed(IOError)
}

/// One WebSocket connection after its opening handshake.
///
/// It lives on its loop: call every method there, and expect every callback there. Nothing is read before ``start``,
/// so no message is missed however late that comes.
public final class WebSocketConnection: @unchecked Sendable {
  /// The kind of a message.
  public typealias MessageKind = WebSocketMachine.MessageKind

  /// The loop that the connection lives on.
  public let loop: EventLoop
  /// The addresses and TLS.
  public let info: ConnectionInfo
  /// The subprotocol agreed.
  public let subprotocol: String?

  private let role: WebSocketMachine.Role
  private let limits: WebSocketLimits
  private let stream: StreamSocket
  private var machine: WebSocketMachine
  private var onMessage: ((MessageKind, RawSpan) -> Void)?
  private var onClose: ((WebSocketClosure) -> Void)?
  private var onDrain: (() -> Void)?
  private var onEnd: ((WebSocketConnection) -> Void)?
  private var onAuthenticated: (() -> Void)?
  /// Bytes that came with the head of the opening handshake.
  private var early: [UInt8]
  private var closure: WebSocketClosure?
  private var timer: ScheduledWork?
  private var isClosed = false

  init(
    stream: StreamSocket, info: ConnectionInfo, role: WebSocketMachine.Role, subprotocol: String?,
    limits: WebSocketLimits, early: [UInt8] = []
  ) {
    loop = stream.loop
    self.stream = stream
    self.info = info
    self.role = role
    self.subprotocol = subprotocol
    self.limits = limits
    self.early = early
    let keys = MaskingKeyPool()
    machine = WebSocketMachine(role: role, limits: limits, now: loop.now) { keys.next() }
  }

  /// Puts the connection in the care of a server.
  func attach(onAuthenticated: @escaping () -> Void, onEnd: @escaping (WebSocketConnection) -> Void) {
    self.onAuthenticated = onAuthenticated
    self.onEnd = onEnd
  }

  // MARK: Receiving

  /// Begins to receive.
  ///
  /// - Parameters:
  ///   - onMessage: called for each message. The bytes are gone after the call; copy what must stay.
  ///   - onClose: called once, last.
  /// - Precondition: called once.
  public func start(
    onMessage: @escaping @Sendable (MessageKind, RawSpan) -> Void,
    onClose: @escaping @Sendable (WebSocketClosure) -> Void
  ) {
    loop.checkIsolated()
    precondition(self.onMessage == nil, "a connection starts once")
    self.onMessage = onMessage
    self.onClose = onClose
    if isClosed { return reportClosure() }
    stream.setReading(true)
    guard !early.isEmpty else { return pollMachine() }
    // In a turn of its own: the caller is not done with this one.
    loop.execute { [self] in
      var bytes = early
      early = []
      var span = bytes.mutableSpan
      var raw = unsafe span.mutableBytes
      streamDidReceive(&raw)
    }
  }

  /// The largest message accepted from here on, starting at the limits' own.
  public var maximumMessageByteCount: Int {
    get { machine.maximumMessageByteCount }
    set { machine.maximumMessageByteCount = newValue }
  }

  /// While on, anything but a whole binary message or a Close frame fails the connection: for as long as the peer has
  /// not proved who it is.
  public var admitsOnlyBinaryMessages: Bool {
    get { machine.admitsOnlyBinaryMessages }
    set { machine.admitsOnlyBinaryMessages = newValue }
  }

  /// Tells the server that the peer has proved who it is, so that the connection no longer counts among the strangers'.
  public func markAuthenticated() {
    loop.checkIsolated()
    onAuthenticated?()
    onAuthenticated = nil
  }

  // MARK: Sending

  /// Sends one binary message, at the end of this turn of the loop together with the turn's other messages.
  ///
  /// - Returns: `false` when the connection is closing or closed. Success says nothing of arrival.
  @discardableResult
  public func send(binary payload: [UInt8]) -> Bool { send(.binary, payload.rawSpan) }

  /// Sends one text message, at the end of this turn of the loop together with the turn's other messages.
  ///
  /// - Returns: `false` when the connection is closing or closed. Success says nothing of arrival.
  @discardableResult
  public func send(text: String) -> Bool { send(.text, Array(text.utf8).rawSpan) }

  /// Sends one message of bytes that someone else owns.
  ///
  /// - Returns: `false` when the connection is closing or closed. Success says nothing of arrival.
  @discardableResult
  public func send(_ kind: MessageKind, _ payload: RawSpan) -> Bool {
    loop.checkIsolated()
    guard !isClosed else { return false }
    return stream.write { machine.send(kind, payload, into: &$0) }
  }

  /// Bytes that wait to be sent.
  ///
  /// Beyond ``WebSocketLimits/maximumBufferedByteCount`` the connection is dropped.
  public var bufferedByteCount: Int { stream.bufferedByteCount }

  /// Has `body` called whenever everything sent has been handed to the kernel.
  public func setDrainHandler(_ body: (@Sendable () -> Void)?) {
    loop.checkIsolated()
    onDrain = body
  }

  // MARK: Ending

  /// Begins the closing handshake.
  ///
  /// The end comes within ``WebSocketLimits/closeTimeout``; messages that still arrive are dropped. Does nothing on a
  /// connection that is closing.
  ///
  /// - Parameters:
  ///   - code: a code that may be on the wire.
  ///   - reason: at most 123 bytes of UTF-8.
  public func close(_ code: CloseCode = .normal, reason: String = "") {
    loop.checkIsolated()
    guard !isClosed else { return }
    stream.setReading(true)
    if stream.write({ machine.close(code, reason: reason, now: loop.now, into: &$0) }) { pollMachine() }
  }

  /// Drops the connection with a reset, and with it all that was not sent.
  ///
  /// `onClose` is called before this returns.
  public func abort() {
    loop.checkIsolated()
    closure = closure ?? .failed(.aborted)
    stream.abort(nil)
  }

  private func reportClosure() {
    let report = onClose
    onMessage = nil
    onClose = nil
    onDrain = nil
    report?(closure ?? .failed(.connectionLost))
  }

  // MARK: The machine

  /// Sends what the machine has due, and sleeps until it has more.
  private func pollMachine() {
    guard !isClosed else { return }
    let now = loop.now
    switch stream.write({ machine.poll(now: now, into: &$0) }) {
    case .wait(let deadline):
      if let timer, timer.deadline <= deadline, !timer.isCancelled { return }
      timer?.cancel()
      timer = loop.schedule(at: deadline) { [weak self] in
        self?.timer = nil
        self?.pollMachine()
      }
    case .finish:
      timer?.cancel()
      stream.finish(within: limits.closeTimeout, endsFirst: role == .server || isFailed)
    case .drop(let reason):
      closure = closure ?? .failed(.timeout(reason == .silence ? .silence : .close))
      stream.abort(nil)
    }
  }

  private var isFailed: Bool {
    if case .failed = closure { true } else { false }
  }
}

extension WebSocketConnection: StreamOwner {
  func streamDidOpen() {}

  func streamDidReceive(_ bytes: inout MutableRawSpan) {
    var position = 0
    do throws(WebSocketError) {
      while let event = try machine.receive(&bytes, from: &position, now: loop.now) {
        switch event {
        case .message(let kind, .inPlace(let range)): onMessage?(kind, bytes.bytes.extracting(range))
        case .message(let kind, .assembled(let payload)): onMessage?(kind, payload.rawSpan)
        case .close(let code, let reason): closure = closure ?? .closed(code, reason: reason)
        }
        // The callback may have aborted.
        guard !isClosed else { return }
      }
    } catch {
      closure = closure ?? .failed(.webSocket(error))
    }
    pollMachine()
  }

  func streamDidEnd() {
    // A TCP end without a Close frame.
    closure = closure ?? .failed(.connectionLost)
    stream.abort(nil)
  }

  func streamDidDrain() { onDrain?() }

  func streamDidClose(_ error: IOError?) {
    isClosed = true
    timer?.cancel()
    closure = closure ?? .failed(error ?? .connectionLost)
    onEnd?(self)
    onEnd = nil
    onAuthenticated = nil
    if onClose != nil { reportClosure() }
  }
}

/// Unpredictable masking keys, drawn from the system a batch at a time.
private final class MaskingKeyPool {
  private var bytes: [UInt8] = []

  func next() -> MaskingKey {
    if bytes.isEmpty { bytes = SystemRandom.bytes(256) }
    defer { bytes.removeLast(4) }
    let end = bytes.count
    return MaskingKey(bytes[end &- 1], bytes[end &- 2], bytes[end &- 3], bytes[end &- 4])
  }
}
