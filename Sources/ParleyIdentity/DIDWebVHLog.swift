import ParleyCrypto
public import ParleyWire

/// The log of a did:webvh, each entry held against the ones before it; what is left are the witnesses.
///
/// ```
/// entry 1: versionId "1-" hash   parameters { method, scid, updateKeys, ... }   state   proof
///             │   └─ H(entry without proof, versionId = SCID);  SCID = H(the same with "{SCID}" for the SCID)
/// entry 2: versionId "2-" hash   parameters { what changes }                    state   proof
///                  └─ H(entry without proof, versionId = that of entry 1);  proof by entry 1's updateKeys,
///                     or by its own if entry 1 has promised their hashes
/// ```
/// Source: did:webvh v1.0, "Read (Resolve)". An entry that fails ends the history: it and all behind it do not count, and
/// ``fault`` says why.
public struct DIDWebVHLog: Sendable {
  /// Bounds on what is read and verified.
  public struct Limits: Hashable, Sendable {
    /// Bytes of the log, and of the file of the witnesses.
    public var byteCount = 65_536
    /// Entries of the log.
    public var entryCount = 1024
    /// Proofs of one entry.
    public var entryProofCount = 8
    /// Proofs in the file of the witnesses.
    public var witnessProofCount = 1024
    /// By how much an entry may be ahead of this clock.
    public var clockTolerance: Duration = .seconds(300)

    /// The usual bounds.
    public init() {}
  }

  /// One verified state of the DID.
  public struct Version: Hashable, Sendable {
    /// Its number, from 1.
    public let number: Int
    /// Number, dash and hash.
    public let id: String
    /// When its author says it was made.
    public let time: UTCTimestamp
    /// The parameters from then on.
    public let parameters: DIDWebVHParameters
    /// The document, as JSON.
    public let state: JSONValue

    /// The document, held to the rules of ``DIDDocument/init(parsing:for:)``; its bytes are the canonical JSON.
    ///
    /// - Throws: what that initializer does, ``IdentityError/wrongDocumentID(found:)`` for a version from before the DID
    ///   moved or after it.
    public func document(for did: DID) throws(IdentityError) -> DIDDocument {
      try DIDDocument(parsing: state.canonical(), for: did)
    }
  }

  /// The DID that is resolved.
  public let did: DID
  /// The versions that hold, in order; at least one.
  public private(set) var versions: [Version] = []
  /// Why a later entry does not count; `nil` if all do.
  public private(set) var fault: (version: Int, fault: WebVHFault)?
  let limits: Limits

  /// Reads and verifies a log.
  ///
  /// - Parameters:
  ///   - bytes: The log: an entry a line.
  ///   - did: The DID that is resolved.
  ///   - now: The time, for entries from the future.
  ///   - limits: Bounds.
  /// - Throws: ``IdentityError/documentTooLong(_:limit:)``; ``IdentityError/invalidLog(version:_:)`` where not even the
  ///   first entry holds, or no entry that does is about this DID; ``IdentityError/unsupportedMethod(_:)``.
  public init(
    parsing bytes: [UInt8], for did: DID, now: UnixNanoseconds, limits: Limits = Limits()
  ) throws(IdentityError) {
    let scid = try DIDWebVH.scid(of: did)
    guard bytes.count <= limits.byteCount else { throw .documentTooLong(bytes.count, limit: limits.byteCount) }
    self.did = did
    self.limits = limits
    let lines = Self.lines(bytes)
    guard (1...limits.entryCount).contains(lines.count) else { throw .invalidLog(version: 1, .malformed("the log")) }
    let latest = now.advanced(by: limits.clockTolerance)
    for line in lines {
      do throws(WebVHFault) {
        let entry = try DIDWebVHEntry(line, limits)
        let version = try entry.verify(after: versions.last, scid: scid)
        guard version.time.time <= latest else { throw .fromTheFuture }
        versions.append(version)
      } catch {
        fault = (versions.count + 1, error)
        break
      }
    }
    if versions.isEmpty, let fault { throw .invalidLog(version: 1, fault.fault) }
    guard versions.contains(where: { $0.state["id"]?.stringValue == did.string }) else {
      throw .invalidLog(version: versions.count, .stateID)
    }
  }

  /// Whether the file at ``DIDWebVH/witnessURL(for:)`` is needed.
  public var needsWitnesses: Bool { versions.contains { $0.parameters.witnesses != nil } }

  /// Drops the versions from this one on.
  mutating func cut(from version: Int, _ fault: WebVHFault) {
    versions.removeLast(versions.count - (version - 1))
    self.fault = (version, fault)
  }

  /// The lines of the log; the newline behind the last one may be missing.
  private static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines
  }
}
