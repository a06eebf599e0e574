internal import Foundation
public import ParleyMarket
internal import ParleyOptions

/// What a desk holds in one underlying, nothing that is open counted.
public struct Inventory: Hashable, Sendable {
  /// Units of the underlying that it moves like.
  public var delta: Double
  /// Change of that per 1.00 of the forward.
  public var gamma: Double
  /// Money per point of volatility.
  public var vega: Double

  /// Describes an inventory.
  public init(delta: Double = 0, gamma: Double = 0, vega: Double = 0) {
    self.delta = delta
    self.gamma = gamma
    self.vega = vega
  }
}

/// How a desk's inventory moves its quotes: what it has too much of it wants to sell, and pays less for.
public struct QuoteSkew: Hashable, Sendable {
  /// Points of volatility off the reference for each 1,000 of vega held.
  public var pointsPerThousandVega: Double
  /// Basis points off the forward for each unit of delta held.
  public var basisPointsPerDelta: Double
  /// The most points of volatility either way.
  public var pointLimit: Double
  /// The most basis points either way.
  public var basisPointLimit: Double

  /// Describes a skew; by default there is none.
  public init(
    pointsPerThousandVega: Double = 0, basisPointsPerDelta: Double = 0, pointLimit: Double = 5,
    basisPointLimit: Double = 50
  ) {
    self.pointsPerThousandVega = pointsPerThousandVega
    self.basisPointsPerDelta = basisPointsPerDelta
    self.pointLimit = pointLimit
    self.basisPointLimit = basisPointLimit
  }

  /// Whether an inventory moves anything.
  public var isNone: Bool { pointsPerThousandVega == 0 && basisPointsPerDelta == 0 }

  /// Where the reference goes for an inventory.
  public func shift(for inventory: Inventory) -> QuoteShift {
    func clamped(_ value: Double, _ limit: Double) -> Double { value.isFinite ? min(limit, max(-limit, value)) : 0 }
    return QuoteShift(
      points: clamped(-inventory.vega / 1_000 * pointsPerThousandVega, pointLimit),
      forwardShare: clamped(-inventory.delta * basisPointsPerDelta, basisPointLimit) / 10_000)
  }
}

/// A move of the reference that quotes are made around.
public struct QuoteShift: Hashable, Sendable {
  /// Points of volatility.
  public var points: Double
  /// Share of the forward: 0.001 is ten basis points up.
  public var forwardShare: Double

  /// No move.
  public static let none = QuoteShift(points: 0, forwardShare: 0)

  /// Describes a move.
  public init(points: Double, forwardShare: Double) {
    self.points = points
    self.forwardShare = forwardShare
  }
}

extension PackageAppraisal {
  /// The package under a moved reference.
  func moved(_ shift: QuoteShift) -> PackageAppraisal {
    guard shift != .none else { return self }
    return PackageAppraisal(package: package, legs: legs.map { $0.moved(shift) })
  }
}

extension ChainPricer.Appraisal {
  /// The option under a moved reference; as it is where that is no option.
  fileprivate func moved(_ shift: QuoteShift) -> ChainPricer.Appraisal {
    let moved = try? Black76(
      option.right, forward: option.forward * (1 + shift.forwardShare), strike: option.strike, expiry: option.expiry,
      volatility: max(0.0001, option.volatility + shift.points / 100))
    return ChainPricer.Appraisal(instrument: instrument, summary: summary, option: moved ?? option)
  }
}

extension OptionChain {
  /// The chain with the volatilities of a surface without arbitrage that is fitted to it, where the fit has one.
  ///
  /// - Throws: `OptionsError`, or `MarketError`, when nothing can be fitted.
  public func fittedToSurface() throws -> OptionChain {
    let analytics = ChainAnalytics(chain: self)
    let surface = try VolatilitySurface(fitting: analytics.smiles.map(\.quotes))
    return try OptionChain(
      summaries.map { summary in
        var fitted = summary
        let years = analytics.years(to: summary.expiryDay)
        if let forward = analytics.forward(expiring: summary.expiryDay),
          let volatility = surface.volatility(at: log(summary.strike.doubleValue / forward), expiry: years),
          volatility > 0
        {
          fitted.markIV = volatility * 100
        }
        return fitted
      })
  }
}
