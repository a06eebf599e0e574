import ParleyNoise
import ParleyWire
import TestSupport
import Testing

@testable import ParleyPeer

/// Bytes of a header, right or wrong.
func header(
  version: UInt8 = 0, type: UInt8, flags: UInt16 = 0, stream: UInt32 = 0, length: UInt32 = 0
) -> [UInt8] {
  var bytes = [version, type]
  bytes.appendBigEndian(flags)
  bytes.appendBigEndian(stream)
  bytes.appendBigEndian(length)
  return bytes
}

extension YamuxFrame {
  var encoded: [UInt8] {
    var bytes = [UInt8]()
    encode(into: &bytes)
    return bytes
  }
}

@Suite("yamux, frames")
struct YamuxFrameTests {
  @Test(
    "known bytes, both ways",
    arguments: [
      ("000100010000000100000000", YamuxFrame(kind: .windowUpdate, flags: .syn, stream: 1)),
      ("000100020000000100000000", YamuxFrame(kind: .windowUpdate, flags: .ack, stream: 1)),
      ("000000000000000100000005", YamuxFrame(kind: .data, stream: 1, length: 5)),
      ("0000000c00000001ffffffff", YamuxFrame(kind: .data, flags: [.fin, .rst], stream: 1, length: .max)),
      ("0002000100000000deadbeef", YamuxFrame(kind: .ping, flags: .syn, length: 0xDEAD_BEEF)),
      ("000300000000000000000001", YamuxFrame(kind: .goAway, length: YamuxGoAway.protocolError.code)),
    ])
  func known(hex: String, frame: YamuxFrame) throws {
    #expect(frame.encoded.hex == hex)
    #expect(try YamuxFrame.decode(frame.encoded.rawSpan) == frame)
  }

  @Test(
    "what is refused",
    arguments: [
      (header(version: 1, type: 0, stream: 1), YamuxError.unknownVersion(1)),
      (header(type: 4, stream: 1), .unknownType(4)),
      (header(type: 0, flags: 0x10, stream: 1), .unknownFlags(0x10)),
      (header(type: 0, flags: 0x8001, stream: 1), .unknownFlags(0x8001)),
      (header(type: 0), .misplacedStream(0)),
      (header(type: 1, flags: 1), .misplacedStream(0)),
      (header(type: 2, flags: 1, stream: 3), .misplacedStream(3)),
      (header(type: 3, stream: 2), .misplacedStream(2)),
    ])
  func refused(bytes: [UInt8], error: YamuxError) {
    #expect(throws: error) { try YamuxFrame.decode(bytes.rawSpan) }
    // The session that gets it says goodbye, and ends.
    var machine = YamuxMachine(.responder)
    #expect(Self.error(of: bytes, &machine) == error)
    #expect(machine.takeOutput() == header(type: 3, length: 1))
    #expect(Self.error(of: header(type: 2, flags: 1), &machine) == .ended)
  }

  static func error(of bytes: [UInt8], _ machine: inout YamuxMachine) -> YamuxError? {
    do throws(YamuxError) {
      try machine.receive(bytes.rawSpan)
      return nil
    } catch {
      return error
    }
  }

  @Test("reasons to go away, and those that nobody knows")
  func goAway() {
    for code in [0, 1, 2, 3, UInt32.max] { #expect(YamuxGoAway(code: code).code == code) }
    #expect(YamuxGoAway(code: 2) == .internalError)
    #expect(YamuxGoAway(code: 3) == .other(3))
  }
}

@Suite("yamux, shared bytes", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct YamuxVectorTests {
  @Test("every frame decodes, and encodes to the same bytes")
  func frames() throws {
    struct Facts: Decodable {
      struct Frame: Decodable { let name: String, hex: String }
      struct Yamux: Decodable { let frames: [Frame] }
      let yamux: Yamux
    }
    let frames = try SharedVectors.json("libp2p/framing_facts.json", as: Facts.self).yamux.frames
    #expect(frames.count == 9)
    for vector in frames {
      let bytes = try #require([UInt8](hex: vector.hex))
      let frame = try YamuxFrame.decode(bytes.rawSpan.extracting(0..<YamuxFrame.headerByteCount))
      #expect(frame.encoded == Array(bytes[..<12]), "\(vector.name)")
      #expect(bytes.count == 12 + (frame.kind == .data ? Int(frame.length) : 0), "\(vector.name)")
    }
  }
}
