import ParleyIdentity
import ParleyWire

// A statement that arrives: section 6 of docs/protocol/negotiation.md.
extension PairSession {
  /// What the table says about a statement.
  enum Judgement: Equatable {
    /// It takes effect; the fault, if any, is answered all the same.
    case effect(Fault? = nil)
    /// It takes effect and this side confirms.
    case confirm
    /// It takes effect, and the slot of its offer decides.
    case awaitSlot
    /// It takes effect, and this side is to decide.
    case look
    /// It takes effect, and this side declines the Accept that it asks back.
    case withdrawn
    /// It takes effect and this side acknowledges the trade.
    case tradeAck
    /// A Reject, and what the statement still does.
    case reject(Fault, JournalRow.Effect = .none)
    /// A Decline.
    case decline(Fault)
    /// The session freezes.
    case freeze(NegotiationCode)
  }

  /// Takes in the peer's next statement, journals it and its answer.
  ///
  /// - Returns: Whether it was counted; else the session froze or asked to close the channel.
  mutating func process(_ bytes: [UInt8], _ now: UnixNanoseconds, _ outcome: inout Outcome) -> Bool {
    let number = state.received + 1
    let envelope: Envelope
    let header: Header
    do throws(Fault) {
      envelope = try Envelope(bytes)
      header = try Header.decode(envelope.header)
    } catch {
      let id = (try? Envelope(bytes))?.id ?? Envelope.malformedID(bytes)
      guard mayReject(now, &outcome) else { return false }
      record(.received(n: number, statement: bytes, code: error.code, effect: .none), now, &outcome)
      answer(id, in: .pair, error, now, &outcome)
      return true
    }
    let (judgement, statement) = judge(envelope, header, now)
    let isKept = state.dialogues[header.dialogue] != nil
    switch judgement {
    case .freeze(let code):
      freeze(code, evidence: bytes, now, &outcome)
      return false
    case .effect(let fault):
      if fault != nil, !mayReject(now, &outcome) { return false }
      record(
        .received(n: number, statement: bytes, code: fault?.code ?? .none, effect: .full), now, &outcome)
      if let fault { answer(envelope.id, in: isKept ? header.dialogue : .pair, fault, now, &outcome) }
    case .confirm:
      record(.received(n: number, statement: bytes, code: .none, effect: .full), now, &outcome)
      confirm(envelope, header, statement, now, &outcome)
    case .awaitSlot:
      record(.received(n: number, statement: bytes, code: .none, effect: .full), now, &outcome)
      settleSlot(header.dialogue, now, &outcome)
    case .look:
      record(.received(n: number, statement: bytes, code: .none, effect: .look), now, &outcome)
    case .withdrawn:
      record(.received(n: number, statement: bytes, code: .none, effect: .full), now, &outcome)
      declineLook(in: header.dialogue, .withdrawn, now, &outcome)
    case .tradeAck:
      record(.received(n: number, statement: bytes, code: .none, effect: .full), now, &outcome)
      sign(.tradeAck(TradeAck(confirm: envelope.id)), in: header.dialogue, now, &outcome)
    case .reject(let fault, let effect):
      let isAnswered = header.kind != Kind.reject.rawValue
      if isAnswered, !mayReject(now, &outcome) { return false }
      record(.received(n: number, statement: bytes, code: fault.code, effect: effect), now, &outcome)
      if isAnswered { answer(envelope.id, in: isKept ? header.dialogue : .pair, fault, now, &outcome) }
    case .decline(let fault):
      record(
        .received(n: number, statement: bytes, code: fault.code, effect: statement == nil ? .none : .full), now,
        &outcome)
      let decline = Decline(accept: envelope.id, code: fault.code, limit: 0, received: now, decided: now)
      sign(.decline(decline), in: isKept ? header.dialogue : .pair, now, &outcome)
    }
    return true
  }

  private mutating func mayReject(_ now: UnixNanoseconds, _ outcome: inout Outcome) -> Bool {
    // What the peer's SYNC announced is a backlog, not a flood.
    if announced != nil || rates.rejects.take(limits.rejectsPerSecond, now) { return true }
    close(.rejectRate, &outcome)
    return false
  }

  private mutating func answer(
    _ target: StatementID, in dialogue: DialogueID, _ fault: Fault, _ now: UnixNanoseconds,
    _ outcome: inout Outcome
  ) {
    sign(.reject(Reject(target: target, fault)), in: dialogue, now, &outcome)
    outcome.events.append(.rejectedPeer(dialogue == .pair ? nil : dialogue, target: target, fault))
  }

  private mutating func confirm(
    _ envelope: Envelope, _ header: Header, _ statement: Statement?, _ now: UnixNanoseconds,
    _ outcome: inout Outcome
  ) {
    guard case .accept(let accept)? = statement?.payload else {
      preconditionFailure("only an Accept is confirmed")
    }
    let confirm = Confirm(
      acceptStatement: envelope.bytes, termsDigest: Terms.digest(of: accept.terms), received: now, decided: now)
    sign(.confirm(confirm), in: header.dialogue, now, &outcome)
  }

  // MARK: Judging

  /// Steps 3 to 9; with the statement where its payload could be read.
  private mutating func judge(
    _ envelope: Envelope, _ header: Header, _ now: UnixNanoseconds
  ) -> (Judgement, Statement?) {
    guard state.isFromPeer(header) else { return (.reject(Fault(.key, field: 4)), nil) }
    guard header.fromKey.hasSameBytes(as: peer.keyFragment) else { return (.reject(Fault(.key, field: 5)), nil) }
    guard header.docHash.bytes == peer.documentHash else { return (.reject(Fault(.key, field: 12)), nil) }
    guard envelope.isSigned(by: peer, signatures) else { return (.reject(Fault(.signature)), nil) }
    let isAccept = header.kind == Kind.accept.rawValue
    func refuse(_ fault: Fault) -> Judgement { isAccept ? .decline(fault) : .reject(fault) }
    if header.extensions.contains(where: \.isCritical) { return (refuse(Fault(.critical, field: 13)), nil) }
    let statement: Statement
    do throws(Fault) {
      statement = try Statement(envelope, header)
    } catch {
      return (refuse(error), nil)
    }
    if let judgement = chainJudgement(envelope, header) {
      guard case .reject(let fault, _) = judgement, fault.code == .chain else { return (judgement, statement) }
      switch statement.payload {
      case .accept: return (.decline(fault), statement)
      case .confirm, .decline:
        let table = judgeByTable(statement, now)
        switch table {
        case .effect, .tradeAck: return (.effect(fault), statement)
        case .confirm, .look, .withdrawn, .awaitSlot, .reject, .decline, .freeze: return (table, statement)
        }
      case .quoteRequest, .quote, .counter, .quoteCancel, .withdraw, .pass, .reject, .tradeAck, .massCancel,
        .incarnation:
        return (judgement, statement)
      }
    }
    if let dialogue = state.dialogues[header.dialogue], dialogue.theirs.count >= limits.statementsPerDialogue {
      switch statement.payload {
      case .quoteRequest, .quote, .counter, .accept, .quoteCancel, .withdraw, .pass:
        return (refuse(Fault(.limit)), statement)
      case .confirm, .decline, .reject, .tradeAck, .massCancel, .incarnation: break
      }
    }
    return (judgeByTable(statement, now), statement)
  }

  /// The chain check; `nil` when it passes.
  private func chainJudgement(_ envelope: Envelope, _ header: Header) -> Judgement? {
    if header.dialogue == .pair { return pairChainFault(header).map { .reject($0) } }
    guard let dialogue = state.dialogues[header.dialogue] else { return newChainFault(header).map { .reject($0) } }
    let theirs = dialogue.theirs
    if let known = theirs.idsBySeq[header.seq] {
      return known == envelope.id ? .reject(Fault(.duplicate)) : .freeze(.equivocation)
    }
    // Whatever is kept: an Accept that was confirmed is not declined.
    if dialogue.trade?.accept == envelope.id { return .reject(Fault(.duplicate)) }
    if header.seq != theirs.count + 1 { return .reject(Fault(.chain, field: 7)) }
    if header.own != theirs.last { return .reject(Fault(.chain, field: 8)) }
    if !isSeenRight(header.seen, dialogue) { return .reject(Fault(.chain, field: 9)) }
    if header.created < theirs.lastCreated { return .reject(Fault(.chain, field: 10)) }
    return nil
  }

  private func isSeenRight(_ seen: StatementID, _ dialogue: Dialogue) -> Bool {
    // The ids of a closed dialogue are forgotten.
    if dialogue.phase == .closed { return true }
    if seen == .zero { return dialogue.theirs.seenCount == 0 }
    return dialogue.seenCount(naming: seen) != nil
  }

  private func pairChainFault(_ header: Header) -> Fault? {
    if header.seq != state.theirsPair.count + 1 { return Fault(.chain, field: 7) }
    if header.own != state.theirsPair.last { return Fault(.chain, field: 8) }
    if header.seen != .zero { return Fault(.chain, field: 9) }
    return header.created < state.theirsPair.lastCreated ? Fault(.chain, field: 10) : nil
  }

  /// A statement for a dialogue that is not here is in its place only as the request that opens it.
  private func newChainFault(_ header: Header) -> Fault? {
    guard header.kind == Kind.quoteRequest.rawValue else { return nil }
    if header.seq != 1 { return Fault(.chain, field: 7) }
    if header.own != .zero { return Fault(.chain, field: 8) }
    return header.seen == .zero ? nil : Fault(.chain, field: 9)
  }

  // MARK: Signing

  /// Signs a statement, journals it, and puts it into the outcome; a frame of it only while the channel is synchronised.
  @discardableResult
  mutating func sign(
    _ payload: Payload, in id: DialogueID, expiry: UnixNanoseconds = UnixNanoseconds(0), _ now: UnixNanoseconds,
    order: JournalRow.ClientOrder? = nil, extensions: [Header.Extension] = [], _ outcome: inout Outcome
  ) -> StatementID {
    precondition(state.frozen == nil, "a frozen pair signs nothing")
    let dialogue = state.dialogues[id]
    let mine = dialogue?.mine ?? (id == .pair ? state.minePair : Strand())
    let identity = signer.identity
    guard let documentHash = Hash256(identity.documentHash) else {
      preconditionFailure("a document's hash has 32 bytes")
    }
    let header = Header(
      kind: payload.kind.rawValue, dialogue: id, from: identity.did.string, fromKey: identity.keyFragment,
      to: peer.did.string, seq: mine.count + 1, own: mine.last, seen: dialogue?.theirs.last ?? .zero,
      created: max(now, mine.lastCreated), expiry: expiry, docHash: documentHash, extensions: extensions)
    let statement = Statement(header: header, payload: written(payload, header, dialogue), signer: signer)
    let number = state.sent + 1
    record(.sent(n: number, statement: statement.bytes, order: order), now, &outcome)
    if channel == .synced { outcome.frames.append(Frame.data(n: number, statement: statement.bytes).encoded) }
    return statement.id
  }
}
