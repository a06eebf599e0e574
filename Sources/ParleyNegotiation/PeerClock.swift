public import ParleyWire

/// What one side knows of the other's clock: measured through the channel, never taken on trust beyond what it decides.
///
/// Section 8 of docs/protocol/negotiation.md.
///
///     restart ──▶ PING ──▶ PONG ──▶ PING ... five times, one after the other, then one PING each second
///        ▲                                │
///        └── a clock has stepped ◀────────┘ (own: the driver says so; the peer's: the answer fits no earlier one)
///
/// A PONG can lie about the peer's clock, and then its own offers seem to end when they do not: that costs trades, and
/// makes none. What it cannot do is make the measurement seem better than the round trip was.
public struct PeerClock: Hashable, Sendable {
  /// How many answers the estimate is the best of.
  public static let sampleLimit = 8
  /// How many PINGs follow each other at once on a new channel.
  public static let startCount = 5
  /// How many PINGs may be without an answer; then no more are sent.
  public static let unansweredLimit = 8
  /// The time between PINGs, in nanoseconds.
  public static let interval: Int64 = 1_000_000_000
  /// The bound grows by a nanosecond in so many: 200 parts in a million.
  static let driftDivisor: Int64 = 5_000

  /// The peer's clock as far as it is known: it shows this side's time + `offset`, give or take `bound`.
  public struct Estimate: Hashable, Sendable {
    /// What the peer's clock shows more than this side's, in nanoseconds.
    public var offset: Int64
    /// How far the offset may be wrong, in nanoseconds, at the time for which it was asked.
    public var bound: Int64
    /// What a statement is given to arrive, in nanoseconds.
    public var transit: Int64

    /// How far the two clocks may be apart, in nanoseconds.
    public var farthest: Int64 {
      let (sum, overflow) = Int64(clamping: offset.magnitude).addingReportingOverflow(bound)
      return overflow ? .max : sum
    }

    /// Whether a deadline that runs on the peer's clock is surely not over when a statement of `now` arrives there.
    func isAlive(_ deadline: UnixNanoseconds, _ now: UnixNanoseconds) -> Bool {
      now.advanced(byNanoseconds: offset).advanced(byNanoseconds: bound).advanced(byNanoseconds: transit) <= deadline
    }

    /// Whether a deadline that runs on the peer's clock is surely over.
    func isDead(_ deadline: UnixNanoseconds, _ now: UnixNanoseconds) -> Bool {
      now.advanced(byNanoseconds: offset).advanced(byNanoseconds: -bound) > deadline
    }
  }

  private struct Sample: Hashable, Sendable {
    let offset: Int64
    /// Half of the round trip, without the time in which the peer held the answer.
    let bound: Int64
    let time: UnixNanoseconds

    /// The bound at a later time.
    ///
    /// All samples grow alike, so the best stays the best.
    func bound(at now: UnixNanoseconds) -> Int64 {
      let (sum, overflow) = bound.addingReportingOverflow(max(0, time.nanoseconds(to: now)) / driftDivisor)
      return overflow ? .max : sum
    }
  }

  private struct Ping: Hashable, Sendable {
    let t1: UnixNanoseconds
    /// Whether its answer is a sample: not if a clock has stepped since.
    var counts = true
  }

  private let transitAllowance: Int64
  private let widest: Int64
  private var samples: [Sample] = []
  /// PINGs without an answer, the oldest first.
  private var unanswered: [Ping] = []
  private var answered = 0
  private var lastPing: UnixNanoseconds?

  /// Creates a clock of which nothing is known.
  ///
  /// - Parameters:
  ///   - transitAllowance: What a statement is given to arrive at least, in nanoseconds.
  ///   - widest: The bound while nothing is measured, in nanoseconds.
  init(transitAllowance: Int64, widest: Int64) {
    self.transitAllowance = transitAllowance
    self.widest = widest
  }

  // MARK: Reading

  private var best: Sample? {
    guard let last = samples.last else { return nil }
    return samples.min { $0.bound(at: last.time) < $1.bound(at: last.time) }
  }

  /// The best of the last answers; `nil` before there is one.
  func measured(at now: UnixNanoseconds) -> Estimate? {
    best.map { best in
      Estimate(offset: best.offset, bound: best.bound(at: now), transit: max(best.bound, transitAllowance))
    }
  }

  /// What to judge the peer's deadlines by: what was measured, else equal clocks and the widest bound.
  func estimate(at now: UnixNanoseconds) -> Estimate {
    measured(at: now) ?? Estimate(offset: 0, bound: widest, transit: transitAllowance)
  }

  /// The first instant at which a deadline on the peer's clock is surely over: exact, because a timer waits for it.
  func end(of deadline: UnixNanoseconds) -> UnixNanoseconds {
    guard let best else { return deadline.advanced(byNanoseconds: widest).advanced(byNanoseconds: 1) }
    let start = deadline.advanced(byNanoseconds: -best.offset).advanced(byNanoseconds: best.bound)
      .advanced(byNanoseconds: 1)
    // While the bound grows by one in 5,000, a wait of 4,999 takes 5,000.
    let wait = best.time.nanoseconds(to: start)
    return wait <= 0 ? start : start.advanced(byNanoseconds: (wait - 1) / (Self.driftDivisor - 1))
  }

  // MARK: Measuring

  /// Forgets what was measured; answers that are still under way count no more.
  mutating func discard() {
    samples = []
    for index in unanswered.indices { unanswered[index].counts = false }
    answered = Self.startCount
  }

  /// Forgets what was measured, and begins with PINGs at once.
  mutating func restart() {
    discard()
    answered = 0
    lastPing = nil
  }

  /// A new channel: no answer to an earlier PING can come.
  mutating func channelOpened() {
    restart()
    unanswered = []
  }

  /// When the next PING is due; `nil` while too many are without an answer.
  var nextPing: UnixNanoseconds? {
    guard unanswered.count < Self.unansweredLimit else { return nil }
    guard let lastPing else { return UnixNanoseconds(.min) }
    // The first ones each wait for the one before.
    if answered < Self.startCount, !unanswered.contains(where: \.counts) { return lastPing }
    return lastPing.advanced(byNanoseconds: Self.interval)
  }

  /// The t1 of the PING to send now; `nil` when none is due.
  mutating func ping(_ now: UnixNanoseconds) -> UnixNanoseconds? {
    guard let nextPing, now >= nextPing else { return nil }
    lastPing = now
    unanswered.append(Ping(t1: now))
    return now
  }

  /// Takes an answer in.
  ///
  /// - Parameters:
  ///   - t1: As this side sent it.
  ///   - t2: When the PING arrived, by the peer's clock.
  ///   - t3: When the answer left, by the peer's clock; not before `t2`.
  ///   - now: When it arrived here.
  /// - Throws: UNSOLICITED when it answers no PING, or not the oldest: the channel keeps order.
  mutating func pong(
    _ t1: UnixNanoseconds, _ t2: UnixNanoseconds, _ t3: UnixNanoseconds, _ now: UnixNanoseconds
  ) throws(Fault) {
    guard let ping = unanswered.first, ping.t1 == t1 else {
      throw Fault(.unsolicited, "a PONG that answers no PING")
    }
    unanswered.removeFirst()
    guard ping.counts else { return }
    answered += 1
    let (there, back) = (Int128(t2.rawValue) - Int128(t1.rawValue), Int128(t3.rawValue) - Int128(now.rawValue))
    let held = Int128(t3.rawValue) - Int128(t2.rawValue)
    let roundTrip = Int128(now.rawValue) - Int128(t1.rawValue) - held
    // Held for longer than it was away: there is nothing to learn from such a clock.
    guard held >= 0, roundTrip >= 0 else { return }
    let sample = Sample(
      offset: Int64(clamping: (there + back) / 2), bound: Int64(clamping: (roundTrip + 1) / 2), time: now)
    if let best {
      let apart = (Int128(sample.offset) - Int128(best.offset)).magnitude
      // Whichever clock was set: what was measured before says nothing of it now.
      if apart > UInt128(sample.bound) + UInt128(best.bound(at: now)) + 1 { samples = [] }
    }
    samples.append(sample)
    if samples.count > Self.sampleLimit { samples.removeFirst() }
  }
}

/// Notices that this machine's clock was set, by comparing it with one that only runs.
///
/// Section 8 of docs/protocol/negotiation.md: after a step of more than 50 ms the peer's clock is measured again.
public struct ClockWatch: Hashable, Sendable {
  /// The smallest step, in nanoseconds.
  public static let step: Int64 = 50_000_000

  private var wall: UnixNanoseconds
  private var steady: UnixNanoseconds

  /// Begins with one reading of both clocks.
  ///
  /// - Parameters:
  ///   - wall: The wall clock.
  ///   - steady: A clock that is never set, and runs while the machine sleeps; its origin does not matter.
  public init(wall: UnixNanoseconds, steady: UnixNanoseconds) {
    self.wall = wall
    self.steady = steady
  }

  /// Whether the wall clock was set between the last reading and this one.
  ///
  /// A slow adjustment is none.
  public mutating func hasStepped(wall: UnixNanoseconds, steady: UnixNanoseconds) -> Bool {
    let difference = self.wall.nanoseconds(to: wall).subtractingReportingOverflow(self.steady.nanoseconds(to: steady))
    self.wall = wall
    self.steady = steady
    return difference.overflow || difference.partialValue.magnitude > UInt64(Self.step)
  }
}
