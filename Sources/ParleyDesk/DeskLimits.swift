/// A bound for each counterparty and one for all of them together; `nil` is none.
public struct DeskBounds<Value: Hashable & Sendable>: Hashable, Sendable {
  /// For each counterparty.
  public var counterparty: Value?
  /// For all together.
  public var all: Value?

  /// Describes bounds.
  public init(counterparty: Value? = nil, all: Value? = nil) {
    self.counterparty = counterparty
    self.all = all
  }

  /// Whether nothing is bounded.
  public var isEmpty: Bool { counterparty == nil && all == nil }
}

/// What a desk allows itself to sign: the content of `limits.json` (docs/desk.md section 2).
public struct DeskLimits: Hashable, Sendable {
  /// How far a price may be on the wrong side of the reference; the wider of the two counts.
  public struct Band: Hashable, Sendable {
    /// Points of volatility, by the widest leg.
    public var volatilityPoints: Double?
    /// Ticks of the net price.
    public var ticks: Double?

    /// Describes a band.
    public init(volatilityPoints: Double? = nil, ticks: Double? = nil) {
      self.volatilityPoints = volatilityPoints
      self.ticks = ticks
    }
  }

  /// Bounds on the Greeks of one underlying.
  public struct Exposure: Hashable, Sendable {
    /// Units of the underlying.
    public var delta = DeskBounds<Double>()
    /// Change of delta per 1.00 of the forward.
    public var gamma = DeskBounds<Double>()
    /// Money per point of volatility.
    public var vega = DeskBounds<Double>()

    /// Bounds nothing.
    public init() {}
  }

  /// When quotes are pulled: Deribit's market-maker protection.
  public struct Protection: Hashable, Sendable {
    /// How far back fills count, in nanoseconds.
    public var interval: Int64
    /// For how long no new offer is made, in nanoseconds; 0 until the operator says so.
    public var frozen: Int64
    /// This many fills of one's own offers.
    public var fills: Int64?
    /// This much delta in them, by underlying; its sum, either way.
    public var delta: [String: Double]
    /// This much vega in them, by underlying.
    public var vega: [String: Double]

    /// Describes a protection.
    public init(
      interval: Int64, frozen: Int64, fills: Int64? = nil, delta: [String: Double] = [:], vega: [String: Double] = [:]
    ) {
      self.interval = interval
      self.frozen = frozen
      self.fills = fills
      self.delta = delta
      self.vega = vega
    }
  }

  /// What asking costs a counterparty, and what trading brings it.
  public struct Credits: Hashable, Sendable {
    /// What a counterparty begins with.
    public var start: Double
    /// The most that it can have.
    public var most: Double
    /// What a request takes.
    public var request: Double
    /// What a trade gives.
    public var trade: Double
    /// What a minute gives.
    public var minute: Double

    /// Describes credits.
    public init(start: Double, most: Double, request: Double = 1, trade: Double, minute: Double = 0) {
      self.start = start
      self.most = most
      self.request = request
      self.trade = trade
      self.minute = minute
    }
  }

  /// How far a price may be from the reference.
  public var band: Band?
  /// Contracts in one trade, those of all legs together.
  public var tradeSize: Contracts?
  /// Open contracts: the sum over instruments of what is held or owed.
  public var size = DeskBounds<Contracts>()
  /// Greeks, by underlying.
  public var exposure: [String: Exposure] = [:]
  /// When quotes are pulled.
  public var protection: Protection?
  /// Who belongs to this desk.
  public var ownGroup: [CounterpartyRule] = []
  /// Who may deal with it; empty for everybody who was let in.
  public var allow: [CounterpartyRule] = []
  /// Who may not, whatever `allow` says.
  public var deny: [CounterpartyRule] = []
  /// What requests cost.
  public var credits: Credits?

  /// Limits nothing.
  public init() {}
}
