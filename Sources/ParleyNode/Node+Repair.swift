internal import ParleyCrypto
internal import ParleyIO
internal import ParleyIdentity
internal import ParleyJournal
internal import ParleyNegotiation
internal import ParleyStore
internal import ParleyWire

/// How a frozen pair stands, as the command line shows it.
struct RepairSummary {
  let peer: String
  /// `nil` where the pair is not frozen, or no more.
  let view: RepairView?

  var json: JSONValue {
    guard let view else { return ["peer": .string(peer), "frozen": .null] }
    func loss(_ loss: RepairView.Loss?) -> JSONValue {
      loss.map { ["own": .integer($0.own), "received": .integer($0.received)] } ?? .null
    }
    return [
      "peer": .string(peer), "frozen": .string("\(view.code)"), "by": view.isFrozenByPeer ? "peer" : "me",
      "agreed": .bool(view.isAgreed), "agreed_by_peer": view.isAgreedByPeer.map(JSONValue.bool) ?? .null,
      "lost_here": loss(view.lostHere), "lost_there": loss(view.lostThere),
      "obstacle": view.obstacle.map { .string("\($0)") } ?? .null,
    ]
  }
}

extension Node {
  /// All rows of a pair that are durable.
  func rows(of did: DID) throws(NodeError) -> [[UInt8]] {
    var rows: [[UInt8]] = []
    try NodeError.ofJournal {
      let query = EntryQuery(peer: did.string, kind: PeerSession.entryKind)
      try store.reader.forEachEntry(matching: query) { entry throws(StoreError) in rows.append(entry.body) }
    }
    return rows
  }

  /// Lets a frozen session say where it stands, and hand back what its peer has lost.
  func openBook(of session: PeerSession) {
    guard session.frozen != nil else { return }
    do throws(NodeError) {
      try session.openBook(rows(of: session.peer.did))
    } catch {
      log.error("book-not-opened", ["peer": session.peer.did.string, "why": error.description])
    }
  }

  /// Answers `repair`: how a frozen pair stands, and with `confirm` this side's word that it is to go on.
  func repair(_ request: ControlRequest) async throws -> JSONValue {
    let did = try NodeIdentity.parseDID(request.text("did")).shortForm
    guard let session = sessions[did] else { throw NodeError.unknown("peer \(did.string)") }
    if request.flag("confirm") {
      try await session.agreeToRepair(self, incarnation: SystemRandom.bytes(PairSession.incarnationByteCount))
      log.warning("repair-agreed", ["peer": did.string])
    }
    // The peer says where it stands as soon as there is a channel.
    let deadline = ContinuousClock.now + request.wait
    while let view = session.repairView, ContinuousClock.now < deadline, !isStopping,
      request.flag("confirm") ? view.isAgreedByPeer != false : view.lostHere == nil
    {
      await change(of: .pair, until: min(deadline, .now + .milliseconds(100)))
    }
    return RepairSummary(peer: did.string, view: session.repairView).json
  }
}
