internal import ParleyCrypto
internal import ParleyJournal
import ParleyWire

extension JournalTables {
  /// Checks the last entries: enough to find what a crash or a torn file leaves, in constant time.
  func verifyEnd(entries count: UInt64) throws(StoreError) -> JournalHead {
    let stored = try head()
    let size = stored?.size ?? 0
    return try verifyEntries(from: size - min(count, size))
  }

  /// Compares the journal with what the lock file says it was.
  func check(_ recorded: JournalLock.Record, against head: JournalHead) throws(StoreError) {
    guard recorded.size <= head.size else {
      throw .corrupt(.lostEnd(recorded: recorded.size, found: head.size))
    }
    guard try tree(size: recorded.size).root == recorded.root else {
      throw .corrupt(.otherHistory(size: recorded.size))
    }
  }

  /// Checks everything.
  func verify(progress: (UInt64) -> Void) throws(StoreError) -> JournalHead {
    let check = try database.prepare("PRAGMA integrity_check(1)")
    let structure = try check.first { row throws(StoreError) in try row.text(0) }
    guard structure == "ok" else { throw .corrupt(.file(structure ?? "no answer from SQLite")) }
    if let broken = try database.prepare("PRAGMA foreign_key_check").first(body: { row throws(StoreError) in
      try row.text(0)
    }) {
      throw .corrupt(.file("a row of \(broken) refers to one that is missing"))
    }
    let head = try verifyEntries(from: 0, progress)
    try verifyBlocks()
    try forEachDocument { _ in }
    _ = try knownPeers(did: nil)
    return head
  }

  /// Checks the entries from `start` on, and that the stored tree and end are theirs.
  private func verifyEntries(
    from start: UInt64, _ progress: (UInt64) -> Void = { _ in }
  ) throws(StoreError) -> JournalHead {
    let stored = try head()
    let size = stored?.size ?? 0
    var head = JournalHead()
    if start > 0 {
      guard let before = try entry(start - 1) else { throw .corrupt(.missingEntry(sequence: start - 1)) }
      let hash = try hash(of: MerkleTree.Node(level: 0, index: start - 1))
      head = JournalHead(tree: try tree(size: start), lastHash: hash, lastTime: before.time)
    }
    while true {
      let page = try entries(matching: EntryQuery(range: head.size..<UInt64.max), limit: 256)
      guard !page.isEmpty else { break }
      for entry in page { try verify(entry, after: &head) }
      progress(head.size)
    }
    guard head.size == size else {
      throw .corrupt(head.size < size ? .missingEntry(sequence: head.size) : .head(size: size))
    }
    if let stored {
      guard stored.root == head.root, stored.time == head.lastTime else { throw .corrupt(.head(size: size)) }
    }
    try verifyNodeCount(size: size)
    return head
  }

  private func verify(_ entry: Entry, after head: inout JournalHead) throws(StoreError) {
    var completed = [(MerkleTree.Node, Digest)]()
    do throws(JournalError) {
      try head.check(entry) { node, hash in completed.append((node, hash)) }
    } catch {
      throw StoreError(error, at: entry.sequence)
    }
    for (node, expected) in completed where try hash(of: node) != expected {
      // A wrong leaf means that either the entry or its hash was changed; which, nobody can tell.
      throw .corrupt(
        node.level == 0 ? .entry(sequence: entry.sequence) : .node(sequence: entry.sequence, level: node.level))
    }
  }

  private func verifyNodeCount(size: UInt64) throws(StoreError) {
    let ends = try database.prepare("SELECT min(block), max(block) FROM tree").first { row throws(StoreError) in
      row.isNull(0) ? nil : (first: try row.integer(0), last: try row.unsigned(1))
    }
    let expected = MerkleTree.nodeCount(size: size)
    guard let ends = ends ?? nil else {
      guard expected == 0 else { throw .corrupt(.file("there is no tree")) }
      return
    }
    // Negative rows, which no lookup reaches.
    guard ends.first == 0 else { throw .corrupt(.file("the tree begins with row \(ends.first)")) }
    let bytes = try block(Int64(ends.last))?.count ?? 0
    guard bytes % Digest.byteCount == 0 else { throw .corrupt(.file("the tree ends within a hash")) }
    // More than full rows hold, and fewer, are found node by node.
    guard ends.last * TreeBlock.hashes + UInt64(bytes / Digest.byteCount) <= expected else {
      throw .corrupt(.surplusNode(position: expected))
    }
  }

  /// Looks for rows of the tree that hold more or less than they should.
  private func verifyBlocks() throws(StoreError) {
    let query = try database.prepare(
      "SELECT block FROM tree WHERE length(hashes) <> 2016 AND block < (SELECT max(block) FROM tree) LIMIT 1")
    if let block = try query.first(body: { row throws(StoreError) in try row.integer(0) }) {
      throw .corrupt(.file("row \(block) of the tree does not hold 63 hashes"))
    }
  }

  /// Hands out all documents, each checked against its hash.
  func forEachDocument(_ body: (StoredDocument) throws(StoreError) -> Void) throws(StoreError) {
    let query = try database.prepare("SELECT did, hash, bytes, sha256, first_seen FROM document ORDER BY did, hash")
    try query.forEach { row throws(StoreError) in
      let (did, bytes) = (try row.text(0), try row.blob(2))
      guard let hash = Digest(try row.blob(1)), SHA256.hash(bytes) == (try row.blob(3)) else {
        throw .corrupt(.document(did: did))
      }
      try body(StoredDocument(did: did, hash: hash, bytes: bytes, firstSeen: UnixNanoseconds(try row.integer(4))))
    }
  }

  /// The peer with this DID, or all.
  func knownPeers(did: String?) throws(StoreError) -> [KnownPeer] {
    var peers = [KnownPeer]()
    let query = try database.prepare(
      """
      SELECT did, key_fragment, document_hash, approval, first_seen FROM known_peer
      WHERE ?1 IS NULL OR did = ?1 ORDER BY did
      """)
    try query.forEach(did.map(SQLiteStatement.Value.text) ?? .null) { row throws(StoreError) in
      let did = try row.text(0)
      guard let hash = Digest(try row.blob(2)), let document = try document(did: did, hash: hash),
        let approval = KnownPeer.Approval(rawValue: try row.text(3))
      else { throw .corrupt(.document(did: did)) }
      peers.append(
        KnownPeer(
          document: document, keyFragment: try row.text(1), approval: approval,
          firstSeen: UnixNanoseconds(try row.integer(4))))
    }
    return peers
  }
}
