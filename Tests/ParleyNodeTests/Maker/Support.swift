import ParleyMarket
import ParleyNegotiation
import ParleyNode
import ParleyWire

extension Leg {
  /// A leg as the listed definition of a name has it; of a name without one, its hash is zero.
  init(listed name: String, _ side: Side = .buy, ratio: Int64 = 1) {
    let hash = (try? Instrument(listed: name)).flatMap { Hash256($0.specHash) }
    self.init(instrument: name, specHash: hash ?? .zero, side: side, ratio: ratio)
  }
}

extension ChainMaker {
  /// A quote for one option.
  func quote(
    _ name: String, lots: Lots, side: RequestSide, committed: ExactDecimal = .zero, now: UnixNanoseconds
  ) throws(MakerRefusal) -> Quote {
    try quote([Leg(listed: name)], lots: lots, side: side, committed: committed, now: now)
  }

  /// An answer to a counter on one option.
  func respond(to name: String, side: Side, price: Ticks, lots: Lots, now: UnixNanoseconds) -> Response {
    respond(to: [Leg(listed: name)], side: side, price: price, lots: lots, now: now)
  }
}
