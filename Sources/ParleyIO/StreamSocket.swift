internal import CLinux
internal import ParleyWebSocket

/// Who a ``StreamSocket`` tells what happens to it.
protocol StreamOwner: AnyObject {
  /// The connection is up: TCP, and TLS where it is used.
  func streamDidOpen()
  /// Bytes came. They lie in the loop's buffer and are gone after the call.
  func streamDidReceive(_ bytes: inout MutableRawSpan)
  /// The peer will send no more.
  func streamDidEnd()
  /// Everything written has been handed to the kernel.
  func streamDidDrain()
  /// The socket is closed; nothing more is called. `nil` after a close that this end wanted.
  func streamDidClose(_ error: IOError?)
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
final class StreamSocket: EventHandler, @unchecked Sendable {
  private enum State {
    case connecting
    case handshaking
    case open
    /// What is buffered is sent; then the sending side ends; then the peer's end is awaited. What comes is dropped.
    case finishing(hasEnded: Bool)
    case closed
  }

  let loop: EventLoop
  private let fd: CInt
  private(set) var tls: TLSSession?
  private let address: String
  private var state: State
  private var registration: EventLoop.Registration?
  private var interest: UInt32 = 0
  private var owner: (any StreamOwner)?
  private var isReading = false
  private var isDirty = false
  private var wantsWrite = false
  private var hasPendingInput = false
  private var stalled: ScheduledWork?
  private var finishing: ScheduledWork?
  private let maximumBufferedByteCount: Int
  private let stallTimeout: Duration

  /// Bytes not sent yet, from `outputStart` on.
  private var output: [UInt8] = []
  private var outputStart = 0

  /// Takes over a socket.
  ///
  /// - Parameters:
  ///   - loop: where it will live.
  ///   - fd: the socket, which this object closes.
  ///   - isConnected: `false` while a `connect` is under way.
  ///   - tls: TLS on this socket, if any.
  ///   - address: the other end, for error messages.
  ///   - limits: how much may wait to be sent, and how long.
  init(
    loop: EventLoop, fd: CInt, isConnected: Bool, tls: TLSSession?, address: String, limits: WebSocketLimits
  ) {
    self.loop = loop
    self.fd = fd
    self.tls = tls
    self.address = address
    maximumBufferedByteCount = limits.maximumBufferedByteCount
    stallTimeout = limits.stallTimeout
    state = isConnected ? (tls == nil ? .open : .handshaking) : .connecting
  }

  deinit {
    if case .closed = state { return }
    Descriptor.close(fd)
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
    case .connecting, .finishing, .closed: break
    }
  }

  /// Hands what happens from here on to another owner.
  func handOver(to owner: any StreamOwner) { self.owner = owner }

  var isClosed: Bool {
    if case .closed = state { true } else { false }
  }

  // MARK: Reading

  /// Whether bytes are taken from the socket.
  ///
  /// Off at the start.
  func setReading(_ isReading: Bool) {
    guard isReading != self.isReading else { return }
    self.isReading = isReading
    updateInterest()
    if isReading, tls?.hasPending == true || hasPendingInput { readLater() }
  }

  /// TLS may hold bytes that no readiness report will ever announce.
  private func readLater() {
    hasPendingInput = true
    loop.execute { [self] in handle(events: PARLEY_EPOLL_IN) }
  }

  private func read() {
    hasPendingInput = false
    // A few buffers at most, so that one busy connection does not starve the rest of the loop.
    for _ in 0..<4 {
      guard isWanted else { return }
      let result = loop.receiveBuffer.receive(fd, tls) { bytes in
        if case .open = state { owner?.streamDidReceive(&bytes) }
      }
      switch result {
      case .count:
        // Without TLS the kernel reports again what is left.
        guard tls != nil else { return }
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

  private var isWanted: Bool {
    switch state {
    case .open: isReading
    case .finishing: true
    case .connecting, .handshaking, .closed: false
    }
  }

  private var isFinishing: Bool {
    if case .finishing = state { true } else { false }
  }

  private func receiveEnd() {
    if case .finishing(let hasEnded) = state {
      if hasEnded || bufferedByteCount == 0 { return close(nil) }
      // What is buffered may still reach a peer that has closed one direction only.
      return setReading(false)
    }
    setReading(false)
    owner?.streamDidEnd()
  }

  // MARK: Writing

  /// Bytes that wait to be sent.
  var bufferedByteCount: Int { output.count &- outputStart }

  /// Lets `body` append to what is sent at the end of this turn of the loop.
  func write<R>(_ body: (inout [UInt8]) -> R) -> R {
    let result = body(&output)
    guard !isClosed else {
      output = []
      outputStart = 0
      return result
    }
    if bufferedByteCount > 0 { becomeDirty() }
    if bufferedByteCount > maximumBufferedByteCount, !isFinishing {
      let error = IOError.slowReader(bufferedByteCount: bufferedByteCount)
      // Not at once: the caller is in the middle of something.
      loop.execute { [self] in abort(error) }
    }
    return result
  }

  private func becomeDirty() {
    guard !isDirty else { return }
    isDirty = true
    loop.callAtEndOfTurn(self)
  }

  func loopDidEnd() { abort(.aborted) }

  func endOfTurn() {
    isDirty = false
    switch state {
    case .open, .finishing: flush()
    case .connecting, .handshaking, .closed: break
    }
  }

  private func flush() {
    while bufferedByteCount > 0 {
      let result =
        if let tls {
          unsafe output.withUnsafeBytes { unsafe tls.send(UnsafeRawBufferPointer(rebasing: $0[outputStart...])) }
        } else {
          Descriptor.send(fd, output, from: outputStart)
        }
      switch result {
      case .count(let count):
        outputStart &+= count
        stalled?.cancel()
        stalled = nil
      case .wouldBlock, .wantsWrite:
        compactOutput()
        return waitForRoom()
      case .end:
        return close(.connectionLost)
      case .failed(let error):
        return close(isFinishing ? nil : error)
      }
    }
    // An idle connection holds no memory for output.
    output.removeAll(keepingCapacity: output.capacity <= 4096)
    outputStart = 0
    wantsWrite = false
    updateInterest()
    if case .finishing(false) = state { return endSending() }
    // A read may have waited for this.
    if isReading, tls?.hasPending == true { readLater() }
    owner?.streamDidDrain()
  }

  private func compactOutput() {
    guard outputStart > 65_536, outputStart > output.count / 2 else { return }
    output.removeSubrange(..<outputStart)
    outputStart = 0
  }

  private func waitForRoom() {
    wantsWrite = true
    updateInterest()
    guard stalled == nil else { return }
    stalled = loop.schedule(after: stallTimeout) { [self] in
      abort(.slowReader(bufferedByteCount: bufferedByteCount))
    }
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
    case .finishing, .closed:
      return
    }
    // A peer that will take nothing more must not hold the connection: the deadline covers the sending too.
    state = .finishing(hasEnded: !endsFirst)
    finishing = loop.schedule(after: timeout) { [self] in abort(nil) }
    setReading(true)
    becomeDirty()
  }

  private func endSending() {
    state = .finishing(hasEnded: true)
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
    stalled?.cancel()
    finishing?.cancel()
    if let registration { loop.deregister(registration, fd) }
    registration = nil
    Descriptor.close(fd)
    output = []
    outputStart = 0
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
    case .open, .finishing:
      if events & (PARLEY_EPOLL_OUT | PARLEY_EPOLL_ERR | PARLEY_EPOLL_HUP) != 0, wantsWrite { flush() }
      if events & ~PARLEY_EPOLL_OUT != 0 {
        if isWanted {
          read()
        } else if events & (PARLEY_EPOLL_ERR | PARLEY_EPOLL_HUP) != 0 {
          // Reported whether asked for or not, again and again: the connection is gone.
          close(isFinishing ? nil : .connectionLost)
        }
      }
    case .closed:
      break
    }
  }

  private func finishConnecting() {
    let number = Descriptor.pendingError(fd)
    guard number == 0 else { return close(.connectFailed(address, errno: number)) }
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
    case .open, .finishing: (isReading ? PARLEY_EPOLL_IN : 0) | (wantsWrite ? PARLEY_EPOLL_OUT : 0)
    case .closed: 0
    }
  }

  private func updateInterest() {
    guard let registration, interest != neededInterest else { return }
    interest = neededInterest
    loop.change(registration, fd, events: interest)
  }
}
