public import ParleyWire

/// How far an offer binds its owner.
public enum OfferMode: UInt8, Hashable, Sendable, CaseIterable {
  /// Not at all: an Accept of it is declined.
  case indicative = 0
  /// Wholly: an Accept in time is a trade.
  case firm = 1
  /// Until the owner has looked.
  case lastLook = 2
}

/// One side of an offer: at what price, and how much.
public struct OfferSide: Hashable, Sendable {
  /// The largest price in ticks, either sign.
  public static let priceLimit: Int64 = 1_000_000_000_000_000

  /// Ticks, one a leg of the request.
  public var prices: [Int64]
  /// Ticks; `nil` exactly if the request has no hedge.
  public var hedgePrice: Int64?
  /// The fewest lots.
  public var lotsMin: Int64
  /// The most lots.
  public var lotsMax: Int64

  /// Creates one side of an offer.
  public init(prices: [Int64], hedgePrice: Int64? = nil, lotsMin: Int64, lotsMax: Int64) {
    self.prices = prices
    self.hedgePrice = hedgePrice
    self.lotsMin = lotsMin
    self.lotsMax = lotsMax
  }

  /// What the buyer of one lot of the package pays, in ticks, exact in 128 bits.
  ///
  /// - Parameter legs: The request's, one a price.
  /// - Returns: `nil` when there are more or fewer of them, or the sum does not fit 64 bits.
  public func net(_ legs: [Leg]) -> Int64? {
    guard prices.count == legs.count else { return nil }
    var sum: Int128 = 0
    for (leg, price) in zip(legs, prices) {
      // At most 20 legs of 10^6 times 10^15: far inside 128 bits.
      let value = Int128(leg.ratio) * Int128(price)
      sum += leg.side == .buy ? value : -value
    }
    return Int64(exactly: sum)
  }
}

/// A Quote or a Counter: prices at which its owner trades until the header's expiry.
public struct Offer: Hashable, Sendable {
  /// The longest life of a firm offer, in nanoseconds.
  public static let firmLifeLimit: Int64 = 60_000_000_000
  /// The longest life of an indicative offer, in nanoseconds.
  public static let indicativeLifeLimit: Int64 = 3_600_000_000_000
  /// The longest hold, in nanoseconds.
  public static let holdLimit: Int64 = 5_000_000_000

  /// A witness and the key that may write its slot.
  public struct Witness: Hashable, Sendable {
    /// The witness's DID.
    public var did: String
    /// The slot's key.
    public var slotKey: Hash256
  }

  /// A Counter's own number, or the number of the Counter that a Quote answers.
  public var round: Int64
  /// The owner's live offer that this one replaces, or ``Hash256/zero``.
  public var replaces: StatementID
  /// How far it binds.
  public var mode: OfferMode
  /// The look, in nanoseconds; 0 unless the mode is last look.
  public var lookNanoseconds: Int64
  /// Until when the owner may not cancel, replace or pass; 0 for not at all.
  public var holdUntil: UnixNanoseconds
  /// At which the owner buys.
  public var bid: OfferSide?
  /// At which the owner sells.
  public var ask: OfferSide?
  /// Whether an Accept must take all lots.
  public var isAllOrNone: Bool
  /// A witness, where one decides.
  public var witness: Witness?

  /// The side that an acceptor takes: who buys takes the ask.
  public func side(takenBy acceptor: Side) -> OfferSide? { acceptor == .buy ? ask : bid }

  /// The most lots that an Accept can take.
  var lotsAtMost: Int64 { max(bid?.lotsMax ?? 0, ask?.lotsMax ?? 0) }
}

extension Offer {
  var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 128)
    writer.appendArray(count: 9)
    writer.append(round)
    writer.append(replaces)
    writer.append(mode.rawValue)
    writer.append(lookNanoseconds)
    writer.append(holdUntil)
    for side in [bid, ask] { writer.append(side) }
    writer.append(isAllOrNone)
    if let witness {
      writer.appendArray(count: 2)
      writer.append(witness.did)
      writer.append(witness.slotKey)
    } else {
      writer.appendNil()
    }
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(Fault) -> Offer {
    var reader = try FieldReader(bytes.rawSpan, count: 9, base: 100)
    let round = try reader.int(1, in: 0...QuoteRequest.roundLimit)
    let replaces = try reader.hash(2)
    let mode = try reader.choice(3, OfferMode.self)
    let look = try reader.int(4, in: 0...(mode == .lastLook ? 2_000_000_000 : 0))
    let hold = try reader.time(5)
    let bid = try side(&reader, 6)
    let ask = try side(&reader, 7)
    let isAllOrNone = try reader.bool(8)
    var witness: Witness?
    if !(try reader.isNil(9)) {
      try reader.array(9, count: 2)
      witness = Witness(did: try reader.string(9, limit: Header.didByteLimit), slotKey: try reader.hash(9))
    }
    try reader.finish()
    guard bid != nil || ask != nil else { throw Fault(.malformed, field: 106, "neither bid nor ask") }
    return Offer(
      round: round, replaces: replaces, mode: mode, lookNanoseconds: look, holdUntil: hold, bid: bid, ask: ask,
      isAllOrNone: isAllOrNone, witness: witness)
  }

  private static func side(_ reader: inout FieldReader, _ field: UInt8) throws(Fault) -> OfferSide? {
    if try reader.isNil(field) { return nil }
    let prices = -OfferSide.priceLimit...OfferSide.priceLimit
    try reader.array(field, count: 4)
    var side = OfferSide(prices: [], lotsMin: 1, lotsMax: 1)
    for _ in 0..<(try reader.array(field, in: 1...QuoteRequest.legLimit)) {
      side.prices.append(try reader.int(field, in: prices))
    }
    if !(try reader.isNil(field)) { side.hedgePrice = try reader.int(field, in: prices) }
    side.lotsMin = try reader.int(field, in: 1...QuoteRequest.lotsLimit)
    side.lotsMax = try reader.int(field, in: side.lotsMin...QuoteRequest.lotsLimit)
    return side
  }
}

extension MessagePackWriter {
  mutating func append(_ side: OfferSide?) {
    guard let side else { return appendNil() }
    appendArray(count: 4)
    appendArray(count: side.prices.count)
    for price in side.prices { append(price) }
    if let price = side.hedgePrice { append(price) } else { appendNil() }
    append(side.lotsMin)
    append(side.lotsMax)
  }
}
