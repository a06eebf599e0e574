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
/// arrive in pieces is copied, once.
public struct WebSocketMachine: ~Copyable {
  /// Which end this is.
  public enum Role: Hashable, Sendable {
    /// The end that accepted the connection.
    case server
    /// The end that opened the connection; it masks what it sends.
    case client
  }

  /// The kind of a message.
  public enum MessageKind: Hashable, Sendable {
    /// UTF-8, validated.
    case text
    /// Any bytes.
    case binary
  }

  /// Where the bytes of a message are.
  public enum Payload: Hashable, Sendable {
    /// In the buffer that was handed to `receive`, unmasked, at these offsets.
    case inPlace(Range<Int>)
    /// In an array of their own: the message came in several frames or several reads.
    case assembled([UInt8])
  }

  /// What the peer did.
  public enum Event: Hashable, Sendable {
    /// A whole message.
    case message(MessageKind, Payload)
    /// The peer closes, with its code (`.noStatus` where it gave none) and reason. Nothing follows. The answer is in
    /// the output of the next ``WebSocketMachine/poll(now:into:)``.
    case close(CloseCode, reason: String)
  }

  /// What the driver must do next.
  public enum Action: Hashable, Sendable {
    /// Call `poll` again no later than this.
    case wait(until: ContinuousClock.Instant)
    /// Send what is in the output, then end the TCP connection: the closing handshake is done.
    case finish
    /// Drop the TCP connection now.
    case drop(DropReason)
  }

  /// Why a connection is dropped without a closing handshake.
  public enum DropReason: Hashable, Sendable {
    /// Nothing came for ``WebSocketLimits/silenceTimeout``, not even the answer to a ping.
    case silence
    /// The peer did not answer a Close within ``WebSocketLimits/closeTimeout``.
    case closeTimeout
  }

  /// The largest message accepted from here on.
  ///
  /// Starts at ``WebSocketLimits/maximumMessageByteCount``.
  public var maximumMessageByteCount: Int
  /// While on, anything but a whole, unfragmented binary message or a Close frame fails the connection: for as long
  /// as the peer has not proved who it is.
  public var admitsOnlyBinaryMessages = false

  private let role: Role
  private let limits: WebSocketLimits
  private let nextMaskingKey: () -> MaskingKey
  private var state = State.open
  private var frame: PartialFrame?
  private var headerBytes: [UInt8] = []
  private var message: PartialMessage?
  private var controlPayload: [UInt8] = []
  private var replies = Replies()
  private var pings: PingWindow
  /// When the first ping went out that no byte from the peer has followed.
  private var pingedAt: ContinuousClock.Instant?
  private var nextPingAt: ContinuousClock.Instant
  private let expiresAt: ContinuousClock.Instant
  private var pingCount: UInt32 = 0

  private enum State {
    case open
    /// This end has sent Close and waits for the peer's.
    case awaitingClose(until: ContinuousClock.Instant)
    /// Both have closed, or the peer broke a rule. Input is ignored.
    case finished
  }

  /// Starts after the opening handshake.
  ///
  /// - Parameters:
  ///   - role: which end this is.
  ///   - limits: what the peer may do.
  ///   - now: the driver's time; the first ping is due one interval later.
  ///   - maskingKey: called for each frame that a client sends; must be unpredictable. A server never calls it.
  public init(
    role: Role, limits: WebSocketLimits = .init(), now: ContinuousClock.Instant,
    maskingKey: @escaping () -> MaskingKey
  ) {
    self.role = role
    self.limits = limits
    self.nextMaskingKey = maskingKey
    maximumMessageByteCount = limits.maximumMessageByteCount
    nextPingAt = now + limits.pingInterval
    expiresAt = now + limits.maximumAge
    pings = PingWindow(start: now)
  }

  /// Whether messages can be sent: no Close has been sent or received.
  public var isOpen: Bool {
    if case .open = state { true } else { false }
  }

  // MARK: Receiving

  /// Takes in bytes up to the next event.
  ///
  /// - Parameters:
  ///   - bytes: what the socket gave. Payloads in it are unmasked in place.
  ///   - position: the first byte not taken in yet; moved past what this call takes in.
  ///   - now: the driver's time.
  /// - Returns: an event, with `position` right after it; `nil` when every byte has been taken in.
  /// - Throws: the rule that the peer broke. The machine is then finished and ignores input.
  public mutating func receive(
    _ bytes: inout MutableRawSpan, from position: inout Int, now: ContinuousClock.Instant
  ) throws(WebSocketError) -> Event? {
    precondition(position >= 0 && position <= bytes.byteCount)
    if position < bytes.byteCount {
      pingedAt = nil
      nextPingAt = now + limits.pingInterval
    }
    do throws(WebSocketError) {
      while position < bytes.byteCount || frame != nil {
        if case .finished = state { break }
        guard let frame = try nextFrame(bytes, &position) else { return nil }
        if let event = try takePayload(of: frame, &bytes, &position, now: now) { return event }
        if self.frame != nil { return nil }
      }
    } catch {
      finish(sending: error.closeCode, reason: "")
      throw error
    }
    position = bytes.byteCount
    return nil
  }

  /// The frame whose payload comes next, its header checked; `nil` while the header is incomplete.
  private mutating func nextFrame(_ bytes: borrowing MutableRawSpan, _ position: inout Int) throws(WebSocketError)
    -> PartialFrame?
  {
    if let frame { return frame }
    let sender: Role = role == .server ? .client : .server
    let header: FrameHeader
    if headerBytes.isEmpty {
      let rest = bytes.bytes.extracting(position..<bytes.byteCount)
      guard let (whole, size) = try FrameHeader.decode(rest, from: sender) else {
        headerBytes.append(contentsOf: rest)
        position = bytes.byteCount
        return nil
      }
      position &+= size
      header = whole
    } else {
      guard let whole = try resumeHeader(bytes, &position, sender) else { return nil }
      header = whole
    }
    try admit(header)
    let frame = PartialFrame(header: header)
    self.frame = frame
    return frame
  }

  /// A header that began in an earlier read: at most 14 bytes, taken one at a time.
  private mutating func resumeHeader(
    _ bytes: borrowing MutableRawSpan, _ position: inout Int, _ sender: Role
  ) throws(WebSocketError) -> FrameHeader? {
    while position < bytes.byteCount {
      headerBytes.append(contentsOf: bytes.bytes.extracting(position..<(position &+ 1)))
      position &+= 1
      if let (header, _) = try FrameHeader.decode(headerBytes.rawSpan, from: sender) {
        headerBytes.removeAll(keepingCapacity: true)
        return header
      }
    }
    return nil
  }

  /// The rules that a header must meet before any of its payload is looked at.
  private func admit(_ header: FrameHeader) throws(WebSocketError) {
    if admitsOnlyBinaryMessages {
      guard header.opcode == .close || header.opcode == .binary && header.isFinal else {
        throw .onlyBinaryMessagesAdmitted
      }
    }
    switch header.opcode {
    case .close, .ping, .pong:
      return
    case .continuation:
      guard let message else { throw .unexpectedContinuation }
      guard message.frameCount < limits.maximumFragmentCount else {
        throw .tooManyFragments(limit: limits.maximumFragmentCount)
      }
      try admitSize(header, after: message.bytes.count)
    case .text, .binary:
      guard message == nil else { throw .interleavedMessage }
      guard header.opcode == .binary || limits.acceptsText else { throw .textNotAccepted }
      try admitSize(header, after: 0)
    }
  }

  private func admitSize(_ header: FrameHeader, after byteCount: Int) throws(WebSocketError) {
    guard header.byteCount <= maximumMessageByteCount &- byteCount else {
      throw .messageTooBig(limit: maximumMessageByteCount)
    }
    guard header.isFinal || header.byteCount >= limits.minimumFragmentByteCount else {
      throw .fragmentTooSmall(limit: limits.minimumFragmentByteCount)
    }
  }

  /// Takes in what is there of a frame's payload, and acts on the frame when it is whole.
  private mutating func takePayload(
    of frame: PartialFrame, _ bytes: inout MutableRawSpan, _ position: inout Int, now: ContinuousClock.Instant
  ) throws(WebSocketError) -> Event? {
    let header = frame.header
    let missing = header.byteCount &- frame.receivedCount
    let count = min(missing, bytes.byteCount &- position)
    let range = position..<(position &+ count)
    position &+= count
    if count > 0 { header.maskingKey?.apply(to: &bytes, range, phase: frame.receivedCount) }
    let isWhole = count == missing
    guard count > 0 || isWhole else { return nil }
    self.frame = isWhole ? nil : PartialFrame(header: header, receivedCount: frame.receivedCount &+ count)

    if header.opcode.isControl {
      controlPayload.append(contentsOf: bytes.bytes.extracting(range))
      guard isWhole else { return nil }
      defer { controlPayload.removeAll(keepingCapacity: true) }
      return try receiveControl(header.opcode, now: now)
    }
    return try receiveData(header, isFirst: frame.receivedCount == 0, bytes.bytes, range, isWhole: isWhole)
  }

  private mutating func receiveData(
    _ header: FrameHeader, isFirst: Bool, _ bytes: RawSpan, _ range: Range<Int>, isWhole: Bool
  ) throws(WebSocketError) -> Event? {
    let part = bytes.extracting(range)
    if message == nil, header.isFinal, isWhole {
      if header.opcode == .text {
        var validator = UTF8Validator()
        guard validator.receive(part), validator.isComplete else { throw .invalidUTF8 }
      }
      return deliver(header.opcode == .text ? .text : .binary, .inPlace(range))
    }
    // Taken out, changed and put back, so that its array is never shared and never copied.
    var partial = message.take() ?? PartialMessage(kind: header.opcode == .text ? .text : .binary)
    if isFirst { partial.frameCount &+= 1 }
    if partial.kind == .text {
      guard partial.validator.receive(part) else { throw .invalidUTF8 }
    }
    partial.bytes.append(contentsOf: part)
    guard header.isFinal, isWhole else {
      message = partial
      return nil
    }
    guard partial.kind == .binary || partial.validator.isComplete else { throw .invalidUTF8 }
    return deliver(partial.kind, .assembled(partial.bytes))
  }

  /// Data that comes after this end's Close is read past: the application has said that it is done.
  private func deliver(_ kind: MessageKind, _ payload: Payload) -> Event? {
    isOpen ? .message(kind, payload) : nil
  }

  private mutating func receiveControl(
    _ opcode: FrameOpcode, now: ContinuousClock.Instant
  ) throws(WebSocketError) -> Event? {
    switch opcode {
    case .ping:
      guard pings.admit(now: now, limit: limits.maximumPingsPerSecond) else {
        throw .tooManyPings(limit: limits.maximumPingsPerSecond)
      }
      // One pong is pending at most: the newest (RFC 6455 section 5.5.3).
      if isOpen { replies.pong = controlPayload }
      return nil
    case .pong:
      return nil
    case .close:
      return try receiveClose()
    case .continuation, .text, .binary:
      preconditionFailure("only control frames come here")
    }
  }

  private mutating func receiveClose() throws(WebSocketError) -> Event? {
    var reader = ByteReader(controlPayload.rawSpan)
    var code = CloseCode.noStatus
    var reason = ""
    if !reader.isAtEnd {
      guard let number = reader.readBigEndian(as: UInt16.self) else { throw .truncatedCloseCode }
      code = CloseCode(rawValue: number)
      guard code.isAllowedOnWire else { throw .invalidCloseCode(code) }
      let text = reader.readBytes(count: reader.remaining) ?? []
      var validator = UTF8Validator()
      guard validator.receive(text.rawSpan), validator.isComplete else { throw .invalidUTF8 }
      reason = String(decoding: text, as: UTF8.self)
    }
    if isOpen {
      finish(sending: code == .noStatus ? nil : code, reason: "")
    } else {
      state = .finished
    }
    return .close(code, reason: reason)
  }

  private mutating func finish(sending code: CloseCode?, reason: String) {
    if isOpen { replies.close = Self.closePayload(code, reason) }
    state = .finished
    frame = nil
    message = nil
  }

  // MARK: Sending

  /// Appends one message, in one frame, to `output`.
  ///
  /// - Returns: `false`, and nothing appended, when the connection is closing.
  @discardableResult
  public mutating func send(_ kind: MessageKind, _ payload: RawSpan, into output: inout [UInt8]) -> Bool {
    guard isOpen else { return false }
    append(kind == .text ? .text : .binary, payload, into: &output)
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
    _ code: CloseCode?, reason: String = "", now: ContinuousClock.Instant, into output: inout [UInt8]
  ) -> Bool {
    precondition(code?.isAllowedOnWire ?? reason.isEmpty)
    guard isOpen else { return false }
    append(.close, Self.closePayload(code, reason).rawSpan, into: &output)
    state = .awaitingClose(until: now + limits.closeTimeout)
    message = nil
    return true
  }

  private static func closePayload(_ code: CloseCode?, _ reason: String) -> [UInt8] {
    guard let code else { return [] }
    var payload: [UInt8] = []
    payload.appendBigEndian(code.rawValue)
    payload.append(contentsOf: reason.utf8)
    precondition(payload.count <= FrameHeader.maximumControlByteCount)
    return payload
  }

  private func append(_ opcode: FrameOpcode, _ payload: RawSpan, into output: inout [UInt8]) {
    let key = role == .client ? nextMaskingKey() : nil
    FrameHeader(opcode: opcode, maskingKey: key, byteCount: payload.byteCount).encode(into: &output)
    let start = output.count
    output.append(contentsOf: payload)
    if let key {
      key.apply(to: &output, start..<output.count, phase: 0)
    }
  }

  // MARK: Time

  /// Appends what is due (a pong, a ping, the answer to a Close) to `output` and says what comes next.
  ///
  /// Call it after every turn of `receive`, and at the time that the last call named.
  public mutating func poll(now: ContinuousClock.Instant, into output: inout [UInt8]) -> Action {
    if let pong = replies.pong {
      replies.pong = nil
      if isOpen { append(.pong, pong.rawSpan, into: &output) }
    }
    if let close = replies.close {
      replies.close = nil
      append(.close, close.rawSpan, into: &output)
    }
    switch state {
    case .open: return pollOpen(now: now, into: &output)
    case .awaitingClose(let deadline): return now < deadline ? .wait(until: deadline) : .drop(.closeTimeout)
    case .finished: return .finish
    }
  }

  private mutating func pollOpen(now: ContinuousClock.Instant, into output: inout [UInt8]) -> Action {
    // Counted from the ping, not from the last byte: a driver that slept must not give up a peer that it never asked.
    let patience = limits.silenceTimeout - limits.pingInterval
    if let pingedAt, now >= pingedAt + patience { return .drop(.silence) }
    guard now < expiresAt else {
      close(.goingAway, now: now, into: &output)
      return .wait(until: now + limits.closeTimeout)
    }
    if now >= nextPingAt {
      pingCount &+= 1
      var payload: [UInt8] = []
      payload.appendBigEndian(pingCount)
      append(.ping, payload.rawSpan, into: &output)
      nextPingAt = now + limits.pingInterval
      pingedAt = pingedAt ?? now
    }
    return .wait(until: min(nextPingAt, expiresAt, pingedAt.map { $0 + patience } ?? expiresAt))
  }
}

// MARK: Parts

extension WebSocketMachine {
  private struct PartialFrame {
    let header: FrameHeader
    var receivedCount = 0
  }

  /// A message of which more frames, or more of a frame, are to come.
  private struct PartialMessage {
    let kind: MessageKind
    var frameCount = 0
    var bytes: [UInt8] = []
    var validator = UTF8Validator()

    init(kind: MessageKind) { self.kind = kind }
  }

  private struct Replies {
    var pong: [UInt8]?
    var close: [UInt8]?
  }

  /// Counts pings in windows of one second.
  private struct PingWindow {
    var start: ContinuousClock.Instant
    var count = 0

    mutating func admit(now: ContinuousClock.Instant, limit: Int) -> Bool {
      if start.duration(to: now) >= .seconds(1) {
        start = now
        count = 0
      }
      count &+= 1
      return count <= limit
    }
  }
}
