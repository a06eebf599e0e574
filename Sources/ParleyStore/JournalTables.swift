internal import ParleyCrypto
internal import ParleyJournal
import ParleyWire

/// The statements over one connection to a journal, prepared once.
final class JournalTables {
  let database: SQLiteDatabase

  private let headQuery: SQLiteStatement
  private let nodeQuery: SQLiteStatement
  private let peerQuery: SQLiteStatement
  private let allQuery: SQLiteStatement
  private let groupQuery: SQLiteStatement
  private let peerEntryQuery: SQLiteStatement
  private let kindQuery: SQLiteStatement
  private let rowQuery: SQLiteStatement
  private let documentQuery: SQLiteStatement

  init(_ database: SQLiteDatabase) throws(StoreError) {
    self.database = database
    headQuery = try database.prepare("SELECT size, root, time FROM head")
    nodeQuery = try database.prepare("SELECT substr(hashes, ?2, 32) FROM tree WHERE block = ?1")
    peerQuery = try database.prepare("SELECT id FROM peer WHERE did = ?1")
    // Written out, so that each is a constant and takes the index it should.
    allQuery = try database.prepare(
      """
      SELECT e.sequence, e.time, e.kind, p.did, e."group", e.previous, e.body
      FROM entry e LEFT JOIN peer p ON p.id = e.peer
      WHERE e.sequence >= ?1 AND e.sequence < ?2
      ORDER BY e.sequence LIMIT ?3
      """)
    groupQuery = try database.prepare(
      """
      SELECT e.sequence, e.time, e.kind, p.did, e."group", e.previous, e.body
      FROM entry e INDEXED BY entry_by_group LEFT JOIN peer p ON p.id = e.peer
      WHERE e."group" = ?4 AND e.sequence >= ?1 AND e.sequence < ?2
        AND (?5 IS NULL OR e.peer = ?5) AND (?6 IS NULL OR e.kind = ?6)
      ORDER BY e.sequence LIMIT ?3
      """)
    peerEntryQuery = try database.prepare(
      """
      SELECT e.sequence, e.time, e.kind, p.did, e."group", e.previous, e.body
      FROM entry e INDEXED BY entry_by_peer LEFT JOIN peer p ON p.id = e.peer
      WHERE e.peer = ?4 AND e.sequence >= ?1 AND e.sequence < ?2 AND (?5 IS NULL OR e.kind = ?5)
      ORDER BY e.sequence LIMIT ?3
      """)
    kindQuery = try database.prepare(
      """
      SELECT e.sequence, e.time, e.kind, p.did, e."group", e.previous, e.body
      FROM entry e INDEXED BY entry_by_kind LEFT JOIN peer p ON p.id = e.peer
      WHERE e.kind = ?4 AND e.kind <> 1 AND e.sequence >= ?1 AND e.sequence < ?2
      ORDER BY e.sequence LIMIT ?3
      """)
    // Nearly all entries are rows of negotiations, which no index would find sooner.
    rowQuery = try database.prepare(
      """
      SELECT e.sequence, e.time, e.kind, p.did, e."group", e.previous, e.body
      FROM entry e LEFT JOIN peer p ON p.id = e.peer
      WHERE e.kind = 1 AND e.sequence >= ?1 AND e.sequence < ?2
      ORDER BY e.sequence LIMIT ?3
      """)
    documentQuery = try database.prepare(
      "SELECT bytes, sha256, first_seen FROM document WHERE did = ?1 AND hash = ?2")
  }

  /// The row that says where the journal stands; `nil` in a journal without entries.
  func head() throws(StoreError) -> (size: UInt64, root: Digest, time: UnixNanoseconds)? {
    try headQuery.first { row throws(StoreError) in
      let size = try row.unsigned(0)
      guard size > 0, size < 1 << 62, let root = Digest(try row.blob(1)) else { throw .corrupt(.head(size: size)) }
      return (size, root, UnixNanoseconds(try row.integer(2)))
    }
  }

  /// The hash of a stored subtree.
  func hash(of node: MerkleTree.Node) throws(StoreError) -> Digest {
    let place = TreeBlock.place(of: node.position)
    let hash = try nodeQuery.first(.integer(place.block), .integer(Int64(place.offset) + 1)) { row throws(StoreError) in
      Digest(try row.blob(0))
    }
    guard let hash = hash ?? nil else {
      throw .corrupt(.node(sequence: node.lastLeaf, level: node.level))
    }
    return hash
  }

  /// A row of the tree, as it is stored.
  func block(_ number: Int64) throws(StoreError) -> [UInt8]? {
    try database.prepare("SELECT hashes FROM tree WHERE block = ?1").first(.integer(number)) { row throws(StoreError) in
      try row.blob(0)
    }
  }

  /// The tree over the first `size` entries.
  func tree(size: UInt64) throws(StoreError) -> CompactRange {
    try CompactRange(size: size) { node throws(StoreError) in try hash(of: node) }
  }

  /// Where the journal stands, from what is stored and unchecked.
  func journalHead() throws(StoreError) -> JournalHead {
    guard let stored = try head() else { return JournalHead() }
    let last = try hash(of: MerkleTree.Node(level: 0, index: stored.size - 1))
    return JournalHead(tree: try tree(size: stored.size), lastHash: last, lastTime: stored.time)
  }

  /// The number under which a peer's DID is kept.
  func peerID(_ did: String) throws(StoreError) -> Int64? {
    try peerQuery.first(.text(did)) { row throws(StoreError) in try row.integer(0) }
  }

  /// Entries in ascending order, at most `limit`.
  func entries(matching query: EntryQuery, limit: Int) throws(StoreError) -> [Entry] {
    var peer: Int64?
    if let did = query.peer {
      peer = try peerID(did)
      guard peer != nil else { return [] }
    }
    let from = SQLiteStatement.Value.integer(Int64(clamping: query.range.lowerBound))
    let to = SQLiteStatement.Value.integer(Int64(clamping: query.range.upperBound))
    let most = SQLiteStatement.Value.integer(Int64(limit))
    let kind = query.kind.map { SQLiteStatement.Value.integer(Int64($0)) }
    var entries = [Entry]()
    let collect = { (row: SQLiteStatement.Row) throws(StoreError) in entries.append(try Self.entry(row)) }
    if let group = query.group {
      let peer = peer.map(SQLiteStatement.Value.integer) ?? .null
      try groupQuery.forEach(from, to, most, .blob(group), peer, kind ?? .null, body: collect)
    } else if let peer {
      try peerEntryQuery.forEach(from, to, most, .integer(peer), kind ?? .null, body: collect)
    } else if query.kind == 1 {
      try rowQuery.forEach(from, to, most, body: collect)
    } else if let kind {
      try kindQuery.forEach(from, to, most, kind, body: collect)
    } else {
      try allQuery.forEach(from, to, most, body: collect)
    }
    return entries
  }

  /// One entry.
  func entry(_ sequence: UInt64) throws(StoreError) -> Entry? {
    try entries(matching: EntryQuery(range: sequence..<(sequence + 1)), limit: 1).first
  }

  /// The groups between two, both included.
  func groups(from first: [UInt8], through last: [UInt8], limit: Int) throws(StoreError) -> [[UInt8]] {
    let query = try database.prepare(
      """
      SELECT DISTINCT "group" FROM entry INDEXED BY entry_by_group
      WHERE "group" BETWEEN ?1 AND ?2 ORDER BY "group" LIMIT ?3
      """)
    var groups = [[UInt8]]()
    try query.forEach(.blob(first), .blob(last), .integer(Int64(limit))) { row throws(StoreError) in
      groups.append(try row.blob(0))
    }
    return groups
  }

  /// The newest entry of a kind.
  func lastEntry(kind: UInt8) throws(StoreError) -> Entry? {
    let rows: StaticString = "SELECT sequence FROM entry WHERE kind = ?1 ORDER BY sequence DESC LIMIT 1"
    let others: StaticString =
      """
      SELECT sequence FROM entry INDEXED BY entry_by_kind WHERE kind = ?1 AND kind <> 1 ORDER BY sequence DESC LIMIT 1
      """
    let query = try database.prepare(kind == 1 ? rows : others)
    let last = try query.first(.integer(Int64(kind))) { row throws(StoreError) in try row.unsigned(0) }
    guard let last else { return nil }
    return try entry(last)
  }

  private static func entry(_ row: SQLiteStatement.Row) throws(StoreError) -> Entry {
    let sequence = try row.unsigned(0)
    guard let kind = UInt8(exactly: try row.integer(2)), !row.isNull(3), let previous = Digest(try row.blob(5)) else {
      throw .corrupt(.entry(sequence: sequence))
    }
    let peer = try row.text(3)
    let (time, group, body) = (try row.integer(1), try row.blob(4), try row.blob(6))
    do throws(JournalError) {
      return try Entry(
        sequence: sequence, time: UnixNanoseconds(time), kind: kind, peer: peer, group: group, previous: previous,
        body: body)
    } catch {
      throw .corrupt(.entry(sequence: sequence))
    }
  }

  /// A document that was kept, checked against its hash.
  func document(did: String, hash: Digest) throws(StoreError) -> StoredDocument? {
    try documentQuery.first(.text(did), .blob(hash.bytes)) { row throws(StoreError) in
      let bytes = try row.blob(0)
      guard SHA256.hash(bytes) == (try row.blob(1)) else { throw .corrupt(.document(did: did)) }
      return StoredDocument(did: did, hash: hash, bytes: bytes, firstSeen: UnixNanoseconds(try row.integer(2)))
    }
  }
}

extension MerkleTree.Node {
  /// The leaf whose arrival completed this subtree.
  var lastLeaf: UInt64 { ((index + 1) << UInt64(level)) - 1 }
}
