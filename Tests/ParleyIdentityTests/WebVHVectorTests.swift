import Foundation
import ParleyCrypto
import ParleyWire
import TestSupport
import Testing

@testable import ParleyIdentity

/// A log of `shared/vectors/did/webvh`, and what comes of it.
struct WebVHVector: Sendable, CustomTestStringConvertible {
  var log: String
  var witness: String?
  /// How many versions hold.
  var versions: Int
  /// Why the next one does not.
  var fault: WebVHFault?
  /// Why the last document, which is a document to others, is none here; `nil` where it is.
  var refusal: IdentityError?
  var testDescription: String { log }

  /// Verification methods of the suite have no controller, which DID Core demands.
  private static let noController = IdentityError.malformedDocument("verificationMethod[0].controller")

  private static func scenario(
    _ name: String, versions: Int, witness: Bool = false, fault: WebVHFault? = nil
  ) -> Self {
    let folder = "test_suite/" + name
    return Self(
      log: folder + "/did.jsonl", witness: witness ? folder + "/did-witness.json" : nil, versions: versions,
      fault: fault, refusal: noController)
  }

  static let all = [
    scenario("basic-create", versions: 1), scenario("basic-update", versions: 2),
    scenario("deactivate", versions: 2), scenario("key-rotation", versions: 2), scenario("multi-update", versions: 3),
    scenario("multiple-update-keys", versions: 2), scenario("portable", versions: 1),
    scenario("portable-move", versions: 2), scenario("pre-rotation", versions: 1),
    scenario("pre-rotation-consume", versions: 2), scenario("services", versions: 2),
    scenario("witness-threshold", versions: 1, witness: true),
    // The second entry changes the witnesses, so the old ones, two of two, must approve it; only one of them has. The
    // suite wants it to resolve, the specification ("becomes active AFTER") does not; nor does didwebvh-rs resolve it.
    scenario("witness-update", versions: 1, witness: true, fault: .notWitnessed(have: 1, threshold: 2)),
    // Its key is the text "test1234567890...".
    Self(
      log: "did-generate_history.jsonl", witness: "did-witness-generate_history.json", versions: 120,
      refusal: .malformedKey(
        IdentityError.cut("did:webvh:QmSnw6YkSm2Tu8pASb6VdxuSU2PetvSoLumFfVh5VafiKT:test.affinidi.com#key-0"))),
    Self(log: "first_log_entry_good.jsonl", versions: 1),
    Self(log: "first_log_entry_verify_full.jsonl", versions: 1),
    // Made by didwebvh-ts, which hashes "{SCID}" for the predecessor's versionId; its times are equal as well.
    Self(log: "plain_rotation_no_prerotation.jsonl", versions: 1, fault: .versionTime, refusal: noController),
    // `null` for the default of a parameter, as drafts had it.
    Self(log: "pre-1_0-spec.jsonl", versions: 1, fault: .parameter("watchers")),
    Self(log: "py-sample-diddoc-did.jsonl", witness: "py-sample-diddoc-did-witness.json", versions: 2),
  ]
}

@Suite("Public did:webvh vectors", .enabled(if: SharedVectors.arePresent, .init(rawValue: SharedVectors.absence)))
struct WebVHVectorTests {
  private static let now = UTCTimestamp("2026-11-21T18:00:00Z")!.time

  private static func bytes(_ path: String) throws -> [UInt8] { try Array(SharedVectors.data("did/webvh/" + path)) }

  /// The DID of a log's first entry.
  private static func did(_ log: [UInt8]) throws -> DID {
    let entry = try JSONValue.parse(Array(#require(log.split(separator: UInt8(ascii: "\n")).first)))
    return try DID(parsing: #require(entry["state"]?["id"]?.stringValue))
  }

  private static func history(_ vector: WebVHVector) throws -> DIDWebVHHistory {
    let bytes = try bytes(vector.log)
    var limits = DIDWebVHLog.Limits()
    limits.byteCount = 1 << 18
    let log = try DIDWebVHLog(parsing: bytes, for: did(bytes), now: now, limits: limits)
    #expect(log.needsWitnesses == (vector.witness != nil))
    return try DIDWebVHHistory(log, witnessFile: vector.witness.map(self.bytes))
  }

  @Test("each log holds as far as it should", arguments: WebVHVector.all)
  func verdicts(vector: WebVHVector) throws {
    let history = try Self.history(vector)
    #expect(history.versions.count == vector.versions)
    #expect(history.fault?.fault == vector.fault)
    #expect(history.fault.map { $0.version == vector.versions + 1 } ?? true)
    let last = try #require(history.versions.last)
    if let refusal = vector.refusal {
      #expect(throws: refusal) { try last.document(for: history.did) }
    } else {
      #expect(try last.document(for: history.did).hash == SHA256.hash(last.state.canonical()))
    }
    if let fault = vector.fault {
      #expect(throws: IdentityError.invalidLog(version: vector.versions + 1, fault)) {
        try history.version(.latest)
      }
    }
    // No entry holds once a byte of the first one is another.
    var bytes = try Self.bytes(vector.log)
    let middle = try #require(bytes.firstIndex(of: UInt8(ascii: "\n"))) / 2
    bytes[middle] = bytes[middle] == UInt8(ascii: "x") ? UInt8(ascii: "y") : UInt8(ascii: "x")
    #expect(throws: IdentityError.self) { try DIDWebVHLog(parsing: bytes, for: history.did, now: Self.now) }
  }

  @Test("the tampered first entry")
  func tampered() throws {
    let bytes = try Self.bytes("first_log_entry_verify_tampered.jsonl")
    #expect(throws: IdentityError.invalidLog(version: 1, .scid)) {
      try DIDWebVHLog(parsing: bytes, for: Self.did(bytes), now: Self.now)
    }
  }

  @Test("the suite's results: metadata, and the document but for the services that resolvers may add")
  func results() throws {
    var count = 0
    for vector in WebVHVector.all where vector.log.hasPrefix("test_suite/") && vector.fault == nil {
      let history = try Self.history(vector)
      let folder = "did/webvh/" + vector.log.dropLast("did.jsonl".count)
      let names = try FileManager.default.contentsOfDirectory(atPath: SharedVectors.path(folder))
      for name in names where name.hasPrefix("resolutionResult") {
        let result = try JSONValue.parse(Array(SharedVectors.data(folder + name)))
        // `resolutionResult.2.json` is of version 2, `resolutionResult.json` of the last one.
        let number = Int(name.split(separator: ".")[1])
        let isDeactivated = result["didDocumentMetadata"]?["deactivated"] == true
        #expect(isDeactivated == history.parameters.isDeactivated)
        if isDeactivated { #expect(throws: IdentityError.deactivated(history.did)) { try history.version(.latest) } }
        let version = try history.version(
          number.map { .number($0) } ?? (isDeactivated ? .number(history.versions.count) : .latest))
        let metadata = try #require(result["didDocumentMetadata"])
        #expect(metadata["versionId"]?.stringValue == version.id)
        #expect(metadata["versionNumber"] == .integer(Int64(version.number)))
        #expect(metadata["versionTime"]?.stringValue == version.time.text)
        #expect(metadata["created"]?.stringValue == history.versions.first?.time.text)
        #expect(try history.version(.id(version.id)) == version)
        #expect(try history.version(.time(version.time.time)) == version)
        var expected = try #require(result["didDocument"]?.objectValue)
        let services = expected["service"]?.arrayValue?.filter { $0["id"] != "#files" && $0["id"] != "#whois" }
        expected["service"] = version.state["service"].flatMap { _ in services.map(JSONValue.array) }
        #expect(JSONValue.object(expected).canonical() == version.state.canonical(), "\(folder)\(name)")
        count += 1
      }
    }
    #expect(count == 14)
  }

  @Test("every file of the folder is in a test")
  func complete() throws {
    let folder = SharedVectors.path("did/webvh")
    let files = try #require(FileManager.default.enumerator(atPath: folder)?.allObjects as? [String])
    let logs = files.filter { $0.hasSuffix(".jsonl") }
    #expect(Set(logs) == Set(WebVHVector.all.map(\.log) + ["first_log_entry_verify_tampered.jsonl"]))
    let witnesses = files.filter { $0.contains("did-witness") && $0.hasSuffix(".json") }
    #expect(Set(witnesses) == Set(WebVHVector.all.compactMap(\.witness)))
  }

  @Test("the documents beside the Python sample are its versions")
  func sample() throws {
    let vector = try #require(WebVHVector.all.first { $0.log == "py-sample-diddoc-did.jsonl" })
    let history = try Self.history(vector)
    for (version, name) in zip(history.versions, ["v1", "v2"]) {
      let document = try JSONValue.parse(Self.bytes("py-sample-diddoc-did-\(name).json"))
      #expect(document.canonical() == version.state.canonical())
    }
  }
}
