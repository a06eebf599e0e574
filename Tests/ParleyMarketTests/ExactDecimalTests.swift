import ParleyMarket
import ParleyWire
import TestSupport
import Testing

@Suite("Exact decimals")
struct ExactDecimalTests {
  @Test(
    "read and write what they are",
    arguments: [
      ("0", "0", 0, 0), ("0.1", "0.1", 1, 1), ("-0.0001", "-0.0001", -1, 4), ("100000", "100000", 100_000, 0),
      ("1.50", "1.5", 15, 1), ("10.00", "10", 10, 0), ("-0", "0", 0, 0),
      ("999999999999999999", "999999999999999999", 999_999_999_999_999_999, 0),
    ] as [(String, String, Int64, UInt8)])
  func parse(text: String, written: String, mantissa: Int64, scale: UInt8) throws {
    let decimal = try ExactDecimal(parsing: text)
    #expect(decimal.mantissa == mantissa && decimal.scale == scale && decimal.description == written)
    #expect(try ExactDecimal(parsing: decimal.description) == decimal)
  }

  @Test(
    "refuse everything else",
    arguments: [
      "", "-", ".", "1.", ".5", "01", "00", "1e3", "+1", " 1", "1 ", "1,5", "0x1", "--1", "1.2.3", "١", "NaN",
      "1234567890123456789", "0.1234567890123456789", "0.000000000000000001",
    ])
  func refuse(text: String) {
    #expect(throws: MarketError.malformedDecimal(text)) { try ExactDecimal(parsing: text) }
  }

  @Test("an overlong text is cut in the error") func clipped() {
    let text = String(repeating: "9", count: 500)
    #expect(throws: MarketError.malformedDecimal(String(text.prefix(64)))) { try ExactDecimal(parsing: text) }
  }

  @Test("count steps exactly") func count() throws {
    func count(_ value: String, _ step: String) throws -> Int64 {
      try ExactDecimal(parsing: value).count(of: ExactDecimal(parsing: step))
    }
    #expect(try count("0.0221", "0.0001") == 221)
    #expect(try count("-3", "0.5") == -6)
    #expect(try count("7", "0.1") == 70)
    #expect(throws: MarketError.notMultiple(ExactDecimal(15, scale: 1), of: ExactDecimal(1))) { try count("1.5", "1") }
    #expect(throws: MarketError.notMultiple(ExactDecimal(1, scale: 5), of: ExactDecimal(1, scale: 4))) {
      try count("0.00001", "0.0001")
    }
    #expect(throws: MarketError.overflow) { try count("999999999999999999", "0.000001") }
    #expect(throws: MarketError.notPositive(.zero)) { try count("1", "0") }
    #expect(throws: MarketError.notPositive(ExactDecimal(-1))) { try count("1", "-1") }
    #expect(try ExactDecimal(.min).count(of: ExactDecimal(1)) == .min)
    #expect(throws: MarketError.overflow) { try ExactDecimal(.min).count(of: ExactDecimal(1, scale: 1)) }
  }

  @Test("multiply, add and compare without loss or overflow") func arithmetic() throws {
    #expect(try ExactDecimal(25, scale: 1).times(ExactDecimal(4)) == ExactDecimal(10))
    #expect(throws: MarketError.overflow) { try ExactDecimal(.max).times(ExactDecimal(2)) }
    #expect(throws: MarketError.overflow) { try ExactDecimal(1, scale: 10).times(ExactDecimal(1, scale: 9)) }
    #expect(try ExactDecimal(.max).plus(ExactDecimal(-1)) == ExactDecimal(.max - 1))
    #expect(throws: MarketError.overflow) { try ExactDecimal(.max).plus(ExactDecimal(1, scale: 1)) }
    #expect(try ExactDecimal(15, scale: 1).plus(ExactDecimal(5, scale: 1)) == ExactDecimal(2))
    #expect(ExactDecimal(1, scale: 18) < ExactDecimal(.max))
    #expect(!(ExactDecimal(1, scale: 1) < ExactDecimal(1, scale: 1)))
    #expect(ExactDecimal(-1) < .zero)
    #expect(ExactDecimal(1, scale: 4).doubleValue == 0.0001)
  }

  @Test("agree with integers over random numbers") func random() throws {
    var generator = SplitMix64(seed: 4)
    for _ in 0..<2_000 {
      let step = ExactDecimal(
        Int64.random(in: 1...1_000_000, using: &generator), scale: UInt8.random(in: 0...9, using: &generator))
      let count = Int64.random(in: -1_000_000...1_000_000, using: &generator)
      let product = try ExactDecimal(count).times(step)
      #expect(try product.count(of: step) == count)
      #expect(try ExactDecimal(parsing: product.description) == product)
    }
  }
}

@Suite("Market errors")
struct MarketErrorTests {
  @Test(
    "say what is wrong",
    arguments: [
      MarketError.malformedName("x"), .unsupportedName("x"), .undefinedInstrument("x"), .notPositive(ExactDecimal(-1)),
      .malformedDecimal("x"), .notMultiple(ExactDecimal(5), of: ExactDecimal(2)), .overflow, .json(.unexpectedEnd),
      .notSummaryReply, .exchangeError(code: 1, message: "x"), .tooManyInstruments(2, limit: 1), .emptyChain,
      .duplicateInstrument("x"), .notOption("x"), .malformedField("x", instrument: "y"),
    ])
  func text(error: MarketError) {
    let text = "\(error)"
    #expect(text.contains(" ") && !text.contains("(") && text.last != ".")
  }
}
