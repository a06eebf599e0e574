import Foundation
import ParleyNoise
import ParleyWire
import TestSupport
import Testing

@testable import ParleyPeer

/// `docs/protocol/vectors/secure-channel-streams.json`: the beginning of a session, record by record.
///
/// Written anew by `PARLEY_RECORD=1 swift test --filter ChannelStreamsVectorTests`; the diff is then for a person to judge.
@Suite("Vectors of the streams of a channel")
struct ChannelStreamsVectorTests {
  static let file = SharedVectors.root.appending(path: "docs/protocol/vectors/secure-channel-streams.json")
  static let messages: (initiator: [[UInt8]], responder: [[UInt8]]) = (
    [Array("the first of I".utf8), [UInt8](repeating: 0x49, count: 16_400)],
    [Array("the first of R".utf8), Array("the second of R".utf8)]
  )
  static let questions: (initiator: [UInt8], responder: [UInt8]) = ([UInt8](32..<64), [UInt8](0..<32))

  /// A session: R speaks first, each side pings, I proposes what nobody speaks, and a message fills records.
  static func record() throws -> JSONValue {
    var pair = StreamPair(protocols: [])
    var bodies: [JSONValue] = []
    func carry() throws {
      while pair.responder.hasOutput || pair.initiator.hasOutput {
        let back = pair.responder.takeOutput()
        if !back.isEmpty {
          bodies.append(["from": "R", "body": .string(back.hex)])
          _ = try pair.initiator.events(back, true)
        }
        let there = pair.initiator.takeOutput()
        if !there.isEmpty {
          bodies.append(["from": "I", "body": .string(there.hex)])
          _ = try pair.responder.events(there, true)
        }
      }
    }
    _ = pair.responder.negotiate(messages.responder[0])
    _ = pair.responder.ping(questions.responder, now: pair.now)
    _ = pair.initiator.negotiate(messages.initiator[0])
    _ = pair.initiator.ping(questions.initiator, now: pair.now)
    try carry()
    _ = pair.initiator.open("/parley/nothing/1")
    _ = pair.initiator.negotiate(messages.initiator[1])
    _ = pair.responder.negotiate(messages.responder[1])
    try carry()
    return [
      "about": "The bodies of the APP records of a session as section 7 of secure-channel.md describes them, in order.",
      "messages_I": .array(messages.initiator.map { .string($0.hex) }),
      "messages_R": .array(messages.responder.map { .string($0.hex) }),
      "ping_I": .string(questions.initiator.hex), "ping_R": .string(questions.responder.hex),
      "refused": "/parley/nothing/1", "records": .array(bodies),
    ]
  }

  @Test("this implementation makes these bytes")
  func bytes() throws {
    let made = try Self.record().serialized(pretty: true) + "\n"
    if ProcessInfo.processInfo.environment["PARLEY_RECORD"] == "1" {
      try Data(made.utf8).write(to: Self.file)
    }
    #expect(try String(contentsOf: Self.file, encoding: .utf8) == made)
  }
}
