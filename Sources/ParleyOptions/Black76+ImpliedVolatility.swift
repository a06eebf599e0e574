extension Black76 {
  /// The volatility at which the model gives a price.
  ///
  /// As exact as the price allows: the relative error is a few roundings times the relative change of the volatility
  /// per relative change of the price (see `ImpliedDeviation` for the method).
  ///
  /// - Parameters:
  ///   - right: Call or put.
  ///   - undiscountedPrice: The price without discounting, in the units of the forward.
  ///   - forward: Forward price for the expiry.
  ///   - strike: Strike.
  ///   - expiry: Years until expiry; positive.
  /// - Returns: The volatility a year, 0.5 for 50 %; positive.
  /// - Throws: The `OptionsError` of the first number that no option can have; `priceNotAboveIntrinsic` or
  ///   `priceNotBelowBound` for a price that no volatility gives; `expired` when `expiry` is 0.
  public static func impliedVolatility(
    _ right: OptionRight, undiscountedPrice: Double, forward: Double, strike: Double, expiry: Double
  ) throws(OptionsError) -> Double {
    guard forward.isFinite, forward > 0 else { throw .forward(forward) }
    guard strike.isFinite, strike > 0 else { throw .strike(strike) }
    guard expiry.isFinite, expiry >= 0 else { throw .expiry(expiry) }
    guard undiscountedPrice.isFinite else { throw .price(undiscountedPrice) }
    let (low, high) = (min(forward, strike), max(forward, strike))
    // In the money, parity leaves the out-of-the-money price; the intrinsic value is subtracted without rounding.
    var price = undiscountedPrice
    if right.sign * (forward - strike) > 0 {
      let intrinsic = TwoPart.sum(high, -low)
      price = (price - intrinsic.high) - intrinsic.low
    }
    guard price > 0 else { throw .priceNotAboveIntrinsic }
    guard price < low else { throw .priceNotBelowBound }
    guard expiry > 0 else { throw .expired }
    return ImpliedDeviation(price: price, low: low, high: high).solve() / expiry.squareRoot()
  }
}
