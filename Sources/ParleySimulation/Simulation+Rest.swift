import ParleyIdentity
import ParleyNegotiation
import ParleyWire

// What must hold when all has come to rest.
extension Simulation {
  func finish() {
    guard oracle.violation == nil else { return }
    for pair in pairs.indices {
      let links = [link(pair, 0).1, link(pair, 1).1]
      if links.contains(where: \.hasLostRows), links.contains(where: { $0.session.frozen != nil }) {
        checkFrozen(pair)
        continue
      }
      for end in 0...1 { checkRest(pair, end) }
      checkTrades(pair)
    }
    guard !oracle.hasLostRows else { return }
    checkVerdicts()
    if profile.isReal { checkReceipts() }
  }

  private func checkRest(_ pair: Int, _ end: Int) {
    let (node, link) = link(pair, end)
    let name = "\(node.name) of pair \(pair + 1)"
    link.shadow = fold(link, of: node)
    compare(link, of: node)
    if let code = link.session.frozen { oracle.complain("\(name) froze: \(code)") }
    if !link.queue.isEmpty || !node.disk.isIdle { oracle.complain("\(name) still waits for its disk") }
    if !link.session.isSynced { oracle.complain("\(name) has no channel") }
    if !link.session.openDialogues.isEmpty { oracle.complain("\(name) has dialogues that do not end") }
    let counters = link.session.counters
    if counters.acknowledged != counters.sent { oracle.complain("\(name) has statements that were not taken") }
    if link.session.firmLots != 0 { oracle.complain("\(name) still reserves lots") }
  }

  /// Where durable rows were lost, both sides know it and sign nothing more.
  private func checkFrozen(_ pair: Int) {
    for end in 0...1 {
      let (node, link) = link(pair, end)
      switch link.session.frozen {
      case .lostSelf, .lostPeer, .newIncarnation: break
      case nil: oracle.complain("\(node.name) did not freeze with pair \(pair + 1)")
      case let code?: oracle.complain("\(node.name) of pair \(pair + 1) froze: \(code)")
      }
    }
    tally.frozenPairs += 1
  }

  private func checkTrades(_ pair: Int) {
    let sides = [link(pair, 0), link(pair, 1)]
    let trades = sides.map { $0.1.session.trades }
    tally.trades += trades[0].count
    if Set(trades[0].map(\.confirm)) != Set(trades[1].map(\.confirm)) {
      oracle.complain("pair \(pair + 1) has \(trades[0].count) trades on one side and \(trades[1].count) on the other")
    }
    if Set(trades[0].map(\.terms.encoded)) != Set(trades[1].map(\.terms.encoded)) {
      oracle.complain("the terms of pair \(pair + 1) differ")
    }
    for trade in trades[0] {
      if sides[0].1.session.dialogue(trade.dialogue)?.phase != sides[1].1.session.dialogue(trade.dialogue)?.phase {
        oracle.complain("a dialogue of pair \(pair + 1) has traded on one side only")
      }
      for (node, _) in sides
      where !oracle.holds(trade.accept, node.index) || !oracle.holds(trade.confirm, node.index) {
        oracle.complain("\(node.name) lacks a signature of a trade of pair \(pair + 1)")
      }
    }
  }

  /// Each Accept that was signed has exactly one verdict.
  private func checkVerdicts() {
    for accept in oracle.accepts.keys where oracle.verdicts[accept] == nil {
      oracle.complain("an Accept has no verdict")
    }
    let traded = Set(nodes[0].links.flatMap { $0.session.trades.map(\.confirm) })
    if traded != Set(oracle.trades.values.map(\.confirm)) {
      oracle.complain("a Confirm made no trade, or none made one")
    }
  }

  /// A stranger sees in each side's journal what that side believes.
  private func checkReceipts() {
    for node in nodes {
      for link in node.links {
        var order: [DialogueID] = []
        var dialogues: [DialogueID: [[UInt8]]] = [:]
        for row in node.disk.rows[link.index] {
          guard let (dialogue, bytes) = place(of: row) else { continue }
          if dialogues[dialogue] == nil { order.append(dialogue) }
          dialogues[dialogue, default: []].append(bytes)
        }
        // What was cancelled at once bears out Declines in any dialogue.
        let massCancels = (dialogues[.pair] ?? []).filter { (try? Statement($0))?.payload.kind == .massCancel }
        for dialogue in order where dialogue != .pair {
          check(dialogue, (dialogues[dialogue] ?? []) + massCancels, link, of: node)
        }
      }
    }
  }

  private func place(of row: Row) -> (DialogueID, [UInt8])? {
    switch row.content {
    case .sent(_, let bytes, _), .received(_, let bytes, _, _):
      guard let envelope = try? Envelope(bytes), let header = try? Header.decode(envelope.header) else { return nil }
      return (header.dialogue, bytes)
    default: return nil
    }
  }

  private func check(_ id: DialogueID, _ statements: [[UInt8]], _ link: Link, of node: SimulatedNode) {
    guard let view = link.session.dialogue(id) else { return }
    let verdict = DialogueVerifier.verify(
      statements.shuffled(using: &chance), link.signer.identity, link.peer)
    switch verdict {
    case .traded(let trade): if view.trade?.confirm == trade.confirm { return }
    case .notTraded, .noAccept: if view.phase == .closed { return }
    case .inDoubt, .breach, .equivocation, .invalid, .unverifiable: break
    }
    oracle.complain("\(node.name)'s statements prove \(verdict), not \(view.phase)")
  }
}
