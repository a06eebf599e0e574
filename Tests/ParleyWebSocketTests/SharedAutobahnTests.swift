import ParleyWire
import TestSupport
import Testing

@testable import ParleyWebSocket

/// Every case of `websocket/autobahn_cases.json`, its bytes made from its description, against a machine that echoes.
///
/// The whole suite, over sockets and with the cases that the list leaves out, runs in `ConformanceTests`.
@Suite(
  "Shared vectors: Autobahn's list", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct SharedAutobahnTests {
  struct Case: Decodable { let id, description, expectation: String }
  struct Cases: Decodable { let cases: [Case] }

  let cases: [Case]

  init() throws { cases = try SharedVectors.json("websocket/autobahn_cases.json", as: Cases.self).cases }

  /// A server that sends back what it gets.
  struct Echo: ~Copyable {
    var endpoint: Endpoint
    private var echoed = 0

    init() {
      var limits = openLimits
      limits.maximumMessageByteCount = 16 << 20
      limits.maximumFragmentCount = 100_000
      endpoint = Endpoint(.server, limits)
    }

    mutating func receive(_ bytes: [UInt8]) {
      endpoint.receive(bytes)
      for seen in endpoint.seen[echoed...] {
        switch seen {
        case .text(let text): endpoint.machine.send(.text, Array(text.utf8), into: &endpoint.output)
        case .binary(let payload): endpoint.machine.send(.binary, payload, into: &endpoint.output)
        case .close, .failure: break
        }
      }
      echoed = endpoint.seen.count
    }

    /// The frames that came back since the last call.
    mutating func answers() -> [Frame] {
      let bytes = endpoint.output
      endpoint.output = []
      var frames: [Frame] = []
      var offset = 0
      while let (header, size) = try? FrameHeader.decode(bytes[offset...], from: .server) {
        let end = offset + size + header.byteCount
        frames.append(Frame(opcode: header.opcode, payload: Array(bytes[(offset + size)..<end])))
        offset = end
      }
      #expect(offset == bytes.count)
      return frames
    }
  }

  struct Frame: Equatable {
    let opcode: FrameOpcode
    let payload: [UInt8]

    static func close(_ code: Int) -> Self { Self(opcode: .close, payload: [UInt8(code >> 8), UInt8(code & 0xFF)]) }
  }

  static let normalClose = frame(.close, [0x03, 0xE8])

  func rows(_ prefixes: String...) -> [Case] { cases.filter { row in prefixes.contains { row.id.hasPrefix($0) } } }

  /// The number before which `words` stand in a description: `4 * 2**20`, `64k`, `1300`.
  static func number(after words: String, in text: String) -> Int? {
    guard let range = text.firstRange(of: words),
      let match = text[range.upperBound...].prefixMatch(of: /(\d+)(?: \* 2\*\*(\d+))?(k|M)?/), let base = Int(match.1)
    else { return nil }
    let unit = match.3 == "k" ? 1 << 10 : match.3 == "M" ? 1 << 20 : 1
    return base * (1 << (match.2.flatMap { Int($0) } ?? 0)) * unit
  }

  @Test("every case is in one of the tests below")
  func everyCase() {
    #expect(cases.count == 98)
    let families = [
      rows("1.", "9.1.", "9.2.", "9.3.", "9.4.", "9.5.", "9.6.", "10."), rows("4."), rows("6.1.", "6.2."),
      rows("6.3.", "6.4."),
      rows("7."), rows("9.9."),
    ]
    #expect(families.map(\.count) == [59, 10, 7, 6, 15, 1])
  }

  /// A message of one byte over and over, in frames as a client sends them. `frame` takes seconds for millions of bytes.
  static func frames(_ opcode: FrameOpcode, of payload: [UInt8], fragment: Int) -> [UInt8] {
    let byte = payload.first ?? 0
    let pattern = frame(.binary, [byte, byte, byte, byte])[6...]
    var masked: [UInt8] = Array(pattern)
    while masked.count < payload.count { masked += masked }
    var input: [UInt8] = []
    var offset = 0
    repeat {
      let size = min(fragment, payload.count - offset)
      let isFinal = offset + size == payload.count
      FrameHeader(
        isFinal: isFinal, opcode: offset == 0 ? opcode : .continuation, maskingKey: sampleKey, byteCount: size
      ).encode(into: &input)
      input += masked[..<size]
      offset += size
    } while offset < payload.count
    return input
  }

  @Test("messages of every size, in fragments and in chops, come back (1, 9 and 10)")
  func fragments() throws {
    for row in rows("1.", "9.1.", "9.2.", "9.3.", "9.4.", "9.5.", "9.6.", "10.") {
      let text = row.description
      let count = try #require(
        Self.number(after: "payload of length ", in: text) ?? Self.number(after: "payload ", in: text), "\(row.id)")
      let fragment =
        Self.number(after: "fragments of ", in: text) ?? Self.number(after: "autoFragmentSize = ", in: text)
        ?? max(1, count)
      let chop = Self.number(after: "chops of ", in: text)
      let opcode: FrameOpcode = text.contains("text message") ? .text : .binary
      let payload = [UInt8](repeating: opcode == .text ? 0x2A : 0xFE, count: count)
      let input = Self.frames(opcode, of: payload, fragment: fragment)
      var echo = Echo()
      for start in stride(from: 0, to: input.count, by: chop ?? 65_536) {
        echo.receive(Array(input[start..<min(input.count, start + (chop ?? 65_536))]))
      }
      let answers = echo.answers()
      #expect(answers == [Frame(opcode: opcode, payload: payload)], "\(row.id)")
      echo.receive(Self.normalClose)
      let closing = echo.answers()
      #expect(closing == [.close(1000)], "\(row.id)")
    }
  }

  @Test("reserved opcodes fail the connection, after the echo of what came before (4)")
  func opcodes() throws {
    for row in rows("4.") {
      let opcode = try #require(Self.number(after: "Opcode = ", in: row.description))
      let hasMessage = row.description.contains("small text message")
      let hello = Array("Hello".utf8)
      var echo = Echo()
      if hasMessage { echo.receive(frame(.text, hello)) }
      echo.receive(
        rawFrame(0x80 | UInt8(opcode), row.description.contains("non-empty") ? [1, 2, 3] : []) + frame(.ping))
      let answers = echo.answers()
      #expect(answers == (hasMessage ? [Frame(opcode: .text, payload: hello)] : []) + [.close(1002)], "\(row.id)")
      #expect(echo.endpoint.action == .finish)
    }
  }

  static let unicode = "Hello-µ@ßöäüàá-UTF-8!! κόσμε \u{10FFFF}"

  @Test("valid text in any fragments comes back (6.1 and 6.2)")
  func text() {
    let bytes = Array(Self.unicode.utf8)
    let inputs: [String: [[UInt8]]] = [
      "6.1.1": [[]], "6.1.2": [[], [], []], "6.1.3": [[], bytes, []], "6.2.1": [bytes],
      "6.2.2": [Array(bytes[..<12]), Array(bytes[12...])], "6.2.3": bytes.map { [$0] },
      "6.2.4": Array("κόσμε".utf8).map { [$0] },
    ]
    for row in rows("6.1.", "6.2.") {
      let parts = inputs[row.id]!
      var echo = Echo()
      for (index, part) in parts.enumerated() {
        echo.receive(frame(index == 0 ? .text : .continuation, part, isFinal: index == parts.count - 1))
      }
      let answers = echo.answers()
      #expect(answers == [Frame(opcode: .text, payload: parts.flatMap { $0 })], "\(row.id)")
    }
  }

  @Test("invalid text fails at its first bad byte (6.3 and 6.4)")
  func invalidText() {
    // "κόσμε", a surrogate, "edited"; then "κόσμε" and a code point too high, of which F4 alone could still be good.
    let surrogate = Array("κόσμε".utf8) + [0xED, 0xA0, 0x80] + Array("edited".utf8)
    let (start, bad, rest) = (
      Array("κόσμε".utf8) + [0xF4], [UInt8](arrayLiteral: 0x90), [0x80, 0x80] + Array("edited".utf8)
    )
    let whole = start + bad + rest
    let isMessage = { (parts: [[UInt8]]) in
      parts.enumerated().map { frame($0 == 0 ? .text : .continuation, $1, isFinal: $0 == parts.count - 1) }
    }
    let isFrame = { (parts: [[UInt8]]) in
      let bytes = frame(.text, parts.flatMap { $0 })
      let header = bytes.count - parts.map(\.count).reduce(0, +)
      var pieces = [Array(bytes[..<(header + parts[0].count)])]
      var offset = header + parts[0].count
      for part in parts.dropFirst() {
        pieces.append(Array(bytes[offset..<(offset + part.count)]))
        offset += part.count
      }
      return pieces
    }
    // The pieces as they come, and after how many of them it must have failed.
    let inputs: [String: ([[UInt8]], Int)] = [
      "6.3.1": (isMessage([surrogate]), 1), "6.3.2": (isMessage(surrogate.map { [$0] }), 11 + 1),
      "6.4.1": (isMessage([start, bad + rest, rest]), 2), "6.4.2": (isMessage([start, bad, rest]), 2),
      "6.4.3": (isFrame([start, bad + rest, rest]), 2), "6.4.4": (isFrame([start, bad, rest]), 2),
    ]
    #expect(whole.count > 12)
    for row in rows("6.3.", "6.4.") {
      let (pieces, failing) = inputs[row.id]!
      var echo = Echo()
      for (index, piece) in pieces.enumerated() {
        echo.receive(piece)
        let hasFailed = !echo.endpoint.seen.isEmpty
        #expect(hasFailed == (index + 1 >= failing), "\(row.id), piece \(index)")
      }
      let seen = echo.endpoint.seen
      #expect(seen == [.failure(.invalidUTF8)], "\(row.id)")
      let answers = echo.answers()
      #expect(answers == [.close(1007)], "\(row.id)")
    }
  }

  @Test("closes of every kind (7)")
  func closes() {
    let hello = frame(.text, Array("Hello".utf8))
    let large = [UInt8](repeating: 0x2A, count: 256 << 10)
    let echoed = { (payload: [UInt8]) in Frame(opcode: .text, payload: payload) }
    let reason = { (code: Int, text: [UInt8]) in [UInt8(code >> 8), UInt8(code & 0xFF)] + text }
    let cases: [String: ([[UInt8]], [Frame])] = [
      "7.1.1": ([hello, Self.normalClose], [echoed(Array("Hello".utf8)), .close(1000)]),
      "7.1.2": ([Self.normalClose, Self.normalClose], [.close(1000)]),
      "7.1.3": ([Self.normalClose, frame(.ping)], [.close(1000)]),
      "7.1.4": ([Self.normalClose, hello], [.close(1000)]),
      "7.1.5": (
        [frame(.text, [0x61], isFinal: false), Self.normalClose, frame(.continuation, [0x62])], [.close(1000)]
      ),
      "7.1.6": ([frame(.text, large), Self.normalClose, frame(.ping)], [echoed(large), .close(1000)]),
      "7.3.1": ([frame(.close)], [Frame(opcode: .close, payload: [])]),
      "7.3.2": ([frame(.close, [0x03])], [.close(1002)]), "7.3.3": ([Self.normalClose], [.close(1000)]),
      "7.3.4": ([frame(.close, reason(1000, Array("bye".utf8)))], [.close(1000)]),
      "7.3.5": ([frame(.close, reason(1000, .init(repeating: 0x2A, count: 123)))], [.close(1000)]),
      "7.3.6": ([rawFrame(0x88, reason(1000, .init(repeating: 0x2A, count: 124)))], [.close(1002)]),
      "7.5.1": ([frame(.close, reason(1000, [0xCE, 0xBA, 0xED, 0xA0, 0x80]))], [.close(1007)]),
      "7.13.1": ([frame(.close, reason(5000, []))], [.close(1002)]),
      "7.13.2": ([frame(.close, reason(65535, []))], [.close(1002)]),
    ]
    #expect(cases.count == rows("7.").count)
    for row in rows("7.") {
      let (input, expected) = cases[row.id]!
      // One by one, so that an echo goes out before the close; and at once, when it may come too late.
      var echo = Echo()
      for frame in input { echo.receive(frame) }
      let answers = echo.answers()
      #expect(answers == expected, "\(row.id)")
      #expect(echo.endpoint.action == .finish, "\(row.id)")
      echo = Echo()
      echo.receive(input.flatMap { $0 })
      let atOnce = echo.answers()
      #expect(atOnce.last == expected.last, "\(row.id)")
    }
  }

  @Test("an endless message is refused at the limit (9.9)")
  func endless() {
    #expect(rows("9.9.").count == 1)
    var echo = Echo()
    let piece = [UInt8](repeating: 0x2A, count: 4096)
    echo.receive(frame(.text, piece, isFinal: false))
    var count = 1
    while echo.endpoint.seen.isEmpty, count < 10_000 {
      echo.receive(frame(.continuation, piece, isFinal: false))
      count += 1
    }
    #expect(count == (16 << 20) / 4096 + 1)
    let seen = echo.endpoint.seen
    #expect(seen == [.failure(.messageTooBig(limit: 16 << 20))])
  }
}
