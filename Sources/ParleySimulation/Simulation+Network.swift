import ParleyNegotiation

// Channels: each carries frames in order or dies; several of one pair may be on their way at the same time.
extension Simulation {
  func link(_ pair: Int, _ end: Int) -> (SimulatedNode, Link) {
    let node = end == 0 ? nodes[0] : nodes[pairs[pair].maker]
    return (node, node.links[end == 0 ? pair : 0])
  }

  func dial(_ pair: Int, after delay: Int64) {
    guard !pairs[pair].isDialing else { return }
    pairs[pair].isDialing = true
    events.put(.dial(pair: pair), at: now + delay)
  }

  func dialNow(_ pair: Int) {
    pairs[pair].isDialing = false
    let ends = [link(pair, 0), link(pair, 1)]
    // Both ends are content with what they have.
    if let channel = ends[0].1.channel, channel == ends[1].1.channel, !channels[channel].isBroken, ends[0].0.isUp,
      ends[1].0.isUp
    {
      return
    }
    guard ends[0].0.isUp, ends[1].0.isUp, now >= pairs[pair].partitionEnd else {
      return dial(pair, after: 200 * Span.millisecond + chance.between(0...Span.second))
    }
    connect(pair)
  }

  /// Brings a new channel up, whatever there is; each end gets it at its own time.
  func connect(_ pair: Int) {
    channels.append(Channel(pair: pair))
    let number = channels.count - 1
    for end in 0...1 { events.put(.attach(channel: number, end: end), at: now + delay(pair)) }
  }

  /// What the way of one frame takes.
  private func delay(_ pair: Int) -> Int64 {
    let delay = chance.between(profile.latency)
    return now < pairs[pair].slowUntil ? delay * 20 : delay
  }

  func attach(_ number: Int, _ end: Int) {
    let pair = channels[number].pair
    channels[number].isAttached[end] = true
    for _ in 0..<channels[number].early[end] { events.put(.deliver(channel: number, end: end), at: now) }
    let (node, link) = link(pair, end)
    guard node.isUp else { return close(number, by: end) }
    // The old channel is dead before the new one's first frame.
    if makes(.readsOldChannels) { link.oldChannel = link.leaveChannel() } else { closeChannel(of: link) }
    guard !channels[number].isClosed[1 - end], !channels[number].isBroken else {
      close(number, by: end)
      return dial(pair, after: 50 * Span.millisecond)
    }
    trace?.line("\(node.name) has channel \(number) of pair \(pair + 1)")
    link.channel = number
    link.opensWhenDrained = true
    openIfDrained(link, of: node)
  }

  /// Sends SYNC once nothing waits to be durable.
  func openIfDrained(_ link: Link, of node: SimulatedNode) {
    guard link.opensWhenDrained, link.queue.isEmpty || makes(.syncsBeforeDurable) else { return }
    link.opensWhenDrained = false
    let outcome = link.session.channelOpened(now: clock(node))
    link.channelNumber = outcome.channel
    if makes(.syncsBeforeDurable) {
      send(outcome.frames, outcome.channel, link, of: node)
      var rest = outcome
      rest.frames = []
      handle(rest, link, of: node)
    } else {
      handle(outcome, link, of: node)
    }
    let early = link.early
    link.early = []
    for frame in early { receive(frame, link, of: node) }
  }

  /// Lets frames of a channel of the session's count onto the wire, if that channel is still in use.
  func send(_ frames: [[UInt8]], _ number: Int, _ link: Link, of node: SimulatedNode) {
    guard let current = link.channel, number == link.channelNumber else { return }
    let other = 1 - link.end
    for frame in frames {
      var channel = current
      if let old = link.oldChannel, frame.starts(with: [0x93, 2]), chance.percent(50) { channel = old }
      oracle.check(left: frame, link, of: node)
      trace?.line("\(node.name) sends on \(channel): \(Trace.text(of: frame))")
      guard !channels[channel].isBroken, !channels[channel].isClosed[other] else { continue }
      let start = max(now, pairs[link.pair].partitionEnd)
      let arrival = max(channels[channel].arrivals[other], start + delay(link.pair))
      channels[channel].arrivals[other] = arrival
      channels[channel].queues[other].append(frame)
      events.put(.deliver(channel: channel, end: other), at: arrival)
    }
  }

  func deliver(_ number: Int, _ end: Int) {
    guard !channels[number].isBroken else { return }
    guard channels[number].isAttached[end] else {
      channels[number].early[end] += 1
      return
    }
    guard let frame = channels[number].next(to: end) else { return }
    let (node, link) = link(channels[number].pair, end)
    guard node.isUp else { return }
    if link.channel != number {
      guard makes(.readsOldChannels), link.channel != nil, !link.opensWhenDrained else { return }
    }
    if link.opensWhenDrained {
      // The peer's SYNC may be here before this side's own could leave.
      if link.early.count < 3 { link.early.append(frame) } else { closeChannel(of: link) }
      return
    }
    receive(frame, link, of: node)
    if profile.repeats, frame.starts(with: [0x93, 1]), link.channel == number, chance.percent(8) {
      receive(frame, link, of: node)
    }
  }

  private func receive(_ frame: [UInt8], _ link: Link, of node: SimulatedNode) {
    guard link.channel != nil else { return }
    var frame = frame
    if makes(.takesRepeatsForNew), case .data(let n, let statement)? = try? Frame.decode(frame),
      n <= link.session.counters.received
    {
      frame = Frame.data(n: link.session.counters.received + 1, statement: statement).encoded
    }
    trace?.line("\(node.name) receives: \(Trace.text(of: frame))")
    tally.frames += 1
    handle(link.session.receive(frame, now: clock(node)), link, of: node)
  }

  // MARK: Ends

  /// A node lets its channel go, and the other end learns of it after all that was sent before.
  func closeChannel(of link: Link) {
    guard let number = link.leaveChannel() else { return }
    close(number, by: link.end)
    dial(link.pair, after: chance.between(0...500 * Span.millisecond))
  }

  func close(_ number: Int, by end: Int) {
    guard !channels[number].isClosed[end] else { return }
    channels[number].isClosed[end] = true
    let other = 1 - end
    guard !channels[number].isBroken, !channels[number].isClosed[other] else { return }
    let pair = channels[number].pair
    let time = max(channels[number].arrivals[other], max(now, pairs[pair].partitionEnd) + delay(pair))
    events.put(.notice(channel: number, end: other), at: time)
  }

  func notice(_ number: Int, _ end: Int) {
    let (node, link) = link(channels[number].pair, end)
    guard node.isUp, link.channel == number else { return }
    trace?.line("\(node.name) learns that channel \(number) is dead")
    closeChannel(of: link)
  }

  /// The network loses a channel, and tells its ends when it pleases.
  func breakChannel(_ number: Int) {
    guard !channels[number].isBroken else { return }
    channels[number].isBroken = true
    for end in 0...1 { events.put(.notice(channel: number, end: end), at: now + chance.between(0...profile.patience)) }
  }
}
