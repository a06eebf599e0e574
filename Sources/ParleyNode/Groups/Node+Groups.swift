internal import ParleyCrypto
internal import ParleyIO
internal import ParleyIdentity
internal import ParleyMarket
internal import ParleyNegotiation
internal import ParleyWire

// Requests to several makers that fill one need: docs/protocol/negotiation.md section 7.2.
extension Node {
  /// What this node has bound in a group, over all its pairs but one.
  func ledger(of group: [UInt8], without excluded: DID? = nil) -> GroupLedger {
    sessions.lazy.filter { $0.key != excluded }.reduce(GroupLedger()) { $0 + $1.value.ledger(of: group) }
  }

  /// The durable dialogues of a group, the oldest first.
  func members(of group: [UInt8]) -> [GroupMember] {
    sessions.values.flatMap { session in
      (session.asked[group] ?? []).compactMap { session.published[$0] }.map { GroupMember(view: $0, session: session) }
    }.sorted { ($0.view.created, $0.peer) < ($1.view.created, $1.peer) }
  }

  /// The offers of a group that can be taken now, as far as they are durable.
  func book(of group: [UInt8]) -> BestQuotes {
    let now = UnixNanoseconds.now
    let candidates = sessions.values.flatMap { session in
      session.candidates(of: group, now: now).filter { candidate in
        session.published[candidate.view.id]?.peerOffer?.id == candidate.view.peerOffer?.id
      }
    }
    return BestQuotes(candidates, now: now)
  }

  // MARK: Asking

  /// Asks several makers for one need, in one turn: a dialogue each, one group.
  ///
  /// Makers that are away are asked when they are back. What could not be asked is in the result.
  func requestQuotes(_ request: ControlRequest, from peers: [String]) async throws -> JSONValue {
    var draft = try requestDraft(request)
    let order = request.optionalText("client_order_id")
    // An order given again goes on where it was: the same group, and those who were not asked then.
    draft.group = sessions.values.lazy.compactMap { $0.published(order: order)?.request.group }.first
    let group = draft.group ?? SystemRandom.bytes(16)
    draft.group = group
    let durable = DurableTurn()
    var failed: [GroupFailure] = []
    var asked: Set<DialogueID> = []
    for peer in peers {
      do {
        let session = try session(named: peer)
        let result = try durable.perform(in: session) { engine throws(NegotiationError) in
          try engine.requestQuote(draft, nonce: SystemRandom.bytes(16), clientOrderID: order, now: .now)
        }
        asked.insert(result.dialogue)
      } catch {
        failed.append(GroupFailure(peer: peer, error))
      }
    }
    guard !asked.isEmpty else {
      throw NodeError.notNow(failed.map { "\($0.peer): \($0.message)" }.joined(separator: "; "))
    }
    await durable.end(self)
    await settled(group, within: request.wait) { member in
      !asked.contains(member.view.id) || member.view.hasVisibleOffer || member.view.phase != .open
        || !member.session.isSynced
    }
    return try summary(of: group, failed: failed)
  }

  /// Whom a request goes to: those that `with` names, all that are connected, or those that have declared the topic.
  ///
  /// - Returns: `nil` for one dialogue with one peer.
  func makers(_ request: ControlRequest) throws -> [String]? {
    if let topic = try topic(request) {
      guard request.optionalText("with") == nil, request.texts("with") == nil else {
        throw NodeError.terms("a request goes to a topic or to those who are named, not both")
      }
      let interested = sessions.values.filter { $0.isSynced && $0.interests.topics.contains(topic) }
      guard !interested.isEmpty else { throw NodeError.unknown("connected peer that has declared the topic \(topic)") }
      return interested.map(\.peer.did.string).sorted()
    }
    if let several = request.texts("with") { return several }
    guard request.optionalText("with") == "all" else { return nil }
    let connected = sessions.values.filter(\.isSynced).map(\.peer.did.string).sorted()
    guard !connected.isEmpty else { throw NodeError.peerUnclear([]) }
    return connected
  }

  /// The topic that a request is addressed to.
  func topic(_ request: ControlRequest) throws(NodeError) -> Topic? {
    guard let text = request.optionalText("topic") else { return nil }
    guard let topic = Topic(text) else { throw .terms("'\(text)' is no topic: option/BTC is one") }
    return topic
  }

  // MARK: Taking

  /// Takes the best offers of a group for an amount, one Accept a maker.
  func acceptBest(_ request: ControlRequest) async throws -> JSONValue {
    let group = try group(request.text("group"))
    guard let first = members(of: group).first else { throw NodeError.unknown("group") }
    let order = request.optionalText("client_order_id")
    let side = try side(request, first.view)
    var taken: [GroupFill] = members(of: group).compactMap { member in
      guard let order, member.session.published(order: order)?.id == member.view.id else { return nil }
      return GroupFill(member: member, lots: 0, why: nil)
    }
    var rest: Int64 = 0
    if taken.isEmpty {
      let durable = DurableTurn()
      (taken, rest) = try takeBest(request, side, group, first.view.package(), durable)
      await durable.end(self)
    }
    let dialogues = Set(taken.filter { $0.why == nil }.map(\.member.view.id))
    await settled(group, within: request.wait) { !dialogues.contains($0.view.id) || !$0.view.phase.isInDoubt }
    let now = Dictionary(uniqueKeysWithValues: members(of: group).map { ($0.view.id, $0) })
    guard var object = try summary(of: group).objectValue else { return .null }
    object["taken"] = .array(taken.map { $0.json(now[$0.member.view.id] ?? $0.member) })
    object["rest"] = .string(try first.view.package().amount(Lots(rest)).description)
    return .object(object)
  }

  /// Signs the Accepts, all in one turn; what is refused here leaves its lots to the next best offer.
  private func takeBest(
    _ request: ControlRequest, _ side: Side, _ group: [UInt8], _ package: Package, _ durable: DurableTurn
  ) throws -> ([GroupFill], rest: Int64) {
    let free = ledger(of: group).free
    var rest = try request.optionalText("amount").map { try package.lots(ExactDecimal(parsing: $0)).rawValue } ?? free
    guard rest > 0, rest <= free else { throw NodeError.notNow(NegotiationError.overCap(free: free).sentence) }
    let limit = try request.optionalText("limit").map { try package.ticks(ExactDecimal(parsing: $0)).rawValue }
    let book = book(of: group)
    if request.flag("all_or_none"), book.plan(rest, side, limit: limit).rest > 0 {
      throw NodeError.notNow("the offers that are there do not make up the amount: nothing was accepted")
    }
    let members = Dictionary(uniqueKeysWithValues: members(of: group).map { ($0.view.id, $0) })
    var (fills, tried): ([GroupFill], Set<DialogueID>) = ([], [])
    while let fill = book.plan(rest, side, limit: limit, without: tried).fills.first {
      tried.insert(fill.quote.dialogue)
      guard let member = members[fill.quote.dialogue] else { continue }
      do throws(NegotiationError) {
        try durable.perform(in: member.session) { engine throws(NegotiationError) in
          try engine.accept(
            fill.quote.dialogue, offer: fill.quote.live.id, side: side, lots: fill.lots,
            clientOrderID: request.optionalText("client_order_id"), now: .now)
        }
        rest -= fill.lots
        fills.append(GroupFill(member: member, lots: fill.lots, why: nil))
      } catch {
        fills.append(GroupFill(member: member, lots: fill.lots, why: error.sentence))
      }
    }
    guard !fills.isEmpty else { throw NodeError.notNow("no offer of this group can be taken at that price and amount") }
    return (fills, rest)
  }

  // MARK: Finding

  /// The group whose id begins with `text`.
  func group(_ text: String) throws(NodeError) -> [UInt8] {
    var found: Set<[UInt8]> = []
    for session in sessions.values where text.count >= 4 {
      found.formUnion(session.asked.keys.filter { $0.hex.hasPrefix(text) })
    }
    guard let first = found.first else { throw .unknown("group \(text)") }
    guard found.count == 1 else { throw .terms("several groups begin with \(text): give more of the id") }
    return first
  }

  /// A group as a result of the control socket.
  func summary(of group: [UInt8], failed: [GroupFailure] = []) throws(NodeError) -> JSONValue {
    let members = members(of: group)
    guard let first = members.first else { throw .unknown("group \(group.hex)") }
    return GroupSummary(
      group: group, members: members, package: try first.view.package(), ledger: ledger(of: group),
      book: book(of: group), failed: failed
    ).json
  }

  // MARK: Waiting

  /// Returns when all dialogues of a group are as wanted, or when the time is over.
  private func settled(_ group: [UInt8], within wait: Duration, _ isSettled: (GroupMember) -> Bool) async {
    let deadline = ContinuousClock.now + wait
    guard let key = DialogueID(group) else { return }
    while !isStopping, ContinuousClock.now < deadline {
      let open = members(of: group).filter { !isSettled($0) }
      guard !open.isEmpty else { return }
      await change(of: key, until: open.map { $0.view.nextLook(before: deadline) }.min() ?? deadline)
    }
  }

  /// Wakes those who wait for a dialogue, and those who wait for its group.
  func changed(_ dialogue: DialogueID?, in session: PeerSession) {
    changed(dialogue ?? .pair)
    guard let dialogue, let view = session.published[dialogue], view.role == .requester,
      let group = DialogueID(view.request.group)
    else { return }
    changed(group)
  }
}

/// One dialogue of a group, and with whom.
struct GroupMember {
  let view: DialogueView
  let session: PeerSession

  var peer: String { session.peer.did.string }
}

/// Commands to several peers in one turn, and the wait until what they decided is durable.
///
/// It is touched on the node's loop only.
final class DurableTurn {
  private var open = 0
  private var waiter: CheckedContinuation<Void, Never>?

  /// Carries out one command.
  @discardableResult
  func perform(
    in session: PeerSession, _ command: (inout PairSession) throws(NegotiationError) -> CommandResult
  ) throws(NegotiationError) -> CommandResult {
    open += 1
    do throws(NegotiationError) {
      return try session.performNow(command) { self.leave() }
    } catch {
      leave()
      throw error
    }
  }

  private func leave() {
    open -= 1
    guard open == 0 else { return }
    waiter?.resume()
    waiter = nil
  }

  /// Returns once all of it is durable.
  func end(_ isolation: isolated Node) async {
    guard open > 0 else { return }
    await withCheckedContinuation { waiter = $0 }
  }
}

extension DialogueView {
  /// Whether the user may see what is left of the request's blind time: nothing is, or the request is not this node's.
  var isVisible: Bool { role == .responder || UnixNanoseconds.now >= blindEnd }

  /// Whether there is an offer of the other side that the user may see.
  var hasVisibleOffer: Bool { peerOffer != nil && isVisible }

  /// When to look again though nothing has happened: at the end of the blind time.
  func nextLook(before deadline: ContinuousClock.Instant) -> ContinuousClock.Instant {
    guard !isVisible else { return deadline }
    return min(deadline, .now + .nanoseconds(UnixNanoseconds.now.nanoseconds(to: blindEnd)) + .milliseconds(1))
  }
}

private func < (left: (UnixNanoseconds, String), right: (UnixNanoseconds, String)) -> Bool {
  left.0 == right.0 ? left.1 < right.1 : left.0 < right.0
}
