import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyHandshake

@Suite("The prologue and the carrier")
struct PrologueTests {
  func bytes(
    _ offered: [String], selected: String = "parley.v1", _ binding: Prologue.ChannelBinding = .none
  ) throws(HandshakeError) -> [UInt8] {
    do {
      let responder = try DID(parsing: "did:web:maker.example")
      return try Prologue(offered: offered, selected: selected, channelBinding: binding).bytes(responder: responder)
    } catch let error as HandshakeError {
      throw error
    } catch {
      Issue.record(error)
      return []
    }
  }

  @Test("known bytes, without and with a TLS channel")
  func knownBytes() throws {
    let head =
      "7061726c65792f7073633100" + "0001" + "0009" + "7061726c65792e7631" + "0009" + "7061726c65792e7631" + "4952"
    let hash = "2051fafa0b16a8077ebca6ee1f138a1f68e84d533f3a996576090c9a74f38ddf"
    #expect(try bytes(["parley.v1"]).hex == head + hash + "00" + "0000")
    let exporter = [UInt8](0..<32)
    #expect(try bytes(["parley.v1"], .tlsExporter(exporter)).hex == head + hash + "01" + "0020" + exporter.hex)
  }

  @Test("spaces and the way fields are joined do not count; order and other offers do")
  func normalization() throws {
    let plain = try bytes(["parley.v1,other"])
    for same in [["parley.v1, other"], [" parley.v1\t", "other "], ["parley.v1 ,\t other"]] {
      #expect(try bytes(same) == plain, "\(same)")
    }
    for other in [["other,parley.v1"], ["parley.v1"], ["parley.v1,,other"], ["parley.v1,Other"], ["parley.v1,other,"]] {
      #expect(try bytes(other) != plain, "\(other)")
    }
  }

  @Test("a subprotocol stripped, changed or not offered")
  func subprotocol() throws {
    for offered in [[], [""], ["parley.v2"], ["Parley.v1"], ["parley.v1x"], ["xparley.v1, parley"]] {
      #expect(throws: HandshakeError.unexpectedSubprotocol, "\(offered)") { try bytes(offered) }
    }
    for selected in ["", "parley.v2", "PARLEY.V1", "parley.v1 "] {
      #expect(throws: HandshakeError.unexpectedSubprotocol) {
        try bytes(["parley.v1", "parley.v2", ""], selected: selected)
      }
    }
  }

  @Test("4096 bytes of offers, and one more")
  func limit() throws {
    let most = "parley.v1," + String(repeating: "x", count: 4086)
    #expect(throws: Never.self) { try bytes([most]) }
    #expect(throws: HandshakeError.offerTooLong(4097, limit: 4096)) { try bytes([most + "x"]) }
  }

  @Test("a TLS exporter has 32 bytes", arguments: [0, 31, 33])
  func exporterLength(count: Int) throws {
    #expect(throws: HandshakeError.malformedChannelBinding) {
      try bytes(["parley.v1"], .tlsExporter([UInt8](repeating: 0, count: count)))
    }
  }

  /// What the initiator makes of a responder that saw something else.
  func initiatorError(_ one: Prologue, _ other: Prologue) throws -> HandshakeError? {
    let handshake = try Handshake()
    var initiator = handshake.makeInitiator(one)
    var responder = handshake.makeResponder()
    let two = try responder.receiveMessage1(initiator.message1, prologue: other)
    return failure { () throws(HandshakeError) in _ = try initiator.receiveMessage2(two) }
  }

  @Test("an offer edited in flight, another TLS channel, and TLS on one side only")
  func mismatch() throws {
    func prologue(_ offered: String, _ binding: Prologue.ChannelBinding) throws -> Prologue {
      try Prologue(offered: [offered], selected: "parley.v1", channelBinding: binding)
    }
    let tls = Prologue.ChannelBinding.tlsExporter([UInt8](repeating: 1, count: 32))
    let otherTLS = Prologue.ChannelBinding.tlsExporter([UInt8](repeating: 2, count: 32))
    let seen = try prologue("parley.v1,parley.v2", tls)
    #expect(try initiatorError(seen, seen) == nil)
    #expect(try initiatorError(seen, prologue("parley.v2, parley.v1", tls)) == .decryptionFailed(.two))
    #expect(try initiatorError(seen, prologue("parley.v1", tls)) == .decryptionFailed(.two))
    #expect(try initiatorError(seen, prologue("parley.v1,parley.v2", otherTLS)) == .decryptionFailed(.two))
    #expect(try initiatorError(seen, prologue("parley.v1,parley.v2", .none)) == .decryptionFailed(.two))
    #expect(try initiatorError(prologue("parley.v1,parley.v2", .none), seen) == .decryptionFailed(.two))
  }

  @Test("the header: longer, shorter, padded, of another alphabet, or with unused bits set")
  func header() throws {
    let message = try Handshake().messages().one
    let value = HandshakeHeader.encode(message)
    #expect(value.utf8.count == HandshakeHeader.characterCount)
    #expect(try HandshakeHeader.decode(value) == message)
    let body = value.dropLast()
    // 1276 bytes leave four bits of the last digit unused: only every sixteenth digit may stand there.
    let digits = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_").subtracting("AQgw")
    var refused: [String] = digits.map { body + String($0) }
    for end in ["", "+", "/", ".", "\u{0}", "=", "A="] { refused.append(body + end) }
    refused += ["", value + "A", value + "=", value + " "]
    refused += [" " + value, " " + body, "\u{e9}" + value.dropFirst(2)]
    for digit in "AQgw" { #expect(throws: Never.self) { try HandshakeHeader.decode(body + String(digit)) } }
    for text in refused {
      #expect(throws: HandshakeError.malformedHeader, "\(text.suffix(3))") { try HandshakeHeader.decode(text) }
    }
  }
}
