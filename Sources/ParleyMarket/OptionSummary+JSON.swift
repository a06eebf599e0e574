import ParleyWire

extension OptionSummary {
  /// Reads one element of the reply's `result`; members that it does not know are passed over.
  ///
  /// - Throws: `MarketError.malformedField`, `.notOption`, or what `InstrumentName.init(parsing:)` throws.
  init(_ json: JSONValue) throws(MarketError) {
    guard let row = json.objectValue else { throw .notSummaryReply }
    guard let text = row["instrument_name"]?.stringValue else {
      throw .malformedField("instrument_name", instrument: "")
    }
    let name = try InstrumentName(parsing: text)
    guard case .option = name.contract else { throw .notOption(text) }
    // Milliseconds up to the year 2100 fit in nanoseconds; later ones are nonsense.
    guard let milliseconds = row["creation_timestamp"]?.int64Value, (0...4_102_444_800_000).contains(milliseconds)
    else { throw .malformedField("creation_timestamp", instrument: text) }
    guard let underlyingPrice = row["underlying_price"]?.doubleValue, underlyingPrice > 0 else {
      throw .malformedField("underlying_price", instrument: text)
    }
    guard let underlyingIndex = row["underlying_index"]?.stringValue, underlyingIndex.utf8.count <= 64 else {
      throw .malformedField("underlying_index", instrument: text)
    }
    self.init(
      name, createdAt: UnixNanoseconds(milliseconds * 1_000_000), underlyingPrice: underlyingPrice,
      underlyingIndex: underlyingIndex)
    for (key, path) in Self.optionalNumbers {
      switch row[key] {
      case nil, .null: break
      case let value?:
        guard let number = value.doubleValue, number >= 0 || Self.signed.contains(key) else {
          throw .malformedField(key, instrument: text)
        }
        self[keyPath: path] = number
      }
    }
  }

  /// The row as an element of the reply's `result`, members in Deribit's order.
  var json: JSONValue {
    func number(_ value: Double?) -> JSONValue { value.map(JSONValue.number) ?? .null }
    let currencies = name.market.split(separator: "_").map(String.init)
    return [
      "high": number(high),
      "low": number(low),
      "last": number(last),
      "instrument_name": .string(name.text),
      "bid_price": number(bidPrice),
      "ask_price": number(askPrice),
      "open_interest": number(openInterest),
      "mark_price": number(markPrice),
      "creation_timestamp": .integer(createdAt.rawValue / 1_000_000),
      "price_change": number(priceChange),
      "interest_rate": number(interestRate),
      "volume": number(volume),
      "mark_iv": number(markIV),
      "underlying_price": .number(underlyingPrice),
      "underlying_index": .string(underlyingIndex),
      "estimated_delivery_price": number(estimatedDeliveryPrice),
      "base_currency": .string(currencies.first ?? name.market),
      "quote_currency": .string(currencies.last ?? name.market),
      "volume_usd": number(volumeUSD),
      "mid_price": number(midPrice),
    ]
  }

  /// Where each number of a row goes that may be `null`.
  private static var optionalNumbers: [(String, WritableKeyPath<OptionSummary, Double?>)] {
    [
      ("mark_price", \.markPrice), ("mark_iv", \.markIV), ("bid_price", \.bidPrice), ("ask_price", \.askPrice),
      ("mid_price", \.midPrice), ("open_interest", \.openInterest), ("volume", \.volume), ("volume_usd", \.volumeUSD),
      ("high", \.high), ("low", \.low), ("last", \.last), ("price_change", \.priceChange),
      ("interest_rate", \.interestRate), ("estimated_delivery_price", \.estimatedDeliveryPrice),
    ]
  }

  /// The numbers that may be negative.
  private static let signed: Set<String> = ["price_change", "interest_rate"]
}
