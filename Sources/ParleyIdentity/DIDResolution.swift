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
}

/// Why a DID could not be resolved.
public enum ResolutionError: Error, Hashable, Sendable {
  /// What was there is not this DID's document.
  case refused(IdentityError)
  /// It could not be fetched; what the fetcher said.
  case unreachable(String)
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
