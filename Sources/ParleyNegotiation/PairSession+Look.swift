public import ParleyWire

/// The peer's Accept of this side's last-look offer, while this side looks at it.
///
///     live ──Accept──▶ look ──Confirm──▶ traded
///                       ├──Decline──▶ done
///                       ├──Withdraw arrives──▶ done (Decline WITHDRAWN)
///                       └──until is over──▶ done (Decline LAPSED; after a restart first of all)
///
/// Section 7.2 of docs/protocol/negotiation.md.
public struct Look: Hashable, Sendable {
  /// The Accept's id, which a decision names.
  public let accept: StatementID
  /// The whole Accept as it arrived.
  public let acceptStatement: [UInt8]
  /// The offer that it takes.
  public let offer: LiveOffer
  /// What this side would do with the package.
  public let side: Side
  /// How many lots.
  public let lots: Int64
  /// The digest of the terms.
  public let termsDigest: Hash256
  /// When it arrived, by this side's journal.
  public let received: UnixNanoseconds
  /// The last instant at which it can be confirmed.
  public let until: UnixNanoseconds
}

/// What became of the last looks that a peer took at this side's Accepts: bounded, and a fold of the journal.
struct LookHistory: Equatable {
  /// How many verdicts are remembered.
  static let limit = 16
  /// How many there must be to judge by.
  static let fewest = 8
  /// For how long one counts, in nanoseconds.
  static let memory: Int64 = 86_400 * 1_000_000_000

  private var verdicts: [Verdict] = []

  private struct Verdict: Equatable {
    let time: UnixNanoseconds
    let isDecline: Bool
  }

  mutating func note(_ time: UnixNanoseconds, isDecline: Bool) {
    verdicts.append(Verdict(time: time, isDecline: isDecline))
    if verdicts.count > Self.limit { verdicts.removeFirst() }
  }

  /// Whether the peer's last-look offers are refused: it looks to learn, not to trade.
  func isAbuse(_ now: UnixNanoseconds) -> Bool {
    let recent = verdicts.filter { $0.time.nanoseconds(to: now) <= Self.memory }
    return recent.count >= Self.fewest && 2 * recent.count(where: \.isDecline) > recent.count
  }
}

// Deciding about an Accept of a last-look offer, and asking for one back.
extension PairSession {
  /// Confirms or declines the peer's Accept that this side looks at.
  ///
  /// - Parameters:
  ///   - id: The dialogue.
  ///   - accept: The Accept's id, so that what is decided is what was looked at.
  ///   - decline: Why not, such as ``NegotiationCode/price``; `nil` confirms: then there is a trade.
  ///   - clientOrderID: A name for this command.
  ///   - now: The wall clock.
  /// - Returns: The verdict's id, and what to do.
  /// - Throws: Why not; the session is then as it was.
  public mutating func decideLook(
    _ id: DialogueID, accept: StatementID, decline: NegotiationCode?, clientOrderID: String? = nil,
    now: UnixNanoseconds
  ) throws(NegotiationError) -> CommandResult {
    let number = decline.map { Int64($0.rawValue) } ?? -1
    let order = try Self.order(clientOrderID, "look", id, accept.bytes, number)
    if let result = try repeated(order) { return result }
    let now = journalTime(now)
    try checkReady(binding: false, now)
    guard let dialogue = state.dialogues[id] else { throw .unknownDialogue(id) }
    guard let look = dialogue.look, look.accept == accept else { throw .noLook }
    guard now <= look.until else { throw .lookOver(until: look.until) }
    if decline == nil {
      try checkCap(dialogue, look.lots)
      try checkVet(.confirm(look, dialogue))
    }
    return finish(Self.verdict(look, decline, now), id, UnixNanoseconds(0), order, now)
  }

  /// Asks for this side's Accept of a last-look offer back; it binds until the verdict all the same.
  public mutating func withdraw(
    _ id: DialogueID, code: NegotiationCode = .none, clientOrderID: String? = nil, now: UnixNanoseconds
  ) throws(NegotiationError) -> CommandResult {
    let order = try Self.order(clientOrderID, "withdraw", id, [], Int64(code.rawValue))
    if let result = try repeated(order) { return result }
    let now = journalTime(now)
    try checkReady(binding: false, now)
    guard let dialogue = state.dialogues[id] else { throw .unknownDialogue(id) }
    guard let pending = dialogue.pending, pending.look > 0, !pending.isWithdrawn else { throw .nothingToWithdraw }
    return finish(.withdraw(Withdraw(accept: pending.accept, code: code)), id, UnixNanoseconds(0), order, now)
  }

  private static func verdict(_ look: Look, _ decline: NegotiationCode?, _ now: UnixNanoseconds) -> Payload {
    guard let decline else {
      return .confirm(
        Confirm(
          acceptStatement: look.acceptStatement, termsDigest: look.termsDigest, received: look.received, decided: now))
    }
    return .decline(Decline(accept: look.accept, code: decline, limit: 0, received: look.received, decided: now))
  }

  /// Ends a look without a trade.
  mutating func declineLook(
    in id: DialogueID, _ code: NegotiationCode, _ now: UnixNanoseconds, _ outcome: inout Outcome
  ) {
    guard let look = state.dialogues[id]?.look else { return }
    sign(Self.verdict(look, code, now), in: id, now, &outcome)
  }
}

extension PairSession {
  /// Declines what was looked at for too long; after a restart with the first SYNC, before any statement is taken in.
  mutating func lapseLooks(_ now: UnixNanoseconds, _ outcome: inout Outcome) {
    guard !awaitsFirstSync else { return }
    for id in state.open {
      if let look = state.dialogues[id]?.look, now > look.until { declineLook(in: id, .lapsed, now, &outcome) }
    }
  }
}

extension Commitment {
  /// The Confirm that ends a look: who bought took the ask.
  static func confirm(_ look: Look, _ dialogue: Dialogue) -> Commitment {
    var taken = look.side == .buy ? look.offer.offer.bid : look.offer.offer.ask
    taken?.lotsMin = look.lots
    taken?.lotsMax = look.lots
    return Commitment(
      act: .confirm, dialogue: dialogue.id, legs: dialogue.request.legs, buys: look.side == .buy ? taken : nil,
      sells: look.side == .sell ? taken : nil)
  }
}

extension Dialogue {
  /// The peer's Accept of this side's last-look offer begins to be looked at: the offer takes no other.
  mutating func beginLook(
    _ statement: Statement, _ accept: Accept, _ time: UnixNanoseconds, _ events: inout [SessionEvent]
  ) {
    guard let offer = myOffer, offer.id == accept.offer else { return }
    endMyOffer(.taken, &events)
    let look = Look(
      accept: statement.id, acceptStatement: statement.bytes, offer: offer, side: accept.side.opposite,
      lots: accept.lots, termsDigest: Terms.digest(of: accept.terms), received: time,
      until: time.advanced(byNanoseconds: offer.offer.lookNanoseconds))
    self.look = look
    events.append(.lookBegan(id, look))
  }

  /// A Decline of the Accept that is looked at ends the look, and a dialogue that waited for it.
  mutating func endLook(_ decline: Decline, _ time: UnixNanoseconds, _ events: inout [SessionEvent]) {
    guard look?.accept == decline.accept else { return }
    look = nil
    if let end = closing { close(end, time, &events) }
  }

  /// Whether the peer had this side's Accept of its last-look offer when it signed a statement that names `seen`.
  func isLookedAt(seen: StatementID) -> Bool {
    guard let pending, pending.look > 0, let place = mine.ids.firstIndex(of: pending.accept),
      let count = seenCount(naming: seen)
    else { return false }
    return count > place
  }
}
