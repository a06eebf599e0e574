/// How much must be held against losses: stated rules, in the manner of exchanges' portfolio margin.
///
/// The margin is the greatest loss over the scenarios, plus `contingency` of the notional of options that are short on
/// balance at one strike, expiry and side: what a scenario between the scenarios might add.
public struct MarginRules: Hashable, Sendable {
  /// The scenarios.
  public var scenarios: [Scenario]
  /// The share of short notional.
  public var contingency: Double

  /// States rules.
  ///
  /// - Throws: `OptionsError.scenario` for a contingency that is negative or not finite.
  public init(scenarios: [Scenario], contingency: Double) throws(OptionsError) {
    guard contingency.isFinite, contingency >= 0 else { throw .scenario(contingency) }
    self.scenarios = scenarios
    self.contingency = contingency
  }

  /// Spot from -16 % to +16 % in steps of 4 %, each with volatility down by a quarter, as it is, and up by half, at
  /// once; a contingency of 0.6 %.
  public static func standard() throws(OptionsError) -> Self {
    try Self(
      scenarios: Scenario.grid(
        spots: (-4...4).map { Double($0) * 0.04 }, volatilities: [-0.25, 0, 0.5], years: [0]),
      contingency: 0.006)
  }

  /// A margin and where it comes from.
  public struct Requirement: Hashable, Sendable {
    /// What must be held; not negative.
    public let margin: Double
    /// The worst scenario; `nil` where none loses.
    public let worst: Scenario?
    /// What is lost in it.
    public let loss: Double
    /// What the contingency adds.
    public let contingency: Double
  }

  /// The margin of a portfolio.
  public func requirement(of portfolio: Portfolio) -> Requirement {
    let gains = portfolio.gains(in: scenarios)
    // A gain that is no number is the worst there is.
    let worst = gains.indices.min {
      (gains[$0].isNaN ? -.infinity : gains[$0]) < (gains[$1].isNaN ? -.infinity : gains[$1])
    }
    let least = worst.map { gains[$0].isNaN ? -.infinity : gains[$0] } ?? 0
    struct Key: Hashable {
      let sign: Double, strike: Double, expiry: Double
    }
    var net: [Key: (quantity: Double, forward: Double)] = [:]
    for (index, quantity) in portfolio.quantities.enumerated() {
      let key = Key(
        sign: portfolio.options.signs[index], strike: portfolio.options.strikes[index],
        expiry: portfolio.options.expiries[index])
      net[key, default: (0, portfolio.options.forwards[index])].quantity += quantity
    }
    let short = net.values.reduce(0) { $0 + max(0, -$1.quantity) * $1.forward }
    let loss = max(0, -least)
    return Requirement(
      margin: loss + contingency * short, worst: loss > 0 ? worst.map { scenarios[$0] } : nil,
      loss: loss,
      contingency: contingency * short)
  }
}
