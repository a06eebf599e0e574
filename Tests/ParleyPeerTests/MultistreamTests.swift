import ParleyWire
import TestSupport
import Testing

@testable import ParleyPeer

private func message(_ text: String) -> [UInt8] { Multistream.encode(text) }

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite("multistream-select")
struct MultistreamTests {
  static let header = message(Multistream.header)

  @Test("known bytes")
  func known() {
    #expect(message("/multistream/1.0.0").hex == "132f6d756c746973747265616d2f312e302e300a")
    #expect(message("na").hex == "036e610a")
    #expect(message("/noise").hex == "072f6e6f6973650a")
    // A length of two bytes.
    #expect(Array(message(String(repeating: "a", count: 127)).prefix(2)) == [0x80, 0x01])
  }

  @Test("dialling: header and proposal go at once, and what follows the answer is not read")
  func dialer() throws {
    var dialer = MultistreamDialer(["/noise"])
    #expect(dialer.takeOutput().hex == "132f6d756c746973747265616d2f312e302e300a072f6e6f6973650a")
    let selection = try dialer.receive((Self.header + message("/noise") + [1, 2, 3]).rawSpan)
    #expect(selection == MultistreamSelection(name: "/noise", rest: [1, 2, 3]))
    #expect(dialer.takeOutput() == [])
    #expect(throws: MultistreamError.ended) { try dialer.receive([UInt8]().rawSpan) }
  }

  @Test("a name that is turned down is followed by the next, until none is left")
  func secondChoice() throws {
    var dialer = MultistreamDialer(["/a", "/b"])
    _ = dialer.takeOutput()
    #expect(try dialer.receive((Self.header + message("na")).rawSpan) == nil)
    #expect(dialer.takeOutput() == message("/b"))
    #expect(try dialer.receive(message("/b").rawSpan)?.name == "/b")

    var other = MultistreamDialer(["/a", "/b"])
    #expect(throws: MultistreamError.noneAvailable) {
      _ = try other.receive((Self.header + message("na") + message("na")).rawSpan)
    }
    #expect(throws: MultistreamError.ended) { try other.receive(message("/b").rawSpan) }
  }

  @Test("listening: na to the unknown and to ls, then the echo")
  func listener() throws {
    var listener = MultistreamListener(["/yamux/1.0.0", "/noise"])
    #expect(listener.takeOutput() == [])
    #expect(try listener.receive((Self.header + message("/tls/1.0.0") + message("ls")).rawSpan) == nil)
    #expect(listener.takeOutput() == Self.header + message("na") + message("na"))
    let selection = try listener.receive((message("/noise") + [9]).rawSpan)
    #expect(selection == MultistreamSelection(name: "/noise", rest: [9]))
    #expect(listener.takeOutput() == message("/noise"))
    #expect(throws: MultistreamError.ended) { try listener.receive(message("/noise").rawSpan) }
  }

  @Test("both agree, whatever the pieces, byte by byte")
  func pieces() throws {
    var dialer = MultistreamDialer(["/x", "/y"])
    var listener = MultistreamListener(["/y"])
    var agreed: (String?, String?) = (nil, nil)
    for _ in 0..<6 {
      for byte in dialer.takeOutput() { agreed.1 = try listener.receive([byte].rawSpan)?.name ?? agreed.1 }
      for byte in listener.takeOutput() { agreed.0 = try dialer.receive([byte].rawSpan)?.name ?? agreed.0 }
    }
    #expect(agreed.0 == "/y" && agreed.1 == "/y")
  }

  @Test("the optimistic form: what a dialer with one name sends right away is there after the agreement")
  func optimistic() throws {
    var dialer = MultistreamDialer(["/echo"])
    var listener = MultistreamListener(["/echo"])
    let selection = try listener.receive((dialer.takeOutput() + bytes("hello")).rawSpan)
    #expect(selection?.rest == bytes("hello"))
    #expect(try dialer.receive(listener.takeOutput().rawSpan)?.rest == [])
  }

  @Test(
    "what is refused, by both",
    arguments: [
      (message("/multistream/2.0.0"), MultistreamError.unexpectedHeader),
      (message("/noise"), .unexpectedHeader),
      // No line feed at the end, nothing at all, bytes that are no text.
      ([0x02, 0x61, 0x62], .malformed), ([0x00], .malformed), ([0x02, 0xFF, 0x0A], .malformed),
      // A length that is no varint, and lengths past the limit, two of them not even complete.
      ([0x83, 0x00], .malformed), ([0x81, 0x08], .messageTooLong(limit: 1024)),
      ([0xFF, 0xFF], .messageTooLong(limit: 1024)),
      ([UInt8](repeating: 0xFF, count: 20), .messageTooLong(limit: 1024)),
      ([0xFF, 0xFF, 0xFF, 0xFF, 0x7F], .messageTooLong(limit: 1024)),
    ])
  func refused(input: [UInt8], error: MultistreamError) {
    var dialer = MultistreamDialer(["/noise"])
    #expect(throws: error) { try dialer.receive(input.rawSpan) }
    #expect(throws: MultistreamError.ended) { try dialer.receive(Self.header.rawSpan) }
    var listener = MultistreamListener(["/noise"])
    #expect(throws: error) { try listener.receive(input.rawSpan) }
    #expect(throws: MultistreamError.ended) { try listener.receive(Self.header.rawSpan) }
  }

  @Test("an answer that was not proposed")
  func unexpectedAnswer() {
    var dialer = MultistreamDialer(["/noise"])
    #expect(throws: MultistreamError.unexpectedAnswer) {
      try dialer.receive((Self.header + message("/tls/1.0.0")).rawSpan)
    }
  }

  @Test("limits: a message of 1,024 bytes, 32 proposals, and one more of each")
  func limits() throws {
    let name = String(repeating: "a", count: 1023)
    var listener = MultistreamListener([name])
    #expect(try listener.receive((Self.header + message(name)).rawSpan)?.name == name)
    var other = MultistreamListener(["/noise"])
    _ = try other.receive(Self.header.rawSpan)
    for _ in 0..<32 { #expect(try other.receive(message("/no").rawSpan) == nil) }
    #expect(throws: MultistreamError.tooManyProposals(limit: 32)) { try other.receive(message("/no").rawSpan) }
  }
}

@Suite(
  "multistream-select, shared bytes",
  .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct MultistreamVectorTests {
  @Test("every message")
  func messages() throws {
    struct Facts: Decodable {
      struct Message: Decodable { let `protocol`: String, hex: String }
      struct Select: Decodable { let messages: [Message] }
      let multistream_select: Select
    }
    let messages = try SharedVectors.json("libp2p/framing_facts.json", as: Facts.self).multistream_select.messages
    #expect(messages.count == 8)
    for vector in messages { #expect(message(vector.protocol).hex == vector.hex) }
  }
}
