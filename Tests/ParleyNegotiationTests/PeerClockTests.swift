import ParleyWire
import Testing

@testable import ParleyNegotiation

/// The measurement of the other side's clock, and what depends on it.
@Suite("Peer clock")
struct PeerClockTests {
  static let start = UnixNanoseconds.start

  static func clock() -> PeerClock { PeerClock(transitAllowance: 5_000_000, widest: 2_000_000_000) }

  static func ping(_ clock: inout PeerClock, _ now: UnixNanoseconds) throws -> UnixNanoseconds {
    let t1 = clock.ping(now)
    return try #require(t1)
  }

  static func isQuiet(_ clock: inout PeerClock, _ now: UnixNanoseconds) -> Bool { clock.ping(now) == nil }

  /// One exchange: how far the peer is ahead, how long each way took, and how long it held the answer.
  static func exchange(
    _ clock: inout PeerClock, at now: UnixNanoseconds, ahead: Duration, there: Duration, back: Duration,
    held: Duration = .zero
  ) throws -> UnixNanoseconds {
    let t1 = try Self.ping(&clock, now)
    let t2 = now + there
    let t4 = t2 + held + back
    try clock.pong(t1, t2 + ahead, t2 + held + ahead, t4)
    return t4
  }

  @Test("the offset is right within the bound, whichever way was slow, and the bound is half the round trip")
  func measures() throws {
    for (there, back) in [(10, 10), (19, 1), (1, 19), (20, 0)] {
      for ahead in [Duration.zero, .seconds(-3_600), .milliseconds(1_234)] {
        var clock = Self.clock()
        let end = try Self.exchange(
          &clock, at: Self.start, ahead: ahead, there: .milliseconds(there), back: .milliseconds(back),
          held: .seconds(1))
        let estimate = try #require(clock.measured(at: end))
        #expect(estimate.bound == 10_000_000)
        #expect(estimate.transit == 10_000_000)
        let error = estimate.offset - Int64(ahead / .nanoseconds(1))
        #expect(error == Int64(there - back) * 500_000)
        #expect(estimate.farthest == Int64(estimate.offset.magnitude) + estimate.bound)
      }
    }
  }

  @Test("nothing is known before the first answer, and judged by the widest bound")
  func unmeasured() {
    let clock = Self.clock()
    #expect(clock.measured(at: Self.start) == nil)
    #expect(clock.estimate(at: Self.start) == .init(offset: 0, bound: 2_000_000_000, transit: 5_000_000))
    #expect(clock.end(of: Self.start) == Self.start + .nanoseconds(2_000_000_001))
  }

  @Test("the best of the last eight counts, and its bound grows by 200 millionths of its age")
  func best() throws {
    var clock = Self.clock()
    var now = Self.start
    var first = now
    for (index, delay) in [9, 3, 7, 8, 8, 8, 8, 8, 8, 8].enumerated() {
      let end = try Self.exchange(
        &clock, at: now, ahead: .zero, there: .milliseconds(delay), back: .milliseconds(delay))
      if index == 1 { first = end }
      if (1...8).contains(index) {
        #expect(clock.measured(at: end)?.bound == 3_000_000 + first.nanoseconds(to: end) / 5_000)
      }
      // Of the eight that remain, the one of 7 ms has aged past those of 8 ms.
      if index == 9 { #expect(clock.measured(at: end)?.bound == 8_000_000) }
      now = now + .seconds(1)
    }
  }

  @Test("the first instant that is surely over is exact, however old the measurement")
  func ends() throws {
    for wait in [0, 1, 4_998, 4_999, 5_000, 5_001, 9_998, 9_999, 1_000_000_007] as [Int64] {
      var clock = Self.clock()
      let end = try Self.exchange(
        &clock, at: Self.start, ahead: .milliseconds(700), there: .milliseconds(2), back: .milliseconds(4))
      let deadline = end.advanced(byNanoseconds: wait)
      let sure = clock.end(of: deadline)
      #expect(clock.estimate(at: sure).isDead(deadline, sure))
      let before = sure.advanced(byNanoseconds: -1)
      #expect(!clock.estimate(at: before).isDead(deadline, before))
      // While it is not surely over, an Accept in time may have arrived; never both.
      #expect(!clock.estimate(at: sure).isAlive(deadline, sure))
    }
  }

  @Test("five PINGs follow each other, then one a second, and none while eight have no answer")
  func schedule() throws {
    var clock = Self.clock()
    var now = Self.start
    for _ in 0..<5 {
      let t1 = try Self.ping(&clock, now)
      #expect(Self.isQuiet(&clock, now))
      now = now + .milliseconds(1)
      try clock.pong(t1, now, now, now)
    }
    #expect(Self.isQuiet(&clock, now))
    #expect(clock.nextPing == now + .milliseconds(999))
    for second in 1...8 { #expect(!Self.isQuiet(&clock, now + .seconds(second))) }
    #expect(clock.nextPing == nil)
    #expect(Self.isQuiet(&clock, now + .seconds(9)))
    clock.channelOpened()
    #expect(!Self.isQuiet(&clock, now + .seconds(9)))
  }

  @Test("an answer to no PING, to a later one or a second one is refused, and changes nothing")
  func unsolicited() throws {
    var clock = Self.clock()
    #expect(throws: Fault(.unsolicited, "a PONG that answers no PING")) {
      try clock.pong(Self.start, Self.start, Self.start, Self.start)
    }
    let t1 = try Self.ping(&clock, Self.start)
    for wrong in [t1 + .nanoseconds(1), t1 + .nanoseconds(-1), UnixNanoseconds(0)] {
      #expect(throws: Fault.self) { try clock.pong(wrong, t1, t1, t1) }
    }
    #expect(clock.measured(at: t1) == nil)
    try clock.pong(t1, t1, t1, t1)
    #expect(throws: Fault.self) { try clock.pong(t1, t1, t1, t1) }
    // The answer to the second while the first is still to come: the channel keeps order.
    let late = Self.start + .seconds(1)
    let two = [try Self.ping(&clock, late), try Self.ping(&clock, late + .seconds(1))]
    #expect(throws: Fault.self) { try clock.pong(two[1], two[1], two[1], two[1]) }
  }

  @Test("an answer that was held for longer than it was away teaches nothing")
  func absurd() throws {
    var clock = Self.clock()
    let t1 = try Self.ping(&clock, Self.start)
    try clock.pong(t1, UnixNanoseconds(0), UnixNanoseconds(.max), Self.start + .milliseconds(1))
    #expect(clock.measured(at: Self.start) == nil)
    // From the ends of time, it only says that the clocks are far apart.
    for time in [UnixNanoseconds(0), UnixNanoseconds(.max)] {
      var clock = Self.clock()
      let t1 = try Self.ping(&clock, Self.start)
      try clock.pong(t1, time, time, Self.start)
      let estimate = try #require(clock.measured(at: Self.start))
      #expect(estimate.farthest > 2_000_000_000)
      #expect(clock.end(of: UnixNanoseconds(.max)).rawValue > 0)
    }
  }

  @Test("an answer that fits no earlier one means that a clock was set: the earlier ones are dropped")
  func peerStepped() throws {
    var clock = Self.clock()
    var now = Self.start
    for ahead in [0, 0, 0, 80] {
      _ = try Self.exchange(
        &clock, at: now, ahead: .milliseconds(ahead), there: .milliseconds(1), back: .milliseconds(1))
      now = now + .seconds(1)
    }
    #expect(clock.measured(at: now)?.offset == 80_000_000)
  }

  @Test("after a step of this clock only answers to later PINGs count")
  func stepped() throws {
    var clock = Self.clock()
    _ = try Self.exchange(&clock, at: Self.start, ahead: .zero, there: .milliseconds(1), back: .milliseconds(1))
    let old = try Self.ping(&clock, Self.start + .milliseconds(2))
    clock.restart()
    #expect(clock.measured(at: Self.start) == nil)
    try clock.pong(old, old, old, Self.start + .milliseconds(4))
    #expect(clock.measured(at: Self.start) == nil)
    _ = try Self.exchange(
      &clock, at: Self.start + .seconds(10), ahead: .seconds(-10), there: .milliseconds(1), back: .milliseconds(1))
    #expect(clock.measured(at: Self.start)?.offset == -10_000_000_000)
  }

  @Test("a step is seen, a slow adjustment and a sleep are not")
  func watch() {
    var watch = ClockWatch(wall: Self.start, steady: UnixNanoseconds(5))
    var (wall, steady) = (Self.start, UnixNanoseconds(5))
    func pass(_ wallPassed: Duration, _ steadyPassed: Duration) -> Bool {
      wall = wall + wallPassed
      steady = steady + steadyPassed
      return watch.hasStepped(wall: wall, steady: steady)
    }
    #expect(!pass(.seconds(3_600), .seconds(3_600)))
    #expect(!pass(.milliseconds(1_050), .seconds(1)))
    #expect(!pass(.milliseconds(950), .seconds(1)))
    #expect(pass(.nanoseconds(50_000_001), .zero))
    #expect(!pass(.seconds(1), .seconds(1)))
    #expect(pass(.nanoseconds(-50_000_001), .zero))
    #expect(pass(.seconds(-9_000_000_000), .seconds(9_000_000)))
  }
}

/// What a session does with the measurement.
@Suite("Clock exchange")
struct ClockExchangeTests {
  @Test("an Accept needs a measurement: not before one, and not after a step until there is another")
  func needed() throws {
    let pair = Pair()
    let id = try pair.ask()
    let offer = try pair.quote(id)
    #expect(pair.taker.session.peerClock(now: pair.now)?.offset == 0)
    func accept() throws -> CommandResult {
      try pair.taker.session.accept(id, offer: offer, side: .buy, lots: 1, now: pair.now)
    }
    pair.taker.take(pair.taker.session.clockStepped(now: pair.now))
    #expect(throws: NegotiationError.clockUnmeasured) { try accept() }
    pair.settle()
    // The wall clock was set back: journal time stands still and measures nothing, nor asks as fast as it can.
    pair.now = pair.now + .milliseconds(-51)
    #expect(throws: NegotiationError.clockUnmeasured) { try accept() }
    pair.taker.take(pair.taker.session.clockStepped(now: pair.now))
    pair.settle()
    #expect(pair.taker.session.peerClock(now: pair.now) == nil)
    #expect(pair.taker.session.nextDeadline == .start + .seconds(1))
    #expect(throws: NegotiationError.clockUnmeasured) { try accept() }
    pair.now = .start + .seconds(1)
    pair.taker.take(pair.taker.session.poll(now: pair.now))
    pair.settle()
    pair.taker.take(try accept())
    pair.settle()
    #expect(pair.taker.session.trades.count == 1)
    // Its restart, or a new channel, forgets it.
    try pair.taker.restart()
    #expect(pair.taker.session.peerClock(now: pair.now) == nil)
  }

  @Test("a Confirm needs no measurement: its times are its owner's own")
  func confirmNeedsNone() throws {
    let stage = try MessageTableTests.Stage(.open, counters: true)
    let script = stage.script
    _ = script.peer.session.clockStepped(now: script.now)
    #expect(script.peer.session.peerClock(now: script.now) == nil)
    #expect(script.say(.accept(script.accept(stage.counter!, in: stage.dialogue)), in: stage.dialogue) == .confirm)
  }

  @Test("an offset is taken into account: one that is alive here is over there, and the reverse")
  func offsets() throws {
    for (ahead, isAlive) in [(Duration.milliseconds(1_500), false), (.milliseconds(-1_500), true)] {
      let pair = Pair(makerAhead: ahead)
      let id = try pair.ask()
      // By the maker's clock its offer ends a second from now, or three before.
      let offer = try pair.quote(id, Samples.twoWay(lifetime: 1_000_000_000))
      pair.now = pair.now + .milliseconds(isAlive ? 990 : 996)
      let live = try #require(pair.taker.session.dialogue(id)?.peerOffer)
      #expect((live.expiry > pair.now) == !isAlive)
      let accept = Result {
        try pair.taker.session.accept(id, offer: offer, side: .buy, lots: 1, now: pair.now)
      }
      if isAlive {
        pair.taker.take(try accept.get())
        pair.settle()
        #expect(pair.taker.session.trades.count == 1)
      } else {
        #expect(throws: NegotiationError.tooLate(expiry: live.expiry)) { try accept.get() }
      }
    }
  }

  @Test("clocks more than two seconds apart: nothing is asked, offered or accepted")
  func apart() throws {
    let script = Script(Traders.taker, to: Traders.maker)
    let (request, id) = script.request()
    script.peer.session.channelClosed()
    // The script's clock is an hour ahead when the session asks.
    script.peer.open(script.now)
    var sync = script.sync()
    sync.peerIncarnation = script.peer.session.state.incarnation!
    (sync.sentLink, sync.receivedLink) = (script.peer.session.state.receivedLink, script.peer.session.state.sentLink)
    script.peer.receive(.sync(sync), script.now)
    for case .ping(let t1) in script.peer.drain().map({ try! Frame.decode($0) }) {
      let there = script.now + .milliseconds(2_001)
      script.peer.receive(.pong(t1: t1, t2: there, t3: there), script.now)
    }
    _ = script.peer.drain()
    #expect(script.say(.quoteRequest(request), in: id, expiry: script.now + .seconds(30)) == .reject(.clock))
    let now = script.now
    #expect(throws: NegotiationError.clocksApart(offset: 2_001_000_000, bound: 0)) {
      try script.peer.session.requestQuote(Samples.request(), nonce: [UInt8](repeating: 4, count: 16), now: now)
    }
  }

  @Test("PONGs that answer nothing close the channel; so do more than twenty PINGs in a second")
  func hostile() throws {
    let script = Script(Traders.taker, to: Traders.maker)
    script.peer.receive(.pong(t1: script.now, t2: script.now, t3: script.now), script.now)
    #expect(script.peer.close == .badFrame(Fault(.unsolicited, "a PONG that answers no PING")))
    let other = Script(Traders.taker, to: Traders.maker)
    for number in 1...20 {
      other.peer.receive(.ping(t1: UnixNanoseconds(Int64(number))), other.now)
      #expect(other.hear() == [.pong(t1: UnixNanoseconds(Int64(number)), t2: other.now, t3: other.now)])
    }
    #expect(other.peer.close == nil)
    other.peer.receive(.ping(t1: .start), other.now)
    #expect(other.peer.close == .pingRate)
  }

  @Test("a frozen session neither asks nor answers the time")
  func frozen() throws {
    let script = Script(Traders.taker, to: Traders.maker)
    script.peer.receive(.freeze(code: .fork, evidence: []), script.now)
    _ = script.hear()
    script.peer.receive(.ping(t1: .start), script.now)
    script.peer.take(script.peer.session.clockStepped(now: script.now))
    #expect(script.hear().isEmpty)
  }
}
