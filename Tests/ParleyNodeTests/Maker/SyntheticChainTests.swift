import Foundation
import ParleyMarket
import ParleyNode
import ParleyOptions
import ParleyWire
import Testing

@Suite("Synthetic chains")
struct SyntheticChainTests {
  private static let asOf = UnixNanoseconds(1_795_248_000_123_456_789)
  private static let made = Result { try SyntheticChain(asOf: asOf).chain() }

  @Test("marks are Black-76 of the printed forward, volatility and time, to the last printed digit")
  func marks() throws {
    for description in [
      SyntheticChain(asOf: Self.asOf),
      SyntheticChain(
        market: "ETH", spot: 3210.55, asOf: Self.asOf, shortVolatility: 0.7, longVolatility: 0.6, tilt: 0.1),
    ] {
      // What anybody would do with the file.
      let chain = try OptionChain(parsing: description.chain().serialized())
      #expect(chain.summaries.count > 300)
      for row in chain.summaries {
        let option = try Black76(
          row.type == .call ? .call : .put, forward: row.underlyingPrice, strike: row.strike.doubleValue,
          expiry: OptionChain.years(from: row.createdAt, to: row.expiryDay.expiry),
          volatility: try #require(row.markIV) / 100)
        let mark = try #require(row.markPrice)
        #expect(abs(option.priceInUnderlying - mark) <= 0.5e-8 + 1e-15, "\(row.name)")
        #expect(mark == (mark * 1e8).rounded() / 1e8)
        #expect(chain.forward(of: row) == row.underlyingPrice)
        #expect(row.createdAt.rawValue == 1_795_248_000_123_000_000)
      }
    }
  }

  @Test("rows are those of a real market: bid, mark and ask in order, on ticks") func rows() throws {
    let chain = try Self.made.get()
    for row in chain.summaries {
      let (mark, ask) = (try #require(row.markPrice), try #require(row.askPrice))
      let tick = mark < 0.005 ? 0.0001 : 0.0005
      #expect(ask > mark)
      #expect(abs(ask / tick - (ask / tick).rounded()) < 1e-9)
      if let bid = row.bidPrice {
        #expect(bid < mark && bid >= tick)
        #expect(abs(bid / tick - (bid / tick).rounded()) < 1e-9)
        #expect(abs(try #require(row.midPrice) - (bid + ask) / 2) < 1e-9)
      } else {
        #expect(row.midPrice == nil && mark < 0.001)
      }
      for value in [row.openInterest, row.volume, row.volumeUSD] { #expect(try #require(value) >= 0) }
      if let last = row.last {
        #expect(try #require(row.low) <= last)
        #expect(try #require(row.high) >= last)
      } else {
        #expect(row.high == nil && row.low == nil)
      }
    }
    #expect(chain.summaries.contains { $0.bidPrice == nil } || chain.summaries.allSatisfy { $0.bidPrice != nil })
    // The members, in order, of a recorded row.
    #expect(
      chain.json["result"]?[0]?.objectValue?.keys == [
        "high", "low", "last", "instrument_name", "bid_price", "ask_price", "open_interest", "mark_price",
        "creation_timestamp", "price_change", "interest_rate", "volume", "mark_iv", "underlying_price",
        "underlying_index", "estimated_delivery_price", "base_currency", "quote_currency", "volume_usd", "mid_price",
      ])
  }

  @Test("marks admit no arbitrage: calls fall and are convex in the strike, total variance rises with time")
  func arbitrage() throws {
    let description = SyntheticChain(asOf: Self.asOf)
    let chain = try Self.made.get()
    let slices = try description.slices()
    for slice in slices {
      let calls = chain.summaries(expiring: slice.day).filter { $0.type == .call }
      #expect(calls.count >= 20)
      let points = try calls.map { (strike: $0.strike.doubleValue, price: try #require($0.markPrice) * slice.forward) }
      for (low, high) in zip(points, points.dropFirst()) {
        let slope = (high.price - low.price) / (high.strike - low.strike)
        #expect(slope < 0 && slope > -1)
      }
      // A volatility of two decimals moves a price by a few cents, and a butterfly by twice that.
      let cent = 0.005 * 0.01 * slice.forward * slice.years.squareRoot() * 0.4
      for index in points.indices.dropFirst().dropLast() {
        let (low, middle, high) = (points[index - 1], points[index], points[index + 1])
        let share = (high.strike - middle.strike) / (high.strike - low.strike)
        #expect(share * low.price + (1 - share) * high.price - middle.price > -2 * cent, "\(slice.day) \(middle)")
      }
    }
    let grid = stride(from: -2.0, through: 2.0, by: 0.01)
    for (early, late) in zip(slices, slices.dropFirst()) {
      #expect(early.smile.calendarFaults(before: late.smile, on: grid).isEmpty)
    }
    for slice in slices { #expect(slice.smile.butterflyFaults(on: grid).isEmpty) }
  }

  @Test("expire on the next four Fridays, then at the ends of months and quarters") func expiries() throws {
    let days = try Self.made.get().expiryDays
    #expect(
      days.map(\.deribit) == [
        "27NOV26", "4DEC26", "11DEC26", "18DEC26", "25DEC26", "29JAN27", "26MAR27", "25JUN27", "24SEP27",
      ])
    // Just before and at the moment of an expiry.
    let friday = try #require(CivilDate(deribit: "27NOV26")).expiry
    let before = try SyntheticChain(asOf: friday.advanced(byNanoseconds: -86_400_000_000_000)).slices()
    let at = try SyntheticChain(asOf: friday).slices()
    #expect(before.first?.day.deribit == "27NOV26" && at.first?.day.deribit == "4DEC26")
    for offset in stride(from: 0, to: 400, by: 40) {
      let time = friday.advanced(byNanoseconds: Int64(offset) * 86_400_000_000_000)
      let days = try SyntheticChain(asOf: time).slices().map(\.day)
      #expect(days.count == 9 && days == days.sorted() && Set(days).count == 9)
      #expect(days.allSatisfy { $0.weekday == 4 && $0.expiry > time })
    }
  }

  @Test("a strike at every round place near the money") func strikes() throws {
    let chain = try Self.made.get()
    for name in ["BTC-27NOV26-100000-C", "BTC-27NOV26-96000-P", "BTC-25DEC26-100000-C", "BTC-26MAR27-100000-P"] {
      #expect(chain[name] != nil, "\(name)")
    }
  }

  @Test("equal descriptions give equal chains, others others") func deterministic() throws {
    let one = try Self.made.get()
    #expect(try SyntheticChain(asOf: Self.asOf).chain().serialized() == one.serialized())
    #expect(try SyntheticChain(spot: 97_000, asOf: Self.asOf).chain() != one)
  }

  @Test("refuse what gives no market", arguments: 0..<9) func refuses(which: Int) {
    var description = SyntheticChain(asOf: Self.asOf)
    switch which {
    case 0: description.spot = 0.5
    case 1: description.spot = .nan
    case 2: description.shortVolatility = 0
    case 3: description.longVolatility = 5
    case 4: description.tilt = -1
    case 5: description.carry = .infinity
    case 6: description.market = "SOL"
    case 7: description.asOf = UnixNanoseconds(-1)
    default: description.asOf = UnixNanoseconds(.max)
    }
    #expect(throws: SyntheticChain.Failure.parameters) { try description.chain() }
  }

  @Test("a surface whose variance falls with time is refused") func calendar() {
    let description = SyntheticChain(asOf: Self.asOf, shortVolatility: 3, longVolatility: 0.05)
    #expect(throws: SyntheticChain.Failure.self) { try description.chain() }
  }

  @Test("every allowed corner gives a chain or says why not") func corners() {
    for spot in [1.0, 90, 1e7] {
      for volatility in [0.05, 3] {
        for tilt in [-0.8, 0.8] {
          let description = SyntheticChain(
            spot: spot, asOf: Self.asOf, shortVolatility: volatility, longVolatility: volatility, tilt: tilt)
          do {
            let chain = try description.chain()
            #expect(!chain.summaries.isEmpty)
          } catch {
            #expect(error == .parameters, "\(description) \(error)")
          }
        }
      }
    }
  }
}
