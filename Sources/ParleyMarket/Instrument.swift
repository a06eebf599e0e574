import ParleyCrypto
public import ParleyWire

/// What is traded: a name, and what its ticks and lots mean.
///
/// Prices and amounts are integers everywhere else; here is the only way from and to decimals.
public struct Instrument: Hashable, Sendable {
  /// The name, in Deribit's naming.
  public let name: InstrumentName
  /// The step of prices, in `priceCurrency` a unit of the underlying.
  public let tick: ExactDecimal
  /// The step of amounts, in contracts.
  public let lot: ExactDecimal
  /// Units of the underlying in one contract.
  public let multiplier: ExactDecimal

  /// Defines an instrument.
  ///
  /// - Throws: `MarketError.notPositive` for a tick, lot or multiplier that is not positive.
  public init(
    _ name: InstrumentName, tick: ExactDecimal, lot: ExactDecimal, multiplier: ExactDecimal
  ) throws(MarketError) {
    for value in [tick, lot, multiplier] where value <= .zero { throw .notPositive(value) }
    self.name = name
    self.tick = tick
    self.lot = lot
    self.multiplier = multiplier
  }

  /// The instrument of a name, as every Parley node defines it.
  ///
  /// Options on BTC: tick 0.0001 BTC, lot 0.1 contract, 1 BTC a contract. Options on ETH: tick 0.0001 ETH, lot 1
  /// contract, 1 ETH a contract. The ticks are those of Deribit's block trades.
  ///
  /// - Throws: `MarketError.undefinedInstrument` for every other name.
  public init(listed name: InstrumentName) throws(MarketError) {
    guard case .option = name.contract else { throw .undefinedInstrument(name.text) }
    switch name.market {
    case "BTC":
      try self.init(
        name, tick: ExactDecimal(1, scale: 4), lot: ExactDecimal(1, scale: 1), multiplier: ExactDecimal(1))
    case "ETH":
      try self.init(name, tick: ExactDecimal(1, scale: 4), lot: ExactDecimal(1), multiplier: ExactDecimal(1))
    default:
      throw .undefinedInstrument(name.text)
    }
  }

  /// The instrument of a name, as every Parley node defines it.
  ///
  /// - Throws: What `InstrumentName.init(parsing:)` and `init(listed:)` throw.
  public init(listed name: String) throws(MarketError) {
    try self.init(listed: InstrumentName(parsing: name))
  }

  /// The currency of prices: the second one of a linear market, else the only one.
  public var priceCurrency: String {
    name.market.split(separator: "_").last.map(String.init) ?? name.market
  }

  /// 08:00 UTC of the expiry day; `nil` for a perpetual.
  public var expiry: UnixNanoseconds? { name.expiryDay?.expiry }

  /// `spec_hash` of docs/protocol/negotiation.md section 4: SHA-256 of `definition`.
  public var specHash: [UInt8] { SHA256.hash(definition) }

  /// The definition as bytes: one MessagePack array, integers in their shortest form.
  ///
  ///     [ "parley/instrument/1",
  ///       name,                           string
  ///       tick mantissa, tick scale,      tick = mantissa / 10^scale, with the least scale that holds it
  ///       lot mantissa, lot scale,
  ///       multiplier mantissa, multiplier scale,
  ///       expiry ]                        nanoseconds since the Unix epoch; 0 for a perpetual
  public var definition: [UInt8] {
    var writer = MessagePackWriter()
    writer.appendArray(count: 9)
    writer.append("parley/instrument/1")
    writer.append(name.text)
    for decimal in [tick, lot, multiplier] {
      writer.append(decimal.mantissa)
      writer.append(UInt64(decimal.scale))
    }
    writer.append(expiry?.rawValue ?? 0)
    return writer.bytes
  }

  // MARK: Ticks and lots

  /// The price of so many ticks.
  ///
  /// - Throws: `MarketError.overflow`.
  public func price(_ ticks: Ticks) throws(MarketError) -> ExactDecimal {
    try ExactDecimal(ticks.rawValue).times(tick)
  }

  /// The amount, in contracts, of so many lots.
  ///
  /// - Throws: `MarketError.overflow`.
  public func amount(_ lots: Lots) throws(MarketError) -> ExactDecimal {
    try ExactDecimal(lots.rawValue).times(lot)
  }

  /// What `lots` cost at `ticks`: price · amount · multiplier, in the price currency.
  ///
  /// - Throws: `MarketError.overflow`.
  public func premium(_ ticks: Ticks, _ lots: Lots) throws(MarketError) -> ExactDecimal {
    try price(ticks).times(amount(lots)).times(multiplier)
  }

  /// A price as ticks.
  ///
  /// - Throws: `MarketError.notMultiple` for a price between two ticks, `MarketError.overflow`.
  public func ticks(_ price: ExactDecimal) throws(MarketError) -> Ticks {
    Ticks(try price.count(of: tick))
  }

  /// An amount in contracts as lots.
  ///
  /// - Throws: `MarketError.notMultiple` for an amount between two lots, `MarketError.overflow`.
  public func lots(_ amount: ExactDecimal) throws(MarketError) -> Lots {
    Lots(try amount.count(of: lot))
  }

  /// A calculated price as ticks.
  ///
  /// A price within a millionth of a tick of one is that tick, whatever the rule, so that a double that stands for
  /// 221 ticks is not rounded up to 222.
  ///
  /// - Parameters:
  ///   - price: The price, in the price currency.
  ///   - rule: Which way a price between two ticks goes.
  /// - Returns: The ticks; `nil` for a price that is not finite or needs more than 53 bits.
  public func ticks(_ price: Double, rounded rule: FloatingPointRoundingRule) -> Ticks? {
    let exact = price * ExactDecimal.powerOfTen(tick.scale).double / Double(tick.mantissa)
    let nearest = exact.rounded()
    let rounded = abs(exact - nearest) < 1e-6 ? nearest : exact.rounded(rule)
    guard rounded.magnitude <= 0x1p53 else { return nil }
    return Ticks(Int64(rounded))
  }
}
