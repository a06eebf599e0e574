public import ParleyWire

// The clock exchange: section 8 of docs/protocol/negotiation.md.
extension PairSession {
  /// What is known of the peer's clock at `now`, the wall clock; `nil` before it has been measured on this channel.
  public func peerClock(now: UnixNanoseconds) -> PeerClock.Estimate? { clock.measured(at: journalTime(now)) }

  /// This machine's clock was set, as ``ClockWatch`` notices: what was measured holds no more.
  ///
  /// - Parameter now: The wall clock, after the step.
  /// - Returns: The PING that begins the new measurement, if a channel is open.
  public mutating func clockStepped(now: UnixNanoseconds) -> Outcome {
    var outcome = Outcome(channel: channelCount)
    clock.restart()
    ping(journalTime(now), &outcome)
    return outcome
  }

  /// Whether journal time stands still, because the wall clock was set back: then it measures nothing.
  func isClockBehind(_ wall: UnixNanoseconds) -> Bool { wall.nanoseconds(to: state.time) > ClockWatch.step }

  /// Sends the PING that is due.
  mutating func ping(_ now: UnixNanoseconds, _ outcome: inout Outcome) {
    guard channel == .synced, state.frozen == nil, let t1 = clock.ping(now) else { return }
    outcome.frames.append(Frame.ping(t1: UnixNanoseconds(max(0, t1.rawValue))).encoded)
  }

  mutating func receive(ping t1: UnixNanoseconds, _ now: UnixNanoseconds, _ outcome: inout Outcome) {
    guard rates.pings.take(limits.pingsPerSecond, now) else { return close(.pingRate, &outcome) }
    let time = UnixNanoseconds(max(0, now.rawValue))
    outcome.frames.append(Frame.pong(t1: t1, t2: time, t3: time).encoded)
  }

  mutating func receive(
    pong t1: UnixNanoseconds, _ t2: UnixNanoseconds, _ t3: UnixNanoseconds, _ now: UnixNanoseconds,
    _ outcome: inout Outcome
  ) {
    do throws(Fault) {
      try clock.pong(t1, t2, t3, now)
    } catch {
      return close(.badFrame(error), &outcome)
    }
    ping(now, &outcome)
  }

  /// Whether the clocks are known to be too far apart to ask, offer or accept.
  func apart(_ now: UnixNanoseconds) -> PeerClock.Estimate? {
    clock.measured(at: now).flatMap { $0.farthest > limits.clocksApart ? $0 : nil }
  }

  /// Whether an Accept of an offer that ends at `expiry` surely arrives before, by its owner's clock.
  ///
  /// - Parameters:
  ///   - expiry: By the owner's clock.
  ///   - wall: The wall clock.
  /// - Throws: ``NegotiationError/clockUnmeasured`` or ``NegotiationError/tooLate(expiry:)``.
  func checkAlive(_ expiry: UnixNanoseconds, _ wall: UnixNanoseconds) throws(NegotiationError) {
    let now = journalTime(wall)
    guard !isClockBehind(wall), let estimate = clock.measured(at: now) else { throw .clockUnmeasured }
    guard estimate.isAlive(expiry, now) else { throw .tooLate(expiry: expiry) }
  }
}
