import Foundation
import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyHandshake

/// `docs/protocol/vectors/secure-channel.json`: one renewal, one resumption and one RETRY, byte for byte.
///
/// Written anew by `PARLEY_RECORD=1 swift test --filter ChannelVectorTests`; the diff is then for a person to judge.
@Suite("Vectors of the channel")
struct ChannelVectorTests {
  static let file = SharedVectors.root.appending(path: "docs/protocol/vectors/secure-channel.json")

  static func hex(_ members: [(String, [UInt8])]) -> JSONValue {
    var object = JSONObject()
    for (name, bytes) in members { object[name] = .string(bytes.hex) }
    return .object(object)
  }

  static func record() throws -> JSONValue {
    var object = JSONObject()
    object["about"] =
      "A renewal of keys, a resumption and a RETRY as secure-channel.md describes them, with fixed keys."
    object["parties"] = try parties()
    object["renewal"] = try renewal()
    object["resumption"] = try resumption()
    object["retry"] = try retry()
    return .object(object)
  }

  static func parties() throws -> JSONValue {
    let (initiator, responder) = (try Party(1), try Party(2))
    return hex([
      ("ed25519_seed_I", [UInt8](repeating: 1, count: 32)), ("ed25519_seed_R", [UInt8](repeating: 2, count: 32)),
      ("document_I", initiator.identity.documentBytes), ("document_R", responder.identity.documentBytes),
      ("did_I", Array(initiator.identity.did.string.utf8)), ("did_R", Array(responder.identity.did.string.utf8)),
    ])
  }

  static func renewal() throws -> JSONValue {
    var session = try Session()
    var members = [("th", session.initiator.transcriptHash)]
    func secrets(_ channel: borrowing SecureChannel, _ epoch: String) {
      members.append(("ratchet_\(epoch)", channel.withKeys { $0.ratchetSecret.copied } ?? []))
    }
    secrets(session.initiator, "0")
    members.append(("e_I", [UInt8](repeating: 0x31, count: 32)))
    members.append(("kem_seed_dz", [UInt8](repeating: 0x31, count: 64)))
    members.append(("e_R", [UInt8](repeating: 0xB1, count: 32)))
    members.append(("kem_m", [UInt8](repeating: 0xB1, count: 32)))
    session.elapsed = .seconds(600)
    let offer = try session.responder.open(session.due(.initiator)).body
    members.append(("offer", offer))
    let kem = try MLKEM768.encapsulate(
      to: OfferBody(offer.rawSpan).e1, randomness: SecretBytes(repeating: 0xB1, count: 32))
    members += [("kem_ct", kem.ciphertext), ("kem_K", kem.sharedSecret.copied)]
    let reply = try session.initiator.open(session.due(.responder)).body
    members.append(("reply", reply))
    secrets(session.initiator, "1")
    let done = try session.due(.initiator)
    _ = try session.responder.open(done)
    members.append(("done_record", done))
    members.append(("app_record_I", try session.initiator.seal(.application, [1, 2, 3])))
    members.append(("app_record_R", try session.responder.seal(.application, [4, 5])))
    return hex(members)
  }

  static func resumption() throws -> JSONValue {
    let old = try Session()
    var session = try ResumptionTests.later()
    var table = ResumptionTable()
    table.insert(old.responder.resumable, streams: ResumptionTests.streams, now: session.now)
    var members = [
      ("continuity", old.initiator.resumable.continuity.copied), ("th_new", session.initiator.transcriptHash),
    ]
    var record = [UInt8]()
    try session.initiator.resume(
      old.initiator.resumable, streams: [StreamPosition(stream: 0, last: 3)], into: &record)
    members.append(("resume", try session.responder.open(record).body))
    var answer = [UInt8]()
    _ = try session.responder.answerResume(from: &table, now: session.now, into: &answer)
    members.append(("resumed", try session.initiator.open(answer).body))
    return hex(members)
  }

  static func retry() throws -> JSONValue {
    var gate = try AdmissionTests.gate()
    var initiator = try Handshake().makeInitiator()
    let first = initiator.message1
    let retry = try AdmissionTests.retry(&gate, first, AdmissionTests.source(192, 0, 2, 1))
    var (_, search) = try initiator.receiveRetry(retry, randomness: .numbered(0x41))
    var work: UInt64?
    while work == nil { work = search.search(1000) }
    return hex([
      ("cookie_key", [UInt8](repeating: 3, count: 32)), ("source", try AdmissionTests.source(192, 0, 2, 1).bytes),
      ("bucket", [0, 0, 0, 0, 0, 0, 0, 1]), ("retry", retry), ("e_I", [UInt8](repeating: 0x41, count: 32)),
      ("kem_seed_dz", [UInt8](repeating: 0x41, count: 64)), ("m1", initiator.resend(work: work ?? 0)),
    ])
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
