public import ParleyJournal
internal import ParleyWire

/// Reads a journal, also while a node writes it.
///
/// Reads never wait for a commit; they see what was committed when they began. All calls may come from any thread.
public final class JournalReader: Sendable {
  private let tables: Guarded<JournalTables>
  private let path: String

  /// Opens a journal to read it.
  ///
  /// - Throws: ``StoreError/missing(path:)``, ``StoreError/notAJournal(path:)``,
  ///   ``StoreError/schemaTooNew(path:found:supported:)``, or what SQLite says.
  public convenience init(path: String) throws(StoreError) {
    guard JournalFile.exists(path) else { throw .missing(path: path) }
    try self.init(existing: path)
  }

  init(existing path: String) throws(StoreError) {
    let database = try SQLiteDatabase(path: path, mode: .readOnly)
    database.setBusyTimeout(milliseconds: 2_000)
    guard try JournalSchema.check(database) == JournalSchema.version else { throw .notAJournal(path: path) }
    tables = Guarded(try JournalTables(database))
    self.path = path
  }

  private func read<Result: Sendable>(
    _ body: @Sendable (JournalTables) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    try tables.withLock { (tables) throws(StoreError) in
      try tables.database.snapshot { () throws(StoreError) in try body(tables) }
    }
  }

  /// Where the journal stands.
  public func head() throws(StoreError) -> JournalHead {
    try read { tables throws(StoreError) in try tables.journalHead() }
  }

  /// One entry, or `nil` if the journal has not come so far.
  public func entry(_ sequence: UInt64) throws(StoreError) -> Entry? {
    guard sequence < .max else { return nil }
    return try read { tables throws(StoreError) in try tables.entry(sequence) }
  }

  /// Entries in ascending order, at most `limit`.
  public func entries(matching query: EntryQuery, limit: Int = 1_000) throws(StoreError) -> [Entry] {
    precondition(limit >= 0)
    return try read { tables throws(StoreError) in try tables.entries(matching: query, limit: limit) }
  }

  /// The newest entry of a kind, or `nil` if there is none.
  public func lastEntry(kind: UInt8) throws(StoreError) -> Entry? {
    try read { tables throws(StoreError) in try tables.lastEntry(kind: kind) }
  }

  /// Hands entries to `body` one by one in ascending order, with only a page of them in memory.
  ///
  /// Nothing is locked while `body` runs; entries committed meanwhile come too.
  public func forEachEntry(
    matching query: EntryQuery = EntryQuery(), _ body: (Entry) throws(StoreError) -> Void
  ) throws(StoreError) {
    var query = query
    while true {
      let page = try entries(matching: query, limit: Self.pageSize)
      for entry in page { try body(entry) }
      guard page.count == Self.pageSize, let last = page.last else { return }
      query.range = min(last.sequence + 1, query.range.upperBound)..<query.range.upperBound
    }
  }

  private static let pageSize = 256

  /// The root over the first `size` entries.
  ///
  /// - Precondition: The journal has as many.
  public func root(size: UInt64) throws(StoreError) -> Digest {
    try read { tables throws(StoreError) in try tables.tree(size: size).root }
  }

  /// Proves that an entry is among the first `size`; reads O(log n) hashes.
  ///
  /// - Precondition: `sequence < size`, and the journal has as many.
  public func inclusionProof(of sequence: UInt64, size: UInt64) throws(StoreError) -> [Digest] {
    try read { tables throws(StoreError) in
      try MerkleTree.inclusionProof(index: sequence, size: size) { node throws(StoreError) in
        try tables.hash(of: node)
      }
    }
  }

  /// Proves that the journal of `oldSize` entries is the beginning of that of `newSize`; reads O(log n) hashes.
  ///
  /// - Precondition: `oldSize <= newSize`, and the journal has as many.
  public func consistencyProof(from oldSize: UInt64, to newSize: UInt64) throws(StoreError) -> [Digest] {
    try read { tables throws(StoreError) in
      try MerkleTree.consistencyProof(from: oldSize, to: newSize) { node throws(StoreError) in
        try tables.hash(of: node)
      }
    }
  }

  /// A document that was stored, by the hash that statements name it with.
  public func document(did: String, hash: Digest) throws(StoreError) -> StoredDocument? {
    try read { tables throws(StoreError) in try tables.document(did: did, hash: hash) }
  }

  /// The groups between two, both included, in ascending order of their bytes, at most `limit`.
  public func groups(from first: [UInt8], through last: [UInt8], limit: Int) throws(StoreError) -> [[UInt8]] {
    precondition(limit >= 0)
    return try read { tables throws(StoreError) in try tables.groups(from: first, through: last, limit: limit) }
  }

  /// All documents that were stored, each checked against its hash.
  public func documents() throws(StoreError) -> [StoredDocument] {
    try read { tables throws(StoreError) in
      var documents = [StoredDocument]()
      try tables.forEachDocument { documents.append($0) }
      return documents
    }
  }

  /// A peer that was let in, or `nil`.
  public func knownPeer(did: String) throws(StoreError) -> KnownPeer? {
    try read { tables throws(StoreError) in try tables.knownPeers(did: did).first }
  }

  /// All peers that were let in, by DID.
  public func knownPeers() throws(StoreError) -> [KnownPeer] {
    try read { tables throws(StoreError) in try tables.knownPeers(did: nil) }
  }

  /// Checks the whole journal.
  ///
  /// That is the file's structure, every entry, the chain, every tree node, the recorded end and every document. It
  /// takes time in proportion to the journal.
  ///
  /// - Parameter progress: Told now and then how many entries are checked.
  /// - Returns: Where the journal stands.
  /// - Throws: ``StoreError/corrupt(_:)`` with the first thing that does not fit.
  @discardableResult
  public func verify(progress: @Sendable (UInt64) -> Void = { _ in }) throws(StoreError) -> JournalHead {
    // Read first: what a node commits meanwhile makes the journal longer than this, never shorter.
    let recorded = try JournalLock.recorded(journal: path)
    return try read { tables throws(StoreError) in
      let head = try tables.verify(progress: progress)
      if let recorded { try tables.check(recorded, against: head) }
      return head
    }
  }
}
