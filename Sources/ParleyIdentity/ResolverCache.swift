import ParleyCrypto
import ParleyWire

/// A document that was fetched, with the file it came from.
struct ResolvedFile {
  let resolution: DIDResolution
  let bytes: [UInt8]
  let time: UnixNanoseconds
  /// What the file itself says of how long it counts.
  var lifetime: Duration?
  /// The versions of a history.
  var versionIDs: [String] = []

  var sighting: SplitView.Sighting { .init(hash: resolution.document.hash, bytes: bytes, time: time) }
}

/// What a ``DIDResolver`` remembers: documents while they count, and failures for a moment.
struct ResolverCache: Sendable {
  private struct Entry {
    var file: ResolvedFile
    var fetched: Duration
    var freshUntil: Duration
    /// The document before, if it was another one.
    var before: SplitView.Sighting?
  }

  private let limits: DIDResolver.Limits
  private var entries: [DID: Entry] = [:]
  private var failures: [DID: (error: ResolutionError, until: Duration)] = [:]

  init(limits: DIDResolver.Limits) { self.limits = limits }

  /// The answer that is known; `nil` if one must fetch.
  func answer(for did: DID, isKnown: Bool, now: Duration) -> Result<DIDResolution, ResolutionError>? {
    if let entry = entries[did] {
      if now < entry.freshUntil { return .success(entry.file.resolution) }
      if isKnown, now - entry.fetched <= limits.staleLifetime {
        var resolution = entry.file.resolution
        // While a failure counts, nothing newer is on its way.
        resolution.isStale = failure(of: did, now: now) == nil
        return .success(resolution)
      }
    }
    return failure(of: did, now: now).map { .failure($0) }
  }

  private func failure(of did: DID, now: Duration) -> ResolutionError? {
    failures[did].flatMap { now < $0.until ? $0.error : nil }
  }

  /// What was seen of a DID, oldest first.
  func sightings(of did: DID) -> [SplitView.Sighting] {
    entries[did].map { [$0.before, $0.file.sighting].compactMap(\.self) } ?? []
  }

  /// Keeps what was fetched.
  ///
  /// - Throws: ``ResolutionError/splitView(_:)`` for a history that does not continue the one before, which then stays.
  mutating func keep(
    _ file: ResolvedFile, of did: DID, now: Duration
  ) throws(ResolutionError) -> DIDResolution {
    let old = entries[did]
    if let old, !file.versionIDs.starts(with: old.file.versionIDs) {
      throw .splitView(SplitView(did: did, seen: [old.file.sighting], contradiction: file.sighting))
    }
    let hasChanged = old.map { $0.file.resolution.document.hash != file.resolution.document.hash } ?? false
    failures[did] = nil
    if old == nil { makeRoom() }
    entries[did] = Entry(
      file: file, fetched: now, freshUntil: now + min(limits.lifetime, file.lifetime ?? limits.lifetime),
      before: hasChanged ? old?.file.sighting : old?.before)
    return file.resolution
  }

  /// Keeps a failure; a DID that has ended is forgotten with it.
  mutating func keep(_ error: ResolutionError, of did: DID, now: Duration) {
    failures = failures.filter { now < $0.value.until }
    if case .refused(.deactivated) = error { entries[did] = nil }
    guard failures.count < limits.cacheCount else { return }
    failures[did] = (error, now + limits.failureLifetime)
  }

  private mutating func makeRoom() {
    guard entries.count >= limits.cacheCount else { return }
    if let oldest = entries.min(by: { $0.value.fetched < $1.value.fetched })?.key { entries[oldest] = nil }
  }
}
