import ParleyCrypto
import ParleyWire
import Testing

@testable import ParleyIdentity

/// A resolver with a clock, and what came out of it.
private final class Bench {
  var resolver: DIDResolver
  var now: Duration = .seconds(1000)
  var fetches: [(id: DIDResolver.FetchID, url: String)] = []
  var answers: [DIDResolver.RequestID: Result<DIDResolution, ResolutionError>] = [:]

  init(_ limits: DIDResolver.Limits = .init()) { resolver = DIDResolver(limits: limits) }

  func ask(
    _ did: DID, source: String? = nil, isKnown: Bool = false, isForced: Bool = false
  ) -> DIDResolver.Reply {
    var request = DIDResolver.Request(did)
    request.source = source
    request.isKnown = isKnown
    request.isForced = isForced
    let reply = resolver.resolve(request, now: now)
    drain()
    return reply
  }

  func drain() {
    while let event = resolver.poll(now: now) {
      switch event {
      case .fetch(let id, let url): fetches.append((id, url))
      case .answer(let id, let result):
        #expect(answers[id] == nil, "one answer a request")
        answers[id] = result
      }
    }
  }

  func pass(_ duration: Duration) {
    now += duration
    drain()
  }

  /// Ends the oldest fetch.
  func receive(_ result: Result<[UInt8], ResolutionError>) throws {
    try #require(!fetches.isEmpty)
    resolver.receive(fetches.removeFirst().id, result, now: now, date: WebVHBuilder.now)
    drain()
  }

  /// Asks, and gives what is fetched.
  func answer(
    _ did: DID, _ files: [[UInt8]], isKnown: Bool = false, isForced: Bool = false
  ) throws -> Result<DIDResolution, ResolutionError> {
    switch ask(did, isKnown: isKnown, isForced: isForced) {
    case .answer(let result): return result
    case .waiting(let id):
      for file in files { try receive(.success(file)) }
      return try #require(answers[id])
    }
  }
}

@Suite("The resolver")
struct DIDResolverTests {
  private static func web(_ host: String = "maker.example") throws -> DID { try DID(parsing: "did:web:" + host) }

  /// A document of a host, which `mark` makes another one.
  private static func document(_ host: String = "maker.example", _ mark: String = "") throws -> [UInt8] {
    let object = TestDocuments.setting([("x", .string(mark))])
    return Array(JSONValue.object(object).serialized().replacing("maker.example", with: host).utf8)
  }

  @Test("a document is fetched once, and then counts for five minutes")
  func freshness() throws {
    let bench = Bench()
    let did = try Self.web()
    guard case .waiting(let id) = bench.ask(did) else { throw ResolutionError.timedOut }
    #expect(bench.fetches.map(\.url) == ["https://maker.example/.well-known/did.json"])
    #expect(bench.resolver.nextDeadline == bench.now + .seconds(3))
    try bench.receive(.success(Self.document()))
    let resolution = try #require(bench.answers[id]).get()
    #expect(resolution.document.id == did && !resolution.isStale)
    #expect(resolution.evidence == .server(url: "https://maker.example/.well-known/did.json"))
    #expect(bench.resolver.nextDeadline == nil)
    bench.pass(.milliseconds(299_999))
    #expect(bench.ask(did) == .answer(.success(resolution)))
    #expect(bench.fetches.isEmpty)
    bench.pass(.milliseconds(1))
    guard case .waiting = bench.ask(did) else { throw ResolutionError.timedOut }
    #expect(bench.fetches.count == 1)
  }

  @Test("who asks while it is fetched waits for the same fetch")
  func coalescing() throws {
    let bench = Bench()
    let did = try Self.web()
    guard case .waiting(let one) = bench.ask(did), case .waiting(let two) = bench.ask(did, isForced: true) else {
      throw ResolutionError.timedOut
    }
    #expect(bench.fetches.count == 1)
    try bench.receive(.success(Self.document()))
    #expect(bench.answers[one] != nil && bench.answers[one] == bench.answers[two])
    // A fetch is reported once.
    bench.resolver.receive(
      .init(number: 1), .success(try Self.document("maker.example", "late")), now: bench.now, date: WebVHBuilder.now)
    #expect(bench.resolver.poll(now: bench.now) == nil)
  }

  /// A did:peer:4 in its short form, and its document.
  private static func hashed(_ number: UInt8) throws -> (did: DID, bytes: [UInt8]) {
    let key = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: number, count: 32)))
    let bytes = try DIDPeer4.inputDocument(ed25519: key.publicKey, endpoint: "ws://127.0.0.1:1/")
    return (try DIDPeer4.create(inputDocument: bytes).shortForm, bytes)
  }

  @Test("the document of a known did:peer:4 is checked once, and no other passes", arguments: [true, false])
  func hashedDocuments(isKnown: Bool) throws {
    var limits = DIDResolver.Limits()
    limits.cacheCount = 2
    var resolver = DIDResolver(limits: limits)
    for number: UInt8 in [1, 1, 2, 3, 1, 2, 3] {
      let (did, bytes) = try Self.hashed(number)
      var request = DIDResolver.Request(did)
      request.isKnown = isKnown
      let unasked = resolver.resolve(request, now: .zero)
      #expect(unasked == .answer(.failure(.refused(.documentNeeded(did)))))
      request.documentBytes = bytes
      for isAgain in [false, true] {
        guard case .answer(.success(let resolution)) = resolver.resolve(request, now: .zero) else {
          throw ResolutionError.timedOut
        }
        #expect(resolution.document.id == did && resolution.document.bytes == bytes)
        #expect(resolution.evidence == .theDIDItself)
        #expect((resolution.firstIdentity != nil) == isKnown, "\(isAgain)")
        let fresh = try LocalResolver.resolve(did, documentBytes: bytes)
        #expect(try resolution.peerIdentity() == fresh && resolution.peerIdentity().ed25519 == fresh.ed25519)
        #expect(try resolution.peerIdentity(keyFragment: "key-1") == fresh)
        #expect(throws: IdentityError.noAuthenticationKey("key-2")) {
          try resolution.peerIdentity(keyFragment: "key-2")
        }
      }
      request.documentBytes = try Self.hashed(number ^ 1).bytes
      #expect(resolver.resolve(request, now: .zero) == .answer(.failure(.refused(.documentMismatch(did)))))
    }
  }

  @Test("of a known peer, a document up to an hour old does while a newer one is fetched")
  func stale() throws {
    let bench = Bench()
    let did = try Self.web()
    _ = try bench.answer(did, [Self.document("maker.example", "old")])
    bench.pass(.seconds(300))
    guard case .answer(.success(let stale)) = bench.ask(did, isKnown: true) else { throw ResolutionError.timedOut }
    #expect(stale.isStale && stale.document.json["x"] == "old")
    #expect(bench.fetches.count == 1)
    try bench.receive(.success(Self.document("maker.example", "new")))
    #expect(bench.answers.count == 1)
    let fresh = try bench.answer(did, [], isKnown: true).get()
    #expect(!fresh.isStale && fresh.document.json["x"] == "new")
    // While the host fails, the old one does still, without asking again each time.
    bench.pass(.seconds(300))
    _ = bench.ask(did, isKnown: true)
    try bench.receive(.failure(.unreachable("no route")))
    let kept = try bench.answer(did, [], isKnown: true).get()
    #expect(!kept.isStale && kept.document.json["x"] == "new" && bench.fetches.isEmpty)
    #expect(bench.ask(did) == .answer(.failure(.unreachable("no route"))))
    // At an hour it does, past it no more.
    bench.pass(.seconds(3300))
    guard case .answer(.success) = bench.ask(did, isKnown: true) else { throw ResolutionError.timedOut }
    try bench.receive(.failure(.unreachable("no route")))
    bench.pass(.milliseconds(60_001))
    guard case .waiting = bench.ask(did, isKnown: true) else { throw ResolutionError.timedOut }
  }

  @Test("a failure counts for a minute")
  func failures() throws {
    let bench = Bench()
    let did = try Self.web()
    for (file, error) in [
      (Result<[UInt8], ResolutionError>.failure(.unreachable("refused")), ResolutionError.unreachable("refused")),
      (.success(Array("{}".utf8)), .refused(.malformedDocument("id"))),
      (.success(Array(repeating: 0x20, count: 65_537)), .refused(.documentTooLong(65_537, limit: 65_536))),
    ] {
      guard case .waiting(let id) = bench.ask(did) else { throw ResolutionError.timedOut }
      try bench.receive(file)
      #expect(bench.answers[id] == .failure(error))
      bench.pass(.milliseconds(59_999))
      #expect(bench.ask(did) == .answer(.failure(error)) && bench.fetches.isEmpty)
      // Unless somebody insists.
      guard case .waiting(let forced) = bench.ask(did, isForced: true) else { throw ResolutionError.timedOut }
      try bench.receive(.failure(error))
      #expect(bench.answers[forced] == .failure(error))
      bench.pass(.seconds(60))
    }
    let longest = try Self.document() + [UInt8](repeating: 0x20, count: 65_536 - Self.document().count)
    #expect(try bench.answer(did, [longest]).get().document.id == did)
  }

  @Test("one resolution a host in ten seconds, whatever DID and path")
  func hostInterval() throws {
    let bench = Bench()
    _ = try bench.answer(Self.web("a.example"), [Self.document("a.example")])
    let busy = DIDResolver.Reply.answer(.failure(.busy(.host("a.example"))))
    #expect(try bench.ask(Self.web("a.example:x")) == busy)
    #expect(try bench.ask(Self.web("a.example%3A8443")) == busy)
    #expect(try bench.ask(Self.web("a.example"), isForced: true) == busy)
    guard case .waiting = bench.ask(try Self.web("b.example")) else { throw ResolutionError.timedOut }
    bench.pass(.milliseconds(9_999))
    #expect(try bench.ask(Self.web("a.example:x")) == busy)
    bench.pass(.milliseconds(1))
    guard case .waiting = bench.ask(try Self.web("a.example:x")) else { throw ResolutionError.timedOut }
  }

  @Test("sixteen at a time, one a source")
  func concurrency() throws {
    let bench = Bench()
    for number in 1...16 {
      guard case .waiting = bench.ask(try Self.web("h\(number).example"), source: "192.0.2.\(number)") else {
        throw ResolutionError.timedOut
      }
    }
    #expect(try bench.ask(Self.web("h17.example"), source: "198.51.100.1") == .answer(.failure(.busy(.concurrent))))
    // Neither another DID nor the same one.
    for host in ["h17.example", "h1.example", "h2.example"] {
      #expect(try bench.ask(Self.web(host), source: "192.0.2.1") == .answer(.failure(.busy(.source))))
    }
    // The owner may join what is there.
    guard case .waiting = bench.ask(try Self.web("h2.example")) else { throw ResolutionError.timedOut }
    try bench.receive(.failure(.unreachable("x")))
    guard case .waiting = bench.ask(try Self.web("h17.example"), source: "192.0.2.1") else {
      throw ResolutionError.timedOut
    }
  }

  @Test("after three seconds whoever waits is told, and the place is free when the fetch ends")
  func timeout() throws {
    var limits = DIDResolver.Limits()
    limits.concurrent = 1
    let bench = Bench(limits)
    let did = try Self.web()
    guard case .waiting(let id) = bench.ask(did) else { throw ResolutionError.timedOut }
    bench.pass(.milliseconds(2_999))
    #expect(bench.answers[id] == nil)
    bench.pass(.milliseconds(1))
    #expect(bench.answers[id] == .failure(.timedOut))
    #expect(bench.resolver.nextDeadline == nil)
    #expect(bench.ask(did) == .answer(.failure(.timedOut)))
    #expect(try bench.ask(Self.web("b.example")) == .answer(.failure(.busy(.concurrent))))
    try bench.receive(.success(Self.document()))
    #expect(bench.answers.count == 1)
    // What came too late is not used.
    #expect(bench.ask(did) == .answer(.failure(.timedOut)))
    guard case .waiting = bench.ask(try Self.web("b.example")) else { throw ResolutionError.timedOut }
  }

  @Test("the cache has room for so many, and the oldest goes")
  func room() throws {
    var limits = DIDResolver.Limits()
    limits.cacheCount = 2
    let bench = Bench(limits)
    for host in ["a.example", "b.example", "c.example"] {
      _ = try bench.answer(Self.web(host), [Self.document(host)])
      bench.pass(.seconds(11))
    }
    for host in ["b.example", "c.example"] {
      guard case .answer(.success) = bench.ask(try Self.web(host)) else { throw ResolutionError.timedOut }
    }
    guard case .waiting = bench.ask(try Self.web("a.example")) else { throw ResolutionError.timedOut }
  }

  @Test("what needs no network needs no place")
  func selfContained() throws {
    var limits = DIDResolver.Limits()
    limits.concurrent = 0
    let bench = Bench(limits)
    let key = try DIDKey.did(for: TestDocuments.ed25519.publicKey.raw)
    guard case .answer(.success(let resolution)) = bench.ask(key, source: "x") else { throw ResolutionError.timedOut }
    #expect(resolution.evidence == .theDIDItself && resolution.document.id == key)
    let input = try DIDPeer4.inputDocument(ed25519: TestDocuments.ed25519.publicKey, endpoint: nil)
    let peer = try DIDPeer4.create(inputDocument: input)
    var request = DIDResolver.Request(peer.shortForm)
    #expect(
      bench.resolver.resolve(request, now: .zero)
        == .answer(.failure(.refused(.documentNeeded(peer.shortForm)))))
    request.documentBytes = input
    guard case .answer(.success) = bench.resolver.resolve(request, now: .zero) else { throw ResolutionError.timedOut }
    #expect(
      try bench.ask(DID(parsing: "did:plc:x")) == .answer(.failure(.refused(.unsupportedMethod("plc")))))
    #expect(try bench.ask(Self.web()) == .answer(.failure(.busy(.concurrent))))
  }

  @Test("a hash that none of the documents has is evidence, with the documents")
  func claimedHash() throws {
    let bench = Bench()
    let did = try Self.web()
    let claimed = [UInt8](repeating: 7, count: 32)
    #expect(bench.resolver.splitView(of: did, claimedHash: claimed, date: WebVHBuilder.now) == nil)
    let old = try Self.document("maker.example", "old")
    let first = try bench.answer(did, [old]).get().document.hash
    bench.pass(.seconds(11))
    let new = try Self.document("maker.example", "new")
    let second = try bench.answer(did, [new], isForced: true).get().document.hash
    #expect(first != second)
    let evidence = try #require(bench.resolver.splitView(of: did, claimedHash: claimed, date: UnixNanoseconds(9)))
    #expect(evidence.seen.map(\.bytes) == [old, new] && evidence.seen.map(\.hash) == [first, second])
    #expect(evidence.contradiction == .init(hash: claimed, bytes: nil, time: UnixNanoseconds(9)))
    for hash in [first, second] {
      #expect(bench.resolver.splitView(of: did, claimedHash: hash, date: WebVHBuilder.now) == nil)
    }
  }

  @Test("whatever happens, every request is answered once and in time, and no bound is passed", arguments: 0..<20)
  func simulation(seed: UInt64) throws {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
    func random(_ bound: UInt64) -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state % bound
    }
    let bench = Bench()
    var asked: [DIDResolver.RequestID: Duration] = [:]
    var lastFetch: [String: Duration] = [:]
    for _ in 0..<600 {
      switch random(4) {
      case 0, 1:
        let host = "h\(random(24)).example"
        let count = bench.fetches.count
        let reply = bench.ask(
          try Self.web(host), source: random(2) == 0 ? nil : "s\(random(8))", isKnown: random(2) == 0,
          isForced: random(8) == 0)
        if case .waiting(let id) = reply { asked[id] = bench.now }
        guard bench.fetches.count > count else { continue }
        #expect(bench.now - (lastFetch[host] ?? .zero) >= .seconds(10), "seed \(seed)")
        lastFetch[host] = bench.now
        #expect(bench.fetches.count <= 16, "seed \(seed)")
      case 2:
        guard !bench.fetches.isEmpty else { continue }
        let host = bench.fetches[0].url.dropFirst(8).prefix { $0 != "/" }
        try bench.receive(
          random(3) == 0 ? .failure(.unreachable("x")) : .success(Self.document(String(host), "\(random(3))")))
      default:
        bench.pass(.milliseconds(Int64(random(4000))))
        for (id, time) in asked where bench.now - time >= .seconds(3) {
          #expect(bench.answers[id] != nil, "seed \(seed)")
        }
      }
    }
    while !bench.fetches.isEmpty { try bench.receive(.failure(.unreachable("end"))) }
    bench.pass(.seconds(3))
    #expect(Set(bench.answers.keys) == Set(asked.keys), "seed \(seed)")
  }
}
