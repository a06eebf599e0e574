internal import ParleyWebSocket

/// When the loop's descriptors want to be woken: a binary heap of 16 bytes an entry.
///
/// Every connection has a deadline at all times (its next ping) and moves it with nearly every message. So deadlines are not
/// moved here: a connection asks to be woken at its earliest one, and looks then what there is to do. An entry whose
/// registration has since asked for another time is ignored when it surfaces.
struct WakeQueue {
  struct Entry {
    let at: MonotonicTime
    let token: UInt64
  }

  private var heap: [Entry] = []

  /// The time of the earliest entry.
  var next: MonotonicTime? { heap.first?.at }

  mutating func insert(_ entry: Entry) {
    heap.append(entry)
    var child = heap.count &- 1
    while child > 0 {
      let parent = (child &- 1) / 2
      guard heap[child].at < heap[parent].at else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  /// The earliest entry that is due, taken out.
  mutating func takeDue(now: MonotonicTime) -> Entry? {
    guard let first = heap.first, first.at <= now else { return nil }
    heap.swapAt(0, heap.count &- 1)
    heap.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in (2 &* parent &+ 1)...(2 &* parent &+ 2)
      where child < heap.count && heap[child].at < heap[least].at {
        least = child
      }
      guard least != parent else { return first }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
