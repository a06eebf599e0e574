/// What a node has bound itself to in one group of requests: within one pair, or added up over several.
///
/// It is read off the pairs' states, never stored: an Accept or a Counter is its own reservation, in the row that it is
/// journaled with, so that a crash forgets both or neither, and the fold of all pairs' rows gives the same sum again.
///
/// Invariant: ``filled`` + ``inDoubt`` + ``offered`` ≤ ``cap`` over all pairs of a node (docs/protocol/negotiation.md
/// section 7.1).
public struct GroupLedger: Hashable, Sendable {
  /// The most lots that the group may trade: the largest `lots_max` of its requests, which is the first one's; 0 while
  /// there is none.
  public internal(set) var cap: Int64 = 0
  /// Lots traded.
  public internal(set) var filled: Int64 = 0
  /// Lots in Accepts of this side that have no verdict yet.
  public internal(set) var inDoubt: Int64 = 0
  /// Lots that the makers may still take in live Counters.
  public internal(set) var offered: Int64 = 0

  /// Nothing asked, nothing bound.
  public init() {}

  /// How many lots may still be bound.
  public var free: Int64 { max(0, cap - filled - inDoubt - offered) }

  /// What two disjoint sets of pairs have bound together.
  public static func + (left: GroupLedger, right: GroupLedger) -> GroupLedger {
    var sum = left
    sum.cap = max(left.cap, right.cap)
    sum.filled += right.filled
    sum.inDoubt += right.inDoubt
    sum.offered += right.offered
    return sum
  }
}

extension PairState {
  /// What this pair has bound in a group, leaving one dialogue's live bindings out.
  func ledger(of group: [UInt8], without excluded: DialogueID? = nil) -> GroupLedger {
    guard let known = groups[group] else { return GroupLedger() }
    var ledger = GroupLedger()
    ledger.cap = known.cap
    ledger.filled = known.filled
    for dialogue in openDialogues
    where dialogue.role == .requester && dialogue.id != excluded && dialogue.request.group == group {
      if let pending = dialogue.pending {
        ledger.inDoubt += pending.lots
      } else {
        ledger.offered += dialogue.offeredLots
      }
    }
    return ledger
  }
}

extension Dialogue {
  /// Lots that the peer may still take in this side's live offer: one side of it, once.
  var offeredLots: Int64 { myOffer.map { $0.offer.mode == .indicative ? 0 : $0.offer.lotsAtMost } ?? 0 }
}

// The cap of a group: docs/protocol/negotiation.md section 7.1.
extension PairSession {
  /// The dialogue in which a client's order was carried out; `nil` when there is none of that id.
  public func dialogue(ofOrder id: String) -> DialogueID? { state.orders[Array(id.utf8)]?.dialogue }

  /// What this pair has bound in a group of requests; nothing in one that it does not know.
  public func ledger(of group: [UInt8]) -> GroupLedger { state.ledger(of: group) }

  /// Whether the lots fit into what the group of this side's request may still bind, over all pairs of the node.
  ///
  /// What the dialogue itself offers is left out: an Accept kills it, a Counter replaces it.
  func checkCap(_ dialogue: Dialogue, _ lots: Int64) throws(NegotiationError) {
    guard dialogue.role == .requester else { return }
    let group = dialogue.request.group
    var ledger = state.ledger(of: group, without: dialogue.id) + groupsElsewhere(group)
    if breaks(.forgetsDoubt) { ledger.inDoubt = 0 }
    guard lots <= ledger.free else { throw .overCap(free: ledger.free) }
  }

  /// Whether a further request of a group asks for no more than the first one did, which is the cap.
  func checkGroup(_ draft: RequestDraft) throws(NegotiationError) {
    guard let group = draft.group else { return }
    let ledger = state.ledger(of: group) + groupsElsewhere(group)
    guard ledger.cap == 0 || draft.lotsMax <= ledger.cap else { throw .aboveGroupCap(ledger.cap) }
  }
}
