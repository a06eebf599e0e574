import ParleyWire
import Testing

@testable import ParleyWebSocket

@Suite("WebSocket machine: large payloads read straight into the message")
struct DirectReceivingTests {
  static let message = (0..<300_000).map { UInt8(truncatingIfNeeded: 0x20 + $0 % 90) }

  /// Feeds what the machine wants directly in pieces of `size`, and the rest as usual.
  static func feed(_ input: [UInt8], to server: inout Endpoint, size: Int) throws(WebSocketError) -> Int {
    var offset = 0
    var directCount = 0
    while offset < input.count {
      let wanted = server.machine.directByteCount
      guard wanted > 0 else {
        // A few bytes, so that there is something left to read directly.
        let end = min(input.count, offset + 20)
        server.receive(Array(input[offset..<end]))
        offset = end
        continue
      }
      let start = offset
      var room = 0
      let event = try server.machine.receiveDirectly(upTo: min(size, wanted), now: epoch) { span in
        room = span.freeCapacity
        while span.freeCapacity > 0, offset < input.count {
          span.append(input[offset])
          offset += 1
        }
      }
      #expect(room > 0 && room <= size)
      directCount += offset - start
      switch event {
      case .assembledMessage(.text):
        server.seen.append(.text(String(decoding: server.machine.takeAssembled(), as: UTF8.self)))
      case .assembledMessage(.binary): server.seen.append(.binary(server.machine.takeAssembled()))
      case nil: break
      case .message, .ping, .close: Issue.record("\(event as Any)")
      }
    }
    return directCount
  }

  static var limits: WebSocketLimits {
    var limits = openLimits
    limits.maximumMessageByteCount = 1 << 30
    return limits
  }

  @Test("a message arrives whole, whatever is read at once", arguments: [1000, 16_384, 70_001, 1 << 20])
  func whole(size: Int) throws {
    for opcode in [FrameOpcode.text, .binary] {
      let expected: Endpoint.Seen =
        opcode == .text ? .text(String(decoding: Self.message, as: UTF8.self)) : .binary(Self.message)
      var server = Endpoint(.server, Self.limits)
      let directCount = try Self.feed(frame(opcode, Self.message), to: &server, size: size)
      #expect(directCount > 250_000)
      // And in fragments, with a ping between.
      let middle = 150_003
      let fragments =
        frame(opcode, Array(Self.message[..<middle]), isFinal: false) + frame(.ping, [1])
        + frame(.continuation, Array(Self.message[middle...]))
      _ = try Self.feed(fragments + frame(.text, [0x61]), to: &server, size: size)
      let (seen, output) = (server.seen, server.output)
      #expect(seen == [expected, expected, .text("a")])
      #expect(output == [0x8A, 0x01, 0x01])
    }
  }

  @Test("a peer that announces much and sends little gets little memory")
  func announced() throws {
    var server = Endpoint(.server, Self.limits)
    server.receive([0x82, 0xFF, 0, 0, 0, 0, 0x3F, 0, 0, 0, 1, 2, 3, 4, 5])
    let wanted = server.machine.directByteCount
    #expect(wanted == 0x3F00_0000 - 1)
    var room = 0
    // What puts nothing changes nothing.
    for _ in 0..<2 {
      let event = try server.machine.receiveDirectly(upTo: wanted, now: epoch) { room = $0.freeCapacity }
      #expect(event == nil)
      #expect(room == 262_144)
    }
    _ = try server.machine.receiveDirectly(upTo: wanted, now: epoch) { span in
      while span.freeCapacity > 0 { span.append(0) }
    }
    let rest = server.machine.directByteCount
    #expect(rest == wanted - 262_144)
    _ = try server.machine.receiveDirectly(upTo: rest, now: epoch) { room = $0.freeCapacity }
    #expect(room == 262_145)
  }

  @Test("text fails at its first bad byte")
  func invalidText() {
    var server = Endpoint(.server, Self.limits)
    server.receive(Array(frame(.text, Self.message)[..<100]))
    let wanted = server.machine.directByteCount
    #expect(throws: WebSocketError.invalidUTF8) {
      // Masked: what comes out is no continuation of ASCII.
      try server.machine.receiveDirectly(upTo: wanted, now: epoch) { span in
        for byte: UInt8 in [0xFF, 0xFF, 0xFF, 0xFF] { span.append(byte) }
      }
    }
    let (isOpen, needsPoll, rest) = (server.machine.isOpen, server.machine.needsPoll, server.machine.directByteCount)
    #expect(!isOpen && needsPoll && rest == 0)
    server.poll()
    let output = server.output
    #expect(output == [0x88, 0x02, 0x03, 0xEF])
  }

  @Test("nothing is wanted directly where it would not pay, or cannot be")
  func unwanted() {
    let agreement = PermessageDeflate.Agreement(serverNoContextTakeover: true, clientNoContextTakeover: true)
    let large = [UInt8](repeating: 0, count: 20_000)
    let inputs: [[UInt8]] = [
      [], frame(.binary, [1]), Array(frame(.binary, large)[..<8]), Array(frame(.binary, large)[..<4000]),
      Array(rawFrame(0xC2, [0x00, 0x20, 0x4E, 0xDF, 0xB1] + large)[..<100]), frame(.binary, [1], isFinal: false),
    ]
    for (index, input) in inputs.enumerated() {
      var server = Endpoint(.server, Self.limits, deflate: agreement)
      server.receive(input)
      let wanted = server.machine.directByteCount
      #expect(wanted == 0, "input \(index)")
      let needsPoll = server.machine.needsPoll
      #expect(!needsPoll)
    }
    var server = Endpoint(.server, Self.limits)
    server.receive(Array(frame(.binary, Self.message)[..<100]))
    server.machine.close(.normal, now: epoch, into: &server.output)
    let wanted = server.machine.directByteCount
    #expect(wanted == 0)
  }

  @Test("the memory of large messages is kept, up to a limit")
  func buffers() {
    let buffers = MessageBuffers()
    #expect(buffers.take(byteCount: 1 << 20).capacity == 0)
    var message = [UInt8]()
    message.reserveCapacity(1 << 20)
    message.append(1)
    let capacity = message.capacity
    buffers.putBack(consume message)
    // A small message takes none of it.
    #expect(buffers.take(byteCount: 65_535).capacity == 0)
    var again = buffers.take(byteCount: 65_536)
    #expect(again.isEmpty)
    #expect(again.capacity == capacity)
    #expect(buffers.take(byteCount: 65_536).capacity == 0)
    // What somebody else still holds is his.
    again.append(2)
    let kept = again
    buffers.putBack(consume again)
    var other = buffers.take(byteCount: 65_536)
    other.append(3)
    #expect(kept == [2])
    // Small memory is not worth keeping, and too much is too much.
    buffers.putBack([1, 2, 3])
    #expect(buffers.take(byteCount: 65_536).capacity == 0)
    for _ in 0..<5 {
      var large = [UInt8]()
      large.reserveCapacity(5 << 20)
      buffers.putBack(consume large)
    }
    var keptCount = 0
    while buffers.take(byteCount: 65_536).capacity > 0 { keptCount += 1 }
    #expect(keptCount == 3)
  }
}
