import ParleyWire
import TestSupport
import Testing

@testable import ParleyPeer

@Suite("A stream of messages")
struct MessageStreamTests {
  /// What a stream makes of bytes that come in these pieces.
  func messages(_ pieces: [[UInt8]]) throws(MessageLengthError) -> [[UInt8]] {
    var stream = MessageStream()
    var messages = [[UInt8]]()
    for piece in pieces { messages += try stream.receive(piece.rawSpan) }
    return messages
  }

  static func encode(_ messages: [[UInt8]]) -> [UInt8] {
    messages.reduce(into: []) { MessageStream.encode($1, into: &$0) }
  }

  @Test("known bytes")
  func knownBytes() throws {
    #expect(Self.encode([[0xAA], [1, 2, 3]]) == [0, 0, 0, 1, 0xAA, 0, 0, 0, 3, 1, 2, 3])
    #expect(try messages([[0, 0, 0, 1, 0xAA, 0, 0, 0, 3, 1, 2, 3]]) == [[0xAA], [1, 2, 3]])
  }

  @Test("cut at every offset, and into single bytes")
  func cuts() throws {
    let sent: [[UInt8]] = [[1], [UInt8](0..<9), [2, 2], [3]]
    let stream = Self.encode(sent)
    for cut in 0...stream.count {
      #expect(try messages([Array(stream[..<cut]), [], Array(stream[cut...])]) == sent, "cut at \(cut)")
    }
    #expect(try messages(stream.map { [$0] }) == sent)
  }

  @Test("every end inside a message is seen")
  func ends() throws {
    let stream = Self.encode([[1, 2, 3], [4]])
    for end in 0...stream.count {
      var receiving = MessageStream()
      _ = try receiving.receive(stream.rawSpan.extracting(0..<end))
      #expect(receiving.isAtBoundary == [0, 7, 12].contains(end), "end at \(end)")
    }
  }

  @Test("lengths of 0, 65,536 and 65,537")
  func limits() throws {
    let longest = [UInt8](repeating: 5, count: 65_536)
    #expect(try messages([Self.encode([longest, [1]])]) == [longest, [1]])
    #expect(throws: MessageLengthError(byteCount: 0)) { try messages([[0, 0, 0, 0]]) }
    #expect(throws: MessageLengthError(byteCount: 65_537)) { try messages([[0, 1, 0, 1]]) }
    #expect(throws: MessageLengthError(byteCount: .max)) { try messages([[255, 255], [255, 255, 0]]) }
    // A good message before it does not hide it.
    #expect(throws: MessageLengthError(byteCount: 0)) { try messages([[0, 0, 0, 1, 9, 0, 0, 0, 0]]) }
  }

  @Test("an empty message or one byte too many traps when sent")
  func sendingLimits() async {
    await #expect(processExitsWith: .failure) { _ = MessageStreamTests.encode([[]]) }
    await #expect(processExitsWith: .failure) {
      _ = MessageStreamTests.encode([[UInt8](repeating: 0, count: 65_537)])
    }
  }
}
