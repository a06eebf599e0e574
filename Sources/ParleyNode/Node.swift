internal import Dispatch
internal import ParleyCrypto
internal import ParleyHandshake
public import ParleyIO
public import ParleyIdentity
internal import ParleyJournal
internal import ParleyMarket
internal import ParleyNegotiation
internal import ParleyStore
internal import ParleyWebSocket
internal import ParleyWire

/// One trader's node: keeps channels to counterparties, negotiates over them, and journals what was said.
///
/// An actor that lives on an ``EventLoop``: sockets, handshakes and decisions are synchronous calls on one thread.
public actor Node {
  /// The loop that the node lives on.
  public nonisolated let loop: EventLoop
  /// This node as an executor's tenant.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  /// Who this node is.
  public nonisolated let identity: PeerIdentity
  nonisolated let log: Log
  nonisolated let configuration: NodeConfiguration
  nonisolated let signer: LocalSigner
  nonisolated let documents: DocumentResolver
  nonisolated let store: JournalStore

  private let writer: JournalWriter
  /// Submissions that the writer had no room for, in order.
  private var backlog: [(drafts: [EntryDraft], then: () -> Void)] = []
  /// What follows when a submission is durable, by its number.
  private var submitted: [Int: () -> Void] = [:]
  private var nextSubmission = 0
  /// Since when commits take so long that no firm quote is signed; `nil` while they are quick.
  var isJournalSlow = false
  /// Whether a pair has shown that this node's journal lacks what has left it, and not all have synchronised since.
  var isLostSelf = false
  /// Whether nothing is signed to anybody for that.
  var isSuspended = false

  /// The entry with which the journal was last restored from a backup after which more may have been signed.
  private(set) var lostEnd: UInt64?
  /// Contracts traded, in all options together.
  var tradedAmount = ExactDecimal.zero
  /// What this node's owner lets it sign.
  let desk: Desk
  /// The strategy in another process, if one decides here.
  let external = ExternalStrategy()
  /// The underlyings for which a hedge was suggested and is not done.
  var hedgesWanted: Set<String> = []
  /// The connections of clients whose end takes the offers back.
  var supervisors: Set<ObjectIdentifier> = []
  var sessions: [DID: PeerSession] = [:]
  /// The slots that this node keeps for others; `nil` for a node that is no witness.
  var witness: WitnessService?
  var channels: [Int: PeerChannel] = [:]
  var nextChannelNumber = 0
  /// Who waits for a channel to open, by its number.
  var openings: [Int: CheckedContinuation<Result<Void, NodeError>, Never>] = [:]
  /// Decides which message 1 is worth a public-key operation.
  var gate: HandshakeGate
  /// Tokens that responders gave this node, to be spent on their gates.
  var priorityTokens: [DID: [[UInt8]]] = [:]
  /// Message 1 answered in the upgrade, until the connection is handed over.
  var answered: [Int: AnsweredUpgrade] = [:]
  /// Peers that proved themselves and were turned away, until the owner decides.
  var contacts: [DID: Contact] = [:]
  /// What is known of the documents of connected peers that can change, by the number of the channel.
  var watches: [Int: DocumentWatch] = [:]
  /// What is known of the peers that are being called, by the number of the channel.
  var calls: [Int: Call] = [:]
  /// The peers that this node calls, and how often in a row that failed.
  var outbound: [DID: Int] = [:]
  /// The Noise static key: made at start, in memory only, renewed each day.
  var staticKey = X25519.PrivateKey()
  var server: WebSocketServer?
  var control: ControlServer?
  var changeWaiters: [DialogueID: [Int: CheckedContinuation<Void, Never>]] = [:]
  var nextWaiter = 0
  private var stopWaiters: [CheckedContinuation<Void, Never>] = []
  private(set) var isStopping = false
  private var stopping: Task<Void, Never>?
  private(set) var failure: NodeError?

  /// Opens the journal, folds it, listens, and calls the peers that it calls.
  ///
  /// - Throws: ``NodeError``; nothing is left running then.
  public static func start(_ configuration: NodeConfiguration, signer: LocalSigner) async throws(NodeError) -> Node {
    let store: JournalStore
    do {
      store = try JournalStore(path: configuration.home.journalPath)
    } catch {
      throw .journal("\(error)")
    }
    let loop: EventLoop
    do {
      loop = try EventLoop()
    } catch {
      throw .notNow("\(error)")
    }
    let (limits, file) = try configuration.home.readLimits()
    let desk = Desk(limits: limits, file: file, pricer: try configuration.readMarks())
    let node = Node(configuration, signer: signer, store: store, loop: loop, desk: desk)
    try await node.begin()
    return node
  }

  private init(
    _ configuration: NodeConfiguration, signer: LocalSigner, store: JournalStore, loop: EventLoop, desk: Desk
  ) {
    self.desk = desk
    self.configuration = configuration
    self.signer = signer
    self.store = store
    self.loop = loop
    log = configuration.log
    identity = signer.identity
    documents = DocumentResolver(loop: loop, settings: configuration.resolver, limits: configuration.resolverLimits)
    gate = HandshakeGate(responder: signer.identity.did, limits: configuration.admissionLimits, now: .now)
    let box = NodeReference()
    writer = JournalWriter(store: store, limits: configuration.journalLimits) { report in box.node?.committed(report) }
    box.node = self
  }

  private func begin() async throws(NodeError) {
    documents.onSplitView = { [weak self] view in self?.assumeIsolated { $0.keep(view) } }
    do {
      try readRecords()
      for peer in try store.reader.knownPeers() { try restoreSession(peer).trades.forEach(note) }
      try restoreDesk()
      isLostSelf = sessions.values.contains { $0.frozen == .lostSelf && $0.lostSelfAt != nil }
      reconsiderLostSelf()
      try startWitness()
      try listen()
      control = try ControlServer(node: self)
    } catch let error as NodeError {
      throw error
    } catch let error as StoreError {
      throw .journal("\(error)")
    } catch {
      throw .listen("\(error)")
    }
    renewStaticKeyDaily()
    log.info(
      "node-up",
      [
        "did": identity.did.string, "listen": listenURL ?? "-", "entries": "\(store.head.size)",
        "peers": "\(sessions.count)",
      ])
    for did in outbound.keys { redial(did, failures: 0) }
    callWitnesses()
  }

  /// Finds out what the journal says of itself: whether it may go on, and whether its end was lost.
  private func readRecords() throws {
    let records = try JournalAudit.checkRecords(store.reader, identity, size: store.head.size)
    guard !records.isClosed else {
      throw NodeError.journal("it was closed for good: the node goes on where that backup is restored")
    }
    lostEnd = records.restored.last
    guard let lostEnd else { return }
    log.warning("restored", ["entry": "\(lostEnd)", "why": "no counterparty from before is dealt with"])
  }

  /// What the node is and how it stands.
  public func status() -> NodeStatus {
    NodeStatus(
      did: identity.did.string, listen: listenURL, control: configuration.home.controlSocketPath,
      connected: sessions.values.filter(\.isSynced).map(\.peer.did.string).sorted(),
      channels: channels.values.compactMap(status).sorted { $0.peer < $1.peer },
      awaited: awaitedPeers.map(\.string).sorted(),
      entries: store.head.size, witness: witnessStatus(), quoting: configuration.quoting?.summary)
  }

  private func status(_ channel: PeerChannel) -> ChannelStatus? {
    guard var status = channel.status else { return nil }
    let clock = sessions.values.first { $0.uses(channel) }?.peerClock
    status.clock = clock.map { ClockStatus(offset: .nanoseconds($0.offset), bound: .nanoseconds($0.bound)) }
    return status
  }

  /// Returns when the node has stopped, after ``stop()`` or by itself.
  ///
  /// - Throws: Why it stopped by itself, for example because the journal could not be written.
  public func runUntilStopped() async throws(NodeError) {
    if !isStopping { await withCheckedContinuation { stopWaiters.append($0) } }
    await finish()
    if let failure { throw failure }
  }

  /// Stops the node: channels are closed, and what was decided is made durable.
  public func stop() async {
    beginStopping("asked to")
    await finish()
  }

  private func beginStopping(_ why: String) {
    guard !isStopping else { return }
    isStopping = true
    log.info("node-stopping", ["why": why])
    for waiter in stopWaiters { waiter.resume() }
    stopWaiters = []
  }

  /// Stops once, however many ask for it; returns when that is done.
  private func finish() async {
    let task = stopping ?? Task { await finishOnce() }
    stopping = task
    await task.value
  }

  private func finishOnce() async {
    for session in sessions.values { session.stop() }
    await server?.close()
    await control?.close()
    // Waits for the disk, on a thread that may wait.
    let writer = writer
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        writer.shutDown()
        continuation.resume()
      }
    }
  }

  // MARK: Sessions

  /// The session with a peer that the owner has let in before.
  private func restoreSession(_ known: KnownPeer) throws(NodeError) -> PeerSession {
    let did = try NodeIdentity.parseDID(known.did)
    let peer: PeerIdentity
    do {
      peer = try LocalResolver.resolve(did, documentBytes: known.document.bytes, keyFragment: known.keyFragment)
    } catch {
      throw .resolution(known.did, "\(error)")
    }
    let isCalled = known.approval == .owner || known.approval == .fingerprint
    if isCalled, peer.serviceEndpoint != nil { outbound[peer.did] = 0 }
    return try makeSession(peer)
  }

  func makeSession(_ peer: PeerIdentity) throws(NodeError) -> PeerSession {
    var rows: [[UInt8]] = []
    var first: UInt64?
    var isRepaired = false
    do {
      let query = EntryQuery(peer: peer.did.string, kind: PeerSession.entryKind)
      try store.reader.forEachEntry(matching: query) { entry throws(StoreError) in
        first = first ?? entry.sequence
        rows.append(entry.body)
        if let lostEnd, entry.sequence > lostEnd, JournalRow.isRepair(entry.body) { isRepaired = true }
      }
    } catch {
      throw .journal("\(error)")
    }
    let session = try PeerSession(
      peer: peer, signer: signer, limits: configuration.limits,
      policy: NegotiationPolicy(interests: Set(configuration.interests.topics)), rows: rows,
      surroundings: surroundings(peer.did))
    sessions[peer.did] = session
    desk.meet(peer)
    // What this node signed last for a counterparty of before may be lost: signing on could contradict it.
    if let first, let lostEnd, first < lostEnd, !isRepaired { session.freeze(.lostSelf) }
    if session.frozen != nil { openBook(of: session) }
    if isSuspended { session.suspend() }
    return session
  }

  /// What a session reaches of this node; all of it runs on the loop.
  private func surroundings(_ did: DID) -> PeerSession.Surroundings {
    PeerSession.Surroundings(
      log: log,
      commit: { drafts, ticket in self.makeDurable(drafts) { self.sessions[did]?.committed(ticket) } },
      deliver: { event, session in self.handle(event, of: session) },
      groupsElsewhere: { group in self.ledger(of: group, without: did) },
      vet: { commitment in self.vet(commitment, with: did) },
      observe: { views, events in self.observe(views, events, of: did) },
      wakeUp: { delay in
        self.loop.schedule(after: delay) { [weak self] in
          self?.assumeIsolated { $0.sessions[did]?.poll() }
        }
      },
      consult: { session in self.consultWitnesses(of: session) },
      isReachable: { witness in self.isReachable(witness) }, witnesses: configuration.witnessDIDs)
  }

  /// The session with a peer that has proved itself and may come in, made and pinned at first contact.
  func session(
    with peer: PeerIdentity, approval: KnownPeer.Approval, statements: [RotationStatement]
  ) throws(NodeError) -> PeerSession {
    let old = sessions[peer.did]
    if let old, old.peer == peer, statements.isEmpty { return old }
    guard old?.isQuiet ?? true else { throw .notNow("the old document of \(peer.did.string) is still in use") }
    try pin(peer, approval, statements)
    old?.stop()
    return try makeSession(peer)
  }

  // MARK: Journal

  /// Makes drafts durable, after all earlier ones, and then goes on.
  func makeDurable(_ drafts: [EntryDraft], _ then: @escaping () -> Void) {
    backlog.append((drafts, then))
    submitBacklog()
  }

  private func submitBacklog() {
    while let first = backlog.first {
      let ticket = nextSubmission
      let admission = writer.submit(first.drafts) { [weak self] result in
        guard let self else { return }
        loop.execute { self.assumeIsolated { $0.committed(ticket, result) } }
      }
      switch admission {
      case .accepted:
        submitted[ticket] = first.then
        nextSubmission += 1
        backlog.removeFirst()
      case .full: return
      case .stopped: return fail(.journal("nothing more can be written"))
      }
    }
  }

  private func committed(_ ticket: Int, _ result: Result<[Entry], StoreError>) {
    switch result {
    case .success:
      submitted.removeValue(forKey: ticket)?()
      submitBacklog()
    case .failure(let error):
      // What is in memory is ahead of the journal: nothing may leave any more.
      fail(.journal("\(error)"))
    }
  }

  private func fail(_ error: NodeError) {
    guard failure == nil else { return }
    failure = error
    log.error("node-failed", ["why": error.description])
    for channel in channels.values { channel.refuse() }
    beginStopping("it failed")
  }

  private nonisolated func committed(_ report: JournalWriter.CommitReport) {
    let isSlow = report.duration > .milliseconds(250)
    guard isSlow || report.failure != nil || report.entries > 0 else { return }
    loop.execute { self.assumeIsolated { $0.noteCommit(isSlow: isSlow, report) } }
  }

  private func noteCommit(isSlow: Bool, _ report: JournalWriter.CommitReport) {
    if isSlow != isJournalSlow {
      log.warning(
        isSlow ? "journal-slow" : "journal-quick-again", ["commit_ms": "\(report.duration / .milliseconds(1))"])
    }
    isJournalSlow = isSlow
  }

  private func renewStaticKeyDaily() {
    loop.schedule(after: .seconds(86_400)) { [weak self] in
      self?.assumeIsolated {
        $0.staticKey = X25519.PrivateKey()
        $0.renewStaticKeyDaily()
      }
    }
  }
}

/// Lets the journal's thread reach the node that is still being made.
private final class NodeReference: @unchecked Sendable {
  weak var node: Node?
}
