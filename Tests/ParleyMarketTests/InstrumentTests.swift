import Foundation
import ParleyMarket
import ParleyWire
import TestSupport
import Testing

@Suite("Instrument names")
struct InstrumentNameTests {
  @Test(
    "come back byte for byte",
    arguments: [
      "BTC-27NOV26-100000-C", "BTC-2MAY26-60000-P", "ETH-25DEC26-1-C", "XRP_USDC-30JUN23-0d625-C",
      "AVAX_USDC-22JUN26-5d5-P", "BTC-26MAR27", "BTC-PERPETUAL", "ETH_USDC-PERPETUAL",
    ])
  func roundTrip(text: String) throws {
    let name = try InstrumentName(parsing: text)
    #expect(name.text == text && name.description == text)
  }

  @Test("say what they say") func parts() throws {
    let name = try InstrumentName(parsing: "XRP_USDC-30JUN23-0d625-C")
    let day = try #require(CivilDate(year: 2023, month: 6, day: 30))
    #expect(name.market == "XRP_USDC")
    #expect(name.contract == .option(expiry: day, strike: ExactDecimal(625, scale: 3), type: .call))
    #expect(name.expiryDay == day)
    #expect(
      try InstrumentName(option: "XRP_USDC", expiry: day, strike: ExactDecimal(625, scale: 3), type: .call) == name)
    #expect(
      try InstrumentName(parsing: "BTC-26MAR27").contract == .future(expiry: #require(CivilDate(deribit: "26MAR27"))))
    #expect(try InstrumentName(parsing: "BTC-PERPETUAL").expiryDay == nil)
  }

  @Test(
    "must be whole and canonical",
    arguments: [
      "", "-", "BTC", "BTC-", "btc-PERPETUAL", "BTC-27NOV26-100000", "BTC-27NOV26-100000-X", "BTC-27NOV26-100000-c",
      "BTC-27NOV26-0100000-C", "BTC-27NOV26-0-C", "BTC-27NOV26--5-C", "BTC-27NOV26-1.5-C", "BTC-27NOV26-1d50-C",
      "BTC-27NOV26-d5-C", "BTC-27NOV26-5d-C", "BTC-27NOV26-1d2d3-C", "BTC-027NOV26-100-C", "BTC-31NOV26-100-C",
      "BTC-27NOV26-100-C-", " BTC-27NOV26-100-C", "BTC-27NOV26-1e5-C", "BTC_USDC_X-27NOV26-1-C", "_USDC-27NOV26-1-C",
      "BTC-27NOV26-1234567890123456789-C", "TOOLONGNAME-27NOV26-1-C", "BTC-27NOV26-10\u{0301}0-C", "BTC-CS-19MAY26-",
      "BTC-CS-19MAY26-7_", "ＢＴＣ-27NOV26-1-C",
    ])
  func malformed(text: String) {
    #expect(throws: MarketError.malformedName(text)) { try InstrumentName(parsing: text) }
  }

  @Test(
    "of combinations and spot pairs are known and refused",
    arguments: [
      "BTC-CS-19MAY26-70000_75000", "BTC-FS-19MAY26_PERP", "BTC-FS-25DEC26_PERP", "BTC-STRG-19MAY26-74000_79000",
      "BTC-BOX-25DEC26-58000_60000", "BTC_USDC", "XRP_USDC-CS-19MAY26-0d5_1",
    ])
  func unsupported(text: String) {
    #expect(throws: MarketError.unsupportedName(text)) { try InstrumentName(parsing: text) }
  }

  @Test("an overlong one is cut in the error") func long() {
    let text = "BTC-" + String(repeating: "1", count: 100)
    #expect(throws: MarketError.malformedName(String(text.prefix(64)))) { try InstrumentName(parsing: text) }
  }

  @Test("cut anywhere they are refused or another name") func cut() {
    let text = "XRP_USDC-30JUN23-0d625-C"
    for count in 0..<text.utf8.count {
      let part = String(text.prefix(count))
      if let name = try? InstrumentName(parsing: part) { #expect(name.text == part && part == "XRP_USDC-30JUN23") }
    }
  }

  @Test("random bytes are refused, never fatal") func noise() {
    var generator = SplitMix64(seed: 11)
    let alphabet = Array("BTC-_27NOV26d.1PERPETUAL \u{0}é".utf8)
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0...30, using: &generator)).map { _ in
        alphabet.randomElement(using: &generator) ?? 0
      }
      let text = String(decoding: bytes, as: UTF8.self)
      if let name = try? InstrumentName(parsing: text) { #expect(Array(name.text.utf8) == Array(text.utf8)) }
    }
  }
}

@Suite("Instruments")
struct InstrumentTests {
  @Test("options on BTC and ETH are defined, and nothing else") func listed() throws {
    let bitcoin = try Instrument(listed: "BTC-27NOV26-100000-C")
    #expect(bitcoin.tick == ExactDecimal(1, scale: 4) && bitcoin.lot == ExactDecimal(1, scale: 1))
    #expect(bitcoin.multiplier == ExactDecimal(1) && bitcoin.priceCurrency == "BTC")
    #expect(bitcoin.expiry == UnixNanoseconds(1_795_766_400_000_000_000))
    let ether = try Instrument(listed: "ETH-27NOV26-3000-P")
    #expect(ether.tick == ExactDecimal(1, scale: 4) && ether.lot == ExactDecimal(1))
    for name in ["BTC-PERPETUAL", "BTC-26MAR27", "XRP_USDC-30JUN23-0d625-C", "SOL-27NOV26-100-C"] {
      #expect(throws: MarketError.undefinedInstrument(name)) { try Instrument(listed: name) }
    }
    #expect(throws: MarketError.malformedName("x")) { try Instrument(listed: "x") }
  }

  @Test("a definition has the bytes that the page says") func definition() throws {
    let option = try Instrument(listed: "BTC-27NOV26-100000-C")
    #expect(
      option.definition.hex
        == "99b37061726c65792f696e737472756d656e742f31b44254432d32374e4f5632362d3130303030302d43010401010100"
        + "cf18ebd806c3950000")
    // Calculated from the page with Python's hashlib.
    #expect(option.specHash.hex == "dcf43dc152ef5bdaad356d4a32384568d2feb60097da7a064c4f9e7b961df0a7")
    let perpetual = try Instrument(
      InstrumentName(parsing: "BTC_USDC-PERPETUAL"), tick: ExactDecimal(1), lot: ExactDecimal(1, scale: 3),
      multiplier: ExactDecimal(1))
    #expect(perpetual.definition.last == 0 && perpetual.priceCurrency == "USDC" && perpetual.expiry == nil)
  }

  @Test("every part of a definition changes its hash") func parts() throws {
    let name = try InstrumentName(parsing: "BTC-27NOV26-100000-C")
    let (one, two) = (ExactDecimal(1), ExactDecimal(2))
    let variants = [
      try Instrument(name, tick: one, lot: one, multiplier: one),
      try Instrument(name, tick: two, lot: one, multiplier: one),
      try Instrument(name, tick: one, lot: two, multiplier: one),
      try Instrument(name, tick: one, lot: one, multiplier: two),
      try Instrument(InstrumentName(parsing: "BTC-27NOV26-100000-P"), tick: one, lot: one, multiplier: one),
      try Instrument(InstrumentName(parsing: "BTC-26NOV26-100000-C"), tick: one, lot: one, multiplier: one),
    ]
    #expect(Set(variants.map(\.specHash)).count == variants.count)
    #expect(
      try Instrument(name, tick: ExactDecimal(parsing: "1.0"), lot: one, multiplier: one).specHash
        == variants[0].specHash)
  }

  @Test("steps must be positive") func positive() throws {
    let name = try InstrumentName(parsing: "BTC-PERPETUAL")
    let one = ExactDecimal(1)
    for bad in [ExactDecimal.zero, ExactDecimal(-1, scale: 2)] {
      #expect(throws: MarketError.notPositive(bad)) { try Instrument(name, tick: bad, lot: one, multiplier: one) }
      #expect(throws: MarketError.notPositive(bad)) { try Instrument(name, tick: one, lot: bad, multiplier: one) }
      #expect(throws: MarketError.notPositive(bad)) { try Instrument(name, tick: one, lot: one, multiplier: bad) }
    }
  }

  @Test("prices and amounts are exact both ways") func conversions() throws {
    let option = try Instrument(listed: "BTC-27NOV26-100000-C")
    #expect(try option.ticks(ExactDecimal(parsing: "0.0425")) == Ticks(425))
    #expect(try option.price(Ticks(425)).description == "0.0425")
    #expect(try option.lots(ExactDecimal(parsing: "2.5")) == Lots(25))
    #expect(try option.amount(Lots(25)).description == "2.5")
    #expect(try option.premium(Ticks(425), Lots(25)).description == "0.10625")
    #expect(throws: MarketError.notMultiple(ExactDecimal(42_505, scale: 6), of: ExactDecimal(1, scale: 4))) {
      try option.ticks(ExactDecimal(parsing: "0.042505"))
    }
    #expect(throws: MarketError.notMultiple(ExactDecimal(5, scale: 2), of: ExactDecimal(1, scale: 1))) {
      try option.lots(ExactDecimal(parsing: "0.05"))
    }
    #expect(throws: MarketError.overflow) { try option.premium(Ticks(.max), Lots(.max)) }
    #expect(throws: MarketError.overflow) { try option.ticks(ExactDecimal(.max)) }
    for extreme in [Int64.min, -1, 0, .max] {
      #expect(try option.ticks(option.price(Ticks(extreme))) == Ticks(extreme))
    }
  }

  @Test("calculated prices round as they are told, and a tick is a tick") func rounding() throws {
    let option = try Instrument(listed: "BTC-27NOV26-100000-C")
    for ticks in 0..<3_000 as Range<Int64> {
      let price = Double(ticks) / 10_000
      for rule in [FloatingPointRoundingRule.up, .down, .toNearestOrAwayFromZero] {
        #expect(option.ticks(price, rounded: rule) == Ticks(ticks))
        #expect(option.ticks(price.nextUp, rounded: rule) == Ticks(ticks))
        #expect(option.ticks(price.nextDown, rounded: rule) == Ticks(ticks))
      }
      #expect(option.ticks(price + 0.00003, rounded: .up) == Ticks(ticks + 1))
      #expect(option.ticks(price + 0.00003, rounded: .down) == Ticks(ticks))
      #expect(option.ticks(price + 0.00006, rounded: .toNearestOrAwayFromZero) == Ticks(ticks + 1))
    }
    #expect(option.ticks(.nan, rounded: .up) == nil)
    #expect(option.ticks(.infinity, rounded: .up) == nil)
    #expect(option.ticks(1e300, rounded: .up) == nil)
    #expect(option.ticks(-0.00015, rounded: .down) == Ticks(-2))
  }
}

/// The 826 records of a recorded Deribit session of 2021.
@Suite(
  "Recorded Deribit instruments", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct RecordedInstrumentTests {
  struct Record: Decodable {
    let instrument_name: String
    let kind: String
    let option_type: String?
    let strike: Double?
    let tick_size: Double
    let contract_size: Double
    let min_trade_amount: Double
    let settlement_period: String
    let base_currency: String
    let quote_currency: String
    let expiration_timestamp: Int64
  }

  @Test("every name says what its record says") func records() throws {
    let records = try SharedVectors.json("market/deribit_instruments_2021-07-22.json", as: [Record].self)
    #expect(records.count == 826)
    var options = 0
    for record in records {
      let name = try InstrumentName(parsing: record.instrument_name)
      #expect(name.text == record.instrument_name)
      #expect(name.market.split(separator: "_").first.map(String.init) == record.base_currency)
      switch name.contract {
      case .option(let expiry, let strike, let type):
        #expect(record.kind == "option" && expiry.expiry.rawValue == record.expiration_timestamp * 1_000_000)
        #expect(strike.doubleValue == record.strike && record.option_type == (type == .call ? "call" : "put"))
        let instrument = try Instrument(listed: name)
        #expect(instrument.expiry?.rawValue == record.expiration_timestamp * 1_000_000)
        #expect(instrument.priceCurrency == record.quote_currency)
        #expect(instrument.multiplier.doubleValue == record.contract_size)
        // The lot is Deribit's least amount; the tick is finer than its book of 2021 and divides it.
        #expect(instrument.lot.doubleValue == record.min_trade_amount)
        #expect(try ExactDecimal(parsing: "\(record.tick_size)").count(of: instrument.tick) == 5)
        options += 1
      case .future(let expiry):
        #expect(record.kind == "future" && expiry.expiry.rawValue == record.expiration_timestamp * 1_000_000)
      case .perpetual:
        #expect(record.kind == "future" && record.settlement_period == "perpetual")
      }
    }
    #expect(options > 700)
  }
}
