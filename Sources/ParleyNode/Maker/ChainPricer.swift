public import ParleyMarket
import ParleyNegotiation
public import ParleyOptions
public import ParleyWire

/// Prices the options of a chain with Black-76 at the chain's own mark volatilities.
public struct ChainPricer: Hashable, Sendable {
  /// The chain.
  public let chain: OptionChain
  /// At which time options are priced.
  public let valuation: MakerPolicy.Valuation
  /// The greatest age of the chain where the valuation is `.now`.
  public let maximumChainAge: Duration

  /// Creates a pricer.
  public init(
    chain: OptionChain, valuation: MakerPolicy.Valuation = .asOfChain, maximumChainAge: Duration = .seconds(60)
  ) {
    self.chain = chain
    self.valuation = valuation
    self.maximumChainAge = maximumChainAge
  }

  /// An option and everything its price depends on.
  public struct Appraisal: Hashable, Sendable {
    /// What is traded.
    public let instrument: Instrument
    /// The chain's row.
    public let summary: OptionSummary
    /// The option at the mark volatility.
    public let option: Black76

    /// The fair price in units of the underlying: Black-76 at the mark volatility over the forward.
    public var fairPrice: Double { option.priceInUnderlying }

    /// The tick nearest to the fair price.
    public var fairTicks: Ticks? { instrument.ticks(fairPrice, rounded: .toNearestOrAwayFromZero) }

    /// Deribit's Greeks at the mark volatility; `nil` at expiry on the strike itself.
    public var greeks: DeribitGreeks? { DeribitGreeks(option) }

    /// The price in units of the underlying at another volatility.
    ///
    /// - Parameter points: Points above the mark volatility; negative for below. Volatility stops at 0.
    /// - Returns: The price; `nil` when `points` is not finite.
    public func price(shiftedBy points: Double) -> Double? {
      let volatility = max(0, option.volatility + points / 100)
      return try? Black76(
        option.right, forward: option.forward, strike: option.strike, expiry: option.expiry, volatility: volatility
      ).priceInUnderlying
    }

    /// The volatility at which a price in units of the underlying would be fair, in points.
    ///
    /// - Parameter price: The price.
    /// - Returns: The volatility; `nil` for a price that no volatility gives.
    public func volatility(of price: Double) -> Double? {
      let volatility = try? Black76.impliedVolatility(
        option.right, undiscountedPrice: price * option.forward, forward: option.forward, strike: option.strike,
        expiry: option.expiry)
      return volatility.map { $0 * 100 }
    }
  }

  /// Looks an option up and gathers what its price depends on.
  ///
  /// - Parameters:
  ///   - text: The option's name, from outside.
  ///   - now: The present time.
  /// - Returns: The option.
  /// - Throws: `MakerRefusal`: SPEC for an option that is unknown, undefined or expired; POLICY for a chain that is too
  ///   old or says too little.
  public func appraise(_ text: String, now: UnixNanoseconds) throws(MakerRefusal) -> Appraisal {
    let instrument: Instrument
    do {
      instrument = try Instrument(listed: text)
    } catch {
      switch error {
      case .unsupportedName: throw MakerRefusal(.spec, .instrument, "combinations and spot are not traded here")
      case .undefinedInstrument: throw MakerRefusal(.spec, .instrument, "only options on BTC and ETH are traded here")
      default: throw MakerRefusal(.spec, .instrument, "not an instrument name; one is BTC-27NOV26-100000-C")
      }
    }
    guard let summary = chain[instrument.name] else {
      throw MakerRefusal(.spec, .instrument, "\(instrument.name) is not in my chain")
    }
    let time = try valuationTime(of: summary, now: now)
    guard let expiry = instrument.expiry, time < expiry else {
      throw MakerRefusal(.spec, .instrument, "\(instrument.name) has expired")
    }
    guard let volatility = summary.markIV, volatility > 0 else {
      throw MakerRefusal(.policy, .instrument, "\(instrument.name) has no mark volatility")
    }
    guard let forward = chain.forward(of: summary) else {
      throw MakerRefusal(.policy, .instrument, "\(instrument.name) has no forward")
    }
    guard
      let option = try? Black76(
        summary.type == .call ? .call : .put, forward: forward, strike: summary.strike.doubleValue,
        expiry: OptionChain.years(from: time, to: expiry), volatility: volatility / 100)
    else { throw MakerRefusal(.policy, .instrument, "\(instrument.name) cannot be priced") }
    return Appraisal(instrument: instrument, summary: summary, option: option)
  }

  private func valuationTime(
    of summary: OptionSummary, now: UnixNanoseconds
  ) throws(MakerRefusal) -> UnixNanoseconds {
    switch valuation {
    case .asOfChain:
      return summary.createdAt
    case .now:
      let age = Duration.nanoseconds(chain.asOf.nanoseconds(to: now))
      guard age <= maximumChainAge else {
        throw MakerRefusal(.policy, nil, "my prices are \(age.components.seconds) s old")
      }
      guard age >= .zero - maximumChainAge else {
        throw MakerRefusal(.policy, nil, "my prices are from the future")
      }
      return now
    }
  }
}
