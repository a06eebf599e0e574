internal import ParleyWire

/// One end of a WebSocket connection after its opening handshake (RFC 6455 sections 5 to 8), sans-IO.
///
/// The driver hands in what the socket gave, takes the events, and sends what the machine appends to its output:
///
///     while let event = try machine.receive(&bytes, from: &position, now: now) { ... }
///     let action = machine.poll(now: now, into: &output)
///
///                        close                     peer's Close
///     ┌──────┐ ────────────────────────▶ ┌─────────────────┐ ────────▶ ┌──────────┐
///     │ open │                           │ awaitingClose   │           │ finished │
///     └──────┘ ◀─ starts here            └─────────────────┘           └──────────┘
///        │  peer's Close (answered), or a throw (Close with its code)       ▲
///        └──────────────────────────────────────────────────────────────────┘
///
/// Payloads are unmasked where they lie in the driver's buffer and handed up from there; only a message whose frames
/// arrive in pieces is copied, once. Between messages a machine holds no memory but its own hundred bytes.
public struct WebSocketMachine: ~Copyable {
  /// Which end this is.
  public enum Role: Hashable, Sendable {
    /// The end that accepted the connection.
    case server
    /// The end that opened the connection; it masks what it sends.
    case client
  }

  /// The kind of a message.
  public enum MessageKind: Hashable, Sendable, BitwiseCopyable {
    /// UTF-8, validated.
    case text
    /// Any bytes.
    case binary
  }

  /// What the peer did.
  public enum Event: Hashable, Sendable {
    /// A whole message, in the buffer that was handed to `receive`, unmasked, at these offsets.
    case message(MessageKind, Range<Int>)
    /// A whole message, to be taken by ``WebSocketMachine/takeAssembled()``: it came in several frames or several
    /// reads, or compressed.
    case assembledMessage(MessageKind)
    /// The peer asked for a sign of life: ``WebSocketMachine/poll(now:into:)`` writes it, best before anything else is sent.
    case ping
    /// The peer closes, with its code (`.noStatus` where it gave none); ``WebSocketMachine/closeReason`` has its words.
    ///
    /// Nothing follows. The answer is in the output of the next ``WebSocketMachine/poll(now:into:)``.
    case close(CloseCode)
  }

  /// What the driver must do next.
  public enum Action: Hashable, Sendable, BitwiseCopyable {
    /// Call `poll` again no later than this.
    case wait(until: MonotonicTime)
    /// Send what is in the output, then end the TCP connection: the closing handshake is done.
    case finish
    /// Drop the TCP connection now.
    case drop(DropReason)
  }

  /// Why a connection is dropped without a closing handshake.
  public enum DropReason: Hashable, Sendable, BitwiseCopyable {
    /// Nothing came for ``WebSocketLimits/pongTimeout`` after a ping, not even its answer.
    case silence
    /// The peer did not answer a Close within ``WebSocketLimits/closeTimeout``.
    case closeTimeout
  }

  enum State: UInt8 {
    case open
    /// This end has sent Close and waits for the peer's, until `deadline`.
    case awaitingClose
    /// Both have closed, or the peer broke a rule. Input is ignored.
    case finished
  }

  /// What this connection shares with others.
  public let endpoint: WebSocketEndpoint
  /// The largest message accepted from here on.
  ///
  /// Starts at ``WebSocketLimits/maximumMessageByteCount``.
  public var maximumMessageByteCount: Int
  /// What is there only while a message, a frame or a reply is under way.
  var partial: PartialInput?
  var compression: MessageCompression?
  var heardAt: MonotonicTime
  /// When a message last passed.
  var messageAt: MonotonicTime
  /// When the first ping went out that no byte from the peer has followed; ``MonotonicTime/never`` for none.
  var pingedAt = MonotonicTime.never
  /// While open, when the connection is too old; afterwards, when the wait for the peer's Close ends.
  var deadline: MonotonicTime
  var pings: PingWindow
  var state = State.open
  /// While on, anything but a whole, unfragmented binary message or a Close frame fails the connection: for as long
  /// as the peer has not proved who it is.
  public var admitsOnlyBinaryMessages = false

  /// Starts after the opening handshake.
  ///
  /// - Parameters:
  ///   - endpoint: the role, the limits, and what else all connections share.
  ///   - deflate: the compression agreed in the opening handshake, and the streams to do it with; `nil` for none.
  ///   - now: the driver's time; the first ping is due one interval later.
  public init(
    endpoint: WebSocketEndpoint, deflate: (agreement: PermessageDeflate.Agreement, pool: DeflatePool)? = nil,
    now: MonotonicTime
  ) {
    self.endpoint = endpoint
    maximumMessageByteCount = endpoint.limits.maximumMessageByteCount
    compression = deflate.map { MessageCompression(endpoint, $0.agreement, $0.pool) }
    heardAt = now
    messageAt = now
    deadline = now + endpoint.maximumAge
    pings = PingWindow(start: now)
  }

  /// Whether messages can be sent: no Close has been sent or received.
  public var isOpen: Bool { state == .open }

  /// The reason that the peer's Close frame gave.
  public var closeReason: String { partial?.closeReason ?? "" }

  // MARK: Sending

  /// Appends one message, in one frame, to `output`; compressed where that is agreed.
  ///
  /// - Returns: `false`, and nothing appended, when the connection is closing.
  @discardableResult
  public mutating func send(
    _ kind: MessageKind, _ payload: RawSpan, now: MonotonicTime, into output: inout [UInt8]
  ) -> Bool {
    guard state == .open else { return false }
    messageAt = now
    let opcode: FrameOpcode = kind == .text ? .text : .binary
    if compression == nil, endpoint.role == .server {
      FrameHeader(opcode: opcode, byteCount: payload.byteCount).encode(with: payload, into: &output)
      return true
    }
    if let compression, compression.isWorthwhile(payload.byteCount) {
      let compressed = compression.deflate(payload)
      append(FrameHeader(isCompressed: true, opcode: opcode, byteCount: compressed.count), compressed.rawSpan, &output)
    } else {
      append(FrameHeader(opcode: opcode, byteCount: payload.byteCount), payload, &output)
    }
    return true
  }

  /// Appends a frame's header alone, for a driver that sends the payload from where it lies.
  ///
  /// - Returns: `false`, and nothing appended, when that cannot be: the connection is closing, this end masks, or
  ///   messages are compressed.
  public mutating func sendHeader(
    of kind: MessageKind, byteCount: Int, now: MonotonicTime, into output: inout [UInt8]
  ) -> Bool {
    guard state == .open, endpoint.role == .server, compression == nil else { return false }
    messageAt = now
    FrameHeader(opcode: kind == .text ? .text : .binary, byteCount: byteCount).encode(into: &output)
    return true
  }

  /// Appends a message that was made ready once for many connections.
  ///
  /// - Returns: `false`, and nothing appended, when the connection is closing.
  @discardableResult
  public mutating func send(_ message: PreparedMessage, now: MonotonicTime, into output: inout [UInt8]) -> Bool {
    guard endpoint.role == .server, compression == nil else {
      return send(message.kind, message.payload.rawSpan, now: now, into: &output)
    }
    guard state == .open else { return false }
    messageAt = now
    output.append(contentsOf: message.frame)
    return true
  }

  /// Whether a driver may now send ``PreparedMessage/frame`` itself: this end is an open server without compression.
  public mutating func sharesFrames(now: MonotonicTime) -> Bool {
    guard state == .open, endpoint.role == .server, compression == nil else { return false }
    messageAt = now
    return true
  }

  /// Begins the closing handshake; the peer's answer, or the end of the wait for it, comes out of `receive` and `poll`.
  ///
  /// - Parameters:
  ///   - code: a code that may be on the wire, or `nil` for a Close without one.
  ///   - reason: at most 123 bytes of UTF-8.
  ///   - now: the driver's time.
  ///   - output: where the Close frame goes.
  /// - Returns: `false`, and nothing appended, when the connection is already closing.
  @discardableResult
  public mutating func close(
    _ code: CloseCode?, reason: String = "", now: MonotonicTime, into output: inout [UInt8]
  ) -> Bool {
    precondition(code?.isAllowedOnWire ?? reason.isEmpty)
    guard state == .open else { return false }
    append(control: .close, Self.closePayload(code, reason), &output)
    state = .awaitingClose
    deadline = now + endpoint.closeTimeout
    partial?.dropMessage()
    return true
  }

  static func closePayload(_ code: CloseCode?, _ reason: String) -> [UInt8] {
    guard let code else { return [] }
    var payload: [UInt8] = []
    payload.appendBigEndian(code.rawValue)
    payload.append(contentsOf: reason.utf8)
    precondition(payload.count <= FrameHeader.maximumControlByteCount)
    return payload
  }

  private func append(control opcode: FrameOpcode, _ payload: [UInt8], _ output: inout [UInt8]) {
    append(FrameHeader(opcode: opcode, byteCount: payload.count), payload.rawSpan, &output)
  }

  private func append(_ header: FrameHeader, _ payload: RawSpan, _ output: inout [UInt8]) {
    guard endpoint.role == .client else {
      header.encode(into: &output)
      return output.append(contentsOf: payload)
    }
    var header = header
    let key = endpoint.nextMaskingKey()
    header.maskingKey = key
    header.encode(into: &output)
    key.append(payload, to: &output, phase: 0)
  }

  // MARK: Time

  /// Whether `poll` has something to append, or the connection is at its end: if not, the next call can wait for the
  /// time that the last one named.
  public var needsPoll: Bool { state == .finished || partial?.hasReplies == true }

  /// Appends what is due (a pong, a ping, the answer to a Close) to `output` and says what comes next.
  ///
  /// Call it after a turn of `receive` or `close`, and at the time that the last call named.
  public mutating func poll(now: MonotonicTime, into output: inout [UInt8]) -> Action {
    if let (pong, close) = partial?.takeReplies() {
      if let pong, state == .open { append(control: .pong, pong, &output) }
      if let close { append(control: .close, close, &output) }
      settle()
    }
    switch state {
    case .open: return pollOpen(now: now, into: &output)
    case .awaitingClose: return now < deadline ? .wait(until: deadline) : .drop(.closeTimeout)
    case .finished: return .finish
    }
  }

  /// Counts the peer's silence from now on: the driver did not read, so it cannot know whether the peer has answered.
  public mutating func excuseSilence(now: MonotonicTime) {
    heardAt = now
    pingedAt = .never
  }

  private mutating func pollOpen(now: MonotonicTime, into output: inout [UInt8]) -> Action {
    // Counted from the ping, not from the last byte: a driver that slept must not give up a peer that it never asked.
    if now >= pingedAt + endpoint.pongTimeout { return .drop(.silence) }
    let idleAt = messageAt + endpoint.idleTimeout
    guard now < deadline, now < idleAt else {
      close(now < deadline ? .normal : .goingAway, reason: now < deadline ? "idle" : "", now: now, into: &output)
      return .wait(until: deadline)
    }
    if pingedAt == .never, now >= heardAt + endpoint.pingInterval {
      append(control: .ping, [], &output)
      pingedAt = now
    }
    let nextAt = pingedAt == .never ? heardAt + endpoint.pingInterval : pingedAt + endpoint.pongTimeout
    return .wait(until: min(nextAt, deadline, idleAt))
  }
}
