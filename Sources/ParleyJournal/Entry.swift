public import ParleyWire

/// One row of the journal: what happened, linked to all that happened before.
///
/// ``encoded`` is what is hashed and what a receipt carries:
///
///     0    1            9        17     18            20+p          22+p+g        54+p+g    58+p+g
///     +----+------------+--------+------+------+------+------+------+-------------+---------+------+
///     | 1  | sequence   | time   | kind | u16 p| peer | u16 g| group| previous 32 | u32 b   | body |
///     +----+------------+--------+------+------+------+------+------+-------------+---------+------+
///
/// Integers are big-endian; the time is signed. The row's place in the Merkle tree is its sequence number.
public struct Entry: Hashable, Sendable {
  /// The format's version, its first byte.
  public static let version: UInt8 = 1

  /// The longest that each field may be.
  public enum Limits {
    /// Bytes of a peer's DID.
    public static let peer = 255
    /// Bytes of a group key.
    public static let group = 64
    /// Bytes of a body.
    public static let body = 131_072
    /// Bytes of an encoded entry.
    public static let encoded = 58 + peer + group + body
  }

  /// A field whose length varies.
  public enum Field: Hashable, Sendable {
    /// ``Entry/peer``.
    case peer
    /// ``Entry/group``.
    case group
    /// ``Entry/body``.
    case body
  }

  /// What is wrong with an entry's bytes.
  public enum Fault: Hashable, Sendable {
    /// The first byte is not ``Entry/version``.
    case version(UInt8)
    /// The bytes end too soon.
    case truncated
    /// Bytes follow the body.
    case trailingBytes(Int)
    /// The peer is not UTF-8.
    case peerIsNotText
  }

  /// Where the entry stands: 0 for the first, one more each.
  public let sequence: UInt64
  /// When it was journaled, by the node's clock; never earlier than the entry before.
  public let time: UnixNanoseconds
  /// What sort of entry it is, in its writer's numbering; the journal only keeps it.
  public let kind: UInt8
  /// The DID of the counterparty that it is about; empty when about none.
  public let peer: String
  /// What it belongs to, such as a dialogue's identifier; empty when to nothing.
  public let group: [UInt8]
  /// The ``hash`` of the entry before it; ``Digest/zero`` for the first.
  public let previous: Digest
  /// The row itself, whose form belongs to its writer.
  public let body: [UInt8]

  init(sequence: UInt64, previous: Digest, time: UnixNanoseconds, draft: EntryDraft) {
    self.sequence = sequence
    self.time = time
    self.kind = draft.kind
    self.peer = draft.peer
    self.group = draft.group
    self.previous = previous
    self.body = draft.body
  }

  /// Creates an entry from the fields that a store kept.
  ///
  /// - Throws: ``JournalError/fieldTooLong(_:byteCount:)``.
  public init(
    sequence: UInt64, time: UnixNanoseconds, kind: UInt8, peer: String, group: [UInt8], previous: Digest,
    body: [UInt8]
  ) throws(JournalError) {
    let draft = try EntryDraft(time: time, kind: kind, peer: peer, group: group, body: body)
    self.init(sequence: sequence, previous: previous, time: time, draft: draft)
  }

  /// The entry's leaf in the Merkle tree, and what the next entry links to.
  public var hash: Digest { MerkleTree.leafHash(encoded) }
}

/// An entry that has no place in the journal yet.
public struct EntryDraft: Hashable, Sendable {
  /// When it happened; the journal raises a time earlier than its last to its last.
  public let time: UnixNanoseconds
  /// ``Entry/kind``.
  public let kind: UInt8
  /// ``Entry/peer``.
  public let peer: String
  /// ``Entry/group``.
  public let group: [UInt8]
  /// ``Entry/body``.
  public let body: [UInt8]

  /// Creates a draft.
  ///
  /// - Throws: ``JournalError/fieldTooLong(_:byteCount:)``.
  public init(
    time: UnixNanoseconds, kind: UInt8, peer: String = "", group: [UInt8] = [], body: [UInt8]
  ) throws(JournalError) {
    let peerCount = peer.utf8.count
    guard peerCount <= Entry.Limits.peer else { throw .fieldTooLong(.peer, byteCount: peerCount) }
    guard group.count <= Entry.Limits.group else { throw .fieldTooLong(.group, byteCount: group.count) }
    guard body.count <= Entry.Limits.body else { throw .fieldTooLong(.body, byteCount: body.count) }
    self.time = time
    self.kind = kind
    self.peer = peer
    self.group = group
    self.body = body
  }
}
