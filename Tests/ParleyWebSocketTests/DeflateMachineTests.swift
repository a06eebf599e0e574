import ParleyWire
import TestSupport
import Testing

@testable import ParleyWebSocket

@Suite("WebSocket machine: compression")
struct DeflateMachineTests {
  typealias Agreement = PermessageDeflate.Agreement

  static let noContext = Agreement(serverNoContextTakeover: true, clientNoContextTakeover: true)

  /// Every message is compressed.
  static var always: PermessageDeflate.Options {
    var options = PermessageDeflate.Options()
    options.minimumByteCount = 0
    return options
  }

  static let hello = Array("Hello".utf8)
  /// "Hello", as RFC 7692 section 7.2.3.1 has it.
  static let compressedHello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]

  static func server(_ agreement: Agreement? = noContext, _ limits: WebSocketLimits = openLimits) -> Endpoint {
    Endpoint(.server, limits, deflate: agreement, options: always)
  }

  /// What a compressor that is not the machine's makes of a message.
  static func payload(_ message: [UInt8]) -> [UInt8] {
    var options = PermessageDeflate.Options()
    options.level = 9
    return MessageDeflater(windowBits: 15, keepsContext: false, options: options, pool: DeflatePool()).message(message)
  }

  @Test("the frames of section 7.2.3 are read")
  func examples() {
    for bytes in [
      rawFrame(0xC1, Self.compressedHello),
      rawFrame(0x41, Array(Self.compressedHello[..<3])) + rawFrame(0x80, Array(Self.compressedHello[3...])),
    ] {
      for pieces in [[bytes], bytes.map { [$0] }] {
        var server = Self.server()
        for piece in pieces { server.receive(piece) }
        let seen = server.seen
        #expect(seen == [.text("Hello")])
      }
    }
  }

  @Test("two machines understand each other, whatever they agreed on", arguments: 0..<16)
  func bothWays(bits: Int) {
    let agreement = Agreement(
      serverNoContextTakeover: bits & 1 != 0, clientNoContextTakeover: bits & 2 != 0,
      serverMaximumWindowBits: bits & 4 != 0 ? 15 : 8, clientMaximumWindowBits: bits & 8 != 0 ? 15 : 9)
    var server = Self.server(agreement)
    var client = Endpoint(.client, openLimits, deflate: agreement, options: Self.always)
    let messages = SampleMessages.all.filter { $0.count < 120_000 }
    for message in messages + messages {
      client.output = []
      client.machine.send(.binary, message, into: &client.output)
      let request = client.output
      #expect(request.first == 0xC2)
      server.receive(request)
      server.output = []
      server.machine.send(.binary, message, into: &server.output)
      let answer = server.output
      #expect(answer.first == 0xC2)
      client.receive(answer)
    }
    let (atServer, atClient) = (server.seen, client.seen)
    #expect(atServer == (messages + messages).map { .binary($0) })
    #expect(atClient == atServer)
  }

  @Test("small messages go as they are; what comes uncompressed stays where it lies")
  func mixed() {
    var options = PermessageDeflate.Options()
    options.minimumByteCount = 100
    var server = Endpoint(.server, openLimits, deflate: Agreement(), options: options)
    for (count, first) in [(99, 0x82), (100, 0xC2)] {
      server.output = []
      server.machine.send(.binary, .init(repeating: 0, count: count), into: &server.output)
      let output = server.output
      #expect(output.first == UInt8(first))
    }
    let isHeaderAlone = server.machine.sendHeader(of: .binary, byteCount: 5, now: epoch, into: &server.output)
    #expect(!isHeaderAlone)
    // Between two compressed messages that share a window.
    server.receive(
      rawFrame(0xC1, Self.compressedHello) + frame(.text, Self.hello) + rawFrame(0xC1, [0xF2, 0x00, 0x11, 0x00, 0x00]))
    let seen = server.seen
    #expect(seen == [.text("Hello"), .text("Hello"), .text("Hello")])
    var bytes = frame(.text, Self.hello)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    var position = 0
    let event = try? server.machine.receive(&raw, from: &position, now: epoch)
    #expect(event == .message(.text, 6..<11))
  }

  @Test("a prepared message is compressed where that is agreed")
  func prepared() {
    var server = Self.server()
    server.machine.send(PreparedMessage(text: "Hello"), now: epoch, into: &server.output)
    let output = server.output
    #expect(output == [0xC1, 0x07] + Self.compressedHello)
  }

  @Test("reserved bits fail the connection, except RSV1 on a message's first frame where compression is agreed")
  func reservedBits() {
    let start = rawFrame(0x41, [0xF2, 0x48])
    let cases: [(agreed: Bool, input: [UInt8], bits: UInt8)] = [
      (false, rawFrame(0xC1, Self.compressedHello), 4), (false, rawFrame(0xC2, []), 4), (true, rawFrame(0xA1, []), 2),
      (true, rawFrame(0x91, []), 1), (true, rawFrame(0xE1, []), 6), (true, rawFrame(0xF1, []), 7),
      (true, rawFrame(0xC8, []), 4), (true, rawFrame(0xC9, []), 4), (true, rawFrame(0xCA, []), 4),
      (true, start + rawFrame(0xC0, [0xCD]), 4), (true, start + rawFrame(0x40, [0xCD]), 4),
      (true, frame(.text, [0x61], isFinal: false) + rawFrame(0xC0, [0x62]), 4),
      (true, start + rawFrame(0xC9, []), 4),
    ]
    for (agreed, input, bits) in cases {
      for pieces in [[input], input.map { [$0] }] {
        var server = Self.server(agreed ? Self.noContext : nil)
        for piece in pieces { server.receive(piece) }
        let (seen, output) = (server.seen, server.output)
        #expect(seen == [.failure(.reservedBits(bits))], "\(input.hex)")
        #expect(output == [0x88, 0x02, 0x03, 0xEA], "\(input.hex)")
      }
    }
  }

  @Test("a compressed message comes in any fragments, with pings between")
  func fragments() {
    let message = Array("Hello, hello! \(String(repeating: "κόσμε ", count: 20))".utf8)
    let payload = Self.payload(message)
    let text = String(decoding: message, as: UTF8.self)
    for split in 0...payload.count {
      let input =
        rawFrame(0x41, Array(payload[..<split])) + frame(.ping, [UInt8(split & 0xFF)])
        + rawFrame(0x00, []) + rawFrame(0x80, Array(payload[split...]))
      var server = Self.server()
      server.receive(input)
      var (seen, output) = (server.seen, server.output)
      #expect(seen == [.text(text)])
      #expect(output == [0x8A, 0x01, UInt8(split & 0xFF)])
      server = Self.server()
      for byte in input { server.receive([byte]) }
      (seen, output) = (server.seen, server.output)
      #expect(seen == [.text(text)])
      #expect(output == [0x8A, 0x01, UInt8(split & 0xFF)])
    }
    // A fragment a byte, and an empty one at the end.
    var server = Self.server()
    server.receive(payload.enumerated().flatMap { rawFrame($0 == 0 ? 0x41 : 0x00, [$1]) } + rawFrame(0x80, []))
    let seen = server.seen
    #expect(seen == [.text(text)])
  }

  @Test("a compressed stream that is cut gives no message and no error")
  func cuts() {
    let input = rawFrame(0x41, Array(Self.compressedHello[..<4])) + rawFrame(0x80, Array(Self.compressedHello[4...]))
    for count in 0..<input.count {
      var server = Self.server()
      server.receive(Array(input[..<count]))
      let seen = server.seen
      #expect(seen == [], "\(count)")
    }
  }

  @Test("text is validated after inflation, as far as it has come")
  func invalidUTF8() {
    var server = Self.server()
    let bad = Array("κόσμε".utf8) + [0xED, 0xA0, 0x80] + Array("edited".utf8)
    server.receive(rawFrame(0xC1, Self.payload(bad)))
    var (seen, output) = (server.seen, server.output)
    #expect(seen == [.failure(.invalidUTF8)])
    #expect(output == [0x88, 0x02, 0x03, 0xEF])
    // Cut inside a code point.
    server = Self.server()
    server.receive(rawFrame(0xC1, Self.payload(Array("κόσμε".utf8.dropLast()))))
    (seen, output) = (server.seen, server.output)
    #expect(seen == [.failure(.invalidUTF8)])
    // In a block that is whole long before the message is.
    server = Self.server()
    server.receive(rawFrame(0x41, Self.payload(bad) + [0x00, 0x00, 0xFF, 0xFF]))
    seen = server.seen
    #expect(seen == [.failure(.invalidUTF8)])
    // The same bytes are fine in a binary message, and valid text may look like nothing compressed.
    server = Self.server()
    server.receive(rawFrame(0xC2, Self.payload(bad)))
    seen = server.seen
    #expect(seen == [.binary(bad)])
  }

  @Test("what is no DEFLATE data fails the connection with 1007")
  func invalidData() {
    for payload: [UInt8] in [[0xFF], [0xF2, 0x48], [0x07, 0x00], [0xF2, 0x00, 0x11, 0x00, 0x00]] {
      for input in [rawFrame(0xC1, payload), rawFrame(0x41, payload) + rawFrame(0x80, [])] {
        var server = Self.server()
        server.receive(input)
        let (seen, output) = (server.seen, server.output)
        #expect(seen == [.failure(.invalidDeflateData)], "\(payload)")
        #expect(output == [0x88, 0x02, 0x03, 0xEF])
      }
    }
  }

  @Test("an empty message: an empty block, and no byte at all")
  func empty() {
    var server = Self.server()
    server.receive(
      rawFrame(0xC1, [0x00]) + rawFrame(0xC2, []) + rawFrame(0x41, []) + rawFrame(0x80, [])
        + rawFrame(0xC1, Self.compressedHello))
    let seen = server.seen
    #expect(seen == [.text(""), .binary([]), .text(""), .text("Hello")])
  }

  @Test("messages share a window where that is agreed, and only there")
  func contexts() {
    let second: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]
    for (agreement, role, isShared) in [
      (Agreement(), WebSocketMachine.Role.server, true), (Agreement(), .client, true),
      (Agreement(serverNoContextTakeover: true), .server, true),
      (Agreement(serverNoContextTakeover: true), .client, false),
      (Agreement(clientNoContextTakeover: true), .server, false),
      (Agreement(clientNoContextTakeover: true), .client, true),
    ] {
      var endpoint = Endpoint(role, openLimits, deflate: agreement, options: Self.always)
      let isMasked = role == .server
      endpoint.receive(
        rawFrame(0xC1, Self.compressedHello, masked: isMasked) + rawFrame(0xC1, second, masked: isMasked))
      let seen = endpoint.seen
      #expect(seen == [.text("Hello"), isShared ? .text("Hello") : .failure(.invalidDeflateData)])
      // And in the other direction.
      endpoint = Endpoint(role, openLimits, deflate: agreement, options: Self.always)
      endpoint.machine.send(.text, Self.hello, into: &endpoint.output)
      endpoint.output = []
      endpoint.machine.send(.text, Self.hello, into: &endpoint.output)
      let output = endpoint.output
      let isSharedToo = agreement.keepsContext(of: role)
      #expect(output == rawFrame(0xC1, isSharedToo ? second : Self.compressedHello, masked: !isMasked))
    }
  }

  @Test("the inflated size has a limit: at it, and one past; the size on the wire has its own")
  func sizes() {
    var limits = openLimits
    limits.maximumInflatedByteCount = 1000
    let message = [UInt8](repeating: 0x61, count: 1000)
    var server = Self.server(Self.noContext, limits)
    server.receive(rawFrame(0xC2, Self.payload(message)))
    var seen = server.seen
    #expect(seen == [.binary(message)])
    server = Self.server(Self.noContext, limits)
    server.receive(rawFrame(0xC2, Self.payload(message + [0x61])))
    seen = server.seen
    #expect(seen == [.failure(.messageTooBig(limit: 1000))])
    let output = server.output
    #expect(output == [0x88, 0x02, 0x03, 0xF1])

    // Stored blocks are larger than what they hold.
    limits.maximumInflatedByteCount = 1 << 20
    limits.maximumMessageByteCount = 20
    let stored = [UInt8](hex: "000500faff48656c6c6f00")! + [UInt8](repeating: 0, count: 0)
    server = Self.server(Self.noContext, limits)
    server.receive(
      rawFrame(0xC1, stored) + rawFrame(0xC1, stored + [0x00, 0x00, 0xFF, 0xFF] + [0, 0, 0, 0xFF, 0xFF] + [0]))
    seen = server.seen
    #expect(seen.first == .text("Hello"))
    #expect(seen.last == .failure(.messageTooBig(limit: 20)))
  }

  @Test("a bomb is refused while it inflates, whole, in fragments and in pieces, with 1009")
  func bomb() {
    let payload = Self.payload([UInt8](repeating: 0, count: 16 << 20))
    var limits = openLimits
    limits.maximumInflatedByteCount = 1 << 30
    limits.maximumInflationRatio = 100
    let whole = rawFrame(0xC2, payload)
    let fragments = stride(from: 0, to: payload.count, by: 50).flatMap {
      rawFrame($0 == 0 ? 0x42 : 0x00, Array(payload[$0..<min(payload.count, $0 + 50)]))
    }
    for input in [
      [whole], stride(from: 0, to: whole.count, by: 10).map { Array(whole[$0..<min(whole.count, $0 + 10)]) },
      [fragments],
    ] {
      var server = Self.server(Self.noContext, limits)
      var taken = 0
      for piece in input where server.seen.isEmpty {
        server.receive(piece)
        taken += piece.count
      }
      let (seen, output) = (server.seen, server.output)
      #expect(seen == [.failure(.inflationRatioExceeded(limit: 100))])
      #expect(output == [0x88, 0x02, 0x03, 0xF1])
      #expect(input.count == 1 || taken < 300)
    }
    // By size alone it ends too, with the default ratio out of the way.
    limits.maximumInflatedByteCount = 1 << 20
    limits.maximumInflationRatio = .max
    var server = Self.server(Self.noContext, limits)
    server.receive(whole)
    let seen = server.seen
    #expect(seen == [.failure(.messageTooBig(limit: 1 << 20))])
  }

  @Test("a message that this end's Close interrupts gives its stream back")
  func interrupted() {
    let pool = DeflatePool()
    do {
      var server = Endpoint(.server, openLimits, deflate: Self.noContext, options: Self.always, pool: pool)
      server.receive(rawFrame(0x41, [0xF2, 0x48]))
      server.machine.close(.normal, now: epoch, into: &server.output)
      server.receive(rawFrame(0x80, [0xFF]) + frame(.close, [0x03, 0xE8]))
      let seen = server.seen
      #expect(seen == [.close(.normal, "")])
    }
    #expect(pool.idleCounts.inflaters == 1)
  }

  @Test("simulation: two machines talk compressed in pieces of any size", arguments: UInt64(0)..<50)
  func simulation(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let agreement = Agreement(
      serverNoContextTakeover: random.next() & 1 == 0, clientNoContextTakeover: random.next() & 1 == 0,
      serverMaximumWindowBits: 8 + Int(random.next() % 8), clientMaximumWindowBits: 8 + Int(random.next() % 8))
    var options = PermessageDeflate.Options()
    options.level = Int(random.next() % 10)
    options.minimumByteCount = Int(random.next() % 50)
    var server = Endpoint(.server, openLimits, deflate: agreement, options: options)
    var client = Endpoint(.client, openLimits, deflate: agreement, options: options)
    var sent: ([Endpoint.Seen], [Endpoint.Seen]) = ([], [])
    for _ in 0..<30 {
      let words = (0..<random.next() % 40).map { _ in
        ["bid", "ask", "0.0205", "κόσμε", "\u{0}"][Int(random.next() % 5)]
      }
      let message = Array(words.joined(separator: " ").utf8)
      let kind: WebSocketMachine.MessageKind = random.next() & 1 == 0 ? .text : .binary
      let note: Endpoint.Seen = kind == .text ? .text(String(decoding: message, as: UTF8.self)) : .binary(message)
      if random.next() & 1 == 0 {
        server.machine.send(kind, message, into: &server.output)
        sent.0.append(note)
      } else {
        client.machine.send(kind, message, into: &client.output)
        sent.1.append(note)
      }
      let cut = (
        Int(random.next() % UInt64(server.output.count + 1)), Int(random.next() % UInt64(client.output.count + 1))
      )
      let parts = (Array(server.output[..<cut.0]), Array(client.output[..<cut.1]))
      server.output.removeFirst(cut.0)
      client.output.removeFirst(cut.1)
      client.receive(parts.0)
      server.receive(parts.1)
    }
    let rest = (server.output, client.output)
    client.receive(rest.0)
    server.receive(rest.1)
    let seen = (server.seen, client.seen)
    #expect(seen.1 == sent.0, "seed \(seed)")
    #expect(seen.0 == sent.1, "seed \(seed)")
  }
}
