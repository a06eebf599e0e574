import ParleyNoise
import ParleyWire
import Testing

@testable import ParleyPeer

/// What a peer may do wrong on the streams of a channel, and what ends for it.
@Suite("The streams of a channel, against a peer that breaks a rule")
struct ChannelStreamsFaultTests {
  static let hello = Multistream.encode("/multistream/1.0.0")
  static let ping = hello + Multistream.encode("/parley/ping/1")
  static let negotiation = hello + Multistream.encode("/parley/negotiate/1")

  static func data(_ stream: UInt32, _ bytes: [UInt8], flags: UInt16 = 0) -> [UInt8] {
    header(type: 0, flags: flags, stream: stream, length: UInt32(bytes.count)) + bytes
  }

  /// An initiator whose negotiation stands.
  static func initiator() throws -> ChannelStreams {
    var streams = ChannelStreams(.initiator)
    _ = try streams.events(data(2, negotiation, flags: 1))
    _ = streams.takeOutput()
    return streams
  }

  /// What `bytes` make of an initiator whose negotiation stands; afterwards it takes nothing more.
  static func error(_ bytes: [UInt8]) throws -> ChannelStreamsError? {
    var streams = try initiator()
    let error = streams.fault(of: bytes)
    let again = streams.fault(of: [])
    #expect(again == .ended)
    #expect(!streams.hasOutput && streams.takeOutput().isEmpty, "no protocol bytes after an error")
    return error
  }

  static let fatalFrames: [([UInt8], ChannelStreamsError)] = [
    (header(version: 1, type: 2), ChannelStreamsError.yamux(.unknownVersion(1))),
    (header(type: 4, stream: 2), .yamux(.unknownType(4))),
    (header(type: 1, flags: 16, stream: 2), .yamux(.unknownFlags(16))),
    (header(type: 0, stream: 0), .yamux(.misplacedStream(0))),
    (header(type: 2, flags: 1, stream: 2), .yamux(.misplacedStream(2))),
    (header(type: 1, flags: 1, stream: 3), .yamux(.misplacedStream(3))),
    (header(type: 1, flags: 1, stream: 2), .yamux(.streamInUse(2))),
    (header(type: 0, stream: 4, length: 1), .yamux(.unknownStream(4))),
    (header(type: 0, stream: 1, length: 1), .yamux(.unknownStream(1))),
    (header(type: 0, stream: 2, length: 262_145), .yamux(.windowExceeded(2, byteCount: 262_145))),
    (header(type: 1, stream: 2, length: .max), .yamux(.windowOverflow(2))),
    (header(type: 3, length: 1), .goneAway(.protocolError)),
    (header(type: 3, length: 2), .goneAway(.internalError)),
    (header(type: 3, length: 9), .goneAway(.other(9))),
    (header(type: 1, flags: 4, stream: 2), .negotiationEnded),
    (header(type: 1, flags: 8, stream: 2), .negotiationEnded),
    (data(2, [0, 0, 0, 0]), .wrongMessageLength(0)),
    (data(2, [0, 1, 0, 1]), .wrongMessageLength(65_537)),
  ]

  @Test("the channel ends", arguments: fatalFrames)
  func fatal(bytes: [UInt8], expected: ChannelStreamsError) throws {
    #expect(try Self.error(bytes) == expected)
  }

  @Test("messages before the fault are there to be had")
  func before() throws {
    var streams = try Self.initiator()
    let fault = streams.fault(of: Self.data(2, [0, 0, 0, 1, 7]) + header(type: 1, flags: 8, stream: 2))
    #expect(fault == .negotiationEnded)
    #expect(streams.drained() == [.negotiation([7])])
  }

  @Test("a responder whose negotiation is turned down, or answered with nonsense")
  func refused() throws {
    let answers: [([UInt8], MultistreamError)] = [
      (Self.hello + Multistream.encode("na"), .noneAvailable), (Self.ping, .unexpectedAnswer),
      (Multistream.encode("/multistream/2.0.0"), .unexpectedHeader), ([0x80, 0x80], .messageTooLong(limit: 1024)),
    ]
    for (answer, expected) in answers {
      var streams = ChannelStreams(.responder)
      let fault = streams.fault(of: header(type: 1, flags: 2, stream: 2) + Self.data(2, answer))
      #expect(fault == .negotiationRefused(expected))
    }
  }

  @Test("CLOSE has to come between frames, and between messages of the negotiation")
  func close() throws {
    let ends: [([UInt8], ChannelStreamsError?)] = [
      ([], nil), ([0], .truncatedFrame), (header(type: 0, stream: 2, length: 1), .truncatedFrame),
      (Self.data(2, [0, 0, 0, 2, 1]), .truncatedMessage), (Self.data(2, [0, 0, 0, 1, 1]), nil),
    ]
    for (bytes, expected) in ends {
      var streams = try Self.initiator()
      _ = try streams.events(bytes)
      var found: ChannelStreamsError?
      do throws(ChannelStreamsError) { try streams.receiveClose() } catch { found = error }
      #expect(found == expected, "\(bytes)")
      #expect(streams.hasOutput == false)
    }
    var early = ChannelStreams(.initiator)
    try early.receiveClose()
  }

  static let faultsOfOne: [[UInt8]] = [
    // The agreement is malformed, has another header, ends too early, or goes on for ever.
    data(4, [0x80, 0x80], flags: 1), data(4, Multistream.encode("/multistream/2.0.0"), flags: 1),
    data(4, hello, flags: 5), data(4, hello + (0..<33).flatMap { Multistream.encode("/p/\($0)") }, flags: 1),
    // A second negotiation; a ping that ends inside a block.
    data(4, negotiation, flags: 1), data(4, ping + [1, 2, 3], flags: 5),
    // Messages of a feed of impossible length, and one that the end cuts.
    data(4, hello + Multistream.encode("/parley/feed/1") + [0, 0, 0, 0], flags: 1),
    data(4, hello + Multistream.encode("/parley/feed/1") + [0, 0, 0, 2, 1], flags: 5),
  ]

  @Test("one stream ends, and no other", arguments: faultsOfOne)
  func one(bytes: [UInt8]) throws {
    var streams = ChannelStreams(.initiator, protocols: ["/parley/feed/1"])
    _ = try streams.events(Self.data(2, Self.negotiation, flags: 1))
    _ = streams.takeOutput()
    _ = try streams.events(bytes)
    #expect(streams.takeOutput().suffix(12) == header(type: 1, flags: 8, stream: 4)[...])
    #expect(streams.counters.open == 1 && streams.counters.reset == 1)
    #expect(try streams.events(Self.data(2, [0, 0, 0, 1, 7])) == [.negotiation([7])])
  }

  @Test("a protocol that nobody speaks is answered with na, and the next proposal may be better")
  func unknownProtocol() throws {
    var streams = try Self.initiator()
    let proposals = Self.hello + Multistream.encode("/parley/book/1") + Multistream.encode("/parley/ping/1")
    _ = try streams.events(Self.data(4, proposals, flags: 1))
    let answer = Self.hello + Multistream.encode("na") + Multistream.encode("/parley/ping/1")
    #expect(streams.takeOutput() == header(type: 1, flags: 2, stream: 4) + Self.data(4, answer))
    // The responder does not even offer the negotiation.
    var responder = ChannelStreams(.responder)
    _ = responder.takeOutput()
    _ = try responder.events(Self.data(1, Self.negotiation, flags: 1))
    #expect(
      responder.takeOutput()
        == header(type: 1, flags: 2, stream: 1) + Self.data(1, Self.hello + Multistream.encode("na")))
  }

  @Test("32 streams of the peer, and one more is reset")
  func tooMany() throws {
    var streams = try Self.initiator()
    for number in 2...33 {
      let id = UInt32(2 * number)
      _ = try streams.events(header(type: 1, flags: 1, stream: id))
      let output = streams.takeOutput()
      #expect(output == header(type: 1, flags: number < 33 ? 2 : 8, stream: id), "\(number)")
    }
    #expect(streams.counters.open == 32)
    #expect(try streams.events(Self.data(2, [0, 0, 0, 1, 7])) == [.negotiation([7])])
  }

  @Test("a second stream of pings is reset, and a new one taken when the first is over")
  func secondPing() throws {
    var streams = try Self.initiator()
    _ = try streams.events(Self.data(4, Self.ping, flags: 1) + Self.data(6, Self.ping, flags: 1))
    #expect(try ChannelStreamsTests.frames(streams.takeOutput()).contains { $0.flags == .rst && $0.stream == 6 })
    _ = try streams.events(header(type: 1, flags: 8, stream: 4) + Self.data(8, Self.ping + [UInt8](0..<32), flags: 1))
    let frames = try ChannelStreamsTests.frames(streams.takeOutput())
    #expect(frames.last?.stream == 8 && frames.last?.length == UInt32(Self.ping.count + 32))
  }

  @Test("an answer that nobody asked for, or another than the question, ends the stream of pings")
  func wrongPong() throws {
    var streams = try Self.initiator()
    let answers: [[UInt8]] = [Array(ChannelStreamsTests.question.reversed()), [UInt8](repeating: 0, count: 33)]
    for (round, answer) in answers.enumerated() {
      let isAsked = streams.ping(ChannelStreamsTests.question, now: .now)
      #expect(isAsked)
      let id = UInt32(2 * round + 1)
      _ = streams.takeOutput()
      #expect(try streams.events(header(type: 1, flags: 2, stream: id) + Self.data(id, Self.ping + answer)) == [])
      #expect(streams.takeOutput() == header(type: 1, flags: 8, stream: id))
      #expect(streams.counters.lostPings == round + 1 && streams.counters.roundTrip == nil)
    }
    _ = streams.ping(ChannelStreamsTests.question, now: .now)
    _ = streams.takeOutput()
    let right = Self.ping + ChannelStreamsTests.question
    _ = try streams.events(header(type: 1, flags: 2, stream: 5) + Self.data(5, right))
    #expect(streams.counters.pongs == 1)
    _ = try streams.events(Self.data(5, [1]))
    #expect(streams.takeOutput() == header(type: 1, flags: 8, stream: 5))
    #expect(streams.counters.lostPings == 2)
  }

  @Test("a peer that has this side answer and does not read ends the channel, at a limit")
  func answers() throws {
    var streams = try Self.initiator()
    let limit = 16_379 + (16 << 10)
    let pings = limit / 12
    for _ in 0..<pings { _ = try streams.events(header(type: 2, flags: 1, length: 5)) }
    _ = try streams.events(header(type: 2, flags: 1, length: 5))
    let fault = streams.fault(of: header(type: 2, flags: 1, length: 5))
    #expect(fault == .yamux(.answersUnread(limit: limit)))
    // Whoever reads may ask for ever.
    var read = try Self.initiator()
    for _ in 0..<2 * pings {
      _ = try read.events(header(type: 2, flags: 1, length: 5))
      #expect(read.takeOutput() == header(type: 2, flags: 2, length: 5))
    }
  }

  @Test("go away in order is told, and takes no stream that is open")
  func goAway() throws {
    var streams = try Self.initiator()
    #expect(try streams.events(header(type: 3)) == [.goneAway])
    let isAsked = streams.ping(ChannelStreamsTests.question, now: .now)
    #expect(!isAsked)
    #expect(try streams.events(Self.data(2, [0, 0, 0, 1, 7])) == [.negotiation([7])])
  }
}
