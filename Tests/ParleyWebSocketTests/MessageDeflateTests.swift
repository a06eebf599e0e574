import ParleyWire
import TestSupport
import Testing

@testable import ParleyWebSocket

extension MessageInflater {
  /// Inflates a whole message that comes in these pieces.
  func message(
    _ pieces: [[UInt8]], maximumByteCount: Int = 1 << 24, maximumRatio: Int = 2000
  ) throws(WebSocketError) -> [UInt8] {
    var output: [UInt8] = []
    for (index, piece) in pieces.enumerated() {
      try inflate(
        piece.rawSpan, isFinal: index == pieces.count - 1, maximumByteCount: maximumByteCount,
        maximumRatio: maximumRatio, into: &output)
    }
    return output
  }

  func message(_ payload: [UInt8]) throws(WebSocketError) -> [UInt8] { try message([payload]) }
}

extension MessageDeflater {
  func message(_ payload: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    deflate(payload.rawSpan, into: &output)
    return output
  }
}

/// Messages of every character: empty, tiny, repetitive, random, and larger than a window and than zlib's steps.
enum SampleMessages {
  static let all: [[UInt8]] = {
    var random = SplitMix64(seed: 7692)
    let noise = { (count: Int) in (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) } }
    let quote = Array(#"{"type":"quote","instrument":"BTC-28APR26-76000-C","bid":"0.0205","ask":"0.0235"}"#.utf8)
    return [
      [], [0], [0x61], Array("Hello".utf8), quote, [UInt8](repeating: 0x61, count: 600),
      (0..<40).flatMap { quote + Array("\($0)".utf8) }, noise(100), noise(5000), noise(100_000),
      [UInt8](repeating: 0, count: 200_000), (0..<3).flatMap { _ in noise(33_000) } + noise(33_000),
    ]
  }()
}

@Suite("permessage-deflate: messages")
struct MessageDeflateTests {
  let pool = DeflatePool()

  func inflater(_ windowBits: Int = 15, keepsContext: Bool = false) -> MessageInflater {
    MessageInflater(windowBits: windowBits, keepsContext: keepsContext, pool: pool)
  }

  func deflater(
    _ windowBits: Int = 15, keepsContext: Bool = false, options: PermessageDeflate.Options = .init()
  ) -> MessageDeflater {
    MessageDeflater(windowBits: windowBits, keepsContext: keepsContext, options: options, pool: pool)
  }

  @Test("what is deflated inflates to itself, in every window, with and without context", arguments: 8...15)
  func roundTrip(windowBits: Int) throws {
    for keepsContext in [false, true] {
      for level in [0, 1, 6, 9] {
        var options = PermessageDeflate.Options()
        options.level = level
        options.memoryLevel = level == 1 ? 1 : 8
        let out = deflater(windowBits, keepsContext: keepsContext, options: options)
        let back = inflater(windowBits, keepsContext: keepsContext)
        for message in SampleMessages.all + SampleMessages.all.reversed() {
          let payload = out.message(message)
          #expect(try back.message(payload) == message)
          // Less than deflateBound's promise, and never zlib's flush marker.
          #expect(payload.count <= message.count + message.count / 8 + 64)
          #expect(!payload.isEmpty)
        }
      }
    }
  }

  /// The farthest back that any match of this stream refers: what window its receiver needs.
  ///
  /// zlib notices a reference beyond its window exactly when it writes one byte a call.
  func fits(_ payloads: [[UInt8]], windowBits: Int) -> Bool {
    let stream = InflateStream(windowBits: windowBits)
    do throws(WebSocketError) {
      for payload in payloads {
        let input = payload + [0, 0, 0xFF, 0xFF]
        var position = 0
        var output: [UInt8] = []
        while try stream.inflate(input.rawSpan, from: &position, room: 1, into: &output) == .needsRoom {}
      }
      return true
    } catch {
      return false
    }
  }

  @Test("no reference goes back farther than the window that was agreed", arguments: 8...15)
  func windows(windowBits: Int) {
    // Repeats at every distance, so that a larger window would be used if it were there.
    var random = SplitMix64(seed: 15)
    let phrase = (0..<64).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    var message: [UInt8] = []
    while message.count < 100_000 {
      message += phrase
      message += (0..<Int(random.next() % 9000)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }
    for keepsContext in [false, true] {
      let out = deflater(windowBits, keepsContext: keepsContext)
      let payloads = [out.message(message), out.message(message), out.message(Array("aaaaaaaaaaaaaaa".utf8))]
      #expect(fits(payloads, windowBits: windowBits))
    }
    // The check sees a stream with a larger window.
    if windowBits < 15 { #expect(!fits([deflater(15).message(message)], windowBits: windowBits)) }
  }

  @Test("a message comes in any pieces: split at every offset, and a byte at a time")
  func pieces() throws {
    let message = Array("Hello, hello, hello: \(String(repeating: "abc", count: 50))".utf8)
    let payload = deflater().message(message)
    for split in 0...payload.count {
      #expect(try inflater().message([Array(payload[..<split]), Array(payload[split...])]) == message)
    }
    #expect(try inflater().message(payload.map { [$0] } + [[]]) == message)
  }

  @Test("a message that is cut anywhere is refused")
  func cuts() {
    // Two blocks: the end of the first is no end of the message.
    let payload: [UInt8] = [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00]
    for count in 1..<payload.count where count != 4 {
      #expect(throws: WebSocketError.invalidDeflateData, "\(count)") {
        try inflater().message(Array(payload[..<count]))
      }
    }
    // After four bytes comes exactly what the receiver adds.
    #expect(throws: Never.self) { try inflater().message(Array(payload[..<4])) }
  }

  @Test("the examples of RFC 7692 section 7.2.3")
  func examples() throws {
    let hello = Array("Hello".utf8)
    for hex in [
      "f248cdc9c90700", "000500faff48656c6c6f00", "f348cdc9c9070000", "f24805000000ffffcac9c90700",
      // Senders that forget the byte after a final block are followed.
      "f348cdc9c90700",
    ] {
      #expect(try inflater().message([UInt8](hex: hex)!) == hello, "\(hex)")
      #expect(try inflater(keepsContext: true).message([UInt8](hex: hex)!) == hello, "\(hex)")
    }
    let withContext = inflater(keepsContext: true)
    #expect(try withContext.message([UInt8](hex: "f248cdc9c90700")!) == hello)
    #expect(try withContext.message([UInt8](hex: "f200110000")!) == hello)
    // The same bytes refer back to nothing where each message stands alone.
    let without = inflater()
    #expect(try without.message([UInt8](hex: "f248cdc9c90700")!) == hello)
    #expect(throws: WebSocketError.invalidDeflateData) { try without.message([UInt8](hex: "f200110000")!) }
    // And our compressor says the same as the RFC's.
    let out = deflater(keepsContext: true)
    #expect(out.message(hello).hex == "f248cdc9c90700")
    #expect(out.message(hello).hex == "f200110000")
    #expect(deflater().message(hello).hex == "f248cdc9c90700")
  }

  @Test("blocks follow a final one, and refer back past it")
  func finalBlocks() throws {
    let hello = Array("Hello".utf8)
    // A final block and the second message of section 7.2.3.2, in one message and in two.
    let back = inflater(keepsContext: true)
    #expect(try back.message([UInt8](hex: "f348cdc9c90700f200110000")!) == hello + hello)
    #expect(try back.message([UInt8](hex: "f348cdc9c9070000")!) == hello)
    #expect(try back.message([UInt8](hex: "f200110000")!) == hello)
    // Final blocks that hold nothing, a byte of garbage, and a block type that does not exist.
    #expect(try back.message([UInt8](hex: "030003000300" + "00")!) == [])
    #expect(try back.message([UInt8](hex: "01")!) == [])
    for hex in ["f348cdc9c9070007", "07", "ff", "f248cdc9c907", "f248cdc9c9070005", "02", "05", "00000001"] {
      #expect(throws: WebSocketError.invalidDeflateData, "\(hex)") { try inflater().message([UInt8](hex: hex)!) }
    }
  }

  @Test("empty messages: an empty block, and no byte at all")
  func empty() throws {
    for keepsContext in [false, true] {
      let back = inflater(keepsContext: keepsContext)
      for payload: [UInt8] in [[0], [], [0], [0x02, 0x00]] { #expect(try back.message(payload) == []) }
      let out = deflater(keepsContext: keepsContext)
      let hello = Array("Hello".utf8)
      for message in [[], hello, [], [], hello] { #expect(try back.message(out.message(message)) == message) }
      #expect(out.message([]) == [0])
    }
  }

  @Test("the inflated size has a limit: at it, and one past, without a byte more")
  func sizeLimit() throws {
    for limit in [0, 1, 100, MessageInflater.step - 1, MessageInflater.step, MessageInflater.step + 1, 300_000] {
      let message = [UInt8](repeating: 0x61, count: limit)
      #expect(try inflater().message([deflater().message(message)], maximumByteCount: limit) == message)
      let payload = deflater().message(message + [0x61])
      var output: [UInt8] = []
      #expect(throws: WebSocketError.messageTooBig(limit: limit)) {
        try inflater().inflate(
          payload.rawSpan, isFinal: true, maximumByteCount: limit, maximumRatio: .max, into: &output)
      }
      #expect(output.count == limit + 1)
    }
  }

  @Test("the limit counts the whole message, whatever the pieces")
  func sizeLimitInPieces() throws {
    let payload = deflater().message([UInt8](repeating: 0x61, count: 5000)).map { [$0] }
    #expect(try inflater().message(payload, maximumByteCount: 5000).count == 5000)
    #expect(throws: WebSocketError.messageTooBig(limit: 4999)) {
      try inflater().message(payload, maximumByteCount: 4999)
    }
  }

  @Test("a bomb is refused after a few kilobytes, and takes memory in proportion")
  func bomb() throws {
    var options = PermessageDeflate.Options()
    options.level = 9
    let payload = deflater(options: options).message([UInt8](repeating: 0, count: 64 << 20))
    #expect(payload.count < 70_000)
    for pieces in [[payload], payload.map { [$0] }] {
      let back = inflater()
      var output: [UInt8] = []
      #expect(throws: WebSocketError.inflationRatioExceeded(limit: 100)) {
        for piece in pieces {
          try back.inflate(
            piece.rawSpan, isFinal: false, maximumByteCount: 1 << 30, maximumRatio: 100, into: &output)
        }
      }
      #expect(output.count == MessageInflater.freeByteCount + MessageInflater.step)
      #expect(output.capacity < 1 << 18)
    }
  }

  @Test("the ratio has a limit: at it, and one past, and none below 64 KiB")
  func ratioLimit() throws {
    let free = MessageInflater.freeByteCount
    let small = deflater().message([UInt8](repeating: 0, count: free))
    #expect(try inflater().message([small], maximumRatio: 1).count == free)
    let larger = deflater().message([UInt8](repeating: 0, count: free + 1))
    #expect(throws: WebSocketError.inflationRatioExceeded(limit: 1)) {
      try inflater().message([larger], maximumRatio: 1)
    }
    // Of the whole message, where no step ends: stored blocks first, then what inflates, so that the end is the worst.
    var random = SplitMix64(seed: 1)
    let noise = (0..<3000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let message = noise + [UInt8](repeating: 0, count: 80_000)
    let payload = deflater().message(message)
    let ratio = (message.count + payload.count - 1) / payload.count
    #expect(try inflater().message([payload], maximumRatio: ratio) == message)
    #expect(throws: WebSocketError.inflationRatioExceeded(limit: ratio - 1)) {
      try inflater().message([payload], maximumRatio: ratio - 1)
    }
    // No limit at all does not overflow.
    #expect(try inflater().message([payload], maximumRatio: .max) == message)
  }

  @Test("where the ratio is looked at does not depend on the pieces")
  func ratioInPieces() throws {
    // A beginning that inflates far more than the whole does.
    var random = SplitMix64(seed: 2)
    let message =
      [UInt8](repeating: 0, count: 62_000) + (0..<40_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let payload = deflater().message(message)
    for size in [1, 7, 64, 1000, payload.count] {
      let pieces = stride(from: 0, to: payload.count, by: size).map {
        Array(payload[$0..<min(payload.count, $0 + size)])
      }
      #expect(try inflater().message(pieces, maximumRatio: 20) == message, "\(size)")
    }
  }

  @Test("after a fault the next message of a connection without context is read as if nothing had been")
  func afterFault() throws {
    let back = inflater()
    #expect(throws: WebSocketError.invalidDeflateData) { try back.message([0xFF]) }
    let message = Array("Hello".utf8)
    #expect(try back.message(deflater().message(message)) == message)
  }

  @Test("connections without context share streams, those with context have their own")
  func sharing() throws {
    let message = Array("Hello".utf8)
    let payload = deflater().message(message)
    let connections = (0..<20).map { _ in inflater() }
    // All are in the middle of a message at once.
    var output: [UInt8] = []
    for connection in connections {
      try connection.inflate(
        payload[..<3].bytes.rawSpan, isFinal: false, maximumByteCount: 10, maximumRatio: 10, into: &output)
    }
    #expect(pool.idleCounts == (0, 1))
    for connection in connections {
      output = try connection.message([Array(payload[3...])], maximumByteCount: 10)
      #expect(output.count + 0 <= 5)
    }
    #expect(pool.idleCounts == (DeflatePool.maximumIdleInflaterCount, 1))
    // One that goes away in the middle gives its stream back.
    do {
      let gone = inflater()
      try gone.inflate(
        payload[..<3].bytes.rawSpan, isFinal: false, maximumByteCount: 10, maximumRatio: 10, into: &output)
      #expect(pool.idleCounts.inflaters == DeflatePool.maximumIdleInflaterCount - 1)
    }
    #expect(pool.idleCounts.inflaters == DeflatePool.maximumIdleInflaterCount)
    let own = inflater(keepsContext: true)
    #expect(try own.message(payload) == message)
    #expect(pool.idleCounts.inflaters == DeflatePool.maximumIdleInflaterCount)
  }

  @Test("the pool keeps a few shapes")
  func shapes() throws {
    for windowBits in 8...15 {
      for level in 1...3 {
        var options = PermessageDeflate.Options()
        options.level = level
        let message = Array("Hello, hello, hello".utf8)
        #expect(try inflater().message(deflater(windowBits, options: options).message(message)) == message)
      }
    }
    #expect(pool.idleCounts.deflaters == DeflatePool.maximumDeflaterCount)
  }
}

extension ArraySlice where Element == UInt8 {
  fileprivate var bytes: [UInt8] { Array(self) }
}
