import ParleyWire
import Testing

@testable import ParleyDesk

@Suite("Market-maker protection")
struct ProtectionTests {
  private func desk(_ protection: String) throws -> DeskGuard {
    Sample.desk(try DeskLimits(#"{"version":1,"protection":{"interval_s":5,"frozen_s":30,\#(protection)}}"#))
  }

  @Test("the third fill within five seconds pulls the quotes for thirty")
  func fills() throws {
    var desk = try desk(#""fills":3"#)
    #expect(desk.trade(1, at: .seconds(0)) == nil && desk.trade(-1, at: .seconds(4)) == nil)
    // The first one is five seconds ago and counts no more.
    #expect(desk.trade(1, at: .seconds(5)) == nil)
    let freeze = desk.trade(1, at: .seconds(8.9))
    #expect(freeze == DeskFreeze(until: .seconds(38.9), cause: "fills"))
    for act in DeskIntent.Act.allCases {
      let isFree = act == .request || act == .accept
      #expect(desk.refusal(Sample.intent(act, buys: 1), at: .seconds(9)) == (isFree ? nil : .marketMakerProtection))
      #expect(
        desk.refusal(Sample.intent(act, buys: 1), at: .seconds(38.899)) == (isFree ? nil : .marketMakerProtection))
      #expect(desk.refusal(Sample.intent(act, buys: 1), at: .seconds(38.9)) == nil)
    }
    // The fills that have pulled them once do not pull them again.
    #expect(desk.trade(1, at: .seconds(38.9)) == nil)
  }

  @Test("trades that the desk took itself do not count")
  func takes() throws {
    var desk = try desk(#""fills":1"#)
    #expect(desk.trade(1, isMaker: false) == nil && desk.frozen(now: .seconds(0)) == nil)
    #expect(desk.trade(1) != nil)
  }

  @Test("delta and vega count with their signs, each underlying for itself")
  func greeks() throws {
    var desk = try desk(#""delta":{"BTC":3},"vega":{"BTC":1000}"#)
    #expect(desk.trade(5) == nil && desk.trade(-5) == nil && desk.trade(100, Sample.package(Sample.ether)) == nil)
    #expect(desk.trade(-5) == nil)
    #expect(desk.trade(-1)?.cause == "delta BTC")
    desk.resetProtection(at: .seconds(0))
    let flat = DeskPackage([.init(Sample.call, weight: 1), .init(Sample.put, weight: 2)])
    #expect(desk.trade(33, flat) == nil)
    #expect(desk.trade(1, flat)?.cause == "vega BTC")
  }

  @Test("a fill of which nobody knows the Greeks counts as too much")
  func unknown() throws {
    var desk = try desk(#""delta":{"BTC":3}"#)
    desk.setMark(nil, of: Sample.call.name)
    #expect(desk.trade(1)?.cause == "delta BTC")
    var other = try self.desk(#""fills":2,"delta":{"ETH":3}"#)
    other.setMark(nil, of: Sample.call.name)
    #expect(other.trade(1) == nil)
  }

  @Test("without an end it lasts until the reset")
  func reset() throws {
    var desk = Sample.desk(try DeskLimits(#"{"version":1,"protection":{"interval_s":5,"frozen_s":0,"fills":1}}"#))
    #expect(desk.trade(1) == DeskFreeze(until: nil, cause: "fills"))
    #expect(desk.refusal(Sample.intent(buys: 1), at: .seconds(1e6)) == .marketMakerProtection)
    desk.resetProtection(at: .seconds(0))
    #expect(desk.refusal(Sample.intent(buys: 1), at: .seconds(1e6)) == nil)
    // As a journal tells it after a restart.
    desk.freeze(DeskFreeze(until: .seconds(10), cause: "fills"))
    #expect(desk.refusal(Sample.intent(buys: 1), at: .seconds(9)) == .marketMakerProtection)
    #expect(desk.refusal(Sample.intent(buys: 1), at: .seconds(10)) == nil)
  }
}

@Suite("Rate credits")
struct CreditTests {
  @Test("requests cost, trades refill, and below zero offers are indicative")
  func credits() throws {
    var desk = Sample.desk(try DeskLimits(#"{"version":1,"credits":{"start":2,"trade":3,"most":4}}"#))
    func isFirm(_ peer: String = "did:key:a", at time: Double = 0) -> Bool {
      #expect(desk.refusal(Sample.intent(.indicativeOffer, peer: peer, buys: 1), at: .seconds(time)) == nil)
      return desk.refusal(Sample.intent(peer: peer, buys: 1), at: .seconds(time)) == nil
    }
    for _ in 0..<2 {
      desk.asked(peer: "did:key:a", time: .seconds(0))
      #expect(isFirm())
    }
    desk.asked(peer: "did:key:a", time: .seconds(0))
    #expect(!isFirm() && isFirm("did:key:b"))
    #expect(desk.refusal(Sample.intent(buys: 1)) == .credits)
    // However often it asks, one trade leads back.
    for _ in 0..<100 { desk.asked(peer: "did:key:a", time: .seconds(1)) }
    desk.trade(1, isMaker: false, at: .seconds(1))
    #expect(isFirm(at: 1))
    // No more than the most.
    for _ in 0..<10 { desk.trade(1, at: .seconds(1)) }
    for _ in 0..<4 { desk.asked(peer: "did:key:a", time: .seconds(1)) }
    #expect(isFirm(at: 1))
    desk.asked(peer: "did:key:a", time: .seconds(1))
    #expect(!isFirm(at: 1))
  }

  @Test("time refills where it is told to")
  func time() throws {
    var desk = Sample.desk(try DeskLimits(#"{"version":1,"credits":{"start":0,"trade":1,"minute":2,"most":1}}"#))
    desk.asked(peer: "did:key:a", time: .seconds(0))
    #expect(desk.refusal(Sample.intent(buys: 1), at: .seconds(29)) == .credits)
    #expect(desk.refusal(Sample.intent(buys: 1), at: .seconds(30)) == nil)
    // A clock that goes back gives nothing and takes nothing.
    #expect(desk.refusal(Sample.intent(buys: 1), at: .seconds(-1_000)) == .credits)
  }
}

@Suite("The desk's records")
struct DeskRecordTests {
  static let all: [DeskRecord] = [
    .refused(.firmOffer, limit: 6, subject: "BTC", value: "5.5", bound: "5"),
    .refused(nil, limit: 12, subject: "", value: "", bound: ""), .killed(reason: "fat finger"), .killed(reason: ""),
    .lifted, .frozen(DeskFreeze(until: .seconds(1), cause: "fills")),
    .frozen(DeskFreeze(until: nil, cause: "vega BTC")),
    .reset, .disconnected, .limits(Array(#"{"version":1}"#.utf8)),
  ]

  @Test("each reads as it was written, and nothing else does", arguments: all)
  func roundTrip(record: DeskRecord) throws {
    let bytes = record.encoded
    #expect(try DeskRecord(decoding: bytes, kind: record.entryKind) == record)
    for count in 0..<bytes.count {
      #expect(throws: DeskError.malformedRecord) {
        try DeskRecord(decoding: Array(bytes.prefix(count)), kind: record.entryKind)
      }
    }
    #expect(throws: DeskError.malformedRecord) { try DeskRecord(decoding: bytes + [0], kind: record.entryKind) }
    for kind: UInt8 in [1, 2, 4, 8] { #expect(throws: DeskError.self) { try DeskRecord(decoding: bytes, kind: kind) } }
  }

  @Test(
    "what is out of its range does not read",
    arguments: [
      ([0x97, 1, 1, 7, 6, 0xA0, 0xA0, 0xA0], UInt8(5)), ([0x97, 1, 1, 1, 0, 0xA0, 0xA0, 0xA0], 5), ([0x92, 2, 2], 6),
      ([0x92, 1, 6], 6), ([0x94, 1, 3, 0xFF, 0xA0], 6), ([0x93, 1, 2, 0], 6),
    ] as [([UInt8], UInt8)])
  func ranges(bytes: [UInt8], kind: UInt8) {
    #expect(throws: DeskError.malformedRecord) { try DeskRecord(decoding: bytes, kind: kind) }
  }

  @Test("long texts are cut between characters")
  func clipped() {
    let text = String(repeating: "ä", count: 300)
    let cut = DeskRecord.clipped(text)
    #expect(cut.utf8.count <= DeskRecord.textByteLimit && cut.utf8.count > 200 && text.hasPrefix(cut))
    #expect(DeskRecord.clipped("short") == "short")
  }

  @Test("a refusal says everything to its owner")
  func description() throws {
    var desk = Sample.desk(try DeskLimits(#"{"version":1,"exposure":{"BTC":{"delta":{"all":5}}}}"#))
    do throws(DeskRefusal) {
      try desk.check(Sample.intent(buys: 11), now: .seconds(0))
      Issue.record("it was let through")
    } catch {
      #expect(error.description == "total-delta (BTC): 5.5, the limit is 5")
    }
  }
}
