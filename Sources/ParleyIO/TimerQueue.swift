internal import ParleyWebSocket

/// Work by deadline, in which cancelled work stays until it surfaces or outnumbers the rest.
struct TimerQueue {
  private var heap = DeadlineHeap<ScheduledWork>()
  private var sweepAt = 64

  /// The earliest deadline of work that is still wanted.
  var nextDeadline: MonotonicTime? {
    mutating get {
      while let first = heap.first, first.isCancelled { _ = heap.removeFirst() }
      return heap.first?.deadline
    }
  }

  mutating func insert(_ work: ScheduledWork) {
    if heap.elements.count >= sweepAt { sweep() }
    heap.insert(work)
  }

  /// The next work that is due, taken out.
  mutating func takeDue(now: MonotonicTime) -> ScheduledWork? {
    guard let deadline = nextDeadline, deadline <= now else { return nil }
    return heap.removeFirst()
  }

  /// Calls everything off, and lets go of what it would have worked on.
  mutating func cancelAll() {
    for work in heap.elements { work.cancel() }
    heap = DeadlineHeap()
  }

  private mutating func sweep() {
    heap.removeAll { $0.isCancelled }
    sweepAt = max(64, heap.elements.count &* 2)
  }
}
