import ParleyJournal

/// The last rows of the table `tree`, while they grow.
///
/// Tree nodes are stored in the order of their positions, 63 hashes a row: two rows fill a page of SQLite's.
struct TreeBlock {
  /// Hashes in a full row.
  static let hashes: UInt64 = 63
  static let byteCount = Int(hashes) * Digest.byteCount

  /// Where the hash of the node at a position is: the row, and the bytes before it.
  static func place(of position: UInt64) -> (block: Int64, offset: Int) {
    (Int64(position / hashes), Int(position % hashes) * Digest.byteCount)
  }

  /// The row that the next hash goes to.
  private(set) var block: Int64
  /// What is in that row so far.
  private(set) var bytes: [UInt8]

  /// Takes up the tree of `size` entries.
  ///
  /// - Parameters:
  ///   - size: Entries of the journal.
  ///   - read: Gives what is stored in a row.
  /// - Throws: ``StoreError/corrupt(_:)`` when the last row holds too little, or what `read` throws.
  init(size: UInt64, read: (Int64) throws(StoreError) -> [UInt8]?) throws(StoreError) {
    let (block, offset) = Self.place(of: MerkleTree.nodeCount(size: size))
    self.block = block
    bytes = []
    bytes.reserveCapacity(Self.byteCount)
    if offset > 0 { bytes.append(contentsOf: (try read(block) ?? []).prefix(offset)) }
    guard bytes.count == offset else { throw .corrupt(.file("the last tree nodes are missing")) }
  }

  /// Takes the next hash.
  ///
  /// - Returns: A row that is full now.
  mutating func append(_ hash: Digest) -> (block: Int64, bytes: [UInt8])? {
    bytes.append(contentsOf: hash.bytes)
    guard bytes.count == Self.byteCount else { return nil }
    defer {
      block += 1
      bytes.removeAll(keepingCapacity: true)
    }
    return (block, bytes)
  }
}
