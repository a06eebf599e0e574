import ParleyWire
import Testing

@testable import ParleyNegotiation

@Suite("Topics and interests")
struct InterestsTests {
  @Test(
    "topics",
    arguments: [
      ("option/BTC", true), ("a", true), ("A-b_c.9/x/y", true), (String(repeating: "x", count: 64), true),
      (String(repeating: "x", count: 65), false), ("", false), ("/", false), ("a/", false), ("/a", false),
      ("a//b", false), ("a b", false), ("ä", false), ("a\u{0}", false),
    ])
  func topics(text: String, isTopic: Bool) { #expect((Topic(text) != nil) == isTopic) }

  static func interests(_ texts: [String]) -> Interests { Interests(texts.compactMap(Topic.init))! }

  @Test("a declaration reads as it was written, its bytes are known")
  func known() throws {
    let interests = Self.interests(["option/BTC", "future/ETH", "option/BTC"])
    let bytes: [UInt8] = [0x92, 1, 0x92, 0xAA] + Array("future/ETH".utf8) + [0xAA] + Array("option/BTC".utf8)
    #expect(interests.encoded == bytes)
    #expect(try Interests(decoding: bytes) == interests)
    for count in bytes.indices { #expect(throws: Fault.self) { try Interests(decoding: Array(bytes[..<count])) } }
    #expect(throws: Fault.self) { try Interests(decoding: bytes + [0]) }
    #expect(try Interests(decoding: [0x92, 1, 0x90]) == Interests.none)
  }

  @Test("another order, one twice, no topic, another version or too many do not read")
  func refused() throws {
    func message(_ topics: [String], version: UInt8 = 1) -> [UInt8] {
      var writer = MessagePackWriter()
      writer.appendArray(count: 2)
      writer.append(version)
      writer.appendArray(count: topics.count)
      for topic in topics { writer.append(topic) }
      return writer.bytes
    }
    #expect(try Interests(decoding: message(["a", "b"])).topics.map(\.description) == ["a", "b"])
    for bad in [
      message(["b", "a"]), message(["a", "a"]), message(["a b"]), message([""]), message(["a"], version: 2),
    ] {
      #expect(throws: Fault.self) { try Interests(decoding: bad) }
    }
    let most = (0..<32).map { String(repeating: "x", count: 62) + String($0 + 10) }
    #expect(try Interests(decoding: message(most)).encoded.count <= Interests.byteLimit)
    #expect(Interests(most.compactMap(Topic.init))?.topics.count == 32)
    #expect(Interests((most + ["y"]).compactMap(Topic.init)) == nil)
    #expect(throws: Fault.self) { try Interests(decoding: message(most + ["y"])) }
  }

  @Test("a session takes a request to a topic that it has declared, and no other")
  func asked() throws {
    let pair = Pair()
    var draft = Samples.request()
    draft.topic = Topic("option/BTC")
    let refused = try pair.ask(draft, nonce: 1)
    #expect(pair.taker.session.dialogue(refused)?.phase == .closed)
    pair.maker.session.policy.interests = Set(Self.interests(["option/BTC"]).topics)
    let taken = try pair.ask(draft, nonce: 2)
    #expect(pair.maker.session.dialogue(taken)?.request.isTopic == true)
    draft.topic = Topic("option/ETH")
    let other = try pair.ask(draft, nonce: 3)
    #expect(pair.taker.session.dialogue(other)?.phase == .closed && pair.maker.session.dialogue(other) == nil)
    #expect(try pair.maker.restored() == pair.maker.session.state)
  }
}
