/// The tables of a journal; `docs/protocol/journal.md` explains them.
enum JournalSchema {
  /// `PRAGMA user_version` of the newest schema.
  static let version = Int64(migrations.count)

  /// `PRAGMA application_id`: the letters PRLY.
  static let applicationID: Int64 = 0x5052_4C59

  /// The steps from each version to the next; each ends by setting `user_version`.
  static let migrations: [StaticString] = [
    """
    CREATE TABLE head (
      id INTEGER PRIMARY KEY CHECK (id = 0),
      size INTEGER NOT NULL,
      root BLOB NOT NULL,
      time INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE peer (
      id INTEGER PRIMARY KEY,
      did TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE entry (
      sequence INTEGER PRIMARY KEY,
      time INTEGER NOT NULL,
      kind INTEGER NOT NULL,
      peer INTEGER NOT NULL REFERENCES peer (id),
      "group" BLOB NOT NULL,
      previous BLOB NOT NULL,
      body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX entry_by_peer ON entry (peer);
    CREATE INDEX entry_by_group ON entry ("group");
    CREATE INDEX entry_by_kind ON entry (kind);
    CREATE TABLE node (
      position INTEGER PRIMARY KEY,
      hash BLOB NOT NULL
    ) STRICT;
    CREATE TABLE document (
      did TEXT NOT NULL,
      hash BLOB NOT NULL,
      bytes BLOB NOT NULL,
      sha256 BLOB NOT NULL,
      first_seen INTEGER NOT NULL,
      PRIMARY KEY (did, hash)
    ) STRICT;
    CREATE TABLE known_peer (
      did TEXT PRIMARY KEY,
      key_fragment TEXT NOT NULL,
      document_hash BLOB NOT NULL,
      approval TEXT NOT NULL,
      first_seen INTEGER NOT NULL,
      FOREIGN KEY (did, document_hash) REFERENCES document (did, hash)
    ) STRICT;
    PRAGMA application_id = 0x50524C59;
    PRAGMA user_version = 1;
    """,
    // The tree a row for 63 hashes instead of one each, and no index over the kind that nearly all entries have: an entry
    // then costs little more than its own row.
    """
    CREATE TABLE tree (
      block INTEGER PRIMARY KEY,
      hashes BLOB NOT NULL CHECK (length(hashes) BETWEEN 32 AND 2016)
    ) STRICT;
    INSERT INTO tree (block, hashes)
      SELECT position / 63, CAST(group_concat(hash, '') AS BLOB)
      FROM (SELECT position, hash FROM node ORDER BY position) GROUP BY position / 63;
    DROP TABLE node;
    DROP INDEX entry_by_kind;
    CREATE INDEX entry_by_kind ON entry (kind) WHERE kind <> 1;
    PRAGMA user_version = 2;
    """,
  ]

  /// Brings a database to the newest schema.
  static func migrate(_ database: SQLiteDatabase) throws(StoreError) {
    try database.transaction { () throws(StoreError) in
      let found = try check(database)
      for step in migrations.dropFirst(Int(found)) { try database.execute(step) }
    }
  }

  /// Checks that the database is a journal that this version knows, or a new file.
  ///
  /// - Returns: Its schema's version; 0 for a new file.
  static func check(_ database: SQLiteDatabase) throws(StoreError) -> Int64 {
    let id = try database.integer("PRAGMA application_id")
    let found = try database.integer("PRAGMA user_version")
    let objects = try database.integer("SELECT count(*) FROM sqlite_schema")
    if id == 0, found == 0, objects == 0 { return 0 }
    guard id == applicationID, found > 0 else { throw .notAJournal(path: database.path) }
    guard found <= version else { throw .schemaTooNew(path: database.path, found: found, supported: version) }
    return found
  }
}

extension SQLiteDatabase {
  /// The one number that a query gives.
  func integer(_ sql: StaticString) throws(StoreError) -> Int64 {
    let value = try prepare(sql).first { row throws(StoreError) in try row.integer(0) }
    guard let value else { throw .corrupt(.file("a query that always has a result had none")) }
    return value
  }

  /// The one text that a query gives.
  func text(_ sql: StaticString) throws(StoreError) -> String {
    let value = try prepare(sql).first { row throws(StoreError) in try row.text(0) }
    guard let value else { throw .corrupt(.file("a query that always has a result had none")) }
    return value
  }
}
