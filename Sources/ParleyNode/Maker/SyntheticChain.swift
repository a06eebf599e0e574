import Foundation
public import ParleyMarket
public import ParleyOptions
public import ParleyWire

/// An option chain made by formula, in the form of a recorded one: for demonstrations and tests that must not need data.
///
/// Each expiry is a raw SVI slice cut from one SSVI surface (Gatheral and Jacquier 2013, sections 4 and 4.1), which is
/// free of butterfly and calendar arbitrage; the slices are checked all the same. Equal arguments give equal chains.
///
/// The marks are Black-76 of the row's own printed forward, volatility and time, so whoever recomputes them from the
/// text finds every digit again.
public struct SyntheticChain: Hashable, Sendable {
  /// The first part of the instruments' names: BTC or ETH.
  public var market: String
  /// Price of the underlying, in US dollars.
  public var spot: Double
  /// When the chain is taken, to the millisecond.
  public var asOf: UnixNanoseconds
  /// Volatility at the money, a year, of an option that expires at once.
  public var shortVolatility: Double
  /// That of an option that never expires.
  public var longVolatility: Double
  /// Tilt of the smile, between -1 and 1; negative makes puts dearer.
  public var tilt: Double
  /// Yearly growth of forwards over the spot.
  public var carry: Double

  /// Describes a chain.
  public init(
    market: String = "BTC", spot: Double = 96_000, asOf: UnixNanoseconds, shortVolatility: Double = 0.48,
    longVolatility: Double = 0.55, tilt: Double = -0.25, carry: Double = 0.06
  ) {
    self.market = market
    self.spot = spot
    self.asOf = asOf
    self.shortVolatility = shortVolatility
    self.longVolatility = longVolatility
    self.tilt = tilt
    self.carry = carry
  }

  /// Why a description gives no chain.
  public enum Failure: Error, Hashable, Sendable {
    /// A number is out of range, or the market is not one whose options Parley defines.
    ///
    /// Spot 1 to 10 million, volatilities 0.05 to 3, tilt -0.8 to 0.8, carry -0.5 to 0.5, as-of in the years 2000 to
    /// 2097.
    case parameters
    /// The slices admit arbitrage.
    case arbitrage(CivilDate)
  }

  /// One expiry: the day, the years until it, its forward and its smile.
  public struct Slice: Hashable, Sendable {
    /// The expiry day, a Friday.
    public let day: CivilDate
    /// Years until 08:00 UTC of that day.
    public let years: Double
    /// The forward, in US dollars and whole cents.
    public let forward: Double
    /// The smile.
    public let smile: RawSVI
  }

  /// Steepness of the surface; 2 / (1 + |tilt|) or less keeps it free of butterflies worth less than nothing.
  private static let steepness = 0.75

  /// The expiries, ascending: the next four Fridays, the last Fridays of the two months after, and of the next three
  /// quarters.
  ///
  /// - Throws: `Failure`.
  public func slices() throws(Failure) -> [Slice] {
    guard spot >= 1, spot <= 1e7, (0.05...3).contains(shortVolatility), (0.05...3).contains(longVolatility),
      (-0.8...0.8).contains(tilt), (-0.5...0.5).contains(carry)
    else { throw .parameters }
    guard let days = Self.expiryDays(after: asOf) else { throw .parameters }
    var slices = [Slice]()
    for day in days {
      let years = OptionChain.years(from: takenAt, to: day.expiry)
      guard let smile = smile(years) else { throw .parameters }
      let grid = stride(from: -1.5, through: 1.5, by: 0.05)
      guard smile.butterflyFaults(on: grid).isEmpty,
        slices.last?.smile.calendarFaults(before: smile, on: grid).isEmpty ?? true
      else { throw .arbitrage(day) }
      slices.append(Slice(day: day, years: years, forward: Self.rounded(spot * (1 + carry * years), 2), smile: smile))
    }
    return slices
  }

  /// The BTC chain of the demonstration.
  ///
  /// - Throws: `Failure`, for a time outside the years 2000 to 2097.
  public static func bitcoin(asOf: UnixNanoseconds) throws(Failure) -> OptionChain {
    try SyntheticChain(asOf: asOf).chain()
  }

  /// The chain.
  ///
  /// - Throws: `Failure`.
  public func chain() throws(Failure) -> OptionChain {
    var summaries = [OptionSummary]()
    for slice in try slices() {
      for strike in strikes(slice) {
        for type in OptionType.allCases {
          guard let summary = summary(slice, strike: strike, type) else { throw .parameters }
          summaries.append(summary)
        }
      }
    }
    do {
      return try OptionChain(summaries)
    } catch {
      throw .parameters
    }
  }

  /// `asOf` without what a millisecond does not hold.
  private var takenAt: UnixNanoseconds {
    UnixNanoseconds(asOf.rawValue / 1_000_000 * 1_000_000)
  }

  // MARK: The surface

  /// SSVI with φ(θ) = steepness / √θ, as raw parameters (Gatheral and Jacquier, equation 4.1 and lemma 3.1 onwards).
  private func smile(_ years: Double) -> RawSVI? {
    // At the money the volatility goes from the short one to the long one like 1 / (1 + 3 T).
    let volatility = longVolatility + (shortVolatility - longVolatility) / (1 + 3 * years)
    let theta = volatility * volatility * years
    let phi = Self.steepness / theta.squareRoot()
    let rest = 1 - tilt * tilt
    return try? RawSVI(
      a: 0.5 * theta * rest, b: 0.5 * theta * phi, rho: tilt, m: -tilt / phi, sigma: rest.squareRoot() / phi)
  }

  private static func expiryDays(after time: UnixNanoseconds) -> [CivilDate]? {
    guard let today = CivilDate(time), today.year <= 2097 else { return nil }
    var fridays = [CivilDate]()
    for offset in 0..<500 {
      guard let day = today.advanced(byDays: offset) else { return nil }
      if day.weekday == 4, day.expiry > time { fridays.append(day) }
    }
    let monthEnds = fridays.filter { $0.advanced(byDays: 7)?.month != $0.month }
    let later = monthEnds.filter { $0 > fridays[3] }
    let quarters = later.dropFirst(2).filter { $0.month.isMultiple(of: 3) }
    return Array(fridays.prefix(4)) + Array(later.prefix(2)) + Array(quarters.prefix(3))
  }

  /// Round strikes up to 2.5 deviations to both sides, about ten a deviation near the money and half as many beyond.
  private func strikes(_ slice: Slice) -> [ExactDecimal] {
    let deviation = slice.smile.totalVariance(at: 0).squareRoot()
    let step = Self.roundStep(slice.forward * max(deviation, 0.02) / 7)
    let lowest = Int64((slice.forward * exp(-2.5 * deviation) / Double(step)).rounded(.up))
    let highest = Int64((slice.forward * exp(2.5 * deviation) / Double(step)).rounded(.down))
    return (max(lowest, 1)...max(highest, lowest, 1)).compactMap { count in
      let strike = Double(count * step)
      let isNear = abs(strike - slice.forward) <= slice.forward * deviation
      return isNear || count.isMultiple(of: 2) ? ExactDecimal(count * step) : nil
    }
  }

  /// The largest of 1, 2, 5, 10, 20, 50 and so on not above `size`, or 1.
  private static func roundStep(_ size: Double) -> Int64 {
    var step: Int64 = 1
    while true {
      if Double(2 * step) > size { return step }
      if Double(5 * step) > size { return 2 * step }
      if Double(10 * step) > size { return 5 * step }
      step *= 10
    }
  }

  // MARK: A row

  private func summary(_ slice: Slice, strike: ExactDecimal, _ type: OptionType) -> OptionSummary? {
    let moneyness = log(strike.doubleValue / slice.forward)
    guard let name = try? InstrumentName(option: market, expiry: slice.day, strike: strike, type: type),
      (try? Instrument(listed: name)) != nil,
      let volatility = slice.smile.volatility(at: moneyness, expiry: slice.years),
      let option = try? Black76(
        type == .call ? .call : .put, forward: slice.forward, strike: strike.doubleValue, expiry: slice.years,
        volatility: Self.rounded(volatility * 100, 2) / 100),
      let greeks = DeribitGreeks(option)
    else { return nil }
    var row = OptionSummary(
      name, createdAt: takenAt, underlyingPrice: slice.forward, underlyingIndex: "SYN.\(market)-\(slice.day.deribit)")
    let mark = Self.rounded(option.priceInUnderlying, 8)
    row.markPrice = mark
    row.markIV = Self.rounded(volatility * 100, 2)
    row.interestRate = 0
    row.estimatedDeliveryPrice = Self.rounded(spot, 2)
    // Quotes stand a point of volatility to either side, at least a tick; Deribit's ticks widen at 0.005.
    let tick = mark < 0.005 ? 0.0001 : 0.0005
    let width = max(greeks.vega / slice.forward, tick)
    let (bid, ask) = (((mark - width) / tick).rounded(.down), ((mark + width) / tick).rounded(.up))
    row.askPrice = Self.rounded(ask * tick, 4)
    if bid >= 1 {
      row.bidPrice = Self.rounded(bid * tick, 4)
      row.midPrice = Self.rounded((bid + ask) / 2 * tick, 5)
    }
    // Open interest is a bell around the money; round strikes draw more. A sixth of it traded today, if that is a lot.
    let deviations = moneyness / slice.smile.totalVariance(at: 0).squareRoot()
    let bell = exp(-0.5 * deviations * deviations) * (strike.mantissa.isMultiple(of: 5000) ? 900 : 300)
    row.openInterest = Self.rounded(bell, 1)
    let volume = Self.rounded(bell / 6, 1)
    row.volume = volume
    row.volumeUSD = Self.rounded(volume * mark * spot, 2)
    if volume >= 1, mark >= 0.0002 {
      let last = Self.rounded((mark / tick).rounded() * tick, 4)
      row.last = last
      row.low = Self.rounded(max(last - 4 * tick, tick), 4)
      row.high = Self.rounded(last + 4 * tick, 4)
      row.priceChange = 0
    }
    return row
  }

  private static func rounded(_ value: Double, _ decimals: Int) -> Double {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    return (value * scale).rounded() / scale
  }
}
