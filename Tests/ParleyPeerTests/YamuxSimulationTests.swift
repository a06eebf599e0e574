import ParleyNoise
import ParleyWire
import TestSupport
import Testing

@testable import ParleyPeer

/// One side of a simulated connection, with a writer and a reader that act at random.
private struct End: ~Copyable {
  var machine: YamuxMachine
  /// What each stream has yet to send, and what was sent on it.
  var unsent: [UInt32: ArraySlice<UInt8>] = [:]
  var sent: [UInt32: [UInt8]] = [:]
  var received: [UInt32: [UInt8]] = [:]
  var unread: [UInt32: Int] = [:]
  var finished: Set<UInt32> = []
  var wire: [UInt8] = []

  init(_ side: NoiseRole, _ limits: YamuxLimits) { machine = YamuxMachine(side, limits: limits) }

  mutating func handleEvents() {
    while let event = machine.poll() {
      switch event {
      case .opened(let id): machine.accept(id)
      case .data(let id, let bytes):
        received[id, default: []] += bytes
        unread[id, default: 0] += bytes.count
      case .finished(let id): finished.insert(id)
      case .writable(let id): write(id)
      case .acknowledged, .pong: continue
      case .reset, .overrun, .goAway: Issue.record("\(event)")
      }
    }
  }

  mutating func write(_ id: UInt32) {
    guard let bytes = unsent[id] else { return }
    guard let count = machine.send(bytes.span.bytes, on: id) else {
      Issue.record("stream \(id) is gone")
      return
    }
    sent[id, default: []] += bytes.prefix(count)
    unsent[id] = bytes.dropFirst(count)
    if count == bytes.count {
      unsent[id] = nil
      machine.finish(id)
    }
  }
}

@Suite("yamux, two sides")
struct YamuxSimulationTests {
  @Test(
    "random writers, readers and cuts: every byte arrives once, in order, and nothing passes its limit",
    arguments: 1...8)
  func conversation(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    var limits = YamuxLimits()
    limits.outputByteCount = 2000
    limits.frameByteCount = 700
    limits.answerByteCount = 64 << 10
    limits.unacknowledgedStreamCount = 3
    limits.outboundStreamCount = 5
    var first = End(.initiator, limits)
    var second = End(.responder, limits)
    var opened = 0
    for step in 0..<200_000 {
      act(&first, &random, isOpening: opened < 30, &opened)
      act(&second, &random, isOpening: opened < 30, &opened)
      try carry(from: &first, to: &second, &random)
      try carry(from: &second, to: &first, &random)
      #expect(first.machine.unreadByteCount <= limits.unreadByteCount, "seed \(seed)")
      let isQuiet = first.wire.isEmpty && second.wire.isEmpty && first.machine.outputByteCount == 0
      if opened == 30, isQuiet, first.machine.streamCount == 0, second.machine.streamCount == 0 { break }
      guard step < 199_999 else {
        Issue.record("seed \(seed): it never ends")
        return
      }
    }
    #expect(first.received == second.sent, "seed \(seed)")
    #expect(second.received == first.sent, "seed \(seed)")
    let finished = (first.finished, second.finished)
    #expect(finished.0.count == 30 && finished.1 == finished.0, "seed \(seed)")
  }

  private func act(_ end: inout End, _ random: inout SplitMix64, isOpening: Bool, _ opened: inout Int) {
    if isOpening, Int.random(in: 0..<8, using: &random) == 0, let id = try? end.machine.open() {
      opened += 1
      end.start(id, &random)
    }
    // Answer on what the peer opened.
    for id in end.received.keys.sorted() where end.sent[id] == nil && end.unsent[id] == nil { end.start(id, &random) }
    for id in end.unread.keys.sorted() {
      guard let count = end.unread[id], count > 0, Bool.random(using: &random) else { continue }
      let read = Int.random(in: 1...count, using: &random)
      end.machine.consume(read, of: id)
      end.unread[id] = count - read
    }
    end.handleEvents()
  }

  private func carry(from: inout End, to: inout End, _ random: inout SplitMix64) throws {
    if Bool.random(using: &random) {
      #expect(from.machine.outputByteCount <= 2000 + (64 << 10))
      from.wire += from.machine.takeOutput()
      from.handleEvents()
    }
    guard !from.wire.isEmpty else { return }
    let count = Int.random(in: 1...from.wire.count, using: &random)
    try to.machine.receive(from.wire.rawSpan.extracting(0..<count))
    from.wire.removeFirst(count)
    to.handleEvents()
  }
}

extension End {
  fileprivate mutating func start(_ id: UInt32, _ random: inout SplitMix64) {
    // Some of them are longer than a window.
    let count = Int.random(in: 0..<10, using: &random) == 0 ? 400_000 : Int.random(in: 1..<5000, using: &random)
    let first = UInt8.random(in: 0...255, using: &random)
    unsent[id] = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) &+ first }[...]
    write(id)
  }
}
