public import ParleyJournal
public import ParleyWire

/// Which entries to read.
public struct EntryQuery: Hashable, Sendable {
  /// Only those about this counterparty.
  public var peer: String?
  /// Only those of this group.
  public var group: [UInt8]?
  /// Only those of this kind.
  public var kind: UInt8?
  /// Only those with these sequence numbers.
  public var range: Range<UInt64>

  /// Asks for the entries that meet all conditions; `nil` is none.
  public init(
    peer: String? = nil, group: [UInt8]? = nil, kind: UInt8? = nil, range: Range<UInt64> = 0..<UInt64.max
  ) {
    self.peer = peer
    self.group = group
    self.kind = kind
    self.range = range
  }
}

/// A DID document as it was resolved.
public struct StoredDocument: Hashable, Sendable {
  /// Whose it is.
  public let did: String
  /// The document's hash, as statements name it (`doc_hash` of the handshake's page).
  public let hash: Digest
  /// The exact bytes.
  public let bytes: [UInt8]
  /// When it was first stored.
  public let firstSeen: UnixNanoseconds

  /// Describes a document to store, or one that was.
  public init(did: String, hash: Digest, bytes: [UInt8], firstSeen: UnixNanoseconds) {
    self.did = did
    self.hash = hash
    self.bytes = bytes
    self.firstSeen = firstSeen
  }
}

/// A counterparty that the owner has let in, pinned to the document it had then.
public struct KnownPeer: Hashable, Sendable {
  /// What let it in, or that it may not: nobody is let in silently.
  public enum Approval: String, Hashable, Sendable, CaseIterable {
    /// The owner called it.
    case owner
    /// The owner said yes after it had called.
    case approved
    /// It was on the owner's list before it came.
    case allowList = "allow-list"
    /// The owner named its keys' fingerprint, got by another way.
    case fingerprint
    /// The owner wants no session with it.
    case denied
  }

  /// Its document, with its DID and the time when it was let in.
  public let document: StoredDocument
  /// The name of its key within the document, without `#`.
  public let keyFragment: String
  /// What let it in.
  public let approval: Approval

  /// Its DID.
  public var did: String { document.did }
  /// When it was let in.
  public let firstSeen: UnixNanoseconds

  /// Describes a peer to let in, or one that was.
  public init(document: StoredDocument, keyFragment: String, approval: Approval, firstSeen: UnixNanoseconds) {
    self.document = document
    self.keyFragment = keyFragment
    self.approval = approval
    self.firstSeen = firstSeen
  }
}
