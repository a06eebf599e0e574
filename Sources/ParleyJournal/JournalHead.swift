public import ParleyWire

/// Where a journal stands: the one value that appending and checking need.
///
/// It extends two structures at once. The hash chain makes each entry name the one before it; the Merkle tree lets
/// a stranger check one entry, or that nothing was rewritten, from a handful of hashes.
public struct JournalHead: Hashable, Sendable {
  /// The tree over all entries so far.
  public private(set) var tree: CompactRange
  /// The hash of the last entry; ``Digest/zero`` when there is none.
  public private(set) var lastHash: Digest
  /// The time of the last entry; the earliest time when there is none.
  public private(set) var lastTime: UnixNanoseconds

  /// An empty journal.
  public init() {
    tree = CompactRange()
    lastHash = .zero
    lastTime = UnixNanoseconds(.min)
  }

  /// Takes up a journal from what a store kept of it.
  public init(tree: CompactRange, lastHash: Digest, lastTime: UnixNanoseconds) {
    self.tree = tree
    self.lastHash = lastHash
    self.lastTime = lastTime
  }

  /// Entries so far, which is also the sequence number of the next.
  public var size: UInt64 { tree.size }

  /// The root over all entries so far.
  public var root: Digest { tree.root }

  /// Gives a draft its place.
  ///
  /// - Parameters:
  ///   - draft: Its time is raised to ``lastTime`` if it is earlier.
  ///   - visit: Called for each tree node that the entry completes, in ascending position.
  /// - Returns: The entry.
  /// - Throws: What `visit` throws; the head is then unchanged.
  public mutating func append<E>(
    _ draft: EntryDraft, visit: (MerkleTree.Node, Digest) throws(E) -> Void
  ) throws(E) -> Entry {
    let entry = Entry(sequence: size, previous: lastHash, time: max(lastTime, draft.time), draft: draft)
    try extend(with: entry, visit: visit)
    return entry
  }

  /// Checks that an entry is the next one and takes it in.
  ///
  /// - Throws: ``JournalError/sequenceGap(expected:found:)``, ``JournalError/brokenLink(sequence:)`` or
  ///   ``JournalError/timeWentBack(sequence:)``; the head is then unchanged.
  public mutating func check(_ entry: Entry) throws(JournalError) {
    try check(entry) { _, _ in }
  }

  /// Checks that an entry is the next one, takes it in, and hands out the tree nodes that it completes.
  ///
  /// - Throws: As ``check(_:)``, or what `visit` throws; the head is then unchanged.
  public mutating func check(
    _ entry: Entry, visit: (MerkleTree.Node, Digest) throws(JournalError) -> Void
  ) throws(JournalError) {
    guard entry.sequence == size else { throw .sequenceGap(expected: size, found: entry.sequence) }
    guard entry.previous == lastHash else { throw .brokenLink(sequence: entry.sequence) }
    guard entry.time >= lastTime else { throw .timeWentBack(sequence: entry.sequence) }
    try extend(with: entry, visit: visit)
  }

  private mutating func extend<E>(
    with entry: Entry, visit: (MerkleTree.Node, Digest) throws(E) -> Void
  ) throws(E) {
    let hash = entry.hash
    try tree.append(hash, visit: visit)
    lastHash = hash
    lastTime = entry.time
  }
}
