public import ParleyWire

/// A snapshot of many options' prices, in the form of Deribit's `get_book_summary_by_currency` reply.
///
/// Invariant: at least one row, every row an option, no option twice.
public struct OptionChain: Hashable, Sendable {
  /// The rows, in the order of the reply.
  public let summaries: [OptionSummary]
  /// When the snapshot was taken: the latest `createdAt` of the rows (they lie milliseconds apart).
  public let asOf: UnixNanoseconds

  private let places: [InstrumentName: Int]
  private let parityForwards: [ExpiryKey: Double]

  /// The options that share a forward.
  private struct ExpiryKey: Hashable {
    let market: String
    let day: CivilDate
  }

  /// Makes a chain of rows.
  ///
  /// - Throws: `MarketError.emptyChain`, `.notOption`, `.duplicateInstrument`.
  public init(_ summaries: [OptionSummary]) throws(MarketError) {
    guard let asOf = summaries.map(\.createdAt).max() else { throw .emptyChain }
    var places = [InstrumentName: Int](minimumCapacity: summaries.count)
    for (place, summary) in summaries.enumerated() {
      guard case .option = summary.name.contract else { throw .notOption(summary.name.text) }
      guard places.updateValue(place, forKey: summary.name) == nil else {
        throw .duplicateInstrument(summary.name.text)
      }
    }
    self.summaries = summaries
    self.asOf = asOf
    self.places = places
    parityForwards = Self.parityForwards(summaries)
  }

  /// The row of an option; `nil` if the chain has none.
  public subscript(name: InstrumentName) -> OptionSummary? { places[name].map { summaries[$0] } }

  /// The row of an option; `nil` if the chain has none, or for what is no name.
  public subscript(name: String) -> OptionSummary? {
    (try? InstrumentName(parsing: name)).flatMap { self[$0] }
  }

  /// The expiry days, ascending.
  public var expiryDays: [CivilDate] { Set(summaries.map(\.expiryDay)).sorted() }

  /// The rows of one expiry day by strike, the call of a strike first.
  public func summaries(expiring day: CivilDate) -> [OptionSummary] {
    summaries.filter { $0.expiryDay == day }
      .sorted { ($0.strike, $0.type == .call ? 0 : 1) < ($1.strike, $1.type == .call ? 0 : 1) }
  }

  /// The forward for an option, in US dollars.
  ///
  /// The row's own underlying price where that is a future's; for options on `index_price` the forward that the
  /// marks imply by put-call parity, which is what the exchange made them with (the index is not).
  ///
  /// - Parameter summary: A row of this chain.
  /// - Returns: The forward; `nil` when no strike of the expiry has marks for both call and put.
  public func forward(of summary: OptionSummary) -> Double? {
    guard summary.underlyingIndex == OptionSummary.indexPrice else { return summary.underlyingPrice }
    return parityForwards[ExpiryKey(market: summary.name.market, day: summary.expiryDay)]
  }

  /// Years of 365 days from one time to another, as Deribit counts them; negative when `to` is earlier.
  public static func years(from: UnixNanoseconds, to: UnixNanoseconds) -> Double {
    Double(from.nanoseconds(to: to)) / (365 * 86_400e9)
  }

  /// By parity C - P = (F - K)/F in units of the underlying, so `F = K / (1 - (C - P))` at every strike; of these the
  /// median, which one bad mark cannot move.
  private static func parityForwards(_ summaries: [OptionSummary]) -> [ExpiryKey: Double] {
    struct Pair {
      var call: Double?
      var put: Double?
    }
    var pairs = [ExpiryKey: [ExactDecimal: Pair]]()
    for summary in summaries where summary.underlyingIndex == OptionSummary.indexPrice {
      let key = ExpiryKey(market: summary.name.market, day: summary.expiryDay)
      switch summary.type {
      case .call: pairs[key, default: [:]][summary.strike, default: Pair()].call = summary.markPrice
      case .put: pairs[key, default: [:]][summary.strike, default: Pair()].put = summary.markPrice
      }
    }
    return pairs.compactMapValues { strikes in
      let forwards = strikes.compactMap { strike, pair -> Double? in
        guard let call = pair.call, let put = pair.put, call - put < 1 else { return nil }
        return strike.doubleValue / (1 - (call - put))
      }
      .sorted()
      guard !forwards.isEmpty else { return nil }
      let middle = forwards.count / 2
      return forwards.count.isMultiple(of: 2) ? 0.5 * (forwards[middle - 1] + forwards[middle]) : forwards[middle]
    }
  }
}
