internal import ParleyWebSocket

/// Work by deadline: a binary heap, in which cancelled work stays until it surfaces or outnumbers the rest.
struct TimerQueue {
  private var heap: [ScheduledWork] = []
  private var sweepAt = 64

  /// The earliest deadline of work that is still wanted.
  var nextDeadline: MonotonicTime? {
    mutating get {
      while let first = heap.first, first.isCancelled { removeFirst() }
      return heap.first?.deadline
    }
  }

  mutating func insert(_ work: ScheduledWork) {
    if heap.count >= sweepAt { sweep() }
    heap.append(work)
    var child = heap.count &- 1
    while child > 0 {
      let parent = (child &- 1) / 2
      guard heap[child].deadline < heap[parent].deadline else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  /// The next work that is due, taken out.
  mutating func takeDue(now: MonotonicTime) -> ScheduledWork? {
    guard let deadline = nextDeadline, deadline <= now else { return nil }
    let work = heap[0]
    removeFirst()
    return work
  }

  /// Calls everything off, and lets go of what it would have worked on.
  mutating func cancelAll() {
    for work in heap { work.cancel() }
    heap = []
  }

  private mutating func removeFirst() {
    heap.swapAt(0, heap.count &- 1)
    heap.removeLast()
    siftDown(0)
  }

  private mutating func siftDown(_ start: Int) {
    var parent = start
    while true {
      var least = parent
      for child in [2 &* parent &+ 1, 2 &* parent &+ 2]
      where child < heap.count && heap[child].deadline < heap[least].deadline {
        least = child
      }
      guard least != parent else { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }

  private mutating func sweep() {
    heap.removeAll { $0.isCancelled }
    for index in stride(from: heap.count / 2, through: 0, by: -1) where index < heap.count { siftDown(index) }
    sweepAt = max(64, heap.count &* 2)
  }
}
