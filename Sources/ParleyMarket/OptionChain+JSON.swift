public import ParleyWire

extension OptionChain {
  /// What a chain may cost to read.
  public struct Limits: Hashable, Sendable {
    /// The greatest length of the text in bytes.
    public var byteCount: Int
    /// The most rows.
    public var instrumentCount: Int

    /// Creates limits; by default 16 MiB and 20,000 rows, an order of magnitude above Deribit's largest chain.
    public init(byteCount: Int = 16 << 20, instrumentCount: Int = 20_000) {
      self.byteCount = byteCount
      self.instrumentCount = instrumentCount
    }
  }

  /// Reads a reply of `get_book_summary_by_currency`: an object with a `result` array.
  ///
  /// Members beside it, and members of rows that are not known, are passed over.
  ///
  /// - Parameters:
  ///   - bytes: The reply's JSON text.
  ///   - limits: What it may cost.
  /// - Throws: `MarketError`.
  public init(parsing bytes: [UInt8], limits: Limits = Limits()) throws(MarketError) {
    let reply: JSONValue
    do {
      reply = try JSONValue.parse(bytes, limits: JSONLimits(byteCount: limits.byteCount, depth: 8, numberByteCount: 64))
    } catch {
      throw .json(error)
    }
    if let failure = reply["error"]?.objectValue {
      throw .exchangeError(
        code: failure["code"]?.int64Value ?? 0,
        message: MarketError.clipped(failure["message"]?.stringValue ?? ""))
    }
    guard let rows = reply["result"]?.arrayValue else { throw .notSummaryReply }
    guard rows.count <= limits.instrumentCount else {
      throw .tooManyInstruments(rows.count, limit: limits.instrumentCount)
    }
    var summaries = [OptionSummary]()
    summaries.reserveCapacity(rows.count)
    for row in rows { summaries.append(try OptionSummary(row)) }
    try self.init(summaries)
  }

  /// The chain as a reply of `get_book_summary_by_currency`.
  public var json: JSONValue {
    let microseconds = JSONValue.integer(asOf.rawValue / 1000)
    return [
      "jsonrpc": "2.0",
      "usIn": microseconds,
      "usOut": microseconds,
      "usDiff": 0,
      "testnet": false,
      "result": .array(summaries.map(\.json)),
    ]
  }

  /// The chain as the text of a reply of `get_book_summary_by_currency`.
  public func serialized() -> [UInt8] { Array(json.serialized().utf8) }
}
