internal import CLinux
internal import Glibc
internal import ParleyWebSocket
internal import Synchronization

/// One thread that waits on sockets and timers, and runs what they bring.
///
/// Every socket of this module lives on one loop: its callbacks come on the loop's thread and its methods must be
/// called there. The loop is a `SerialExecutor`, so an actor can live on it,
///
///     actor Session {
///       let loop: EventLoop
///       nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
///     }
///
/// and a callback enters the actor without a hop by `session.assumeIsolated { ... }`.
///
/// A turn of the loop: wait; handle what is ready; run due timers and queued work; then send, in one write a
/// connection, all that the turn produced.
public final class EventLoop: SerialExecutor, @unchecked Sendable {
  /// What other threads put in, under the lock.
  private struct Inbox {
    var items: [Item] = []
    var isStopping = false
  }

  private enum Item {
    case job(UnownedJob)
    case work(@Sendable () -> Void)
  }

  private let inbox = Locked(Inbox())
  private let epoll: CInt
  private let wakeUp: CInt
  private let threadNumber = Atomic<UInt>(0)
  private var thread = pthread_t()

  // The rest is touched on the loop's thread only.
  private let slotCell = Cell<[Slot]>([])
  private var freeSlots: [Int] = []
  private var timers = TimerQueue()
  private var localItems: [Item] = []
  private var dirty: [any EventHandler] = []
  private var wakes = DeadlineHeap<WakeEntry>()
  private var ready: [parley_epoll_event]
  private var mustReadInbox = false
  private let waitsBusily: Bool
  /// The time of this turn.
  private(set) var now = MonotonicTime.current
  /// Where every connection of this loop receives; lent out one callback at a time.
  let receiveBuffer: ReceiveBuffer
  /// The streams of compression that this loop's connections take turns with.
  let deflatePool = DeflatePool()
  private let gatherCell = Cell(GatheredOutput())
  /// What the connection that is being called sends on from the receive buffer.
  var gather: GatheredOutput {
    @inline(__always) _read { yield gatherCell.value }
    @inline(__always) _modify { yield &gatherCell.value }
  }
  private let corkedCell = Cell<[UInt8]>([])
  /// What the connection that is being called has written.
  var corked: [UInt8] {
    @inline(__always) _read { yield corkedCell.value }
    @inline(__always) _modify { yield &corkedCell.value }
  }
  /// Memory for what the kernel does not take at once.
  let buffers = MessageBuffers()
  /// The server of this loop that has something to send to all its connections before anything else is sent.
  var broadcaster: WebSocketServer?

  /// Starts a loop on a thread of its own.
  ///
  /// - Parameter waitsBusily: whether the loop asks for events again and again instead of sleeping: a round trip then takes
  ///   a fifth of the time, and the thread all of a core.
  /// - Throws: `system` when the process has no descriptor or thread left.
  public init(waitsBusily: Bool = false) throws(IOError) {
    self.waitsBusily = waitsBusily
    Signals.ignoreBrokenPipes()
    epoll = parley_epoll_create()
    guard epoll >= 0 else { throw .last("epoll_create1") }
    wakeUp = parley_eventfd()
    guard wakeUp >= 0, parley_epoll_add(epoll, wakeUp, PARLEY_EPOLL_IN, .max) == 0 else {
      let error = IOError.last("eventfd")
      Descriptor.close(epoll)
      throw error
    }
    ready = Array(repeating: parley_epoll_event(), count: Int(PARLEY_EPOLL_CAPACITY))
    receiveBuffer = ReceiveBuffer()
    thread = try Thread.start { self.run() }
  }

  deinit {
    Descriptor.close(wakeUp)
    Descriptor.close(epoll)
  }

  // MARK: Any thread

  /// Whether the caller is on the loop's thread.
  public var isCurrent: Bool { threadNumber.load(ordering: .relaxed) == Thread.currentNumber }

  /// Runs `work` on the loop, after what is queued there already; never right away.
  public func execute(_ work: @escaping @Sendable () -> Void) {
    enqueue(.work(work))
  }

  /// Runs `work` on the loop once `delay` has passed.
  ///
  /// - Returns: a handle to call it off with. Letting go of the handle does not.
  @discardableResult
  public func schedule(after delay: Duration, _ work: @escaping @Sendable () -> Void) -> ScheduledWork {
    let scheduled = ScheduledWork(deadline: MonotonicTime.current + delay, work: work)
    if isCurrent {
      timers.insert(scheduled)
    } else {
      execute { self.timers.insert(scheduled) }
    }
    return scheduled
  }

  /// Runs `work` on the loop once `deadline` has come.
  ///
  /// - Returns: a handle to call it off with. Letting go of the handle does not.
  @discardableResult
  public func schedule(
    at deadline: ContinuousClock.Instant, _ work: @escaping @Sendable () -> Void
  ) -> ScheduledWork {
    schedule(after: ContinuousClock.now.duration(to: deadline), work)
  }

  /// Ends the loop's thread and waits for it.
  ///
  /// Connections still open are dropped, and say so; servers stop listening; work still queued is not run. An actor that lives on this loop
  /// must not be used afterwards.
  ///
  /// - Precondition: not on the loop's thread.
  public func shutDown() {
    precondition(!isCurrent)
    let wasStopping = inbox.withLock { inbox in
      defer { inbox.isStopping = true }
      return inbox.isStopping
    }
    guard !wasStopping else { return }
    wake()
    Thread.join(thread)
  }

  /// Runs a job of an actor that lives here.
  public func enqueue(_ job: consuming ExecutorJob) {
    enqueue(.job(UnownedJob(job)))
  }

  /// This loop as an actor's executor.
  public func asUnownedSerialExecutor() -> UnownedSerialExecutor { unsafe UnownedSerialExecutor(ordinary: self) }

  /// Traps unless the caller is on the loop's thread.
  public func checkIsolated() {
    precondition(isCurrent, "this must run on the connection's event loop")
  }

  /// Whether the caller is on the loop's thread.
  public func isIsolatingCurrentContext() -> Bool? { isCurrent }

  private func enqueue(_ item: Item) {
    if isCurrent {
      localItems.append(item)
      return
    }
    let mustWake = inbox.withLock { inbox in
      inbox.items.append(item)
      return inbox.items.count == 1
    }
    if mustWake { wake() }
  }

  private func wake() { Descriptor.writeCounter(wakeUp) }
}

/// Work that a loop will do at a time.
public final class ScheduledWork: Timed, @unchecked Sendable {
  let deadline: MonotonicTime
  private let work: Locked<(@Sendable () -> Void)?>

  init(deadline: MonotonicTime, work: @escaping @Sendable () -> Void) {
    self.deadline = deadline
    self.work = Locked(work)
  }

  /// Calls it off.
  ///
  /// Does nothing if it is done already.
  public func cancel() { _ = work.withLock { $0.take() } }

  var isCancelled: Bool { work.withLock { $0 == nil } }

  func run() {
    let work = work.withLock { $0.take() }
    work?()
  }
}

// MARK: The loop's thread

/// What a loop tells about a descriptor, and asks for at the end of a turn.
protocol EventHandler: AnyObject {
  /// The descriptor is ready. The events are those of epoll.
  func handle(events: UInt32)
  /// The time has come that was asked for with `wake`.
  func wake()
  /// The turn ends, and this handler had asked to hear of it.
  func endOfTurn()
  /// The loop ends; nothing more will be called.
  func loopDidEnd()
}

extension EventLoop {
  /// When a descriptor wants to be woken, in 16 bytes.
  ///
  /// Every connection has a deadline at all times (its next ping) and moves it with nearly every message. So deadlines are
  /// not moved in the heap: a connection asks to be woken at its earliest one, and looks then what there is to do. An entry
  /// whose registration has since asked for another time is ignored when it surfaces.
  private struct WakeEntry: Timed {
    let deadline: MonotonicTime
    let token: UInt64
  }

  private struct Slot {
    var handler: (any EventHandler)?
    var generation: UInt32 = 0
    var wakeAt = MonotonicTime.never
  }

  /// Names one registration; a report for an earlier one of the same slot is told apart by its generation.
  struct Registration {
    fileprivate let token: UInt64
    fileprivate var index: Int { Int(truncatingIfNeeded: token & 0xFFFF_FFFF) }

    fileprivate init(index: Int, generation: UInt32) { token = UInt64(generation) << 32 | UInt64(index) }
  }

  func register(_ fd: CInt, events: UInt32, _ handler: any EventHandler) throws(IOError) -> Registration {
    checkIsolated()
    let index = freeSlots.popLast() ?? slots.count
    if index == slots.count { slots.append(Slot()) }
    let registration = Registration(index: index, generation: slots[index].generation)
    guard parley_epoll_add(epoll, fd, events, registration.token) == 0 else {
      freeSlots.append(index)
      throw .last("epoll_ctl")
    }
    slots[index].handler = handler
    return registration
  }

  func change(_ registration: Registration, _ fd: CInt, events: UInt32) {
    _ = parley_epoll_modify(epoll, fd, events, registration.token)
  }

  /// Has `wake` called at `time`, or earlier if it was to be called earlier: the handler then looks what is due.
  func wake(_ registration: Registration, at time: MonotonicTime) {
    guard time < slots[registration.index].wakeAt else { return }
    slots[registration.index].wakeAt = time
    wakes.insert(WakeEntry(deadline: time, token: registration.token))
  }

  func deregister(_ registration: Registration, _ fd: CInt) {
    _ = parley_epoll_remove(epoll, fd)
    slots[registration.index] = Slot(generation: slots[registration.index].generation &+ 1)
    freeSlots.append(registration.index)
  }

  /// Has `endOfTurn` called once, when this turn's work is done.
  func callAtEndOfTurn(_ handler: any EventHandler) { dirty.append(handler) }

  private var slots: [Slot] {
    @inline(__always) _read { yield slotCell.value }
    @inline(__always) _modify { yield &slotCell.value }
  }

  private func run() {
    threadNumber.store(Thread.currentNumber, ordering: .relaxed)
    while true {
      let count = unsafe ready.withUnsafeMutableBufferPointer { ready in
        unsafe parley_epoll_wait(epoll, ready.baseAddress, CInt(ready.count), timeoutMilliseconds())
      }
      now = .current
      for index in 0..<max(0, Int(count)) { dispatch(ready[index]) }
      while let due = timers.takeDue(now: now) { due.run() }
      while let entry = wakes.takeDue(now: now) { wake(entry) }
      let isStopping = runQueued()
      endTurn()
      if isStopping { break }
    }
    for slot in slots { slot.handler?.loopDidEnd() }
    slots = []
    timers.cancelAll()
  }

  private func dispatch(_ event: parley_epoll_event) {
    guard event.token != .max else {
      Descriptor.readCounter(wakeUp)
      mustReadInbox = true
      return
    }
    guard let index = index(of: event.token) else { return }
    slots[index].handler?.handle(events: event.events)
  }

  private func wake(_ entry: WakeEntry) {
    guard let index = index(of: entry.token), slots[index].wakeAt == entry.deadline else { return }
    slots[index].wakeAt = .never
    slots[index].handler?.wake()
  }

  /// The slot that a token names, unless it has another registration by now.
  private func index(of token: UInt64) -> Int? {
    let index = Int(UInt32(truncatingIfNeeded: token))
    let generation = UInt32(truncatingIfNeeded: token >> 32)
    return index < slots.count && slots[index].generation == generation ? index : nil
  }

  private func runQueued() -> Bool {
    var isStopping = false
    var outside: [Item] = []
    // Whoever puts something into an empty inbox wakes the loop.
    if mustReadInbox {
      mustReadInbox = false
      (outside, isStopping) = inbox.withLock { inbox in
        defer { inbox.items = [] }
        return (inbox.items, inbox.isStopping)
      }
    }
    guard !localItems.isEmpty || !outside.isEmpty else { return isStopping }
    // What these put in runs in the next turn, so that sockets get theirs between.
    let local = localItems
    localItems = []
    for item in local { run(item) }
    for item in outside { run(item) }
    return isStopping
  }

  private func run(_ item: Item) {
    switch item {
    case .job(let job): unsafe job.runSynchronously(on: asUnownedSerialExecutor())
    case .work(let work): work()
    }
  }

  private func endTurn() {
    // A handler may make another one dirty, so this goes on until none is.
    while !dirty.isEmpty {
      let handlers = dirty
      dirty.removeAll(keepingCapacity: true)
      for handler in handlers { handler.endOfTurn() }
    }
  }

  private func timeoutMilliseconds() -> CInt {
    guard localItems.isEmpty, !waitsBusily else { return 0 }
    let deadline = min(timers.nextDeadline ?? .never, wakes.first?.deadline ?? .never)
    guard deadline != .never else { return -1 }
    // The clock is asked again only where the length of this turn matters.
    var nanoseconds = deadline.nanoseconds &- now.nanoseconds
    if nanoseconds < 50_000_000 { nanoseconds = deadline.nanoseconds &- MonotonicTime.current.nanoseconds }
    guard nanoseconds > 0 else { return 0 }
    // Rounded up, so that a timer is due when the wait for it ends.
    return CInt(min(3_600_000, nanoseconds / 1_000_000 &+ 1))
  }
}

extension MonotonicTime {
  /// The system's monotonic time.
  static var current: MonotonicTime {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return MonotonicTime(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
  }
}
