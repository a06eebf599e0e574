import ParleyWire
import Testing

@testable import ParleyIdentity

private typealias Builder = WebVHBuilder

@Suite("did:webvh witnesses")
struct WebVHWitnessTests {
  private static let (a, b, c) = (Builder.Key(11), Builder.Key(12), Builder.Key(13))

  /// A log of three entries whose second one names two of three.
  private static func builder() -> Builder {
    var builder = Builder()
    builder.append()
    builder.append(["witness": Builder.witness(2, [a, b, c])])
    builder.append()
    return builder
  }

  private static func fault(_ builder: Builder, _ file: [UInt8]?) throws -> WebVHFault? {
    let history = try builder.history(file)
    #expect(history.fault == nil || history.versions.count == history.fault.map { $0.version - 1 })
    return history.fault?.fault
  }

  @Test("a proof approves its version and all before it")
  func approval() throws {
    let builder = Self.builder()
    #expect(try builder.log().needsWitnesses)
    let enough: [[(Int, [Builder.Key])]] = [
      [(3, [Self.a, Self.b])], [(3, [Self.c, Self.a, Self.b])], [(2, [Self.a]), (3, [Self.b, Self.c])],
      [(2, [Self.a, Self.b]), (3, [Self.a, Self.c])], [(3, [Self.a]), (3, [Self.c])],
    ]
    for approvals in enough {
      #expect(try Self.fault(builder, builder.witnessFile(approvals.map { (version: $0.0, by: $0.1) })) == nil)
    }
  }

  @Test("too few, of the wrong ones, or of the same one")
  func tooFew() throws {
    let builder = Self.builder()
    func fault(_ approvals: [(version: Int, by: [Builder.Key])]) throws -> WebVHFault? {
      try Self.fault(builder, builder.witnessFile(approvals))
    }
    #expect(try fault([(3, [Self.a])]) == .notWitnessed(have: 1, threshold: 2))
    #expect(try fault([(3, [Self.a, Self.a]), (3, [Self.a])]) == .notWitnessed(have: 1, threshold: 2))
    #expect(try fault([(3, [Self.a, Builder.key, Builder.stranger])]) == .notWitnessed(have: 1, threshold: 2))
    #expect(try fault([]) == .notWitnessed(have: 0, threshold: 2))
    // A proof of the version before approves nothing later.
    #expect(try fault([(1, [Self.a, Self.b])]) == .notWitnessed(have: 0, threshold: 2))
    let two = try builder.history(builder.witnessFile([(2, [Self.a, Self.b]), (3, [Self.a])]))
    #expect(two.versions.count == 2 && two.fault?.version == 3)
    #expect(two.fault?.fault == .notWitnessed(have: 1, threshold: 2))
    #expect(throws: IdentityError.invalidLog(version: 3, .notWitnessed(have: 1, threshold: 2))) { try two.document() }
  }

  @Test("proofs of a version that this log does not have say nothing")
  func otherLog() throws {
    var other = Self.builder()
    other.append()
    let builder = Self.builder()
    // The first three entries of both are the same; the fourth is not published here.
    #expect(
      try Self.fault(builder, other.witnessFile([(4, [Self.a, Self.b])])) == .notWitnessed(have: 0, threshold: 2))
    var foreign = Builder()
    foreign.append(["witness": Builder.witness(2, [Self.a, Self.b])], time: "2025-01-01T00:00:00Z")
    foreign.append()
    foreign.append()
    let file = foreign.witnessFile([(3, [Self.a, Self.b])])
    #expect(try Self.fault(builder, file) == .notWitnessed(have: 0, threshold: 2))
    #expect(try Self.fault(foreign, file) == nil)
  }

  @Test("a first entry that names witnesses needs them at once, and without them nothing holds")
  func first() throws {
    var builder = Builder()
    builder.append(["witness": Builder.witness(1, [Self.a])])
    #expect(throws: IdentityError.invalidLog(version: 1, .notWitnessed(have: 0, threshold: 1))) {
      try builder.history(Array("[]".utf8))
    }
    #expect(throws: IdentityError.invalidLog(version: 1, .witnessFile)) { try builder.history(nil) }
    #expect(try Self.fault(builder, builder.witnessFile([(1, [Self.a])])) == nil)
  }

  @Test("new witnesses, or none, must be approved by the old ones")
  func change() throws {
    for change in [Builder.witness(1, [Self.c]), [:]] as [JSONValue] {
      var builder = Builder()
      builder.append(["witness": Builder.witness(1, [Self.a])])
      builder.append(["witness": change])
      #expect(try Self.fault(builder, builder.witnessFile([(2, [Self.a])])) == nil)
      let byNew = builder.witnessFile([(1, [Self.a]), (2, [Self.c])])
      #expect(try Self.fault(builder, byNew) == .notWitnessed(have: 0, threshold: 1))
    }
    // Once they are in force, the new ones do.
    var builder = Builder()
    builder.append(["witness": Builder.witness(1, [Self.a])])
    builder.append(["witness": Builder.witness(1, [Self.c])])
    builder.append()
    #expect(try Self.fault(builder, builder.witnessFile([(2, [Self.a]), (3, [Self.c])])) == nil)
    #expect(
      try Self.fault(builder, builder.witnessFile([(2, [Self.a]), (3, [Self.b])]))
        == .notWitnessed(have: 0, threshold: 1))
    // And with none in force, nobody does.
    var free = Builder()
    free.append(["witness": Builder.witness(1, [Self.a])])
    free.append(["witness": [:]])
    free.append()
    #expect(try Self.fault(free, free.witnessFile([(2, [Self.a])])) == nil)
  }

  @Test("proofs that are none are passed over; a file that is none is a fault")
  func files() throws {
    var builder = Builder()
    builder.append(["witness": Builder.witness(1, [Self.a])])
    let id = JSONValue.string(builder.versionIDs[0])
    func fault(_ file: JSONValue) -> WebVHFault? {
      do {
        return try DIDWebVHHistory(builder.log(), witnessFile: Array(file.serialized().utf8)).fault?.fault
      } catch {
        guard case IdentityError.invalidLog(1, let fault) = error else { return .malformed("another error") }
        return fault
      }
    }
    let none = WebVHFault.notWitnessed(have: 0, threshold: 1)
    let good = Self.a.proof(["versionId": id])
    #expect(fault([["versionId": id, "proof": [good]]]) == nil)
    #expect(fault([["versionId": id], ["versionId": id, "proof": [1, "x", [:], good]]]) == nil)
    let changes: [(String, JSONValue)] = [
      ("cryptosuite", "eddsa-rdfc-2022"), ("proofPurpose", "authentication"), ("type", "X"),
      ("verificationMethod", .string(Self.b.did + "#" + Self.a.multikey)),
      ("verificationMethod", .string(Self.a.did + "#" + Self.b.multikey)),
      ("verificationMethod", .string(Self.b.did + "#" + Self.b.multikey)),
    ]
    for (name, value) in changes {
      #expect(fault([["versionId": id, "proof": [Self.a.proof(["versionId": id]) { $0[name] = value }]]]) == none)
    }
    #expect(fault([["versionId": id, "proof": [Self.a.proof(["versionId": "1-Qm"])]]]) == none)
    #expect(fault([["versionId": id, "proof": [Self.a.proof(["versionId": id, "x": 1])]]]) == none)
    for file in [[:], "x", [1], [["proof": []]], [["versionId": 1]], [["versionId": id, "proof": good]]] as [JSONValue]
    {
      #expect(fault(file) == .witnessFile, "\(file)")
    }
    let log = try builder.log()
    #expect(throws: IdentityError.invalidLog(version: 1, .witnessFile)) {
      try DIDWebVHHistory(log, witnessFile: [UInt8](repeating: 0x20, count: 65_537))
    }
  }

  @Test("proofs at the limit and one past it")
  func limit() throws {
    var builder = Builder()
    builder.append(["witness": Builder.witness(1, [Self.a])])
    let file = builder.witnessFile([(1, [Self.b, Self.b, Self.a])])
    var limits = DIDWebVHLog.Limits()
    limits.witnessProofCount = 3
    #expect(try DIDWebVHHistory(builder.log(limits), witnessFile: file).versions.count == 1)
    limits.witnessProofCount = 2
    let log = try builder.log(limits)
    #expect(throws: IdentityError.invalidLog(version: 1, .witnessFile)) {
      try DIDWebVHHistory(log, witnessFile: file)
    }
  }
}

@Suite("did:webvh names and times")
struct WebVHNameTests {
  private static let scid = SHA256Multihash.text(of: [])

  @Test(
    "URLs",
    arguments: [
      ("a.example", "https://a.example/.well-known/did.jsonl"),
      ("a.example%3A8443", "https://a.example:8443/.well-known/did.jsonl"),
      ("a.example:desks:x", "https://a.example/desks/x/did.jsonl"),
      ("localhost%3A8000:x", "https://localhost:8000/x/did.jsonl"),
    ])
  func urls(location: String, url: String) throws {
    let did = try DID(parsing: "did:webvh:\(Self.scid):\(location)")
    #expect(did.method == .webvh)
    #expect(try DIDWebVH.scid(of: did) == Self.scid)
    #expect(try DIDWebVH.logURL(for: did) == url)
    #expect(try DIDWebVH.witnessURL(for: did) == url.replacing("did.jsonl", with: "did-witness.json"))
    let other = try DID(parsing: "did:web:a.example")
    #expect(throws: IdentityError.unsupportedMethod(other.string)) { try DIDWebVH.logURL(for: other) }
  }

  @Test(
    "refused",
    arguments: [
      "x", scid, scid + ":", scid + ":a.example:", "\(scid.dropLast()):a.example", "\(scid)1:a.example",
      "{SCID}:a.example", "Qm\(scid.dropFirst(2).dropLast())0:a.example", "z\(scid):a.example",
      scid + ":127.0.0.1", scid + ":A.example", scid + ":a.example%3a80", scid + ":a.example%3A0",
      scid + ":a.example:..", scid + ":a.example:%2e", scid + ":a%2eexample", "a.example:" + scid,
    ])
  func refused(id: String) {
    #expect(throws: IdentityError.self) { try DID(parsing: "did:webvh:" + id) }
  }

  @Test(
    "times",
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("2000-02-29T12:34:56Z", 951_827_696_000_000_000),
      ("2026-11-21T18:00:00+00:00", 1_795_284_000_000_000_000), ("2026-11-21T18:00:00.5Z", 1_795_284_000_500_000_000),
      ("2026-11-21T18:00:00.1234567899Z", 1_795_284_000_123_456_789),
      ("2261-12-31T23:59:59.999999999Z", 9_214_646_399_999_999_999),
    ])
  func times(text: String, nanoseconds: Int64) throws {
    let timestamp = try #require(UTCTimestamp(text))
    #expect(timestamp.time == UnixNanoseconds(nanoseconds) && timestamp.text == text)
  }

  @Test(
    "no times",
    arguments: [
      "", "2026-11-21", "2026-11-21T18:00:00", "2026-11-21T18:00:00z", "2026-11-21 18:00:00Z", "2026-11-21T18:00Z",
      "2026-11-21T18:00:00+01:00", "2026-11-21T18:00:00-00:00", "2026-11-21T18:00:00.Z", "2026-13-21T18:00:00Z",
      "2026-00-21T18:00:00Z", "2026-11-31T18:00:00Z", "2026-11-00T18:00:00Z", "2023-02-29T18:00:00Z",
      "2100-02-29T18:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T18:60:00Z", "2026-11-21T18:00:60Z",
      "1969-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "20261121T180000Z....", "+026-11-21T18:00:00Z",
      "2026-11-21T18:00:00.1234567890123456789012Z",
    ])
  func noTimes(text: String) {
    #expect(UTCTimestamp(text) == nil)
  }

  @Test("equal times are equal however they are written")
  func equality() throws {
    let one = try #require(UTCTimestamp("2026-11-21T18:00:00Z"))
    let other = try #require(UTCTimestamp("2026-11-21T18:00:00.000+00:00"))
    #expect(one == other && one.hashValue == other.hashValue && !(one < other))
  }
}
