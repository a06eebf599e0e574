import ParleyCrypto
public import ParleyWire

/// The history of a did:webvh, verified from its first entry, witnesses included.
public struct DIDWebVHHistory: Sendable {
  /// Which version of the document is asked for.
  public enum Query: Hashable, Sendable {
    /// The last one.
    case latest
    /// The one with this `versionId`.
    case id(String)
    /// The one with this number.
    case number(Int)
    /// The one that held at this time.
    case time(UnixNanoseconds)
  }

  private let log: DIDWebVHLog

  /// Checks that the witnesses that a log names have approved its entries.
  ///
  /// An entry that too few have approved ends the history, as any other fault does.
  ///
  /// - Parameters:
  ///   - log: The verified log.
  ///   - witnessFile: What is at ``DIDWebVH/witnessURL(for:)``; `nil` if there is nothing, or it was not needed.
  /// - Throws: ``IdentityError/invalidLog(version:_:)`` where that leaves no entry.
  public init(_ log: DIDWebVHLog, witnessFile: [UInt8]? = nil) throws(IdentityError) {
    var log = log
    let approvals: DIDWebVHApprovals
    do throws(WebVHFault) {
      approvals = try DIDWebVHApprovals(log.needsWitnesses ? witnessFile ?? [] : nil, of: log)
      for (index, version) in log.versions.enumerated() {
        let previous = index > 0 ? log.versions[index - 1].parameters.witnesses : nil
        // New witnesses begin with the entry behind the one that names them; the first ones with the one that does.
        guard let witnesses = previous ?? version.parameters.witnesses else { continue }
        let count = witnesses.ids.count { (approvals.lastVersion[$0] ?? 0) >= version.number }
        guard count < witnesses.threshold else { continue }
        log.cut(from: version.number, .notWitnessed(have: count, threshold: witnesses.threshold))
        break
      }
    } catch {
      let first = log.versions.first { $0.parameters.witnesses != nil }?.number ?? 1
      log.cut(from: first, error)
    }
    if log.versions.isEmpty, let fault = log.fault { throw .invalidLog(version: fault.version, fault.fault) }
    self.log = log
  }

  /// The DID that is resolved.
  public var did: DID { log.did }

  /// The versions that hold, in order; at least one.
  public var versions: [DIDWebVHLog.Version] { log.versions }

  /// Why later entries of the log do not count; `nil` if all do.
  public var fault: (version: Int, fault: WebVHFault)? { log.fault }

  /// The parameters now in force.
  public var parameters: DIDWebVHParameters { last.parameters }

  private var last: DIDWebVHLog.Version {
    guard let last = log.versions.last else { preconditionFailure("a history has a version") }
    return last
  }

  /// A version.
  ///
  /// - Throws: for the latest one ``IdentityError/invalidLog(version:_:)`` if the log has entries that do not count, and
  ///   ``IdentityError/deactivated(_:)``; for others ``IdentityError/noSuchVersion(_:)``. Of a time at which an entry that
  ///   does not count may have been the last one, nothing can be said either.
  public func version(_ query: Query) throws(IdentityError) -> DIDWebVHLog.Version {
    switch query {
    case .latest:
      if let fault { throw .invalidLog(version: fault.version, fault.fault) }
      guard !parameters.isDeactivated else { throw .deactivated(did) }
      return last
    case .id(let id):
      guard let version = versions.first(where: { $0.id == id }) else {
        throw .noSuchVersion(IdentityError.cut(id))
      }
      return version
    case .number(let number):
      guard let version = versions.first(where: { $0.number == number }) else { throw .noSuchVersion("\(number)") }
      return version
    case .time(let time):
      guard let version = versions.last(where: { $0.time.time <= time }) else {
        throw .noSuchVersion("the first version is later")
      }
      if let fault, version == last { throw .invalidLog(version: fault.version, fault.fault) }
      return version
    }
  }

  /// The document of the latest version.
  ///
  /// - Throws: what ``version(_:)`` and ``DIDWebVHLog/Version/document(for:)`` do.
  public func document() throws(IdentityError) -> DIDDocument { try version(.latest).document(for: did) }
}

/// Up to which version each witness has approved a log.
///
/// A proof of a version approves all before it. Proofs of versions that the log does not have, or by others than its
/// witnesses, say nothing.
private struct DIDWebVHApprovals {
  private(set) var lastVersion: [String: Int] = [:]

  /// - Parameters:
  ///   - file: The text of the file; `nil` if the log names no witnesses.
  ///   - log: The verified log.
  /// - Throws: ``WebVHFault/witnessFile``.
  init(_ file: [UInt8]?, of log: DIDWebVHLog) throws(WebVHFault) {
    guard let file else { return }
    let bounds = JSONLimits(byteCount: log.limits.byteCount, depth: 8)
    guard let entries = try? JSONValue.parse(file, limits: bounds).arrayValue else { throw .witnessFile }
    let witnesses = Set(log.versions.flatMap { $0.parameters.witnesses?.ids ?? [] })
    var count = 0
    for entry in entries {
      guard let id = entry["versionId"]?.stringValue, let proofs = (entry["proof"] ?? []).arrayValue else {
        throw .witnessFile
      }
      count += proofs.count
      guard count <= log.limits.witnessProofCount else { throw .witnessFile }
      guard let version = log.versions.first(where: { $0.id == id }) else { continue }
      let hash = SHA256.hash(JSONValue.object(["versionId": .string(id)]).canonical())
      for proof in proofs.compactMap(DataIntegrityProof.init) {
        let witness = "did:key:" + proof.multikey
        guard witnesses.contains(witness), lastVersion[witness] ?? 0 < version.number, proof.isValid(forHash: hash)
        else { continue }
        lastVersion[witness] = version.number
      }
    }
  }
}
