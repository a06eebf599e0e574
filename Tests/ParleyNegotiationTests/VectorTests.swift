import Foundation
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyNegotiation

/// `docs/protocol/vectors/negotiation.json`: one negotiation with fixed keys, nonces and times, byte for byte.
///
/// Written anew by `PARLEY_RECORD=1 swift test --filter Vectors`; the diff is then for a person to judge.
@Suite("Vectors")
struct VectorTests {
  static let file = SharedVectors.root.appending(path: "docs/protocol/vectors/negotiation.json")

  /// Frames as they cross the channel, in order, and what they do.
  final class Recorder {
    let pair = Pair()
    var steps: [JSONValue] = []

    func record(_ name: String, _ action: (Pair) throws -> Void) rethrows {
      pair.now = pair.now + .milliseconds(10)
      try action(pair)
      deliver(name)
    }

    func deliver(_ name: String) {
      while true {
        let batches = [("taker", pair.maker, pair.taker.drain()), ("maker", pair.taker, pair.maker.drain())]
        if batches.allSatisfy(\.2.isEmpty) { return }
        for (from, to, frames) in batches {
          for frame in frames {
            steps.append(Self.describe(name, from, frame, pair.now))
            to.take(to.session.receive(frame, now: pair.now))
          }
        }
      }
    }

    static func describe(_ name: String, _ from: String, _ frame: [UInt8], _ now: UnixNanoseconds) -> JSONValue {
      var object: JSONObject = [
        "step": .string(name), "from": .string(from), "now": .integer(now.rawValue), "frame": .string(frame.hex),
      ]
      guard case .data(let n, let bytes) = try! Frame.decode(frame), let statement = try? Statement(bytes) else {
        return .object(object)
      }
      object["statement"] = .object([
        "kind": .string("\(statement.payload.kind)"), "n": .integer(n), "id": .string("\(statement.id)"),
        "header": .string(statement.envelope.header.hex), "payload": .string(statement.envelope.payload.hex),
        "signed_bytes": .string(Statement.signedBytes(id: statement.id, suite: .ed25519).hex),
      ])
      return .object(object)
    }
  }

  static func record() throws -> JSONValue {
    let recorder = Recorder()
    let pair = recorder.pair
    recorder.record("sync") { pair in
      pair.taker.session.channelClosed()
      pair.maker.session.channelClosed()
      pair.taker.open(pair.now)
      pair.maker.open(pair.now)
    }
    let nonce = [UInt8](repeating: 7, count: 16)
    var dialogue = DialogueID.pair
    try recorder.record("request") { pair in
      dialogue =
        pair.taker.take(
          try pair.taker.session.requestQuote(Samples.request(), nonce: nonce, now: pair.now)
        ).dialogue
    }
    try recorder.record("quote") { pair in
      pair.maker.take(try pair.maker.session.quote(dialogue, Samples.twoWay(), now: pair.now))
    }
    try recorder.record("counter") { pair in
      pair.taker.take(
        try pair.taker.session.counter(
          dialogue, OfferDraft(bid: Samples.side(-3), lifetime: 1_000_000_000), now: pair.now))
    }
    try recorder.record("amended quote") { pair in
      pair.maker.take(
        try pair.maker.session.quote(dialogue, Samples.twoWay(bid: 96, ask: 104, hold: 500_000_000), now: pair.now))
    }
    try recorder.record("accept, confirm, acknowledgement") { pair in
      let offer = pair.taker.session.dialogue(dialogue)!.peerOffer!
      pair.taker.take(
        try pair.taker.session.accept(dialogue, offer: offer.id, side: .buy, lots: 3, now: pair.now))
    }
    let refused = try recorder.pair.taker.session.requestQuote(
      Samples.request(lifetime: 30_000_000_000), nonce: [UInt8](repeating: 8, count: 16), now: pair.now)
    recorder.record("second request") { $0.taker.take(refused) }
    try recorder.record("refused") { pair in
      pair.maker.take(
        try pair.maker.session.refuse(refused.dialogue, Fault(.spec, field: 103, "not traded here"), now: pair.now))
    }
    let trade = try #require(pair.maker.session.trades.first)
    func party(_ peer: Peer, seed: UInt8) -> JSONValue {
      .object([
        "ed25519_seed": .string([UInt8](repeating: seed, count: 32).hex),
        "did": .string(peer.signer.identity.did.string), "key_fragment": .string(peer.signer.identity.keyFragment),
        "doc_hash": .string(peer.signer.identity.documentHash.hex),
        "incarnation": .string(peer.session.state.incarnation!.hex),
        "link_0": .string(
          "\(PairState.firstLink(from: peer.session.state.local, to: peer.session.state.peer, peer.session.state.incarnation!, peer.session.state.peerIncarnation!))"
        ),
        "sent": .integer(peer.session.state.sent), "sent_link": .string("\(peer.session.state.sentLink)"),
      ])
    }
    return .object([
      "about": "One negotiation as docs/protocol/negotiation.md describes it: fixed keys, every frame in order.",
      "taker": party(pair.taker, seed: 1), "maker": party(pair.maker, seed: 2),
      "dialogue": .object(["nonce": .string(nonce.hex), "id": .string("\(dialogue)")]),
      "terms": .object([
        "bytes": .string(trade.terms.encoded.hex), "digest": .string("\(Terms.digest(of: trade.terms.encoded))"),
      ]),
      "trade": .object(["accept": .string("\(trade.accept)"), "confirm": .string("\(trade.confirm)")]),
      "malformed_id": .object([
        "bytes": "c1", "id": .string("\(Envelope.malformedID([0xC1]))"),
      ]),
      "frames": .array(recorder.steps),
    ])
  }

  @Test("the negotiation of the vectors is still the same bytes")
  func unchanged() throws {
    let text = try Self.record().serialized(pretty: true) + "\n"
    if ProcessInfo.processInfo.environment["PARLEY_RECORD"] == "1" {
      try FileManager.default.createDirectory(
        at: Self.file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: Self.file, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: Self.file, encoding: .utf8) == text)
  }
}
