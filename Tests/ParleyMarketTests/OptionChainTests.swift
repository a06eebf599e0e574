import Foundation
import ParleyMarket
import ParleyWire
import TestSupport
import Testing

@Suite("Option chains")
struct OptionChainTests {
  static func row(
    _ name: String = "BTC-27NOV26-100000-C", _ changes: [String: JSONValue?] = [:]
  ) -> JSONValue {
    var row: JSONObject = [
      "instrument_name": .string(name), "creation_timestamp": 1_795_000_000_000, "underlying_price": 96_000.5,
      "underlying_index": "SYN.BTC-27NOV26", "mark_price": 0.0123, "mark_iv": 45.5, "bid_price": .null,
      "ask_price": 0.013, "price_change": -3.5, "made_up": ["member"],
    ]
    for (key, value) in changes { row[key] = value }
    return .object(row)
  }

  static func reply(_ rows: [JSONValue]) -> [UInt8] {
    let reply: JSONValue = ["jsonrpc": "2.0", "result": .array(rows), "usIn": 1]
    return Array(reply.serialized().utf8)
  }

  @Test("read what a row says") func read() throws {
    let chain = try OptionChain(parsing: Self.reply([Self.row()]))
    let row = try #require(chain["BTC-27NOV26-100000-C"])
    #expect(row.markPrice == 0.0123 && row.markIV == 45.5 && row.bidPrice == nil && row.askPrice == 0.013)
    #expect(row.midPrice == nil && row.priceChange == -3.5 && row.underlyingPrice == 96_000.5)
    #expect(row.createdAt == UnixNanoseconds(1_795_000_000_000_000_000) && chain.asOf == row.createdAt)
    #expect(row.strike == ExactDecimal(100_000) && row.type == .call && row.expiryDay.deribit == "27NOV26")
    #expect(chain["BTC-27NOV26-100000-P"] == nil && chain["nonsense"] == nil)
    #expect(chain.forward(of: row) == 96_000.5)
  }

  @Test(
    "refuse a bad field, naming it and the option",
    arguments: [
      ("creation_timestamp", JSONValue.null), ("creation_timestamp", -1), ("creation_timestamp", "now"),
      ("creation_timestamp", 9_223_372_036_854_775_807), ("creation_timestamp", 1.5), ("underlying_price", 0),
      ("underlying_price", -5), ("underlying_price", .null), ("underlying_index", 5),
      ("underlying_index", .string(String(repeating: "x", count: 65))), ("mark_price", "0.1"), ("mark_price", -0.1),
      ("mark_iv", -1), ("bid_price", true), ("ask_price", .array([])), ("open_interest", -2), ("price_change", "up"),
    ])
  func badField(key: String, value: JSONValue) {
    let name = "BTC-27NOV26-100000-C"
    #expect(throws: MarketError.malformedField(key, instrument: name)) {
      try OptionChain(parsing: Self.reply([Self.row(name, [key: value])]))
    }
  }

  @Test("refuse a row without a name, of no option, or twice") func badRows() {
    func error(_ rows: [JSONValue], _ error: MarketError) {
      #expect(throws: error) { try OptionChain(parsing: Self.reply(rows)) }
    }
    error([Self.row("", ["instrument_name": .null])], .malformedField("instrument_name", instrument: ""))
    error([Self.row("BTC-PERPETUAL")], .notOption("BTC-PERPETUAL"))
    error([Self.row("BTC-CS-19MAY26-70000_75000")], .unsupportedName("BTC-CS-19MAY26-70000_75000"))
    error([Self.row("nonsense")], .malformedName("nonsense"))
    error([Self.row(), Self.row()], .duplicateInstrument("BTC-27NOV26-100000-C"))
    error([], .emptyChain)
    error([5], .notSummaryReply)
  }

  @Test("refuse another reply") func badReply() {
    func error(_ text: String, _ error: MarketError) {
      #expect(throws: error, "\(text)") { try OptionChain(parsing: Array(text.utf8)) }
    }
    error("", .json(.unexpectedEnd))
    error("[]", .notSummaryReply)
    error("{}", .notSummaryReply)
    error(#"{"result":{}}"#, .notSummaryReply)
    error(#"{"result":5}"#, .notSummaryReply)
    error(
      #"{"error":{"code":10028,"message":"too_many_requests"}}"#,
      .exchangeError(code: 10028, message: "too_many_requests"))
    error(#"{"error":{}}"#, .exchangeError(code: 0, message: ""))
  }

  @Test("hold to their limits") func limits() throws {
    let bytes = Self.reply([Self.row(), Self.row("BTC-27NOV26-100000-P")])
    let exact = OptionChain.Limits(byteCount: bytes.count, instrumentCount: 2)
    #expect(try OptionChain(parsing: bytes, limits: exact).summaries.count == 2)
    #expect(throws: MarketError.tooManyInstruments(2, limit: 1)) {
      try OptionChain(parsing: bytes, limits: OptionChain.Limits(instrumentCount: 1))
    }
    #expect(throws: MarketError.json(.tooLong(bytes.count, limit: bytes.count - 1))) {
      try OptionChain(parsing: bytes, limits: OptionChain.Limits(byteCount: bytes.count - 1))
    }
    let deep = String(repeating: "[", count: 9) + String(repeating: "]", count: 9)
    #expect(throws: MarketError.self) { try OptionChain(parsing: Array(deep.utf8)) }
  }

  @Test("cut anywhere they are refused") func cut() {
    let bytes = Self.reply([Self.row()])
    for count in 0..<bytes.count {
      #expect(throws: MarketError.self) { try OptionChain(parsing: Array(bytes.prefix(count))) }
    }
  }

  @Test("any byte changed, they are refused or read, never fatal") func flips() {
    let bytes = Self.reply([Self.row()])
    for index in bytes.indices {
      for bit in [0x01, 0x10] as [UInt8] {
        var changed = bytes
        changed[index] ^= bit
        if let chain = try? OptionChain(parsing: changed) { #expect(!chain.summaries.isEmpty) }
      }
    }
  }

  @Test("write what they read") func roundTrip() throws {
    let rows = [Self.row(), Self.row("BTC-27NOV26-100000-P"), Self.row("ETH-25DEC26-3000-C")]
    let chain = try OptionChain(parsing: Self.reply(rows))
    #expect(try OptionChain(parsing: chain.serialized()) == chain)
    #expect(chain.json["result"]?[2]?["base_currency"] == "ETH")
    #expect(chain.json["usIn"] == 1_795_000_000_000_000)
  }

  @Test("find forwards by parity where only the index is known") func parity() throws {
    // C - P = 1 - K/F in units of the underlying, at F = 100,000.
    func pair(_ strike: Int64, _ forward: Double) -> [JSONValue] {
      let put = 0.02
      let call = put + 1 - Double(strike) / forward
      let index: [String: JSONValue?] = ["underlying_index": "index_price"]
      return [
        Self.row("BTC-27NOV26-\(strike)-C", index.merging(["mark_price": .number(call)]) { $1 }),
        Self.row("BTC-27NOV26-\(strike)-P", index.merging(["mark_price": .number(put)]) { $1 }),
      ]
    }
    let lonely = Self.row("BTC-4DEC26-100000-C", ["underlying_index": "index_price"])
    // One strike's marks are wrong: the median does not care.
    let rows = pair(90_000, 100_000) + pair(95_000, 100_000) + pair(96_000, 200_000) + [lonely]
    let chain = try OptionChain(parsing: Self.reply(rows))
    let row = try #require(chain["BTC-27NOV26-90000-P"])
    #expect(abs(try #require(chain.forward(of: row)) - 100_000) < 1e-6)
    #expect(chain.forward(of: try #require(chain["BTC-4DEC26-100000-C"])) == nil)
    #expect(chain.expiryDays.map(\.deribit) == ["27NOV26", "4DEC26"])
    let day = try #require(CivilDate(deribit: "27NOV26"))
    #expect(
      chain.summaries(expiring: day).map(\.name.text) == [
        "BTC-27NOV26-90000-C", "BTC-27NOV26-90000-P", "BTC-27NOV26-95000-C", "BTC-27NOV26-95000-P",
        "BTC-27NOV26-96000-C", "BTC-27NOV26-96000-P",
      ])
  }

  @Test("count years of 365 days") func years() {
    let start = UnixNanoseconds(1_795_000_000_000_000_000)
    #expect(OptionChain.years(from: start, to: start.advanced(byNanoseconds: 365 * 86_400 * 1_000_000_000)) == 1)
    #expect(OptionChain.years(from: start, to: start) == 0)
    #expect(OptionChain.years(from: UnixNanoseconds(.min), to: UnixNanoseconds(.max)).isFinite)
    #expect(OptionChain.years(from: start, to: UnixNanoseconds(0)) < 0)
  }
}

@Suite(
  "The recorded option chain", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct RecordedChainTests {
  @Test("is read whole") func whole() throws {
    let bytes = [UInt8](try SharedVectors.data("market/deribit_btc_option_chain_2026-04-28.json"))
    let chain = try OptionChain(parsing: bytes)
    #expect(chain.summaries.count == 908 && chain.expiryDays.count == 12)
    #expect(chain.summaries.filter { $0.bidPrice == nil }.count == 41)
    #expect(chain.asOf.rawValue / 1_000_000_000 == 1_777_404_145)
    // The forwards of the three expiries on the index are those of the README, to the cent.
    for (day, forward) in [("29APR26", 76_079.78), ("30APR26", 76_065.05), ("2MAY26", 76_060.46)] {
      let rows = chain.summaries(expiring: try #require(CivilDate(deribit: day)))
      #expect(!rows.isEmpty && rows.allSatisfy { $0.underlyingIndex == OptionSummary.indexPrice })
      for row in rows {
        #expect(abs(try #require(chain.forward(of: row)) - forward) < 0.006)
      }
    }
    #expect(chain.summaries.filter { $0.underlyingIndex == OptionSummary.indexPrice }.count == 162)
  }

  @Test("comes back with every member that it had") func roundTrip() throws {
    let bytes = [UInt8](try SharedVectors.data("market/deribit_btc_option_chain_2026-04-28.json"))
    let chain = try OptionChain(parsing: bytes)
    #expect(try OptionChain(parsing: chain.serialized()) == chain)
    let limits = JSONLimits(byteCount: 1 << 22)
    let before = try JSONValue.parse(bytes, limits: limits)["result"]?.arrayValue ?? []
    let after = chain.json["result"]?.arrayValue ?? []
    #expect(before.count == 908 && after.count == 908)
    for (before, after) in zip(before, after) {
      #expect(before.objectValue?.keys == after.objectValue?.keys)
      for member in before.objectValue?.members ?? [] {
        // 3 and 3.0 are one number.
        let value = after[member.key]
        #expect(value == member.value || value?.doubleValue == member.value.doubleValue, "\(member)")
      }
    }
  }
}
