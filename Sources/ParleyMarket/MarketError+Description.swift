extension MarketError: CustomStringConvertible {
  /// What is wrong, and what would be right, for a person.
  public var description: String {
    switch self {
    case .malformedName(let text):
      "'\(text)' is no instrument name; an option's is BTC-27NOV26-100000-C, its day without a leading zero"
    case .unsupportedName(let text): "'\(text)' is a combination or a spot pair; only options are traded"
    case .undefinedInstrument(let name): "'\(name)' is not traded; options on BTC and ETH are"
    case .malformedPackage(let why): "no package: \(why)"
    case .notPositive(let value): "a tick, lot or multiplier of \(value) is not positive"
    case .malformedDecimal(let text): "'\(text)' is not a decimal number of at most 18 digits, such as 0.0425"
    case .notMultiple(let value, let step): "\(value) is not a whole multiple of \(step)"
    case .overflow: "the number is too large"
    case .json(let error): "not the JSON that is read here: \(error)"
    case .notSummaryReply: "not a reply of get_book_summary_by_currency: it has no 'result' array of objects"
    case .exchangeError(let code, let message): "the exchange answered with error \(code), '\(message)'; ask it again"
    case .tooManyInstruments(let count, let limit): "\(count) instruments are more than the limit of \(limit)"
    case .emptyChain: "no instrument is in it"
    case .duplicateInstrument(let name): "'\(name)' occurs twice"
    case .notOption(let name): "'\(name)' is not an option; ask the exchange for kind=option"
    case .malformedField(let field, let instrument): "'\(field)' of '\(instrument)' is absent or out of its range"
    }
  }
}
