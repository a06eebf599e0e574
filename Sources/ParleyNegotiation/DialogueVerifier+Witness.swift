import ParleyIdentity
import ParleyWire

// Step 7, and what stamps prove: docs/protocol/witness.md, section 7.
extension DialogueVerifier {
  mutating func check(_ stamps: [[UInt8]], of witnesses: [PeerIdentity]) throws(Stop) {
    var liar: String?
    for bytes in stamps {
      guard let stamp = try? Stamp(bytes), witnesses.contains(where: stamp.isSigned), isOfOffer(stamp) else {
        throw Stop(.stamps, nil)
      }
      if let known = self.stamps[stamp.slot.offer] {
        if known.contradicts(stamp) { liar = liar ?? stamp.witness }
      } else {
        self.stamps[stamp.slot.offer] = stamp
      }
    }
    if let liar { throw Stop(.equivocation(by: liar)) }
  }

  /// Whether the stamp is of an offer of the set, in the slot of the witness that it names.
  private func isOfOffer(_ stamp: Stamp) -> Bool {
    guard let entry = entries[stamp.slot.offer] else { return false }
    switch entry.statement?.payload {
    case .quote(let offer), .counter(let offer):
      guard let witness = offer.witness, witness.did.hasSameBytes(as: stamp.witness) else { return false }
      return stamp.slot == Slot(LiveOffer(id: entry.id, offer: offer, entry.header), witness)
    default: return false
    }
  }

  /// The trade, or the breach, of an Accept that no Confirm names and whose content a stamp bears.
  func stampedTrade() throws(Stop) -> Verdict? {
    let stamped = accepts.filter { isStamped($0.entry, $0.content) }
    guard let (entry, accept) = stamped.first, let stamp = stamps[accept.offer] else { return nil }
    // One trade a dialogue.
    guard stamped.count == 1, let offer = offer(accept.offer, of: entry.header.to),
      let terms = try? terms(accept, offer)
    else { throw Stop(.terms, stamped.last?.entry.id) }
    let owner = entry.header.to
    for candidate in strands[owner, default: []] + aside {
      guard case .decline(let decline)? = candidate.statement?.payload, decline.accept == entry.id,
        candidate.header.from.hasSameBytes(as: owner)
      else { continue }
      return .breach(owner: owner, accept: entry.id, decline.code)
    }
    return .traded(
      VerifiedTrade(
        dialogue: entry.header.dialogue, terms: terms, acceptor: entry.header.from, owner: owner, accept: entry.id,
        confirm: .zero, received: stamp.time, decided: stamp.time))
  }

  /// Whether a stamp bears the content of an Accept that is in order, and that its signer had not made void itself.
  private func isStamped(_ entry: Entry, _ accept: Accept) -> Bool {
    guard let stamp = stamps[accept.offer], let write = entry.statement.flatMap(SlotWrite.init),
      stamp.content == write.content, stamp.slot.isWritten(write.signature, of: write.content),
      !breaksChain(entry), !entry.header.extensions.contains(where: \.isCritical),
      let offer = offer(accept.offer, of: entry.header.to), offer.content.mode == .firm,
      let terms = try? terms(accept, offer), terms.encoded == accept.terms, !isBlind(entry)
    else { return false }
    let before = strands[entry.header.from, default: []].prefix { $0.id != entry.id }
    return !before.contains { earlier in
      if case .pass? = earlier.statement?.payload { return true }
      return rejects(earlier, accept.offer) || request.map { rejects(earlier, $0.entry.id) } ?? false
    }
  }

  /// Whether the requester accepted in its own blind time.
  private func isBlind(_ entry: Entry) -> Bool {
    guard let request, entry.header.from.hasSameBytes(as: request.entry.header.from) else { return false }
    let end = request.entry.header.created.advanced(byNanoseconds: request.request.blindNanoseconds)
    return entry.header.created < end
  }

  /// Whether the slot, or the want of a good write, bears out that the Accept made no trade.
  func isWitnessedNo(_ entry: Entry, _ accept: Accept) -> Bool {
    guard let offer = offer(accept.offer, of: entry.header.to) else { return false }
    guard let witness = offer.content.witness else { return accept.slotWrite != nil }
    let slot = Slot(LiveOffer(id: offer.entry.id, offer: offer.content, offer.entry.header), witness)
    guard let write = entry.statement.flatMap(SlotWrite.init), slot.isWritten(write.signature, of: write.content) else {
      return true
    }
    return stamps[accept.offer].map { $0.content != write.content } ?? false
  }
}

extension LiveOffer {
  init(id: StatementID, offer: Offer, _ header: Header) {
    self.init(id: id, offer: offer, created: header.created, expiry: header.expiry)
  }
}
