import CLoopback
import Foundation
import Parley

/// What a deal cannot do without, measured alone.
///
/// Each statement must be durable before it leaves, and the trade before it is told: five syncs one after the other, of
/// the request, the quote, the accept, the confirm, and of the confirm at the other side. Four statements are signed and
/// checked; the confirm has the accept in it, whose signature is checked too. Four messages travel.
struct Parts {
  private static let syncCount = 5
  private static let signatureCount = 4
  private static let checkCount = 5
  private static let messageCount = 4
  /// Bytes of a record that carries a statement.
  private static let messageBytes = 700

  private var totals: [Double] = []
  private var means: [(name: String, sum: Double)] = [
    ("5 syncs of 20 KiB", 0), ("4 signatures", 0), ("5 checks of signatures", 0), ("4 messages to another process", 0),
    ("10 wake-ups of another thread", 0),
  ]
  private let key = Ed25519.SigningKey()
  private let statement = [UInt8](repeating: 0x5A, count: 64)

  /// Does each part as often as a deal does, `rounds` times.
  mutating func measure(rounds: Int, in folder: URL) throws {
    // Into room that is there already, as in a write-ahead log: five pages, which is what one commit writes.
    let pages = [UInt8](repeating: 0x5A, count: 5 * 4_120)
    let file = open(folder.appending(path: "raw").path(), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    precondition(file >= 0)
    defer { close(file) }
    for _ in 0..<256 { precondition(write(file, pages, pages.count) == pages.count) }
    precondition(fsync(file) == 0)
    var travel = [Double](repeating: 0, count: rounds * Self.messageCount / 2)
    precondition(loopback_round_trips(travel.count, Int32(Self.messageBytes), &travel) == 0)
    var wakes = [Double](repeating: 0, count: rounds * Self.syncCount)
    precondition(thread_round_trips(wakes.count, &wakes) == 0)
    let signature = key.sign(statement)
    for round in 0..<rounds {
      let syncs = Self.time {
        for index in 0..<Self.syncCount {
          let place = (round * Self.syncCount + index) % 256 * pages.count
          precondition(pwrite(file, pages, pages.count, off_t(place)) == pages.count && fdatasync(file) == 0)
        }
      }
      let signing = Self.time { for _ in 0..<Self.signatureCount { _ = key.sign(statement) } }
      let checking = Self.time {
        for _ in 0..<Self.checkCount { precondition(key.publicKey.isValid(signature: signature, for: statement)) }
      }
      let messages = travel[round * 2..<(round + 1) * 2].reduce(0, +) / 1_000
      let handing = wakes[round * Self.syncCount..<(round + 1) * Self.syncCount].reduce(0, +) / 1_000
      let all = [syncs, signing, checking, messages, handing]
      for (index, value) in all.enumerated() { means[index].sum += value }
      totals.append(all.reduce(0, +))
    }
  }

  /// Prints the parts, their sum, and the whole beside it.
  func report(_ deals: [Double]) {
    for part in means {
      print(
        "  \(part.name.padding(toLength: 34, withPad: " ", startingAt: 0))"
          + "\(format(part.sum / Double(totals.count))) us on average")
    }
    let (parts, whole) = (totals.sorted(), deals.sorted())
    for (name, share) in [("median", 0.5), ("99.9th percentile", 0.999)] {
      let (part, deal) = (parts.quantile(share), whole.quantile(share))
      print("  \(name): parts \(format(part)) us, deal \(format(deal)) us: \(format(deal / part)) x (target 1.50)")
    }
  }

  private static func time(_ body: () -> Void) -> Double {
    ContinuousClock().measure(body) / .microseconds(1)
  }
}
