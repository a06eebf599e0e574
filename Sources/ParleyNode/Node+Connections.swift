internal import ParleyCrypto
internal import ParleyHandshake
internal import ParleyIO
public import ParleyIdentity
internal import ParleyStore
internal import ParleyWebSocket
internal import ParleyWire

/// When a peer is called again.
enum Redial {
  /// Between a channel's end and the next call, doubled with each failure.
  static let first: Duration = .milliseconds(50)
  /// The longest time between two calls.
  static let last: Duration = .seconds(5)
}

/// Message 1 answered while its connection was still an upgrade request.
final class AnsweredUpgrade {
  private var responder: Responder?
  let prologue: Prologue
  let hasMessage1: Bool
  let source: AdmissionSource
  /// How often message 1 was asked to pay.
  let retries: Int

  init(
    _ responder: consuming Responder, prologue: Prologue, hasMessage1: Bool, source: AdmissionSource, retries: Int
  ) {
    self.responder = consume responder
    self.prologue = prologue
    self.hasMessage1 = hasMessage1
    self.source = source
    self.retries = retries
  }

  func take() -> Responder? { responder.take() }
}

/// A call under way: whom, and what its document rests on.
struct Call {
  let peer: PeerIdentity
  let resolution: DIDResolution
  let known: KnownPeer?

  init(_ peer: PeerIdentity, _ resolution: DIDResolution, _ known: KnownPeer?) {
    self.peer = peer
    self.resolution = resolution
    self.known = known
  }
}

// MARK: - Being called

extension Node {
  /// Where others reach this node; `nil` if it does not listen.
  var listenURL: String? {
    server.map { "\(configuration.certificateFile == nil ? "ws" : "wss")://\($0.localAddress)" }
  }

  func listen() throws {
    guard let address = try listenAddress() else { return }
    var policy = UpgradePolicy(subprotocols: [Prologue.subprotocol], requiresSubprotocol: true)
    policy.allowedOrigins = []
    var serving = WebSocketServer.Configuration(address: address, policy: policy, limits: .peerPort)
    serving.awaitsAuthentication = true
    if let certificate = configuration.certificateFile, let key = configuration.privateKeyFile {
      serving.tls = try TLSServerContext(certificateFile: certificate, privateKeyFile: key)
    }
    let log = log
    server = try WebSocketServer(
      loop: loop, configuration: serving,
      onRefusal: { address, error in
        log.info("upgrade-refused", ["from": address?.description ?? "?", "why": error.description])
      },
      onUpgrade: { [weak self] request, info in
        guard let self else { return .drop }
        return assumeIsolated { $0.decide(request, info) }
      })
  }

  private func listenAddress() throws(NodeError) -> ListenAddress? {
    if let choice = configuration.listen {
      guard let address = choice.address else { throw .listen("the address cannot be read") }
      return address
    }
    guard let endpoint = identity.serviceEndpoint, let url = WebURL(endpoint) else { return nil }
    // An endpoint given by name is reached on whatever address that name leads to.
    guard let address = SocketAddress(url.host, port: url.port) ?? SocketAddress("0.0.0.0", port: url.port) else {
      throw .listen("the endpoint \(endpoint) names no address")
    }
    return .address(address)
  }

  /// Answers an upgrade request; message 1 in it is answered in the same flight as the 101.
  private func decide(_ request: UpgradeRequest, _ info: ConnectionInfo) -> UpgradeDecision {
    let from = info.peerAddress?.description ?? "?"
    guard !isStopping else { return .refuse(status: 503) }
    nextChannelNumber += 1
    let number = nextChannelNumber
    do throws(HandshakeError) {
      let prologue = try Prologue(
        offered: request.fields.values("sec-websocket-protocol"), selected: Prologue.subprotocol,
        channelBinding: info.channelBinding)
      var responder = Responder(signer: signer, staticKey: staticKey)
      let fields = request.fields.values(HandshakeHeader.name.lowercased())
      guard fields.count <= 1 else { throw .malformedHeader }
      var first: [[UInt8]] = []
      var isAnswered = false
      if let field = fields.first {
        let message1 = try HandshakeHeader.decode(field)
        switch try gate.decide(message1, from: info.source, now: .now) {
        case .proceed:
          let start = ContinuousClock.now
          first = [try responder.receiveMessage1(message1, prologue: prologue)]
          gate.spent(start.duration(to: .now), now: .now)
          isAnswered = true
        case .retry(let retry): first = [retry]
        }
      }
      answered[number] = AnsweredUpgrade(
        responder, prologue: prologue, hasMessage1: isAnswered, source: info.source,
        retries: isAnswered ? 0 : first.count)
      return .accept(subprotocol: Prologue.subprotocol, firstMessages: first) { [weak self] connection in
        self?.assumeIsolated { $0.accepted(connection, number, from: from) }
      }
    } catch {
      log.info("handshake-refused", ["from": from, "why": "\(error)"])
      // Whoever does not know this node's DID learns only that something is here.
      return error == .malformedHeader ? .refuse(status: 400) : .drop
    }
  }

  private func accepted(_ connection: WebSocketConnection, _ number: Int, from: String) {
    guard let upgrade = answered.removeValue(forKey: number), let responder = upgrade.take() else {
      return connection.abort()
    }
    let channel = PeerChannel(
      number: number, connection: connection, responder: responder, prologue: upgrade.prologue,
      hasMessage1: upgrade.hasMessage1, limits: configuration.channelLimits)
    channel.declaration = configuration.interests
    let source = upgrade.source
    channel.gate = { [unowned self] message1 throws(HandshakeError) in
      try assumeIsolated { node in
        Result { () throws(HandshakeError) in try node.gate.decide(message1, from: source, now: .now) }
      }.get()
    }
    channels[number] = channel
    channel.retries = upgrade.retries
    let isUnderWay = upgrade.hasMessage1 || upgrade.retries > 0
    limit(channel, to: isUnderWay ? HandshakeTimes.handshake : HandshakeTimes.message1)
    start(connection, number)
  }

  private func limit(_ channel: PeerChannel, to duration: Duration) {
    let number = channel.number
    channel.deadline?.cancel()
    channel.deadline = loop.schedule(after: duration) { [weak self] in
      self?.assumeIsolated { node in
        guard let channel = node.channels[number], !channel.isOpen else { return }
        node.log.info("handshake-timeout", ["channel": "\(number)"])
        channel.refuse()
      }
    }
  }

  /// Decides about who has signed message 3: policy first, then the document, then the signature.
  private func judge(_ claim: IdentityClaim, _ channel: PeerChannel) {
    Task {
      do {
        let did = claim.did
        let (known, occasion) = (try knownPeer(did), occasion(of: did))
        if case .stranger = occasion, known == nil, did.canChange {
          // Nothing is fetched because a stranger says so.
          throw NodeError.connect(did.string, "it is not on the allow list")
        }
        let resolution = try await resolve(claim, known, channel)
        let peer = try resolution.identity(keyFragment: claim.keyFragment)
        guard channels[channel.number] === channel else { return }
        switch try verdict(on: peer, resolution, known, occasion) {
        case .admitted(let approval, let statements):
          let start = ContinuousClock.now
          try channel.accept(peer)
          gate.spent(start.duration(to: .now), now: .now)
          gate.issued(channel.priorityTokens, to: peer.did)
          opened(channel, peer, approval: approval, statements: statements)
        case .refused(let code):
          try channel.refuse(peer, code)
          note(refused: peer, code)
          log.warning(
            "peer-refused",
            [
              "channel": "\(channel.number)", "peer": did.string, "code": "\(code.rawValue)", "why": code.reason,
              "fingerprint": "\(KeyFingerprint(peer))",
            ])
        }
      } catch {
        // Keys go at once; the connection goes at the deadline, whatever the reason was.
        log.warning("peer-refused", ["channel": "\(channel.number)", "why": "\(error)"])
        channel.erase()
      }
    }
  }

  /// The document of who has signed message 3.
  ///
  /// One whose hash is not the one that was signed is fetched once more. If that does not help, somebody tells two
  /// stories: what was seen is evidence.
  private func resolve(
    _ claim: IdentityClaim, _ known: KnownPeer?, _ channel: PeerChannel
  ) async throws(NodeError) -> DIDResolution {
    var request = DIDResolver.Request(claim.did)
    request.documentBytes = claim.documentBytes
    request.source = channel.source
    request.isKnown = known != nil
    request.pinned = known?.pinned
    request.keyFragment = claim.keyFragment
    var resolution = try await documents.resolve(request)
    if resolution.document.hash != claim.documentHash, resolution.evidence != .theDIDItself {
      request.isForced = true
      resolution = try await documents.resolve(request)
      await keepSplitView(claim, resolution, known, channel)
    }
    return resolution
  }
}

// MARK: - Calling

extension Node {
  /// Opens a channel to a counterparty, and keeps it open from now on.
  ///
  /// Naming a DID is the owner's approval of first contact.
  ///
  /// - Parameter text: The DID; a did:peer:4 in its long form the first time.
  /// - Returns: The peer, and how long the channel took from the TCP connection to ACCEPT.
  /// - Throws: ``NodeError/resolution(_:_:)``, ``NodeError/noEndpoint(_:)`` or ``NodeError/connect(_:_:)``.
  public func connect(_ text: String) async throws(NodeError) -> (peer: PeerIdentity, duration: Duration) {
    let did = try NodeIdentity.parseDID(text)
    guard did.shortForm != identity.did else { throw .connect(did.string, "that is this node itself") }
    let call = try await prepareCall(did)
    let peer = call.peer
    guard peer.serviceEndpoint != nil else { throw .noEndpoint(peer.did.string) }
    if sessions[peer.did]?.isSynced == true { return (peer, .zero) }
    let duration = try await dial(call)
    outbound[peer.did] = 0
    await synced(peer.did)
    return (peer, duration)
  }

  /// Resolves who is to be called, and holds the document against what was let in.
  private func prepareCall(_ did: DID) async throws(NodeError) -> Call {
    let known = try knownPeer(did)
    var request = DIDResolver.Request(did)
    request.documentBytes = did.method == .peer4 && !did.isLongForm ? known?.document.bytes : nil
    request.isKnown = known != nil
    request.pinned = known?.pinned
    let resolution = try await documents.resolve(request)
    let preferred = resolution.document.identity(preferring: known?.pinned)
    let peer = if let preferred { preferred } else { try resolution.identity() }
    let call = Call(peer, resolution, known)
    _ = try consent(to: peer, call)
    return call
  }

  /// What the owner's naming a DID amounts to.
  ///
  /// - Throws: Why the call may not be made, or what answered not be talked to.
  private func consent(
    to peer: PeerIdentity, _ call: Call
  ) throws(NodeError) -> (approval: KnownPeer.Approval, statements: [RotationStatement]) {
    switch try verdict(on: peer, call.resolution, call.known, .called) {
    case .admitted(let approval, let statements): return (approval, statements)
    case .refused(.denied): throw .denied(peer.did.string)
    case .refused(.awaitingApproval): throw .fingerprint(peer.did.string, "\(KeyFingerprint(peer))", nil)
    case .refused(.keysChanged):
      let pinned = call.known?.pinned.map { "\(KeyFingerprint($0))" } ?? "-"
      throw .keysChanged(peer.did.string, "\(KeyFingerprint(peer))", pinned)
    case .refused(.busy): throw .notNow("\(configuration.maximumSessions) peers are connected, which is the limit")
    case .refused(let code): throw .connect(peer.did.string, code.reason)
    }
  }

  private func dial(_ call: Call) async throws(NodeError) -> Duration {
    let peer = call.peer
    let did = peer.did.string
    guard let endpoint = peer.serviceEndpoint, let url = WebURL(endpoint) else { throw .noEndpoint(did) }
    let start = ContinuousClock.now
    let initiator = Initiator(
      signer: signer, responder: peer, staticKey: staticKey, priorityToken: priorityTokens[peer.did]?.popLast())
    let connection: WebSocketConnection
    do {
      var options = WebSocketClient.Options(subprotocols: [Prologue.subprotocol])
      options.limits = .peerPort
      options.fields = [(HandshakeHeader.name, HandshakeHeader.encode(initiator.message1))]
      if url.scheme.isSecure { options.tls = try TLSClientContext(authorityFile: configuration.trustFile) }
      connection = try await WebSocketClient.connect(to: url, on: loop, options: options)
    } catch {
      throw .connect(did, "\(error)")
    }
    nextChannelNumber += 1
    let number = nextChannelNumber
    do {
      let prologue = try Prologue(
        offered: [Prologue.subprotocol], selected: connection.subprotocol ?? "",
        channelBinding: connection.info.channelBinding)
      channels[number] = PeerChannel(
        number: number, to: peer.did, connection: connection, initiator: initiator, prologue: prologue,
        limits: configuration.channelLimits)
      channels[number]?.declaration = configuration.interests
    } catch {
      connection.abort()
      throw .connect(did, "\(error)")
    }
    let result = await withCheckedContinuation { continuation in
      openings[number] = continuation
      calls[number] = call
      if let channel = channels[number] { limit(channel, to: HandshakeTimes.handshake) }
      self.start(connection, number)
    }
    try result.get()
    return start.duration(to: .now)
  }

  /// Calls a peer again after a while: the longer, the more calls in a row have brought nothing.
  func redial(_ did: DID, failures: Int) {
    outbound[did] = failures
    let wait = min(Redial.first * (1 << min(failures, 7)), Redial.last)
    loop.schedule(after: wait) { [weak self] in
      self?.assumeIsolated { node in _ = Task { await node.redialNow(did) } }
    }
  }

  private func redialNow(_ did: DID) async {
    guard !isStopping, let failures = outbound[did], let session = sessions[did], !session.isConnected else { return }
    do {
      _ = try await dial(prepareCall(session.peer.did))
    } catch {
      log.info("redial", ["peer": did.string, "why": error.description, "failures": "\(failures + 1)"])
      redial(did, failures: failures + 1)
    }
  }
}

// MARK: - Channels

extension Node {
  private func start(_ connection: WebSocketConnection, _ number: Int) {
    connection.admitsOnlyBinaryMessages = true
    connection.setDrainHandler { [weak self] in self?.assumeIsolated { $0.channels[number]?.flush() } }
    channels[number]?.wakeUp = { [loop] delay in
      loop.schedule(after: delay) { [weak self] in self?.assumeIsolated { $0.channels[number]?.tick() } }
    }
    connection.start(
      onMessage: { [weak self] _, bytes in
        let message = [UInt8](bytes)
        self?.assumeIsolated { $0.received(message, number) }
      },
      onClose: { [weak self] closure in
        self?.assumeIsolated { $0.ended(number, closure) }
      })
  }

  private func received(_ message: [UInt8], _ number: Int) {
    guard let channel = channels[number] else { return }
    do throws(ChannelFault) {
      switch try channel.receive(message) {
      case .nothing: break
      case .answered: limit(channel, to: HandshakeTimes.handshake)
      case .claim(let claim): judge(claim, channel)
      case .opened(let peer):
        priorityTokens[peer.did] = channel.priorityTokens
        answered(channel, peer)
      case .messages(let messages):
        guard let session = channel.peer.flatMap({ sessions[$0.did] }) else { return }
        for message in messages where session.uses(channel) {
          session.receive(message)
          channel.consume(message)
        }
      case .closedByPeer: channel.close()
      }
      takeWitnessMessages(channel)
      channel.flush()
    } catch {
      let peer = channel.peerText
      log.warning("channel-refused", ["channel": "\(number)", "peer": peer, "why": "\(error)"])
      let failure: NodeError =
        if case .handshake(.refused(let code)) = error { .refused(peer, code) } else { .connect(peer, "\(error)") }
      openings.removeValue(forKey: number)?.resume(returning: .failure(failure))
      if channel.failsAtDeadline { channel.erase() } else { channel.refuse() }
    }
  }

  /// Takes a peer that was called and has proved itself: with the key that it signed with, which may not be the one that
  /// was expected.
  private func answered(_ channel: PeerChannel, _ peer: PeerIdentity) {
    do throws(NodeError) {
      guard let call = calls.removeValue(forKey: channel.number) else { return channel.close() }
      let (approval, statements) = try consent(to: peer, call)
      opened(channel, peer, approval: approval, statements: statements)
    } catch {
      log.warning("peer-refused", ["channel": "\(channel.number)", "why": error.description])
      openings.removeValue(forKey: channel.number)?.resume(returning: .failure(error))
      channel.close()
    }
  }

  private func opened(
    _ channel: PeerChannel, _ peer: PeerIdentity, approval: KnownPeer.Approval, statements: [RotationStatement]
  ) {
    do {
      let session = try session(with: peer, approval: approval, statements: statements)
      log.info(
        "channel-open",
        [
          "channel": "\(channel.number)", "peer": peer.did.string,
          "role": channel.isInitiator ? "initiator" : "responder",
        ])
      session.attach(channel)
      watchDocument(of: peer, channel.number)
      openings.removeValue(forKey: channel.number)?.resume(returning: .success(()))
    } catch {
      openings.removeValue(forKey: channel.number)?.resume(returning: .failure(error))
      channel.refuse()
    }
  }

  private func ended(_ number: Int, _ closure: WebSocketClosure) {
    guard let channel = channels.removeValue(forKey: number) else { return }
    calls[number] = nil
    unwatchDocument(number)
    channel.deadline?.cancel()
    let why = channel.endedInOrder ? "\(closure)" : "truncated: \(closure)"
    openings.removeValue(forKey: number)?.resume(
      returning: .failure(.connect(channel.peerText, "it ended the handshake (\(why))")))
    guard let peer = channel.peer else { return }
    log.info(
      "channel-end",
      [
        "channel": "\(number)", "peer": peer.did.string, "how": why,
        "epoch": "\(channel.counters?.sent.epoch ?? 0)",
      ])
    guard let session = sessions[peer.did] else { return }
    session.channelEnded(channel)
    guard let failures = outbound[peer.did], !isStopping, !session.isConnected else { return }
    // A channel that carried nothing is no better than none.
    redial(peer.did, failures: session.hasProgressed ? 0 : failures + 1)
  }
}

extension ConnectionInfo {
  /// Where the connection comes from; what has no address counts as this machine.
  fileprivate var source: AdmissionSource {
    guard let source = AdmissionSource(peerAddress?.bytes ?? [127, 0, 0, 1]) else {
      preconditionFailure("an address has 4 or 16 bytes")
    }
    return source
  }

  /// What the handshake binds itself to: required wherever this process ends TLS.
  fileprivate var channelBinding: Prologue.ChannelBinding {
    tlsExporter.map(Prologue.ChannelBinding.tlsExporter) ?? .none
  }
}
