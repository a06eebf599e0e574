import ParleyDesk
import ParleyWire

extension UnixNanoseconds {
  /// So many seconds after a start that is no round number.
  static func seconds(_ seconds: Double) -> Self { Self(1_795_248_000_000_000_000 + Int64(seconds * 1e9)) }
}

enum Sample {
  static let call = DeskInstrument(
    name: "BTC-C", underlying: "BTC", contractsPerLot: Contracts(millionths: 100_000), expiry: .seconds(86_400))
  static let put = DeskInstrument(
    name: "BTC-P", underlying: "BTC", contractsPerLot: Contracts(millionths: 100_000), expiry: .seconds(2 * 86_400))
  static let ether = DeskInstrument(
    name: "ETH-C", underlying: "ETH", contractsPerLot: Contracts(millionths: 1_000_000), expiry: nil)
  static let all = [call, put, ether]

  static func mark(
    delta: Double = 0.5, gamma: Double = 0.001, vega: Double = 10, fair: Double = 100, perPoint: Double = 4
  ) -> DeskMark {
    guard let mark = DeskMark(delta: delta, gamma: gamma, vega: vega, fairTicks: fair, ticksPerPoint: perPoint) else {
      preconditionFailure("finite numbers make a mark")
    }
    return mark
  }

  static func package(_ instrument: DeskInstrument = call, weight: Int64 = 1) -> DeskPackage {
    DeskPackage([.init(instrument, weight: weight)])
  }

  /// A guard with marks: the call moves up, the put down.
  static func desk(_ limits: DeskLimits) -> DeskGuard {
    var desk = DeskGuard()
    desk.adopt(limits)
    desk.setMark(mark(), of: call.name)
    desk.setMark(mark(delta: -0.25), of: put.name)
    desk.setMark(mark(), of: ether.name)
    return desk
  }

  static func intent(
    _ act: DeskIntent.Act = .firmOffer, peer: String = "did:key:a", dialogue: UInt8 = 1,
    _ package: DeskPackage = package(call), buys: Int64? = nil, sells: Int64? = nil, at net: Int64? = 100
  ) -> DeskIntent {
    DeskIntent(
      act, peer: peer, dialogue: [dialogue], package: package, buys: buys.map { DeskPrice(net: net, lots: $0) },
      sells: sells.map { DeskPrice(net: net, lots: $0) })
  }
}

extension DeskGuard {
  /// Which limit stands in the way; `nil` when none does.
  mutating func refusal(_ intent: DeskIntent, at now: UnixNanoseconds = .seconds(0)) -> DeskLimit? {
    do throws(DeskRefusal) {
      try check(intent, now: now)
      return nil
    } catch {
      return error.limit
    }
  }

  /// Reserves what was let through, as a node does once it is signed.
  mutating func reserve(_ intent: DeskIntent) {
    reserve(
      intent.dialogue, peer: intent.peer, package: intent.package, buys: intent.buys?.lots ?? 0,
      sells: intent.sells?.lots ?? 0)
  }

  @discardableResult
  mutating func trade(
    _ lots: Int64, _ package: DeskPackage = Sample.package(), peer: String = "did:key:a", isMaker: Bool = true,
    at time: UnixNanoseconds = .seconds(0)
  ) -> DeskFreeze? {
    fill(peer: peer, package: package, lots: lots, isMaker: isMaker, time: time, now: time)
  }
}

extension DeskLimits {
  /// Limits from the text of a file.
  init(_ text: String) throws(DeskError) { try self.init(parsing: Array(text.utf8)) }
}
