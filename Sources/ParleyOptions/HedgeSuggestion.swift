/// Trades that take an exposure away.
public struct HedgeSuggestion: Hashable, Sendable {
  /// Futures to buy, negative to sell.
  public let linear: Double
  /// Options to buy, with how much; negative to sell.
  public let options: [Position]
  /// What is left of the exposure afterwards.
  public let left: Portfolio.Exposure

  /// One trade.
  public struct Position: Hashable, Sendable {
    /// The option.
    public let option: Black76
    /// How much.
    public let quantity: Double
  }
}

extension Portfolio {
  /// The futures that make delta 0: at once, and until the forward has moved.
  public var deltaHedge: HedgeSuggestion { hedge(exposure, with: []) }

  /// The option that takes away all vega for the least gamma left over, with the futures that make delta 0.
  ///
  /// - Parameter candidates: Options that could be traded, at their marks.
  /// - Returns: The trades; futures alone where there is no vega, or no candidate has any.
  public func vegaHedge(with candidates: [Black76]) -> HedgeSuggestion {
    let exposure = exposure
    guard exposure.vega != 0 else { return hedge(exposure, with: []) }
    let hedges = candidates.compactMap { candidate -> HedgeSuggestion? in
      guard let greeks = candidate.greeks, greeks.vega > 0 else { return nil }
      let quantity = -exposure.vega / greeks.vega
      return quantity.isFinite
        ? hedge(exposure, with: [.init(option: candidate, quantity: quantity)]) : nil
    }
    return hedges.min { abs($0.left.gamma) < abs($1.left.gamma) } ?? hedge(exposure, with: [])
  }

  private func hedge(_ exposure: Exposure, with options: [HedgeSuggestion.Position])
    -> HedgeSuggestion
  {
    var left = exposure
    for position in options {
      guard let greeks = position.option.greeks else { continue }
      left.value += position.quantity * position.option.price
      left.delta += position.quantity * greeks.delta
      left.gamma += position.quantity * greeks.gamma
      left.vega += position.quantity * greeks.vega
      left.theta += position.quantity * greeks.theta
      left.rho += position.quantity * greeks.rho
    }
    let linear = -left.delta
    left.delta = 0
    return HedgeSuggestion(linear: linear, options: options, left: left)
  }
}
