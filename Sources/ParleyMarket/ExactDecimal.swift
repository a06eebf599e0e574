/// A decimal number held exactly: `mantissa / 10^scale`.
///
/// The scale is the least that holds the number, so equal numbers are equal values. Nothing here rounds.
public struct ExactDecimal: Hashable, Sendable {
  /// All digits, with the sign.
  public let mantissa: Int64
  /// How many of the digits stand behind the point: 0 to 18.
  public let scale: UInt8

  /// The greatest scale.
  public static let scaleLimit: UInt8 = 18

  /// 0.
  public static let zero = Self(0)

  /// Holds `mantissa / 10^scale`.
  ///
  /// - Precondition: `scale <= 18`.
  public init(_ mantissa: Int64, scale: UInt8 = 0) {
    precondition(scale <= Self.scaleLimit)
    var (mantissa, scale) = (mantissa, scale)
    while scale > 0, mantissa.isMultiple(of: 10) {
      mantissa /= 10
      scale -= 1
    }
    self.mantissa = mantissa
    self.scale = scale
  }

  /// Reads `-?digits(.digits)?` with at most 18 digits, as JSON writes numbers without an exponent.
  ///
  /// - Throws: `MarketError.malformedDecimal`.
  public init(parsing text: String) throws(MarketError) {
    let bytes = Array(text.utf8)
    var digits = bytes[...]
    let isNegative = digits.first == UInt8(ascii: "-")
    if isNegative { digits = digits.dropFirst() }
    let parts = digits.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
    guard let whole = parts.first, bytes.count <= 20,
      let mantissa = Self.digits(whole + (parts.count == 2 ? parts[1] : [])),
      !whole.isEmpty, whole.count == 1 || whole.first != UInt8(ascii: "0"), parts.count == 1 || !parts[1].isEmpty
    else { throw .malformedDecimal(MarketError.clipped(text)) }
    self.init(isNegative ? -mantissa : mantissa, scale: parts.count == 2 ? UInt8(parts[1].count) : 0)
  }

  /// 1 to 18 decimal digits.
  private static func digits(_ digits: ArraySlice<UInt8>) -> Int64? {
    guard (1...18).contains(digits.count) else { return nil }
    var value: Int64 = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + Int64(digit - UInt8(ascii: "0"))
    }
    return value
  }

  /// The nearest double.
  public var doubleValue: Double { Double(mantissa) / Self.powerOfTen(scale).double }

  /// The product.
  ///
  /// - Throws: `MarketError.overflow` when it needs more than 64 bits or 18 decimals.
  public func times(_ other: Self) throws(MarketError) -> Self {
    try Self(reducing: Int128(mantissa) * Int128(other.mantissa), scale: scale + other.scale)
  }

  /// Drops zeros at the end until the number fits.
  private init(reducing mantissa: Int128, scale: UInt8) throws(MarketError) {
    var (mantissa, scale) = (mantissa, scale)
    while scale > 0, mantissa.isMultiple(of: 10) {
      mantissa /= 10
      scale -= 1
    }
    guard let mantissa = Int64(exactly: mantissa), scale <= Self.scaleLimit else { throw .overflow }
    self.init(mantissa, scale: scale)
  }

  /// The sum.
  ///
  /// - Throws: `MarketError.overflow` when it does not fit 64 bits.
  public func plus(_ other: Self) throws(MarketError) -> Self {
    let scale = max(scale, other.scale)
    // Each term has at most 63 + 60 bits.
    let sum =
      Int128(mantissa) * Int128(Self.powerOfTen(scale - self.scale).integer)
      + Int128(other.mantissa) * Int128(Self.powerOfTen(scale - other.scale).integer)
    return try Self(reducing: sum, scale: scale)
  }

  /// How often `step` goes into the number.
  ///
  /// - Throws: `MarketError.notMultiple` when it does not go in evenly, `MarketError.notPositive` for a step that is
  ///   not positive, `MarketError.overflow` when the count does not fit 64 bits.
  public func count(of step: Self) throws(MarketError) -> Int64 {
    guard step.mantissa > 0 else { throw .notPositive(step) }
    // Both fit: a mantissa has 63 bits, a power of ten at most 60.
    let numerator = Int128(mantissa) * Int128(Self.powerOfTen(step.scale).integer)
    let denominator = Int128(step.mantissa) * Int128(Self.powerOfTen(scale).integer)
    let (quotient, remainder) = numerator.quotientAndRemainder(dividingBy: denominator)
    guard remainder == 0 else { throw .notMultiple(self, of: step) }
    guard let count = Int64(exactly: quotient) else { throw .overflow }
    return count
  }

  static func powerOfTen(_ exponent: UInt8) -> (integer: Int64, double: Double) {
    var power: Int64 = 1
    for _ in 0..<min(exponent, scaleLimit) { power *= 10 }
    return (power, Double(power))
  }
}

extension ExactDecimal: Comparable {
  /// Whether the left number is smaller.
  public static func < (left: Self, right: Self) -> Bool {
    Int128(left.mantissa) * Int128(powerOfTen(right.scale).integer)
      < Int128(right.mantissa) * Int128(powerOfTen(left.scale).integer)
  }
}

extension ExactDecimal {
  /// The number with at least so many digits after the point, as prices of one tick stand below each other.
  public func text(decimals: UInt8) -> String {
    guard decimals > scale else { return description }
    return description + (scale == 0 ? "." : "") + String(repeating: "0", count: Int(decimals - scale))
  }
}

extension ExactDecimal: CustomStringConvertible {
  /// The number as digits, without an exponent and without needless zeros.
  public var description: String {
    var digits = String(mantissa.magnitude)
    let scale = Int(scale)
    if digits.utf8.count <= scale { digits = String(repeating: "0", count: scale + 1 - digits.utf8.count) + digits }
    let sign = mantissa < 0 ? "-" : ""
    return scale == 0 ? sign + digits : sign + digits.dropLast(scale) + "." + digits.suffix(scale)
  }
}
