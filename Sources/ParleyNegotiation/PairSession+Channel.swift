public import ParleyWire

// Channels, SYNC, ACK and FREEZE: section 5 of docs/protocol/negotiation.md.
extension PairSession {
  /// A secure channel to the peer has opened.
  ///
  /// The channel before it is dead: nothing more is read from it.
  /// The SYNC in the outcome tells the peer what is durable here, so it must not leave before all rows of earlier
  /// outcomes are; ``Outcome`` demands that of every frame.
  public mutating func channelOpened(now: UnixNanoseconds) -> Outcome {
    precondition(state.incarnation != nil, "begin or restore the session first")
    channelCount += 1
    announced = nil
    channel = .awaitingSync
    clock.channelOpened()
    repairing.reset()
    var outcome = Outcome(channel: channelCount)
    runTimers(journalTime(now), &outcome)
    if let code = state.frozen {
      appendFrozen(code, &outcome)
      return outcome
    }
    if let statement = state.unconfirmedIncarnation {
      outcome.frames.append(Frame.returned(.incarnation, n: 0, statement: statement).encoded)
    }
    outcome.frames.append(Frame.sync(sync(now)).encoded)
    return outcome
  }

  /// The channel is gone; what waits is sent again on the next one.
  public mutating func channelClosed() { channel = .closed }

  /// Takes in one frame.
  ///
  /// - Parameters:
  ///   - frame: One message of the channel's stream.
  ///   - now: The wall clock.
  /// - Returns: What it leads to. Once an outcome has asked to close the channel, further frames lead to nothing.
  public mutating func receive(_ frame: [UInt8], now: UnixNanoseconds) -> Outcome {
    var outcome = Outcome(channel: channelCount)
    guard channel != .closed else { return outcome }
    let isClockBehind = isClockBehind(now)
    let now = journalTime(now)
    let decoded: Frame
    do throws(Fault) {
      decoded = try Frame.decode(frame)
    } catch {
      close(.badFrame(error), &outcome)
      return outcome
    }
    switch decoded {
    case .bye: break
    case .freeze(let code, let evidence):
      if state.frozen == nil { record(.frozen(code, byPeer: true, evidence: evidence), now, &outcome) }
    case .repair(let position): receive(position, frame, now, &outcome)
    case .returned(let kind, let n, let statement): receive(returned: kind, n, statement, now, &outcome)
    case .sync(let sync):
      if answerFrozen(&outcome) { break }
      guard channel == .awaitingSync else {
        close(.badFrame(Fault(.unsolicited, "a second SYNC")), &outcome)
        break
      }
      receive(sync, frame, now, &outcome)
    case .ping(let t1):
      if state.frozen != nil { break }
      guard isInSync(&outcome) else { break }
      receive(ping: t1, now, &outcome)
    case .pong(let t1, let t2, let t3):
      if state.frozen != nil { break }
      guard isInSync(&outcome) else { break }
      if isClockBehind { clock.discard() }
      receive(pong: t1, t2, t3, now, &outcome)
    case .ack(let n, let link):
      if state.frozen != nil { break }
      guard isInSync(&outcome) else { break }
      receive(acknowledged: n, link, frame, now, &outcome)
    case .data(let n, let statement):
      if state.frozen != nil {
        if state.evidence.count < PairState.evidenceLimit { record(.evidence(statement: statement), now, &outcome) }
        _ = answerFrozen(&outcome)
        break
      }
      guard isInSync(&outcome) else { break }
      if isSuspended {
        hasPassedOver = true
        break
      }
      receive(n, statement, now, &outcome)
    }
    return outcome
  }

  // MARK: Frames

  private mutating func isInSync(_ outcome: inout Outcome) -> Bool {
    if channel == .synced { return true }
    close(.badFrame(Fault(.unsolicited, "a frame before SYNC")), &outcome)
    return false
  }

  private func answerFrozen(_ outcome: inout Outcome) -> Bool {
    guard let code = state.frozen else { return false }
    outcome.frames.append(Frame.freeze(code: code, evidence: []).encoded)
    return true
  }

  mutating func close(_ reason: ChannelClose, _ outcome: inout Outcome) {
    channel = .closed
    outcome.close = reason
  }

  /// Freezes the session for a reason that its node has found: nothing more is signed, and the peer is told.
  ///
  /// A session that is frozen already stays so for its first reason.
  ///
  /// - Parameters:
  ///   - code: Why.
  ///   - now: The wall clock.
  /// - Returns: The row to make durable, and the FREEZE for the channel that is open, if one is.
  public mutating func freeze(_ code: NegotiationCode, now: UnixNanoseconds) -> Outcome {
    var outcome = Outcome(channel: channelCount)
    if state.frozen == nil { freeze(code, evidence: [], journalTime(now), &outcome) }
    return outcome
  }

  /// The session signs nothing more.
  mutating func freeze(
    _ code: NegotiationCode, evidence: [UInt8], _ now: UnixNanoseconds, _ outcome: inout Outcome
  ) {
    let evidence = Array(evidence.prefix(Frame.evidenceByteLimit))
    record(.frozen(code, byPeer: false, evidence: evidence), now, &outcome)
    outcome.frames.append(Frame.freeze(code: code, evidence: evidence).encoded)
  }

  func sync(_ now: UnixNanoseconds) -> Sync {
    guard let incarnation = state.incarnation else { preconditionFailure("the session has begun") }
    return Sync(
      incarnation: incarnation,
      peerIncarnation: state.peerIncarnation ?? [UInt8](repeating: 0, count: Self.incarnationByteCount),
      sent: state.sent, sentLink: state.sentLink, received: state.received, receivedLink: state.receivedLink,
      limits: limits.announced, now: UnixNanoseconds(max(now.rawValue, 0)))
  }

  // MARK: SYNC

  private mutating func receive(
    _ sync: Sync, _ frame: [UInt8], _ now: UnixNanoseconds, _ outcome: inout Outcome
  ) {
    if let code = conflict(with: sync), !breaks(.believesSync) { return freeze(code, evidence: frame, now, &outcome) }
    if state.peerIncarnation == nil { record(.peerBegan(incarnation: sync.incarnation), now, &outcome) }
    if sync.received > state.acknowledged, sync.received <= state.sent {
      record(.acknowledged(n: sync.received, link: sync.receivedLink), now, &outcome)
    }
    if sync.sent > state.received { announced = (sync.sent, sync.sentLink) }
    peerLimits = sync.limits
    channel = .synced
    awaitsFirstSync = false
    for statement in state.outbox {
      outcome.frames.append(Frame.data(n: statement.n, statement: statement.bytes).encoded)
    }
    signOwed(now, &outcome)
    signOrderedCancel(now, &outcome)
    for id in state.open { settleSlot(id, now, &outcome) }
    lapseLooks(now, &outcome)
    outcome.events.append(.synced(resent: state.outbox.count, peerClock: sync.now))
    ping(now, &outcome)
  }

  /// Why the two journals cannot be continued; `nil` when they can.
  private func conflict(with sync: Sync) -> NegotiationCode? {
    if let known = state.peerIncarnation, known != sync.incarnation { return .newIncarnation }
    if sync.knowsPeer, sync.peerIncarnation != state.incarnation { return .newIncarnation }
    if sync.received > state.sent { return .lostSelf }
    if sync.sent < state.received || sync.received < state.acknowledged { return .lostPeer }
    guard sync.knowsPeer else { return nil }
    // Where this side does not know the peer's incarnation yet it has signed and received nothing: both links follow.
    let (mine, theirs) = linksAtSync(sync)
    if sync.receivedLink != mine { return .fork }
    if sync.sent == state.received, sync.sentLink != theirs { return .fork }
    return nil
  }

  /// The link of this side's statement `sync.received`, and that of the peer's last one that is here.
  private func linksAtSync(_ sync: Sync) -> (mine: Hash256?, theirs: Hash256) {
    guard state.peerIncarnation == nil, let incarnation = state.incarnation else {
      return (state.myLink(sync.received), state.receivedLink)
    }
    return (
      PairState.firstLink(from: state.local, to: state.peer, incarnation, sync.incarnation),
      PairState.firstLink(from: state.peer, to: state.local, sync.incarnation, incarnation)
    )
  }

  // MARK: ACK and DATA

  private mutating func receive(
    acknowledged n: Int64, _ link: Hash256, _ frame: [UInt8], _ now: UnixNanoseconds, _ outcome: inout Outcome
  ) {
    if n > state.sent { return freeze(.lostSelf, evidence: frame, now, &outcome) }
    if n < state.acknowledged { return }
    guard state.myLink(n) == link else { return freeze(.fork, evidence: frame, now, &outcome) }
    if n > state.acknowledged { record(.acknowledged(n: n, link: link), now, &outcome) }
  }

  private mutating func receive(
    _ n: Int64, _ statement: [UInt8], _ now: UnixNanoseconds, _ outcome: inout Outcome
  ) {
    if n <= state.received {
      let id = (try? Envelope(statement))?.id ?? Envelope.malformedID(statement)
      if let known = state.receivedID(n), known != id { return freeze(.fork, evidence: statement, now, &outcome) }
      return appendACK(&outcome)
    }
    guard n == state.received + 1 else { return gap(n, now, &outcome) }
    // Statements that the peer's SYNC announced are a backlog, not a flood.
    if announced == nil, !rates.statements.take(limits.statementsPerSecond, now) {
      return close(.statementRate, &outcome)
    }
    if let next = announced, n == next.n {
      let id = (try? Envelope(statement))?.id ?? Envelope.malformedID(statement)
      guard PairState.link(after: state.receivedLink, n: n, id: id) == next.link else {
        return freeze(.fork, evidence: statement, now, &outcome)
      }
      announced = nil
    }
    guard process(statement, now, &outcome) else { return }
    gaps = []
    appendACK(&outcome)
  }

  private func appendACK(_ outcome: inout Outcome) {
    outcome.frames.append(Frame.ack(n: state.received, link: state.receivedLink).encoded)
  }

  private mutating func gap(_ n: Int64, _ now: UnixNanoseconds, _ outcome: inout Outcome) {
    gaps.removeAll { $0.nanoseconds(to: now) > 60_000_000_000 }
    gaps.append(now)
    if gaps.count >= 3 { freeze(.resyncLoop, evidence: [], now, &outcome) }
    close(.gap(expected: state.received + 1, got: n), &outcome)
  }
}
