/// One instrument of a package, as seen by who buys the package.
public struct PackageLeg: Hashable, Sendable {
  /// What it is.
  public let instrument: Instrument
  /// Whether who buys the package sells this.
  public let isSold: Bool
  /// How much of it is in one of the package, 1 to 10^6.
  public let ratio: Int64

  /// Creates a leg.
  public init(_ instrument: Instrument, isSold: Bool = false, ratio: Int64 = 1) {
    self.instrument = instrument
    self.isSold = isSold
    self.ratio = ratio
  }

  /// What the leg's price counts for in the net: the ratio, negative when sold.
  public var weight: Int64 { isSold ? -ratio : ratio }
}

/// Instruments traded as one, at one net price: a spread, a straddle, a condor; or a single instrument.
///
/// The format and its rules are section 5 of docs/protocol/instruments.md. All legs are of one market, so that one tick
/// and one lot hold for the whole.
public struct Package: Hashable, Sendable {
  /// The most legs.
  public static let legLimit = 20
  /// The largest ratio.
  public static let ratioLimit: Int64 = 1_000_000
  /// The longest text, in bytes.
  public static let textByteLimit = 2_048

  /// The legs, 1 to 20.
  public let legs: [PackageLeg]

  /// Creates a package.
  ///
  /// - Throws: `MarketError.malformedPackage` for no legs or too many, a ratio out of its range, ratios with a common
  ///   divisor, an instrument twice, or instruments of several markets.
  public init(_ legs: [PackageLeg]) throws(MarketError) {
    guard let first = legs.first else { throw .malformedPackage("it has no legs") }
    guard legs.count <= Self.legLimit else { throw .malformedPackage("it has more than \(Self.legLimit) legs") }
    guard legs.allSatisfy({ (1...Self.ratioLimit).contains($0.ratio) }) else {
      throw .malformedPackage("a ratio is not 1 to \(Self.ratioLimit)")
    }
    guard legs.reduce(0, { Self.greatestCommonDivisor($0, $1.ratio) }) == 1 else {
      throw .malformedPackage("the ratios have a common divisor: divide them by it")
    }
    guard Set(legs.map(\.instrument.name)).count == legs.count else {
      throw .malformedPackage("an instrument is in it twice")
    }
    guard legs.allSatisfy({ $0.instrument.hasUnits(of: first.instrument) }) else {
      throw .malformedPackage("its legs are of several markets")
    }
    self.legs = legs
  }

  /// Reads a package: legs with commas between them, each `[-][RATIO*]NAME`; a `-` sells.
  ///
  ///     BTC-27NOV26-100000-C                              one instrument
  ///     BTC-27NOV26-100000-C,-BTC-27NOV26-110000-C        a call spread
  ///     BTC-27NOV26-100000-C,-2*BTC-27NOV26-110000-C      one against two
  ///
  /// - Throws: What ``Instrument/init(listed:)-(String)`` and ``init(_:)`` throw.
  public init(parsing text: String) throws(MarketError) {
    guard text.utf8.count <= Self.textByteLimit else {
      throw .malformedPackage("its text is longer than \(Self.textByteLimit) bytes")
    }
    var legs: [PackageLeg] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let isSold = part.first == "-"
      let words = part.dropFirst(isSold ? 1 : 0).split(separator: "*", maxSplits: 1, omittingEmptySubsequences: false)
      var ratio: Int64 = 1
      if words.count == 2 {
        // The text of a number is digits without a leading zero, so that a package has one text.
        guard let value = Int64(words[0]), String(value) == words[0] else {
          throw .malformedPackage("'\(MarketError.clipped(String(words[0])))' is not a ratio")
        }
        ratio = value
      }
      legs.append(PackageLeg(try Instrument(listed: String(words.last ?? "")), isSold: isSold, ratio: ratio))
    }
    try self.init(legs)
  }

  // MARK: Prices

  /// What one of the package costs at these prices of its legs.
  ///
  /// - Parameter prices: One a leg.
  /// - Returns: The net; `nil` when it does not fit 64 bits.
  public func net(_ prices: [Ticks]) -> Ticks? {
    precondition(prices.count == legs.count)
    var sum: Int128 = 0
    for (leg, price) in zip(legs, prices) { sum += Int128(leg.weight) * Int128(price.rawValue) }
    return Int64(exactly: sum).map(Ticks.init)
  }

  /// Prices of the legs that make a net, near to others that make another.
  ///
  /// The difference goes to the dearest leg of ratio 1; where none has that, to several, in the least multiples of the
  /// ratios that sum to it.
  ///
  /// - Parameters:
  ///   - net: The net.
  ///   - reference: One price a leg.
  /// - Returns: One price a leg; `nil` when the numbers on the way do not fit 64 bits.
  public func prices(making net: Ticks, near reference: [Ticks]) -> [Ticks]? {
    precondition(reference.count == legs.count)
    guard let now = self.net(reference) else { return nil }
    let (difference, isTooFar) = net.rawValue.subtractingReportingOverflow(now.rawValue)
    guard !isTooFar else { return nil }
    var prices: [Ticks] = []
    for (leg, (price, share)) in zip(legs, zip(reference, shares(reference))) {
      let (move, overflows) = difference.multipliedReportingOverflow(by: leg.isSold ? -share : share)
      let (moved, overflowsToo) = price.rawValue.addingReportingOverflow(move)
      guard !overflows, !overflowsToo else { return nil }
      prices.append(Ticks(moved))
    }
    return self.net(prices) == net ? prices : nil
  }

  /// Whole numbers, one a leg, whose sum weighted by the ratios is 1.
  private func shares(_ reference: [Ticks]) -> [Int64] {
    var shares = [Int64](repeating: 0, count: legs.count)
    let ones = legs.indices.filter { legs[$0].ratio == 1 }
    if let dearest = ones.max(by: { reference[$0] < reference[$1] }) {
      shares[dearest] = 1
      return shares
    }
    // The extended Euclidean algorithm, a leg at a time. Shares may wrap around: the caller looks what they come to.
    var divisor: Int64 = 0
    for index in legs.indices where divisor != 1 {
      let (common, left, right) = Self.bezout(divisor, legs[index].ratio)
      divisor = common
      for earlier in 0..<index { shares[earlier] = shares[earlier] &* left }
      shares[index] = right
    }
    return shares
  }

  /// The greatest common divisor of two numbers, and what to multiply them by so that their sum is it.
  private static func bezout(_ left: Int64, _ right: Int64) -> (divisor: Int64, left: Int64, right: Int64) {
    if right == 0 { return (left, 1, 0) }
    let (divisor, x, y) = bezout(right, left % right)
    return (divisor, y, x - left / right * y)
  }

  private static func greatestCommonDivisor(_ left: Int64, _ right: Int64) -> Int64 { bezout(left, right).divisor }

  // MARK: Units

  /// The price of so many ticks.
  ///
  /// - Throws: `MarketError.overflow`.
  public func price(_ ticks: Ticks) throws(MarketError) -> ExactDecimal { try units.price(ticks) }

  /// The amount of so many lots: of the package, in contracts of a leg of ratio 1.
  ///
  /// - Throws: `MarketError.overflow`.
  public func amount(_ lots: Lots) throws(MarketError) -> ExactDecimal { try units.amount(lots) }

  /// A price as ticks.
  ///
  /// - Throws: `MarketError.notMultiple`, `MarketError.overflow`.
  public func ticks(_ price: ExactDecimal) throws(MarketError) -> Ticks { try units.ticks(price) }

  /// An amount as lots.
  ///
  /// - Throws: `MarketError.notMultiple`, `MarketError.overflow`.
  public func lots(_ amount: ExactDecimal) throws(MarketError) -> Lots { try units.lots(amount) }

  /// Contracts in so many lots, those of all legs together.
  ///
  /// - Throws: `MarketError.overflow`.
  public func contracts(_ lots: Lots) throws(MarketError) -> ExactDecimal {
    let ratios = legs.reduce(0) { $0 + $1.ratio }
    return try amount(lots).times(ExactDecimal(ratios))
  }

  /// The step of prices.
  public var tick: ExactDecimal { units.tick }

  /// The currency of prices.
  public var priceCurrency: String { units.priceCurrency }

  /// The instrument whose tick and lot are those of all.
  private var units: Instrument { legs[0].instrument }
}

extension Package: CustomStringConvertible {
  /// The text that ``init(parsing:)`` reads.
  public var description: String {
    legs.map { leg in
      (leg.isSold ? "-" : "") + (leg.ratio == 1 ? "" : "\(leg.ratio)*") + leg.instrument.name.text
    }.joined(separator: ",")
  }
}

extension Instrument {
  /// Whether ticks, lots and contracts of the two mean the same.
  fileprivate func hasUnits(of other: Instrument) -> Bool {
    name.market == other.name.market && tick == other.tick && lot == other.lot && multiplier == other.multiplier
  }
}
