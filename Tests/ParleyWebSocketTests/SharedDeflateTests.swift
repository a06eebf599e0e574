import ParleyWire
import TestSupport
import Testing

@testable import ParleyWebSocket

/// Every case of `websocket/rfc7692.json`.
@Suite("Shared vectors: RFC 7692", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct SharedDeflateTests {
  struct Vectors: Decodable {
    struct Example: Decodable {
      let name, frame_hex, payload_hex, text: String
      let context_takeover_after: String?
    }
    struct Single: Decodable {
      let name, text, payload_hex: String
      let max_window_bits: Int
    }
    struct Message: Decodable { let text, payload_hex: String }
    struct Offer: Decodable {
      let header: String
      let acceptable: Bool
    }
    let rfc_examples: [Example]
    let computed_single_messages: [Single]
    let computed_context_takeover_sequence: [Message]
    let offers: [Offer]
  }

  let vectors: Vectors
  let pool = DeflatePool()

  init() throws { vectors = try SharedVectors.json("websocket/rfc7692.json") }

  func inflater(_ windowBits: Int = 15, keepsContext: Bool = false) -> MessageInflater {
    MessageInflater(windowBits: windowBits, keepsContext: keepsContext, pool: pool)
  }

  @Test("the examples of section 7.2.3, whole and a byte at a time")
  func examples() throws {
    #expect(vectors.rfc_examples.count == 7)
    for row in vectors.rfc_examples {
      let payload = try #require([UInt8](hex: row.payload_hex))
      for pieces in [[payload], payload.map { [$0] }] {
        let back = inflater(keepsContext: row.context_takeover_after != nil)
        if let before = row.context_takeover_after { _ = try back.message(#require([UInt8](hex: before))) }
        #expect(String(decoding: try back.message(pieces), as: UTF8.self) == row.text, "\(row.name)")
      }
    }
  }

  @Test("messages that zlib compressed with windows of several sizes")
  func singles() throws {
    #expect(vectors.computed_single_messages.count == 12)
    for row in vectors.computed_single_messages {
      let payload = try #require([UInt8](hex: row.payload_hex))
      for windowBits in Set([row.max_window_bits, 15]) {
        for keepsContext in [false, true] {
          let text = try inflater(windowBits, keepsContext: keepsContext).message(payload)
          #expect(String(decoding: text, as: UTF8.self) == row.text, "\(row.name)")
        }
      }
      var options = PermessageDeflate.Options()
      options.level = 6
      let ours = MessageDeflater(
        windowBits: row.max_window_bits, keepsContext: false, options: options, pool: pool)
      #expect(ours.message(Array(row.text.utf8)) == payload, "\(row.name)")
    }
  }

  @Test("a sequence with context, in both directions")
  func sequence() throws {
    #expect(vectors.computed_context_takeover_sequence.count == 5)
    var options = PermessageDeflate.Options()
    options.level = 6
    let back = inflater(keepsContext: true)
    let out = MessageDeflater(windowBits: 15, keepsContext: true, options: options, pool: pool)
    for row in vectors.computed_context_takeover_sequence {
      let payload = try #require([UInt8](hex: row.payload_hex))
      #expect(String(decoding: try back.message(payload), as: UTF8.self) == row.text)
      #expect(out.message(Array(row.text.utf8)) == payload)
    }
  }

  @Test("offers that a server can meet, and offers that it must decline")
  func offers() throws {
    #expect(vectors.offers.count == 12)
    for row in vectors.offers {
      let head = try request("GET / HTTP/1.1\nHost: a\nSec-WebSocket-Extensions: \(row.header)\n\n")
      let taken = PermessageDeflate.accept(try ExtensionOffer.all(in: head.fields), .init())
      #expect((taken != nil) == row.acceptable, "\(row.header)")
    }
  }
}
