public import ParleyWire

/// A document, and what it rests on.
public struct DIDResolution: Hashable, Sendable {
  /// How a document was found to be that of its DID.
  public enum Evidence: Hashable, Sendable {
    /// The DID is the document, or its hash.
    case theDIDItself
    /// A server gave it, under a certificate for its name. It may say something else to others.
    case server(url: String)
    /// A signed history, verified from its first entry.
    case history(url: String, version: DIDWebVHLog.Version, witnesses: DIDWebVHParameters.Witnesses?)
  }

  /// The document.
  public let document: DIDDocument
  /// What it rests on.
  public let evidence: Evidence
  /// Whether it is older than it should be, and a newer one is being fetched.
  public internal(set) var isStale = false
  /// What its owner says of keys that were replaced; `nil` unless somebody asked who has pinned others.
  public internal(set) var rotations: RotationList?
  /// The hashes of the documents before, for a DID with a history.
  public internal(set) var earlierHashes: Set<[UInt8]> = []

  /// What becomes of keys that were pinned.
  public enum Succession: Hashable, Sendable {
    /// They are the keys of today.
    case same
    /// They have signed these statements, which lead to the keys of today.
    case rotated([RotationStatement])
    /// Their document is an earlier version of the same signed history.
    case continued
    /// Nothing leads from them to the keys of today.
    case broken
  }

  /// Compares the keys of today with pinned ones (PSC/1 section 4).
  ///
  /// - Parameters:
  ///   - identity: Whose keys speak for this document today.
  ///   - pinned: The identity as it was let in.
  ///   - last: When the statement was made that led to the pinned keys; `nil` if none did.
  /// - Returns: How the one follows from the other.
  public func succession(
    of identity: PeerIdentity, from pinned: PeerIdentity, after last: UTCTimestamp? = nil
  ) -> Succession {
    guard identity.did == pinned.did else { return .broken }
    if RotationStatement.Keys(identity) == RotationStatement.Keys(pinned) { return .same }
    if earlierHashes.contains(pinned.documentHash) { return .continued }
    return rotations?.chain(from: pinned, to: identity, after: last).map(Succession.rotated) ?? .broken
  }

  /// What ``peerIdentity(keyFragment:)`` finds without a fragment, if that is known already.
  var firstIdentity: PeerIdentity?

  /// Whose keys may speak for the DID.
  ///
  /// - Parameter keyFragment: The Ed25519 key to take, the first one otherwise.
  /// - Returns: Its keys, with the document.
  /// - Throws: as ``PeerIdentity/init(document:keyFragment:)``.
  public func peerIdentity(keyFragment: String? = nil) throws(IdentityError) -> PeerIdentity {
    // No two keys of a document share a fragment.
    if let firstIdentity, keyFragment.map({ $0.utf8.elementsEqual(firstIdentity.keyFragment.utf8) }) ?? true {
      return firstIdentity
    }
    return try PeerIdentity(document: document, keyFragment: keyFragment)
  }
}

/// Why a DID could not be resolved.
public enum ResolutionError: Error, Hashable, Sendable {
  /// What was there is not this DID's document.
  case refused(IdentityError)
  /// It could not be fetched; what the fetcher said.
  case unreachable(String)
  /// The server says that there is no such file.
  case missing
  /// It took too long.
  case timedOut
  /// Too many are being resolved, or this one source asks for more than one, or this host was asked a moment ago.
  case busy(ResolverBound)
  /// The history that was fetched contradicts the one seen before; that one stays.
  case splitView(SplitView)
}

/// Which bound of a ``DIDResolver`` a request met.
public enum ResolverBound: Hashable, Sendable {
  /// ``DIDResolver/Limits/concurrent``
  case concurrent
  /// One at a time for each source.
  case source
  /// ``DIDResolver/Limits/hostInterval``
  case host(String)
}

/// Two things that are both said to be the document of one DID, to be kept as evidence.
public struct SplitView: Hashable, Sendable {
  /// What was seen, and when.
  public struct Sighting: Hashable, Sendable {
    /// What ``DIDDocument/hash`` is; of a log whose document does not count, the hash of the log.
    public let hash: [UInt8]
    /// What was fetched, the whole log for a did:webvh; `nil` where only its hash is known.
    public let bytes: [UInt8]?
    /// When.
    public let time: UnixNanoseconds
  }

  /// The DID.
  public let did: DID
  /// What was seen before, oldest first.
  public let seen: [Sighting]
  /// What contradicts it.
  public let contradiction: Sighting
}
