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
  enum State {
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
  static let sendAheadByteCount = 1 << 19
  /// Payloads from this size on are sent from where they lie, if they lie in the loop's buffer.
  static let segmentByteCount = 2048
  /// Payloads from this size on are sent from where they lie, in a system call of their own if need be.
  static let directByteCount = 32_768

  let loop: EventLoop
  let fd: CInt
  private var interest: UInt32 = 0
  private(set) var tls: TLSSession?
  let limits: SharedLimits
  private var registration: EventLoop.Registration?
  var owner: (any StreamOwner)?
  /// When `finishing` ends, or when the peer must have taken some of what waits.
  var deadline = MonotonicTime.never
  /// What the kernel held for the peer when the wait for it began.
  var queuedByteCount: CInt = 0
  var state: State
  private(set) var isReading = false
  var isDirty = false
  var wantsWrite = false
  /// Whether the socket is being read and nothing waits to be sent: what is written goes to the loop's memory and leaves
  /// right after.
  var isCorked = false
  /// Whether more waited to be sent than ``WebSocketLimits/resumeByteCount``.
  var isBehind = false
  var hasOverflowed = false

  /// Bytes not sent yet, from `outputStart` on.
  var output: [UInt8] = []
  var outputStart = 0
  /// An offset in `output` at which the owner began something that must be sent whole or not at all.
  var boundary = 0

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

  var isFinishing: Bool { state == .finishing || state == .finishingAfterEnd }

  /// Has `streamDidWake` called at `time`, or earlier.
  func wake(at time: MonotonicTime) {
    if let registration { loop.wake(registration, at: time) }
  }

  func wake() {
    if deadline <= loop.now {
      guard !isFinishing else { return abort(nil) }
      // The kernel reports room only once much of its buffer is free, so ask it what a slow reader has taken.
      guard Descriptor.queuedByteCount(fd) < queuedByteCount else {
        return abort(.slowReader(bufferedByteCount: bufferedByteCount))
      }
      beginWait()
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
  func readLater() {
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
      if state == .finishingAfterEnd || bufferedByteCount == 0 {
        _ = tls?.closeNotify()
        return close(nil)
      }
      // What is buffered may still reach a peer that has closed one direction only.
      return setReading(false)
    }
    setReading(false)
    owner?.streamDidEnd()
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

  func endSending() {
    if tls?.closeNotify() == .wantsWrite { return waitForRoom() }
    state = .finishingAfterEnd
    Descriptor.shutDownWriting(fd)
    updateInterest()
  }

  /// Drops the connection with a reset.
  func abort(_ error: IOError?) {
    guard !isClosed else { return }
    Descriptor.resetOnClose(fd)
    close(error)
  }

  func close(_ error: IOError?) {
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
    let mayWrite = events & (PARLEY_EPOLL_OUT | PARLEY_EPOLL_ERR | PARLEY_EPOLL_HUP) != 0 || awaitsInput
    if mayWrite, wantsWrite { flush() }
    guard events & ~PARLEY_EPOLL_OUT != 0 else { return }
    guard isWanted else {
      // Reported whether asked for or not, again and again: the connection is gone.
      if events & (PARLEY_EPOLL_ERR | PARLEY_EPOLL_HUP) != 0 { close(isFinishing ? nil : .connectionLost) }
      return
    }
    cork()
    read()
    uncork()
    // What came may be what the sending waited for.
    if awaitsInput { flush() }
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

  /// Whether nothing can be sent before more has come.
  private var awaitsInput: Bool { wantsWrite && tls?.sendAwaitsInput == true }

  private var neededInterest: UInt32 {
    switch state {
    case .connecting: PARLEY_EPOLL_OUT
    case .handshaking: wantsWrite ? PARLEY_EPOLL_OUT : PARLEY_EPOLL_IN
    case .open, .finishing, .finishingAfterEnd:
      (isWanted && isReading || awaitsInput ? PARLEY_EPOLL_IN : 0) | (wantsWrite && !awaitsInput ? PARLEY_EPOLL_OUT : 0)
    case .closed: 0
    }
  }

  func updateInterest() {
    guard let registration else { return }
    let needed = neededInterest
    guard interest != needed else { return }
    interest = needed
    loop.change(registration, fd, events: needed)
  }
}
