/// A point in the driver's monotonic time: nanoseconds since a start of the driver's choosing.
///
/// Half the size of `ContinuousClock.Instant`, and compared in one instruction: a connection keeps several.
public struct MonotonicTime: Comparable, Hashable, Sendable, BitwiseCopyable {
  /// Nanoseconds since the start.
  public let nanoseconds: Int64

  /// Creates a point in time.
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// The start of the driver's time.
  public static let zero = Self(nanoseconds: 0)
  /// Later than every other.
  public static let never = Self(nanoseconds: .max)

  /// Whether `left` comes before `right`.
  public static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }

  /// The point `duration` after `time`; ``never`` where that is out of range.
  public static func + (time: Self, duration: Duration) -> Self { time + Nanoseconds(duration) }

  /// From `start` to `end`.
  public static func - (end: Self, start: Self) -> Duration {
    .nanoseconds(end.nanoseconds.subtractingReportingOverflow(start.nanoseconds).partialValue)
  }

  static func + (time: Self, duration: Nanoseconds) -> Self {
    let (sum, overflows) = time.nanoseconds.addingReportingOverflow(duration.count)
    return overflows ? .never : Self(nanoseconds: sum)
  }
}

/// A duration as whole nanoseconds, converted once: a `Duration` takes a 128-bit division to do so.
struct Nanoseconds: Hashable, Sendable, BitwiseCopyable {
  let count: Int64

  /// Converts, with what is out of range at the largest.
  init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    let (whole, overflows) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, overflowsToo) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
    count = overflows || overflowsToo ? .max : max(0, sum)
  }

  /// Never, for a limit that is switched off.
  static let never = Self(.seconds(Int64.max))
}
