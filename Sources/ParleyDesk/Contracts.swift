/// An amount of contracts, exact to a millionth.
///
/// Sums of floating-point amounts would drift past a limit or stop short of it; these do not.
public struct Contracts: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The most digits after the point.
  public static let scaleLimit = 6
  /// The largest amount, in millionths: sums of a thousand million of them fit 128 bits.
  public static let limit: Int64 = 1_000_000_000_000_000

  /// Millionths of a contract.
  public let millionths: Int64

  /// An amount of so many millionths of a contract.
  public init(millionths: Int64) { self.millionths = millionths }

  /// Reads a decimal: digits, and up to six more after a point.
  ///
  /// - Returns: `nil` for another text, and for more than ``limit``.
  public init?(parsing text: String) {
    let parts = text.utf8.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
    guard let whole = parts.first, !whole.isEmpty, whole.count <= 10 else { return nil }
    let fraction = parts.count == 2 ? Array(parts[1]) : []
    guard parts.count == 1 || (1...Self.scaleLimit).contains(fraction.count) else { return nil }
    var value: Int64 = 0
    for digit in Array(whole) + fraction + [UInt8](repeating: 0x30, count: Self.scaleLimit - fraction.count) {
      // At most 16 digits: far inside 64 bits.
      guard (0x30...0x39).contains(digit) else { return nil }
      value = value * 10 + Int64(digit - 0x30)
    }
    guard value <= Self.limit else { return nil }
    millionths = value
  }

  /// Whether the left amount is smaller.
  public static func < (left: Self, right: Self) -> Bool { left.millionths < right.millionths }

  /// The amount as the shortest decimal.
  public var description: String {
    let magnitude = millionths.magnitude
    var fraction = String(magnitude % 1_000_000)
    fraction = String(repeating: "0", count: Self.scaleLimit - fraction.count) + fraction
    while fraction.last == "0" { fraction.removeLast() }
    return (millionths < 0 ? "-" : "") + "\(magnitude / 1_000_000)" + (fraction.isEmpty ? "" : ".\(fraction)")
  }
}
