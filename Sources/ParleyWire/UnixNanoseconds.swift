/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Every time on the wire and in the journal has this type. It says nothing about whose clock was read.
public struct UnixNanoseconds: Hashable, Comparable, Sendable {
  /// Nanoseconds since the Unix epoch.
  public var rawValue: Int64

  /// Creates a time from nanoseconds since the Unix epoch.
  public init(_ rawValue: Int64) { self.rawValue = rawValue }

  /// Whether the left time is earlier.
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// The time `nanoseconds` later, stopping at the ends of the range rather than trapping.
  public func advanced(byNanoseconds nanoseconds: Int64) -> Self {
    let (sum, overflow) = rawValue.addingReportingOverflow(nanoseconds)
    return Self(overflow ? (nanoseconds > 0 ? .max : .min) : sum)
  }

  /// Nanoseconds from this time to `other`, stopping at the ends of the range rather than trapping.
  public func nanoseconds(to other: Self) -> Int64 {
    let (difference, overflow) = other.rawValue.subtractingReportingOverflow(rawValue)
    return overflow ? (other > self ? .max : .min) : difference
  }
}
