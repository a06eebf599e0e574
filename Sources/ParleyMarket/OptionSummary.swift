public import ParleyWire

/// One row of an option chain: what Deribit's `get_book_summary_by_currency` says about an option.
///
/// Prices of inverse options are in units of the underlying. `nil` stands for `null` or an absent member.
public struct OptionSummary: Hashable, Sendable {
  /// The option; its `contract` is an option.
  public var name: InstrumentName
  /// When the exchange made the row, to the millisecond: `creation_timestamp`.
  public var createdAt: UnixNanoseconds
  /// The underlying's price, in US dollars: that of the future named by `underlyingIndex`.
  public var underlyingPrice: Double
  /// The future of the same expiry, a synthetic one (`SYN.BTC-31JUL26`), or `index_price`.
  public var underlyingIndex: String
  /// The exchange's own valuation.
  public var markPrice: Double?
  /// The volatility of the mark, in points: 38.43 means 0.3843 a year.
  public var markIV: Double?
  /// Best bid.
  public var bidPrice: Double?
  /// Best ask.
  public var askPrice: Double?
  /// Middle of bid and ask.
  public var midPrice: Double?
  /// Contracts outstanding.
  public var openInterest: Double?
  /// Contracts traded in 24 hours.
  public var volume: Double?
  /// Premium paid in 24 hours, in US dollars.
  public var volumeUSD: Double?
  /// Highest price in 24 hours.
  public var high: Double?
  /// Lowest price in 24 hours.
  public var low: Double?
  /// Price of the last trade.
  public var last: Double?
  /// Change of the price in 24 hours, in percent.
  public var priceChange: Double?
  /// The interest rate of the exchange's pricing; 0 at Deribit.
  public var interestRate: Double?
  /// The index to which the option would settle now.
  public var estimatedDeliveryPrice: Double?

  /// Creates a row.
  ///
  /// - Parameters:
  ///   - name: The option.
  ///   - createdAt: When the row was made.
  ///   - underlyingPrice: Price of the underlying; positive.
  ///   - underlyingIndex: What the underlying is.
  public init(
    _ name: InstrumentName, createdAt: UnixNanoseconds, underlyingPrice: Double, underlyingIndex: String
  ) {
    self.name = name
    self.createdAt = createdAt
    self.underlyingPrice = underlyingPrice
    self.underlyingIndex = underlyingIndex
  }

  /// The `underlying_index` of options that expire before any future does: their `underlyingPrice` is the index and
  /// not the forward that the marks were made with.
  public static let indexPrice = "index_price"

  /// The strike.
  public var strike: ExactDecimal {
    if case .option(_, let strike, _) = name.contract { strike } else { .zero }
  }

  /// Call or put.
  public var type: OptionType {
    if case .option(_, _, let type) = name.contract { type } else { .call }
  }

  /// The expiry day.
  public var expiryDay: CivilDate { name.expiryDay ?? CivilDate.earliest }
}
