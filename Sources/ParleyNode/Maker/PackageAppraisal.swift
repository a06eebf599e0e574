public import ParleyMarket
public import ParleyNegotiation
public import ParleyWire

/// A package and everything its price depends on.
public struct PackageAppraisal: Hashable, Sendable {
  /// What is traded.
  public let package: Package
  /// Its legs, in its order.
  public let legs: [ChainPricer.Appraisal]

  /// The fair price of one, in units of the underlying: each leg's at its mark volatility.
  public var fairPrice: Double { legPairs.reduce(0) { $0 + Double($1.leg.weight) * $1.appraisal.fairPrice } }

  /// The tick nearest to the fair price.
  public var fairTicks: Ticks? { unit.ticks(fairPrice, rounded: .toNearestOrAwayFromZero) }

  /// What all legs cost, sold ones too: what a share of the price is a share of, since a net may be nothing.
  public var grossTicks: Ticks? {
    unit.ticks(legPairs.reduce(0) { $0 + Double($1.leg.ratio) * $1.appraisal.fairPrice }, rounded: .up)
  }

  /// One tick, where every leg is bought and the package cannot be worth less; else `nil`.
  public var leastPrice: Ticks? { package.legs.contains(where: \.isSold) ? nil : Ticks(1) }

  /// The fair price moved by the width of the widest leg.
  ///
  /// A desk that hedges the package bears the volatility of its legs against each other: the widest leg's, not all of
  /// theirs together.
  ///
  /// - Parameters:
  ///   - points: Points of volatility; positive for an ask, negative for a bid.
  ///   - rule: Which way a price between two ticks goes.
  /// - Returns: The net price; `nil` when a leg has none.
  func ticks(shiftedBy points: Double, _ rule: FloatingPointRoundingRule) -> Ticks? {
    var width = 0.0
    for (leg, appraisal) in legPairs {
      guard let shifted = appraisal.price(shiftedBy: points) else { return nil }
      width = max(width, Double(leg.ratio) * abs(shifted - appraisal.fairPrice))
    }
    return unit.ticks(fairPrice + (points < 0 ? -width : width), rounded: rule)
  }

  /// Prices of the legs that make a net, near to their fair ones.
  ///
  /// - Returns: One a leg; `nil` for a net that no such prices make.
  public func prices(making net: Ticks) -> [Ticks]? {
    var fair: [Ticks] = []
    for leg in legs {
      guard let ticks = leg.fairTicks else { return nil }
      fair.append(ticks)
    }
    return package.prices(making: net, near: fair)
  }

  private var unit: Instrument { legs[0].instrument }

  private var legPairs: [(leg: PackageLeg, appraisal: ChainPricer.Appraisal)] {
    zip(package.legs, legs).map { (leg: $0, appraisal: $1) }
  }
}

extension ChainPricer {
  /// Looks a package up and gathers what its price depends on.
  ///
  /// - Parameters:
  ///   - legs: The legs, from outside.
  ///   - now: The present time.
  /// - Returns: The package.
  /// - Throws: `MakerRefusal`: SPEC for an option that is unknown, undefined, expired or defined otherwise; POLICY for
  ///   legs that make no package, and for a chain that is too old or says too little.
  public func appraise(_ legs: [Leg], now: UnixNanoseconds) throws(MakerRefusal) -> PackageAppraisal {
    var appraisals: [Appraisal] = []
    var packageLegs: [PackageLeg] = []
    for leg in legs {
      let appraisal = try appraise(leg.instrument, now: now)
      guard leg.specHash.bytes == appraisal.instrument.specHash else {
        throw MakerRefusal(.spec, .instrument, "\(appraisal.instrument.name) is defined otherwise here")
      }
      appraisals.append(appraisal)
      packageLegs.append(PackageLeg(appraisal.instrument, isSold: leg.side == .sell, ratio: leg.ratio))
    }
    do throws(MarketError) {
      return PackageAppraisal(package: try Package(packageLegs), legs: appraisals)
    } catch {
      throw MakerRefusal(.policy, .instrument, "\(error)")
    }
  }
}

extension ChainPricer.Appraisal {
  /// The volatility at which a price in ticks would be fair, in points; `nil` for a price that no volatility gives.
  public func volatility(of price: Ticks) -> Double? {
    (try? instrument.price(price)).flatMap { volatility(of: $0.doubleValue) }
  }
}
