/// What the holder of an option may do.
public enum OptionRight: Hashable, Sendable, CaseIterable {
  /// Buy at the strike.
  case call
  /// Sell at the strike.
  case put

  /// +1 for a call, -1 for a put: the sign of the payoff `max(sign (F - K), 0)`.
  var sign: Double { self == .call ? 1 : -1 }
}
