import ParleyMarket
import ParleyNegotiation
import ParleyNode
import ParleyOptions
import ParleyWire
import TestSupport
import Testing

@Suite("Chain maker")
struct ChainMakerTests {
  private static let asOf = UnixNanoseconds(1_795_248_000_000_000_000)
  private static let name = "BTC-27NOV26-100000-C"
  private static let chain = try! SyntheticChain(asOf: asOf).chain()

  private static func maker(_ change: (inout MakerPolicy) -> Void = { _ in }) -> ChainMaker {
    var policy = MakerPolicy()
    change(&policy)
    return ChainMaker(chain: chain, policy: policy)
  }

  /// A chain of the synthetic one's rows, changed.
  private static func maker(
    rows: (inout OptionSummary) -> Void, _ change: (inout MakerPolicy) -> Void = { _ in }
  ) throws -> ChainMaker {
    var summaries = chain.summaries
    for index in summaries.indices { rows(&summaries[index]) }
    var policy = MakerPolicy()
    change(&policy)
    return ChainMaker(chain: try OptionChain(summaries), policy: policy)
  }

  private func refusal(
    _ maker: ChainMaker, _ name: String = ChainMakerTests.name, specHash: Hash256? = nil, lots: Int64 = 10,
    side: RequestSide = .buy, committed: ExactDecimal = .zero, now: UnixNanoseconds = ChainMakerTests.asOf
  ) -> MakerRefusal? {
    do {
      var leg = Leg(listed: name)
      leg.specHash = specHash ?? leg.specHash
      _ = try maker.quote([leg], lots: Lots(lots), side: side, committed: committed, now: now)
      return nil
    } catch {
      return error
    }
  }

  // MARK: Quotes

  @Test("quotes around the mark, by the spread in volatility, rounded away from it") func quote() throws {
    let maker = Self.maker { $0.spread = 2 }
    let quote = try maker.quote(Self.name, lots: Lots(10), side: .twoWay, now: Self.asOf)
    let (bid, fair) = (try #require(quote.bid), try #require(quote.appraisal.fairTicks))
    #expect(bid < fair && fair < quote.ask)
    let option = quote.appraisal.legs[0]
    let row = option.summary
    let markIV = try #require(row.markIV)
    let expiry = try #require(option.instrument.expiry)
    for (points, ticks, towards) in [(2.0, quote.ask, 1.0), (-2.0, bid, -1.0)] {
      let exact = try Black76(
        .call, forward: row.underlyingPrice, strike: 100_000,
        expiry: OptionChain.years(from: Self.asOf, to: expiry),
        volatility: (markIV + points) / 100
      ).priceInUnderlying
      let away = (Double(ticks.rawValue) * 0.0001 - exact) * towards
      #expect(away >= 0 && away < 0.0001)
    }
    let (bidIV, askIV) = (try #require(option.volatility(of: bid)), try #require(option.volatility(of: quote.ask)))
    #expect(askIV >= markIV + 2 && bidIV <= markIV - 2)
    let greeks = try #require(option.greeks)
    #expect(greeks.delta > 0 && greeks.delta < 1 && greeks.vega > 0 && greeks.theta < 0)
  }

  @Test("the nearest tick to the mark is within half a tick, for every option of the chain") func halfTick() throws {
    let maker = Self.maker { $0.spread = 0 }
    for row in maker.pricer.chain.summaries {
      let quote = try maker.quote(row.name.text, lots: Lots(1), side: .twoWay, now: Self.asOf)
      let fair = quote.appraisal.fairPrice
      let ticks = try #require(quote.appraisal.fairTicks)
      #expect(abs(Double(ticks.rawValue) * 0.0001 - fair) <= 0.00005 + 1e-9)
      #expect(abs(fair - (try #require(row.markPrice))) <= 0.5e-8 + 1e-15)
      // Both sides can trade there when no edge is asked for, unless it rounds to nothing.
      guard ticks.rawValue > 0 else { continue }
      for side in Side.allCases {
        #expect(
          maker.respond(to: row.name.text, side: side, price: ticks, lots: Lots(1), now: Self.asOf) == .accept,
          "\(row.name)")
      }
      #expect(quote.ask.rawValue - (quote.bid?.rawValue ?? 0) <= 1)
    }
  }

  @Test("an option worth less than a tick has an ask and no bid") func cheap() throws {
    let maker = try Self.maker(rows: { $0.markIV = 5 })
    let name = "BTC-27NOV26-112000-C"
    let quote = try maker.quote(name, lots: Lots(1), side: .buy, now: Self.asOf)
    #expect(quote.bid == nil && quote.ask == Ticks(1))
    #expect(refusal(maker, name, side: .sell)?.code == .policy)
    #expect(refusal(maker, name, side: .twoWay) == nil)
    let response = maker.respond(to: name, side: .sell, price: Ticks(1), lots: Lots(1), now: Self.asOf)
    guard case .pass(let refusal) = response else {
      Issue.record("\(response)")
      return
    }
    #expect(refusal.code == .policy && refusal.field == .side)
    #expect(maker.respond(to: name, side: .buy, price: Ticks(0), lots: Lots(1), now: Self.asOf) == .requote(Ticks(1)))
  }

  // MARK: Counters

  @Test("accepts a counter that leaves the edge, and meets others half way down to it") func counters() throws {
    let maker = Self.maker {
      $0.spread = 4
      $0.minimumEdge = 1
    }
    let quote = try maker.quote(Self.name, lots: Lots(10), side: .twoWay, now: Self.asOf)
    let appraisal = quote.appraisal.legs[0]
    let upper = try #require(appraisal.price(shiftedBy: 1))
    let lower = try #require(appraisal.price(shiftedBy: -1))
    let least = try #require(appraisal.instrument.ticks(upper, rounded: .toNearestOrAwayFromZero))
    let most = try #require(appraisal.instrument.ticks(lower, rounded: .toNearestOrAwayFromZero))
    #expect(most < least && least < quote.ask)
    func buy(_ ticks: Int64) -> ChainMaker.Response {
      maker.respond(to: Self.name, side: .buy, price: Ticks(ticks), lots: Lots(10), now: Self.asOf)
    }
    func sell(_ ticks: Int64) -> ChainMaker.Response {
      maker.respond(to: Self.name, side: .sell, price: Ticks(ticks), lots: Lots(10), now: Self.asOf)
    }
    #expect(buy(least.rawValue) == .accept && buy(least.rawValue + 5) == .accept)
    #expect(buy(least.rawValue - 1) == .requote(Ticks((least.rawValue - 1 + quote.ask.rawValue + 1) / 2)))
    #expect(buy(least.rawValue - 40) == .requote(least))
    #expect(sell(most.rawValue) == .accept && sell(most.rawValue - 5) == .accept)
    #expect(sell(most.rawValue + 40) == .requote(most))
    let bid = try #require(quote.bid)
    #expect(sell(most.rawValue + 1) == .requote(Ticks((most.rawValue + 1 + bid.rawValue) / 2)))
  }

  @Test("a requote is never worse for the maker than its edge, nor than what the other side bid") func requotes() throws
  {
    var generator = SplitMix64(seed: 99)
    let maker = Self.maker {
      $0.spread = 3
      $0.minimumEdge = 0.5
      $0.bandShare = 10
    }
    for row in maker.pricer.chain.summaries {
      let quote = try maker.quote(row.name.text, lots: Lots(1), side: .twoWay, now: Self.asOf)
      let fair = try #require(quote.appraisal.fairTicks).rawValue
      for side in Side.allCases {
        let price = Ticks(fair + Int64.random(in: -30...30, using: &generator))
        switch maker.respond(to: row.name.text, side: side, price: price, lots: Lots(1), now: Self.asOf) {
        case .accept:
          #expect(side == .buy ? price.rawValue >= fair : price.rawValue <= fair, "\(row.name)")
        case .requote(let requote):
          #expect(side == .buy ? requote > price : requote < price, "\(row.name)")
          #expect(side == .buy ? requote.rawValue >= fair : requote.rawValue <= max(fair, 1), "\(row.name)")
          // The maker stands by its requote.
          let again = maker.respond(to: row.name.text, side: side, price: requote, lots: Lots(1), now: Self.asOf)
          #expect(again == .accept, "\(row.name)")
        case .pass(let refusal):
          #expect(refusal.code == .policy && side == .sell && fair <= 1, "\(row.name) \(refusal)")
        }
      }
    }
  }

  @Test("accepts its own quote, though the edge be wider than the spread") func ownQuote() throws {
    let maker = Self.maker {
      $0.spread = 1
      $0.minimumEdge = 5
    }
    let quote = try maker.quote(Self.name, lots: Lots(1), side: .twoWay, now: Self.asOf)
    let bid = try #require(quote.bid)
    #expect(maker.respond(to: Self.name, side: .buy, price: quote.ask, lots: Lots(1), now: Self.asOf) == .accept)
    #expect(maker.respond(to: Self.name, side: .sell, price: bid, lots: Lots(1), now: Self.asOf) == .accept)
  }

  @Test("passes on prices out of the band", arguments: [Int64.min, -1_000, 1_000, 10_000_000, .max])
  func band(ticks: Int64) throws {
    let maker = Self.maker()
    for side in Side.allCases {
      let response = maker.respond(to: Self.name, side: side, price: Ticks(ticks), lots: Lots(10), now: Self.asOf)
      guard case .pass(let refusal) = response else {
        Issue.record("\(response)")
        return
      }
      #expect(refusal.code == .band && refusal.field == .price)
    }
  }

  @Test("the band is a share of the price, and some ticks at the least") func bandEdges() throws {
    let maker = Self.maker {
      $0.bandShare = 0.5
      $0.bandTicks = 10
    }
    let name = "BTC-27NOV26-83000-C"
    let fair = try #require(
      try maker.quote(name, lots: Lots(1), side: .buy, now: Self.asOf).appraisal.fairTicks
    ).rawValue
    func isPassed(_ ticks: Int64) -> Bool {
      if case .pass = maker.respond(to: name, side: .buy, price: Ticks(ticks), lots: Lots(1), now: Self.asOf) {
        return true
      }
      return false
    }
    #expect(!isPassed(fair - fair / 2) && isPassed(fair - fair / 2 - 1))
    let tight = Self.maker {
      $0.bandShare = 0
      $0.bandTicks = 10
    }
    #expect(tight.respond(to: name, side: .buy, price: Ticks(fair + 10), lots: Lots(1), now: Self.asOf) == .accept)
    #expect(tight.respond(to: name, side: .buy, price: Ticks(fair + 11), lots: Lots(1), now: Self.asOf) != .accept)
  }

  // MARK: Refusals

  @Test(
    "refuses what is no option of its chain",
    arguments: [
      "", "nonsense", "BTC-27NOV26-100000", "BTC-PERPETUAL", "BTC-27NOV26", "BTC-CS-27NOV26-90000_100000",
      "SOL-27NOV26-100-C", "BTC-27NOV26-100001-C", "ETH-27NOV26-3000-C",
    ])
  func unknown(name: String) throws {
    let found = try #require(refusal(Self.maker(), name))
    #expect(found.code == .spec && found.field == .instrument && !found.text.isEmpty)
    #expect(found.text.utf8.count <= 128)
  }

  @Test("refuses an option defined otherwise") func specification() throws {
    let maker = Self.maker()
    #expect(refusal(maker, specHash: Hash256(try Instrument(listed: Self.name).specHash)) == nil)
    #expect(refusal(maker, specHash: .zero)?.code == .spec)
  }

  @Test("refuses amounts of nothing, and those over its limits") func amounts() throws {
    let maker = Self.maker {
      $0.maximumAmount = ExactDecimal(5)
      $0.maximumTotalAmount = ExactDecimal(20)
    }
    for lots: Int64 in [0, -1, .min] {
      #expect(refusal(maker, lots: lots)?.code == .lots)
    }
    #expect(refusal(maker, lots: 50) == nil)
    for lots: Int64 in [51, 1_000_000, .max] {
      #expect(refusal(maker, lots: lots)?.code == .limit)
    }
    #expect(refusal(maker, lots: 50, committed: ExactDecimal(15)) == nil)
    #expect(refusal(maker, lots: 50, committed: ExactDecimal(151, scale: 1))?.code == .limit)
    #expect(refusal(maker, lots: 1, committed: ExactDecimal(.max))?.code == .limit)
    #expect(refusal(maker, lots: 51)?.field == .lots)
  }

  @Test("refuses options that its policy leaves out") func selection() throws {
    let day = try #require(CivilDate(deribit: "27NOV26"))
    let other = "BTC-25DEC26-100000-C"
    let named = Self.maker { $0.selection = .names([try! InstrumentName(parsing: other)]) }
    #expect(refusal(named)?.code == .policy && refusal(named, other) == nil)
    let dated = Self.maker { $0.selection = .expiries(day...day) }
    #expect(refusal(dated) == nil && refusal(dated, other)?.code == .policy)
  }

  @Test("refuses options without a volatility, a forward or time") func unpriceable() throws {
    #expect(refusal(try Self.maker(rows: { $0.markIV = nil }))?.code == .policy)
    #expect(refusal(try Self.maker(rows: { $0.markIV = 0 }))?.code == .policy)
    let index = try Self.maker(rows: {
      $0.underlyingIndex = OptionSummary.indexPrice
      $0.markPrice = nil
    })
    #expect(refusal(index)?.code == .policy)
    let expired = try Self.maker(rows: { $0.createdAt = UnixNanoseconds(1_795_766_400_000_000_000) })
    #expect(refusal(expired)?.code == .spec)
    let last = try Self.maker(rows: { $0.createdAt = UnixNanoseconds(1_795_766_399_999_000_000) })
    #expect(refusal(last) == nil)
  }

  @Test("prices at the present time, and refuses what is too old for it") func now() throws {
    let maker = Self.maker {
      $0.valuation = .now
      $0.maximumChainAge = .seconds(86_400)
    }
    let hours: (Int64) -> UnixNanoseconds = { Self.asOf.advanced(byNanoseconds: $0 * 3_600_000_000_000) }
    let soon = try maker.quote(Self.name, lots: Lots(1), side: .buy, now: hours(1))
    let later = try maker.quote(Self.name, lots: Lots(1), side: .buy, now: hours(24))
    #expect(later.appraisal.fairPrice < soon.appraisal.fairPrice)
    #expect(refusal(maker, now: hours(24).advanced(byNanoseconds: 1))?.code == .policy)
    #expect(refusal(maker, now: hours(-24)) == nil)
    #expect(refusal(maker, now: hours(-25))?.code == .policy)
    #expect(refusal(maker, now: UnixNanoseconds(.max))?.code == .policy)
    #expect(refusal(maker, now: UnixNanoseconds(.min))?.code == .policy)
    // At the chain's time the clock does not matter.
    #expect(refusal(Self.maker(), now: UnixNanoseconds(.max)) == nil)
    let long = Self.maker {
      $0.valuation = .now
      $0.maximumChainAge = .seconds(86_400 * 30)
    }
    #expect(refusal(long, now: UnixNanoseconds(1_795_766_400_000_000_000))?.code == .spec)
  }
}
