internal import CLinux
internal import Glibc
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
  private var slots: [Slot] = []
  private var freeSlots: [Int] = []
  private var timers = TimerQueue()
  private var localItems: [Item] = []
  private var dirty: [any EventHandler] = []
  private var ready: [parley_epoll_event]
  /// The time of this turn.
  private(set) var now = ContinuousClock.now
  /// Where every connection of this loop receives; lent out one callback at a time.
  let receiveBuffer: ReceiveBuffer

  /// Starts a loop on a thread of its own.
  ///
  /// - Throws: `system` when the process has no descriptor or thread left.
  public init() throws(IOError) {
    Signals.ignoreBrokenPipes()
    epoll = parley_epoll_create()
    guard epoll >= 0 else { throw .last("epoll_create1") }
    wakeUp = parley_eventfd()
    guard wakeUp >= 0, parley_epoll_add(epoll, wakeUp, PARLEY_EPOLL_IN, .max) == 0 else {
      let error = IOError.last("eventfd")
      Descriptor.close(epoll)
      throw error
    }
    ready = Array(repeating: parley_epoll_event(), count: 256)
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
    schedule(at: ContinuousClock.now + delay, work)
  }

  /// Runs `work` on the loop once `deadline` has come.
  ///
  /// - Returns: a handle to call it off with. Letting go of the handle does not.
  @discardableResult
  public func schedule(
    at deadline: ContinuousClock.Instant, _ work: @escaping @Sendable () -> Void
  ) -> ScheduledWork {
    let scheduled = ScheduledWork(deadline: deadline, work: work)
    if isCurrent {
      timers.insert(scheduled)
    } else {
      execute { self.timers.insert(scheduled) }
    }
    return scheduled
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
public final class ScheduledWork: @unchecked Sendable {
  let deadline: ContinuousClock.Instant
  private let work: Locked<(@Sendable () -> Void)?>

  init(deadline: ContinuousClock.Instant, work: @escaping @Sendable () -> Void) {
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
  /// The turn ends, and this handler had asked to hear of it.
  func endOfTurn()
  /// The loop ends; nothing more will be called.
  func loopDidEnd()
}

extension EventLoop {
  private struct Slot {
    var handler: (any EventHandler)?
    var generation: UInt32 = 0
  }

  /// Names one registration; a report for an earlier one of the same slot is told apart by its generation.
  struct Registration {
    fileprivate let index: Int
    fileprivate let generation: UInt32
    fileprivate var token: UInt64 { UInt64(generation) << 32 | UInt64(index) }
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

  func deregister(_ registration: Registration, _ fd: CInt) {
    _ = parley_epoll_remove(epoll, fd)
    slots[registration.index].handler = nil
    slots[registration.index].generation &+= 1
    freeSlots.append(registration.index)
  }

  /// Has `endOfTurn` called once, when this turn's work is done.
  func callAtEndOfTurn(_ handler: any EventHandler) { dirty.append(handler) }

  private func run() {
    threadNumber.store(Thread.currentNumber, ordering: .relaxed)
    while true {
      let count = unsafe ready.withUnsafeMutableBufferPointer { ready in
        unsafe parley_epoll_wait(epoll, ready.baseAddress, CInt(ready.count), timeoutMilliseconds())
      }
      now = .now
      for index in 0..<max(0, Int(count)) { dispatch(ready[index]) }
      while let due = timers.takeDue(now: now) { due.run() }
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
      return
    }
    let index = Int(UInt32(truncatingIfNeeded: event.token))
    let generation = UInt32(truncatingIfNeeded: event.token >> 32)
    guard index < slots.count, slots[index].generation == generation else { return }
    slots[index].handler?.handle(events: event.events)
  }

  private func runQueued() -> Bool {
    let (outside, isStopping) = inbox.withLock { inbox in
      let items = inbox.items
      inbox.items.removeAll(keepingCapacity: true)
      return (items, inbox.isStopping)
    }
    // What these put in runs in the next turn, so that sockets get theirs between.
    let local = localItems
    localItems.removeAll(keepingCapacity: true)
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
    guard localItems.isEmpty else { return 0 }
    guard let deadline = timers.nextDeadline else { return -1 }
    let (seconds, attoseconds) = ContinuousClock.now.duration(to: deadline).components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    // Rounded up, so that a timer is due when the wait for it ends.
    return seconds >= 3600 ? 3_600_000 : CInt(seconds &* 1000 &+ attoseconds / 1_000_000_000_000_000 &+ 1)
  }
}
