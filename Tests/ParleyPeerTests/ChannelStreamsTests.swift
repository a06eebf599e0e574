import ParleyNoise
import ParleyWire
import TestSupport
import Testing

@testable import ParleyPeer

/// The two ends of a channel's streams, and a clock that only the test moves.
struct StreamPair: ~Copyable {
  static let feed = "/parley/feed/1"

  var initiator: ChannelStreams
  var responder: ChannelStreams
  var now = ContinuousClock.now

  init(protocols: [String] = [StreamPair.feed], limits: ChannelStreamLimits = ChannelStreamLimits()) {
    initiator = ChannelStreams(.initiator, protocols: protocols, limits: limits)
    responder = ChannelStreams(.responder, protocols: protocols, limits: limits)
  }

  /// Carries records both ways until nothing is left to carry.
  ///
  /// - Parameter consuming: Whether what comes is dealt with at once.
  mutating func settle(
    consuming: Bool = true
  ) throws(ChannelStreamsError) -> (initiator: [ChannelStreamsEvent], responder: [ChannelStreamsEvent]) {
    var events = (initiator: initiator.drained(consuming), responder: responder.drained(consuming))
    while initiator.hasOutput || responder.hasOutput {
      let (there, back) = (initiator.takeOutput(), responder.takeOutput())
      events.initiator += initiator.drained(consuming)
      events.responder += responder.drained(consuming)
      events.responder += try responder.events(there, now: now, consuming)
      events.initiator += try initiator.events(back, now: now, consuming)
    }
    return events
  }
}

extension ChannelStreams {
  mutating func drained(_ consuming: Bool = false) -> [ChannelStreamsEvent] {
    var events: [ChannelStreamsEvent] = []
    while let event = poll() {
      events.append(event)
      switch event {
      case .negotiation(let message) where consuming: consume(message)
      case .message(let id, let message) where consuming: consume(message, of: id)
      default: break
      }
    }
    return events
  }

  mutating func events(
    _ bytes: [UInt8], now: ContinuousClock.Instant = .now, _ consuming: Bool = false
  ) throws(ChannelStreamsError) -> [ChannelStreamsEvent] {
    try receive(bytes.rawSpan, now: now)
    return drained(consuming)
  }

  /// Opens a stream; 0 is none.
  mutating func openFeed() -> UInt32 { open(StreamPair.feed) ?? 0 }

  /// Why `bytes` are refused.
  mutating func fault(of bytes: [UInt8]) -> ChannelStreamsError? {
    do throws(ChannelStreamsError) {
      try receive(bytes.rawSpan, now: .now)
      return nil
    } catch {
      return error
    }
  }
}

@Suite("The streams of a channel, two ends")
struct ChannelStreamsTests {
  static let question = [UInt8](0..<32)

  static func message(_ byte: UInt8, count: Int) -> [UInt8] { [UInt8](repeating: byte, count: count) }

  @Test("the responder's first record opens the negotiation and carries its first message")
  func firstRecord() throws {
    var pair = StreamPair()
    let isTaken = pair.responder.negotiate([1, 2, 3])
    #expect(isTaken)
    let first = pair.responder.takeOutput()
    let agreement = Multistream.encode("/multistream/1.0.0") + Multistream.encode("/parley/negotiate/1")
    let data = agreement + [0, 0, 0, 3, 1, 2, 3]
    #expect(
      first == header(type: 1, flags: 1, stream: 2) + header(type: 0, stream: 2, length: UInt32(data.count)) + data)
    // What the initiator had to say before waits for the stream, and leaves with the answer.
    let isTakenToo = pair.initiator.negotiate([9])
    #expect(isTakenToo && !pair.initiator.hasOutput && !pair.initiator.hasSentNegotiation)
    #expect(try pair.initiator.events(first) == [.negotiation([1, 2, 3])])
    let answer = agreement + [0, 0, 0, 1, 9]
    #expect(
      pair.initiator.takeOutput()
        == header(type: 1, flags: 2, stream: 2) + header(type: 0, stream: 2, length: UInt32(answer.count)) + answer)
    #expect(pair.initiator.hasSentNegotiation == true)
  }

  @Test("messages of all sizes arrive once and in order on every stream, however the bytes are cut", arguments: 1...4)
  func everything(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    var pair = StreamPair()
    let feed = pair.initiator.openFeed()
    let other = pair.responder.openFeed()
    var sent = (negotiation: [[UInt8]](), back: [[UInt8]](), feed: [[UInt8]](), other: [[UInt8]]())
    var got = sent
    var wires = (there: [UInt8](), back: [UInt8]())
    func take(_ events: [ChannelStreamsEvent], ofInitiator: Bool) {
      for event in events {
        switch event {
        case .negotiation(let message):
          if ofInitiator { got.back.append(message) } else { got.negotiation.append(message) }
        case .message(feed, let message): got.feed.append(message)
        case .message(other, let message): got.other.append(message)
        case .opened, .agreed, .writable: break
        default: Issue.record("\(event), seed \(seed)")
        }
      }
    }
    for _ in 0..<6000 {
      let size = Int.random(in: 0..<20, using: &random) == 0 ? 65_536 : Int.random(in: 1...900, using: &random)
      let message = random.bytes(size)
      switch Int.random(in: 0..<16, using: &random) {
      case 0: if pair.initiator.negotiate(message) { sent.negotiation.append(message) }
      case 1: if pair.responder.negotiate(message) { sent.back.append(message) }
      case 2: if pair.initiator.send(message, on: feed) { sent.feed.append(message) }
      case 3: if pair.responder.send(message, on: other) { sent.other.append(message) }
      case 4, 5: wires.there += pair.initiator.takeOutput()
      case 6, 7: wires.back += pair.responder.takeOutput()
      case 8, 9, 10, 11:
        let count = min(wires.there.count, Int.random(in: 0...20_000, using: &random))
        take(try pair.responder.events(Array(wires.there[..<count]), true), ofInitiator: false)
        wires.there.removeFirst(count)
      default:
        let count = min(wires.back.count, Int.random(in: 0...20_000, using: &random))
        take(try pair.initiator.events(Array(wires.back[..<count]), true), ofInitiator: true)
        wires.back.removeFirst(count)
      }
    }
    take(try pair.responder.events(wires.there, true), ofInitiator: false)
    take(try pair.initiator.events(wires.back, true), ofInitiator: true)
    let rest = try pair.settle()
    take(rest.initiator, ofInitiator: true)
    take(rest.responder, ofInitiator: false)
    #expect(sent.negotiation.count > 100 && sent.feed.count > 100, "seed \(seed)")
    #expect(got.negotiation == sent.negotiation && got.back == sent.back, "seed \(seed)")
    #expect(got.feed == sent.feed && got.other == sent.other, "seed \(seed)")
    try pair.responder.receiveClose()
    try pair.initiator.receiveClose()
  }

  @Test("a feed whose reader has stalled delays neither the negotiation nor a ping")
  func stalled() throws {
    var pair = StreamPair()
    _ = try pair.settle()
    let feed = pair.responder.openFeed()
    while pair.responder.send(Self.message(7, count: 60_000), on: feed) {}
    // Nobody reads it: a window's worth is under way or there, and not one byte more.
    var stalled: [ChannelStreamsEvent] = []
    while pair.responder.hasOutput || pair.initiator.hasOutput {
      stalled += try pair.initiator.events(pair.responder.takeOutput())
      _ = try pair.responder.events(pair.initiator.takeOutput())
    }
    #expect(stalled.count == 1 + 4, "the stream, and four messages of 60,000 bytes in a window of 262,144")
    #expect(pair.initiator.yamux.unreadByteCount == 262_144 - Self.agreementByteCount)
    let isTaken = pair.responder.negotiate([1])
    let isAsked = pair.responder.ping(Self.question, now: pair.now)
    #expect(isTaken && isAsked)
    let record = pair.responder.takeOutput()
    #expect(record.count < 200)
    #expect(try pair.initiator.events(record) == [.negotiation([1])])
    pair.now += .milliseconds(3)
    let answered = try pair.responder.events(pair.initiator.takeOutput(), now: pair.now)
    #expect(answered == [.roundTrip(.milliseconds(3))])
    // Reading gives leave again, and the writer is told.
    for case .message(let id, let message) in stalled { pair.initiator.consume(message, of: id) }
    let after = try pair.settle()
    #expect(after.initiator.contains { if case .message = $0 { true } else { false } })
    #expect(after.responder.contains(.writable(feed)))
  }

  /// What the answer to a proposal of the feed takes of the window.
  static let agreementByteCount =
    (Multistream.encode("/multistream/1.0.0") + Multistream.encode(StreamPair.feed)).count

  @Test("what waits has an equal share of each record, and who wants less leaves the rest to the others")
  func shares() throws {
    var pair = StreamPair()
    _ = try pair.settle()
    let feeds = (0..<3).compactMap { _ in pair.responder.open(StreamPair.feed) }
    for feed in feeds { _ = pair.responder.send(Self.message(7, count: 60_000), on: feed) }
    for _ in 0..<2 {
      let record = pair.responder.takeOutput()
      #expect(record.count <= 16_379 && record.count > 16_379 - 12)
      let frames = try Self.frames(record).filter { $0.kind == .data }
      #expect(Set(frames.map(\.stream)) == Set(feeds) && frames.count == 3)
      let lengths = frames.map(\.length)
      #expect((lengths.max() ?? 0) - (lengths.min() ?? 0) <= 40, "\(lengths)")
    }
    // It was last, and small: it is whole in the very next record, before the others.
    _ = pair.responder.negotiate(Self.message(1, count: 500))
    let frames = try Self.frames(pair.responder.takeOutput())
    #expect(frames.first?.stream == 2 && frames.first?.length == 504)
    #expect(frames.dropFirst().map(\.stream).sorted() == feeds)
    // Alone, it has the whole record.
    var alone = StreamPair()
    _ = try alone.settle()
    _ = alone.responder.negotiate(Self.message(1, count: 60_000))
    #expect(try Self.frames(alone.responder.takeOutput()).map(\.length) == [16_379 - 12])
  }

  static func frames(_ bytes: [UInt8]) throws -> [YamuxFrame] {
    var frames: [YamuxFrame] = []
    var position = 0
    while position < bytes.count {
      let frame = try YamuxFrame.decode(bytes.rawSpan.extracting(position..<(position + 12)))
      frames.append(frame)
      position += 12 + (frame.kind == .data ? Int(frame.length) : 0)
    }
    #expect(position == bytes.count)
    return frames
  }

  @Test("what waits on a stream has a limit, on either side of the agreement")
  func queueLimit() throws {
    var limits = ChannelStreamLimits()
    limits.queueByteCount = 70_000
    var pair = StreamPair(limits: limits)
    let fits = [65_536, 4456, 1].map { pair.initiator.negotiate(Self.message(1, count: $0)) }
    #expect(fits == [true, true, false])
    let events = try pair.settle()
    #expect(events.responder.count == 2)
    let feed = pair.initiator.openFeed()
    let fitsFeed = [65_536, 5000].map { pair.initiator.send(Self.message(1, count: $0), on: feed) }
    #expect(fitsFeed == [true, false])
    #expect(try pair.settle().initiator.contains(.writable(feed)))
    let fitsAgain = pair.initiator.send([1], on: feed)
    #expect(fitsAgain)
  }

  @Test("pings go one at a time on one stream, in both directions; one without an answer is given up")
  func pings() throws {
    var pair = StreamPair()
    _ = try pair.settle()
    for round in 1...3 {
      let isAsked = pair.initiator.ping(Self.question, now: pair.now)
      let isAskedBack = pair.responder.ping(Self.question, now: pair.now)
      #expect(isAsked && isAskedBack)
      let events = try pair.settle()
      #expect(events.initiator == [.roundTrip(.zero)] && events.responder == [.roundTrip(.zero)])
      #expect(pair.initiator.counters.pongs == round)
    }
    #expect(pair.initiator.counters.open == 3 && pair.responder.counters.open == 3)
    // The record with the question is lost in a peer that never answers.
    _ = pair.initiator.ping(Self.question, now: pair.now)
    _ = pair.initiator.takeOutput()
    _ = pair.initiator.ping(Self.question, now: pair.now)
    #expect(pair.initiator.counters.lostPings == 1 && pair.initiator.counters.reset == 1)
    #expect(try pair.settle().initiator == [.roundTrip(.zero)])
    #expect(pair.initiator.counters.open == 3 && pair.responder.counters.open == 3)
  }

  @Test("blocks of a ping come back whole, however they were cut; the stream ends when its opener finishes it")
  func echo() throws {
    var streams = ChannelStreams(.responder)
    _ = streams.takeOutput()
    let opening =
      Multistream.encode("/multistream/1.0.0") + Multistream.encode("/parley/ping/1") + [UInt8](0..<40)
    _ = try streams.events(header(type: 0, flags: 1, stream: 1, length: UInt32(opening.count)) + opening)
    let answer = Multistream.encode("/multistream/1.0.0") + Multistream.encode("/parley/ping/1") + [UInt8](0..<32)
    #expect(
      streams.takeOutput()
        == header(type: 1, flags: 2, stream: 1) + header(type: 0, stream: 1, length: UInt32(answer.count)) + answer)
    _ = try streams.events(header(type: 0, flags: 4, stream: 1, length: 24) + [UInt8](40..<64))
    #expect(
      streams.takeOutput()
        == header(type: 0, stream: 1, length: 32) + [UInt8](32..<64) + header(type: 1, flags: 4, stream: 1))
    #expect(streams.counters.open == 1 && streams.counters.reset == 0)
  }

  @Test("who does not read the answers to its pings can soon send no more")
  func unreadEcho() throws {
    var pair = StreamPair()
    _ = try pair.settle()
    _ = pair.initiator.ping(Self.question, now: pair.now)
    _ = try pair.settle()
    let id = pair.initiator.pings.stream ?? 0
    // The asking side's machine takes all bytes in, and never counts them as read.
    pair.initiator.streams[id]?.purpose = .unnamed
    var asked = 0
    while asked < 4 << 20 {
      pair.initiator.streams[id]?.queue.append(Self.message(1, count: 32_000))
      asked += 32_000
    }
    _ = try pair.settle()
    let unsent = pair.initiator.streams[id]?.queue.count ?? 0
    #expect(asked - unsent <= 2 * 262_144, "two windows: one answered, one not read")
    #expect(pair.responder.yamux.unreadByteCount <= 262_144)
    // Nothing else waits for it.
    _ = pair.initiator.negotiate([5])
    #expect(try pair.settle().responder == [.negotiation([5])])
  }

  @Test("streams end on both sides when both have finished, and a reset is told")
  func ends() throws {
    var pair = StreamPair()
    _ = try pair.settle()
    let feed = pair.initiator.openFeed()
    _ = pair.initiator.send([1, 2], on: feed)
    pair.initiator.finish(feed)
    let isTaken = pair.initiator.send([3], on: feed)
    #expect(!isTaken)
    let opened = try pair.settle()
    #expect(
      opened.responder == [.opened(feed, protocol: StreamPair.feed), .message(feed, [1, 2]), .finished(feed)])
    #expect(opened.initiator == [.agreed(feed)])
    _ = pair.responder.send([4], on: feed)
    pair.responder.finish(feed)
    #expect(try pair.settle().initiator == [.message(feed, [4]), .finished(feed)])
    #expect(pair.initiator.counters.open == 1 && pair.responder.counters.open == 1)
    #expect(pair.initiator.counters.reset == 0)
    let other = pair.responder.openFeed()
    _ = try pair.settle()
    pair.initiator.reset(other)
    #expect(try pair.settle().responder == [.reset(other)])
    #expect(pair.responder.counters == counters(open: 1, opened: 2, accepted: 1, reset: 1))
    #expect(pair.initiator.counters == counters(open: 1, opened: 1, accepted: 2, reset: 1))
    // The negotiation's stream is nobody's to end.
    pair.initiator.reset(2)
    pair.responder.finish(2)
    #expect(pair.initiator.counters.open == 1 && !pair.initiator.hasOutput && !pair.responder.hasOutput)
  }

  private func counters(open: Int, opened: Int, accepted: Int, reset: Int) -> ChannelStreamCounters {
    var counters = ChannelStreamCounters()
    counters.open = open
    counters.opened = opened
    counters.accepted = accepted
    counters.reset = reset
    return counters
  }
}
