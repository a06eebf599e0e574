internal import CLinux
internal import ParleyWebSocket
internal import ParleyWire

/// Who a ``StreamSocket`` tells what happens to it.
protocol StreamOwner: AnyObject {
  /// The connection is up: TCP, and TLS where it is used.
  func streamDidOpen()
  /// Bytes came. They lie in the loop's buffer and are gone after the call.
  func streamDidReceive(_ bytes: inout MutableRawSpan)
  /// How many of the coming bytes the owner would rather have read into memory of its own.
  var streamDirectByteCount: Int { get }
  /// Has `read` put bytes, at most `streamDirectByteCount`, into memory of the owner's.
  func streamReceiveDirectly(_ read: (inout OutputSpan<UInt8>) -> Void)
  /// The peer will send no more.
  func streamDidEnd()
  /// Few bytes wait to be sent where many did, or none where some did.
  func streamDidDrain()
  /// More bytes wait than may: the owner ends the connection.
  func streamDidOverflow(_ stream: StreamSocket)
  /// The first offset of the socket's output, sent or not yet in part, at which nothing is begun.
  func streamBoundary(in stream: StreamSocket) -> Int
  /// The time has come that was asked for with `wake`, or an earlier one.
  func streamDidWake()
  /// The socket is closed; nothing more is called. `nil` after a close that this end wanted.
  func streamDidClose(_ error: IOError?)
}

extension StreamOwner {
  func streamDidOpen() {}
  var streamDirectByteCount: Int { 0 }
  func streamReceiveDirectly(_ read: (inout OutputSpan<UInt8>) -> Void) {}
  func streamDidDrain() {}
  func streamDidOverflow(_ stream: StreamSocket) {
    stream.abort(.slowReader(bufferedByteCount: stream.bufferedByteCount))
  }
  func streamBoundary(in stream: StreamSocket) -> Int { stream.outputStart }
  func streamDidWake() {}
}

/// Limits that many sockets share.
final class SharedLimits: Sendable {
  let value: WebSocketLimits
  init(_ value: WebSocketLimits) { self.value = value }
}

/// One connected, non-blocking stream on a loop: TCP or Unix, plain or TLS.
///
/// Loop thread only.
///
///     ┌────────────┐   ┌─────────────┐   ┌──────┐  finish   ┌───────────┐
///     │ connecting │ ─▶│ handshaking │ ─▶│ open │ ────────▶ │ finishing │
///     └────────────┘   └─────────────┘   └──────┘           └───────────┘
///           │                 │             │                     │  sent, and the peer's end seen or waited for
///           └─────────────────┴──────┬──────┴─────────────────────┘
///                                    ▼
///                               ┌────────┐
///                               │ closed │
///                               └────────┘
///
/// What is written while the socket is being read leaves in one system call right after; what is written from
/// elsewhere, at the end of the loop's turn. A socket with nothing to send holds no buffer.
final class StreamSocket: EventHandler, @unchecked Sendable {
  private enum State {
    case connecting
    case handshaking
    case open
    /// What is buffered is sent; then the sending side ends; then the peer's end is awaited. What comes is dropped.
    case finishing
    /// As `finishing`, with the sending side ended already.
    case finishingAfterEnd
    case closed
  }

  /// Beyond this what is written is sent in the middle of a turn.
  private static let sendAheadByteCount = 1 << 19
  /// Payloads from this size on are sent from where they lie, if they lie in the loop's buffer.
  static let segmentByteCount = 2048
  /// Payloads from this size on are sent from where they lie, in a system call of their own if need be.
  static let directByteCount = 32_768

  let loop: EventLoop
  let fd: CInt
  private var interest: UInt32 = 0
  private(set) var tls: TLSSession?
  private let limits: SharedLimits
  private var registration: EventLoop.Registration?
  private var owner: (any StreamOwner)?
  /// When `finishing` ends, or when the peer must have taken some of what waits.
  private var deadline = MonotonicTime.never
  private var state: State
  private(set) var isReading = false
  private var isDirty = false
  private var wantsWrite = false
  /// Whether the socket is being read and nothing waits to be sent: what is written goes to the loop's memory and leaves
  /// right after.
  private(set) var isCorked = false
  /// Whether more waited to be sent than ``WebSocketLimits/resumeByteCount``.
  private var isBehind = false
  private var hasOverflowed = false

  /// Bytes not sent yet, from `outputStart` on.
  private var output: [UInt8] = []
  private(set) var outputStart = 0
  /// An offset in `output` at which the owner began something that must be sent whole or not at all.
  private(set) var boundary = 0

  /// Takes over a socket.
  ///
  /// - Parameters:
  ///   - loop: where it will live.
  ///   - fd: the socket, which this object closes.
  ///   - isConnected: `false` while a `connect` is under way.
  ///   - tls: TLS on this socket, if any.
  ///   - limits: how much may wait to be sent, and how long.
  init(loop: EventLoop, fd: CInt, isConnected: Bool, tls: TLSSession?, limits: SharedLimits) {
    self.loop = loop
    self.fd = fd
    self.tls = tls
    self.limits = limits
    state = isConnected ? (tls == nil ? .open : .handshaking) : .connecting
  }

  deinit {
    if state != .closed { Descriptor.close(fd) }
  }

  /// Begins to wait for events.
  ///
  /// `streamDidOpen` comes first; it may come during this call.
  func start(owner: any StreamOwner) {
    self.owner = owner
    do throws(IOError) {
      interest = neededInterest
      registration = try loop.register(fd, events: interest, self)
    } catch {
      return close(error)
    }
    switch state {
    case .open: owner.streamDidOpen()
    case .handshaking: continueHandshake()
    case .connecting, .finishing, .finishingAfterEnd, .closed: break
    }
  }

  /// Hands what happens from here on to another owner.
  func handOver(to owner: any StreamOwner) { self.owner = owner }

  var isClosed: Bool { state == .closed }

  private var isFinishing: Bool { state == .finishing || state == .finishingAfterEnd }

  /// Has `streamDidWake` called at `time`, or earlier.
  func wake(at time: MonotonicTime) {
    if let registration { loop.wake(registration, at: time) }
  }

  func wake() {
    if deadline <= loop.now {
      guard isFinishing else { return abort(.slowReader(bufferedByteCount: bufferedByteCount)) }
      return abort(nil)
    }
    if deadline != .never { wake(at: deadline) }
    owner?.streamDidWake()
  }

  // MARK: Reading

  /// Whether bytes are taken from the socket.
  ///
  /// Off at the start.
  func setReading(_ isReading: Bool) {
    guard isReading != self.isReading else { return }
    self.isReading = isReading
    updateInterest()
    if isReading, tls?.hasPending == true { readLater() }
  }

  /// TLS may hold bytes that no readiness report will ever announce.
  private func readLater() {
    loop.execute { [self] in handle(events: PARLEY_EPOLL_IN) }
  }

  private func read() {
    // A few buffers at most, so that one busy connection does not starve the rest of the loop.
    for _ in 0..<4 {
      guard isWanted else { return }
      let wasDirect = (owner?.streamDirectByteCount ?? 0) > 0
      switch receive() {
      case .count(let count):
        // The kernel reports again what is left in the socket; a TLS session has asked it for all there was.
        guard tls?.hasPending ?? (wasDirect || count == ReceiveBuffer.byteCount) else { return }
        // The next read overwrites what is sent on from the loop's buffer.
        if isCorked, loop.gather.byteCount > 0 { sendAhead() }
      case .wouldBlock:
        return
      case .wantsWrite:
        wantsWrite = true
        return updateInterest()
      case .end:
        return receiveEnd()
      case .failed(let error):
        return close(isFinishing ? nil : error)
      }
    }
    if tls?.hasPending == true { readLater() }
  }

  private func receive() -> Descriptor.Transfer {
    guard state == .open, let owner else { return loop.receiveBuffer.receive(fd, tls) { _ in } }
    guard owner.streamDirectByteCount > 0 else {
      return loop.receiveBuffer.receive(fd, tls) { owner.streamDidReceive(&$0) }
    }
    var result = Descriptor.Transfer.wouldBlock
    owner.streamReceiveDirectly { span in result = Descriptor.receive(fd, tls, into: &span) }
    return result
  }

  private var isWanted: Bool {
    switch state {
    case .open: isReading && !isHeldBack
    case .finishing, .finishingAfterEnd: true
    case .connecting, .handshaking, .closed: false
    }
  }

  private var isHeldBack: Bool { wantsWrite && tls == nil && !limits.value.readsWhileBehind }

  private func receiveEnd() {
    if isFinishing {
      if state == .finishingAfterEnd || bufferedByteCount == 0 { return close(nil) }
      // What is buffered may still reach a peer that has closed one direction only.
      return setReading(false)
    }
    setReading(false)
    owner?.streamDidEnd()
  }

  // MARK: Writing

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

  private func checkOverflow() {
    let count = bufferedByteCount
    if count > limits.value.resumeByteCount { isBehind = true }
    guard count > limits.value.maximumBufferedByteCount, state == .open, !hasOverflowed else { return }
    hasOverflowed = true
    // Not at once: the caller is in the middle of something.
    loop.execute { [self] in
      if state == .open { owner?.streamDidOverflow(self) }
    }
  }

  private func becomeDirty() {
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
  private func sendAhead() {
    if let error = sendCorked() { closeLater(error) } else if wantsWrite { checkOverflow() }
  }

  private func closeLater(_ error: IOError) {
    loop.execute { [self] in close(isFinishing ? nil : error) }
  }

  private func flush() {
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
  private func emptyOutput() {
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

  private func waitForRoom() {
    wantsWrite = true
    updateInterest()
    checkOverflow()
    guard deadline == .never, !isFinishing else { return }
    deadline = MonotonicTime.current + limits.value.stallTimeout
    wake(at: deadline)
  }

  // MARK: Ending

  /// Sends what is buffered, ends the stream, and waits for the peer to end its side: `streamDidClose(nil)` follows
  /// within `timeout`.
  ///
  /// Bytes that still come are dropped.
  ///
  /// - Parameters:
  ///   - timeout: covers sending and waiting.
  ///   - endsFirst: whether this side ends before the peer does. A WebSocket client does not.
  func finish(within timeout: Duration, endsFirst: Bool = true) {
    switch state {
    case .open:
      break
    case .connecting, .handshaking:
      return abort(nil)
    case .finishing, .finishingAfterEnd, .closed:
      return
    }
    // A peer that will take nothing more must not hold the connection: the deadline covers the sending too.
    state = endsFirst ? .finishing : .finishingAfterEnd
    deadline = MonotonicTime.current + timeout
    wake(at: deadline)
    isReading = true
    updateInterest()
    becomeDirty()
  }

  private func endSending() {
    state = .finishingAfterEnd
    tls?.closeNotify()
    Descriptor.shutDownWriting(fd)
    updateInterest()
  }

  /// Drops the connection with a reset.
  func abort(_ error: IOError?) {
    guard !isClosed else { return }
    Descriptor.resetOnClose(fd)
    close(error)
  }

  private func close(_ error: IOError?) {
    guard !isClosed else { return }
    state = .closed
    if let registration { loop.deregister(registration, fd) }
    registration = nil
    Descriptor.close(fd)
    if isCorked {
      isCorked = false
      loop.gather.removeAll()
      loop.corked.removeAll(keepingCapacity: true)
    }
    emptyOutput()
    let owner = owner
    self.owner = nil
    owner?.streamDidClose(error)
  }

  // MARK: Events

  func handle(events: UInt32) {
    switch state {
    case .connecting:
      finishConnecting()
    case .handshaking:
      continueHandshake()
    case .open, .finishing, .finishingAfterEnd:
      handleOpen(events)
    case .closed:
      break
    }
  }

  private func handleOpen(_ events: UInt32) {
    if events & (PARLEY_EPOLL_OUT | PARLEY_EPOLL_ERR | PARLEY_EPOLL_HUP) != 0, wantsWrite { flush() }
    guard events & ~PARLEY_EPOLL_OUT != 0 else { return }
    guard isWanted else {
      // Reported whether asked for or not, again and again: the connection is gone.
      if events & (PARLEY_EPOLL_ERR | PARLEY_EPOLL_HUP) != 0 { close(isFinishing ? nil : .connectionLost) }
      return
    }
    cork()
    read()
    uncork()
  }

  private func cork() {
    guard state == .open, !wantsWrite, output.isEmpty else { return }
    isCorked = true
    boundary = 0
  }

  private func uncork() {
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

  private func finishConnecting() {
    let number = Descriptor.pendingError(fd)
    guard number == 0 else { return close(.connectFailed("", errno: number)) }
    guard tls != nil else { return becomeOpen() }
    state = .handshaking
    continueHandshake()
  }

  private func continueHandshake() {
    switch tls?.handshake() {
    case .done, nil:
      becomeOpen()
    case .wantsRead:
      wantsWrite = false
      updateInterest()
    case .wantsWrite:
      wantsWrite = true
      updateInterest()
    case .failed(let error):
      close(error)
    }
  }

  private func becomeOpen() {
    state = .open
    wantsWrite = false
    updateInterest()
    owner?.streamDidOpen()
    if isReading, tls?.hasPending == true { readLater() }
    if bufferedByteCount > 0 { becomeDirty() }
  }

  private var neededInterest: UInt32 {
    switch state {
    case .connecting: PARLEY_EPOLL_OUT
    case .handshaking: wantsWrite ? PARLEY_EPOLL_OUT : PARLEY_EPOLL_IN
    case .open, .finishing, .finishingAfterEnd:
      (isWanted && isReading ? PARLEY_EPOLL_IN : 0) | (wantsWrite ? PARLEY_EPOLL_OUT : 0)
    case .closed: 0
    }
  }

  private func updateInterest() {
    guard let registration else { return }
    let needed = neededInterest
    guard interest != needed else { return }
    interest = needed
    loop.change(registration, fd, events: needed)
  }
}
