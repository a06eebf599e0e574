/// Greeks of something in one underlying.
struct DeskGreeks: Hashable, Sendable {
  var delta = 0.0
  var gamma = 0.0
  var vega = 0.0

  mutating func add(_ mark: DeskMark, lots: Double) {
    delta += lots * mark.delta
    gamma += lots * mark.gamma
    vega += lots * mark.vega
  }
}

/// The furthest that a number can go either way, whatever part of what is open comes about.
struct DeskRange: Hashable, Sendable {
  var lowest = 0.0
  var highest = 0.0

  /// Adds something that comes about wholly, in part or not at all, in one of two ways.
  mutating func add(either one: Double, or other: Double) {
    lowest += min(0, one, other)
    highest += max(0, one, other)
  }

  mutating func add(surely value: Double) {
    lowest += value
    highest += value
  }

  /// The greater of the two in magnitude.
  var magnitude: Double { max(abs(lowest), abs(highest)) }
}

/// Ranges of the Greeks of one underlying.
struct DeskGreekRanges: Hashable, Sendable {
  var delta = DeskRange()
  var gamma = DeskRange()
  var vega = DeskRange()
}

/// What may be traded in a dialogue without asking again: a live firm offer, or an Accept in doubt.
struct DeskReservation: Hashable, Sendable {
  let peer: String
  let package: DeskPackage
  /// Lots that may be bought, and lots that may be sold instead.
  let buys: Int64
  let sells: Int64
}

/// What was traded with one counterparty, or with all, and still is open.
struct DeskBook: Sendable {
  /// Net lots by instrument: none is 0.
  private(set) var lots: [String: Int128] = [:]
  /// Greeks of those by underlying, at the marks of the last ``remark(_:_:)``.
  private(set) var greeks: [String: DeskGreeks] = [:]
  /// Instruments held that have no mark, and their underlyings.
  private(set) var unmarked: [String: String] = [:]
  /// Millionths of contracts held or owed, all instruments together.
  private(set) var size: Int128 = 0

  mutating func add(_ amount: Int128, of instrument: DeskInstrument, _ mark: DeskMark?) {
    let before = lots[instrument.name] ?? 0
    let after = before + amount
    size += Int128((after.magnitude)) * Int128(instrument.contractsPerLot.millionths)
    size -= Int128((before.magnitude)) * Int128(instrument.contractsPerLot.millionths)
    lots[instrument.name] = after == 0 ? nil : after
    if let mark {
      greeks[instrument.underlying, default: DeskGreeks()].add(mark, lots: Double(amount))
    } else {
      unmarked[instrument.name] = after == 0 ? nil : instrument.underlying
    }
  }

  /// Computes the Greeks anew, which also ends what rounding has gathered.
  mutating func remark(_ instruments: [String: DeskInstrument], _ marks: [String: DeskMark]) {
    greeks = [:]
    unmarked = [:]
    for (name, amount) in lots {
      guard let instrument = instruments[name] else { continue }
      if let mark = marks[name] {
        greeks[instrument.underlying, default: DeskGreeks()].add(mark, lots: Double(amount))
      } else {
        unmarked[name] = instrument.underlying
      }
    }
  }
}

/// The furthest that exposures can go.
struct DeskLoad: Sendable {
  var greeks: [String: DeskGreekRanges] = [:]
  /// An instrument without a mark, by underlying.
  var unmarked: [String: String] = [:]
  /// Millionths of contracts.
  var size: Int128 = 0

  /// The load of a book and of everything that is reserved beside it.
  init(_ book: DeskBook, _ reservations: [DeskReservation], _ marks: [String: DeskMark]) {
    for (underlying, held) in book.greeks {
      greeks[underlying, default: DeskGreekRanges()].delta.add(surely: held.delta)
      greeks[underlying, default: DeskGreekRanges()].gamma.add(surely: held.gamma)
      greeks[underlying, default: DeskGreekRanges()].vega.add(surely: held.vega)
    }
    for (name, underlying) in book.unmarked { unmarked[underlying] = name }
    var moves: [String: (lowest: Int128, highest: Int128, contracts: Int64)] = [:]
    for reservation in reservations {
      var one: [String: DeskGreeks] = [:]
      for leg in reservation.package.legs {
        let instrument = leg.instrument
        let (bought, sold) = (
          Int128(leg.weight) * Int128(reservation.buys), -Int128(leg.weight) * Int128(reservation.sells)
        )
        var move = moves[instrument.name] ?? (0, 0, instrument.contractsPerLot.millionths)
        move.lowest += min(0, bought, sold)
        move.highest += max(0, bought, sold)
        moves[instrument.name] = move
        if let mark = marks[instrument.name] {
          one[instrument.underlying, default: DeskGreeks()].add(mark, lots: Double(leg.weight))
        } else {
          unmarked[instrument.underlying] = instrument.name
        }
      }
      let (buys, sells) = (Double(reservation.buys), -Double(reservation.sells))
      for (underlying, one) in one {
        greeks[underlying, default: DeskGreekRanges()].delta.add(either: buys * one.delta, or: sells * one.delta)
        greeks[underlying, default: DeskGreekRanges()].gamma.add(either: buys * one.gamma, or: sells * one.gamma)
        greeks[underlying, default: DeskGreekRanges()].vega.add(either: buys * one.vega, or: sells * one.vega)
      }
    }
    size = book.size
    for (name, move) in moves {
      let held = book.lots[name] ?? 0
      let most = max((held + move.lowest).magnitude, (held + move.highest).magnitude)
      size += (Int128(most) - Int128(held.magnitude)) * Int128(move.contracts)
    }
  }
}
