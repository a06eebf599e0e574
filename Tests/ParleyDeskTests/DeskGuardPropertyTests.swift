import ParleyWire
import TestSupport
import Testing

@testable import ParleyDesk

/// Random deals against a guard, and an account of them that is kept apart and counted out in full.
private struct World: ~Copyable {
  struct Open {
    let intent: DeskIntent
    let isFirm: Bool
  }

  struct Deal {
    let intent: DeskIntent
    let lots: Int64
  }

  var random: SplitMix64
  var desk = DeskGuard()
  var open: [UInt8: Open] = [:]
  var deals: [Deal] = []
  let limits: DeskLimits
  let marks: [String: DeskMark]

  init(seed: UInt64) throws {
    random = SplitMix64(seed: seed)
    limits = try DeskLimits(
      #"""
      {"version":1,"size":{"trade":"2","counterparty":"3","all":"5"},
       "exposure":{"BTC":{"delta":{"counterparty":6,"all":9},"gamma":{"all":0.03},"vega":{"counterparty":200,"all":300}},
       "ETH":{"delta":{"all":4}}}}
      """#)
    marks = [
      Sample.call.name: Sample.mark(), Sample.put.name: Sample.mark(delta: -0.4, gamma: 0.002, vega: 7),
      Sample.ether.name: Sample.mark(delta: 0.6),
    ]
    begin()
  }

  private mutating func begin() {
    desk = DeskGuard()
    desk.adopt(limits)
    for (name, mark) in marks { desk.setMark(mark, of: name) }
  }

  mutating func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }

  /// As after a restart: from the deals and what is live, in any order.
  mutating func restart() {
    begin()
    for deal in deals {
      _ = desk.fill(
        peer: deal.intent.peer, package: deal.intent.package, lots: deal.lots, isMaker: true, time: .seconds(0),
        now: .seconds(0))
    }
    for entry in open.values { desk.reserve(entry.intent) }
  }

  mutating func step() -> Bool {
    let dialogue = UInt8(pick(6))
    switch pick(5) {
    case 0, 1: return offer(dialogue)
    case 2: take(dialogue)
    case 3:
      open[dialogue] = nil
      desk.reserve([dialogue], peer: "", package: Sample.package(), buys: 0, sells: 0)
    default: if pick(4) == 0 { restart() }
    }
    return true
  }

  private mutating func offer(_ dialogue: UInt8) -> Bool {
    var legs = [DeskPackage.Leg(Sample.all[pick(3)], weight: pick(2) == 0 ? 1 : -1)]
    let other = Sample.all[pick(3)]
    if pick(3) == 0, other != legs[0].instrument { legs.append(.init(other, weight: Int64(1 + pick(2)))) }
    let ways = pick(3)
    let lots = Int64(1 + pick(12))
    let intent = Sample.intent(
      pick(2) == 0 ? .firmOffer : .accept, peer: "did:key:\(dialogue % 2)", dialogue: dialogue, DeskPackage(legs),
      buys: ways == 1 ? nil : lots, sells: ways == 0 ? nil : Int64(1 + pick(12)))
    let refusal = desk.refusal(intent)
    if refusal == nil {
      desk.reserve(intent)
      open[dialogue] = Open(intent: intent, isFirm: true)
    }
    return refusal == nil
  }

  private mutating func take(_ dialogue: UInt8) {
    guard let entry = open.removeValue(forKey: dialogue) else { return }
    let side = entry.intent.buys.map { Int64(1 + pick(Int($0.lots))) }
    let other = entry.intent.sells.map { -Int64(1 + pick(Int($0.lots))) }
    guard let lots = pick(2) == 0 ? side ?? other : other ?? side else { return }
    desk.reserve([dialogue], peer: "", package: Sample.package(), buys: 0, sells: 0)
    deals.append(Deal(intent: entry.intent, lots: lots))
    desk.trade(lots, entry.intent.package, peer: entry.intent.peer)
  }

  /// Whether the books, and every way in which all that is open could come about, keep every limit.
  func violation() -> String? {
    let entries = Array(open.values)
    var ways = [[Deal]()]
    for entry in entries {
      let sides = [entry.intent.buys?.lots, entry.intent.sells.map { -$0.lots }].compactMap(\.self)
      ways = ways.flatMap { way in [way] + sides.map { way + [Deal(intent: entry.intent, lots: $0)] } }
    }
    for way in ways {
      for peer in [nil, "did:key:0", "did:key:1"] {
        if let fault = violation(deals + way, peer) { return fault }
      }
    }
    return nil
  }

  private func violation(_ deals: [Deal], _ peer: String?) -> String? {
    var lots: [DeskInstrument: Int64] = [:]
    for deal in deals where peer == nil || deal.intent.peer == peer {
      for leg in deal.intent.package.legs { lots[leg.instrument, default: 0] += leg.weight * deal.lots }
    }
    let size = lots.reduce(0) { $0 + abs($1.value) * $1.key.contractsPerLot.millionths }
    if let most = peer == nil ? limits.size.all : limits.size.counterparty, size > most.millionths {
      return "size \(size) with \(peer ?? "all")"
    }
    for (underlying, exposure) in limits.exposure {
      func sum(_ greek: (DeskMark) -> Double) -> Double {
        lots.reduce(0) { sum, entry in
          entry.key.underlying == underlying ? sum + Double(entry.value) * (marks[entry.key.name].map(greek) ?? 0) : sum
        }
      }
      for (name, value, bounds) in [
        ("delta", sum(\.delta), exposure.delta), ("gamma", sum(\.gamma), exposure.gamma),
        ("vega", sum(\.vega), exposure.vega),
      ] {
        if let most = peer == nil ? bounds.all : bounds.counterparty, abs(value) > most + 1e-6 {
          return "\(name) \(underlying) \(value) with \(peer ?? "all")"
        }
      }
    }
    return nil
  }
}

@Suite("No sequence of actions passes a limit")
struct DeskGuardPropertyTests {
  @Test("offers, accepts, fills, cancels and restarts at random", arguments: 0..<40)
  func random(seed: Int) throws {
    var world = try World(seed: UInt64(seed))
    var (signed, refused) = (0, 0)
    for step in 0..<300 {
      if world.step() { signed += 1 } else { refused += 1 }
      if let fault = world.violation() {
        Issue.record("seed \(seed), step \(step): \(fault)")
        return
      }
    }
    // A guard that refuses everything would pass.
    #expect(world.deals.count > 4 && refused > 10, "seed \(seed): \(world.deals.count) deals, \(refused) refused")
  }

  @Test("a restart changes no answer", arguments: 0..<10)
  func restart(seed: Int) throws {
    var world = try World(seed: UInt64(1_000 + seed))
    for _ in 0..<200 { _ = world.step() }
    func answers(_ desk: inout DeskGuard) -> [DeskLimit?] {
      Sample.all.flatMap { instrument in
        (1...12).flatMap { lots in
          ["did:key:0", "did:key:1"].flatMap { peer in
            [
              desk.refusal(Sample.intent(peer: peer, dialogue: 99, Sample.package(instrument), buys: lots)),
              desk.refusal(Sample.intent(peer: peer, dialogue: 99, Sample.package(instrument), sells: lots)),
            ]
          }
        }
      }
    }
    let before = answers(&world.desk)
    world.restart()
    #expect(answers(&world.desk) == before && before.contains(nil) && before.contains { $0 != nil }, "seed \(seed)")
  }
}
