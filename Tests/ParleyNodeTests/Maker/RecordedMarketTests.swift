import Foundation
import ParleyMarket
import ParleyNegotiation
import ParleyNode
import ParleyOptions
import ParleyWire
import TestSupport
import Testing

/// The recorded chain of 908 options: bounds are those that its README entry states.
@Suite(
  "The recorded chain, priced", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct RecordedChainPricingTests {
  private static let recorded = Result {
    try OptionChain(parsing: [UInt8](SharedVectors.data("market/deribit_btc_option_chain_2026-04-28.json")))
  }

  private static func chain() throws -> OptionChain { try recorded.get() }

  /// A present time months after the chain, when most of its options are gone.
  private static let now = UnixNanoseconds(1_795_248_000_000_000_000)

  @Test("every mark is Black-76 at its volatility") func marks() throws {
    let chain = try Self.chain()
    let pricer = ChainPricer(chain: chain)
    var errors = [Double]()
    var indexErrors = [Double]()
    for row in chain.summaries {
      let appraisal = try pricer.appraise(row.name.text, now: Self.now)
      let error = abs(appraisal.fairPrice - (try #require(row.markPrice)))
      if row.underlyingIndex == OptionSummary.indexPrice { indexErrors.append(error) } else { errors.append(error) }
    }
    #expect(errors.count == 746 && indexErrors.count == 162)
    #expect(try #require(errors.max()) <= 2.15e-5)
    #expect(errors.sorted()[373] <= 2.2e-6)
    // With forwards by parity; with the index for a forward it would be 4.5e-4.
    #expect(try #require(indexErrors.max()) <= 2.1e-6)
  }

  @Test("a trade is possible within half a tick of Black-76 on every mark") func halfTick() throws {
    let chain = try Self.chain()
    let maker = ChainMaker(chain: chain)
    for row in chain.summaries {
      let name = row.name.text
      let quote = try maker.quote(name, lots: Lots(1), side: .buy, now: Self.now)
      let fair = quote.appraisal.fairPrice
      let ticks = try #require(quote.appraisal.fairTicks)
      #expect(abs(Double(ticks.rawValue) * 0.0001 - fair) <= 0.00005 + 1e-9)
      #expect(Double(quote.ask.rawValue) * 0.0001 >= fair)
      if let bid = quote.bid { #expect(Double(bid.rawValue) * 0.0001 <= fair && bid < quote.ask) }
      guard ticks.rawValue > 0 else { continue }
      #expect(maker.respond(to: name, side: .buy, price: ticks, lots: Lots(1), now: Self.now) == .accept, "\(name)")
      #expect(maker.respond(to: name, side: .sell, price: ticks, lots: Lots(1), now: Self.now) == .accept, "\(name)")
    }
  }

  @Test("priced at the present time it is too old") func stale() throws {
    let maker = ChainMaker(chain: try Self.chain(), policy: MakerPolicy(valuation: .now))
    #expect(throws: MakerRefusal.self) {
      try maker.quote("BTC-26MAR27-100000-C", lots: Lots(1), side: .buy, now: Self.now)
    }
  }

  @Test("the volatilities of its quotes bracket the marks'") func quotes() throws {
    let chain = try Self.chain()
    let pricer = ChainPricer(chain: chain)
    var (bracketed, quoted) = (0, 0)
    for row in chain.summaries {
      guard let bid = row.bidPrice, let ask = row.askPrice, let mark = row.markPrice, bid < mark, mark < ask else {
        continue
      }
      let appraisal = try pricer.appraise(row.name.text, now: Self.now)
      guard let bidIV = appraisal.volatility(of: bid), let askIV = appraisal.volatility(of: ask),
        let markIV = row.markIV
      else { continue }
      quoted += 1
      // Deep in the money a rounded mark says little about a volatility.
      if bidIV <= markIV + 0.2, markIV <= askIV + 0.2 { bracketed += 1 }
    }
    #expect(quoted > 600 && bracketed > quoted * 99 / 100)
  }
}

/// The option tickers of a recorded Deribit session of 2021, whose README entry states how far they lie from the model.
@Suite(
  "Recorded tickers", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct RecordedTickerTests {
  struct Message: Decodable {
    struct Parameters: Decodable {
      let channel: String
      let data: Ticker?
    }
    let params: Parameters?
  }

  struct Ticker: Decodable {
    struct PrintedGreeks: Decodable {
      let delta: Double
      let gamma: Double
      let vega: Double
      let theta: Double
      let rho: Double
    }
    let instrument_name: String
    let timestamp: Int64
    let underlying_price: Double?
    let underlying_index: String?
    let mark_price: Double?
    let mark_iv: Double?
    let greeks: PrintedGreeks?
  }

  @Test("the 89 option tickers have our Greeks") func tickers() throws {
    let text = String(decoding: try SharedVectors.data("market/recorded/DERIBIT.ws.1.0"), as: UTF8.self)
    var count = 0
    var floors = Set<String>()
    for line in text.split(separator: "\n") {
      guard let start = line.firstIndex(of: "{"), line.contains("\"channel\":\"ticker."),
        let message = try? JSONDecoder().decode(Message.self, from: Data(line[start...].utf8)),
        let ticker = message.params?.data, let printed = ticker.greeks, let underlying = ticker.underlying_price,
        let markIV = ticker.mark_iv, let markPrice = ticker.mark_price
      else { continue }
      let name = try InstrumentName(parsing: ticker.instrument_name)
      guard case .option(let day, let strike, let type) = name.contract else { continue }
      let option = try Black76(
        type == .call ? .call : .put, forward: underlying, strike: strike.doubleValue,
        expiry: OptionChain.years(from: UnixNanoseconds(ticker.timestamp * 1_000_000), to: day.expiry),
        volatility: markIV / 100)
      let greeks = try #require(DeribitGreeks(option))
      #expect(abs(greeks.delta - printed.delta) <= 1.1e-5, "\(name)")
      #expect(abs(greeks.gamma - printed.gamma) <= 5.1e-6, "\(name)")
      #expect(abs(greeks.vega - printed.vega) <= 0.0018, "\(name)")
      #expect(abs(greeks.rho - printed.rho) <= 0.0031, "\(name)")
      #expect(abs(greeks.theta - printed.theta) <= 0.0031, "\(name)")
      #expect(abs(option.priceInUnderlying - markPrice) <= 2.1e-4, "\(name)")
      if greeks.theta == -option.undiscountedPrice { floors.insert(name.text) }
      count += 1
    }
    #expect(count == 89)
    #expect(floors == ["ETH-23JUL21-2300-C"])
  }

  /// Single messages of later years: closed options, combinations and linear options among them.
  @Test("single recorded tickers, on a forward and alive, have our Greeks") func singles() throws {
    let messages = try SharedVectors.json("market/tardis_messages/deribit.json", as: [LossyMessage].self)
    var priced = [String]()
    for ticker in messages.compactMap(\.ticker) {
      guard let name = try? InstrumentName(parsing: ticker.instrument_name),
        case .option(let day, let strike, let type) = name.contract, ticker.underlying_index != "index_price",
        let printed = ticker.greeks, let underlying = ticker.underlying_price, let markIV = ticker.mark_iv
      else { continue }
      let years = OptionChain.years(from: UnixNanoseconds(ticker.timestamp * 1_000_000), to: day.expiry)
      guard years > 0 else {
        #expect(name.text == "BTC-8JUN20-8750-P" && printed.delta == 0)
        continue
      }
      let option = try Black76(
        type == .call ? .call : .put, forward: underlying, strike: strike.doubleValue, expiry: years,
        volatility: markIV / 100)
      let greeks = try #require(DeribitGreeks(option))
      #expect(abs(greeks.delta - printed.delta) <= 1.1e-5, "\(name)")
      #expect(abs(greeks.gamma - printed.gamma) <= 5.1e-6, "\(name)")
      #expect(abs(greeks.vega - printed.vega) <= 0.0018, "\(name)")
      #expect(abs(greeks.rho - printed.rho) <= 0.0031, "\(name)")
      #expect(abs(greeks.theta - printed.theta) <= 0.0031, "\(name)")
      priced.append(name.text)
    }
    #expect(priced == ["BTC-5JUN20-9250-C", "ETH-5JUN20-310-P", "ETH-10JUN20-270-C"])
  }

  /// A message of any channel; only tickers are kept.
  struct LossyMessage: Decodable {
    let ticker: Ticker?

    init(from decoder: any Decoder) {
      ticker = try? Message(from: decoder).params?.data
    }
  }
}
