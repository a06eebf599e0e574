import ParleyWire
import TestSupport
import Testing

@testable import ParleyHandshake

@Suite("Bytes on their way into records")
struct RecordQueueTests {
  @Test("pieces of all sizes share records, as few as hold them")
  func shared() throws {
    var random = SplitMix64(seed: 7)
    let pieces = (0..<60).map { _ in random.bytes(1 + Int(random.next() % 9000)) }
    var channels = try Handshake().channels()
    var queue = RecordQueue()
    for piece in pieces { queue.append(piece) }
    let total = pieces.reduce(0) { $0 + $1.count }
    #expect(queue.byteCount == total)
    var records = [[UInt8]]()
    try queue.seal(with: &channels.initiator) { records.append(Array($0)) }
    #expect(queue.isEmpty)
    #expect(records.count == (total + 16_378) / 16_379)
    var received = [UInt8]()
    for record in records { received += try channels.responder.open(record).body }
    #expect(received == pieces.flatMap(\.self))
  }

  @Test("what has no room in this epoch stays, in order")
  func exhausted() throws {
    var limits = ChannelLimits()
    limits.epochRecords = 4
    var channels = try Handshake().channels(limits: limits)
    var queue = RecordQueue()
    let bytes = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 / 251) }
    queue.append(bytes)
    var records = [[UInt8]]()
    #expect(
      failure { () throws(HandshakeError) in
        try queue.seal(with: &channels.initiator) { records.append(Array($0)) }
      } == .epochExhausted)
    #expect(records.count == 2 && queue.byteCount == bytes.count - 2 * 16_379)
    queue.append([1, 2, 3])
    #expect(queue.byteCount == bytes.count + 3 - 2 * 16_379)
    var other = try Handshake().channels()
    try queue.seal(with: &other.initiator) { records.append(Array($0)) }
    var received = [UInt8]()
    for record in records[..<2] { received += try channels.responder.open(record).body }
    for record in records[2...] { received += try other.responder.open(record).body }
    #expect(received == bytes + [1, 2, 3])
  }
}
