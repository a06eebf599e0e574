import Parley
import Testing

@testable import ParleyNode

@Suite("Quotes skewed by what is held")
struct QuoteSkewTests {
  private static let asOf = UnixNanoseconds(1_795_248_000_000_000_000)
  private static let skew = QuoteSkew(pointsPerThousandVega: 0.5, basisPointsPerDelta: 2)

  /// Bid and ask of an option.
  private struct Prices {
    let bid: Int64
    let ask: Int64
  }

  private struct Pair {
    let call: Prices
    let put: Prices
  }

  /// The prices of a call and of a put for what is held.
  private func quotes(_ held: Inventory) throws -> Pair {
    let chain = try SyntheticChain.bitcoin(asOf: Self.asOf)
    let day = try #require(chain.expiryDays.dropFirst(3).first).deribit
    let maker = ChainMaker(chain: chain)
    func prices(_ type: String) throws -> Prices {
      let package = try Package(parsing: "BTC-\(day)-96000-\(type)")
      let quote = try maker.quote(
        package.requestLegs, lots: Lots(10), side: .twoWay, shift: Self.skew.shift(for: held), now: Self.asOf)
      return Prices(bid: try #require(quote.bid).rawValue, ask: quote.ask.rawValue)
    }
    return Pair(call: try prices("C"), put: try prices("P"))
  }

  @Test("who holds vega offers cheaper and pays less, calls and puts alike")
  func vega() throws {
    let flat = try quotes(Inventory())
    let long = try quotes(Inventory(vega: 2_000))
    let short = try quotes(Inventory(vega: -2_000))
    for option in [\Pair.call, \Pair.put] {
      let (flat, long, short) = (flat[keyPath: option], long[keyPath: option], short[keyPath: option])
      #expect(long.bid < flat.bid && long.ask < flat.ask)
      #expect(short.bid > flat.bid && short.ask > flat.ask)
    }
  }

  @Test("who holds delta wants calls less and puts more")
  func delta() throws {
    let flat = try quotes(Inventory())
    let long = try quotes(Inventory(delta: 10))
    let short = try quotes(Inventory(delta: -10))
    #expect(long.call.ask < flat.call.ask && long.put.ask > flat.put.ask)
    #expect(short.call.bid > flat.call.bid && short.put.bid < flat.put.bid)
  }

  @Test("the move has an end, and nothing held is no move")
  func bounds() {
    #expect(Self.skew.shift(for: Inventory()) == .none)
    #expect(QuoteSkew().isNone)
    #expect(!Self.skew.isNone)
    let far = Self.skew.shift(for: Inventory(delta: -1e9, vega: 1e9))
    #expect(far == QuoteShift(points: -5, forwardShare: 0.005))
    #expect(Self.skew.shift(for: Inventory(delta: .nan, vega: .infinity)) == .none)
  }

  @Test("the fitted surface stands in for the marks, near to them and changing them")
  func surface() throws {
    let chain = try SyntheticChain.bitcoin(asOf: Self.asOf)
    let fitted = try chain.fittedToSurface()
    var moved = 0
    for (mark, fit) in zip(chain.summaries, fitted.summaries) {
      let before = try #require(mark.markIV)
      let after = try #require(fit.markIV)
      #expect(abs(before - after) < 10)
      if before != after { moved += 1 }
    }
    #expect(moved > chain.summaries.count / 2)
  }
}
