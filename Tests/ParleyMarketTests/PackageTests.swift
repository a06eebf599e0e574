import ParleyMarket
import TestSupport
import Testing

@Suite("Packages")
struct PackageTests {
  private static let call = "BTC-27NOV26-100000-C"
  private static let higher = "BTC-27NOV26-110000-C"
  private static let put = "BTC-27NOV26-90000-P"

  @Test(
    "come back byte for byte",
    arguments: [
      call, "-\(call)", "\(call),-\(higher)", "\(call),-2*\(higher)", "-3*\(put),2*\(call)", "1000000*\(put),\(call)",
      "ETH-27NOV26-3000-C,ETH-27NOV26-3000-P",
    ])
  func roundTrip(text: String) throws {
    let package = try Package(parsing: text)
    #expect(package.description == text)
    #expect(try Package(package.legs) == package)
  }

  @Test(
    "that are none are refused",
    arguments: [
      ("\(call),\(call)", "twice"), ("\(call),-\(call)", "twice"), ("2*\(call)", "divisor"),
      ("2*\(call),-4*\(higher)", "divisor"), ("\(call),ETH-27NOV26-3000-C", "markets"), ("0*\(call)", "ratio"),
      ("01*\(call)", "not a ratio"), ("-*\(call)", "not a ratio"), ("1000001*\(call),\(put)", "ratio"),
      ("9223372036854775808*\(call)", "not a ratio"), ("+2*\(call),\(put)", "not a ratio"),
      ((0...20).map { "BTC-27NOV26-\($0 + 1)000-C" }.joined(separator: ","), "20 legs"),
      (String(repeating: "x", count: 2_049), "2048"),
    ])
  func refused(text: String, why: String) {
    let error = #expect(throws: MarketError.self) { try Package(parsing: text) }
    #expect(error?.description.contains(why) == true, "\(error.debugDescription)")
  }

  @Test(
    "of names that are none are refused as those",
    arguments: ["", ",", "\(call),", "--\(call)", "- \(call)", "2*", "2*3*\(call)", "BTC-PERPETUAL,\(call)"])
  func names(text: String) {
    #expect(throws: MarketError.self) { try Package(parsing: text) }
  }

  @Test("cost the sum of their legs, sold ones taken away") func net() throws {
    let package = try Package(parsing: "\(Self.call),-2*\(Self.higher),3*\(Self.put)")
    #expect(package.net([Ticks(100), Ticks(40), Ticks(7)]) == Ticks(41))
    #expect(package.net([Ticks(0), Ticks(.max), Ticks(0)]) == nil)
    let lots = try package.lots(ExactDecimal(parsing: "1.5"))
    #expect(lots == Lots(15))
    #expect(try package.contracts(lots) == ExactDecimal(9))
  }

  @Test("a net is made of prices near to given ones") func prices() throws {
    let spread = try Package(parsing: "-\(Self.call),\(Self.higher)")
    // The dearer leg, which is sold, takes the difference.
    #expect(
      spread.prices(making: Ticks(-55), near: [Ticks(100), Ticks(40)]) == [Ticks(95), Ticks(40)])
    let coprime = try Package(parsing: "2*\(Self.call),-3*\(Self.higher)")
    #expect(coprime.prices(making: Ticks(81), near: [Ticks(100), Ticks(40)]) == [Ticks(99), Ticks(39)])
    #expect(spread.prices(making: Ticks(.min), near: [Ticks(1), Ticks(1)]) == nil)
  }

  @Test("every net that is given out is the one that was asked for, whatever the package") func anyPrices() throws {
    var generator = SplitMix64(seed: 7)
    var made = 0
    for _ in 0..<2_000 {
      let count = Int.random(in: 1...20, using: &generator)
      let top: Int64 = [3, 10, 1_000_000].randomElement(using: &generator)!
      let legs = try (0..<count).map { index in
        PackageLeg(
          try Instrument(listed: "BTC-27NOV26-\(index + 1)000-C"), isSold: .random(using: &generator),
          ratio: .random(in: 1...top, using: &generator))
      }
      guard let package = try? Package(legs) else { continue }
      let reference = legs.map { _ in Ticks(.random(in: -1_000...100_000, using: &generator)) }
      let net = Ticks(.random(in: -1_000_000...1_000_000, using: &generator))
      guard let prices = package.prices(making: net, near: reference) else { continue }
      #expect(package.net(prices) == net)
      made += 1
    }
    #expect(made > 1_000)
  }
}
