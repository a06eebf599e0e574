/// A secure channel between two nodes: two queues of frames, each in order.
///
/// End 0 is the taker's.
struct Channel {
  let pair: Int
  /// On their way to each end.
  var queues: [[[UInt8]]] = [[], []]
  /// Frames of each queue that were delivered.
  var heads = [0, 0]
  /// When the last frame to each end arrives.
  var arrivals: [Int64] = [0, 0]
  /// Which ends have taken it in use, and how many frames arrived before they did.
  var isAttached = [false, false]
  var early = [0, 0]
  /// Whether the network has lost it: nothing arrives any more.
  var isBroken = false
  /// Which ends have closed it, or were never there.
  var isClosed = [false, false]

  init(pair: Int) { self.pair = pair }

  /// The oldest frame on its way to `end`.
  mutating func next(to end: Int) -> [UInt8]? {
    guard heads[end] < queues[end].count else { return nil }
    heads[end] += 1
    return queues[end][heads[end] - 1]
  }
}

/// What is between the taker and one maker.
struct Pair {
  let maker: Int
  var isDialing = false
  /// Until when nothing passes.
  var partitionEnd: Int64 = 0
  /// Until when everything takes longer.
  var slowUntil: Int64 = 0
}
