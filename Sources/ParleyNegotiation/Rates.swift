import ParleyWire

/// Counts in windows of time, to tell too much from enough.
///
/// Not journaled: a restart forgives.
struct Rates: Equatable {
  /// How many in the window that is running.
  struct Window: Equatable {
    let length: Int64
    var start = UnixNanoseconds(0)
    var count = 0

    /// Counts one more if fewer than `limit` were counted in this window.
    mutating func take(_ limit: Int, _ now: UnixNanoseconds) -> Bool {
      if start.nanoseconds(to: now) >= length || now < start {
        start = now
        count = 0
      }
      guard count < limit else { return false }
      count += 1
      return true
    }
  }

  var statements = Window(length: 1_000_000_000)
  var pings = Window(length: 1_000_000_000)
  var rejects = Window(length: 1_000_000_000)
  var requests = Window(length: 60_000_000_000)
  var ownStatements = Window(length: 1_000_000_000)
  var ownRequests = Window(length: 60_000_000_000)
}
