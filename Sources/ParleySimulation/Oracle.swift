import ParleyNegotiation
import ParleyWire

/// What must hold, whatever goes wrong: it sees every row that becomes durable and every frame that leaves.
struct Oracle {
  /// What was offered, from its owner's journal.
  private struct Known {
    let owner: Int
    let dialogue: DialogueID
    let expiry: UnixNanoseconds
    let peer: String
    let holdUntil: UnixNanoseconds
    /// Why its owner's journal says that it is dead.
    var end: String?
  }

  /// An owner's place in a dialogue.
  private struct Place: Hashable {
    let node: Int
    let dialogue: DialogueID
  }

  /// The first thing that was wrong.
  private(set) var violation: String?
  /// Whether a journal of this world has lost durable rows.
  var hasLostRows = false

  private var offers: [StatementID: Known] = [:]
  private var latestOffers: [Place: StatementID] = [:]
  /// Accepts that are durable at their signer, and the verdicts that are durable at theirs.
  private(set) var accepts: [StatementID: Accept] = [:]
  private(set) var verdicts: [StatementID: StatementID] = [:]
  /// The Confirm of each dialogue, and the Accept in it.
  private(set) var trades: [DialogueID: (confirm: StatementID, accept: StatementID)] = [:]
  private var takenOffers: Set<StatementID> = []
  /// Groups: what the first request asked for, and what was confirmed.
  private var groups: [DialogueID: [UInt8]] = [:]
  private var caps: [[UInt8]: Int64] = [:]
  private var filled: [[UInt8]: Int64] = [:]
  /// Statements durable at each node, signed there or arrived and taken.
  private var held: [Set<StatementID>] = Array(repeating: [], count: 4)

  mutating func complain(_ text: String) { violation = violation ?? text }

  func holds(_ id: StatementID, _ node: Int) -> Bool { held[node].contains(id) }

  /// A journal has lost durable rows: what was known is known from what is left, the taker's first.
  mutating func relearn(from nodes: [SimulatedNode]) {
    var other = Oracle()
    other.violation = violation
    other.hasLostRows = true
    for node in nodes {
      for rows in node.disk.rows {
        for row in rows { other.check(durable: row, of: node) }
      }
    }
    self = other
  }

  // MARK: Decisions

  /// What a node has decided, before it is durable.
  mutating func check(decided row: Row, by node: SimulatedNode, at clock: UnixNanoseconds) {
    guard case .sent = row.content, case .confirm(let confirm)? = row.statement?.payload else { return }
    if confirm.decided < clock { complain("\(node.name) confirms with a time before its clock's") }
    guard let accept = try? Statement(confirm.acceptStatement), case .accept(let content) = accept.payload,
      let offer = offers[content.offer]
    else { return }
    if max(confirm.decided, clock) > offer.expiry { complain("\(node.name) confirms after the end of its offer") }
  }

  // MARK: Durable rows

  mutating func check(durable row: Row, of node: SimulatedNode) {
    guard let statement = row.statement else { return }
    held[node.index].insert(statement.id)
    guard case .sent = row.content else { return }
    let dialogue = statement.header.dialogue
    let place = Place(node: node.index, dialogue: dialogue)
    switch statement.payload {
    case .quoteRequest(let request):
      groups[dialogue] = request.group
      if caps[request.group] == nil { caps[request.group] = request.lotsMax }
    case .quote(let offer), .counter(let offer):
      end(latestOffers[place], "replaced")
      latestOffers[place] = statement.id
      offers[statement.id] = Known(
        owner: node.index, dialogue: dialogue, expiry: statement.header.expiry, peer: statement.header.to,
        holdUntil: offer.holdUntil)
    case .quoteCancel(let cancel):
      if takenOffers.contains(cancel.offer) { complain("\(node.name) cancels an offer that it has confirmed") }
      end(cancel.offer, "cancelled")
    case .massCancel:
      for (place, id) in latestOffers where place.node == node.index {
        guard let offer = offers[id], offer.peer == statement.header.to else { continue }
        if statement.header.created >= offer.holdUntil { end(id, "cancelled with all others") }
      }
    case .accept(let accept):
      end(latestOffers[place], "killed by its owner's Accept")
      accepts[statement.id] = accept
    case .confirm(let confirm): check(confirm, statement, by: node)
    case .decline(let decline): check(verdict: statement.id, of: decline.accept, by: node)
    default: break
    }
  }

  private mutating func end(_ offer: StatementID?, _ why: String) {
    guard let offer, offers[offer]?.end == nil else { return }
    offers[offer]?.end = why
  }

  private mutating func check(verdict: StatementID, of accept: StatementID, by node: SimulatedNode) {
    if let earlier = verdicts[accept], earlier != verdict { complain("\(node.name) decides an Accept twice") }
    verdicts[accept] = verdict
  }

  private mutating func check(_ confirm: Confirm, _ statement: Statement, by node: SimulatedNode) {
    guard let accept = try? Statement(confirm.acceptStatement), case .accept(let content) = accept.payload else {
      return complain("\(node.name) confirms what is no Accept")
    }
    let dialogue = statement.header.dialogue
    check(verdict: statement.id, of: accept.id, by: node)
    if let trade = trades[dialogue], trade.confirm != statement.id { complain("a dialogue has two trades") }
    if !takenOffers.insert(content.offer).inserted, trades[dialogue]?.confirm != statement.id {
      complain("two trades come from one offer")
    }
    trades[dialogue] = (statement.id, accept.id)
    if let offer = offers[content.offer] {
      if let end = offer.end { complain("\(node.name) confirms an offer that was \(end)") }
      if offer.owner != node.index || offer.dialogue != dialogue { complain("\(node.name) confirms another's offer") }
      if confirm.decided > offer.expiry { complain("a trade was decided after the end of its offer") }
    }
    guard let group = groups[dialogue] else { return }
    filled[group, default: 0] += content.lots
    if let cap = caps[group], filled[group, default: 0] > cap, !hasLostRows {
      complain("a group has filled \(filled[group, default: 0]) lots of \(cap)")
    }
  }

  // MARK: Frames

  /// What has left a node can never be unsaid.
  mutating func check(left frame: [UInt8], _ link: Link, of node: SimulatedNode) {
    if frame.starts(with: [0x93, 2]), case .ack(let n, _)? = try? Frame.decode(frame) {
      link.acknowledgedOnWire = max(link.acknowledgedOnWire, n)
    } else if frame.starts(with: [0x93, 1]), case .data(let n, let bytes)? = try? Frame.decode(frame) {
      guard let id = (try? Envelope(bytes))?.id else { return complain("\(node.name) sends what is no statement") }
      let place = Int(n) - 1
      while link.sentOnWire.count <= place { link.sentOnWire.append(nil) }
      // With an older journal a statement can be forgotten that the peer has never seen.
      if let earlier = link.sentOnWire[place], earlier != id, !link.hasLostRows {
        complain("\(node.name) sends two different statements \(n)")
      }
      link.sentOnWire[place] = id
    }
  }

  /// What is there after a restart.
  mutating func check(restarted link: Link, of node: SimulatedNode) {
    guard !link.hasLostRows else { return }
    let counters = link.session.counters
    if counters.received < link.acknowledgedOnWire {
      complain("\(node.name) has acknowledged \(link.acknowledgedOnWire) statements and holds \(counters.received)")
    }
    if counters.sent < link.sentOnWire.count {
      complain("\(node.name) has let statement \(link.sentOnWire.count) out and holds \(counters.sent)")
    }
  }
}
