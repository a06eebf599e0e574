public import ParleyWire

/// An instrument as far as limits need to know it.
public struct DeskInstrument: Hashable, Sendable {
  /// Its name.
  public let name: String
  /// On what it is written, such as `BTC`: exposures add up within one underlying only.
  public let underlying: String
  /// Contracts in one lot.
  public let contractsPerLot: Contracts
  /// When it ceases to be; `nil` for never.
  public let expiry: UnixNanoseconds?

  /// Describes an instrument.
  public init(name: String, underlying: String, contractsPerLot: Contracts, expiry: UnixNanoseconds?) {
    self.name = name
    self.underlying = underlying
    self.contractsPerLot = contractsPerLot
    self.expiry = expiry
  }
}

/// What one lot of an instrument is worth and how that moves: the numbers that limits on prices and Greeks are held by.
public struct DeskMark: Hashable, Sendable {
  /// Units of the underlying that a bought lot moves like.
  public var delta: Double
  /// Change of that per 1.00 of the forward.
  public var gamma: Double
  /// Money per point of volatility.
  public var vega: Double
  /// The fair price at the reference volatility, in ticks, not rounded.
  public var fairTicks: Double
  /// Ticks that a point of volatility moves it by.
  public var ticksPerPoint: Double

  /// Describes a mark.
  ///
  /// - Returns: `nil` where a number is not finite: such a mark would pass every limit.
  public init?(delta: Double, gamma: Double, vega: Double, fairTicks: Double, ticksPerPoint: Double) {
    guard [delta, gamma, vega, fairTicks, ticksPerPoint].allSatisfy(\.isFinite) else { return nil }
    self.delta = delta
    self.gamma = gamma
    self.vega = vega
    self.fairTicks = fairTicks
    self.ticksPerPoint = ticksPerPoint
  }
}

/// Instruments dealt in as one, as seen by who buys the whole.
public struct DeskPackage: Hashable, Sendable {
  /// One of them.
  public struct Leg: Hashable, Sendable {
    /// What it is.
    public let instrument: DeskInstrument
    /// Lots of it in a lot of the package; negative when who buys the package sells it.
    public let weight: Int64

    /// Describes a leg.
    public init(_ instrument: DeskInstrument, weight: Int64) {
      self.instrument = instrument
      self.weight = weight
    }
  }

  /// The legs.
  public let legs: [Leg]

  /// Describes a package.
  public init(_ legs: [Leg]) { self.legs = legs }
}

/// One way in which a package may change hands.
public struct DeskPrice: Hashable, Sendable {
  /// What one of the package costs, in ticks; `nil` where no price is named yet, as in a request.
  public let net: Int64?
  /// At most so many lots, at least one.
  public let lots: Int64

  /// Describes a side.
  public init(net: Int64?, lots: Int64) {
    self.net = net
    self.lots = lots
  }
}

/// What is about to be signed.
public struct DeskIntent: Hashable, Sendable {
  /// What signing it would mean.
  public enum Act: UInt8, Hashable, Sendable, CaseIterable {
    /// A request: binds nobody, yet asks for what could not be taken.
    case request = 1
    /// A firm offer, which the other side may take at any instant.
    case firmOffer = 2
    /// An indicative one, which binds nobody.
    case indicativeOffer = 3
    /// An offer with a last look: not bound before the look.
    case lookOffer = 4
    /// An Accept: bound until the verdict.
    case accept = 5
    /// The Confirm that ends a look.
    case confirm = 6
  }

  /// What is to be signed.
  public var act: Act
  /// With whom.
  public var peer: String
  /// In which dialogue; what the desk has reserved there is replaced by this.
  public var dialogue: [UInt8]
  /// What is dealt in.
  public var package: DeskPackage
  /// At what this desk would buy it.
  public var buys: DeskPrice?
  /// At what this desk would sell it.
  public var sells: DeskPrice?

  /// Describes an intent.
  public init(
    _ act: Act, peer: String, dialogue: [UInt8], package: DeskPackage, buys: DeskPrice?, sells: DeskPrice?
  ) {
    self.act = act
    self.peer = peer
    self.dialogue = dialogue
    self.package = package
    self.buys = buys
    self.sells = sells
  }
}
