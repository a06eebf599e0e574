import ParleyCrypto
public import ParleyIdentity
public import ParleyWire

/// What a witness is to be asked, again and again until its stamp is here.
public struct SlotQuestion: Hashable, Sendable {
  /// The witness's DID.
  public let witness: String
  /// The slot.
  public let slot: Slot
  /// What is handed in; `nil` to ask only.
  public let write: SlotWrite?

  /// The question as a message.
  public var message: WitnessMessage { write.map { .write(slot, $0) } ?? .query(slot) }
}

// Offers whose witness decides: docs/protocol/witness.md, section 6.
extension PairSession {
  /// What is to be asked of witnesses now: all of it rests on rows that were returned before, and may be asked when they
  /// are durable.
  public func slotQuestions(now: UnixNanoseconds) -> [SlotQuestion] {
    state.openDialogues.compactMap { dialogue in
      if let pending = dialogue.pending, let named = dialogue.witnessed.offers[pending.offer] {
        return named.stamp == nil ? SlotQuestion(witness: named.witness, slot: named.slot, write: pending.write) : nil
      }
      guard let mine = dialogue.myOffer, let named = dialogue.witnessed.offers[mine.id], named.stamp == nil else {
        return nil
      }
      let write = dialogue.witnessed.waiting.first?.write
      guard write != nil || now > mine.expiry else { return nil }
      return SlotQuestion(witness: named.witness, slot: named.slot, write: write)
    }
  }

  /// When ``slotQuestions(now:)`` has one more that only the clock brings; `nil` when none will come so.
  public var nextSlotQuestion: UnixNanoseconds? {
    state.openDialogues.compactMap { dialogue in
      guard let mine = dialogue.myOffer, dialogue.witnessed.offers[mine.id] != nil, !dialogue.hasStamp(of: mine.id)
      else { return nil }
      return mine.expiry.advanced(byNanoseconds: 1)
    }.min()
  }

  /// Takes a witness's stamp: journals it, concludes what it says, and gives the verdict that waited for it.
  ///
  /// A stamp that is not the witness's, or is of no offer here, or says what is known, changes nothing. A frozen session
  /// takes stamps too, and signs nothing.
  ///
  /// - Parameters:
  ///   - stamp: From anywhere.
  ///   - witness: The keys of the witness that it names.
  ///   - now: The wall clock.
  /// - Returns: The row to make durable, and the verdict that follows from it.
  public mutating func receive(_ stamp: Stamp, of witness: PeerIdentity, now: UnixNanoseconds) -> Outcome {
    var outcome = Outcome(channel: channelCount)
    guard let id = state.dialogue(of: stamp), stamp.isSigned(by: witness) else { return outcome }
    let known = state.dialogues[id]?.witnessed.offers[stamp.slot.offer]?.stamp
    guard known == nil || known?.contradicts(stamp) == true else { return outcome }
    let now = journalTime(now)
    record(.stamped(id, stamp: stamp.bytes), now, &outcome)
    runTimers(now, &outcome)
    return outcome
  }

  /// Gives the verdicts that waited for a slot which is known now.
  mutating func settleSlot(_ id: DialogueID, _ now: UnixNanoseconds, _ outcome: inout Outcome) {
    guard state.frozen == nil, !awaitsFirstSync, let dialogue = state.dialogues[id], let mine = dialogue.myOffer,
      let stamp = dialogue.witnessed.offers[mine.id]?.stamp
    else { return }
    let waiting = dialogue.witnessed.waiting
    for accept in waiting where accept.write.content == stamp.content {
      let confirm = Confirm(
        acceptStatement: accept.bytes, termsDigest: accept.termsDigest, received: accept.received, decided: now)
      sign(.confirm(confirm), in: id, now, &outcome)
    }
    for accept in waiting where accept.write.content != stamp.content {
      let decline = Decline(
        accept: accept.accept, code: .witness, limit: 0, received: accept.received, decided: now)
      sign(.decline(decline), in: id, now, &outcome)
    }
  }

  // MARK: Judging

  /// What is wrong with a request's witnesses, whoever takes it.
  func witnessFault(_ request: QuoteRequest) -> Fault? {
    for (index, witness) in request.witnesses.enumerated() {
      let others = request.witnesses[..<index] + [state.local, state.peer]
      if others.contains(where: witness.hasSameBytes) { return Fault(.witness, field: 112) }
    }
    guard let key = request.slotKey else { return nil }
    guard !request.witnesses.isEmpty, (try? Ed25519.PublicKey(raw: key.bytes)) != nil else {
      return Fault(.witness, field: 113)
    }
    return nil
  }

  /// Whether a request names no witness, or one that this node takes.
  func takesWitnesses(of request: QuoteRequest) -> Bool {
    request.witnesses.isEmpty
      || request.witnesses.contains { named in policy.witnesses.contains(where: named.hasSameBytes) }
  }

  /// What is wrong with the witness of an offer.
  func witnessFault(_ offer: Offer, _ header: Header, _ request: QuoteRequest, _ owner: Role) -> Fault? {
    let isNeeded = offer.mode == .firm && !request.witnesses.isEmpty
    guard let witness = offer.witness else { return isNeeded ? Fault(.witness, field: 109) : nil }
    guard isNeeded, request.witnesses.contains(where: witness.did.hasSameBytes), offer.holdUntil == header.expiry,
      witness.slotKey == slotKey(ofAcceptor: owner.other, request, isMe: header.from.hasSameBytes(as: state.peer))
    else { return Fault(.witness, field: 109) }
    return nil
  }

  /// An Accept without another fault: whether it carries the write that its offer needs.
  func judgeWrite(_ accept: Accept, _ statement: Statement, _ dialogue: Dialogue) -> Judgement {
    guard let named = dialogue.witnessed.offers[accept.offer] else {
      return accept.slotWrite == nil ? .confirm : .decline(Fault(.witness, field: 106))
    }
    guard let write = SlotWrite(statement), named.slot.isWritten(write.signature, of: write.content) else {
      return .decline(Fault(.witness, field: 106))
    }
    return .awaitSlot
  }

  /// The Confirm of a trade that this side has already: in order once, where the slot had made it.
  func judge(_ confirm: Confirm, of trade: Trade, _ accept: Accept) -> Judgement {
    guard trade.confirm == .zero else { return .reject(Fault(.duplicate)) }
    return confirm.termsDigest == Terms.digest(of: accept.terms) ? .tradeAck : .reject(Fault(.terms, field: 102))
  }

  // MARK: Signing

  /// Refuses to accept an offer whose witness cannot be asked.
  func checkWitness(_ offer: Offer, _ dialogue: Dialogue) throws(NegotiationError) {
    guard let witness = offer.witness else { return }
    guard reachableWitnesses.contains(where: witness.did.hasSameBytes) else { throw .witnessUnreachable(witness.did) }
    guard dialogue.role == .requester, let key = dialogue.request.slotKey else { return }
    // A key of before a rotation is gone.
    guard SlotKey(signer, dialogue.id).publicKey == key else { throw .invalid(Fault(.key, field: 113)) }
  }

  func nameWitnesses(_ witnesses: [String], in id: DialogueID, _ request: inout QuoteRequest) {
    guard !witnesses.isEmpty else { return }
    request.witnesses = witnesses
    request.slotKey = SlotKey(signer, id).publicKey
  }

  /// The key that writes the slots of the offers that a side may accept.
  func slotKey(ofAcceptor acceptor: Role, _ request: QuoteRequest, isMe: Bool) -> Hash256 {
    if acceptor == .requester, let key = request.slotKey { return key }
    return Hash256(ed25519: isMe ? signer.identity.ed25519 : peer.ed25519)
  }

  /// The payload with the write that an Accept of a witnessed offer carries.
  func written(_ payload: Payload, _ header: Header, _ dialogue: Dialogue?) -> Payload {
    guard case .accept(var accept) = payload, let dialogue, let named = dialogue.witnessed.offers[accept.offer] else {
      return payload
    }
    let content = accept.slotContent(header: header.encoded)
    accept.slotWrite =
      dialogue.role == .requester && dialogue.request.slotKey != nil
      ? SlotKey(signer, dialogue.id).write(content, to: named.slot)
      : signer.sign(named.slot.writtenBytes(content), context: Stamp.signatureContext).ed25519
    return .accept(accept)
  }
}
