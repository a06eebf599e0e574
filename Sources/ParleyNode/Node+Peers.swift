internal import ParleyCrypto
internal import ParleyHandshake
internal import ParleyIO
public import ParleyIdentity
internal import ParleyJournal
internal import ParleyNegotiation
internal import ParleyStore
internal import ParleyWire

// MARK: - Pins

extension Node {
  /// The kind of the journal entries that hold rotation statements which this node has followed.
  static let rotationEntryKind: UInt8 = 4

  /// What the owner has said about a DID, in its short form.
  func knownPeer(_ did: DID) throws(NodeError) -> KnownPeer? {
    do {
      return try store.reader.knownPeer(did: did.shortForm.string)
    } catch {
      throw .journal("\(error)")
    }
  }

  /// Under what circumstances a caller comes.
  func occasion(of did: DID) -> PeerOccasion {
    if configuration.allowsAnyone { return .anybody }
    // The list may name a did:peer:4 in its long form; a claim never does.
    return configuration.allowed.contains { $0.shortForm == did } ? .listed : .stranger
  }

  /// Whether a peer that has proved itself, or is about to, may come in (PSC/1 section 4).
  func verdict(
    on peer: PeerIdentity, _ resolution: DIDResolution, _ known: KnownPeer?, _ occasion: PeerOccasion
  ) throws(NodeError) -> PeerVerdict {
    guard !isStopping else { return .refused(.shuttingDown) }
    guard known?.approval != .denied else { return .refused(.denied) }
    guard sessions[peer.did]?.isConnected == true || connectedCount < configuration.maximumSessions else {
      return .refused(.busy)
    }
    guard let known else {
      switch occasion {
      case .called: return peer.did.namesItsKeys ? .admitted(.owner, statements: []) : .refused(.awaitingApproval)
      case .listed: return peer.did.namesItsKeys ? .admitted(.allowList, statements: []) : .refused(.awaitingApproval)
      case .anybody: return .admitted(.allowList, statements: [])
      case .stranger: return .refused(.awaitingApproval)
      }
    }
    guard let pinned = known.pinned else { throw .journal("the pinned document of \(known.did) does not read") }
    switch resolution.succession(of: peer, from: pinned, after: try lastRotation(of: peer.did)) {
    case .same, .continued: return .admitted(known.approval, statements: [])
    case .rotated(let statements): return .admitted(known.approval, statements: statements)
    case .broken: return .refused(.keysChanged)
    }
  }

  /// How many peers have a channel.
  var connectedCount: Int { sessions.values.count(where: \.isConnected) }

  /// When the last statement was made that this node has followed for a DID.
  private func lastRotation(of did: DID) throws(NodeError) -> UTCTimestamp? {
    guard did.method == .web else { return nil }
    var last: UTCTimestamp?
    do {
      try store.reader.forEachEntry(matching: EntryQuery(peer: did.string, kind: Self.rotationEntryKind)) { entry in
        last = (try? RotationStatement(parsing: entry.body))?.time ?? last
      }
    } catch {
      throw .journal("\(error)")
    }
    return last
  }

  /// Pins a peer to the keys that it has proved to have, and keeps what led to them.
  func pin(_ peer: PeerIdentity, _ approval: KnownPeer.Approval, _ statements: [RotationStatement]) throws(NodeError) {
    do {
      let drafts = try statements.map { statement throws(JournalError) in
        try EntryDraft(
          time: .now, kind: Self.rotationEntryKind, peer: peer.did.string, group: [], body: statement.encoded)
      }
      if !drafts.isEmpty { _ = try store.append(drafts) }
      try store.approve(
        KnownPeer(
          document: StoredDocument(
            did: peer.did.string, hash: Digest(peer.documentHash) ?? .zero, bytes: peer.documentBytes,
            firstSeen: .now),
          keyFragment: peer.keyFragment, approval: approval, firstSeen: .now))
    } catch {
      throw .journal("\(error)")
    }
    contacts[peer.did] = nil
    for statement in statements {
      log.warning(
        "keys-rotated",
        ["peer": peer.did.string, "time": statement.time.text, "fingerprint": "\(KeyFingerprint(peer))"])
    }
  }

  /// Remembers who was refused, for the owner to decide.
  func note(refused peer: PeerIdentity, _ code: RefusalCode) {
    guard code == .awaitingApproval || code == .keysChanged else { return }
    if contacts[peer.did] == nil, contacts.count >= Contact.limit,
      let oldest = contacts.min(by: { $0.value.last < $1.value.last })?.key
    {
      contacts[oldest] = nil
    }
    let count = contacts[peer.did]?.count ?? 0
    contacts[peer.did] = Contact(peer: peer, code: code, count: count + 1, last: .now)
  }
}

// MARK: - What the owner says

extension Node {
  /// Lets a peer in from now on, pinned to the keys that it has today.
  ///
  /// - Parameters:
  ///   - text: The DID: one that has called, or one that resolves. A did:peer:4 that has not called is given in its long
  ///     form.
  ///   - fingerprint: What its owner says that its ``KeyFingerprint`` is. A did:web needs it: its server's word is not
  ///     enough.
  /// - Returns: The peer.
  /// - Throws: ``NodeError/resolution(_:_:)``, ``NodeError/fingerprint(_:_:_:)`` or ``NodeError/journal(_:)``.
  public func approve(_ text: String, fingerprint: String? = nil) async throws(NodeError) -> PeerIdentity {
    let did = try NodeIdentity.parseDID(text)
    let peer = try await identityToApprove(did)
    let found = KeyFingerprint(peer)
    if let fingerprint {
      guard KeyFingerprint(fingerprint) == found else { throw .fingerprint(peer.did.string, "\(found)", fingerprint) }
    } else if !peer.did.namesItsKeys {
      throw .fingerprint(peer.did.string, "\(found)", nil)
    }
    let old = sessions[peer.did]
    guard old?.isQuiet ?? true else { throw .notNow("the journal is writing what \(peer.did.string) said; try again") }
    try pin(peer, fingerprint == nil ? .approved : .fingerprint, [])
    if old?.peer != peer {
      old?.stop()
      _ = try makeSession(peer)
    }
    log.info("peer-approved", ["peer": peer.did.string, "fingerprint": "\(found)"])
    return peer
  }

  private func identityToApprove(_ did: DID) async throws(NodeError) -> PeerIdentity {
    let contact = contacts[did.shortForm]?.peer
    let known = try knownPeer(did)
    guard did.canChange || contact == nil else { return contact ?? identity }
    var request = DIDResolver.Request(did)
    request.documentBytes = did.method == .peer4 && !did.isLongForm ? known?.document.bytes : nil
    request.keyFragment = contact?.keyFragment
    return try await documents.resolve(request).identity(keyFragment: contact?.keyFragment)
  }

  /// Turns a peer away from now on, and ends its channel.
  ///
  /// What was agreed with it stays.
  ///
  /// - Throws: ``NodeError/unknown(_:)`` for one that has neither called nor been let in.
  public func deny(_ text: String) throws(NodeError) {
    let did = try NodeIdentity.parseDID(text).shortForm
    let known = try knownPeer(did)
    guard let peer = contacts[did]?.peer ?? known?.pinned else { throw .unknown("peer \(did.string)") }
    try pin(peer, .denied, [])
    outbound[did] = nil
    sessions[did]?.detach()
    log.info("peer-denied", ["peer": did.string])
  }

  /// Takes a peer's pin away: the next contact is a first one.
  ///
  /// - Throws: ``NodeError/unknown(_:)``; ``NodeError/notNow(_:)`` for one with whom something was negotiated, whose keys
  ///   are part of what was signed.
  public func forget(_ text: String) throws(NodeError) {
    let did = try NodeIdentity.parseDID(text).shortForm
    let hadCalled = contacts.removeValue(forKey: did) != nil
    let known = try knownPeer(did)
    guard known != nil || hadCalled else { throw .unknown("peer \(did.string)") }
    if let session = sessions[did] {
      guard session.published.isEmpty else {
        throw .notNow("there are negotiations with \(did.string), and its keys are part of them: deny it instead")
      }
      session.stop()
    }
    do {
      if known != nil { try store.revoke(did: did.string) }
    } catch {
      throw .journal("\(error)")
    }
    sessions[did] = nil
    outbound[did] = nil
    log.info("peer-forgotten", ["peer": did.string])
  }

  /// Everybody whom this node knows or has turned away, for the owner.
  func peerList() throws(NodeError) -> [PeerSummary] {
    let known: [KnownPeer]
    do {
      known = try store.reader.knownPeers()
    } catch {
      throw .journal("\(error)")
    }
    var list: [PeerSummary] = []
    for peer in known {
      guard let did = try? DID(parsing: peer.did), let pinned = peer.pinned else { continue }
      list.append(
        PeerSummary(
          peer: pinned, standing: peer.approval.rawValue, since: peer.firstSeen,
          isConnected: sessions[did]?.isConnected ?? false,
          interests: sessions[did]?.interests.topics.map(\.description) ?? [], contact: contacts[did],
          splitViews: splitViews(of: peer.did)))
    }
    for (did, contact) in contacts where !known.contains(where: { $0.did == did.string }) {
      list.append(
        PeerSummary(
          peer: contact.peer, standing: "waiting", since: contact.last, isConnected: false, contact: contact))
    }
    return list.sorted { $0.peer.did.string < $1.peer.did.string }
  }
}

/// A peer as the command line shows it.
struct PeerSummary {
  let peer: PeerIdentity
  /// What let it in, `denied`, or `waiting`.
  let standing: String
  let since: UnixNanoseconds
  let isConnected: Bool
  /// The topics that it has declared on the channel in use.
  var interests: [String] = []
  /// Its last call that was refused.
  let contact: Contact?
  /// Documents that contradict each other.
  var splitViews: [(time: UnixNanoseconds, hashes: [String])] = []

  var json: JSONValue {
    var object: JSONObject = [
      "did": .string(peer.did.string), "standing": .string(standing), "since": .string(since.iso8601),
      "fingerprint": .string("\(KeyFingerprint(peer))"), "key": .string(peer.keyFragment),
      "connected": .bool(isConnected), "endpoint": peer.serviceEndpoint.map(JSONValue.string) ?? .null,
    ]
    if !interests.isEmpty { object["interests"] = .array(interests.map(JSONValue.string)) }
    if let contact {
      object["refused"] = [
        "count": .integer(Int64(contact.count)), "last": .string(contact.last.iso8601),
        "code": .integer(Int64(contact.code.rawValue)), "fingerprint": .string("\(KeyFingerprint(contact.peer))"),
      ]
    }
    if !splitViews.isEmpty {
      object["split_views"] = .array(
        splitViews.map { ["time": .string($0.time.iso8601), "hashes": .array($0.hashes.map(JSONValue.string))] })
    }
    return .object(object)
  }
}
