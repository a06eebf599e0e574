import ParleyIdentity
import ParleyWire

@testable import ParleyNegotiation

/// A witness with a driver that commits at once.
final class WitnessServer {
  let signer: LocalSigner
  let limits: WitnessLimits
  var slots: WitnessSlots
  private(set) var journal: [(row: [UInt8], peer: String)] = []
  var isServing = true

  init(_ signer: LocalSigner = Traders.stranger, limits: WitnessLimits = WitnessLimits()) {
    self.signer = signer
    self.limits = limits
    slots = WitnessSlots(signer: signer, limits: limits)
  }

  var id: String { signer.identity.did.string }

  func ask(_ message: WitnessMessage, as peer: String = "did:example:asker", _ now: UnixNanoseconds) throws(Fault)
    -> WitnessMessage
  {
    let outcome = try slots.receive(message.encoded, from: peer, isServed: isServing, now: now)
    journal += outcome.rows.map { ($0.encoded, peer) }
    return outcome.answer
  }

  func restart() throws {
    slots = WitnessSlots(signer: signer, limits: limits)
    for entry in journal { try slots.restore(entry.row, peer: entry.peer) }
  }
}

/// Two peers and the witness of their offers.
final class WitnessedPair {
  let pair: Pair
  let witness: WitnessServer
  var taker: Peer { pair.taker }
  var maker: Peer { pair.maker }
  var now: UnixNanoseconds {
    get { pair.now }
    set { pair.now = newValue }
  }

  init(
    _ taker: LocalSigner = Traders.taker, _ maker: LocalSigner = Traders.maker, witness: WitnessServer = WitnessServer()
  ) {
    pair = Pair(taker, maker)
    self.witness = witness
    for peer in [pair.taker, pair.maker] { prepare(peer) }
  }

  func prepare(_ peer: Peer) {
    peer.session.policy.witnesses = [witness.id]
    peer.session.reachableWitnesses = [witness.id]
  }

  func ask(lots: Int64 = 10, nonce: UInt8 = 7) throws -> DialogueID {
    var draft = Samples.request(lots: lots)
    draft.witnesses = [witness.id]
    return try pair.ask(draft, nonce: nonce)
  }

  /// An offer that the witness decides about.
  func draft(lifetime: Int64 = 2_000_000_000) -> OfferDraft {
    var draft = Samples.twoWay(lifetime: lifetime)
    draft.witness = witness.id
    return draft
  }

  @discardableResult
  func accept(_ id: DialogueID, lots: Int64 = 3, side: Side = .buy) throws -> CommandResult {
    let offer = taker.session.dialogue(id)!.peerOffer!.id
    return taker.take(try taker.session.accept(id, offer: offer, side: side, lots: lots, now: now))
  }

  /// Has a side ask all that it would ask, once, and take the answers.
  func consult(_ peer: Peer) throws {
    for question in peer.session.slotQuestions(now: now) {
      guard case .stamp(let stamp) = try witness.ask(question.message, as: peer.signer.identity.did.string, now) else {
        continue
      }
      peer.take(peer.session.receive(stamp, of: witness.signer.identity, now: now))
    }
  }

  /// What the slot holds, as a stranger learns it.
  func stamp(_ slot: Slot) throws -> Stamp? {
    if case .stamp(let stamp) = try witness.ask(.query(slot), now) { stamp } else { nil }
  }

  /// The statements and stamps of a side's journal, and what they prove.
  func verdict(_ peer: Peer, _ id: DialogueID, withStamps: Bool = true) throws -> DialogueVerifier.Verdict {
    let rows = try peer.journal.map { try JournalRow($0) }.filter { $0.dialogue == id }
    return DialogueVerifier.verify(
      rows.compactMap(\.statement), taker.signer.identity, maker.signer.identity,
      stamps: withStamps ? rows.compactMap(\.stamp) : [], witnesses: [witness.signer.identity])
  }
}

extension DialogueVerifier.Verdict {
  var isTraded: Bool { if case .traded = self { true } else { false } }
}
