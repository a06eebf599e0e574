import ParleyCrypto
import ParleyWire

@testable import ParleyIdentity

/// Writes logs of did:webvh, right ones and ones with exactly one fault.
///
/// Every entry is hashed and signed anew after `change` has been at it, so that only what the change breaks is broken.
struct WebVHBuilder {
  /// A key that signs entries or approvals.
  struct Key {
    let signing: Ed25519.SigningKey
    var multikey: String { Multikey.encode(.ed25519(signing.publicKey.raw)) ?? "" }
    var did: String { "did:key:" + multikey }
    var hash: String { SHA256Multihash.text(of: Array(multikey.utf8)) }

    init(_ seed: UInt8) {
      signing = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: seed, count: 32)))
    }

    /// A proof over a document, which `change` alters before it is signed.
    func proof(_ document: JSONObject, _ change: (inout JSONObject) -> Void = { _ in }) -> JSONValue {
      var proof: JSONObject = [
        "type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022",
        "verificationMethod": .string(did + "#" + multikey), "created": "2026-01-01T00:00:00Z",
        "proofPurpose": "assertionMethod",
      ]
      change(&proof)
      let hashes =
        SHA256.hash(JSONValue.object(proof).canonical()) + SHA256.hash(JSONValue.object(document).canonical())
      proof["proofValue"] = .string(Multibase.encode(signing.sign(hashes), as: .base58BTC))
      return .object(proof)
    }
  }

  static let key = Key(1)
  static let nextKey = Key(2)
  static let stranger = Key(9)
  static let now = UTCTimestamp("2026-11-21T18:00:00Z")!.time

  private(set) var lines: [String] = []
  private(set) var versionIDs: [String] = []
  private(set) var scid = "{SCID}"
  var host = "maker.example"

  var did: DID {
    get throws { try DID(parsing: "did:webvh:\(scid):maker.example") }
  }
  var bytes: [UInt8] { Array(lines.map { $0 + "\n" }.joined().utf8) }

  /// A document under the DID, with the SCID where it is known.
  func state(_ change: (inout JSONObject) -> Void = { _ in }) -> JSONObject {
    let id = "did:webvh:\(scid):\(host)"
    var state: JSONObject = [
      "@context": ["https://www.w3.org/ns/did/v1"], "id": .string(id),
      "verificationMethod": [
        [
          "id": .string(id + "#key-1"), "type": "Multikey", "controller": .string(id),
          "publicKeyMultibase": .string(Self.key.multikey),
        ]
      ],
      "authentication": ["#key-1"],
      "service": [["id": "#parley", "type": "ParleyNode", "serviceEndpoint": "wss://maker.example/"]],
    ]
    change(&state)
    return state
  }

  /// Appends an entry.
  ///
  /// - Parameters:
  ///   - parameters: All of a first entry but `method` and `scid`, which are there unless they are set; what changes of a
  ///     later one.
  ///   - signer: Who signs.
  ///   - state: The document.
  ///   - time: `versionTime`; a day after the entry before otherwise.
  ///   - proof: Alters the proof before it is signed.
  ///   - change: Alters the entry before it is hashed.
  ///   - tamper: Alters the entry when it is done.
  mutating func append(
    _ parameters: JSONObject = [:], by signer: Key = key, state: JSONObject? = nil, time: String? = nil,
    proof: (inout JSONObject) -> Void = { _ in }, change: (inout JSONObject) -> Void = { _ in },
    tamper: (inout JSONObject) -> Void = { _ in }
  ) {
    var parameters = parameters
    let isFirst = lines.isEmpty
    if isFirst {
      for (name, value) in [("method", "did:webvh:1.0"), ("scid", "{SCID}")] where parameters[name] == nil {
        parameters[name] = .string(value)
      }
      if parameters["updateKeys"] == nil { parameters["updateKeys"] = [.string(Self.key.multikey)] }
    }
    var entry: JSONObject = [
      "versionId": .string(versionIDs.last ?? "{SCID}"),
      "versionTime": .string(time ?? "2026-01-\(lines.count < 9 ? "0" : "")\(lines.count + 1)T00:00:00Z"),
      "parameters": .object(parameters), "state": .object(state ?? self.state()),
    ]
    change(&entry)
    if isFirst {
      scid = SHA256Multihash.text(of: JSONValue.object(entry).canonical())
      let parts = Array(JSONValue.object(entry).serialized().utf8).split(
        separator: Array("{SCID}".utf8), omittingEmptySubsequences: false)
      entry = (try? JSONValue.parse(Array(parts.joined(separator: scid.utf8))))?.objectValue ?? [:]
    }
    let id = "\(lines.count + 1)-" + SHA256Multihash.text(of: JSONValue.object(entry).canonical())
    entry["versionId"] = .string(id)
    entry["proof"] = [signer.proof(entry, proof)]
    tamper(&entry)
    versionIDs.append(id)
    lines.append(JSONValue.object(entry).serialized())
  }

  /// A file of approvals: of each version, by the keys named with it.
  func witnessFile(_ approvals: [(version: Int, by: [Key])]) -> [UInt8] {
    let entries = approvals.map { approval -> JSONValue in
      let id = JSONValue.string(versionIDs[approval.version - 1])
      return ["versionId": id, "proof": .array(approval.by.map { $0.proof(["versionId": id]) })]
    }
    return Array(JSONValue.array(entries).serialized().utf8)
  }

  /// The `witness` parameter.
  static func witness(_ threshold: Int64, _ keys: [Key]) -> JSONValue {
    ["threshold": .integer(threshold), "witnesses": .array(keys.map { ["id": .string($0.did)] })]
  }

  func log(_ limits: DIDWebVHLog.Limits = .init()) throws -> DIDWebVHLog {
    try DIDWebVHLog(parsing: bytes, for: did, now: Self.now, limits: limits)
  }

  func history(_ file: [UInt8]? = nil) throws -> DIDWebVHHistory { try DIDWebVHHistory(log(), witnessFile: file) }
}
