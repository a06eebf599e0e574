import ParleyWire
import TestSupport
import Testing

@testable import ParleyHandshake

@Suite("The stream of messages")
struct MessageStreamTests {
  /// What a stream makes of bytes that come in these pieces.
  func messages(_ pieces: [[UInt8]]) throws(HandshakeError) -> [[UInt8]] {
    var stream = MessageStream()
    var messages = [[UInt8]]()
    for piece in pieces { messages += try stream.receive(piece.rawSpan) }
    return messages
  }

  @Test("known bytes")
  func knownBytes() throws {
    #expect(MessageStream.bodies(of: [[0xAA], [1, 2, 3]]) == [[0, 0, 0, 1, 0xAA, 0, 0, 0, 3, 1, 2, 3]])
    #expect(MessageStream.bodies(of: []) == [])
    #expect(try messages([[0, 0, 0, 1, 0xAA, 0, 0, 0, 3, 1, 2, 3]]) == [[0xAA], [1, 2, 3]])
  }

  @Test("cut at every offset, and into single bytes")
  func cuts() throws {
    let sent: [[UInt8]] = [[1], [UInt8](0..<9), [2, 2], [3]]
    let stream = MessageStream.bodies(of: sent)[0]
    for cut in 0...stream.count {
      #expect(try messages([Array(stream[..<cut]), [], Array(stream[cut...])]) == sent, "cut at \(cut)")
    }
    #expect(try messages(stream.map { [$0] }) == sent)
  }

  @Test("every end inside a message is seen")
  func ends() throws {
    let stream = MessageStream.bodies(of: [[1, 2, 3], [4]])[0]
    for end in 0...stream.count {
      var receiving = MessageStream()
      _ = try receiving.receive(stream.rawSpan.extracting(0..<end))
      let isBoundary = [0, 7, 12].contains(end)
      #expect(receiving.isAtBoundary == isBoundary)
      let error = failure { () throws(HandshakeError) in try receiving.finish() }
      #expect(error == (isBoundary ? nil : .truncatedMessage), "end at \(end)")
    }
  }

  @Test("lengths of 0, 65,536 and 65,537")
  func limits() throws {
    let longest = [UInt8](repeating: 5, count: 65_536)
    let bodies = MessageStream.bodies(of: [longest, [1]])
    #expect(bodies.map(\.count) == [16_379, 16_379, 16_379, 16_379, 29])
    #expect(try messages(bodies) == [longest, [1]])
    #expect(throws: HandshakeError.wrongStreamMessageLength(0)) { try messages([[0, 0, 0, 0]]) }
    #expect(throws: HandshakeError.wrongStreamMessageLength(65_537)) { try messages([[0, 1, 0, 1]]) }
    #expect(throws: HandshakeError.wrongStreamMessageLength(.max)) { try messages([[255, 255], [255, 255, 0]]) }
    // A good message before it does not hide it.
    #expect(throws: HandshakeError.wrongStreamMessageLength(0)) { try messages([[0, 0, 0, 1, 9, 0, 0, 0, 0]]) }
  }

  @Test("an empty message or one byte too many traps when sent")
  func sendingLimits() async {
    await #expect(processExitsWith: .failure) { _ = MessageStream.bodies(of: [[]]) }
    await #expect(processExitsWith: .failure) {
      _ = MessageStream.bodies(of: [[UInt8](repeating: 0, count: 65_537)])
    }
  }

  @Test("many messages of all sizes over a channel, in as few records as hold them")
  func overChannel() throws {
    var random = SplitMix64(seed: 7)
    let sent = (0..<60).map { _ in random.bytes(1 + Int(random.next() % 9000)) }
    var channels = try Handshake().channels()
    var queue = MessageQueue(byteLimit: 1 << 20)
    for message in sent {
      let fits = queue.append(message)
      #expect(fits)
    }
    var records = [[UInt8]]()
    try queue.seal(with: &channels.initiator) { records.append(Array($0)) }
    #expect(queue.isEmpty)
    let total = sent.reduce(0) { $0 + 4 + $1.count }
    #expect(records.count == (total + 16_378) / 16_379)
    var stream = MessageStream()
    var received = [[UInt8]]()
    for record in records {
      let opened = try channels.responder.open(record)
      received += try stream.receive(opened.body.rawSpan)
    }
    #expect(received == sent)
    #expect(stream.isAtBoundary)
  }

  @Test("what gathers has a limit, and waits for the next epoch when this one is full")
  func queue() throws {
    var queue = MessageQueue(byteLimit: 24)
    let fit = [10, 7, 6].map { queue.append([UInt8](repeating: UInt8($0), count: $0)) }
    #expect(fit == [true, false, true])
    #expect(queue.byteCount == 24)
    var limits = ChannelLimits()
    limits.epochRecords = 3
    var channels = try Handshake().channels(limits: limits)
    var records = [[UInt8]]()
    try queue.seal(with: &channels.initiator) { records.append(Array($0)) }
    #expect(records.count == 1 && queue.isEmpty)
    _ = queue.append([3])
    #expect(
      failure { () throws(HandshakeError) in
        try queue.seal(with: &channels.initiator) { records.append(Array($0)) }
      } == .epochExhausted)
    #expect(records.count == 1 && queue.byteCount == 5)
    var stream = MessageStream()
    let body = try channels.responder.open(records[0]).body
    let messages = try stream.receive(body.rawSpan)
    #expect(messages == [[UInt8](repeating: 10, count: 10), [UInt8](repeating: 6, count: 6)])
  }
}
