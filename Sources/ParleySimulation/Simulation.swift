import ParleyIdentity
import ParleyNegotiation
import ParleyWire

/// A taker and its makers over networks, disks and clocks that fail: a whole world from one seed.
///
///     ideas, faults ──▶ event queue ──▶ one step ──▶ sessions, disks, channels ──▶ events
///                                           │
///                                         Oracle: what must hold after every step
///
/// After a while the ideas and the faults end: networks heal, clocks become true, dead nodes start. Then all must come to
/// rest, with the same trades on both sides of each pair.
///
/// Invariant: equal seeds give equal worlds; nothing here reads a clock, a file, or the system's randomness.
public final class Simulation {
  /// The seed.
  public let seed: UInt64
  /// The mistake that is made on purpose.
  public let bug: PlantedBug?

  let profile: Profile
  var chance: Chance
  /// True nanoseconds since the world began.
  var now: Int64 = 0
  var events = EventQueue()
  var nodes: [SimulatedNode] = []
  var pairs: [Pair] = []
  var channels: [Channel] = []
  var oracle = Oracle()
  var isHealed = false
  var healedAt = Int64.max / 2
  var ideas = 0
  var trace: Trace?
  /// What each kind of event and command did, to see that a run is not an empty one.
  public internal(set) var tally = Tally()

  static let start: Int64 = 1_795_000_000_000_000_000
  /// How long a healed world may take to come to rest: longer than any deadline that a clock ahead can have set.
  static let restLimit = 2 * Span.hour
  /// How many events a world may have.
  static let eventLimit = 40_000

  /// Makes the world of a seed.
  ///
  /// - Parameters:
  ///   - seed: Which world.
  ///   - bug: A mistake to make on purpose.
  ///   - trace: Takes a line for everything that happens.
  public init(seed: UInt64, bug: PlantedBug? = nil, trace: ((String) -> Void)? = nil) {
    self.seed = seed
    self.bug = bug
    chance = Chance(seed: seed)
    profile = Profile(&chance, seed: seed)
    self.trace = trace.map { Trace(write: $0) }
    build()
  }

  private func build() {
    let count = profile.makerCount
    for index in 0...count {
      let offset = profile.skew == 0 ? 0 : chance.between(-profile.skew...profile.skew)
      let node = SimulatedNode(
        index: index, name: index == 0 ? "taker" : "maker\(index)", linkCount: index == 0 ? count : 1, offset: offset)
      nodes.append(node)
    }
    for maker in 1...count {
      pairs.append(Pair(maker: maker))
      for (node, peer, end) in [(0, maker, 0), (maker, 0, 1)] {
        let local = Traders.all[node]
        let signer: any Signer = profile.isReal ? local : StandInSigner(identity: local.identity)
        let link = Link(
          index: nodes[node].links.count, pair: maker - 1, end: end, signer: signer, peer: Traders.all[peer].identity)
        nodes[node].links.append(link)
      }
    }
    for node in nodes {
      for link in node.links { prepare(link, of: node) }
      for link in node.links { begin(link, of: node) }
    }
    for index in pairs.indices { dial(index, after: 0) }
    for _ in 0..<profile.disturbanceCount {
      if let kind = chance.pick(profile.kinds) { events.put(.disturb(kind), at: chance.between(0...profile.duration)) }
    }
    events.put(.act(node: 0), at: chance.between(0...profile.ideaGap))
  }

  /// Whether a bug of the driver is to be made.
  func makes(_ bug: PlantedBug.OfDriver) -> Bool { self.bug?.ofDriver == bug }

  func clock(_ node: SimulatedNode) -> UnixNanoseconds { UnixNanoseconds(Self.start + now + node.offset) }

  // MARK: Running

  /// Runs the world to its end.
  ///
  /// - Returns: The first thing that was wrong; `nil` if nothing was.
  public func run() -> String? {
    while oracle.violation == nil, now < profile.duration, step() {}
    heal()
    let end = now + Self.restLimit
    while oracle.violation == nil, let next = events.nextTime, next < end, step() {}
    finish()
    return oracle.violation
  }

  /// Does what happens next.
  private func step() -> Bool {
    guard let (time, event) = events.take() else { return false }
    tally.events += 1
    if tally.events > Self.eventLimit {
      oracle.complain("the world does not come to rest: \(Self.eventLimit) events")
      return false
    }
    now = max(now, time)
    trace?.time = now
    switch event {
    case .act(let index): act(nodes[index])
    case .disturb(let kind): disturb(kind)
    case .committed(let index, let life): if nodes[index].life == life, nodes[index].isUp { committed(nodes[index]) }
    case .restart(let index): restart(nodes[index])
    case .timer(let index, let link, let life, let number): timer(nodes[index], link, life, number)
    case .dial(let pair): dialNow(pair)
    case .attach(let channel, let end): attach(channel, end)
    case .deliver(let channel, let end): deliver(channel, end)
    case .notice(let channel, let end): notice(channel, end)
    }
    return true
  }

  private func act(_ node: SimulatedNode) {
    guard !isHealed else { return }
    if node.isUp { haveIdea(node) }
    ideas += 1
    let next = chance.percent(55) ? 0 : 1 + chance.below(nodes.count - 1)
    events.put(.act(node: next), at: now + chance.between(0...2 * profile.ideaGap))
  }

  /// From here on nothing goes wrong any more.
  private func heal() {
    guard oracle.violation == nil else { return }
    trace?.line("the world heals")
    isHealed = true
    healedAt = now
    for index in pairs.indices {
      pairs[index].partitionEnd = 0
      pairs[index].slowUntil = 0
    }
    for node in nodes {
      node.offset = 0
      node.lastBatches = 0
      node.slowUntil = 0
      node.fullUntil = 0
      if node.isUp { noteStep(of: node) } else { restart(node) }
    }
    for index in pairs.indices { dial(index, after: 0) }
  }

  // MARK: Sessions

  /// Gives a new session what it needs of its surroundings.
  func prepare(_ link: Link, of node: SimulatedNode) {
    if !profile.isReal {
      link.session.signatures = StandInCheck()
      link.shadow.signatures = StandInCheck()
    }
    if node.index == 0, !makes(.forgetsOtherMakers) {
      let (nodes, index) = (nodes, link.index)
      link.session.groupsElsewhere = { group in
        nodes[0].links.reduce(GroupLedger()) { $1.index == index ? $0 : $0 + $1.session.ledger(of: group) }
      }
    }
    #if PARLEY_RULE_BREAKS
      link.session.broken = bug?.ofSession
    #endif
  }

  func begin(_ link: Link, of node: SimulatedNode) {
    var incarnation = chance.bytes(PairSession.incarnationByteCount)
    incarnation[0] |= 1
    handle(link.session.begin(incarnation: incarnation, now: clock(node)), link, of: node)
  }

  /// Takes what a session has decided: its rows to the disk, the rest into the queue.
  func handle(_ outcome: Outcome, _ link: Link, of node: SimulatedNode, order: Int? = nil) {
    defer { schedule(link, of: node) }
    guard !outcome.isEmpty else { return }
    var outcome = outcome
    sendTooEarly(&outcome, link, of: node)
    if let write = link.enqueue(outcome, order: order) {
      for row in write.rows { oracle.check(decided: row, by: node, at: clock(node)) }
      node.disk.waiting.append(write)
      startWriting(node)
    }
    drain(link, of: node)
  }

  /// The planted bugs of order.
  private func sendTooEarly(_ outcome: inout Outcome, _ link: Link, of node: SimulatedNode) {
    let isEarly: ([UInt8]) -> Bool
    if makes(.acknowledgesBeforeDurable) {
      isEarly = { $0.starts(with: [0x93, 2]) }
    } else if makes(.sendsBeforeDurable) {
      isEarly = { _ in true }
    } else {
      return
    }
    let frames = outcome.frames
    outcome.frames = frames.filter { !isEarly($0) }
    send(frames.filter(isEarly), outcome.channel, link, of: node)
  }

  func drain(_ link: Link, of node: SimulatedNode) {
    while let pending = link.nextDurable() {
      if let order = pending.order { link.orders[order].statement = lastSent(pending.outcome) }
      for event in pending.outcome.events { tally.note(event) }
      send(pending.outcome.frames, pending.outcome.channel, link, of: node)
      if let reason = pending.outcome.close, pending.outcome.channel == link.channelNumber {
        trace?.line("\(node.name) closes the channel of pair \(link.pair + 1): \(reason)")
        closeChannel(of: link)
      }
    }
    if profile.comparesAlways, link.queue.isEmpty { compare(link, of: node) }
  }

  /// What is durable folds to what the session has in mind.
  func compare(_ link: Link, of node: SimulatedNode) {
    guard oracle.violation == nil, !link.session.hasSameMemory(as: link.shadow) else { return }
    oracle.complain("\(node.name)'s journal of pair \(link.pair + 1) folds to another state than the session has")
  }

  /// Folds a link's durable rows.
  func fold(_ link: Link, of node: SimulatedNode) -> PairSession {
    var session = PairSession(signer: link.signer, peer: link.peer)
    for row in node.disk.rows[link.index] {
      do {
        try session.restore(row.bytes)
      } catch {
        oracle.complain("\(node.name)'s journal does not fold: \(error)")
        break
      }
    }
    return session
  }

  private func lastSent(_ outcome: Outcome) -> StatementID? {
    for row in outcome.rows.reversed() {
      if case .sent(_, let bytes, .some) = row.content { return (try? Statement(bytes))?.id }
    }
    return nil
  }

  /// Sets the timer to the session's next deadline, by the node's own clock.
  func schedule(_ link: Link, of node: SimulatedNode) {
    // At rest two sessions would go on to measure each other's clocks.
    let isSettling = now > healedAt + 10 * Span.second
    guard let deadline = isSettling ? link.session.nextEnding : link.session.nextDeadline else {
      link.timer += 1
      link.timerTime = nil
      return
    }
    let wait = max(0, clock(node).nanoseconds(to: deadline)) + Span.millisecond
    let time = now + min(wait, Span.hour)
    guard link.timerTime != time else { return }
    link.timer += 1
    link.timerTime = time
    events.put(.timer(node: node.index, link: link.index, life: node.life, number: link.timer), at: time)
  }

  private func timer(_ node: SimulatedNode, _ index: Int, _ life: Int, _ number: Int) {
    let link = node.links[index]
    guard node.isUp, node.life == life, link.timer == number else { return }
    link.timerTime = nil
    trace?.line("\(node.name)'s timer for pair \(link.pair + 1)")
    handle(link.session.poll(now: clock(node)), link, of: node)
  }
}
