/// Why an option could not be priced, or a price has no volatility.
///
/// Every case is about numbers that came from outside (a chain, a quote, a command line); nothing was changed.
public enum OptionsError: Error, Hashable, Sendable {
  /// The forward was not a positive finite number.
  case forward(Double)
  /// The strike was not a positive finite number.
  case strike(Double)
  /// The time to expiry was negative or not finite.
  case expiry(Double)
  /// The volatility was negative or not finite.
  case volatility(Double)
  /// The interest rate was not finite.
  case rate(Double)
  /// The price was not a finite number.
  case price(Double)
  /// The price is at or below what the option is worth without any volatility (with the forward known).
  case priceNotAboveIntrinsic
  /// The price is at or above what no volatility reaches: the forward for a call, the strike for a put.
  case priceNotBelowBound
  /// At the instant of expiry no volatility explains a price.
  case expired
  /// The quantity of a position was not finite.
  case quantity(Double)
  /// A number of a scenario or of margin rules was out of its range.
  case scenario(Double)
  /// A number of a volatility surface was not finite, or its expiry not positive.
  case surface(Double)
}
