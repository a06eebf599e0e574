import ParleyWire
import Testing

@testable import ParleyDesk

@Suite("Each limit lets the last lot through and refuses the next")
struct DeskLimitTests {
  /// Reserves `most` lots by an offer that is let through, and finds that one more is refused, by this limit.
  private func expectBound(
    _ text: String, _ limit: DeskLimit, at most: Int64, buying: Bool = true, _ package: DeskPackage = Sample.package(),
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var desk = Sample.desk(try DeskLimits(text))
    func intent(_ lots: Int64, _ act: DeskIntent.Act = .firmOffer) -> DeskIntent {
      Sample.intent(act, package, buys: buying ? lots : nil, sells: buying ? nil : lots)
    }
    for act in [DeskIntent.Act.firmOffer, .accept, .confirm, .request] {
      #expect(desk.refusal(intent(most, act)) == nil, sourceLocation: sourceLocation)
      #expect(desk.refusal(intent(most + 1, act)) == limit, sourceLocation: sourceLocation)
    }
    // The same in two dialogues: what is live counts.
    desk.reserve(intent(most))
    let next = Sample.intent(
      dialogue: 2, package, buys: buying ? 1 : nil, sells: buying ? nil : 1)
    if limit != .tradeSize { #expect(desk.refusal(next) == limit, sourceLocation: sourceLocation) }
    // And so does what was traded.
    desk.reserve([1], peer: "did:key:a", package: package, buys: 0, sells: 0)
    desk.trade(buying ? most : -most, package)
    if limit != .tradeSize { #expect(desk.refusal(next) == limit, sourceLocation: sourceLocation) }
    // Without an offer or a trade of that kind nothing stands in the way.
    #expect(desk.refusal(Sample.intent(.indicativeOffer, dialogue: 3, package, buys: 1)) == nil)
  }

  @Test("contracts in one trade, of all legs together")
  func tradeSize() throws {
    try expectBound(#"{"version":1,"size":{"trade":"1"}}"#, .tradeSize, at: 10)
    let spread = DeskPackage([.init(Sample.call, weight: 1), .init(Sample.put, weight: -2)])
    try expectBound(#"{"version":1,"size":{"trade":"1.2"}}"#, .tradeSize, at: 4, spread)
  }

  @Test("open contracts")
  func size() throws {
    try expectBound(#"{"version":1,"size":{"counterparty":"0.7"}}"#, .counterpartySize, at: 7)
    try expectBound(#"{"version":1,"size":{"all":0}}"#, .totalSize, at: 0)
    try expectBound(#"{"version":1,"size":{"all":2}}"#, .totalSize, at: 20, buying: false)
  }

  @Test(
    "Greeks, either way, with one and with all",
    arguments: [
      ("delta", 5.0, 10, DeskLimit.counterpartyDelta, DeskLimit.totalDelta),
      ("gamma", 0.005, 5, .counterpartyGamma, .totalGamma), ("vega", 70.0, 7, .counterpartyVega, .totalVega),
      ("delta", 0.3, 0, .counterpartyDelta, .totalDelta),
    ])
  func greeks(name: String, bound: Double, most: Int64, one: DeskLimit, all: DeskLimit) throws {
    for buying in [true, false] {
      for (scope, limit) in [("counterparty", one), ("all", all)] {
        try expectBound(
          #"{"version":1,"exposure":{"BTC":{"\#(name)":{"\#(scope)":\#(bound)}}}}"#, limit, at: most, buying: buying)
      }
    }
  }

  @Test("the others' trades count in all, and not with one")
  func scopes() throws {
    var desk = Sample.desk(
      try DeskLimits(#"{"version":1,"exposure":{"BTC":{"delta":{"counterparty":2,"all":3}}}}"#))
    desk.trade(4, peer: "did:key:b")
    #expect(desk.refusal(Sample.intent(buys: 2)) == nil)
    #expect(desk.refusal(Sample.intent(buys: 3)) == .totalDelta)
    #expect(desk.refusal(Sample.intent(peer: "did:key:b", buys: 1)) == .counterpartyDelta)
    // Another underlying is another matter.
    #expect(desk.refusal(Sample.intent(.firmOffer, Sample.package(Sample.ether), buys: 1_000)) == nil)
    // What goes the other way may: it takes away.
    #expect(desk.refusal(Sample.intent(peer: "did:key:b", sells: 8)) == nil)
    #expect(desk.refusal(Sample.intent(peer: "did:key:b", sells: 9)) == .counterpartyDelta)
  }

  @Test("both sides of a two-way offer count at their worst, never against each other")
  func worstSide() throws {
    var desk = Sample.desk(try DeskLimits(#"{"version":1,"exposure":{"BTC":{"delta":{"all":5}}}}"#))
    let offer = Sample.intent(buys: 10, sells: 10)
    #expect(desk.refusal(offer) == nil)
    desk.reserve(offer)
    #expect(desk.refusal(Sample.intent(dialogue: 2, buys: 1)) == .totalDelta)
    #expect(desk.refusal(Sample.intent(dialogue: 2, sells: 1)) == .totalDelta)
    // A call bought and a put bought offset each other only when both come about: they need not.
    #expect(desk.refusal(Sample.intent(dialogue: 2, Sample.package(Sample.put), buys: 1)) == .totalDelta)
    // In the same dialogue it takes the old one's place.
    #expect(desk.refusal(Sample.intent(buys: 10)) == nil)
  }

  @Test("legs of one package do offset each other")
  func package() throws {
    var desk = Sample.desk(try DeskLimits(#"{"version":1,"exposure":{"BTC":{"delta":{"all":1}}}}"#))
    let flat = DeskPackage([.init(Sample.call, weight: 1), .init(Sample.put, weight: 2)])
    #expect(desk.refusal(Sample.intent(.firmOffer, flat, buys: 1_000)) == nil)
    #expect(desk.refusal(Sample.intent(buys: 3)) == .totalDelta)
  }

  @Test("what is over its limit already may be made smaller, and not larger")
  func reduction() throws {
    var desk = Sample.desk(
      try DeskLimits(#"{"version":1,"size":{"all":"1"},"exposure":{"BTC":{"delta":{"all":2}}}}"#))
    desk.trade(20)
    #expect(desk.refusal(Sample.intent(sells: 20)) == nil)
    #expect(desk.refusal(Sample.intent(buys: 1)) == .totalSize)
    #expect(desk.refusal(Sample.intent(sells: 31)) == .totalDelta)
    // A two-way offer would make it larger on one side.
    #expect(desk.refusal(Sample.intent(buys: 1, sells: 1)) == .totalSize)
  }

  @Test("the band is the wider of points and ticks, and only on the wrong side")
  func band() throws {
    let both = #"{"version":1,"band":{"vol_points":5,"ticks":10}}"#
    for (text, width) in [
      (both, 20), (#"{"version":1,"band":{"ticks":10}}"#, 10), (#"{"version":1,"band":{"vol_points":1}}"#, 4),
    ] {
      var desk = Sample.desk(try DeskLimits(text))
      for act in DeskIntent.Act.allCases where act != .request {
        #expect(desk.refusal(Sample.intent(act, buys: 1, at: 100 + Int64(width))) == nil)
        #expect(desk.refusal(Sample.intent(act, buys: 1, at: 101 + Int64(width))) == .priceBand)
        #expect(desk.refusal(Sample.intent(act, sells: 1, at: 100 - Int64(width))) == nil)
        #expect(desk.refusal(Sample.intent(act, sells: 1, at: 99 - Int64(width))) == .priceBand)
        #expect(desk.refusal(Sample.intent(act, buys: 1, at: -1_000)) == nil)
        #expect(desk.refusal(Sample.intent(act, sells: 1, at: 10_000)) == nil)
      }
      #expect(desk.refusal(Sample.intent(.request, buys: 1, at: nil)) == nil)
    }
    // Of a package the net counts, and the widest leg.
    var desk = Sample.desk(try DeskLimits(#"{"version":1,"band":{"vol_points":1}}"#))
    let spread = DeskPackage([.init(Sample.call, weight: 3), .init(Sample.put, weight: -1)])
    #expect(desk.refusal(Sample.intent(.firmOffer, spread, buys: 1, at: 212)) == nil)
    #expect(desk.refusal(Sample.intent(.firmOffer, spread, buys: 1, at: 213)) == .priceBand)
  }

  @Test("without a mark nothing is signed that a limit needs one for")
  func unmarked() throws {
    let other = DeskInstrument(
      name: "BTC-X", underlying: "BTC", contractsPerLot: Contracts(millionths: 1), expiry: nil)
    for text in [#"{"version":1,"band":{"ticks":10}}"#, #"{"version":1,"exposure":{"BTC":{"vega":{"all":1e9}}}}"#] {
      var desk = Sample.desk(try DeskLimits(text))
      #expect(desk.refusal(Sample.intent(.firmOffer, Sample.package(other), buys: 1)) == .unmarked)
    }
    var desk = Sample.desk(try DeskLimits(#"{"version":1,"exposure":{"BTC":{"vega":{"all":1e9}}}}"#))
    desk.trade(1, Sample.package(other))
    #expect(desk.refusal(Sample.intent(buys: 1)) == .unmarked)
    desk.setMark(Sample.mark(), of: other.name)
    #expect(desk.refusal(Sample.intent(buys: 1)) == nil)
    desk.setMark(nil, of: other.name)
    #expect(desk.refusal(Sample.intent(buys: 1)) == .unmarked)
    #expect(DeskMark(delta: .nan, gamma: 0, vega: 0, fairTicks: 0, ticksPerPoint: 0) == nil)
  }

  @Test("what has expired is held no more")
  func expiry() throws {
    var desk = Sample.desk(try DeskLimits(#"{"version":1,"size":{"all":"1"},"exposure":{"BTC":{"delta":{"all":5}}}}"#))
    desk.trade(10)
    let intent = Sample.intent(.firmOffer, Sample.package(Sample.put), buys: 10)
    #expect(desk.refusal(intent, at: .seconds(86_399)) == .totalSize)
    #expect(desk.refusal(intent, at: .seconds(86_400)) == nil)
    #expect(desk.positions.isEmpty && desk.inventory(of: "BTC", now: .seconds(86_400))?.delta == 0)
    // A trade of the past in it is none after a restart either.
    var again = Sample.desk(desk.limits)
    _ = again.fill(
      peer: "did:key:a", package: Sample.package(), lots: 10, isMaker: true, time: .seconds(0), now: .seconds(90_000))
    #expect(again.refusal(intent, at: .seconds(90_000)) == nil)
  }

  @Test("marks that move change what is left")
  func marks() throws {
    var desk = Sample.desk(try DeskLimits(#"{"version":1,"exposure":{"BTC":{"delta":{"all":5}}}}"#))
    desk.trade(6)
    #expect(desk.refusal(Sample.intent(buys: 4)) == nil)
    desk.setMark(Sample.mark(delta: 0.9), of: Sample.call.name)
    #expect(desk.refusal(Sample.intent(buys: 1)) == .totalDelta)
    #expect(abs((desk.inventory(of: "BTC", now: .seconds(0))?.delta ?? 0) - 5.4) < 1e-12)
  }

  @Test("the use of each limit is what it comes to at its worst side")
  func uses() throws {
    var desk = Sample.desk(
      try DeskLimits(
        #"{"version":1,"size":{"counterparty":"5","all":"10"},"exposure":{"BTC":{"delta":{"all":5}}}}"#))
    desk.trade(4)
    desk.reserve(Sample.intent(dialogue: 2, buys: 2, sells: 9))
    let uses = desk.uses(now: .seconds(0))
    #expect(uses.map(\.limit) == [.totalSize, .totalDelta, .counterpartySize])
    #expect(uses.map(\.used) == [0.6, 3, 0.6] && uses.map(\.bound) == [10, 5, 5])
    #expect(uses.map(\.peer) == [nil, nil, "did:key:a"])
  }
}
