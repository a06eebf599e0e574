public import ParleyWire

// What the clock does: it ends offers and dialogues, and never decides whether there is a trade.
extension PairSession {
  /// How long a TradeAck may take before the operator is told, in nanoseconds.
  static let tradeAckPatience: Int64 = 86_400 * 1_000_000_000

  /// Does what has become due.
  public mutating func poll(now: UnixNanoseconds) -> Outcome {
    var outcome = Outcome(channel: channelCount)
    runTimers(journalTime(now), &outcome)
    return outcome
  }

  /// When ``poll(now:)`` will have something to do; `nil` when only a frame or a command can change that.
  public var nextDeadline: UnixNanoseconds? {
    guard state.frozen == nil, channel == .synced, let ping = clock.nextPing else { return nextEnding }
    return min(nextEnding ?? ping, ping)
  }

  /// When something ends, or is overdue.
  package var nextEnding: UnixNanoseconds? {
    guard state.frozen == nil else { return nil }
    var next: UnixNanoseconds?
    func note(_ time: UnixNanoseconds) { next = min(next ?? time, time) }
    for dialogue in state.openDialogues {
      if let look = dialogue.look, !awaitsFirstSync { note(look.until.advanced(byNanoseconds: 1)) }
      if let mine = dialogue.myOffer, !dialogue.isUndecided(mine) { note(mine.expiry.advanced(byNanoseconds: 1)) }
      if let theirs = dialogue.peerLive { note(clock.end(of: theirs.expiry)) }
      if let pending = dialogue.pending {
        if !reported.contains(pending.accept) { note(overdueTime(pending)) }
      } else if dialogue.myOffer == nil, dialogue.peerLive == nil, dialogue.look == nil {
        note(requestEnd(dialogue))
      }
    }
    for id in state.unacknowledged {
      guard let trade = state.dialogues[id]?.trade, !reported.contains(trade.confirm) else { continue }
      note(trade.decided.advanced(byNanoseconds: Self.tradeAckPatience + 1))
    }
    return next
  }

  /// The first instant at which the request is over.
  private func requestEnd(_ dialogue: Dialogue) -> UnixNanoseconds {
    dialogue.role == .requester ? dialogue.expiry.advanced(byNanoseconds: 1) : clock.end(of: dialogue.expiry)
  }

  /// From when the verdict should be here: the offer, and the look, are surely over, and a round trip since.
  func overdueTime(_ pending: Dialogue.Pending) -> UnixNanoseconds {
    let transit = clock.estimate(at: pending.expiry).transit
    let end = pending.expiry.advanced(byNanoseconds: pending.look)
    return clock.end(of: end.advanced(byNanoseconds: transit).advanced(byNanoseconds: transit))
  }

  /// This side's live offer, if it is alive at `now`; one with a witness is until its slot has been seen.
  func aliveMine(_ dialogue: Dialogue, _ now: UnixNanoseconds) -> LiveOffer? {
    dialogue.myOffer.flatMap { now <= $0.expiry || dialogue.isUndecided($0) ? $0 : nil }
  }

  /// Whether the dialogue ends at `now` for want of anything live.
  func isPast(_ dialogue: Dialogue, _ now: UnixNanoseconds) -> Bool {
    guard dialogue.isOpen, dialogue.pending == nil, dialogue.look == nil else { return false }
    guard aliveMine(dialogue, now) == nil else { return false }
    if let theirs = dialogue.peerLive, now < clock.end(of: theirs.expiry) { return false }
    return now >= requestEnd(dialogue)
  }

  mutating func runTimers(_ now: UnixNanoseconds, _ outcome: inout Outcome) {
    guard state.frozen == nil else { return }
    ping(now, &outcome)
    lapseLooks(now, &outcome)
    for id in state.open {
      settleSlot(id, now, &outcome)
      guard let dialogue = state.dialogues[id], dialogue.isOpen else { continue }
      if dialogue.myOffer != nil, aliveMine(dialogue, now) == nil { record(.ended(id, .myOffer), now, &outcome) }
      if let theirs = dialogue.peerLive, now >= clock.end(of: theirs.expiry) {
        record(.ended(id, .peerOffer), now, &outcome)
      }
      if isPast(dialogue, now), !breaks(.neverEnds) { record(.ended(id, .dialogue), now, &outcome) }
      if let pending = dialogue.pending, now >= overdueTime(pending), breaks(.timeoutVoidsAccepts) {
        state.dialogues[id]?.pending = nil
      }
      if let pending = dialogue.pending, now >= overdueTime(pending), reported.insert(pending.accept).inserted {
        outcome.events.append(.overdue(id, accept: pending.accept))
      }
    }
    for id in state.unacknowledged {
      guard let trade = state.dialogues[id]?.trade, trade.decided.nanoseconds(to: now) > Self.tradeAckPatience,
        reported.insert(trade.confirm).inserted
      else { continue }
      outcome.events.append(.tradeUnacknowledged(id))
    }
  }
}
