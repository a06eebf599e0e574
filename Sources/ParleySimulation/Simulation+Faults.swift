import ParleyNegotiation
import ParleyWire

// What goes wrong, and the disks.
extension Simulation {
  func disturb(_ kind: Disturbance) {
    guard !isHealed else { return }
    let pair = chance.below(pairs.count)
    let node = nodes[chance.below(nodes.count)]
    trace?.line("fault: \(kind) of pair \(pair + 1) or \(node.name)")
    let length = chance.between(Span.millisecond...max(2 * Span.millisecond, profile.duration / 2))
    switch kind {
    case .cut: if let channel = link(pair, 0).1.channel { breakChannel(channel) }
    case .replacement: if link(pair, 0).0.isUp, link(pair, 1).0.isUp { connect(pair) }
    case .partition:
      pairs[pair].partitionEnd = now + length
      if chance.percent(50), let channel = link(pair, 0).1.channel { breakChannel(channel) }
    case .slowNetwork: pairs[pair].slowUntil = now + length
    case .crash:
      // Most often in the middle of a write: there it matters.
      if chance.percent(70) { node.lastBatches = 1 + chance.below(4) } else { crash(node, downFor: length) }
    case .slowDisk: node.slowUntil = now + length
    case .fullDisk: node.fullUntil = now + length
    case .clockStep:
      let size = [200 * Span.millisecond, 3 * Span.second, 5 * Span.minute][chance.below(3)]
      node.offset += chance.between(-size...size)
      noteStep(of: node)
    }
  }

  /// A node's clock was set, and it notices.
  func noteStep(of node: SimulatedNode) {
    guard node.isUp else { return }
    for link in node.links { handle(link.session.clockStepped(now: clock(node)), link, of: node) }
  }

  // MARK: Disk

  func startWriting(_ node: SimulatedNode) {
    guard node.disk.beginBatch() else { return }
    let time = chance.between(profile.writing) * (now < node.slowUntil ? 50 : 1)
    events.put(.committed(node: node.index, life: node.life), at: now + time)
  }

  func committed(_ node: SimulatedNode) {
    if node.lastBatches > 0 {
      node.lastBatches -= 1
      // Most often it waits for a transaction of several rows: what must be there whole or not at all.
      let isSeveral = node.disk.current.contains { $0.rows.count > 1 }
      if node.lastBatches == 0, !isSeveral, chance.percent(80) { node.lastBatches = 1 }
      if node.lastBatches == 0 { return crash(node, downFor: chance.between(0...profile.duration / 4 + 1)) }
    }
    if now < node.fullUntil {
      // A node whose journal fails ends: what it decided since is not decided.
      trace?.line("\(node.name)'s disk is full")
      return crash(node, downFor: node.fullUntil - now)
    }
    let writes = node.disk.current
    node.disk.current = []
    for write in writes { keep(write, of: node) }
    for write in writes {
      let link = node.links[write.link]
      link.noteDurable(write.ticket)
      drain(link, of: node)
      openIfDrained(link, of: node)
    }
    startWriting(node)
  }

  private func keep(_ write: Write, of node: SimulatedNode) {
    node.disk.keep(write)
    let link = node.links[write.link]
    for row in write.rows {
      oracle.check(durable: row, of: node)
      guard profile.comparesAlways else { continue }
      do {
        try link.shadow.restore(row.bytes)
      } catch {
        oracle.complain("\(node.name)'s own row does not fold: \(error)")
      }
    }
  }

  // MARK: Crash

  /// Kills a node.
  ///
  /// Of the batch that was being written, any number of transactions from the front may be there.
  func crash(_ node: SimulatedNode, downFor length: Int64) {
    guard node.isUp else { return }
    trace?.line("\(node.name) dies")
    tally.crashes += 1
    let kept = node.disk.current.isEmpty ? 0 : chance.below(node.disk.current.count + 1)
    for write in node.disk.current.prefix(kept) { keep(write, of: node) }
    if makes(.splitsTransactions), kept < node.disk.current.count {
      let torn = node.disk.current[kept]
      let rows = Array(torn.rows.prefix(torn.rows.count > 1 ? 1 + chance.below(torn.rows.count - 1) : 0))
      if !rows.isEmpty { keep(Write(link: torn.link, ticket: torn.ticket, rows: rows), of: node) }
    }
    node.disk.current = []
    node.disk.waiting = []
    node.isUp = false
    node.lastBatches = 0
    node.life += 1
    for link in node.links {
      if let channel = link.channel { breakChannel(channel) }
      link.forget()
    }
    loseRows(node)
    events.put(.restart(node: node.index), at: now + length)
  }

  /// In some worlds a node comes back once with an older copy of its journal.
  private func loseRows(_ node: SimulatedNode) {
    guard profile.losesDurableRows, !oracle.hasLostRows else { return }
    let count = 1 + chance.below(6)
    let before = node.disk.rows.map(\.count)
    node.disk.lose(last: count)
    trace?.line("\(node.name) loses \(count) durable transactions")
    for link in node.links where node.disk.rows[link.index].count < before[link.index] {
      oracle.hasLostRows = true
      link.hasLostRows = true
      for index in link.orders.indices { link.orders[index].statement = nil }
    }
    if oracle.hasLostRows { oracle.relearn(from: nodes) }
  }

  func restart(_ node: SimulatedNode) {
    guard !node.isUp else { return }
    node.isUp = true
    trace?.line("\(node.name) starts")
    for link in node.links {
      link.session = fold(link, of: node)
      if oracle.violation != nil { return }
      if link.hasLostRows { link.shadow = fold(link, of: node) }
      if profile.comparesAlways { compare(link, of: node) }
      prepare(link, of: node)
      oracle.check(restarted: link, of: node)
    }
    for link in node.links {
      begin(link, of: node)
      handle(link.session.poll(now: clock(node)), link, of: node)
      dial(link.pair, after: chance.between(0...500 * Span.millisecond))
    }
    // An impatient operator, of a node that must not sign yet.
    if !isHealed, node.links.contains(where: \.hasLostRows) {
      for _ in 0..<3 { haveIdea(node) }
    }
  }
}
