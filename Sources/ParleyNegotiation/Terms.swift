public import ParleyWire

/// The terms of a trade, which follow from the request, the offer and how much of it was taken.
///
/// Each side computes them from its own copies and compares ``encoded`` byte for byte with what the other signed.
/// `[offer, requester, responder, buyer, legs, hedge, lots, net, settlement, settle_by]`
public struct Terms: Hashable, Sendable {
  /// A leg and its price.
  public struct PricedLeg: Hashable, Sendable {
    /// The leg.
    public var leg: Leg
    /// Its price in ticks.
    public var price: Int64
  }

  /// A hedge and its price.
  public struct PricedHedge: Hashable, Sendable {
    /// The hedge.
    public var hedge: Hedge
    /// Its price in ticks.
    public var price: Int64
  }

  /// The offer's id.
  public var offer: StatementID
  /// Who asked.
  public var requester: String
  /// Who was asked.
  public var responder: String
  /// Whether the requester buys the package; else the responder does.
  public var requesterBuys: Bool
  /// The package.
  public var legs: [PricedLeg]
  /// What is traded beside it.
  public var hedge: PricedHedge?
  /// Lots of the package.
  public var lots: Int64
  /// What the buyer pays for one lot of the package, in ticks.
  public var net: Int64
  /// How it is settled; 0 between the parties.
  public var settlement: UInt8
  /// By when; 0 when not said.
  public var settleBy: UnixNanoseconds

  /// The terms that follow when `acceptor` takes `lots` of `offer`.
  ///
  /// - Throws: TERMS when the offer has no such side, does not fit the request, or its net is beyond 64 bits; LOTS when
  ///   it does not give so many lots.
  public init(
    request: QuoteRequest, requester: String, responder: String, offer: Offer, id: StatementID,
    ownerIsRequester: Bool, acceptorSide: Side, lots: Int64
  ) throws(Fault) {
    guard let side = offer.side(takenBy: acceptorSide) else { throw Fault(.terms, field: 102, "no such side") }
    guard (side.lotsMin...side.lotsMax).contains(lots), !offer.isAllOrNone || lots == side.lotsMax else {
      throw Fault(.lots, field: 103)
    }
    guard let net = Self.net(of: side, request) else { throw Fault(.terms, "the prices do not fit the request") }
    self.offer = id
    self.requester = requester
    self.responder = responder
    requesterBuys = (acceptorSide == .buy) != ownerIsRequester
    legs = zip(request.legs, side.prices).map { PricedLeg(leg: $0, price: $1) }
    hedge = request.hedge.flatMap { hedge in side.hedgePrice.map { PricedHedge(hedge: hedge, price: $0) } }
    self.lots = lots
    self.net = net
    settlement = request.settlement
    settleBy = request.settleBy
  }

  private init(_ reader: inout FieldReader) throws(Fault) {
    offer = try reader.hash(1)
    requester = try reader.string(2, limit: Header.didByteLimit)
    responder = try reader.string(3, limit: Header.didByteLimit)
    requesterBuys = try reader.int(4, in: 1...2) == 1
    legs = []
    let prices = -OfferSide.priceLimit...OfferSide.priceLimit
    for _ in 0..<(try reader.array(5, in: 1...QuoteRequest.legLimit)) {
      try reader.array(5, count: 5)
      let leg = Leg(
        instrument: try reader.string(5, limit: QuoteRequest.instrumentByteLimit), specHash: try reader.hash(5),
        side: try reader.choice(5, Side.self), ratio: try reader.int(5, in: 1...QuoteRequest.ratioLimit))
      legs.append(PricedLeg(leg: leg, price: try reader.int(5, in: prices)))
    }
    if !(try reader.isNil(6)) {
      try reader.array(6, count: 5)
      let hedge = Hedge(
        instrument: try reader.string(6, limit: QuoteRequest.instrumentByteLimit), specHash: try reader.hash(6),
        side: try reader.choice(6, Side.self), lots: try reader.int(6, in: 1...QuoteRequest.lotsLimit))
      self.hedge = PricedHedge(hedge: hedge, price: try reader.int(6, in: prices))
    }
    lots = try reader.int(7, in: 1...QuoteRequest.lotsLimit)
    net = try reader.int(8, in: Int64.min...Int64.max)
    settlement = UInt8(truncatingIfNeeded: try reader.int(9, in: 0...255))
    settleBy = try reader.time(10)
  }

  /// Reads terms that somebody signed.
  ///
  /// - Throws: MALFORMED.
  public static func decode(_ bytes: [UInt8]) throws(Fault) -> Terms {
    var reader = try FieldReader(bytes.rawSpan, count: 10, base: 0)
    let terms = try Terms(&reader)
    try reader.finish()
    return terms
  }

  /// The terms' bytes, which an Accept carries and both sides sign.
  public var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 384)
    writer.appendArray(count: 10)
    writer.append(offer)
    writer.append(requester)
    writer.append(responder)
    writer.append(requesterBuys ? 1 : 2 as UInt8)
    writer.appendArray(count: legs.count)
    for each in legs { writer.append(each.leg, price: each.price) }
    if let hedge { writer.append(hedge.hedge, price: hedge.price) } else { writer.appendNil() }
    writer.append(lots)
    writer.append(net)
    writer.append(settlement)
    writer.append(settleBy)
    return writer.bytes
  }

  /// The digest that a Confirm repeats.
  public static func digest(of terms: [UInt8]) -> Hash256 { .tagged("parley/neg1 terms", terms) }

  /// What one lot of the package costs its buyer, exact in 128 bits.
  ///
  /// - Returns: `nil` when the prices do not fit the request, or the sum does not fit 64 bits.
  static func net(of side: OfferSide, _ request: QuoteRequest) -> Int64? {
    guard (side.hedgePrice == nil) == (request.hedge == nil) else { return nil }
    return side.net(request.legs)
  }
}
