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
/// It lives on its loop: call every method there, except the asynchronous ones, and expect every callback there. Nothing is
/// read before ``start(_:)``, so no message is missed however late that comes.
///
/// An idle connection is two small objects and holds no buffer.
public final class WebSocketConnection: @unchecked Sendable {
  /// The kind of a message.
  public typealias MessageKind = WebSocketMachine.MessageKind

  let stream: StreamSocket
  private let machineCell: Cell<WebSocketMachine>
  private var machine: WebSocketMachine {
    @inline(__always) _read { yield machineCell.value }
    @inline(__always) _modify { yield &machineCell.value }
  }
  private var handlers: WebSocketHandlers?
  /// What few connections have.
  var extras: Extras?
  /// The server that accepted the connection, as long as it lives.
  private var server: WebSocketServer?
  /// Where the server keeps it.
  var serverIndex = 0
  private var address: AddressCount?
  /// Whether it still counts among those that have not proved who they are.
  private(set) var isPending = false
  private var isClosed = false

  struct Setup {
    var subprotocol: String?
    var identity: ClientIdentity?
    var deflate: PermessageDeflate.Agreement?
    /// Bytes that came with the head of the opening handshake.
    var early: [UInt8] = []
  }

  /// What few connections have, or have for a moment only.
  final class Extras {
    var setup = Setup()
    var closure: WebSocketClosure?
    var onDrain: (@Sendable () -> Void)?
    var conflated = ConflatedMessages()
    /// Senders that wait until fewer bytes wait.
    var waitingSenders: [CheckedContinuation<Void, Never>] = []
    /// Who waits for the end.
    var waitingClosers: [CheckedContinuation<Void, Never>] = []

    func resumeSenders() {
      for sender in waitingSenders { sender.resume() }
      waitingSenders = []
    }
  }

  init(stream: StreamSocket, endpoint: WebSocketEndpoint, setup: Setup) {
    self.stream = stream
    machineCell = Cell(
      WebSocketMachine(
        endpoint: endpoint, deflate: setup.deflate.map { ($0, stream.loop.deflatePool) }, now: stream.loop.now))
    if setup.subprotocol != nil || setup.identity != nil || setup.deflate != nil || !setup.early.isEmpty {
      more.setup = setup
    }
  }

  /// Puts the connection in the care of a server.
  func attach(to server: WebSocketServer, at index: Int, _ address: AddressCount?, isPending: Bool) {
    self.server = server
    serverIndex = index
    self.address = address
    self.isPending = isPending
  }

  var more: Extras {
    if let extras { return extras }
    let made = Extras()
    extras = made
    return made
  }

  // MARK: What is known of it

  /// The loop that the connection lives on.
  public var loop: EventLoop { stream.loop }
  /// The subprotocol agreed.
  public var subprotocol: String? { extras?.setup.subprotocol }
  /// Who the client proved to be when it came in.
  public var identity: ClientIdentity? { extras?.setup.identity }
  /// The compression agreed; `nil` for none.
  public var deflate: PermessageDeflate.Agreement? { extras?.setup.deflate }
  /// The addresses and TLS, asked of the system anew each time; empty once the connection has ended.
  public var info: ConnectionInfo {
    isClosed ? ConnectionInfo(fd: -1, tls: nil) : ConnectionInfo(fd: stream.fd, tls: stream.tls)
  }
  /// How the connection ended; `nil` while it has not.
  public var closure: WebSocketClosure? { isClosed ? extras?.closure : nil }

  // MARK: Receiving

  /// Bytes waiting to be sent at which a sender that waited goes on.
  var resumeByteCount: Int { machine.endpoint.limits.resumeByteCount }

  /// Begins to receive.
  ///
  /// - Precondition: called once.
  public func start(_ handlers: WebSocketHandlers) {
    loop.checkIsolated()
    precondition(self.handlers == nil, "a connection starts once")
    self.handlers = handlers
    if isClosed { return reportClosure() }
    pollMachine()
    guard hasEarlyBytes else { return stream.setReading(true) }
    // In a turn of its own: the caller is not done with this one.
    loop.execute { [self] in takeEarlyBytes() }
  }

  /// Whether bytes that came with the head of the opening handshake are still to be taken: before any from the socket.
  private var hasEarlyBytes: Bool { extras?.setup.early.isEmpty == false }

  private func takeEarlyBytes() {
    guard !isClosed, hasEarlyBytes else { return }
    var bytes = more.setup.early
    more.setup.early = []
    stream.setReading(true)
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    streamDidReceive(&raw)
  }

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
    start(WebSocketHandlers(onMessage: { onMessage($1, $2) }, onClose: { onClose($1) }))
  }

  /// Whether bytes are taken from the socket, on once the connection has started.
  ///
  /// A program that cannot keep up switches it off: the peer then feels it, and nothing piles up here.
  public var isReading: Bool {
    get { stream.isReading }
    set { if !isClosed, !hasEarlyBytes { stream.setReading(newValue) } }
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
    guard isPending else { return }
    isPending = false
    server?.didAuthenticate()
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
    if loop.broadcaster != nil { loop.broadcaster?.sendBroadcasts() }
    guard !isClosed else { return false }
    if stream.isCorked, machine.sharesFrames(now: loop.now),
      stream.sendBack(
        FrameHeader(opcode: kind == .text ? .text : .binary, byteCount: payload.byteCount), payload)
    {
      return true
    }
    if payload.byteCount >= StreamSocket.segmentByteCount,
      stream.append({ machine.sendHeader(of: kind, byteCount: payload.byteCount, now: loop.now, into: &$0) })
    {
      stream.writeLarge(payload)
      return true
    }
    return stream.write { machine.send(kind, payload, now: loop.now, into: &$0) }
  }

  /// Sends a message that was made ready once for many connections.
  ///
  /// - Returns: `false` when the connection is closing or closed. Success says nothing of arrival.
  @discardableResult
  public func send(_ message: PreparedMessage) -> Bool {
    loop.checkIsolated()
    loop.broadcaster?.sendBroadcasts()
    return sendNow(message)
  }

  private func sendNow(_ message: PreparedMessage) -> Bool {
    guard !isClosed else { return false }
    return stream.write { machine.send(message, now: loop.now, into: &$0) }
  }

  /// Sends messages that the server sends to all.
  ///
  /// - Parameters:
  ///   - messages: what to send.
  ///   - frames: the frames of all of them, for connections without compression.
  func broadcast(_ messages: [PreparedMessage], _ frames: [UInt8]) {
    guard !isClosed else { return }
    if machine.sharesFrames(now: loop.now) {
      stream.write(shared: frames)
    } else {
      for message in messages { _ = sendNow(message) }
    }
  }

  /// Sends a message that a later one of the same `key` replaces, if the peer is so far behind that this one has not left yet.
  ///
  /// For feeds of states, such as prices: a slow reader gets newer data, never a longer queue.
  ///
  /// - Returns: `false` when the connection is closing or closed. Success says nothing of arrival.
  @discardableResult
  public func send(_ kind: MessageKind, _ payload: RawSpan, replacing key: UInt64) -> Bool {
    loop.checkIsolated()
    loop.broadcaster?.sendBroadcasts()
    guard !isClosed, machine.isOpen else { return false }
    guard stream.waitsForRoom else { return send(kind, payload) }
    more.conflated.put(key, kind, [UInt8](payload))
    return true
  }

  /// Bytes that wait to be sent, those of messages that may still be replaced not counted.
  ///
  /// Beyond ``WebSocketLimits/maximumBufferedByteCount`` the connection is dropped with 1008.
  public var bufferedByteCount: Int { stream.bufferedByteCount }

  /// Has `body` called when the bytes that wait to be sent have fallen to ``WebSocketLimits/resumeByteCount`` after they
  /// were more, and when none wait any more.
  public func setDrainHandler(_ body: (@Sendable () -> Void)?) {
    loop.checkIsolated()
    more.onDrain = body
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
    loop.broadcaster?.sendBroadcasts()
    guard !isClosed else { return }
    if hasEarlyBytes { loop.execute { [self] in takeEarlyBytes() } } else { stream.setReading(true) }
    if stream.write({ machine.close(code, reason: reason, now: loop.now, into: &$0) }) { pollMachine() }
  }

  /// Drops the connection with a reset, and with it all that was not sent.
  ///
  /// `onClose` is called before this returns.
  public func abort() {
    loop.checkIsolated()
    end(with: .failed(.aborted))
    stream.abort(nil)
  }

  /// Notes how the connection ends; what is noted first stays.
  private func end(with closure: WebSocketClosure) {
    if extras?.closure == nil { more.closure = closure }
  }

  private func reportClosure() {
    let report = handlers
    handlers = nil
    report?.onClose(self, extras?.closure ?? .failed(.connectionLost))
  }

  // MARK: The machine

  /// Sends what the machine has due, and sleeps until it has more.
  private func pollMachine() {
    guard !isClosed else { return }
    switch stream.write({ machine.poll(now: loop.now, into: &$0) }) {
    case .wait(let deadline):
      stream.wake(at: deadline)
    case .finish:
      let endpoint = machine.endpoint
      stream.finish(within: endpoint.limits.closeTimeout, endsFirst: endpoint.role == .server || isFailed)
    case .drop(.silence) where !stream.isReading:
      // What the peer said, its pongs among it, lies in the socket.
      machine.excuseSilence(now: loop.now)
      pollMachine()
    case .drop(let reason):
      end(with: .failed(.timeout(reason == .silence ? .silence : .close)))
      stream.abort(nil)
    }
  }

  private var isFailed: Bool {
    if case .failed = extras?.closure { true } else { false }
  }

  private func receive(_ event: WebSocketMachine.Event) {
    switch event {
    case .message: preconditionFailure("only a call that hands in bytes finds a message in them")
    case .assembledMessage(let kind):
      let message = machine.takeAssembled()
      handlers?.onMessage(self, kind, message.rawSpan)
      // Given away, not shared: memory that has another holder is not kept but made anew.
      machine.endpoint.buffers.putBack(consume message)
    case .ping: pollMachine()
    case .close(let code): end(with: .closed(code, reason: machine.closeReason))
    }
  }
}

extension WebSocketConnection: StreamOwner {
  func streamDidReceive(_ bytes: inout MutableRawSpan) {
    var position = 0
    do throws(WebSocketError) {
      // What is sent back from where it lies is packed in front; the rest of what is behind `position` is free.
      var packedEnd = 0
      while let event = try machine.receive(&bytes, from: &position, packingTo: packedEnd, now: loop.now) {
        if case .message(let kind, let range) = event {
          let isSentBack = stream.withMessage(&bytes, range, room: range.lowerBound &- packedEnd) { payload in
            handlers?.onMessage(self, kind, payload)
          }
          packedEnd = isSentBack ? range.upperBound : position
        } else {
          receive(event)
          packedEnd = position
        }
        // The callback may have aborted.
        guard !isClosed else { return }
      }
    } catch {
      end(with: .failed(.webSocket(error)))
    }
    if machine.needsPoll { pollMachine() }
  }

  var streamDirectByteCount: Int { machine.directByteCount }

  func streamReceiveDirectly(_ read: (inout OutputSpan<UInt8>) -> Void) {
    do throws(WebSocketError) {
      guard let event = try machine.receiveDirectly(upTo: machine.directByteCount, now: loop.now, read) else { return }
      receive(event)
    } catch {
      end(with: .failed(.webSocket(error)))
    }
    if !isClosed, machine.needsPoll { pollMachine() }
  }

  func streamDidEnd() {
    // A TCP end without a Close frame.
    end(with: .failed(.connectionLost))
    stream.abort(nil)
  }

  func streamDidDrain() {
    if let extras {
      while !stream.waitsForRoom, let (kind, payload) = extras.conflated.take() { send(kind, payload.rawSpan) }
      extras.onDrain?()
      extras.resumeSenders()
    }
    handlers?.onDrain?(self)
  }

  func streamDidWake() { pollMachine() }

  /// Whole messages that have not begun to leave are dropped, so that the Close frame can.
  func streamDidOverflow(_ stream: StreamSocket) {
    end(with: .failed(.slowReader(bufferedByteCount: stream.bufferedByteCount)))
    extras?.conflated = ConflatedMessages()
    stream.discardOutput(from: streamBoundary(in: stream))
    close(.policyViolation, reason: "too slow")
  }

  func streamBoundary(in stream: StreamSocket) -> Int {
    stream.withUnsentOutput { output, boundary, sent in
      var start = boundary
      while start < sent {
        // This end wrote these frames: they decode.
        let rest = output.extracting(start..<output.byteCount)
        let whole = try? FrameHeader.decode(rest, from: machine.endpoint.role, allowsCompression: true)
        guard let (header, size) = whole else { return output.byteCount }
        start = Swift.min(start &+ size &+ header.byteCount, output.byteCount)
      }
      return start
    }
  }

  func streamDidClose(_ error: IOError?) {
    isClosed = true
    end(with: .failed(error ?? .connectionLost))
    server?.didEnd(self, address)
    server = nil
    extras?.resumeSenders()
    for closer in extras?.waitingClosers ?? [] { closer.resume() }
    extras?.waitingClosers = []
    if handlers != nil { reportClosure() }
  }
}

/// The newest message of each key, in the order in which the keys first came.
struct ConflatedMessages {
  private var order: [UInt64] = []
  private var messages: [UInt64: (WebSocketMachine.MessageKind, [UInt8])] = [:]

  mutating func put(_ key: UInt64, _ kind: WebSocketMachine.MessageKind, _ payload: [UInt8]) {
    if messages.updateValue((kind, payload), forKey: key) == nil { order.append(key) }
  }

  mutating func take() -> (WebSocketMachine.MessageKind, [UInt8])? {
    guard !order.isEmpty else { return nil }
    return messages.removeValue(forKey: order.removeFirst())
  }
}

/// Unpredictable masking keys, drawn from the system a batch at a time.
final class MaskingKeyPool: Sendable {
  private let bytes = Locked<[UInt8]>([])

  func next() -> MaskingKey {
    bytes.withLock { bytes in
      if bytes.isEmpty { bytes = SystemRandom.bytes(256) }
      defer { bytes.removeLast(4) }
      let end = bytes.count
      return MaskingKey(bytes[end &- 1], bytes[end &- 2], bytes[end &- 3], bytes[end &- 4])
    }
  }
}
