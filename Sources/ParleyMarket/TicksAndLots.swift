/// A price: a whole number of an instrument's ticks, negative where several legs net to that.
public struct Ticks: Hashable, Sendable {
  /// How many ticks.
  public var rawValue: Int64

  /// Creates a price from a number of ticks.
  public init(_ rawValue: Int64) { self.rawValue = rawValue }
}

/// An amount: a whole number of an instrument's lots.
public struct Lots: Hashable, Sendable {
  /// How many lots.
  public var rawValue: Int64

  /// Creates an amount from a number of lots.
  public init(_ rawValue: Int64) { self.rawValue = rawValue }
}

extension Ticks: Comparable {
  /// Whether the left price is lower.
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

extension Lots: Comparable {
  /// Whether the left amount is smaller.
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
