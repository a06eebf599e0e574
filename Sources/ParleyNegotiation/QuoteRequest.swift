public import ParleyWire

/// Who buys and who sells.
public enum Side: UInt8, Hashable, Sendable, CaseIterable {
  /// Buys the package, the leg or the hedge.
  case buy = 1
  /// Sells it.
  case sell = 2

  /// The other side.
  public var opposite: Side { self == .buy ? .sell : .buy }
}

/// What the requester wants to do.
public enum RequestSide: UInt8, Hashable, Sendable, CaseIterable {
  /// It wants to buy.
  case buy = 1
  /// It wants to sell.
  case sell = 2
  /// It does not say.
  case twoWay = 3
}

/// One instrument of a package, as seen by who buys the package.
public struct Leg: Hashable, Sendable {
  /// The instrument's name, 1 to 64 bytes.
  public var instrument: String
  /// The hash of the instrument's definition.
  public var specHash: Hash256
  /// Whether who buys the package buys or sells this.
  public var side: Side
  /// Lots of this instrument in a lot of the package, 1 to 10^6.
  public var ratio: Int64

  /// Creates a leg.
  public init(instrument: String, specHash: Hash256, side: Side = .buy, ratio: Int64 = 1) {
    self.instrument = instrument
    self.specHash = specHash
    self.side = side
    self.ratio = ratio
  }
}

/// An instrument traded beside the package, a fixed number of lots.
public struct Hedge: Hashable, Sendable {
  /// The instrument's name, 1 to 64 bytes.
  public var instrument: String
  /// The hash of the instrument's definition.
  public var specHash: Hash256
  /// Whether who buys the package buys or sells this.
  public var side: Side
  /// Lots, 1 to 10^12.
  public var lots: Int64

  /// Creates a hedge.
  public init(instrument: String, specHash: Hash256, side: Side, lots: Int64) {
    self.instrument = instrument
    self.specHash = specHash
    self.side = side
    self.lots = lots
  }
}

/// Asks for quotes on a package.
public struct QuoteRequest: Hashable, Sendable {
  /// The most legs the format holds.
  public static let legLimit = 20
  /// The most lots of anything.
  public static let lotsLimit: Int64 = 1_000_000_000_000
  /// The largest ratio.
  public static let ratioLimit: Int64 = 1_000_000
  /// The longest instrument name, in bytes.
  public static let instrumentByteLimit = 64
  /// The most Counters a request may allow.
  public static let roundLimit: Int64 = 8
  /// The longest life, in nanoseconds.
  public static let lifeLimit: Int64 = 3_600_000_000_000

  /// 16 random bytes, from which the dialogue's id follows.
  public var nonce: [UInt8]
  /// 16 bytes shared by requests that fill one need.
  public var group: [UInt8]
  /// The package.
  public var legs: [Leg]
  /// What is traded beside it.
  public var hedge: Hedge?
  /// The fewest lots wanted.
  public var lotsMin: Int64
  /// The most lots wanted.
  public var lotsMax: Int64
  /// What the requester wants to do.
  public var side: RequestSide
  /// How many Counters the requester may send.
  public var rounds: Int64
  /// Whether it went to a topic rather than to one peer.
  public var isTopic: Bool
  /// Whether the requester signs under its own name.
  public var isDisclosed: Bool
  /// How long quotes stay hidden, in nanoseconds.
  public var blindNanoseconds: Int64
  /// DIDs of witnesses the requester would take.
  public var witnesses: [String]
  /// The key that may write a witness's slot.
  public var slotKey: Hash256?
  /// How a trade is settled; 0 between the parties.
  public var settlement: UInt8
  /// By when; 0 when not said.
  public var settleBy: UnixNanoseconds

  /// Creates a request for one side of a package, named, disclosed and settled between the parties.
  ///
  /// - Parameters:
  ///   - nonce: 16 random bytes.
  ///   - group: 16 bytes; `nil` for a group of its own.
  ///   - legs: The package.
  ///   - hedge: What is traded beside it.
  ///   - lotsMin: The fewest lots wanted.
  ///   - lotsMax: The most lots wanted.
  ///   - side: What the requester wants to do.
  ///   - rounds: How many Counters the requester may send.
  ///   - settleBy: By when a trade is to be settled.
  public init(
    nonce: [UInt8], group: [UInt8]? = nil, legs: [Leg], hedge: Hedge? = nil, lotsMin: Int64, lotsMax: Int64,
    side: RequestSide, rounds: Int64 = 3, settleBy: UnixNanoseconds = UnixNanoseconds(0)
  ) {
    self.nonce = nonce
    self.group = group ?? nonce
    self.legs = legs
    self.hedge = hedge
    self.lotsMin = lotsMin
    self.lotsMax = lotsMax
    self.side = side
    self.rounds = rounds
    self.isTopic = false
    self.isDisclosed = true
    self.blindNanoseconds = 0
    self.witnesses = []
    self.slotKey = nil
    self.settlement = 0
    self.settleBy = settleBy
  }
}

extension QuoteRequest {
  var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 256)
    writer.appendArray(count: 15)
    writer.appendBinary(nonce)
    writer.appendBinary(group)
    writer.appendArray(count: legs.count)
    for leg in legs { writer.append(leg, price: nil) }
    if let hedge { writer.append(hedge, price: nil) } else { writer.appendNil() }
    writer.append(lotsMin)
    writer.append(lotsMax)
    writer.append(side.rawValue)
    writer.append(rounds)
    writer.append(isTopic ? 1 : 0 as UInt8)
    writer.append(isDisclosed)
    writer.append(blindNanoseconds)
    writer.appendArray(count: witnesses.count)
    for witness in witnesses { writer.append(witness) }
    if let slotKey { writer.append(slotKey) } else { writer.appendNil() }
    writer.append(settlement)
    writer.append(settleBy)
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(Fault) -> QuoteRequest {
    var reader = try FieldReader(bytes.rawSpan, count: 15, base: 100)
    let nonce = try reader.bin(1, count: 16)
    let group = try reader.bin(2, count: 16)
    let legs = try legs(&reader)
    let hedge = try hedge(&reader)
    let lotsMin = try reader.int(5, in: 1...lotsLimit)
    let lotsMax = try reader.int(6, in: lotsMin...lotsLimit)
    var request = QuoteRequest(
      nonce: nonce, group: group, legs: legs, hedge: hedge, lotsMin: lotsMin, lotsMax: lotsMax,
      side: try reader.choice(7, RequestSide.self), rounds: try reader.int(8, in: 0...roundLimit))
    request.isTopic = try reader.int(9, in: 0...1) == 1
    request.isDisclosed = try reader.bool(10)
    request.blindNanoseconds = try reader.int(11, in: 0...5_000_000_000)
    for _ in 0..<(try reader.array(12, in: 0...3)) {
      request.witnesses.append(try reader.string(12, limit: Header.didByteLimit))
    }
    if !(try reader.isNil(13)) { request.slotKey = try reader.hash(13) }
    request.settlement = UInt8(truncatingIfNeeded: try reader.int(14, in: 0...255))
    request.settleBy = try reader.time(15)
    try reader.finish()
    return request
  }

  private static func legs(_ reader: inout FieldReader) throws(Fault) -> [Leg] {
    var legs: [Leg] = []
    var divisor: Int64 = 0
    for _ in 0..<(try reader.array(3, in: 1...legLimit)) {
      try reader.array(3, count: 5)
      let leg = Leg(
        instrument: try reader.string(3, limit: instrumentByteLimit), specHash: try reader.hash(3),
        side: try reader.choice(3, Side.self), ratio: try reader.int(3, in: 1...ratioLimit))
      try reader.null(3)
      legs.append(leg)
      divisor = greatestCommonDivisor(divisor, leg.ratio)
    }
    guard divisor == 1 else { throw Fault(.malformed, field: 103, "the ratios have a common divisor") }
    guard Set(legs.map { Array($0.instrument.utf8) }).count == legs.count else {
      throw Fault(.malformed, field: 103, "an instrument is in it twice")
    }
    return legs
  }

  private static func hedge(_ reader: inout FieldReader) throws(Fault) -> Hedge? {
    if try reader.isNil(4) { return nil }
    try reader.array(4, count: 5)
    let hedge = Hedge(
      instrument: try reader.string(4, limit: instrumentByteLimit), specHash: try reader.hash(4),
      side: try reader.choice(4, Side.self), lots: try reader.int(4, in: 1...lotsLimit))
    try reader.null(4)
    return hedge
  }

  private static func greatestCommonDivisor(_ left: Int64, _ right: Int64) -> Int64 {
    var (left, right) = (left, right)
    while right != 0 { (left, right) = (right, left % right) }
    return left
  }
}

extension MessagePackWriter {
  mutating func append(_ leg: Leg, price: Int64?) {
    appendArray(count: 5)
    append(leg.instrument)
    append(leg.specHash)
    append(leg.side.rawValue)
    append(leg.ratio)
    if let price { append(price) } else { appendNil() }
  }

  mutating func append(_ hedge: Hedge, price: Int64?) {
    appendArray(count: 5)
    append(hedge.instrument)
    append(hedge.specHash)
    append(hedge.side.rawValue)
    append(hedge.lots)
    if let price { append(price) } else { appendNil() }
  }
}
