import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyHandshake

/// Two ends of one direction with the same secret.
struct Direction: ~Copyable {
  static let secret = SecretBytes(repeating: 0x5A, count: 32)
  var sending = RecordDirection(sender: .initiator, secret: secret)
  var receiving = RecordDirection(sender: .initiator, secret: secret)

  mutating func seal(_ body: [UInt8], type: UInt8 = 16) throws(HandshakeError) -> [UInt8] {
    var record = [UInt8]()
    try sending.seal(type: type, body.rawSpan, reserving: .nothing, into: &record)
    return record
  }

  mutating func open(_ record: [UInt8]) throws(HandshakeError) -> (type: UInt8, body: [UInt8]) {
    var buffer = record
    let opened = try receiving.open(in: &buffer)
    return (opened.type, Array(buffer[opened.body]))
  }

  /// The first record of the direction with a plaintext of any form.
  static func forge(inner: [UInt8]) -> [UInt8] {
    var key = TrafficKey(secret: secret)
    var record: [UInt8] = [0, 0, 0, 0]
    let data: [UInt8] = [0, 0, 0, 0, 0x49, 0, 0, 0, 0, 0, 0, 0, 0]
    let nonce = key.iv.masked(by: 0)
    key.cipher.seal(inner.rawSpan, nonce: nonce, additionalData: data.rawSpan, appendingTo: &record)
    return record
  }
}

@Suite("Records")
struct RecordTests {
  @Test("the least length that holds a body, at and around every step")
  func buckets() throws {
    var direction = Direction()
    for inner in [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384] {
      for (count, expected) in [(inner - 6, inner), (inner - 5, inner), (inner - 4, inner * 2)]
      where count <= RecordLimits.bodyByteCount {
        let body = [UInt8](repeating: 0xAB, count: count)
        let record = try direction.seal(body)
        #expect(record.count == 4 + expected + 16, "\(count)")
        #expect(try direction.open(record).body == body)
      }
    }
    let empty = try direction.seal([])
    #expect(empty.count == 84)
    #expect(try direction.open(empty).body == [])
    #expect(RecordLimits.bodyByteCount == 16_379 && RecordLimits.wireByteCount == 16_404)
  }

  @Test("a body of one byte more traps: the caller cuts it")
  func bodyLimit() async {
    await #expect(processExitsWith: .failure) {
      var direction = Direction()
      _ = try direction.seal([UInt8](repeating: 0, count: 16_380))
    }
  }

  @Test("every length that is none")
  func lengths() throws {
    for count in Array(0...330) + [16_403, 16_405, 32_788, 1 << 20] where ![84, 148, 276].contains(count) {
      var direction = Direction()
      #expect(throws: HandshakeError.wrongRecordLength(count)) {
        try direction.open([UInt8](repeating: 0, count: count))
      }
    }
  }

  @Test("every changed bit")
  func changed() throws {
    var sender = Direction()
    let record = try sender.seal([1, 2, 3])
    for bit in 0..<record.count * 8 {
      var direction = Direction()
      var changed = record
      changed[bit / 8] ^= 0x80 >> (bit % 8)
      let expected: HandshakeError = bit < 32 ? .unexpectedEpoch(0x8000_0000 >> UInt32(bit)) : .recordDecryptionFailed
      #expect(throws: expected, "bit \(bit)") { try direction.open(changed) }
    }
  }

  @Test("replayed, dropped, reordered, the first one removed")
  func sequence() throws {
    func open(_ order: [Int]) throws -> HandshakeError? {
      var direction = Direction()
      var records = [[UInt8]]()
      for index in 0..<4 { records.append(try direction.seal([UInt8(index)])) }
      do throws(HandshakeError) {
        for index in order { _ = try direction.open(records[index]) }
        return nil
      } catch {
        return error
      }
    }
    #expect(try open([0, 1, 2, 3]) == nil)
    for order in [[0, 0], [0, 1, 0], [0, 2], [1], [1, 0], [0, 1, 3, 2]] {
      #expect(try open(order) == .recordDecryptionFailed, "\(order)")
    }
  }

  @Test("keys change after 512 records, not one earlier or later")
  func keyUpdate() throws {
    var direction = Direction()
    let second = TrafficKey.successor(of: Direction.secret)
    for index in 0..<1100 {
      let record = try direction.seal([UInt8(truncatingIfNeeded: index)])
      if [511, 512, 1023, 1024].contains(index) {
        let secret =
          switch index {
          case 511: Direction.secret
          case 512, 1023: second
          default: TrafficKey.successor(of: second)
          }
        var key = TrafficKey(secret: secret)
        var data: [UInt8] = [0, 0, 0, 0, 0x49]
        data.appendBigEndian(UInt64(index))
        let nonce = key.iv.masked(by: UInt64(index))
        var inner = [UInt8]()
        #expect(throws: Never.self, "record \(index)") {
          try key.cipher.open(
            record.rawSpan.extracting(4..<record.count), nonce: nonce, additionalData: data.rawSpan, appendingTo: &inner
          )
        }
      }
      #expect(try direction.open(record).body == [UInt8(truncatingIfNeeded: index)])
    }
  }

  @Test("a plaintext of the wrong form, sealed with the right keys")
  func malformed() throws {
    func error(_ inner: [UInt8]) -> HandshakeError? {
      var direction = Direction()
      return failure { () throws(HandshakeError) in _ = try direction.open(Direction.forge(inner: inner)) }
    }
    func inner(_ size: Int, length: UInt32, type: UInt8 = 16) -> [UInt8] {
      var bytes = [type]
      bytes.appendBigEndian(length)
      return bytes + [UInt8](repeating: 0, count: size - 5)
    }
    #expect(error(inner(64, length: 59)) == nil)
    #expect(error(inner(64, length: 60)) == .malformedRecord)
    #expect(error(inner(64, length: .max)) == .malformedRecord)
    #expect(error(inner(64, length: 16_380)) == .malformedRecord)
    #expect(error(inner(16_384, length: 16_380)) == .malformedRecord)
    #expect(error(inner(128, length: 59)) == .malformedRecord)
    #expect(error(inner(128, length: 60)) == nil)
    #expect(error(inner(16_384, length: 0)) == .malformedRecord)
    for offset in 8..<64 {
      var padded = inner(64, length: 3)
      padded[offset] = 1
      #expect(error(padded) == .malformedRecord, "offset \(offset)")
    }
    #expect(error(inner(96, length: 91)) == .wrongRecordLength(116))
  }

  @Test("2^16 records: 65,534 of the application, and room for OFFER and CLOSE")
  func recordLimit() throws {
    var channels = try Handshake().channels()
    var buffer = [UInt8]()
    var record = [UInt8]()
    let body: [UInt8] = [7]
    // The responder's ACCEPT was one of its records; the initiator has all of them left.
    for index in 0..<65_534 {
      record.removeAll(keepingCapacity: true)
      try channels.initiator.seal(.application, body.rawSpan, into: &record)
      let opened = try channels.responder.open(record.rawSpan, into: &buffer)
      guard opened.body.count == 1 else {
        Issue.record("record \(index)")
        return
      }
    }
    #expect(throws: HandshakeError.epochExhausted) { try channels.initiator.seal(.application, [7]) }
    #expect(throws: HandshakeError.epochExhausted) { try channels.initiator.seal(.application, []) }
    let close = try channels.initiator.seal(.close)
    #expect(try channels.responder.open(close).type == .close)
    #expect(try channels.initiator.open(channels.responder.seal(.application, [1])).body == [1])
  }

  @Test("268,435,456 bytes: the last that fits, and the one that does not")
  func byteLimit() throws {
    var sending = RecordDirection(sender: .initiator, secret: Direction.secret)
    let body = [UInt8](repeating: 1, count: RecordLimits.bodyByteCount)
    var record = [UInt8]()
    let free = Int(ChannelLimits().epochBytes) - 8212 - 84
    let fitting = free / RecordLimits.wireByteCount
    for _ in 0..<fitting {
      record.removeAll(keepingCapacity: true)
      try sending.seal(type: 16, body.rawSpan, reserving: .renewal, into: &record)
    }
    record.removeAll()
    #expect(
      failure { () throws(HandshakeError) in
        try sending.seal(type: 16, body.rawSpan, reserving: .renewal, into: &record)
      } == .epochExhausted)
    #expect(record.isEmpty)
    // What is left holds smaller ones, and what is kept free is enough for the longest OFFER and CLOSE.
    for _ in 0..<free % RecordLimits.wireByteCount / 84 {
      try sending.seal(type: 16, [1].rawSpan, reserving: .renewal, into: &record)
    }
    #expect(record.count % 84 == 0)
    #expect(
      failure { () throws(HandshakeError) in
        try sending.seal(type: 16, [1].rawSpan, reserving: .renewal, into: &record)
      } == .epochExhausted)
    try sending.seal(type: 4, [UInt8](repeating: 0, count: 4597).rawSpan, reserving: .close, into: &record)
    let nothing = [UInt8]()
    try sending.seal(type: 3, nothing.rawSpan, reserving: .nothing, into: &record)
  }

  @Test("a receiver refuses what a sender may not send")
  func receiverLimit() throws {
    var direction = Direction()
    for _ in 0..<65_536 { _ = try direction.open(direction.seal([])) }
    #expect(throws: HandshakeError.epochExhausted) { try direction.seal([]) }
    #expect(throws: HandshakeError.epochExhausted) { try direction.open([UInt8](repeating: 0, count: 84)) }
  }
}

@Suite("The channel")
struct SecureChannelTests {
  @Test("a record reflected to its sender does not open")
  func reflection() throws {
    var channels = try Handshake().channels()
    let record = try channels.initiator.seal(.application, [1])
    #expect(throws: HandshakeError.recordDecryptionFailed) { try channels.initiator.open(record) }
  }

  @Test("an error erases the keys: nothing more is sealed, opened or called truncated")
  func erasure() throws {
    var channels = try Handshake().channels()
    let record = try channels.initiator.seal(.application, [1])
    #expect(throws: HandshakeError.wrongRecordLength(83)) { try channels.responder.open(Array(record.dropLast())) }
    #expect(throws: HandshakeError.ended) { try channels.responder.open(record) }
    #expect(throws: HandshakeError.ended) { try channels.responder.seal(.application, [1]) }
    #expect(throws: HandshakeError.ended) { try channels.responder.seal(.close) }
    try channels.responder.connectionEnded()
  }

  @Test("CLOSE ends a direction; what comes after it is an error")
  func close() throws {
    var channels = try Handshake().channels()
    let close = try channels.initiator.seal(.close)
    #expect(close.count == 84)
    #expect(throws: HandshakeError.closed) { try channels.initiator.seal(.application, [1]) }
    #expect(throws: HandshakeError.closed) { try channels.initiator.seal(.close) }
    let opened = try channels.responder.open(close)
    #expect(opened.type == .close && opened.body.isEmpty)
    let hasReceivedClose = channels.responder.hasReceivedClose
    #expect(hasReceivedClose)
    // The other direction is still open.
    #expect(try channels.initiator.open(channels.responder.seal(.application, [5])).body == [5])
    _ = try channels.initiator.open(channels.responder.seal(.close))
    try channels.initiator.connectionEnded()
    #expect(throws: HandshakeError.recordAfterClose) { try channels.responder.open(close) }
    try channels.responder.connectionEnded()
  }

  @Test("a connection that ends without CLOSE was cut")
  func truncation() throws {
    var channels = try Handshake().channels()
    _ = try channels.responder.open(channels.initiator.seal(.application, [1]))
    #expect(throws: HandshakeError.truncated) { try channels.responder.connectionEnded() }
    #expect(throws: HandshakeError.ended) { try channels.responder.seal(.application, [1]) }
    // To have sent CLOSE oneself is not enough.
    _ = try channels.initiator.seal(.close)
    #expect(throws: HandshakeError.truncated) { try channels.initiator.connectionEnded() }
  }

  @Test("types that are not due", arguments: [0, 1, 2, 4, 5, 6, 7, 8, 9, 15, 17, 255] as [UInt8])
  func types(type: UInt8) throws {
    var channels = try Handshake().channels()
    // The next record of a responder that is not this program: one record, ACCEPT, went before.
    var rogue = RogueResponder(try Handshake().responder)
    var initiator = try Handshake().makeInitiator()
    let three = try initiator.receiveMessage2(rogue.message2(answering: initiator.message1))
    let schedule = try rogue.schedule(after: three)
    var sending = RecordDirection(sender: .responder, secret: schedule.secret(.responderToInitiator))
    var record = [UInt8]()
    let accept = AcceptBody(
      initiator: channels.responder.peer.did, responder: channels.initiator.peer.did,
      resumeID: [UInt8](repeating: 0, count: 16), priorityTokens: [UInt8](repeating: 0, count: 128)
    ).encoded
    try sending.seal(type: 1, accept.rawSpan, reserving: .nothing, into: &record)
    try initiator.receiveAccept(record)
    channels.initiator = initiator.split()
    record.removeAll()
    try sending.seal(type: type, [0, 0].rawSpan, reserving: .nothing, into: &record)
    #expect(throws: HandshakeError.unexpectedRecordType(type)) { try channels.initiator.open(record) }
    #expect(throws: HandshakeError.ended) { try channels.initiator.seal(.application, []) }
  }

  @Test("one buffer serves record after record")
  func buffers() throws {
    var channels = try Handshake().channels()
    var wire: [UInt8] = [0xEE]
    var buffer = [UInt8](repeating: 9, count: 100)
    try channels.initiator.seal(.application, [1, 2, 3].rawSpan, into: &wire)
    #expect(wire[0] == 0xEE && wire.count == 85)
    let opened = try channels.responder.open(wire.rawSpan.extracting(1..<85), into: &buffer)
    #expect(Array(buffer[opened.body]) == [1, 2, 3])
    let close = try channels.initiator.seal(.close)
    let last = try channels.responder.open(close.rawSpan, into: &buffer)
    #expect(last.type == .close && last.body.isEmpty)
  }

  @Test("a CLOSE with a body, and a type that the handshake alone sends, trap when sealed")
  func misuse() async {
    await #expect(processExitsWith: .failure) {
      var channels = try Handshake().channels()
      _ = try channels.initiator.seal(.close, [1])
    }
    await #expect(processExitsWith: .failure) {
      var channels = try Handshake().channels()
      _ = try channels.initiator.seal(.accept, [])
    }
  }
}
