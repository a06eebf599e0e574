import ParleyCrypto
import ParleyWire
import Testing

@testable import ParleyIdentity

private typealias Builder = WebVHBuilder

@Suite("did:webvh logs")
struct WebVHLogTests {
  @Test("a history of one entry, and its identity")
  func first() throws {
    var builder = Builder()
    builder.append()
    let history = try builder.history()
    #expect(history.versions.count == 1 && history.fault == nil)
    #expect(history.parameters.timeToLive == 3600 && !history.parameters.isPortable)
    let document = try history.document()
    #expect(document.hash == SHA256.hash(document.json.canonical()))
    let identity = try LocalResolver.resolve(history.did, documentBytes: document.bytes)
    #expect(identity.did == history.did && identity.serviceEndpoint == "wss://maker.example/")
    #expect(identity.ed25519 == Builder.key.signing.publicKey)
    #expect(throws: IdentityError.documentNeeded(history.did)) { try LocalResolver.resolve(history.did) }
  }

  @Test("keys rotate: each entry is signed by the keys of the one before")
  func rotation() throws {
    var builder = Builder()
    builder.append()
    builder.append(["updateKeys": [.string(Builder.nextKey.multikey)], "ttl": 60, "watchers": ["https://w.example"]])
    builder.append(by: Builder.nextKey)
    #expect(try builder.history().versions.count == 3)
    #expect(try builder.history().parameters.timeToLive == 60)
    #expect(try builder.history().parameters.watchers == ["https://w.example"])
    // The old key signs no more.
    builder.append(by: Builder.key)
    #expect(try builder.history().fault?.fault == .unauthorizedKey)
    // With no keys left, nobody does.
    var ended = Builder()
    ended.append()
    ended.append(["updateKeys": []])
    #expect(try ended.history().fault == nil)
    ended.append()
    #expect(try ended.history().fault?.fault == .unauthorizedKey)
  }

  @Test("an entry with one fault ends the history", arguments: WebVHFaultyEntry.plain + WebVHFaultyEntry.proofs)
  func faults(entry: WebVHFaultyEntry) throws {
    var builder = Builder()
    builder.append()
    entry.append(&builder)
    builder.append()
    let history = try builder.history()
    #expect(history.versions.count == 1)
    #expect(history.fault?.version == 2 && history.fault?.fault == entry.fault)
    #expect(throws: IdentityError.invalidLog(version: 2, entry.fault)) { try history.version(.latest) }
    #expect(try history.version(.number(1)).number == 1)
  }

  @Test("pre-rotation: the next keys are those that were promised, stated anew, and sign themselves")
  func preRotation() throws {
    func builder() -> Builder {
      var builder = Builder()
      builder.append(["nextKeyHashes": [.string(Builder.nextKey.hash), "spare"]])
      return builder
    }
    let promised: JSONValue = [.string(Builder.nextKey.multikey)]
    var good = builder()
    good.append(["updateKeys": promised, "nextKeyHashes": []], by: Builder.nextKey)
    // Pre-rotation has ended: the keys of the entry before sign, and need no promise.
    good.append(["updateKeys": [.string(Builder.key.multikey)]], by: Builder.nextKey)
    #expect(try good.history().versions.count == 3 && good.history().fault == nil)

    let faults: [(JSONObject, Builder.Key, WebVHFault)] = [
      (["updateKeys": promised], Builder.nextKey, .parameter("nextKeyHashes")),
      (["nextKeyHashes": []], Builder.key, .parameter("updateKeys")),
      ([:], Builder.key, .parameter("updateKeys")),
      (["updateKeys": promised, "nextKeyHashes": []], Builder.key, .unauthorizedKey),
      (
        ["updateKeys": [.string(Builder.stranger.multikey)], "nextKeyHashes": []], Builder.stranger, .unpromisedKey
      ),
      (
        ["updateKeys": [.string(Builder.nextKey.multikey), .string(Builder.key.multikey)], "nextKeyHashes": []],
        Builder.nextKey, .unpromisedKey
      ),
    ]
    for (parameters, signer, fault) in faults {
      var builder = builder()
      builder.append(parameters, by: signer)
      #expect(try builder.history().fault?.fault == fault)
    }
  }

  @Test("a portable DID moves if it says what it was called; its old name then has no latest document")
  func moving() throws {
    var builder = Builder()
    builder.append(["portable": true])
    let old = try builder.did
    builder.host = "other.example"
    let named = builder.state { $0["alsoKnownAs"] = [.string(old.string)] }
    var silent = builder
    silent.append(state: silent.state())
    #expect(try silent.history().fault?.fault == .moved)
    var refusing = builder
    refusing.append(["portable": false], state: named)
    #expect(try refusing.history().fault?.fault == .moved)
    builder.append(state: named)
    let new = try DID(parsing: "did:webvh:\(builder.scid):other.example")
    let log = try DIDWebVHLog(parsing: builder.bytes, for: new, now: Builder.now)
    #expect(try DIDWebVHHistory(log).document().id == new)
    #expect(throws: IdentityError.wrongDocumentID(found: IdentityError.cut(new.string))) {
      try builder.history().document()
    }
    #expect(try builder.history().version(.number(1)).document(for: old).id == old)
    // A third name occurs in no entry.
    let other = try DID(parsing: "did:webvh:\(builder.scid):third.example")
    #expect(throws: IdentityError.invalidLog(version: 2, .stateID)) {
      try DIDWebVHLog(parsing: builder.bytes, for: other, now: Builder.now)
    }
  }

  @Test("what has ended has no latest version and no next one")
  func deactivation() throws {
    var builder = Builder()
    builder.append()
    builder.append(["deactivated": true])
    let history = try builder.history()
    #expect(throws: IdentityError.deactivated(history.did)) { try history.version(.latest) }
    #expect(throws: IdentityError.deactivated(history.did)) { try history.document() }
    #expect(try history.version(.number(2)).parameters.isDeactivated)
    builder.append()
    #expect(try builder.history().fault?.fault == .deactivated)
    #expect(throws: IdentityError.invalidLog(version: 3, .deactivated)) { try builder.history().version(.latest) }
  }

  @Test("versions by id, number and time")
  func queries() throws {
    var builder = Builder()
    for _ in 1...3 { builder.append() }
    let history = try builder.history()
    #expect(try history.version(.id(builder.versionIDs[1])).number == 2)
    #expect(throws: IdentityError.noSuchVersion("2-Qm")) { try history.version(.id("2-Qm")) }
    #expect(throws: IdentityError.noSuchVersion("4")) { try history.version(.number(4)) }
    #expect(throws: IdentityError.noSuchVersion("0")) { try history.version(.number(0)) }
    #expect(throws: IdentityError.self) { try history.version(.number(.min)) }
    func time(_ text: String) throws -> UnixNanoseconds { try #require(UTCTimestamp(text)).time }
    #expect(try history.version(.time(time("2026-01-02T23:59:59.999Z"))).number == 2)
    #expect(try history.version(.time(time("2026-01-03T00:00:00Z"))).number == 3)
    #expect(throws: IdentityError.self) { try history.version(.time(time("2025-12-31T23:59:59Z"))) }
    // Behind a fault nothing is said of the times that it may be about.
    builder.append(by: Builder.stranger)
    let faulty = try builder.history()
    #expect(try faulty.version(.time(time("2026-01-02T12:00:00Z"))).number == 2)
    #expect(throws: IdentityError.invalidLog(version: 4, .unauthorizedKey)) {
      try faulty.version(.time(time("2026-01-03T12:00:00Z")))
    }
  }

  @Test("first entries with a fault leave nothing")
  func firstFaults() throws {
    let faults: [(JSONObject, WebVHFault)] = [
      (["method": "did:webvh:0.5"], .parameter("method")), (["method": 1], .parameter("method")),
      (["scid": "Qm"], .parameter("scid")), (["scid": .string(Builder.key.hash)], .scid),
      (["updateKeys": []], .unauthorizedKey), (["updateKeys": ["z0"]], .parameter("updateKeys")),
    ]
    for (parameters, fault) in faults {
      var builder = Builder()
      builder.append(parameters)
      #expect(throws: IdentityError.invalidLog(version: 1, fault)) { try builder.log() }
    }
    var keyless = Builder()
    keyless.append(change: { $0["parameters"] = ["method": "did:webvh:1.0", "scid": "{SCID}"] })
    #expect(throws: IdentityError.invalidLog(version: 1, .parameter("updateKeys"))) { try keyless.log() }
  }

  @Test("the SCID is the hash of the first entry, wherever it stands in it")
  func scid() throws {
    var builder = Builder()
    // Beside a mark that combines with it, in a name and inside another text.
    builder.append(
      state: builder.state { $0["x{SCID}"] = ["{SCID}\u{301}", "a{SCID}{SCID}", "{SCID"] })
    #expect(try builder.history().fault == nil)
    var other = Builder()
    other.append(tamper: { entry in
      var state = entry["state"]?.objectValue ?? [:]
      state["x"] = 1
      entry["state"] = .object(state)
    })
    #expect(throws: IdentityError.invalidLog(version: 1, .scid)) { try other.log() }
    let did = try DID(parsing: "did:webvh:\(Builder.key.hash):maker.example")
    #expect(throws: IdentityError.invalidLog(version: 1, .scid)) {
      try DIDWebVHLog(parsing: builder.bytes, for: did, now: Builder.now)
    }
    #expect(throws: IdentityError.self) {
      try DIDWebVHLog(parsing: builder.bytes, for: DID(parsing: "did:web:maker.example"), now: Builder.now)
    }
  }

  @Test("limits, at them and one past them")
  func limits() throws {
    var builder = Builder()
    for _ in 1...3 { builder.append() }
    var limits = DIDWebVHLog.Limits()
    limits.byteCount = builder.bytes.count
    limits.entryCount = 3
    #expect(try builder.log(limits).versions.count == 3)
    limits.entryCount = 2
    #expect(throws: IdentityError.invalidLog(version: 1, .malformed("the log"))) { try builder.log(limits) }
    limits.byteCount -= 1
    #expect(throws: IdentityError.documentTooLong(builder.bytes.count, limit: limits.byteCount)) {
      try builder.log(limits)
    }
    var late = Builder()
    late.append(time: "2026-11-21T18:05:00Z")
    #expect(try late.log().versions.count == 1)
    var later = Builder()
    later.append(time: "2026-11-21T18:05:00.000000001Z")
    #expect(throws: IdentityError.invalidLog(version: 1, .fromTheFuture)) { try later.log() }
    // The last newline may be missing; an empty line, and an empty log, are faults.
    let did = try builder.did
    func versions(_ text: String) throws -> Int {
      try DIDWebVHLog(parsing: Array(text.utf8), for: did, now: Builder.now).versions.count
    }
    #expect(try versions(builder.lines.joined(separator: "\n")) == 3)
    #expect(try versions(builder.lines[0] + "\n\n" + builder.lines[1]) == 1)
    #expect(throws: IdentityError.self) { try versions("") }
    #expect(throws: IdentityError.self) { try versions("\n") }
  }

  @Test("cut anywhere, what is whole holds, and nothing traps")
  func cuts() throws {
    var builder = Builder()
    for _ in 1...2 { builder.append() }
    let (bytes, did) = try (builder.bytes, builder.did)
    let ends = [0, builder.lines[0].utf8.count, bytes.count - 1]
    for count in 0..<bytes.count where count % 16 == 0 || ends.contains(where: { abs($0 - count) <= 2 }) {
      let log = try? DIDWebVHLog(parsing: Array(bytes[..<count]), for: did, now: Builder.now)
      let whole = count >= bytes.count - 1 ? 2 : count >= builder.lines[0].utf8.count ? 1 : 0
      #expect((log?.versions.count ?? 0) == whole, "\(count)")
    }
  }
}
