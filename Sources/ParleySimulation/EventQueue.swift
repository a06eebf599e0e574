/// What can happen next in a simulated world.
enum Event {
  /// Somebody on the node has an idea.
  case act(node: Int)
  /// Something goes wrong.
  case disturb(Disturbance)
  /// What the node's disk was writing is durable, unless the node has died since.
  case committed(node: Int, life: Int)
  /// A dead node starts again.
  case restart(node: Int)
  /// A session's timer has run out.
  case timer(node: Int, link: Int, life: Int, number: Int)
  /// Somebody tries to bring a channel up.
  case dial(pair: Int)
  /// One end of a new channel is ready.
  case attach(channel: Int, end: Int)
  /// The oldest frame on its way to this end arrives.
  case deliver(channel: Int, end: Int)
  /// This end learns that the channel is dead.
  case notice(channel: Int, end: Int)
}

/// Events in the order of their times; of one time, in the order in which they were put in.
struct EventQueue {
  private struct Item {
    let time: Int64
    let number: Int
    let event: Event

    func comesBefore(_ other: Item) -> Bool { time != other.time ? time < other.time : number < other.number }
  }

  /// A binary heap.
  private var items: [Item] = []
  private var count = 0

  var isEmpty: Bool { items.isEmpty }
  var nextTime: Int64? { items.first?.time }

  mutating func put(_ event: Event, at time: Int64) {
    count += 1
    items.append(Item(time: time, number: count, event: event))
    var child = items.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard items[child].comesBefore(items[parent]) else { break }
      items.swapAt(child, parent)
      child = parent
    }
  }

  mutating func take() -> (time: Int64, event: Event)? {
    guard let first = items.first else { return nil }
    let last = items.removeLast()
    guard !items.isEmpty else { return (first.time, first.event) }
    items[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < items.count {
        if items[child].comesBefore(items[least]) { least = child }
      }
      guard least != parent else { break }
      items.swapAt(parent, least)
      parent = least
    }
    return (first.time, first.event)
  }
}
