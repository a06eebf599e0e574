/// Options held and sold, and forwards beside them, on one underlying.
///
/// Quantities are in units of the underlying, negative for what was sold. All money is in the currency of the forwards.
public struct Portfolio: Hashable, Sendable {
  /// The options.
  public private(set) var options = OptionColumns()
  /// How much of each.
  public private(set) var quantities: [Double] = []
  /// Futures and spot, in units of the underlying.
  public private(set) var linear = 0.0
  /// What those stand for in money.
  public private(set) var linearNotional = 0.0

  /// Holds nothing.
  public init() {}

  /// Adds an option.
  ///
  /// - Parameters:
  ///   - option: The option, at the volatility at which it is marked.
  ///   - quantity: How much, negative for a short position.
  /// - Throws: `OptionsError.quantity` for one that is not finite.
  public mutating func add(_ option: Black76, quantity: Double) throws(OptionsError) {
    guard quantity.isFinite else { throw .quantity(quantity) }
    options.append(option)
    quantities.append(quantity)
  }

  /// Adds futures or spot.
  ///
  /// - Parameters:
  ///   - quantity: How much, negative for a short position.
  ///   - price: The price now; positive.
  /// - Throws: `OptionsError.quantity`, or `.forward` for a price that is not positive and finite.
  public mutating func add(linear quantity: Double, at price: Double) throws(OptionsError) {
    guard price.isFinite, price > 0 else { throw .forward(price) }
    guard (linear + quantity).isFinite, (linearNotional + quantity * price).isFinite else {
      throw .quantity(quantity)
    }
    linear += quantity
    linearNotional += quantity * price
  }

  /// What the whole is worth and how that moves, in the units of `Greeks`.
  public struct Exposure: Hashable, Sendable {
    /// What the options are worth; futures are worth nothing.
    public var value = 0.0
    /// Units of the underlying that it moves like.
    public var delta = 0.0
    /// Change of delta per 1.00 of the forwards.
    public var gamma = 0.0
    /// Per 1.00 of volatility.
    public var vega = 0.0
    /// Per year of calendar time.
    public var theta = 0.0
    /// Per 1.00 of the rate, the forwards fixed.
    public var rho = 0.0
  }

  /// The sum over all positions.
  ///
  /// An option at the instant of expiry on its strike has no Greeks: it counts with its value alone.
  public var exposure: Exposure {
    var greeks = GreekColumns()
    options.price(into: &greeks)
    var sum = Exposure()
    sum.delta = linear
    for (index, quantity) in quantities.enumerated() {
      sum.value += quantity * greeks.price[index]
      guard !greeks.delta[index].isNaN else { continue }
      sum.delta += quantity * greeks.delta[index]
      sum.gamma += quantity * greeks.gamma[index]
      sum.vega += quantity * greeks.vega[index]
      sum.theta += quantity * greeks.theta[index]
      sum.rho += quantity * greeks.rho[index]
    }
    return sum
  }
}

/// What becomes of the market in one scenario.
public struct Scenario: Hashable, Sendable {
  /// Relative move of all forwards: -0.1 is down by a tenth; greater than -1.
  public var spot: Double
  /// Relative move of all volatilities: 0.25 makes 60 % of volatility 75 %; at least -1.
  public var volatility: Double
  /// Years that pass; not negative.
  public var years: Double

  /// Describes a scenario.
  ///
  /// - Throws: `OptionsError.scenario` with the first number out of its range.
  public init(spot: Double, volatility: Double, years: Double = 0) throws(OptionsError) {
    guard spot.isFinite, spot > -1 else { throw .scenario(spot) }
    guard volatility.isFinite, volatility >= -1 else { throw .scenario(volatility) }
    guard years.isFinite, years >= 0 else { throw .scenario(years) }
    self.spot = spot
    self.volatility = volatility
    self.years = years
  }

  /// Every combination of some moves of spot, volatility and time, spot fastest.
  ///
  /// - Throws: As `init`.
  public static func grid(spots: [Double], volatilities: [Double], years: [Double])
    throws(OptionsError) -> [Scenario]
  {
    var scenarios: [Scenario] = []
    for time in years {
      for volatility in volatilities {
        for spot in spots {
          scenarios.append(try Scenario(spot: spot, volatility: volatility, years: time))
        }
      }
    }
    return scenarios
  }
}

extension Portfolio {
  /// What is gained in each scenario, against now.
  ///
  /// Every option is priced anew. One that expires in between is settled at the scenario's forward.
  ///
  /// - Parameter scenarios: The scenarios.
  /// - Returns: The gains, negative for losses; infinite or NaN where a move leaves the doubles.
  public func gains(in scenarios: [Scenario]) -> [Double] {
    var greeks = GreekColumns()
    func value(_ columns: OptionColumns) -> Double {
      columns.price(into: &greeks)
      return quantities.indices.reduce(0) { $0 + quantities[$1] * greeks.price[$1] }
    }
    let now = value(options)
    return scenarios.map { scenario in
      var moved = options
      moved.move(
        forwards: 1 + scenario.spot, volatilities: 1 + scenario.volatility, years: scenario.years)
      return value(moved) - now + linearNotional * scenario.spot
    }
  }
}
