import ParleyMarket
import ParleyNegotiation
import ParleyNode
import ParleyOptions
import ParleyWire

/// Reading, writing and pricing an option chain never traps, whatever its numbers; what is read is written as a chain
/// that says the same; a quote's bid is below its ask, and the maker stands by what it answers.
@c(LLVMFuzzerTestOneInput)
public func fuzzChain(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let chain = try? OptionChain(parsing: input) else { return 0 }
  precondition((try? OptionChain(parsing: chain.serialized())) == chain)
  for day in chain.expiryDays { _ = VolatilitySmileChart().lines(chain, expiring: day) }
  let maker = ChainMaker(chain: chain)
  let now = UnixNanoseconds(0)
  for row in chain.summaries.prefix(8) {
    guard let instrument = try? Instrument(listed: row.name), let hash = Hash256(instrument.specHash) else { continue }
    let legs = [Leg(instrument: row.name.text, specHash: hash)]
    guard let quote = try? maker.quote(legs, lots: Lots(1), side: .twoWay, now: now) else { continue }
    precondition(quote.bid.map { $0 <= quote.ask } ?? true)
    let option = quote.appraisal.legs[0]
    _ = (option.volatility(of: quote.ask), option.greeks, row.bidPrice.flatMap { option.volatility(of: $0) })
    for side in Side.allCases {
      for price in [Ticks(.min), Ticks(0), Ticks(1), quote.ask, Ticks(.max)] {
        guard case .requote(let requote) = maker.respond(to: legs, side: side, price: price, lots: Lots(1), now: now)
        else { continue }
        precondition(requote.rawValue > 0 && (side == .buy ? requote > price : requote < price))
      }
    }
  }
  return 0
}
