import ParleyCrypto
public import ParleyWire

/// Decides which documents are fetched, when, and for how long they count.
///
/// ```
///             ┌ the DID itself ─────────────────────────────────────────▶ answer
/// resolve ────┼ fresh, failed a moment ago, stale but known ─────────────▶ answer
///             └ else: bounds ─▶ fetch ─▶ receive ─┬───────────────────────▶ answer to all who wait
///                                 ▲               │ a history's witnesses
///                                 └───────────────┘
/// ```
/// Its driver calls ``resolve(_:now:)``, carries out each ``Event/fetch(_:url:)`` by HTTPS without redirects, from public
/// addresses only and up to ``Limits/fileByteCount`` bytes, reports its end with ``receive(_:_:now:date:)`` exactly once,
/// and calls ``poll(now:)`` until that is `nil` after each of these and at ``nextDeadline``.
///
/// Source: PSC/1 sections 4 and 10.
public struct DIDResolver: Sendable {
  /// Bounds and times.
  public struct Limits: Hashable, Sendable {
    /// Bytes of a file.
    public var fileByteCount = 65_536
    /// For how long a document counts; a history that says less, or 0, is heeded.
    public var lifetime: Duration = .seconds(300)
    /// How old a document of a known peer may be while a newer one is fetched.
    public var staleLifetime: Duration = .seconds(3600)
    /// For how long a failure counts.
    public var failureLifetime: Duration = .seconds(60)
    /// From a request to its last answer.
    public var timeout: Duration = .seconds(3)
    /// Between two resolutions that ask the same host.
    public var hostInterval: Duration = .seconds(10)
    /// Resolutions at a time that fetch.
    public var concurrent = 16
    /// Documents that were fetched, documents of known peers that came along, failures, and hosts: as many of each are kept.
    public var cacheCount = 256

    /// The usual ones.
    public init() {}
  }

  /// What somebody wants resolved.
  public struct Request: Hashable, Sendable {
    /// The DID, in either form.
    public var did: DID
    /// What a peer brought along for a did:peer:4 in its short form.
    public var documentBytes: [UInt8]?
    /// On whose behalf: the address of a caller, say; `nil` for the owner of the node.
    public var source: String?
    /// Whether this is a peer that the node knows, for which a stale document is better than none.
    public var isKnown = false
    /// Whether what is kept will not do: after a peer has shown the hash of another document.
    public var isForced = false
    /// The identity as it was let in: if a did:web has other keys now, its rotation statements are fetched too.
    public var pinned: PeerIdentity?
    /// The key that the peer named; `nil` for the first one.
    public var keyFragment: String?

    /// A request of the owner's, for a DID not known yet.
    public init(_ did: DID) { self.did = did }
  }

  /// A request that waits for its answer.
  public struct RequestID: Hashable, Sendable { let number: UInt64 }

  /// A file on its way.
  public struct FetchID: Hashable, Sendable { let number: UInt64 }

  /// What comes of a request at once.
  public enum Reply: Hashable, Sendable {
    /// The answer.
    case answer(Result<DIDResolution, ResolutionError>)
    /// It will be an ``Event/answer(_:_:)``.
    case waiting(RequestID)
  }

  /// What the driver is to do.
  public enum Event: Hashable, Sendable {
    /// Fetch this file.
    case fetch(FetchID, url: String)
    /// Give this answer.
    case answer(RequestID, Result<DIDResolution, ResolutionError>)
  }

  private struct Job {
    enum Phase {
      case document
      case rotations(DIDResolution, bytes: [UInt8])
      case log
      case witnesses(DIDWebVHLog, bytes: [UInt8])
    }

    let did: DID
    let deadline: Duration
    /// Whose keys are pinned, and which key was named.
    let pinned: PeerIdentity?
    let keyFragment: String?
    var phase: Phase
    var waiters: [(id: RequestID, source: String?)]
    /// Whether its time is up; it still holds its place until the fetch ends.
    var isOver = false
  }

  private let limits: Limits
  private var cache: ResolverCache
  /// Documents of known peers that are the hash in their DID, with the keys that were found in them.
  private var checked: [DID: DIDResolution] = [:]
  private var jobs: [FetchID: Job] = [:]
  private var hosts: [String: Duration] = [:]
  private var events: [Event] = []
  private var lastNumber: UInt64 = 0

  /// A resolver that knows nothing yet.
  public init(limits: Limits = Limits()) {
    self.limits = limits
    cache = ResolverCache(limits: limits)
  }

  // MARK: Input

  /// Asks for a document.
  ///
  /// - Parameters:
  ///   - request: What is wanted.
  ///   - now: The time since any origin, from a clock that never goes back.
  /// - Returns: The answer, or who waits for it.
  public mutating func resolve(_ request: Request, now: Duration) -> Reply {
    let did = request.did
    switch did.method {
    case .web, .webvh: break
    case .peer4: return .answer(hashed(request))
    case .key, .jwk, .peer2, .other: return .answer(Self.local(did, request.documentBytes))
    }
    if !request.isForced, let kept = cache.answer(for: did, isKnown: request.isKnown, now: now),
      !Self.lacksRotations(kept, request)
    {
      if case .success(let resolution) = kept, resolution.isStale {
        var renewal = request
        renewal.source = nil
        _ = start(renewal, now: now)
      }
      return .answer(kept)
    }
    if let running = jobs.first(where: { $0.value.did == did && !$0.value.isOver })?.key {
      guard !isBusy(request.source) else { return .answer(.failure(.busy(.source))) }
      return .waiting(wait(for: running, request.source))
    }
    switch start(request, now: now) {
    case .failure(let error): return .answer(.failure(error))
    case .success(let fetch): return .waiting(wait(for: fetch, request.source))
    }
  }

  /// Takes the end of a fetch.
  ///
  /// - Parameters:
  ///   - fetch: Which one; another that was reported before is ignored.
  ///   - result: The file, or why there is none.
  ///   - now: As in ``resolve(_:now:)``.
  ///   - date: The wall clock, against which a history's times are held.
  public mutating func receive(
    _ fetch: FetchID, _ result: Result<[UInt8], ResolutionError>, now: Duration, date: UnixNanoseconds
  ) {
    guard let job = jobs.removeValue(forKey: fetch), !job.isOver else { return }
    do throws(ResolutionError) {
      let bytes: [UInt8]
      if case .rotations = job.phase, result == .failure(.missing) {
        bytes = []
      } else {
        bytes = try result.get()
      }
      guard bytes.count <= limits.fileByteCount else {
        throw .refused(.documentTooLong(bytes.count, limit: limits.fileByteCount))
      }
      guard let file = try read(bytes, for: job, date: date) else { return }
      finish(job, .success(try cache.keep(file, of: job.did, now: now)), now: now)
    } catch {
      finish(job, .failure(error), now: now)
    }
  }

  /// The next thing to do; `nil` for nothing.
  public mutating func poll(now: Duration) -> Event? {
    for (id, job) in jobs where !job.isOver && job.deadline <= now {
      jobs[id]?.isOver = true
      finish(job, .failure(.timedOut), now: now)
    }
    return events.isEmpty ? nil : events.removeFirst()
  }

  /// When ``poll(now:)`` is due, whatever else happens.
  public var nextDeadline: Duration? { jobs.values.filter { !$0.isOver }.map(\.deadline).min() }

  /// What contradicts the documents kept of a DID: a hash that a peer has shown and that is none of theirs.
  ///
  /// - Returns: `nil` where nothing is kept, or it is the hash of what is.
  public func splitView(of did: DID, claimedHash: [UInt8], date: UnixNanoseconds) -> SplitView? {
    let seen = cache.sightings(of: did)
    guard !seen.isEmpty, !seen.contains(where: { $0.hash == claimedHash }) else { return nil }
    return SplitView(did: did, seen: seen, contradiction: .init(hash: claimedHash, bytes: nil, time: date))
  }

  // MARK: Jobs

  /// The document of a did:peer:4, which its DID is the hash of.
  ///
  /// Of a peer that the node knows, the very bytes that were hashed, parsed and checked before are not again. Strangers
  /// cannot fill the room for that.
  private mutating func hashed(_ request: Request) -> Result<DIDResolution, ResolutionError> {
    if let bytes = request.documentBytes, let kept = checked[request.did], kept.document.bytes == bytes {
      return .success(kept)
    }
    var result = Self.local(request.did, request.documentBytes)
    guard request.isKnown, !request.did.isLongForm, case .success(var resolution) = result else { return result }
    resolution.firstIdentity = try? PeerIdentity(document: resolution.document)
    result = .success(resolution)
    if checked.count >= limits.cacheCount, let one = checked.keys.first { checked[one] = nil }
    checked[request.did] = resolution
    return result
  }

  private static func local(_ did: DID, _ documentBytes: [UInt8]?) -> Result<DIDResolution, ResolutionError> {
    do throws(IdentityError) {
      let document = try LocalResolver.document(of: did, documentBytes: documentBytes)
      return .success(DIDResolution(document: document, evidence: .theDIDItself))
    } catch {
      return .failure(.refused(error))
    }
  }

  private func isBusy(_ source: String?) -> Bool {
    source != nil && jobs.values.contains { $0.waiters.contains { $0.source == source } }
  }

  /// Whether the keys kept are not the pinned ones, and nobody has asked yet what led to them.
  private static func lacksRotations(_ kept: Result<DIDResolution, ResolutionError>, _ request: Request) -> Bool {
    guard case .success(let resolution) = kept, resolution.rotations == nil, request.did.method == .web else {
      return false
    }
    return hasOtherKeys(resolution, than: request.pinned, request.keyFragment)
  }

  private static func hasOtherKeys(
    _ resolution: DIDResolution, than pinned: PeerIdentity?, _ keyFragment: String?
  ) -> Bool {
    guard let pinned else { return false }
    let identity = resolution.document.identity(preferring: pinned, keyFragment: keyFragment)
    return identity.map { RotationStatement.Keys($0) != RotationStatement.Keys(pinned) } ?? false
  }

  private mutating func start(_ request: Request, now: Duration) -> Result<FetchID, ResolutionError> {
    let (did, source) = (request.did, request.source)
    guard let location = Self.location(of: did) else { return .failure(.refused(.unsupportedMethod(did.string))) }
    guard !isBusy(source) else { return .failure(.busy(.source)) }
    guard jobs.count < limits.concurrent else { return .failure(.busy(.concurrent)) }
    hosts = hosts.filter { $0.value + limits.hostInterval > now }
    guard hosts[location.host] == nil, hosts.count < limits.cacheCount else {
      return .failure(.busy(.host(location.host)))
    }
    hosts[location.host] = now
    let isLog = did.method == .webvh
    let job = Job(
      did: did, deadline: now + limits.timeout, pinned: request.pinned, keyFragment: request.keyFragment,
      phase: isLog ? .log : .document, waiters: [])
    return .success(fetch(location.url(of: isLog ? "did.jsonl" : "did.json"), job))
  }

  private static func location(of did: DID) -> WebLocation? {
    did.method == .webvh ? try? DIDWebVH.location(of: did) : WebLocation(did.methodSpecificID)
  }

  private mutating func fetch(_ url: String, _ job: Job) -> FetchID {
    lastNumber += 1
    let id = FetchID(number: lastNumber)
    jobs[id] = job
    events.append(.fetch(id, url: url))
    return id
  }

  private mutating func wait(for fetch: FetchID, _ source: String?) -> RequestID {
    lastNumber += 1
    let id = RequestID(number: lastNumber)
    jobs[fetch]?.waiters.append((id, source))
    return id
  }

  private mutating func finish(_ job: Job, _ result: Result<DIDResolution, ResolutionError>, now: Duration) {
    if case .failure(let error) = result { cache.keep(error, of: job.did, now: now) }
    for waiter in job.waiters { events.append(.answer(waiter.id, result)) }
  }

  // MARK: Files

  /// What a file says; `nil` if another one is needed, which is then on its way.
  private mutating func read(
    _ bytes: [UInt8], for job: Job, date: UnixNanoseconds
  ) throws(ResolutionError) -> ResolvedFile? {
    do throws(IdentityError) {
      switch job.phase {
      case .document:
        let resolution = DIDResolution(
          document: try DIDWeb.document(bytes, for: job.did), evidence: .server(url: try DIDWeb.url(for: job.did)))
        guard Self.hasOtherKeys(resolution, than: job.pinned, job.keyFragment) else {
          return ResolvedFile(resolution: resolution, bytes: bytes, time: date)
        }
        var job = job
        job.phase = .rotations(resolution, bytes: bytes)
        _ = fetch(try DIDWeb.rotationsURL(for: job.did), job)
        return nil
      case .rotations(var resolution, let documentBytes):
        // A list that does not read leads nowhere; the document stands all the same.
        resolution.rotations = (try? RotationList(parsing: bytes)) ?? RotationList()
        return ResolvedFile(resolution: resolution, bytes: documentBytes, time: date)
      case .log:
        var bounds = DIDWebVHLog.Limits()
        bounds.byteCount = limits.fileByteCount
        let log = try DIDWebVHLog(parsing: bytes, for: job.did, now: date, limits: bounds)
        guard log.needsWitnesses else { return try Self.file(log, nil, bytes, date) }
        var job = job
        job.phase = .witnesses(log, bytes: bytes)
        _ = fetch(try DIDWebVH.witnessURL(for: job.did), job)
        return nil
      case .witnesses(let log, let logBytes):
        return try Self.file(log, bytes, logBytes, date)
      }
    } catch {
      throw .refused(error)
    }
  }

  private static func file(
    _ log: DIDWebVHLog, _ witnessFile: [UInt8]?, _ bytes: [UInt8], _ date: UnixNanoseconds
  ) throws(IdentityError) -> ResolvedFile {
    let history = try DIDWebVHHistory(log, witnessFile: witnessFile)
    let version = try history.version(.latest)
    var resolution = DIDResolution(
      document: try version.document(for: log.did),
      evidence: .history(
        url: try DIDWebVH.logURL(for: log.did), version: version, witnesses: version.parameters.witnesses))
    resolution.earlierHashes = Set(
      history.versions.dropLast().compactMap { try? $0.document(for: log.did).hash })
    return ResolvedFile(
      resolution: resolution, bytes: bytes, time: date, lifetime: .seconds(version.parameters.timeToLive),
      versionIDs: history.versions.map(\.id))
  }
}
