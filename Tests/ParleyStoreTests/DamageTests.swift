import Foundation
import ParleyJournal
import ParleyWire
import TestSupport
import Testing

@testable import ParleyStore

/// What is in a journal, as its reader gives it.
private struct Contents: Equatable {
  var head: JournalHead
  var entries: [Entry]
  var peers: [KnownPeer]
  var documents: [StoredDocument?]
}

@Suite("Damage")
struct DamageTests {
  static let entries = 700

  /// A journal left behind by a process that was killed: the write-ahead log holds its end.
  static func journal() throws -> Folder {
    let folder = try Folder()
    do {
      let store = try JournalStore(path: folder.journal)
      try fill(store, 0..<entries - 50)
    }
    let store = try JournalStore(path: folder.journal)
    try store.approve(
      KnownPeer(
        document: document(bob, "{1}"), keyFragment: "k", approval: .owner, firstSeen: UnixNanoseconds(1)))
    try fill(store, entries - 50..<entries)
    return try folder.copy()
  }

  private static func contents(_ folder: Folder) throws -> Contents {
    let reader = try JournalReader(path: folder.journal)
    var entries = [Entry]()
    try reader.forEachEntry { entries.append($0) }
    return Contents(
      head: try reader.head(), entries: entries, peers: try reader.knownPeers(),
      documents: [try reader.document(did: bob, hash: document(bob, "{1}").hash)])
  }

  /// Opens and verifies, as a node and its owner would.
  static func check(_ folder: Folder) -> StoreError? {
    storeError { () throws(StoreError) in
      let store = try JournalStore(path: folder.journal)
      try store.reader.verify()
    }
  }

  /// Runs SQL on a closed journal behind the store's back.
  static func alter(_ folder: Folder, _ sql: StaticString) throws {
    let database = try SQLiteDatabase(path: folder.journal, mode: .readWrite)
    try database.execute(sql)
    #expect(database.changes > 0, "\(sql)")
  }

  @Test("what was altered is found, and named")
  func altered() throws {
    let original = try Self.journal()
    #expect(Self.check(try original.copy()) == nil)
    let cases: [(StaticString, StoreError.Corruption)] = [
      ("UPDATE entry SET body = X'00' WHERE sequence = 3", .entry(sequence: 3)),
      ("UPDATE entry SET kind = kind + 1 WHERE sequence = 0", .entry(sequence: 0)),
      ("UPDATE entry SET kind = 256 WHERE sequence = 8", .entry(sequence: 8)),
      ("UPDATE entry SET time = time + 1 WHERE sequence = 5", .entry(sequence: 5)),
      ("UPDATE entry SET time = 0 WHERE sequence = 5", .time(sequence: 5)),
      ("UPDATE entry SET previous = zeroblob(32) WHERE sequence = 9", .link(sequence: 9)),
      ("UPDATE entry SET previous = zeroblob(31) WHERE sequence = 9", .entry(sequence: 9)),
      ("UPDATE entry SET \"group\" = X'FF' WHERE sequence = 400", .entry(sequence: 400)),
      ("UPDATE entry SET peer = 3 - peer WHERE sequence = 699", .entry(sequence: 699)),
      ("UPDATE peer SET did = 'did:x:other' WHERE did LIKE 'did:web:%'", .entry(sequence: 445)),
      ("UPDATE entry SET body = zeroblob(131073) WHERE sequence = 698", .entry(sequence: 698)),
      ("DELETE FROM entry WHERE sequence = 10", .missingEntry(sequence: 10)),
      ("DELETE FROM entry WHERE sequence = 699", .missingEntry(sequence: 699)),
      (
        "UPDATE tree SET hashes = CAST(substr(hashes, 1, 64) || zeroblob(32) || substr(hashes, 97) AS BLOB) WHERE block = 0",
        .node(sequence: 1, level: 1)
      ),
      (
        "UPDATE tree SET hashes = CAST(zeroblob(32) || substr(hashes, 33) AS BLOB) WHERE block = 0", .entry(sequence: 0)
      ),
      ("UPDATE tree SET hashes = substr(hashes, 1, 192) WHERE block = 0", .node(sequence: 3, level: 2)),
      ("DELETE FROM tree WHERE block = 0", .file("the tree begins with row 1")),
      ("DELETE FROM tree WHERE block = 1", .node(sequence: 32, level: 0)),
      ("INSERT INTO tree VALUES (100000, zeroblob(32))", .surplusNode(position: 1_394)),
      ("INSERT INTO tree VALUES (-1, zeroblob(32))", .file("the tree begins with row -1")),
      (
        "UPDATE tree SET hashes = CAST(hashes || zeroblob(1) AS BLOB) WHERE block = 22",
        .file("the tree ends within a hash")
      ),
      ("UPDATE head SET root = zeroblob(32)", .head(size: 700)),
      ("UPDATE head SET time = time + 1", .head(size: 700)),
      ("UPDATE head SET size = 699", .head(size: 699)),
      ("UPDATE head SET size = 701", .missingEntry(sequence: 700)),
      ("UPDATE document SET bytes = X'00'", .document(did: bob)),
      ("UPDATE known_peer SET approval = 'nobody'", .document(did: bob)),
    ]
    for (sql, expected) in cases {
      let folder = try original.copy()
      try Self.alter(folder, sql)
      #expect(Self.check(folder) == .corrupt(expected), "\(sql)")
    }
  }

  @Test("a changed end is found when the journal is opened")
  func foundOnOpen() throws {
    let original = try Self.journal()
    let cases: [(StaticString, Bool)] = [
      ("UPDATE entry SET body = X'00' WHERE sequence = 444", true),
      ("UPDATE entry SET body = X'00' WHERE sequence = 443", false),
      ("UPDATE tree SET hashes = zeroblob(length(hashes)) WHERE block >= 20", true),
      ("DELETE FROM entry WHERE sequence = 699", true),
    ]
    for (sql, isFound) in cases {
      let folder = try original.copy()
      try Self.alter(folder, sql)
      let found = storeError { () throws(StoreError) in try JournalStore(path: folder.journal) }
      #expect((found != nil) == isFound, "\(sql): \(String(describing: found))")
    }
  }

  @Test("an end that was cut off as a whole is found by the lock file")
  func lostEnd() throws {
    let original = try Self.journal()
    // An old copy: everything in it fits together.
    let old = try Folder()
    do {
      let store = try JournalStore(path: old.journal)
      try fill(store, 0..<600)
    }
    try old.write(original.bytes("journal.db-lock"), to: "journal.db-lock")
    #expect(Self.check(old) == .corrupt(.lostEnd(recorded: 700, found: 600)))
    // Another journal that is longer.
    let other = try Folder()
    do {
      let store = try JournalStore(path: other.journal)
      try fill(store, 1..<801)
    }
    try other.write(original.bytes("journal.db-lock"), to: "journal.db-lock")
    #expect(Self.check(other) == .corrupt(.otherHistory(size: 700)))
    // Knowingly.
    try FileManager.default.removeItem(at: other.url.appending(path: "journal.db-lock"))
    #expect(Self.check(other) == nil)
  }

  @Test("a torn write-ahead log: what was acknowledged is there, or its loss is found")
  func tornLog() throws {
    let original = try Self.journal()
    let expected = try Self.contents(try original.copy())
    let log = try original.bytes("journal.db-wal")
    #expect(log.count > 100_000, "the log must hold the journal's end")
    var random = SplitMix64(seed: 11)
    var lost = 0
    for round in 0..<60 {
      let folder = try original.copy()
      var torn = log
      let offset = Int.random(in: 0..<log.count, using: &random)
      if round % 2 == 0 {
        torn.removeSubrange(offset...)
      } else {
        torn[offset] ^= UInt8.random(in: 1...255, using: &random)
      }
      try folder.write(torn, to: "journal.db-wal")
      if let found = Self.check(folder) {
        guard case .corrupt = found else {
          Issue.record("round \(round), offset \(offset): \(found)")
          continue
        }
        lost += 1
      } else {
        #expect(try Self.contents(folder) == expected, "round \(round), offset \(offset)")
      }
    }
    #expect(lost > 20)
  }

  @Test("a flipped byte in the database file is found, or changes nothing")
  func flippedByte() throws {
    let original = try Self.journal()
    // Without the log, so that every page is read from the file.
    do { _ = try JournalStore(path: original.journal) }
    let expected = try Self.contents(original)
    #expect(expected.entries.count == Self.entries)
    let bytes = try original.bytes("journal.db")
    var random = SplitMix64(seed: 12)
    var found = 0
    for round in 0..<120 {
      let folder = try original.copy()
      var changed = bytes
      let offset = Int.random(in: 0..<bytes.count, using: &random)
      changed[offset] ^= UInt8.random(in: 1...255, using: &random)
      try folder.write(changed, to: "journal.db")
      if Self.check(folder) != nil {
        found += 1
      } else {
        #expect(try Self.contents(folder) == expected, "round \(round), offset \(offset)")
      }
    }
    #expect(found > 60, "found \(found)")
  }

  @Test("a flipped byte of one entry's body names the entry")
  func flippedBody() throws {
    let original = try Self.journal()
    do { _ = try JournalStore(path: original.journal) }
    var bytes = try original.bytes("journal.db")
    let body = Array("row 123 ".utf8)
    let offset = try #require(bytes.firstRange(of: body)?.lowerBound)
    bytes[offset] ^= 0x20
    try original.write(bytes, to: "journal.db")
    #expect(Self.check(original) == .corrupt(.entry(sequence: 123)))
  }
}
