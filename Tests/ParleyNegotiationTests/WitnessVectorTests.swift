import Foundation
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyNegotiation

/// `docs/protocol/vectors/witness.json`: one Accept of a witnessed offer, its write and its stamps, with fixed keys.
///
/// Written anew by `PARLEY_RECORD=1 swift test --filter Vectors`; the diff is then for a person to judge.
@Suite("Witness Vectors")
struct WitnessVectorTests {
  static let file = SharedVectors.root.appending(path: "docs/protocol/vectors/witness.json")

  static func record() throws -> JSONValue {
    let scene = WitnessedPair()
    let id = try scene.ask()
    let offer = try scene.pair.quote(id, scene.draft())
    let accept = try Statement(try #require(try Self.accept(scene, id)))
    let question = try #require(scene.taker.session.slotQuestions(now: scene.now).first)
    let write = try #require(question.write)
    let slot = question.slot
    let written = try scene.witness.ask(question.message, scene.now)
    var late = slot
    late.offer = accept.id
    let query = WitnessMessage.query(late)
    let open = try scene.witness.ask(query, scene.now)
    let empty = try scene.witness.ask(query, late.deadline.advanced(byNanoseconds: 1))
    guard case .stamp(let first) = written, case .stamp(let second) = empty else { throw Fault(.unknown) }
    func describe(_ stamp: Stamp) -> JSONValue {
      .object([
        "bytes": .string(stamp.bytes.hex), "id": .string("\(stamp.id)"), "time": .integer(stamp.time.rawValue),
        "signed_bytes": .string(Stamp.signedBytes(id: stamp.id, suite: .ed25519).hex),
      ])
    }
    func party(_ signer: LocalSigner, seed: UInt8) -> JSONValue {
      .object([
        "ed25519_seed": .string([UInt8](repeating: seed, count: 32).hex), "did": .string(signer.identity.did.string),
        "key_fragment": .string(signer.identity.keyFragment), "doc_hash": .string(signer.identity.documentHash.hex),
      ])
    }
    let rows = scene.witness.journal.map { JSONValue.string($0.row.hex) }
    let refused = WitnessMessage.refused(slot.id, Fault(.horizon, "too far away"))
    return .object([
      "about": "A witnessed Accept as docs/protocol/witness.md describes it: its slot, write and stamp, and an EMPTY.",
      "taker": party(Traders.taker, seed: 1), "maker": party(Traders.maker, seed: 2),
      "witness": party(scene.witness.signer, seed: 3), "dialogue": .string("\(id)"), "offer": .string("\(offer)"),
      "accept": .object([
        "bytes": .string(accept.bytes.hex), "id": .string("\(accept.id)"), "content": .string("\(write.content)"),
      ]),
      "slot": .object([
        "key": .string("\(slot.key)"), "deadline": .integer(slot.deadline.rawValue), "id": .string("\(slot.id)"),
        "written_bytes": .string(slot.writtenBytes(write.content).hex), "write": .string(write.signature.hex),
      ]),
      "stamp": describe(first), "empty": describe(second),
      "messages": .object([
        "write": .string(question.message.encoded.hex), "query": .string(query.encoded.hex),
        "stamp": .string(written.encoded.hex), "open": .string(open.encoded.hex),
        "refused": .string(refused.encoded.hex),
      ]),
      "rows": .array(rows),
    ])
  }

  private static func accept(_ scene: WitnessedPair, _ id: DialogueID) throws -> [UInt8]? {
    try scene.accept(id).outcome.rows.compactMap(\.statement).first
  }

  @Test("the vectors of the witness are still the same bytes")
  func unchanged() throws {
    let text = try Self.record().serialized(pretty: true) + "\n"
    if ProcessInfo.processInfo.environment["PARLEY_RECORD"] == "1" {
      try text.write(to: Self.file, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: Self.file, encoding: .utf8) == text)
  }
}
