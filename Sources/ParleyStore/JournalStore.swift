internal import ParleyCrypto
public import ParleyJournal
internal import ParleyWire

/// A node's journal in a SQLite database, and what the node knows about its peers.
///
/// What ``append(_:documents:)`` has returned survives a kill and a loss of power. One process at a time keeps a
/// journal; others may read it. All calls may come from any thread; writes wait for each other.
public final class JournalStore: Sendable {
  /// Entries whose hashes are checked when a journal is opened.
  public static let checkedEntriesOnOpen: UInt64 = 256

  /// Reads the same journal; never waits for a commit.
  public let reader: JournalReader

  let writer: Guarded<Writer>
  private let latest: Guarded<JournalHead>

  /// Opens a journal, or makes a new one where there is none, and checks its end.
  ///
  /// - Parameter path: The database file; SQLite and the lock put files of the same name and an ending beside it.
  /// - Throws: ``StoreError/inUse(path:)`` when another node has it, ``StoreError/corrupt(_:)`` when its end is not
  ///   what was written, or another ``StoreError``. The journal is then as it was.
  public init(path: String) throws(StoreError) {
    let opened = try Writer(path: path)
    reader = try JournalReader(existing: path)
    latest = Guarded(opened.head)
    writer = Guarded(opened)
  }

  /// Appends entries, and stores documents, in one transaction that is durable when this returns.
  ///
  /// - Parameters:
  ///   - drafts: In order; a time earlier than that of the entry before is raised to it.
  ///   - documents: Those that are stored already are left as they are.
  /// - Returns: The entries in their places.
  /// - Throws: Any ``StoreError``. Nothing was appended, or after a failure of the disk itself it is unknown: the
  ///   store then answers ``StoreError/stopped`` to everything until it is opened anew, which finds out.
  public func append(
    _ drafts: [EntryDraft], documents: [StoredDocument] = []
  ) throws(StoreError) -> [Entry] {
    try writer.withLock { writer throws(StoreError) in
      let entries = try writer.append(drafts, documents: documents)
      let head = writer.head
      latest.withLock { $0 = head }
      return entries
    }
  }

  /// Where the journal stands after the last commit; never waits for one.
  public var head: JournalHead { latest.withLock { $0 } }

  /// Lets a peer in, or pins a peer to another document; durable when this returns.
  ///
  /// - Throws: Any ``StoreError``, as ``append(_:documents:)`` does.
  public func approve(_ peer: KnownPeer) throws(StoreError) {
    try writer.withLock { writer throws(StoreError) in try writer.approve(peer) }
  }

  /// Takes a peer's permission away, durably; its entries and documents stay.
  ///
  /// - Returns: Whether it had one.
  /// - Throws: Any ``StoreError``, as ``append(_:documents:)`` does.
  @discardableResult
  public func revoke(did: String) throws(StoreError) -> Bool {
    try writer.withLock { writer throws(StoreError) in try writer.revoke(did: did) }
  }
}

extension JournalStore {
  /// The one connection that writes.
  final class Writer {
    private let lock: JournalLock
    let tables: JournalTables
    private let insertEntry: SQLiteStatement
    private let writeBlock: SQLiteStatement
    private let insertPeer: SQLiteStatement
    private let insertDocument: SQLiteStatement
    private let updateHead: SQLiteStatement
    // By bytes: two texts that Swift calls equal can be two DIDs.
    private var peerIDs: [[UInt8]: Int64] = [:]
    private var isStopped = false
    private(set) var head: JournalHead
    private var block: TreeBlock

    init(path: String) throws(StoreError) {
      lock = try JournalLock(journal: path)
      try JournalFile.create(path)
      let database = try SQLiteDatabase(path: path, mode: .readWrite)
      database.setBusyTimeout(milliseconds: 2_000)
      // Before anything is changed: it might be somebody else's database.
      _ = try JournalSchema.check(database)
      try database.execute(
        """
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA foreign_keys = ON;
        PRAGMA cell_size_check = ON;
        PRAGMA trusted_schema = OFF;
        """)
      let mode = try database.text("PRAGMA journal_mode")
      guard mode == "wal", try database.integer("PRAGMA synchronous") == 2 else {
        throw .failed(operation: "use a write-ahead log", code: 0, message: "the file system allows only \(mode)")
      }
      try JournalSchema.migrate(database)
      tables = try JournalTables(database)
      insertEntry = try database.prepare(
        """
        INSERT INTO entry (sequence, time, kind, peer, "group", previous, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        """)
      writeBlock = try database.prepare("INSERT OR REPLACE INTO tree (block, hashes) VALUES (?1, ?2)")
      insertPeer = try database.prepare("INSERT INTO peer (did) VALUES (?1) RETURNING id")
      insertDocument = try database.prepare(
        """
        INSERT INTO document (did, hash, bytes, sha256, first_seen) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO NOTHING
        """)
      updateHead = try database.prepare(
        """
        INSERT INTO head (id, size, root, time) VALUES (0, ?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET size = excluded.size, root = excluded.root, time = excluded.time
        """)
      head = try tables.verifyEnd(entries: JournalStore.checkedEntriesOnOpen)
      if let recorded = try lock.recorded() { try tables.check(recorded, against: head) }
      let tables = tables
      block = try TreeBlock(size: head.size) { block throws(StoreError) in try tables.block(block) }
      try lock.record(JournalLock.Record(size: head.size, root: head.root))
    }

    func append(_ drafts: [EntryDraft], documents: [StoredDocument]) throws(StoreError) -> [Entry] {
      guard !isStopped else { throw .stopped }
      guard !drafts.isEmpty || !documents.isEmpty else { return [] }
      var head = self.head
      var block = self.block
      let entries = try write { () throws(StoreError) -> [Entry] in
        for document in documents { try insert(document) }
        var entries = [Entry]()
        for draft in drafts {
          let entry = try head.append(draft) { _, hash throws(StoreError) in
            if let full = block.append(hash) { try writeBlock.run(.integer(full.block), .blob(full.bytes)) }
          }
          try insert(entry)
          entries.append(entry)
        }
        if !drafts.isEmpty {
          if !block.bytes.isEmpty { try writeBlock.run(.integer(block.block), .blob(block.bytes)) }
          try updateHead.run(.integer(Int64(head.size)), .blob(head.root.bytes), .integer(head.lastTime.rawValue))
        }
        return entries
      }
      self.head = head
      self.block = block
      do throws(StoreError) {
        try lock.record(JournalLock.Record(size: head.size, root: head.root))
      } catch {
        // This commit stands; but without the record the next one could be lost unnoticed.
        isStopped = true
      }
      return entries
    }

    func approve(_ peer: KnownPeer) throws(StoreError) {
      try write { () throws(StoreError) in
        try insert(peer.document)
        try tables.database.prepare(
          """
          INSERT INTO known_peer (did, key_fragment, document_hash, approval, first_seen) VALUES (?1, ?2, ?3, ?4, ?5)
          ON CONFLICT DO UPDATE SET key_fragment = excluded.key_fragment, document_hash = excluded.document_hash,
            approval = excluded.approval
          """
        ).run(
          .text(peer.did), .text(peer.keyFragment), .blob(peer.document.hash.bytes), .text(peer.approval.rawValue),
          .integer(peer.firstSeen.rawValue))
      }
    }

    func revoke(did: String) throws(StoreError) -> Bool {
      try write { () throws(StoreError) in
        try tables.database.prepare("DELETE FROM known_peer WHERE did = ?1").run(.text(did))
        return tables.database.changes > 0
      }
    }

    private func write<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
      guard !isStopped else { throw .stopped }
      do throws(StoreError) {
        return try tables.database.transaction(body)
      } catch {
        isStopped = true
        throw error
      }
    }

    private func insert(_ entry: Entry) throws(StoreError) {
      try insertEntry.run(
        .integer(Int64(entry.sequence)), .integer(entry.time.rawValue), .integer(Int64(entry.kind)),
        .integer(try peerID(entry.peer)), .blob(entry.group), .blob(entry.previous.bytes), .blob(entry.body))
    }

    private func insert(_ document: StoredDocument) throws(StoreError) {
      try insertDocument.run(
        .text(document.did), .blob(document.hash.bytes), .blob(document.bytes), .blob(SHA256.hash(document.bytes)),
        .integer(document.firstSeen.rawValue))
    }

    private func peerID(_ did: String) throws(StoreError) -> Int64 {
      let key = Array(did.utf8)
      if let id = peerIDs[key] { return id }
      var id = try tables.peerID(did)
      if id == nil { id = try insertPeer.first(.text(did)) { row throws(StoreError) in try row.integer(0) } }
      guard let id else { throw .corrupt(.file("an inserted row has no number")) }
      if peerIDs.count >= 4_096 { peerIDs.removeAll() }
      peerIDs[key] = id
      return id
    }
  }
}
