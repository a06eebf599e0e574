internal import ParleyIO
internal import ParleyIdentity
internal import ParleyNegotiation
internal import ParleyWire

// LOST_SELF: this node's journal lacks what has left it. Section 5 of docs/protocol/negotiation.md.
extension Node {
  /// How far back trades count, in nanoseconds.
  static let recentTrades: Int64 = 7 * 86_400 * 1_000_000_000

  /// The peers that must have synchronised, or be waived, before anything is signed to anybody; empty while all is well.
  ///
  /// Those in whose pair the loss was found, and all with open dialogues or trades within 7 days that have not
  /// synchronised since this node started. A waiver counts until another loss is found after it.
  var awaitedPeers: [DID] {
    guard let found = sessions.values.compactMap(\.lostSelfAt).max(), isLostSelf else { return [] }
    let now = UnixNanoseconds.now
    return sessions.values.filter { session in
      if session.hasSynced { return false }
      if let waived = session.waivedAt, waived >= found { return false }
      if session.frozen == .lostSelf, session.lostSelfAt != nil { return true }
      if session.published.values.contains(where: \.phase.isOpen) { return true }
      return session.lastTrade.map { $0.nanoseconds(to: now) <= Self.recentTrades } ?? false
    }.map(\.peer.did)
  }

  /// Stops signing, or goes on, as ``awaitedPeers`` says.
  func reconsiderLostSelf() {
    let awaited = awaitedPeers
    if awaited.isEmpty { isLostSelf = false }
    guard isLostSelf != isSuspended else { return }
    isSuspended = isLostSelf
    if isSuspended {
      log.error("suspended", ["awaited": awaited.map(\.string).sorted().joined(separator: ",")])
    } else {
      log.warning("resumed", [:])
    }
    for session in sessions.values { isSuspended ? session.suspend() : session.resume() }
  }

  /// Notes that a pair has frozen: with LOST_SELF at its first SYNC since the start, the journal may be an older one.
  ///
  /// Later it cannot be: what was in memory when a SYNC was checked has been there ever since, so that the peer is wrong.
  func noteLostSelf(_ session: PeerSession) {
    guard session.frozen == .lostSelf, session.lostSelfAt != nil, session.lostAtFirstSync else { return }
    isLostSelf = true
    reconsiderLostSelf()
  }

  /// Answers `waive`: the node need not wait for this peer.
  func waive(_ request: ControlRequest) async throws -> JSONValue {
    let did = try NodeIdentity.parseDID(request.text("did")).shortForm
    guard let session = sessions[did] else { throw NodeError.unknown("peer \(did.string)") }
    await session.waive(self)
    log.warning("peer-waived", ["peer": did.string])
    reconsiderLostSelf()
    return ["awaited": .array(awaitedPeers.map { .string($0.string) })]
  }
}
