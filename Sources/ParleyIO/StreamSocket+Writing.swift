internal import CLinux
internal import ParleyWebSocket
internal import ParleyWire

extension StreamSocket {
  /// Bytes that wait to be sent.
  var bufferedByteCount: Int {
    isCorked ? loop.corked.count &+ loop.gather.byteCount : output.count &- outputStart
  }

  /// Lets `body` append to what is sent next.
  @inline(__always)
  func write<R>(_ body: (inout [UInt8]) -> R) -> R {
    guard isCorked else {
      let result = body(&output)
      didWrite()
      return result
    }
    if tls != nil, loop.gather.byteCount > 0 { sendAhead() }
    guard isCorked else { return write(body) }
    let result = body(&loop.corked)
    if loop.corked.count >= Self.sendAheadByteCount { sendAhead() }
    return result
  }

  /// Sends the message under way back from where it lies, if that is what `payload` is.
  ///
  /// - Returns: whether it is.
  @inline(__always)
  func sendBack(_ header: FrameHeader, _ payload: RawSpan) -> Bool {
    // TLS has no call for several pieces.
    guard isCorked, tls == nil || loop.corked.isEmpty else { return false }
    guard loop.gather.sendBack(header, payload, at: loop.corked.count) else { return false }
    if loop.gather.byteCount >= Self.sendAheadByteCount || loop.gather.isFull { sendAhead() }
    return true
  }

  /// Calls `body` with a message in the loop's buffer that has `room` bytes before it which nobody needs.
  ///
  /// - Returns: whether the last that was sent ends where the message does.
  @inline(__always)
  func withMessage(_ bytes: inout MutableRawSpan, _ payload: Range<Int>, room: Int, _ body: (RawSpan) -> Void) -> Bool {
    guard isCorked else {
      body(bytes.bytes.extracting(payload))
      return false
    }
    loop.gather.begin(&bytes, payload, room: room)
    body(bytes.bytes.extracting(payload))
    return loop.gather.end()
  }

  /// Lets `body` append what is only the beginning of a message: the rest follows at once, with `writeLarge`.
  @inline(__always)
  func append<R>(_ body: (inout [UInt8]) -> R) -> R {
    if tls != nil, isCorked, loop.gather.byteCount > 0 { sendAhead() }
    return isCorked ? body(&loop.corked) : body(&output)
  }

  private func didWrite() {
    guard !isClosed else { return emptyOutput() }
    let count = bufferedByteCount
    guard count > 0 else { return }
    if !wantsWrite, count >= Self.sendAheadByteCount, state == .open, let error = send() { closeLater(error) }
    becomeDirty()
    if wantsWrite { checkOverflow() }
  }

  /// Sends `body` after what is buffered, copied only where that cannot be helped.
  func writeLarge(_ body: RawSpan) {
    guard !wantsWrite, state == .open else { return write { $0.append(contentsOf: body) } }
    if let tls {
      guard body.byteCount >= Self.directByteCount else { return write { $0.append(contentsOf: body) } }
      if isCorked { stopCorking() }
      return writeSealed(body, tls)
    }
    if isCorked, loop.receiveBuffer.holds(body) {
      loop.gather.append(body, at: loop.corked.count)
      if bufferedByteCount >= Self.sendAheadByteCount || loop.gather.isFull { sendAhead() }
    } else if body.byteCount >= Self.directByteCount {
      if isCorked, loop.gather.byteCount > 0 { sendAhead() }
      if isCorked { return writeDirectlyAfterCorked(body) }
      if wantsWrite || isClosed { write { $0.append(contentsOf: body) } } else { writeDirectly(body) }
    } else {
      write { $0.append(contentsOf: body) }
    }
  }

  /// Sends what lies in the loop's memory and then `body`; only if the kernel does not take it all is the socket no longer
  /// corked.
  private func writeDirectlyAfterCorked(_ body: RawSpan) {
    let head = loop.corked.count
    var sent = 0
    if case .count(let count) = Descriptor.send(fd, loop.corked, from: 0, then: body) { sent = count }
    if sent >= head {
      loop.corked.removeAll(keepingCapacity: true)
      guard sent < head &+ body.byteCount else { return }
      isCorked = false
      output.append(contentsOf: body.extracting((sent &- head)...))
    } else {
      stopCorking(after: sent)
      output.append(contentsOf: body)
    }
    boundary = output.count
    waitForRoom()
    checkOverflow()
  }

  private func writeDirectly(_ body: RawSpan) {
    let head = bufferedByteCount
    let sent: Int
    switch Descriptor.send(fd, output, from: outputStart, then: body) {
    case .count(let count): sent = count
    // The next report tells of a fault too, at a time when the owner is not in the middle of something.
    case .wouldBlock, .wantsWrite, .end, .failed: sent = 0
    }
    guard sent < head &+ body.byteCount else { return emptyOutput() }
    if sent >= head {
      emptyOutput()
      output = loop.buffers.take(byteCount: body.byteCount)
      output.append(contentsOf: body.extracting((sent &- head)..<body.byteCount))
      boundary = output.count
    } else {
      outputStart &+= sent
      output.append(contentsOf: body)
    }
    waitForRoom()
  }

  /// Sends bytes that many sockets are sent, from where they lie as far as the kernel takes them.
  ///
  /// - Parameter bytes: whole messages.
  func write(shared bytes: [UInt8]) {
    guard !isCorked, !wantsWrite, state == .open, output.isEmpty else {
      return write { $0.append(contentsOf: bytes) }
    }
    switch Descriptor.send(fd, tls, bytes, from: 0) {
    case .count(bytes.count):
      return
    case .count(let count):
      output = bytes
      outputStart = count
      becomeDirty()
    case .wouldBlock, .wantsWrite:
      output = bytes
      waitForRoom()
    case .end:
      closeLater(.connectionLost)
    case .failed(let error):
      closeLater(error)
    }
  }

  /// Seals `body` from where it lies: what is buffered goes before it, filled up to whole records.
  private func writeSealed(_ body: RawSpan, _ tls: TLSSession) {
    let surplus = bufferedByteCount % TLSSession.recordByteCount
    let filling = surplus == 0 ? 0 : min(TLSSession.recordByteCount &- surplus, body.byteCount)
    output.append(contentsOf: body.extracting(..<filling))
    let rest = body.extracting(filling...)
    var sent = 0
    if bufferedByteCount > 0 {
      sent = unsafe output.withUnsafeBytes { all in
        let part = unsafe UnsafeRawBufferPointer(rebasing: all[outputStart...])
        return unsafe Self.seal(part, tls, moreFollows: rest.byteCount > 0)
      }
      outputStart &+= sent
    }
    if bufferedByteCount == 0 {
      emptyOutput()
      sent = unsafe rest.withUnsafeBytes { unsafe Self.seal($0, tls, moreFollows: false) }
      guard sent < rest.byteCount else { return }
      output.append(contentsOf: rest.extracting(sent...))
    } else {
      output.append(contentsOf: rest)
    }
    boundary = output.count
    waitForRoom()
  }

  /// Sends what the socket takes now.
  ///
  /// The next report tells of a fault, at a time when the owner is not in the middle of something.
  private static func seal(_ bytes: UnsafeRawBufferPointer, _ tls: TLSSession, moreFollows: Bool) -> Int {
    var sent = 0
    while sent < bytes.count {
      let part = unsafe UnsafeRawBufferPointer(rebasing: bytes[sent...])
      guard case .count(let count) = unsafe tls.send(part, moreFollows: moreFollows) else { return sent }
      sent &+= count
    }
    return sent
  }

  /// Nothing written so far can be taken back.
  func markBoundary() { boundary = isCorked ? loop.corked.count : output.count }

  /// Takes back what is not being sent yet, from an offset that is not before `boundary`.
  func discardOutput(from offset: Int) { output.removeSubrange(offset...) }

  /// What waits to be sent, from `boundary` on, and how much of it has been sent.
  func withUnsentOutput<R>(_ body: (RawSpan, _ boundary: Int, _ sent: Int) -> R) -> R {
    let output = output
    // OpenSSL wants the record again that it could not send whole.
    let begun = tls == nil ? 0 : TLSSession.recordByteCount
    return body(output.rawSpan, boundary, min(outputStart &+ begun, output.count))
  }

  /// Whether the kernel took less than it was given, and what is written now only waits behind it.
  var waitsForRoom: Bool { wantsWrite }

  func checkOverflow() {
    let count = bufferedByteCount
    if count > limits.value.resumeByteCount { isBehind = true }
    guard count > limits.value.maximumBufferedByteCount, state == .open, !hasOverflowed else { return }
    hasOverflowed = true
    // Not at once: the caller is in the middle of something.
    loop.execute { [self] in
      if state == .open { owner?.streamDidOverflow(self) }
    }
  }

  func becomeDirty() {
    guard !isDirty else { return }
    isDirty = true
    loop.callAtEndOfTurn(self)
  }

  func loopDidEnd() { abort(.aborted) }

  func endOfTurn() {
    isDirty = false
    if !wantsWrite { flush() }
  }

  /// Sends what can be sent at once.
  ///
  /// - Returns: what went wrong, if something did.
  private func send() -> IOError? {
    while output.count > outputStart {
      switch Descriptor.send(fd, tls, output, from: outputStart) {
      case .count(let count):
        outputStart &+= count
        if !isFinishing { deadline = .never }
      case .wouldBlock, .wantsWrite:
        compactOutput()
        waitForRoom()
        return nil
      case .end:
        return .connectionLost
      case .failed(let error):
        return error
      }
    }
    emptyOutput()
    return nil
  }

  /// Sends what lies in the loop's memory, and keeps what the kernel does not take: the socket is then no longer corked.
  ///
  /// - Returns: what went wrong, if something did.
  private func sendCorked() -> IOError? {
    var sent = 0
    if loop.gather.byteCount == 0 {
      let count = loop.corked.count
      while sent < count {
        guard case .count(let added) = Descriptor.send(fd, tls, loop.corked, from: sent) else { break }
        sent &+= added
      }
      if sent == count {
        loop.corked.removeAll(keepingCapacity: true)
        return nil
      }
    } else {
      let count = bufferedByteCount
      // Through TLS one record leaves at a time.
      while sent < count, case .count(let added) = loop.gather.send(fd, tls, loop.corked, from: sent) {
        sent &+= added
        if tls == nil { break }
      }
      if sent == count {
        loop.gather.removeAll()
        loop.corked.removeAll(keepingCapacity: true)
        return nil
      }
    }
    stopCorking(after: sent)
    // What it was that stopped the sending shows now.
    return send()
  }

  /// Makes what lies in the loop's memory this socket's own.
  private func stopCorking(after sent: Int = 0) {
    isCorked = false
    if loop.gather.byteCount == 0 {
      swap(&output, &loop.corked)
      outputStart = sent
    } else {
      (output, boundary) = loop.gather.rest(of: loop.corked, after: sent, loop.buffers)
      outputStart = 0
      loop.corked.removeAll(keepingCapacity: true)
    }
  }

  /// Sends in the middle of a turn; a fault shows at its end, when the owner is not in the middle of something.
  func sendAhead() {
    if let error = sendCorked() { closeLater(error) } else if wantsWrite { checkOverflow() }
  }

  private func closeLater(_ error: IOError) {
    loop.execute { [self] in close(isFinishing ? nil : error) }
  }

  func flush() {
    switch state {
    case .open, .finishing: break
    case .finishingAfterEnd: guard bufferedByteCount > 0 else { return }
    case .connecting, .handshaking, .closed: return
    }
    if let error = send() { return close(isFinishing ? nil : error) }
    guard bufferedByteCount == 0 else { return tellDrained() }
    wantsWrite = false
    updateInterest()
    if state == .finishing { return endSending() }
    // A read may have waited for this.
    if isReading, tls?.hasPending == true { readLater() }
    isBehind = false
    owner?.streamDidDrain()
  }

  private func tellDrained() {
    guard isBehind, bufferedByteCount <= limits.value.resumeByteCount else { return }
    isBehind = false
    owner?.streamDidDrain()
  }

  /// An idle connection holds no memory for output.
  func emptyOutput() {
    if output.capacity > 0 {
      var done: [UInt8] = []
      swap(&done, &output)
      loop.buffers.putBack(consume done)
    }
    outputStart = 0
    boundary = 0
  }

  /// Forgets what is sent, in steps that keep the cost of moving the rest small.
  private func compactOutput() {
    guard outputStart > 65_536, outputStart > output.count / 2, let start = owner?.streamBoundary(in: self) else {
      return
    }
    boundary = start &- outputStart
    output.removeSubrange(..<outputStart)
    outputStart = 0
  }

  func waitForRoom() {
    wantsWrite = true
    updateInterest()
    checkOverflow()
    guard deadline == .never, !isFinishing else { return }
    beginWait()
    wake(at: deadline)
  }

  /// Gives the peer time to take some of what waits.
  func beginWait() {
    queuedByteCount = Descriptor.queuedByteCount(fd)
    deadline = MonotonicTime.current + limits.value.stallTimeout
  }

  // MARK: Around a read

  func cork() {
    guard state == .open, !wantsWrite, output.isEmpty else { return }
    isCorked = true
    boundary = 0
  }

  func uncork() {
    guard isCorked else { return }
    let hasWritten = bufferedByteCount > 0
    if hasWritten, let error = sendCorked() { return close(isFinishing ? nil : error) }
    if isCorked {
      isCorked = false
      boundary = 0
    }
    guard hasWritten else { return }
    if loop.corked.capacity > 2 &* Self.sendAheadByteCount { loop.corked = [] }
    guard bufferedByteCount == 0 else { return checkOverflow() }
    owner?.streamDidDrain()
  }
}
