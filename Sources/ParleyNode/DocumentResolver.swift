internal import ParleyIO
internal import ParleyIdentity
internal import ParleyWebSocket
internal import ParleyWire

/// Drives a ``DIDResolver`` with a loop's clock and with HTTPS.
///
/// What is resolved, when and for how long it counts, that machine decides. Everything but ``resolve(_:)`` and
/// ``splitView(of:claimedHash:)`` runs on the loop's thread only.
final class DocumentResolver: @unchecked Sendable {
  private let loop: EventLoop
  private let settings: IdentityResolver
  private let origin = ContinuousClock.now
  private var machine: DIDResolver
  /// Made when something is first fetched: most nodes never need the system's certificates.
  private var fetcher: HTTPSFetcher?
  private var waiting: [DIDResolver.RequestID: CheckedContinuation<Result<DIDResolution, ResolutionError>, Never>] = [:]
  private var wake: ScheduledWork?
  /// Told of histories that contradict each other.
  var onSplitView: ((SplitView) -> Void)?

  init(loop: EventLoop, settings: IdentityResolver, limits: DIDResolver.Limits = DIDResolver.Limits()) {
    self.loop = loop
    self.settings = settings
    machine = DIDResolver(limits: limits)
  }

  /// Finds a document.
  ///
  /// - Throws: ``NodeError/resolution(_:_:)``.
  func resolve(_ request: DIDResolver.Request) async throws(NodeError) -> DIDResolution {
    do {
      return try await result(request).get()
    } catch {
      throw .resolution(request.did.string, error.description)
    }
  }

  /// Finds a document, or says why not.
  func result(_ request: DIDResolver.Request) async -> Result<DIDResolution, ResolutionError> {
    await withCheckedContinuation { continuation in
      loop.execute {
        switch self.machine.resolve(request, now: self.now) {
        case .answer(let result): continuation.resume(returning: result)
        case .waiting(let id): self.waiting[id] = continuation
        }
        self.run()
      }
    }
  }

  /// What contradicts a hash that a peer has shown, as ``DIDResolver/splitView(of:claimedHash:date:)`` finds it.
  func splitView(of did: DID, claimedHash: [UInt8]) async -> SplitView? {
    await withCheckedContinuation { continuation in
      loop.execute {
        continuation.resume(
          returning: self.machine.splitView(of: did, claimedHash: claimedHash, date: UnixNanoseconds.now))
      }
    }
  }

  // MARK: On the loop

  private var now: Duration { origin.duration(to: .now) }

  private func run() {
    while let event = machine.poll(now: now) {
      switch event {
      case .answer(let id, let result):
        if case .failure(.splitView(let view)) = result { onSplitView?(view) }
        waiting.removeValue(forKey: id)?.resume(returning: result)
      case .fetch(let id, let url): fetch(id, url)
      }
    }
    wake?.cancel()
    wake = machine.nextDeadline.map { deadline in
      loop.schedule(after: max(.zero, deadline - now)) { [weak self] in self?.run() }
    }
  }

  private func fetch(_ id: DIDResolver.FetchID, _ text: String) {
    do throws(IOError) {
      guard let url = WebURL(text) else { throw .invalidAddress(text) }
      try readyFetcher().get(url) { [weak self] result in
        self?.ended(id, result.mapError(ResolutionError.init))
      }
    } catch {
      ended(id, .failure(.unreachable(error.description)))
    }
  }

  private func readyFetcher() throws(IOError) -> HTTPSFetcher {
    if let fetcher { return fetcher }
    var options = HTTPSFetcher.Options()
    options.allowsPrivateAddresses = settings.allowsPrivateAddresses
    options.authorityFile = settings.certificateFile
    let made = try HTTPSFetcher(loop: loop, options: options)
    fetcher = made
    return made
  }

  private func ended(_ id: DIDResolver.FetchID, _ result: Result<[UInt8], ResolutionError>) {
    machine.receive(id, result, now: now, date: UnixNanoseconds.now)
    run()
  }
}

extension ResolutionError {
  /// What became of a fetch.
  fileprivate init(_ error: IOError) {
    switch error {
    case .status(404), .status(410): self = .missing
    default: self = .unreachable(error.description)
    }
  }

  /// What a person reads.
  var description: String {
    switch self {
    case .refused(let error): "\(error)"
    case .unreachable(let why): why
    case .missing: "its server says that there is no such file"
    case .timedOut: "it took longer than three seconds"
    case .busy(.concurrent): "too many documents are being fetched; try again"
    case .busy(.source): "another one is being fetched for the same caller"
    case .busy(.host(let host)): "\(host) was asked less than ten seconds ago; try again"
    case .splitView: "its history contradicts the one seen before"
    }
  }
}
