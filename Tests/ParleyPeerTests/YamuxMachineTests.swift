import ParleyNoise
import ParleyWire
import Testing

@testable import ParleyPeer

extension YamuxMachine {
  /// Takes bytes and gives what happened.
  mutating func events(_ bytes: [UInt8]) throws(YamuxError) -> [YamuxEvent] {
    try receive(bytes.rawSpan)
    return drained()
  }

  mutating func drained() -> [YamuxEvent] {
    var events = [YamuxEvent]()
    while let event = poll() { events.append(event) }
    return events
  }

  mutating func send(_ bytes: [UInt8], on id: UInt32) -> Int? { send(bytes.rawSpan, on: id) }
}

private func error(of bytes: [UInt8], to machine: inout YamuxMachine) -> YamuxError? {
  YamuxFrameTests.error(of: bytes, &machine)
}

private let window = 256 << 10

@Suite("yamux, one side")
struct YamuxMachineTests {
  /// A responder with the initiator's stream 1 open and accepted, and nothing to send.
  static func accepted(_ limits: YamuxLimits = YamuxLimits()) throws -> YamuxMachine {
    var machine = YamuxMachine(.responder, limits: limits)
    let events = try machine.events(header(type: 1, flags: 1, stream: 1))
    #expect(events == [.opened(1)])
    machine.accept(1)
    #expect(machine.takeOutput() == header(type: 1, flags: 2, stream: 1))
    return machine
  }

  @Test("opening: odd numbers for the initiator, even ones for the responder, data before the answer")
  func opening() throws {
    var one = YamuxMachine(.initiator)
    var two = YamuxMachine(.responder)
    let ids = try [one.open(), one.open(), two.open(), two.open()]
    #expect(ids == [1, 3, 2, 4])
    let sent = one.send([7, 8], on: 1)
    #expect(sent == 2)
    #expect(
      one.takeOutput()
        == header(type: 1, flags: 1, stream: 1) + header(type: 1, flags: 1, stream: 3)
        + header(type: 0, stream: 1, length: 2) + [7, 8])
    let events = try one.events(
      header(type: 1, flags: 2, stream: 1) + header(type: 0, flags: 2, stream: 3, length: 1) + [9])
    #expect(events == [.acknowledged(1), .acknowledged(3), .data(3, [9])])
  }

  @Test("a larger window is announced as the stream opens and is accepted, and holds")
  func largerWindow() throws {
    var limits = YamuxLimits()
    limits.windowByteCount = window + 1000
    var one = YamuxMachine(.initiator, limits: limits)
    _ = try one.open()
    #expect(one.takeOutput() == header(type: 1, flags: 1, stream: 1, length: 1000))
    var two = YamuxMachine(.responder, limits: limits)
    let opened = try two.events(header(type: 0, flags: 1, stream: 1, length: 3) + [1, 2, 3])
    #expect(opened == [.opened(1), .data(1, [1, 2, 3])])
    two.accept(1)
    #expect(two.takeOutput() == header(type: 1, flags: 2, stream: 1, length: 1000))
    let rest = [UInt8](repeating: 0, count: window + 1000 - 3)
    let events = try two.events(header(type: 0, stream: 1, length: UInt32(rest.count)) + rest)
    #expect(events == [.data(1, rest)])
    #expect(error(of: header(type: 0, stream: 1, length: 1), to: &two) == .windowExceeded(1, byteCount: 1))
  }

  @Test("half-close both ways, in either order, forgets the stream")
  func finishing() throws {
    var machine = try Self.accepted()
    machine.finish(1)
    #expect(machine.takeOutput() == header(type: 1, flags: 4, stream: 1))
    let refused = machine.send([1], on: 1)
    #expect(refused == nil)
    let events = try machine.events(header(type: 0, flags: 4, stream: 1, length: 2) + [1, 2])
    #expect(events == [.data(1, [1, 2]), .finished(1)])
    #expect(machine.streamCount == 0)

    var other = try Self.accepted()
    let finished = try other.events(header(type: 1, flags: 4, stream: 1))
    #expect(finished == [.finished(1)])
    #expect(other.streamCount == 1)
    let sent = other.send([5], on: 1)
    #expect(sent == 1)
    other.finish(1)
    #expect(other.streamCount == 0)
    #expect(other.takeOutput() == header(type: 0, stream: 1, length: 1) + [5] + header(type: 1, flags: 4, stream: 1))
  }

  @Test("reset from either side; what is on its way is passed over")
  func resets() throws {
    var machine = try Self.accepted()
    let events = try machine.events(header(type: 1, flags: 8, stream: 1))
    #expect(events == [.reset(1)])
    #expect(machine.streamCount == 0)

    var other = try Self.accepted()
    other.reset(1)
    #expect(other.takeOutput() == header(type: 1, flags: 8, stream: 1))
    let late = try other.events(
      header(type: 0, stream: 1, length: 3) + [1, 2, 3] + header(type: 1, stream: 1, length: 9)
        + header(type: 2, flags: 1, length: 4))
    #expect(late == [])
    #expect(other.takeOutput() == header(type: 2, flags: 2, length: 4))
    // Calls about it do nothing.
    other.reset(1)
    other.finish(1)
    other.consume(5, of: 1)
    #expect(other.takeOutput() == [])
  }

  @Test("data with a reset is passed over, data that opens and resets at once opens nothing")
  func resetsWithData() throws {
    var machine = try Self.accepted()
    let events = try machine.events(
      header(type: 0, flags: 8, stream: 1, length: 2) + [1, 2] + header(type: 2, flags: 1))
    #expect(events == [.reset(1)])
    let both = try machine.events(header(type: 0, flags: 9, stream: 3, length: 1) + [1])
    #expect(both == [])
    #expect(machine.streamCount == 0)
  }

  @Test("pings are answered with their value; answers to nobody's question are nothing")
  func pings() throws {
    var machine = YamuxMachine(.initiator)
    _ = try machine.events(header(type: 2, flags: 1, length: 0xDEAD_BEEF))
    #expect(machine.takeOutput() == header(type: 2, flags: 2, length: 0xDEAD_BEEF))
    for value in 0..<8 { #expect(ping(UInt32(value), &machine)) }
    #expect(!ping(8, &machine), "the limit")
    let events = try machine.events(header(type: 2, flags: 2, length: 3) + header(type: 2, flags: 2, length: 3))
    #expect(events == [.pong(3)])
    #expect(ping(8, &machine))
  }

  private func ping(_ value: UInt32, _ machine: inout YamuxMachine) -> Bool { machine.ping(value) }

  @Test("going away: no new streams on either side, the old ones go on")
  func goAway() throws {
    var machine = try Self.accepted()
    machine.goAway()
    machine.goAway(.internalError)
    #expect(machine.takeOutput() == header(type: 3))
    #expect(throws: YamuxRefusal.goingAway) { try machine.open() }
    let late = try machine.events(header(type: 1, flags: 1, stream: 3) + header(type: 0, stream: 1, length: 1) + [4])
    #expect(late == [.data(1, [4])])
    #expect(machine.takeOutput() == header(type: 1, flags: 8, stream: 3))

    var other = try Self.accepted()
    let events = try other.events(header(type: 3, length: 2))
    #expect(events == [.goAway(.internalError)])
    #expect(throws: YamuxRefusal.goingAway) { try other.open() }
    let sent = other.send([1], on: 1)
    #expect(sent == 1)
  }

  @Test("frames that no such stream may have")
  func violations() throws {
    let wrong: [([UInt8], YamuxError)] = [
      (header(type: 1, flags: 1, stream: 2), .misplacedStream(2)),
      (header(type: 1, flags: 1, stream: 1), .streamInUse(1)),
      (header(type: 0, stream: 3, length: 1), .unknownStream(3)),
      (header(type: 1, stream: 2), .unknownStream(2)),
      (header(type: 1, flags: 8, stream: 5), .unknownStream(5)),
      (header(type: 0, stream: 1, length: UInt32(window) + 1), .windowExceeded(1, byteCount: window + 1)),
      (header(type: 1, stream: 1, length: .max), .windowOverflow(1)),
      (header(type: 1, flags: 4, stream: 1) + header(type: 0, stream: 1, length: 1), .dataAfterFinish(1)),
    ]
    for (bytes, expected) in wrong {
      var machine = try Self.accepted()
      #expect(error(of: bytes, to: &machine) == expected)
      #expect(machine.streamCount == 0)
      #expect(machine.takeOutput() == header(type: 3, length: 1))
    }
  }

  @Test("a frame for a stream that is gone may be a window long, and no longer")
  func late() throws {
    var machine = try Self.accepted()
    machine.reset(1)
    let payload = [UInt8](repeating: 1, count: window)
    let events = try machine.events(header(type: 0, stream: 1, length: UInt32(window)) + payload)
    #expect(events == [])
    #expect(
      error(of: header(type: 0, stream: 1, length: UInt32(window) + 1), to: &machine)
        == .windowExceeded(1, byteCount: window + 1))
  }

  @Test("the same events, whole or in two pieces cut anywhere, or byte by byte")
  func pieces() throws {
    let bytes =
      header(type: 1, flags: 1, stream: 1) + header(type: 0, stream: 1, length: 5) + [1, 2, 3, 4, 5]
      + header(type: 2, flags: 1, length: 7) + header(type: 0, flags: 5, stream: 3, length: 2) + [6, 7]
      + header(type: 1, stream: 1, length: 100) + header(type: 0, flags: 4, stream: 1) + header(type: 3)
    func run(_ pieces: [[UInt8]]) throws -> ([YamuxEvent], [UInt8]) {
      var machine = YamuxMachine(.responder)
      var events = [YamuxEvent]()
      for piece in pieces {
        for event in try machine.events(piece) {
          // Data comes as it is cut.
          if case .data(let id, let more) = event, case .data(id, let before)? = events.last {
            events[events.count - 1] = .data(id, before + more)
          } else {
            events.append(event)
          }
        }
      }
      return (events, machine.takeOutput())
    }
    let whole = try run([bytes])
    #expect(whole.0.count == 7)
    for cut in bytes.indices {
      let halves = try run([Array(bytes[..<cut]), Array(bytes[cut...])])
      #expect(halves == whole, "cut at \(cut)")
    }
    let single = try run(bytes.map { [$0] })
    #expect(single == whole)
  }

  @Test("a broken connection resets every stream")
  func disconnect() throws {
    var machine = try Self.accepted()
    _ = try machine.open()
    machine.disconnect()
    #expect(machine.drained() == [.reset(1), .reset(2)])
    #expect(error(of: [], to: &machine) == .ended)
    #expect(throws: YamuxRefusal.goingAway) { try machine.open() }
  }

  @Test("the driver that does not poll, or consumes what never came, traps")
  func misuse() async {
    await #expect(processExitsWith: .failure) {
      var machine = YamuxMachine(.responder)
      try machine.receive(header(type: 1, flags: 1, stream: 1).rawSpan)
      try machine.receive(header(type: 1, flags: 1, stream: 3).rawSpan)
    }
    await #expect(processExitsWith: .failure) {
      var machine = try YamuxMachineTests.accepted()
      machine.consume(1, of: 1)
    }
  }
}

@Suite("yamux, limits")
struct YamuxLimitTests {
  private func limits(_ change: (inout YamuxLimits) -> Void) -> YamuxLimits {
    var limits = YamuxLimits()
    change(&limits)
    return limits
  }

  @Test("the peer's streams: one too many is reset, and the next may come when one is gone")
  func inbound() throws {
    var machine = YamuxMachine(.responder, limits: limits { $0.inboundStreamCount = 2 })
    let events = try machine.events(
      header(type: 1, flags: 1, stream: 1) + header(type: 1, flags: 1, stream: 3)
        + header(type: 0, flags: 1, stream: 5, length: 2) + [1, 2] + header(type: 0, stream: 5, length: 1) + [3])
    #expect(events == [.opened(1), .opened(3)])
    #expect(machine.takeOutput() == header(type: 1, flags: 8, stream: 5))
    let later = try machine.events(header(type: 1, flags: 8, stream: 1) + header(type: 1, flags: 1, stream: 7))
    #expect(later == [.reset(1), .opened(7)])
  }

  @Test("this side's streams, and those of them that wait for an answer")
  func outbound() throws {
    var machine = YamuxMachine(
      .initiator,
      limits: limits {
        $0.outboundStreamCount = 3
        $0.unacknowledgedStreamCount = 2
      })
    _ = try (machine.open(), machine.open())
    #expect(throws: YamuxRefusal.tooManyUnacknowledged(limit: 2)) { try machine.open() }
    _ = try machine.events(header(type: 1, flags: 2, stream: 1))
    _ = try machine.open()
    _ = try machine.events(header(type: 1, flags: 2, stream: 3) + header(type: 1, flags: 2, stream: 5))
    #expect(throws: YamuxRefusal.tooManyStreams(limit: 3)) { try machine.open() }
    machine.reset(1)
    let next = try machine.open()
    #expect(next == 7)
  }

  @Test("numbers are used once: after the last one no stream opens")
  func exhaustion() throws {
    var machine = YamuxMachine(.initiator)
    machine.nextStream = .max
    let last = try machine.open()
    #expect(last == .max)
    #expect(throws: YamuxRefusal.exhausted) { try machine.open() }
    // The peer may still speak about it.
    let events = try machine.events(header(type: 1, flags: 2, stream: .max) + header(type: 1, flags: 8, stream: .max))
    #expect(events == [.acknowledged(.max), .reset(.max)])
    let late = try machine.events(header(type: 1, flags: 8, stream: .max))
    #expect(late == [])
  }

  @Test("a window is what the specification gives; consuming half of it gives that half back")
  func window() throws {
    var machine = try YamuxMachineTests.accepted()
    let all = [UInt8](repeating: 1, count: 256 << 10)
    let events = try machine.events(header(type: 0, stream: 1, length: UInt32(all.count)) + all)
    #expect(events == [.data(1, all)])
    machine.consume(all.count / 2 - 1, of: 1)
    #expect(machine.takeOutput() == [])
    machine.consume(1, of: 1)
    #expect(machine.takeOutput() == header(type: 1, stream: 1, length: 128 << 10))
    machine.consume(all.count / 2, of: 1)
    #expect(machine.takeOutput() == header(type: 1, stream: 1, length: 128 << 10))
    #expect(
      error(of: header(type: 0, stream: 1, length: 262_145), to: &machine) == .windowExceeded(1, byteCount: 262_145))
  }

  @Test("what a frame under way still brings is not given again", arguments: [false, true])
  func windowInsideFrame(isAccepted: Bool) throws {
    var machine = YamuxMachine(.responder)
    let opened = try machine.events(header(type: 1, flags: 1, stream: 1))
    #expect(opened == [.opened(1)])
    if isAccepted { machine.accept(1) }
    _ = machine.takeOutput()
    let half = [UInt8](repeating: 1, count: 128 << 10)
    let update = header(type: 1, stream: 1, length: 128 << 10)
    let first = try machine.events(header(type: 0, stream: 1, length: 256 << 10) + half)
    #expect(first == [.data(1, half)])
    machine.consume(half.count, of: 1)
    machine.accept(1)
    #expect(machine.takeOutput() == update + (isAccepted ? [] : header(type: 1, flags: 2, stream: 1)))
    let second = try machine.events(half)
    #expect(second == [.data(1, half)])
    machine.consume(half.count, of: 1)
    #expect(machine.takeOutput() == update)
    #expect(
      error(of: header(type: 0, stream: 1, length: 262_145), to: &machine) == .windowExceeded(1, byteCount: 262_145))
  }

  @Test("a writer stops at the peer's window, and goes on when it opens")
  func sendWindow() throws {
    var machine = YamuxMachine(.initiator, limits: limits { $0.outputByteCount = 1 << 20 })
    _ = try machine.open()
    let bytes = [UInt8](repeating: 2, count: 300 << 10)
    let sent = machine.send(bytes, on: 1)
    #expect(sent == 256 << 10)
    let more = machine.send([1], on: 1)
    #expect(more == 0)
    _ = machine.takeOutput()
    #expect(machine.drained() == [], "the output is free, the window is not")
    let events = try machine.events(header(type: 1, flags: 2, stream: 1, length: 5))
    #expect(events == [.writable(1), .acknowledged(1)] || events == [.acknowledged(1), .writable(1)])
    let rest = machine.send(bytes, on: 1)
    #expect(rest == 5)
  }

  @Test("the output takes so much and no more; taking it wakes the writers in turn")
  func output() throws {
    var machine = YamuxMachine(.initiator, limits: limits { $0.outputByteCount = 1000 })
    _ = try (machine.open(), machine.open())
    let bytes = [UInt8](repeating: 3, count: 5000)
    let first = machine.send(bytes, on: 3)
    #expect(first == 1000 - 3 * 12)
    let second = machine.send(bytes, on: 1)
    #expect(second == 0)
    #expect(machine.outputByteCount == 1000)
    _ = machine.takeOutput()
    #expect(machine.drained() == [.writable(3), .writable(1)])
    #expect(machine.takeOutput() == [])
    #expect(machine.drained() == [], "each is told once")
  }

  @Test("long data goes in frames that let others in between")
  func frames() throws {
    var machine = YamuxMachine(.initiator, limits: limits { $0.frameByteCount = 100 })
    _ = try machine.open()
    _ = machine.takeOutput()
    let sent = machine.send([UInt8](repeating: 4, count: 250), on: 1)
    #expect(sent == 250)
    let output = machine.takeOutput()
    #expect(output.count == 250 + 3 * 12)
    #expect(Array(output[..<12]) == header(type: 0, stream: 1, length: 100))
    #expect(Array(output[224..<236]) == header(type: 0, stream: 1, length: 50))
  }

  @Test("what lies unread in all streams: the stream that passes the limit is reset")
  func unread() throws {
    var machine = YamuxMachine(.responder, limits: limits { $0.unreadByteCount = 256 << 10 })
    _ = try machine.events(header(type: 1, flags: 1, stream: 1) + header(type: 1, flags: 1, stream: 3))
    machine.accept(1)
    machine.accept(3)
    _ = machine.takeOutput()
    let most = [UInt8](repeating: 5, count: (256 << 10) - 10)
    _ = try machine.events(header(type: 0, stream: 1, length: UInt32(most.count)) + most)
    let atLimit = try machine.events(header(type: 0, stream: 3, length: 10) + [UInt8](repeating: 6, count: 10))
    #expect(atLimit == [.data(3, [UInt8](repeating: 6, count: 10))])
    let events = try machine.events(header(type: 0, stream: 3, length: 2) + [7, 7] + header(type: 2, flags: 1))
    #expect(events == [.overrun(3)])
    #expect(machine.takeOutput() == header(type: 1, flags: 8, stream: 3) + header(type: 2, flags: 2))
    #expect(machine.unreadByteCount == most.count)
    machine.consume(most.count, of: 1)
    #expect(machine.unreadByteCount == 0)
  }

  @Test("a peer that asks and does not read the answers")
  func answers() throws {
    let limits = limits {
      $0.outputByteCount = 100
      $0.answerByteCount = 20
    }
    var machine = YamuxMachine(.responder, limits: limits)
    // Ten answers are 120 bytes, the limit; the eleventh makes 132; the question after it is one too many.
    for _ in 0..<11 { _ = try machine.events(header(type: 2, flags: 1)) }
    #expect(machine.outputByteCount == 132)
    #expect(error(of: header(type: 2, flags: 1), to: &machine) == .answersUnread(limit: 120))
    var patient = YamuxMachine(.responder, limits: limits)
    for _ in 0..<100 {
      _ = try patient.events(header(type: 2, flags: 1))
      _ = patient.takeOutput()
    }
  }
}
