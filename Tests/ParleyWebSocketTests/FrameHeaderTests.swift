import ParleyWire
import Testing

@testable import ParleyWebSocket

@Suite("Frame headers")
struct FrameHeaderTests {
  @Test(
    "every length goes out in its shortest form and comes back",
    arguments: [
      (0, 2), (1, 2), (125, 2), (126, 4), (127, 4), (65535, 4), (65536, 10), (Int.max, 10),
    ])
  func roundTrip(byteCount: Int, size: Int) throws {
    for key in [nil, sampleKey] {
      let header = FrameHeader(opcode: .binary, maskingKey: key, byteCount: byteCount)
      var bytes: [UInt8] = []
      header.encode(into: &bytes)
      #expect(bytes.count == size + (key == nil ? 0 : 4))
      let sender: WebSocketMachine.Role = key == nil ? .server : .client
      let decoded = try #require(try FrameHeader.decode(bytes, from: sender))
      #expect(decoded.header == header)
      #expect(decoded.size == bytes.count)
      for cut in 0..<bytes.count {
        #expect(try FrameHeader.decode(bytes[..<cut], from: sender) == nil, "cut at \(cut)")
      }
    }
  }

  @Test(
    "a fault shows at the first byte that has it",
    arguments: [
      ("c1", WebSocketError.reservedBits(0b100)), ("a1", .reservedBits(0b010)), ("91", .reservedBits(0b001)),
      ("83", .reservedOpcode(3)), ("8f", .reservedOpcode(15)), ("09", .fragmentedControlFrame),
      ("8205", .unmaskedFrame), ("89fe", .controlFrameTooLong(126)), ("88ff", .controlFrameTooLong(127)),
      ("82fe007d", .nonMinimalLength(125)), ("82ff000000000000ffff", .nonMinimalLength(65535)),
      ("82ff8000000000000000", .lengthTopBitSet), ("82ffffffffffffffffff", .lengthTopBitSet),
    ])
  func faults(hex: String, error: WebSocketError) throws {
    let bytes = try #require([UInt8](hex: hex))
    #expect(throws: error) { try FrameHeader.decode(bytes, from: .client) }
    for cut in 0..<bytes.count where bytes.count > 2 || cut == 0 {
      #expect(try FrameHeader.decode(bytes[..<cut], from: .client) == nil)
    }
  }

  @Test("a server's frame is not masked")
  func maskedServer() {
    #expect(throws: WebSocketError.maskedFrame) { try FrameHeader.decode([0x82, 0x80], from: .server) }
  }

  @Test("masking is right at every length, offset and phase")
  func masking() {
    let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
    for count in [0, 1, 3, 7, 8, 9, 31, 32, 33, 40, 63, 64, 65, 100] {
      for start in 0..<9 {
        for phase in 0..<5 {
          let plain = (0..<(start + count + 3)).map { UInt8(truncatingIfNeeded: $0 &* 7) }
          var bytes = plain
          var span = bytes.mutableSpan
          var raw = span.mutableBytes
          sampleKey.apply(to: &raw, start..<(start + count), phase: phase)
          let expected = plain.indices.map { index in
            (start..<(start + count)).contains(index) ? plain[index] ^ key[(index - start + phase) & 3] : plain[index]
          }
          #expect(bytes == expected, "count \(count), start \(start), phase \(phase)")
        }
      }
    }
  }
}
