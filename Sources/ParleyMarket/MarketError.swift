public import ParleyWire

/// Why an instrument name, a decimal or an option chain was refused.
///
/// Every case is about data from outside; nothing was kept of it. Names and texts from outside are cut to 64 bytes.
public enum MarketError: Error, Hashable, Sendable {
  /// The text is no instrument name: see `InstrumentName` for what is one.
  case malformedName(String)
  /// A combination or a spot pair: well-known at Deribit, not traded here.
  case unsupportedName(String)
  /// The name is good, but nothing defines its tick, lot and multiplier.
  case undefinedInstrument(String)
  /// The legs make no package: why, in words.
  case malformedPackage(String)
  /// A tick, lot or multiplier is not positive.
  case notPositive(ExactDecimal)
  /// The text is not a decimal number of at most 18 digits.
  case malformedDecimal(String)
  /// A price or an amount is not a whole number of ticks or lots.
  case notMultiple(ExactDecimal, of: ExactDecimal)
  /// A result does not fit 64 bits.
  case overflow
  /// The chain is not JSON, or exceeds a limit of the parser.
  case json(JSONError)
  /// The chain's JSON is not a reply with a `result` array of objects.
  case notSummaryReply
  /// The exchange answered with an error instead of a chain.
  case exchangeError(code: Int64, message: String)
  /// The chain has more rows than the limit.
  case tooManyInstruments(Int, limit: Int)
  /// The chain has no row.
  case emptyChain
  /// The chain names an instrument twice.
  case duplicateInstrument(String)
  /// The chain has a row that is not of an option.
  case notOption(String)
  /// A field of a row is absent, of another type or out of its range.
  case malformedField(String, instrument: String)

  /// At most 64 bytes of a text from outside.
  static func clipped(_ text: String) -> String {
    String(decoding: text.utf8.prefix(64), as: UTF8.self)
  }
}
