import ParleyWire
import Testing

@testable import ParleyIdentity

private typealias Builder = WebVHBuilder

@Suite("The resolver and histories")
struct DIDResolverHistoryTests {
  private static let witness = Builder.Key(11)

  /// A resolver, and what it answers when it is given these files, eleven seconds after the time before.
  private final class Bench {
    var resolver = DIDResolver()
    var now: Duration = .zero
    var urls: [String] = []

    func ask(
      _ did: DID, _ files: [[UInt8]], isForced: Bool = true, isKnown: Bool = false, after: Duration = .seconds(11)
    ) throws -> Result<DIDResolution, ResolutionError> {
      now += after
      urls = []
      var files = files
      var request = DIDResolver.Request(did)
      request.isForced = isForced
      request.isKnown = isKnown
      let id: DIDResolver.RequestID
      switch resolver.resolve(request, now: now) {
      case .answer(let result): return result
      case .waiting(let request): id = request
      }
      while let event = resolver.poll(now: now) {
        switch event {
        case .answer(let answered, let result):
          #expect(answered == id)
          return result
        case .fetch(let fetch, let url):
          urls.append(url)
          let result: Result<[UInt8], ResolutionError> =
            files.isEmpty ? .failure(.unreachable("404")) : .success(files.removeFirst())
          resolver.receive(fetch, result, now: now, date: Builder.now)
        }
      }
      throw ResolutionError.timedOut
    }
  }

  @Test("the log, and the witnesses' file where it names witnesses")
  func files() throws {
    var builder = Builder()
    builder.append()
    let bench = Bench()
    let plain = try bench.ask(builder.did, [builder.bytes]).get()
    #expect(bench.urls == ["https://maker.example/.well-known/did.jsonl"])
    let version = try builder.history().version(.latest)
    #expect(plain.evidence == .history(url: bench.urls[0], version: version, witnesses: nil))

    var witnessed = Builder()
    witnessed.append(["witness": Builder.witness(1, [Self.witness])])
    let file = witnessed.witnessFile([(1, [Self.witness])])
    let good = try bench.ask(witnessed.did, [witnessed.bytes, file]).get()
    #expect(
      bench.urls == [
        "https://maker.example/.well-known/did.jsonl", "https://maker.example/.well-known/did-witness.json",
      ])
    guard case .history(_, _, let witnesses) = good.evidence else { throw ResolutionError.timedOut }
    #expect(witnesses?.threshold == 1 && witnesses?.ids == [Self.witness.did])
    #expect(try bench.ask(witnessed.did, [witnessed.bytes]) == .failure(.unreachable("404")))
    #expect(
      try bench.ask(witnessed.did, [witnessed.bytes, Array("[]".utf8)])
        == .failure(.refused(.invalidLog(version: 1, .notWitnessed(have: 0, threshold: 1)))))
  }

  @Test(
    "a history says how long it counts, up to five minutes", arguments: [(0, 0), (60, 60), (300, 300), (3600, 300)])
  func lifetime(ttl: Int64, seconds: Int64) throws {
    var builder = Builder()
    builder.append(["ttl": .integer(ttl)])
    let bench = Bench()
    _ = try bench.ask(builder.did, [builder.bytes]).get()
    if seconds > 0 {
      _ = try bench.ask(builder.did, [], isForced: false, after: .milliseconds(seconds * 1000 - 1)).get()
      #expect(bench.urls.isEmpty)
    }
    _ = try bench.ask(
      builder.did, [builder.bytes], isForced: false, after: seconds > 0 ? .milliseconds(1) : .seconds(10)
    ).get()
    #expect(bench.urls.count == 1)
  }

  @Test("a history that does not continue the one seen before is evidence, and does not replace it")
  func contradiction() throws {
    var common = Builder()
    common.append()
    var one = common
    one.append(["ttl": 1])
    var other = common
    other.append(["ttl": 2])
    let did = try common.did
    for contradicting in [other, common] {
      let bench = Bench()
      let seen = try bench.ask(did, [one.bytes]).get()
      guard case .failure(.splitView(let view)) = try bench.ask(did, [contradicting.bytes]) else {
        throw ResolutionError.timedOut
      }
      #expect(view.did == did && view.seen.map(\.bytes) == [one.bytes])
      #expect(view.contradiction.bytes == contradicting.bytes)
      #expect(view.seen[0].hash == seen.document.hash)
      // A known peer keeps the document that was seen first.
      let kept = try bench.ask(did, [], isForced: false, isKnown: true).get()
      #expect(kept.evidence == seen.evidence)
      // And its continuation is welcome.
      var longer = one
      longer.append()
      guard case .history(_, let version, _) = try bench.ask(did, [longer.bytes]).get().evidence else {
        throw ResolutionError.timedOut
      }
      #expect(version.number == 3)
    }
  }

  @Test("a DID that has ended is forgotten, also for who knew it")
  func ending() throws {
    var builder = Builder()
    builder.append()
    let did = try builder.did
    let bench = Bench()
    _ = try bench.ask(did, [builder.bytes]).get()
    builder.append(["deactivated": true])
    #expect(try bench.ask(did, [builder.bytes]) == .failure(.refused(.deactivated(did))))
    #expect(
      try bench.ask(did, [], isForced: false, isKnown: true, after: .seconds(1))
        == .failure(.refused(.deactivated(did))))
  }

  @Test("an entry that does not hold makes the history useless, not shorter")
  func faulty() throws {
    var builder = Builder()
    builder.append()
    builder.append(by: Builder.stranger)
    let bench = Bench()
    #expect(
      try bench.ask(builder.did, [builder.bytes])
        == .failure(.refused(.invalidLog(version: 2, .unauthorizedKey))))
  }
}
