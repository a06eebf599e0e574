public import ParleyWire

/// What a MassCancel did.
public struct MassCancelResult: Hashable, Sendable {
  /// Dialogues whose live offer of this side's is dead now; with `isDeferred`, or will be.
  public let cancelled: [DialogueID]
  /// Dialogues whose offer is held, and stands.
  public let held: [DialogueID]
  /// Dialogues with an Accept of this side's in doubt: it binds until its verdict.
  public let inDoubt: [DialogueID]
  /// Whether it is only journaled, and will be signed with the first SYNC, before any statement of the peer's is taken in.
  public let isDeferred: Bool
  /// What to make durable, send and tell; empty where nothing is live.
  public let outcome: Outcome
}

// MassCancel: section 7 of docs/protocol/negotiation.md.
extension PairSession {
  /// Takes back every live offer of this side's in the pair, but those that are held.
  ///
  /// Accepts in doubt stay so.
  ///
  /// Where the state was restored and no SYNC has been checked since, or the node is suspended, nothing may be signed yet: then the order is journaled
  /// and carried out in the transaction of the SYNC, so that no Accept can come before it.
  ///
  /// - Parameters:
  ///   - code: Why, such as ``NegotiationCode/killed``.
  ///   - now: The wall clock.
  /// - Returns: What was cancelled, and what to do.
  /// - Throws: ``NegotiationError/frozen(_:)``; the session is then as it was.
  public mutating func massCancel(
    code: NegotiationCode = .none, now: UnixNanoseconds
  ) throws(NegotiationError) -> MassCancelResult {
    if let frozen = state.frozen { throw .frozen(frozen) }
    let now = journalTime(now)
    let live = state.openDialogues.filter { aliveMine($0, now) != nil }
    let held = live.filter { $0.myOffer.map { $0.offer.witness != nil || $0.offer.holdUntil > now } ?? false }.map(\.id)
    let cancelled = live.map(\.id).filter { !held.contains($0) }
    let inDoubt = state.openDialogues.filter { $0.pending != nil }.map(\.id)
    var outcome = Outcome(channel: channelCount)
    if awaitsFirstSync || isSuspended, !live.isEmpty {
      record(.ordered(.massCancel(code)), now, &outcome)
    } else if !cancelled.isEmpty {
      runTimers(now, &outcome)
      sign(.massCancel(MassCancel(code: code)), in: .pair, now, &outcome)
    }
    return MassCancelResult(
      cancelled: cancelled, held: held, inDoubt: inDoubt, isDeferred: state.orderedCancel != nil, outcome: outcome)
  }

  /// Signs what was ordered before the first SYNC.
  mutating func signOrderedCancel(_ now: UnixNanoseconds, _ outcome: inout Outcome) {
    guard !isSuspended, let code = state.orderedCancel else { return }
    sign(.massCancel(MassCancel(code: code)), in: .pair, now, &outcome)
  }
}

extension PairState {
  /// Ends one side's live offers, as its MassCancel of `created` says: by signed values, the same on both sides.
  mutating func cancelAll(signedBySelf: Bool, _ created: UnixNanoseconds, _ events: inout [SessionEvent]) {
    for id in open {
      guard var dialogue = dialogues[id] else { continue }
      let live = signedBySelf ? dialogue.myOffer : dialogue.peerLive
      // One that names a witness ends only as the slot says.
      if let live, live.offer.witness != nil || created < live.offer.holdUntil { continue }
      if signedBySelf { dialogue.endMyOffer(.cancelled, &events) } else { dialogue.cancelPeerOffer(&events) }
      store(dialogue)
    }
  }
}

extension Dialogue {
  /// The peer has taken its latest offer back; one that was refused, or has ended by the clock here, too.
  mutating func cancelPeerOffer(_ events: inout [SessionEvent]) {
    if peerOffer?.end == .expired || peerOffer?.end == .rejected {
      peerOffer?.end = .cancelled
    } else {
      endPeerOffer(.cancelled, &events)
    }
  }
}
