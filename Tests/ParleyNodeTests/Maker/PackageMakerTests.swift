import ParleyMarket
import ParleyNegotiation
import ParleyNode
import ParleyWire
import Testing

@Suite("Chain maker, packages")
struct PackageMakerTests {
  private static let asOf = UnixNanoseconds(1_795_248_000_000_000_000)
  private static let chain = try! SyntheticChain(asOf: asOf).chain()
  private static let near = "BTC-27NOV26-83000-C"
  private static let far = "BTC-27NOV26-90000-C"
  private static let put = "BTC-27NOV26-83000-P"

  private static func maker(_ change: (inout MakerPolicy) -> Void = { _ in }) -> ChainMaker {
    var policy = MakerPolicy()
    change(&policy)
    return ChainMaker(chain: chain, policy: policy)
  }

  private func quote(_ maker: ChainMaker, _ legs: [Leg], side: RequestSide = .twoWay) throws -> ChainMaker.Quote {
    try maker.quote(legs, lots: Lots(10), side: side, now: Self.asOf)
  }

  @Test("a spread is its legs' difference, as wide as its wider leg") func spread() throws {
    let maker = Self.maker { $0.spread = 2 }
    let legs = [Leg(listed: Self.near), Leg(listed: Self.far, .sell)]
    let quote = try quote(maker, legs)
    let singles = try legs.map { try self.quote(maker, [Leg(listed: $0.instrument)]) }
    let fair = singles[0].appraisal.fairPrice - singles[1].appraisal.fairPrice
    #expect(abs(quote.appraisal.fairPrice - fair) < 1e-15)
    let bid = try #require(quote.bid)
    let widths = singles.map { $0.ask.rawValue - $0.bid!.rawValue }
    let width = quote.ask.rawValue - bid.rawValue
    #expect(abs(width - widths.max()!) <= 2 && width < widths.reduce(0, +) - 2)
    // Sold whole, it is the same market the other way round.
    let reversed = [Leg(listed: Self.near, .sell), Leg(listed: Self.far)]
    let mirror = try self.quote(maker, reversed)
    // An option's price is not quite as far below its fair one as above it.
    #expect(abs(mirror.ask.rawValue + bid.rawValue) <= 1 && abs((mirror.bid?.rawValue ?? 0) + quote.ask.rawValue) <= 1)
  }

  @Test("ratios count in price, width and size") func ratios() throws {
    let maker = Self.maker { $0.maximumAmount = ExactDecimal(3) }
    let legs = [Leg(listed: Self.near), Leg(listed: Self.far, .sell, ratio: 2)]
    let quote = try quote(maker, legs)
    let fair =
      try self.quote(maker, [Leg(listed: Self.near)]).appraisal.fairPrice
      - 2 * self.quote(maker, [Leg(listed: Self.far)]).appraisal.fairPrice
    #expect(abs(quote.appraisal.fairPrice - fair) < 1e-15)
    let refusal = #expect(throws: MakerRefusal.self) {
      try maker.quote(legs, lots: Lots(11), side: .buy, now: Self.asOf)
    }
    #expect(refusal?.code == .limit)
  }

  @Test("prices of the legs make the net of every quote") func prices() throws {
    let maker = Self.maker()
    let packages: [[Leg]] = [
      [Leg(listed: Self.near)], [Leg(listed: Self.near), Leg(listed: Self.far, .sell)],
      [Leg(listed: Self.near), Leg(listed: Self.put)],
      [Leg(listed: Self.near, ratio: 2), Leg(listed: Self.far, .sell, ratio: 3)],
    ]
    for legs in packages {
      let quote = try quote(maker, legs)
      for net in [quote.ask, try #require(quote.bid)] {
        let prices = try #require(maker.prices(of: legs, making: net, now: Self.asOf)).map(\.rawValue)
        #expect(OfferSide(prices: prices, lotsMin: 1, lotsMax: 1).net(legs) == net.rawValue)
      }
    }
  }

  @Test("meets counters on a package as on an option, its price below nothing or not") func counters() throws {
    let maker = Self.maker { $0.spread = 4 }
    for legs in [
      [Leg(listed: Self.near), Leg(listed: Self.far, .sell)], [Leg(listed: Self.near, .sell), Leg(listed: Self.far)],
    ] {
      let quote = try quote(maker, legs)
      let fair = try #require(quote.appraisal.fairTicks)
      func respond(_ side: Side, _ ticks: Int64) -> ChainMaker.Response {
        maker.respond(to: legs, side: side, price: Ticks(ticks), lots: Lots(10), now: Self.asOf)
      }
      #expect(respond(.buy, fair.rawValue) == .accept && respond(.sell, fair.rawValue) == .accept)
      guard case .requote(let requote) = respond(.buy, fair.rawValue - 5) else {
        Issue.record("no requote")
        continue
      }
      #expect(requote >= fair && respond(.buy, requote.rawValue) == .accept)
      guard case .pass(let refusal) = respond(.buy, fair.rawValue + 1_000_000) else {
        Issue.record("not out of the band")
        continue
      }
      #expect(refusal.code == .band)
    }
  }

  @Test("refuses what is no package, and a leg that is no option of its chain") func refusals() {
    let maker = Self.maker { $0.selection = .names([try! InstrumentName(parsing: Self.near)]) }
    let cases: [([Leg], NegotiationCode)] = [
      ([Leg(listed: Self.near), Leg(listed: Self.near, .sell)], .policy),
      ([Leg(listed: Self.near), Leg(listed: Self.far, .sell)], .policy),
      ([Leg(listed: Self.near), Leg(listed: "BTC-PERPETUAL")], .spec),
      ([Leg(listed: Self.near), Leg(instrument: Self.far, specHash: .zero)], .spec), ([], .policy),
    ]
    for (legs, code) in cases {
      let refusal = #expect(throws: MakerRefusal.self) {
        try maker.quote(legs, lots: Lots(1), side: .buy, now: Self.asOf)
      }
      #expect(refusal?.code == code)
    }
  }
}
