internal import ParleyWire

extension WebSocketMachine {
  /// Takes in bytes up to the next event.
  ///
  /// - Parameters:
  ///   - bytes: what the socket gave. Payloads in it are unmasked in place.
  ///   - position: the first byte not taken in yet; moved past what this call takes in.
  ///   - packedEnd: where the driver still needs nothing of what lies before `position`, or `nil`. A server's machine then
  ///     moves a whole payload, while it unmasks it, to where its header would fit right behind: sent back as it is, it
  ///     needs no copy, and follows what was sent back before without a gap.
  ///   - now: the driver's time.
  /// - Returns: an event, with `position` right after it; `nil` when every byte has been taken in.
  /// - Throws: the rule that the peer broke. The machine is then finished and ignores input.
  public mutating func receive(
    _ bytes: inout MutableRawSpan, from position: inout Int, packingTo packedEnd: Int? = nil, now: MonotonicTime
  ) throws(WebSocketError) -> Event? {
    precondition(position >= 0 && position <= bytes.byteCount && packedEnd ?? 0 >= 0 && packedEnd ?? 0 <= position)
    guard position < bytes.byteCount else { return nil }
    heardAt = now
    pingedAt = .never
    // A loop, for a buffer may hold ten thousand frames that are no events.
    repeat {
      if partial == nil, state == .open, let frame = wholeMessage(in: bytes.bytes, at: position) {
        var range = frame.start..<(frame.start &+ frame.byteCount)
        position = range.upperBound
        if let key = frame.maskingKey {
          // A client's header is longer than a server's, so there is always a place in front.
          let start = packedEnd.map { $0 &+ FrameHeader.encodedSize(ofByteCount: frame.byteCount) } ?? range.lowerBound
          key.apply(to: &bytes, range, movedTo: start)
          range = start..<(start &+ frame.byteCount)
        }
        if frame.kind == .text { try validate(bytes.bytes.extracting(range)) }
        messageAt = now
        return .message(frame.kind, range)
      }
      if let event = try receiveInPieces(&bytes, &position, now) { return event }
    } while position < bytes.byteCount
    return nil
  }

  /// The plain case, which is nearly every frame: a whole, uncompressed message in one frame, all of it there.
  ///
  /// `nil` for everything else, faults included: ``FrameHeader/decode(_:from:allowsCompression:)`` then names them.
  @inline(__always)
  private borrowing func wholeMessage(
    in bytes: RawSpan, at position: Int
  ) -> (kind: MessageKind, start: Int, byteCount: Int, maskingKey: MaskingKey?)? {
    let available = bytes.byteCount &- position
    guard available >= 2 else { return nil }
    let first = FrameHeader.byte(bytes, position)
    let isText = first == 0x81
    guard first == 0x82 || isText && endpoint.limits.acceptsText, !admitsOnlyBinaryMessages || !isText else {
      return nil
    }
    let second = FrameHeader.byte(bytes, position &+ 1)
    let isServer = endpoint.role == .server
    guard (second & 0x80 != 0) == isServer else { return nil }
    var byteCount = Int(second & 0x7F)
    var size = 2
    if byteCount == 126 {
      guard available >= 4 else { return nil }
      byteCount = Int(FrameHeader.byte(bytes, position &+ 2)) << 8 | Int(FrameHeader.byte(bytes, position &+ 3))
      size = 4
      guard byteCount > 125 else { return nil }
    } else if byteCount == 127 {
      guard available >= 10 else { return nil }
      let length = FrameHeader.word(bytes, position &+ 2)
      guard length > UInt64(UInt16.max), length <= UInt64(Int32.max) else { return nil }
      byteCount = Int(truncatingIfNeeded: length)
      size = 10
    }
    var key: MaskingKey?
    if isServer {
      guard available >= size &+ 4 else { return nil }
      key = FrameHeader.maskingKey(bytes, position &+ size)
      size &+= 4
    }
    guard byteCount <= available &- size, byteCount <= maximumMessageByteCount else { return nil }
    return (isText ? .text : .binary, position &+ size, byteCount, key)
  }

  private mutating func validate(_ text: RawSpan) throws(WebSocketError) {
    var validator = UTF8Validator()
    guard validator.receive(text), validator.isComplete else {
      finish(sending: .invalidPayload)
      throw .invalidUTF8
    }
  }

  /// Takes out a message that ``Event/assembledMessage(_:)`` announced.
  public mutating func takeAssembled() -> [UInt8] {
    guard let partial else { return [] }
    let bytes = partial.assembled
    partial.assembled = []
    settle()
    return bytes
  }

  /// Lets go of the object for what is under way when nothing is.
  mutating func settle() {
    if partial?.isIdle == true { partial = nil }
  }

  // MARK: Straight into the message

  /// How much room a peer gets for what it has announced but not sent.
  private static let announcedByteCount = 262_144

  /// How many bytes of the payload under way the driver may read straight into the message, with
  /// ``receiveDirectly(upTo:now:_:)``; 0 where that would not pay.
  public var directByteCount: Int {
    guard state == .open, let partial, let frame = partial.frame, let message = partial.message else { return 0 }
    guard !frame.opcode.isControl, !message.isCompressed else { return 0 }
    let missing = frame.byteCount &- partial.receivedCount
    return missing >= 16_384 ? missing : 0
  }

  /// Has `read` put bytes of the payload under way where the message is assembled.
  ///
  /// - Parameters:
  ///   - count: at most ``directByteCount``. Room is made for 256 KiB, or twice the bytes there already, so that a peer that
  ///     only announces a large message gets little memory for it.
  ///   - now: the driver's time.
  ///   - read: puts up to the room it finds; may put nothing.
  /// - Returns: an event, if the message is whole.
  /// - Throws: the rule that the peer broke. The machine is then finished and ignores input.
  public mutating func receiveDirectly(
    upTo count: Int, now: MonotonicTime, _ read: (inout OutputSpan<UInt8>) -> Void
  ) throws(WebSocketError) -> Event? {
    precondition(count > 0 && count <= directByteCount)
    guard let partial, let frame = partial.frame, var message = partial.message.take() else { return nil }
    let start = message.bytes.count
    let room = min(count, max(Self.announcedByteCount, start))
    message.bytes.append(addingCapacity: room) { span in read(&span) }
    let added = start..<message.bytes.count
    guard !added.isEmpty else {
      partial.message = message
      return nil
    }
    heardAt = now
    pingedAt = .never
    frame.maskingKey?.apply(to: &message.bytes, added, phase: partial.receivedCount)
    message.wireByteCount &+= added.count
    do throws(WebSocketError) {
      let isWhole = advance(partial, frame, by: added.count)
      guard message.validate(added) else { throw .invalidUTF8 }
      return try complete(message, isWhole: isWhole && frame.isFinal, partial, now)
    } catch {
      finish(sending: error.closeCode)
      throw error
    }
  }

  // MARK: In pieces

  /// Everything but the plain case, until nothing is under way any more; `nil` then, or when every byte is taken in.
  @inline(never)
  private mutating func receiveInPieces(
    _ bytes: inout MutableRawSpan, _ position: inout Int, _ now: MonotonicTime
  ) throws(WebSocketError) -> Event? {
    let partial = partial ?? PartialInput()
    self.partial = partial
    do throws(WebSocketError) {
      while position < bytes.byteCount, state != .finished {
        guard let frame = try nextFrame(partial, bytes.bytes, &position) else { break }
        if let event = try takePayload(of: frame, partial, &bytes, &position, now) { return event }
        if partial.isIdle { break }
      }
    } catch {
      finish(sending: error.closeCode)
      throw error
    }
    if state == .finished { position = bytes.byteCount }
    settle()
    return nil
  }

  /// The frame whose payload comes next, its header checked; `nil` while the header is incomplete.
  private mutating func nextFrame(
    _ partial: PartialInput, _ bytes: RawSpan, _ position: inout Int
  ) throws(WebSocketError) -> FrameHeader? {
    if let frame = partial.frame { return frame }
    let header: FrameHeader
    if partial.headerBytes.isEmpty {
      let rest = bytes.extracting(position..<bytes.byteCount)
      guard let (whole, size) = try decode(rest) else {
        partial.headerBytes.append(contentsOf: rest)
        position = bytes.byteCount
        return nil
      }
      position &+= size
      header = whole
    } else {
      guard let whole = try resumeHeader(partial, bytes, &position) else { return nil }
      header = whole
    }
    try admit(header, partial.message)
    partial.frame = header
    partial.receivedCount = 0
    return header
  }

  private borrowing func decode(_ bytes: RawSpan) throws(WebSocketError) -> (header: FrameHeader, size: Int)? {
    try FrameHeader.decode(
      bytes, from: endpoint.role == .server ? .client : .server, allowsCompression: compression != nil)
  }

  /// A header that began in an earlier read: at most 14 bytes, taken one at a time.
  private mutating func resumeHeader(
    _ partial: PartialInput, _ bytes: RawSpan, _ position: inout Int
  ) throws(WebSocketError) -> FrameHeader? {
    while position < bytes.byteCount {
      partial.headerBytes.append(contentsOf: bytes.extracting(position..<(position &+ 1)))
      position &+= 1
      let soFar = partial.headerBytes
      if let (header, _) = try decode(soFar.rawSpan) {
        partial.headerBytes = []
        return header
      }
    }
    return nil
  }

  /// The rules that a header must meet before any of its payload is looked at.
  private borrowing func admit(
    _ header: FrameHeader, _ message: PartialInput.PartialMessage?
  ) throws(WebSocketError) {
    let limits = endpoint.limits
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
      try admitSize(header, after: message.wireByteCount)
    case .text, .binary:
      guard message == nil else { throw .interleavedMessage }
      guard header.opcode == .binary || limits.acceptsText else { throw .textNotAccepted }
      try admitSize(header, after: 0)
    }
  }

  private borrowing func admitSize(_ header: FrameHeader, after byteCount: Int) throws(WebSocketError) {
    guard header.byteCount <= maximumMessageByteCount &- byteCount else {
      throw .messageTooBig(limit: maximumMessageByteCount)
    }
    guard header.isFinal || header.byteCount >= endpoint.limits.minimumFragmentByteCount else {
      throw .fragmentTooSmall(limit: endpoint.limits.minimumFragmentByteCount)
    }
  }

  /// Counts bytes of a frame as received.
  ///
  /// - Returns: whether the frame is whole; it is then no longer under way.
  private func advance(_ partial: PartialInput, _ frame: FrameHeader, by count: Int) -> Bool {
    partial.receivedCount &+= count
    guard partial.receivedCount == frame.byteCount else { return false }
    partial.frame = nil
    return true
  }

  /// Takes in what is there of a frame's payload, and acts on the frame when it is whole.
  private mutating func takePayload(
    of frame: FrameHeader, _ partial: PartialInput, _ bytes: inout MutableRawSpan, _ position: inout Int,
    _ now: MonotonicTime
  ) throws(WebSocketError) -> Event? {
    let phase = partial.receivedCount
    let count = min(frame.byteCount &- phase, bytes.byteCount &- position)
    guard count > 0 || frame.byteCount == 0 else { return nil }
    let range = position..<(position &+ count)
    position &+= count
    let isWhole = advance(partial, frame, by: count)

    if frame.opcode.isControl {
      frame.maskingKey?.apply(to: &bytes, range, phase: phase)
      partial.controlPayload.append(contentsOf: bytes.bytes.extracting(range))
      guard isWhole else { return nil }
      defer { partial.controlPayload = [] }
      return try receiveControl(frame.opcode, partial, now)
    }
    // Taken out, changed and put back, so that its array is never shared and never copied.
    var message =
      partial.message.take()
      ?? PartialInput.PartialMessage(kind: frame.opcode == .text ? .text : .binary, isCompressed: frame.isCompressed)
    if phase == 0 {
      message.frameCount &+= 1
      let announced = min(frame.byteCount, Self.announcedByteCount)
      if message.bytes.isEmpty, !message.isCompressed, announced >= MessageBuffers.minimumByteCount {
        message.bytes = endpoint.buffers.take(byteCount: announced)
        message.bytes.reserveCapacity(announced)
      }
    }
    message.wireByteCount &+= count
    // After this end's Close data is read past: the application has said that it is done.
    if state == .open {
      let start = message.bytes.count
      if message.isCompressed, let compression {
        frame.maskingKey?.apply(to: &bytes, range, phase: phase)
        let part = bytes.bytes.extracting(range)
        let isFinal = isWhole && frame.isFinal
        try compression.inflate(part, isFinal: isFinal, limits: endpoint.limits, into: &message.bytes)
      } else if let key = frame.maskingKey {
        key.append(bytes.bytes.extracting(range), to: &message.bytes, phase: phase)
      } else {
        message.bytes.append(contentsOf: bytes.bytes.extracting(range))
      }
      guard message.validate(start..<message.bytes.count) else { throw .invalidUTF8 }
    }
    return try complete(message, isWhole: isWhole && frame.isFinal, partial, now)
  }

  /// Hands up a message that is whole, or puts it back to go on with.
  private mutating func complete(
    _ message: consuming PartialInput.PartialMessage, isWhole: Bool, _ partial: PartialInput, _ now: MonotonicTime
  ) throws(WebSocketError) -> Event? {
    guard isWhole else {
      partial.message = message
      return nil
    }
    guard state == .open else { return nil }
    guard message.kind == .binary || message.validator.isComplete else { throw .invalidUTF8 }
    messageAt = now
    partial.assembled = message.bytes
    return .assembledMessage(message.kind)
  }

  private mutating func receiveControl(
    _ opcode: FrameOpcode, _ partial: PartialInput, _ now: MonotonicTime
  ) throws(WebSocketError) -> Event? {
    switch opcode {
    case .ping:
      guard pings.admit(now: now, limit: endpoint.limits.maximumPingsPerSecond) else {
        throw .tooManyPings(limit: endpoint.limits.maximumPingsPerSecond)
      }
      // A driver that does not poll at the event answers the newest only (RFC 6455 section 5.5.3).
      guard isOpen else { return nil }
      partial.pong = partial.controlPayload
      return .ping
    case .pong:
      return nil
    case .close:
      return try receiveClose(partial)
    case .continuation, .text, .binary:
      preconditionFailure("only control frames come here")
    }
  }

  private mutating func receiveClose(_ partial: PartialInput) throws(WebSocketError) -> Event? {
    var reader = ByteReader(partial.controlPayload.rawSpan)
    var code = CloseCode.noStatus
    if !reader.isAtEnd {
      guard let number = reader.readBigEndian(as: UInt16.self) else { throw .truncatedCloseCode }
      code = CloseCode(rawValue: number)
      guard code.isAllowedOnWire else { throw .invalidCloseCode(code) }
      let text = reader.readBytes(count: reader.remaining) ?? []
      var validator = UTF8Validator()
      guard validator.receive(text.rawSpan), validator.isComplete else { throw .invalidUTF8 }
      partial.closeReason = String(decoding: text, as: UTF8.self)
    }
    finish(sending: code == .noStatus ? nil : code)
    return .close(code)
  }

  private mutating func finish(sending code: CloseCode?) {
    let wasOpen = state == .open
    state = .finished
    let partial = partial ?? PartialInput()
    self.partial = partial
    if wasOpen { partial.close = Self.closePayload(code, "") }
    partial.frame = nil
    partial.message = nil
    partial.headerBytes = []
  }
}
