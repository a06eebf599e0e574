public import ParleyMarket

/// What a maker is willing to do.
public struct MakerPolicy: Hashable, Sendable {
  /// At which time options are priced.
  public enum Valuation: Hashable, Sendable {
    /// At the chain's own time, row by row: for recorded and synthetic chains. Its age does not matter.
    case asOfChain
    /// At the present time: for chains that something keeps fresh.
    case now
  }

  /// Which options are quoted, of those in the chain.
  public enum Selection: Hashable, Sendable {
    /// All.
    case everything
    /// Those that are named.
    case names(Set<InstrumentName>)
    /// Those that expire within the days.
    case expiries(ClosedRange<CivilDate>)

    func includes(_ name: InstrumentName) -> Bool {
      switch self {
      case .everything: true
      case .names(let names): names.contains(name)
      case .expiries(let days): name.expiryDay.map(days.contains) ?? false
      }
    }
  }

  /// Points of volatility added to the mark's for an ask, and taken from it for a bid; 0 to 100.
  public var spread: Double
  /// Points of volatility that a counter must leave; 0 to 100, and never more than `spread` counts.
  ///
  /// With 0 a counter at the nearest tick to the fair price is accepted.
  public var minimumEdge: Double
  /// The most contracts in one trade.
  public var maximumAmount: ExactDecimal
  /// The most contracts in all trades together.
  public var maximumTotalAmount: ExactDecimal
  /// Which options are quoted.
  public var selection: Selection
  /// How far a counter may be from the fair price, as a share of it, before it is out of the band.
  public var bandShare: Double
  /// Ticks from the fair price that are always within the band.
  public var bandTicks: Int64
  /// At which time options are priced.
  public var valuation: Valuation
  /// The greatest age of the chain where the valuation is `.now`.
  public var maximumChainAge: Duration

  /// Creates a policy.
  public init(
    spread: Double = 1, minimumEdge: Double = 0, maximumAmount: ExactDecimal = ExactDecimal(10),
    maximumTotalAmount: ExactDecimal = ExactDecimal(1000), selection: Selection = .everything,
    bandShare: Double = 0.5, bandTicks: Int64 = 50, valuation: Valuation = .asOfChain,
    maximumChainAge: Duration = .seconds(60)
  ) {
    self.spread = spread
    self.minimumEdge = minimumEdge
    self.maximumAmount = maximumAmount
    self.maximumTotalAmount = maximumTotalAmount
    self.selection = selection
    self.bandShare = bandShare
    self.bandTicks = bandTicks
    self.valuation = valuation
    self.maximumChainAge = maximumChainAge
  }
}
