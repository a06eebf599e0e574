import Glibc
import ParleyWebSocket
import TestSupport
import Testing

@testable import ParleyIO

/// An actor that lives on a loop.
private actor Resident {
  let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  private var count = 0

  init(loop: EventLoop) { self.loop = loop }

  func increment() -> (count: Int, isOnLoop: Bool) {
    count += 1
    return (count, loop.isCurrent)
  }

  nonisolated func incrementFromCallback() { assumeIsolated { $0.count += 1 } }
}

@Suite("Event loop")
struct EventLoopTests {
  @Test("work runs on the loop's thread, in order")
  func order() async throws {
    try await withLoop { loop in
      #expect(!loop.isCurrent)
      let seen = Locked<[Int]>([])
      for number in 0..<1000 { loop.execute { seen.withLock { $0.append(number) } } }
      #expect(await loop.run { loop.isCurrent })
      #expect(seen.withLock { $0 } == Array(0..<1000))
    }
  }

  @Test("work from many threads all arrives")
  func manyThreads() async throws {
    try await withLoop { loop in
      let count = Locked(0)
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<8 {
          group.addTask { for _ in 0..<2000 { loop.execute { count.withLock { $0 += 1 } } } }
        }
      }
      #expect(await eventually { count.withLock { $0 } == 16_000 })
    }
  }

  @Test("timers run by deadline, not before it, and cancelled ones never")
  func timers() async throws {
    try await withLoop { loop in
      let seen = Locked<[Int]>([])
      let start = ContinuousClock.now
      let early = Locked(0)
      for number in [3, 1, 2, 0] {
        loop.schedule(after: .milliseconds(20 * number)) {
          if ContinuousClock.now < start + .milliseconds(20 * number) { early.withLock { $0 += 1 } }
          seen.withLock { $0.append(number) }
        }
      }
      let cancelled = loop.schedule(after: .milliseconds(30)) { seen.withLock { $0.append(99) } }
      cancelled.cancel()
      #expect(await eventually { seen.withLock { $0.count } == 4 })
      #expect(seen.withLock { $0 } == [0, 1, 2, 3])
      #expect(early.withLock { $0 } == 0)
    }
  }

  @Test("the timer queue gives work by deadline, whatever is cancelled", arguments: UInt64(0)..<20)
  func timerQueue(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var queue = TimerQueue()
    let start = MonotonicTime.current
    var wanted: [MonotonicTime] = []
    for _ in 0..<500 {
      let work = ScheduledWork(deadline: start + .nanoseconds(Int.random(in: 0..<400, using: &random))) {}
      queue.insert(work)
      if Int.random(in: 0..<3, using: &random) == 0 { work.cancel() } else { wanted.append(work.deadline) }
    }
    var seen: [MonotonicTime] = []
    while let work = queue.takeDue(now: start + .nanoseconds(200)) { seen.append(work.deadline) }
    #expect(seen == wanted.filter { $0 <= start + .nanoseconds(200) }.sorted(), "seed \(seed)")
    while let work = queue.takeDue(now: start + .seconds(1)) { seen.append(work.deadline) }
    #expect(seen == wanted.sorted(), "seed \(seed)")
    #expect(queue.nextDeadline == nil)
  }

  @Test("an actor lives on a loop, and a callback enters it without a hop")
  func actorOnLoop() async throws {
    try await withLoop { loop in
      let resident = Resident(loop: loop)
      let first = await resident.increment()
      #expect(first.isOnLoop)
      await loop.run { resident.incrementFromCallback() }
      let last = await resident.increment()
      #expect(last.count == 3)
    }
  }

  @Test("a loop ends at once, also while it waits, and twice does nothing")
  func shutDown() throws {
    let loop = try EventLoop()
    loop.schedule(after: .seconds(3600)) {}
    let start = ContinuousClock.now
    loop.shutDown()
    loop.shutDown()
    #expect(ContinuousClock.now - start < .seconds(2))
  }

  @Test("a signal comes as a call on the loop, whichever thread it comes to")
  func signals() async throws {
    let seen = Locked<[ProcessSignal]>([])
    try await withLoop { loop in
      try loop.watch([.terminate, .hangUp]) { signal in seen.withLock { $0.append(signal) } }
      await loop.run { _ = raise(SIGTERM) }
      #expect(await eventually { seen.withLock { $0 } == [.terminate] })
      kill(getpid(), SIGHUP)
      #expect(await eventually { seen.withLock { $0 } == [.terminate, .hangUp] })
      // Of two watchers one sees it, and one that goes does not take the signal from the other.
      try await withLoop { other in
        try other.watch([.hangUp]) { signal in seen.withLock { $0.append(signal) } }
        await other.run { kill(getpid(), SIGHUP) }
        #expect(await eventually { seen.withLock { $0.count } == 3 })
      }
      kill(getpid(), SIGHUP)
      #expect(await eventually { seen.withLock { $0.count } == 4 })
    }
    // With the loops' watchers the default comes back.
    for signal in [SIGTERM, SIGHUP] {
      #expect(
        await eventually {
          var action = sigaction()
          _ = sigaction(signal, nil, &action)
          return action.__sigaction_handler.sa_handler == nil
        })
    }
  }
}

@Suite("Addresses")
struct SocketAddressTests {
  @Test("text and back", arguments: ["127.0.0.1", "0.0.0.0", "::1", "2001:db8::1", "255.255.255.255"])
  func text(host: String) throws {
    let address = try #require(SocketAddress(host, port: 80))
    #expect(address.host == host)
    #expect(address.description == (host.contains(":") ? "[\(host)]:80" : "\(host):80"))
  }

  @Test("names are not addresses", arguments: ["localhost", "1.2.3", "1.2.3.4.5", "", "::g", "127.0.0.1 "])
  func names(host: String) {
    #expect(SocketAddress(host, port: 0) == nil)
  }

  @Test(
    "public addresses",
    arguments: [
      "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.0.1", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.167.1.1",
      "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1",
    ])
  func publicAddresses(host: String) throws {
    #expect(try #require(SocketAddress(host, port: 0)).isPublic)
  }

  @Test(
    "addresses that are not public",
    arguments: [
      "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
      "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1",
      "198.19.0.1",
      "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
      "fc00::1", "fd00::1", "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::", "3fff::1", "::ffff:127.0.0.1",
      "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1", "fec0::1", "::7f00:1",
    ])
  func otherAddresses(host: String) throws {
    #expect(try #require(SocketAddress(host, port: 0)).isPublic == false)
  }
}
