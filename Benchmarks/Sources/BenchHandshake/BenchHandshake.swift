import CHandshakePeers
import Glibc

/// What a handshake costs each side, against what it cannot do without, and against mutual TLS 1.3.
///
/// The three take turns, so that what else the machine does meets all of them: a ratio is the median of the ratios of
/// neighbours. All is processor time of this thread.
@main
enum BenchHandshake {
  static let primitivesLimit = 1.15
  static let tlsLimit = 0.6

  static func main() throws {
    let rounds = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1001
    guard rounds > 0 else { fail("BenchHandshake: give a number of rounds") }
    guard let primitives = primitives_new(), let tls = tls_pair_new() else { fail("OpenSSL or libsodium failed") }
    defer {
      primitives_free(primitives)
      tls_pair_free(tls)
    }
    var exchange = try Exchange()
    var sides = [Samples(), Samples()]
    for round in -20..<rounds {
      let initiating = run(primitives, isInitiator: true)
      var peers = tls_costs()
      guard tls_pair_run(tls, &peers) == 0 else { fail("OpenSSL failed") }
      let responding = run(primitives, isInitiator: false)
      let own = try exchange.run()
      guard round >= 0 else { continue }
      sides[0].add(own.initiator, initiating, peers.client, document: 0)
      sides[1].add(own.responder, responding, peers.server, document: own.document)
    }
    print("Handshake: CPU time a side in microseconds, suite 1; medians of \(rounds)\n")
    print("              keys   hashes   ours   / keys + hashes   / keys alone   mutual TLS 1.3   ours / TLS")
    print("  at most                                        1.15                                         0.60")
    let met = zip(["initiator", "responder"], sides).map { $1.report($0) }
    print("\n  of the responder's, the check of the document that came along: \(decimal(sides[1].document / 1000, 1))")
    print(met.allSatisfy(\.self) ? "\nBoth limits are met." : "\nNot all limits are met.")
  }

  static func run(_ primitives: OpaquePointer, isInitiator: Bool) -> primitive_costs {
    let work = SymmetricWork(isInitiator: isInitiator)
    var costs = primitive_costs()
    let line = work.hashes.withUnsafeBufferPointer { hashes in
      work.macs.withUnsafeBufferPointer { macs in
        work.seals.withUnsafeBufferPointer { seals in
          var pointers = symmetric_work(
            hashes: hashes.baseAddress, macs: macs.baseAddress, seals: seals.baseAddress)
          return primitives_run(primitives, isInitiator ? 1 : 0, &pointers, &costs)
        }
      }
    }
    guard line == 0 else { fail("OpenSSL or libsodium failed at line \(line) of Primitives.c") }
    return costs
  }

  static func fail(_ why: String) -> Never {
    print("BenchHandshake: \(why)")
    exit(1)
  }
}

/// The rounds of one side.
struct Samples {
  private var own: [Double] = [], asymmetric: [Double] = [], symmetric: [Double] = [], tls: [Double] = []
  private var documents: [Double] = []

  mutating func add(_ cost: Double, _ primitives: primitive_costs, _ tlsCost: Double, document: Double) {
    own.append(cost)
    asymmetric.append(primitives.asymmetric)
    symmetric.append(primitives.symmetric)
    tls.append(tlsCost)
    documents.append(document)
  }

  var document: Double { median(documents) }

  /// Prints a row, and says whether it keeps to the limits.
  func report(_ name: String) -> Bool {
    let all = median(own.indices.map { own[$0] / (asymmetric[$0] + symmetric[$0]) })
    let keys = median(own.indices.map { own[$0] / asymmetric[$0] })
    let other = median(own.indices.map { own[$0] / tls[$0] })
    let columns = [
      "  " + name, pad(decimal(median(asymmetric) / 1000, 1), 7), pad(decimal(median(symmetric) / 1000, 1), 9),
      pad(decimal(median(own) / 1000, 1), 7), pad(decimal(all, 2), 18), pad(decimal(keys, 2), 15),
      pad(decimal(median(tls) / 1000, 1), 17), pad(decimal(other, 2), 13),
    ]
    print(columns.joined())
    return all <= BenchHandshake.primitivesLimit && other <= BenchHandshake.tlsLimit
  }
}

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

func pad(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}

func decimal(_ value: Double, _ places: Int) -> String {
  let scale = places == 1 ? 10 : 100
  let whole = Int((value * Double(scale)).rounded())
  let rest = "\(whole % scale)"
  return "\(whole / scale)." + String(repeating: "0", count: places - rest.count) + rest
}
