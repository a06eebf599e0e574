import ParleyWire

/// What witnesses say of the offers of one dialogue, and what waits for that.
struct WitnessedOffers: Equatable {
  /// An offer that names a witness.
  struct Named: Equatable {
    let witness: String
    let slot: Slot
    /// What the witness has said; a second stamp changes nothing.
    var stamp: Stamp?
  }

  /// An Accept of the peer's that waits for the slot.
  struct Waiting: Equatable {
    let accept: StatementID
    let write: SlotWrite
    let termsDigest: Hash256
    let bytes: [UInt8]
    let received: UnixNanoseconds
  }

  /// Both sides' offers, the dead ones too.
  var offers: [StatementID: Named] = [:]
  /// Accepts of this side's live offer, which bear no fault.
  var waiting: [Waiting] = []
  /// This side's Accepts that the slot declined, before their owner did.
  var declined: [StatementID] = []
  /// The contents of Accepts of this side's live offer that were declined for what they lack: no trade, whatever the slot.
  var refused: [Hash256] = []

  /// Notes an offer, if it names a witness.
  mutating func note(_ live: LiveOffer) {
    guard let witness = live.offer.witness else { return }
    offers[live.id] = Named(witness: witness.did, slot: Slot(live, witness))
  }

  /// The dialogue is over without a trade.
  mutating func forget() {
    offers = [:]
    waiting = []
  }
}

extension Slot {
  /// The slot of a firm offer.
  init(_ live: LiveOffer, _ witness: Offer.Witness) {
    self.init(offer: live.id, key: witness.slotKey, deadline: live.expiry)
  }
}

extension SlotWrite {
  /// The write that an Accept carries; `nil` without one.
  init?(_ statement: Statement) {
    guard case .accept(let accept) = statement.payload, let signature = accept.slotWrite,
      let content = statement.slotContent
    else { return nil }
    self.init(content: content, signature: signature)
  }
}

extension Dialogue {
  /// Whether an offer of this side's names a witness who has not said how it ended, or has said that an Accept took it.
  func isUndecided(_ mine: LiveOffer) -> Bool {
    guard let named = witnessed.offers[mine.id] else { return false }
    // An Accept that waits has its verdict before the offer ends.
    guard let stamp = named.stamp, witnessed.waiting.isEmpty else { return true }
    return stamp.content.map { !witnessed.refused.contains($0) } ?? false
  }

  /// Whether the offer's witness has said what is in its slot.
  func hasStamp(of offer: StatementID) -> Bool { witnessed.offers[offer]?.stamp != nil }

  /// An Accept of this side's live offer has arrived: without a fault only the slot decides.
  mutating func awaitSlot(_ statement: Statement, _ code: NegotiationCode, _ time: UnixNanoseconds) {
    guard case .accept(let accept) = statement.payload, myOffer?.id == accept.offer,
      witnessed.offers[accept.offer] != nil, let write = SlotWrite(statement)
    else { return }
    guard code == .none else { return witnessed.refused.append(write.content) }
    witnessed.waiting.append(
      WitnessedOffers.Waiting(
        accept: statement.id, write: write, termsDigest: Terms.digest(of: accept.terms), bytes: statement.bytes,
        received: time))
  }

  /// The owner's Confirm of what the slot has made a trade; whether it is one.
  mutating func confirmWitnessed(_ confirmed: Trade, _ events: inout [SessionEvent]) -> Bool {
    guard let trade, trade.isAcceptor, trade.accept == confirmed.accept, trade.confirm == .zero else { return false }
    self.trade = confirmed
    events.append(.tradeConfirmed(confirmed))
    return true
  }

  /// A trade by the slot's word; the Confirm may come later.
  fileprivate func trade(of pending: Pending, at time: UnixNanoseconds) -> Trade? {
    guard let terms = try? Terms.decode(pending.terms) else { return nil }
    return Trade(
      dialogue: id, offer: pending.offer, accept: pending.accept, confirm: .zero, terms: terms, side: pending.side,
      isAcceptor: true, received: time, decided: time)
  }
}

extension PairState {
  /// The dialogue in which the slot has declined this side's Accept `id` and the owner has not.
  func dialogue(awaitingDecline id: StatementID) -> DialogueID? {
    dialogues.values.first { $0.witnessed.declined.contains(id) }?.id
  }

  /// The dialogue with the offer that this stamp is about, if it is of the witness and the slot that the offer names.
  func dialogue(of stamp: Stamp) -> DialogueID? {
    dialogues.values.first { dialogue in
      guard let named = dialogue.witnessed.offers[stamp.slot.offer] else { return false }
      return named.slot == stamp.slot && named.witness.hasSameBytes(as: stamp.witness)
    }?.id
  }

  mutating func applyStamped(_ id: DialogueID, _ bytes: [UInt8], _ events: inout [SessionEvent]) {
    guard let stamp = try? Stamp(bytes), var dialogue = dialogues[id],
      let named = dialogue.witnessed.offers[stamp.slot.offer]
    else { return }
    if let known = named.stamp {
      if known.contradicts(stamp) { events.append(.witnessEquivocated(id, offer: stamp.slot.offer)) }
      return
    }
    dialogue.witnessed.offers[stamp.slot.offer]?.stamp = stamp
    if let pending = dialogue.pending, pending.offer == stamp.slot.offer {
      if stamp.content == pending.write?.content, let trade = dialogue.trade(of: pending, at: stamp.time) {
        dialogue.trade(trade, &events)
        if dialogue.role == .requester { groups[dialogue.request.group]?.filled += trade.terms.lots }
      } else {
        dialogue.witnessed.declined.append(pending.accept)
        dialogue.decline(pending.accept, .witness, time, &events)
      }
    }
    store(dialogue)
  }
}
