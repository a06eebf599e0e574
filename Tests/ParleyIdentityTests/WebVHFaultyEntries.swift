import ParleyWire
import Testing

@testable import ParleyIdentity

private typealias Builder = WebVHBuilder

/// A log of two or three entries whose last one has a fault.
struct WebVHFaultyEntry: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let fault: WebVHFault
  let append: @Sendable (inout WebVHBuilder) -> Void

  init(_ name: String, _ fault: WebVHFault, _ append: @escaping @Sendable (inout WebVHBuilder) -> Void) {
    testDescription = name
    self.fault = fault
    self.append = append
  }

  /// Behind an entry without peculiarities, whose key is `Builder.key`.
  static let plain: [Self] = [
    .init("a stranger's key", .unauthorizedKey) { $0.append(by: Builder.stranger) },
    .init("its own new key", .unauthorizedKey) {
      $0.append(["updateKeys": [.string(Builder.nextKey.multikey)]], by: Builder.nextKey)
    },
    .init("a signature changed", .proof) { builder in
      builder.append(tamper: { entry in
        var proof = entry["proof"]?[0]?.objectValue ?? [:]
        proof["proofValue"] = .string(Multibase.encode([UInt8](repeating: 7, count: 64), as: .base58BTC))
        entry["proof"] = [.object(proof)]
      })
    },
    .init("no proof", .proof) { $0.append(tamper: { $0["proof"] = [] }) },
    .init("nine proofs", .proof) { builder in
      builder.append(tamper: { $0["proof"] = .array(Array(repeating: $0["proof"]?[0] ?? .null, count: 9)) })
    },
    .init("a second proof by a stranger", .unauthorizedKey) { builder in
      builder.append(tamper: { entry in
        var unsigned = entry
        unsigned["proof"] = nil
        entry["proof"] = [entry["proof"]?[0] ?? .null, Builder.stranger.proof(unsigned)]
      })
    },
    .init("the time of the entry before", .versionTime) { $0.append(time: "2026-01-01T00:00:00Z") },
    .init("an earlier time", .versionTime) { $0.append(time: "2025-12-31T23:59:59Z") },
    .init("a time of another zone", .versionTime) { $0.append(time: "2026-01-02T00:00:00+01:00") },
    .init("six minutes ahead", .fromTheFuture) { $0.append(time: "2026-11-21T18:05:01Z") },
    .init("something in it changed", .entryHash) { $0.append(tamper: { $0["versionTime"] = "2026-01-03T00:00:00Z" }) },
    .init("the hash of no predecessor", .entryHash) { $0.append(change: { $0["versionId"] = "{SCID}" }) },
    .init("a number left out", .versionID) { builder in
      let hash = builder.versionIDs[0].dropFirst(2)
      builder.append(tamper: { $0["versionId"] = .string("3-" + hash) })
    },
    .init("two dashes", .versionID) { $0.append(tamper: { $0["versionId"] = "2--Qm" }) },
    .init("a zero before the number", .versionID) { builder in
      builder.append(tamper: { $0["versionId"] = .string("0" + ($0["versionId"]?.stringValue ?? "")) })
    },
    .init("another hash function", .versionID) { builder in
      let rest = builder.versionIDs[0].dropFirst(4)
      builder.append(tamper: { $0["versionId"] = .string("2-QR" + rest) })
    },
    .init("no JSON", .malformed("the entry")) { $0.append(tamper: { $0["x"] = 1 }) },
    .init("parameters are no object", .malformed("parameters")) { $0.append(tamper: { $0["parameters"] = [] }) },
    .init("state is no object", .malformed("state")) { $0.append(tamper: { $0["state"] = "x" }) },
    .init("versionTime is no text", .malformed("versionTime")) { $0.append(tamper: { $0["versionTime"] = 1 }) },
    .init("versionId is no text", .malformed("versionId")) { $0.append(tamper: { $0["versionId"] = 1 }) },
    .init("proof has another name", .malformed("proof")) {
      $0.append(tamper: {
        $0["proofs"] = $0["proof"]; $0["proof"] = nil
      })
    },
    .init("another method", .parameter("method")) { $0.append(["method": "did:webvh:0.5"]) },
    .init("a later method", .parameter("method")) { $0.append(["method": "did:webvh:1.1"]) },
    .init("scid again", .parameter("scid")) { builder in builder.append(["scid": .string(builder.scid)]) },
    .init("portable later", .parameter("portable")) { $0.append(["portable": true]) },
    .init("portable as text", .parameter("portable")) { $0.append(["portable": "false"]) },
    .init("an unknown parameter", .parameter("color")) { $0.append(["color": 1]) },
    .init("null for a default", .parameter("watchers")) { $0.append(["watchers": .null]) },
    .init("keys are no list", .parameter("updateKeys")) { $0.append(["updateKeys": "z6Mk"]) },
    .init("a key that is none", .parameter("updateKeys")) { $0.append(["updateKeys": ["z0"]]) },
    .init("a key twice", .parameter("updateKeys")) {
      $0.append(["updateKeys": [.string(Builder.key.multikey), .string(Builder.key.multikey)]])
    },
    .init("65 watchers", .parameter("watchers")) {
      $0.append(["watchers": .array((0..<65).map { .string("https://w\($0).example") })])
    },
    .init("deactivated as a number", .parameter("deactivated")) { $0.append(["deactivated": 1]) },
    .init("ttl below zero", .parameter("ttl")) { $0.append(["ttl": -1]) },
    .init("ttl above its limit", .parameter("ttl")) { $0.append(["ttl": .integer((1 << 31) + 1)]) },
    .init("ttl with a fraction", .parameter("ttl")) { $0.append(["ttl": .number(1.5)]) },
    .init("no witness", .parameter("witness")) { $0.append(["witness": Builder.witness(1, [])]) },
    .init("no threshold", .parameter("witness")) { $0.append(["witness": ["witnesses": []]]) },
    .init("threshold zero", .parameter("witness")) { $0.append(["witness": Builder.witness(0, [Builder.key])]) },
    .init("threshold above the number", .parameter("witness")) {
      $0.append(["witness": Builder.witness(2, [Builder.key])])
    },
    .init("a witness twice", .parameter("witness")) {
      $0.append(["witness": Builder.witness(1, [Builder.key, Builder.key])])
    },
    .init("a witness with a weight", .parameter("witness")) {
      $0.append([
        "witness": ["threshold": 1, "witnesses": [["id": .string(Builder.key.did), "weight": 1]]]
      ])
    },
    .init("a witness with another type of key", .parameter("witness")) {
      $0.append([
        "witness": [
          "threshold": 1,
          "witnesses": [["id": "did:key:z6LShs9GGnqk85isEBzzshkuVWrVKsRp24GnDuHk8QWkARMW"]],
        ]
      ])
    },
    .init("no id", .stateID) { builder in builder.append(state: builder.state { $0["id"] = nil }) },
    .init("another SCID", .stateID) { builder in
      builder.append(
        state: builder.state { $0["id"] = .string("did:webvh:\(Builder.key.hash):maker.example") })
    },
    .init("a did:web", .stateID) { builder in
      builder.append(state: builder.state { $0["id"] = "did:web:maker.example" })
    },
    .init("it moves and may not", .moved) { builder in
      let old = builder.state()["id"] ?? .null
      builder.host = "other.example"
      builder.append(state: builder.state { $0["alsoKnownAs"] = [old] })
    },
  ]

  /// Proofs that are no proofs, though they sign what they say.
  static let proofs: [Self] =
    [
      ("type", "Ed25519Signature2020"), ("cryptosuite", "ecdsa-jcs-2019"), ("cryptosuite", "eddsa-rdfc-2022"),
      ("proofPurpose", "authentication"), ("created", "yesterday"), ("expires", "2030-01-01T00:00:00Z"),
      ("@context", "https://w3id.org/security/data-integrity/v2"),
      ("verificationMethod", .string(Builder.key.did)),
      ("verificationMethod", .string(Builder.key.did + "#" + Builder.stranger.multikey)),
      ("verificationMethod", .string(Builder.stranger.did + "#" + Builder.key.multikey)),
      ("verificationMethod", "did:web:maker.example#key-1"),
    ].map { (name: String, value: JSONValue) in
      .init("\(name): \(value)", .proof) { $0.append(proof: { $0[name] = value }) }
    } + [.init("no cryptosuite", .proof) { $0.append(proof: { $0["cryptosuite"] = nil }) }]
}
