import ParleyCrypto
import ParleyWire

/// One line of the log of a did:webvh, read but not verified.
struct DIDWebVHEntry {
  private static let placeholder = "{SCID}"

  private let versionID: String
  private let number: Int
  private let time: UTCTimestamp
  private let parameters: JSONObject
  private let state: JSONObject
  private let proofs: [DataIntegrityProof]
  /// The entry without its proofs.
  private let unsigned: JSONObject

  /// Reads a line.
  init(_ line: ArraySlice<UInt8>, _ limits: DIDWebVHLog.Limits) throws(WebVHFault) {
    // The state is a document, one level down.
    let bounds = JSONLimits(byteCount: limits.byteCount, depth: DIDDocument.depthLimit + 1)
    guard var object = try? JSONValue.parse(Array(line), limits: bounds).objectValue, object.count == 5 else {
      throw .malformed("the entry")
    }
    guard let versionID = object["versionId"]?.stringValue else { throw .malformed("versionId") }
    guard let time = object["versionTime"]?.stringValue else { throw .malformed("versionTime") }
    guard let parameters = object["parameters"]?.objectValue else { throw .malformed("parameters") }
    guard let state = object["state"]?.objectValue else { throw .malformed("state") }
    guard let proof = object["proof"] else { throw .malformed("proof") }
    guard let number = Self.number(of: versionID) else { throw .versionID }
    guard let time = UTCTimestamp(time) else { throw .versionTime }
    let entries = proof.arrayValue ?? [proof]
    let proofs = entries.compactMap(DataIntegrityProof.init)
    guard (1...limits.entryProofCount).contains(entries.count), proofs.count == entries.count else { throw .proof }
    object["proof"] = nil
    self.versionID = versionID
    self.number = number
    self.time = time
    self.parameters = parameters
    self.state = state
    self.proofs = proofs
    unsigned = object
  }

  /// Holds the entry against the version before it.
  ///
  /// - Parameters:
  ///   - previous: The version before; `nil` for the first entry.
  ///   - scid: The SCID of the DID that is resolved.
  /// - Returns: The version that the entry makes.
  /// - Throws: Why it makes none.
  func verify(after previous: DIDWebVHLog.Version?, scid: String) throws(WebVHFault) -> DIDWebVHLog.Version {
    guard previous?.parameters.isDeactivated != true else { throw .deactivated }
    guard number == (previous?.number ?? 0) + 1 else { throw .versionID }
    let parameters: DIDWebVHParameters
    let signers: [String]
    if let previous {
      guard time > previous.time else { throw .versionTime }
      parameters = try previous.parameters.updated(by: self.parameters)
      signers = (previous.parameters.nextKeyHashes.isEmpty ? previous.parameters : parameters).updateKeys
    } else {
      parameters = try DIDWebVHParameters(first: self.parameters)
      guard parameters.scid == scid, try scidOfThis(scid) == scid else { throw .scid }
      signers = parameters.updateKeys
    }
    try checkHash(after: previous?.id ?? scid)
    try checkProofs(by: signers)
    try checkState(after: previous, scid: scid, isPortable: parameters.isPortable)
    return DIDWebVHLog.Version(
      number: number, id: versionID, time: time, parameters: parameters, state: .object(state))
  }

  // MARK: Rules

  /// The hash of the first entry as it was before its SCID was known: every occurrence of the SCID is a placeholder.
  private func scidOfThis(_ scid: String) throws(WebVHFault) -> String {
    var entry = unsigned
    entry["versionId"] = .string(Self.placeholder)
    let text = Self.replacing(scid, in: Array(JSONValue.object(entry).serialized().utf8))
    let bounds = JSONLimits(byteCount: text.count, depth: DIDDocument.depthLimit + 1)
    guard let preliminary = try? JSONValue.parse(text, limits: bounds) else { throw .scid }
    return SHA256Multihash.text(of: preliminary.canonical())
  }

  /// The bytes with the placeholder wherever the SCID is, in names as in values.
  private static func replacing(_ scid: String, in bytes: [UInt8]) -> [UInt8] {
    let parts = bytes.split(separator: Array(scid.utf8), omittingEmptySubsequences: false)
    return Array(parts.joined(separator: placeholder.utf8))
  }

  private func checkHash(after predecessor: String) throws(WebVHFault) {
    var entry = unsigned
    entry["versionId"] = .string(predecessor)
    let hash = SHA256Multihash.text(of: JSONValue.object(entry).canonical())
    guard versionID.hasSameBytes(as: "\(number)-\(hash)") else { throw .entryHash }
  }

  private func checkProofs(by signers: [String]) throws(WebVHFault) {
    guard proofs.allSatisfy({ signers.contains($0.multikey) }) else { throw .unauthorizedKey }
    let hash = SHA256.hash(JSONValue.object(unsigned).canonical())
    guard proofs.allSatisfy({ $0.isValid(forHash: hash) }) else { throw .proof }
  }

  private func checkState(
    after previous: DIDWebVHLog.Version?, scid: String, isPortable: Bool
  ) throws(WebVHFault) {
    guard let id = state["id"]?.stringValue, let did = try? DID(parsing: id), (try? DIDWebVH.scid(of: did)) == scid
    else { throw .stateID }
    guard let old = previous?.state["id"], old != .string(id) else { return }
    guard isPortable, state["alsoKnownAs"]?.arrayValue?.contains(old) == true else { throw .moved }
  }

  /// The number of `number-hash`; `nil` unless the text has exactly this form.
  private static func number(of versionID: String) -> Int? {
    let parts = versionID.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].utf8.count <= 9, let number = Int(parts[0]), number > 0,
      parts[0].hasSameBytes(as: String(number)), SHA256Multihash.isWellFormed(parts[1])
    else { return nil }
    return number
  }
}
