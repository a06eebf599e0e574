internal import ParleyWebSocket

/// What comes due at a time.
protocol Timed {
  var deadline: MonotonicTime { get }
}

/// A binary heap, the earliest deadline first.
struct DeadlineHeap<Element: Timed> {
  private(set) var elements: [Element] = []

  /// The element that is due next.
  var first: Element? { elements.first }

  mutating func insert(_ element: Element) {
    elements.append(element)
    var child = elements.count &- 1
    while child > 0 {
      let parent = (child &- 1) / 2
      guard elements[child].deadline < elements[parent].deadline else { break }
      elements.swapAt(child, parent)
      child = parent
    }
  }

  /// Takes out the element that is due next.
  ///
  /// - Precondition: there is one.
  mutating func removeFirst() -> Element {
    elements.swapAt(0, elements.count &- 1)
    let first = elements.removeLast()
    siftDown(0)
    return first
  }

  /// The earliest element that is due, taken out.
  mutating func takeDue(now: MonotonicTime) -> Element? {
    guard let first, first.deadline <= now else { return nil }
    return removeFirst()
  }

  mutating func removeAll(where isUnwanted: (Element) -> Bool) {
    elements.removeAll(where: isUnwanted)
    for index in stride(from: elements.count / 2, through: 0, by: -1) where index < elements.count { siftDown(index) }
  }

  private mutating func siftDown(_ start: Int) {
    var parent = start
    while true {
      var least = parent
      for child in (2 &* parent &+ 1)...(2 &* parent &+ 2)
      where child < elements.count && elements[child].deadline < elements[least].deadline {
        least = child
      }
      guard least != parent else { return }
      elements.swapAt(parent, least)
      parent = least
    }
  }
}
