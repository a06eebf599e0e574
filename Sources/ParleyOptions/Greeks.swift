/// The derivatives of a discounted Black-76 price.
///
/// Plain mathematical units, per 1.00 and per year, the forward held fixed in all but `delta`, `gamma` and `vanna`.
/// `DeribitGreeks` has the units that Deribit prints.
public struct Greeks: Hashable, Sendable {
  /// d price / d forward: `e^(-rT) N(d1)`, for a put `-e^(-rT) N(-d1)`.
  public var delta: Double
  /// d² price / d forward²: `e^(-rT) n(d1) / (F σ √T)`.
  public var gamma: Double
  /// d price / d volatility, per 1.00 of volatility (not per point): `e^(-rT) F n(d1) √T`.
  public var vega: Double
  /// d price / d calendar time, per year: `r price - e^(-rT) F n(d1) σ / (2 √T)`.
  public var theta: Double
  /// d price / d rate at a fixed forward, per 1.00: `-T price`.
  public var rho: Double
  /// d² price / d forward d volatility: `-e^(-rT) n(d1) d2 / σ`.
  public var vanna: Double
  /// d² price / d volatility²: `vega d1 d2 / σ`.
  public var volga: Double
  /// d price / d strike: `-e^(-rT) N(d2)`, for a put `e^(-rT) N(-d2)`.
  public var dualDelta: Double
}
