import Testing

@testable import ParleyWebSocket

@Suite("Chunked bodies")
struct ChunkedBodyReaderTests {
  static let good = "5\r\nhello\r\n6;a=\"b\"\r\n world\r\n000\r\nTrailer: x\r\n\r\n"

  @Test("a body is put together, split at every offset, and what follows is left")
  func reading() throws {
    let bytes = Array((Self.good + "next").utf8)
    for split in 0...bytes.count {
      var reader = ChunkedBodyReader(maximumByteCount: 64)
      let first = try reader.receive(bytes[..<split])
      let second = try reader.receive(bytes[first...])
      #expect(first + second == Self.good.utf8.count, "split at \(split)")
      #expect(reader.isComplete)
      #expect(reader.body == Array("hello world".utf8))
    }
  }

  @Test("a cut body is not complete")
  func cuts() throws {
    let bytes = Array(Self.good.utf8)
    for cut in 0..<bytes.count {
      var reader = ChunkedBodyReader(maximumByteCount: 64)
      #expect(try reader.receive(bytes[..<cut]) == cut)
      #expect(!reader.isComplete)
    }
  }

  @Test(
    "anything else is refused",
    arguments: [
      "g\r\n", "-1\r\n", "+5\r\n", "0x5\r\n", " 5\r\n", "5 \r\n", "\r\n", "5\n", "5;a\nb\r\n", "5;\r\n", "5; \r\n",
      "5;a=\"b\r\n", "5;a=\"b\\\"\r\n", "5\r\rhello",
      "5\r\nhelloXX",
      "5\r\nhello\rX", "0\r\n\rX", "0\r\nT: x\n", "0\r\nT: x\rX",
    ])
  func faults(text: String) {
    var reader = ChunkedBodyReader(maximumByteCount: 64)
    #expect(throws: HTTPError.malformedChunk) { try reader.receive(Array(text.utf8)) }
  }

  @Test("the body has a limit: at it, and one past; so has the rest")
  func limits() throws {
    let two = Array("2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n".utf8)
    var atLimit = ChunkedBodyReader(maximumByteCount: 18)
    _ = try atLimit.receive(two)
    #expect(atLimit.isComplete)
    var past = ChunkedBodyReader(maximumByteCount: 3)
    #expect(throws: HTTPError.bodyTooLarge(limit: 3)) { try past.receive(two) }
    var endless = ChunkedBodyReader(maximumByteCount: 64)
    #expect(throws: HTTPError.bodyTooLarge(limit: 64)) {
      try endless.receive(Array(("0\r\nT: " + String(repeating: "x", count: 100)).utf8))
    }
    for size in ["ffffffffffffffff", "fffffffffffffff", "7fffffffffffffff0"] {
      var huge = ChunkedBodyReader(maximumByteCount: 64)
      #expect(throws: HTTPError.bodyTooLarge(limit: 64)) { try huge.receive(Array("\(size)\r\n".utf8)) }
    }
  }
}
