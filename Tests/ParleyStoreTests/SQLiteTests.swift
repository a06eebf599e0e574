import Foundation
import Testing

@testable import ParleyStore

@Suite("SQLite wrapper")
struct SQLiteTests {
  let folder: Folder
  let database: SQLiteDatabase

  init() throws {
    folder = try Folder()
    try JournalFile.create(folder.journal)
    database = try SQLiteDatabase(path: folder.journal, mode: .readWrite)
    try database.execute("CREATE TABLE t (i INTEGER, s TEXT, b BLOB) STRICT")
  }

  @Test("values come back as they were bound")
  func values() throws {
    let insert = try database.prepare("INSERT INTO t VALUES (?1, ?2, ?3)")
    let rows: [(Int64, String, [UInt8])] = [
      (.min, "", []), (.max, "a'; DROP TABLE t; --", [0]), (0, "null \u{0} byte", Array(0...255)), (-1, "é✓", [0, 0]),
    ]
    for row in rows { try insert.run(.integer(row.0), .text(row.1), .blob(row.2)) }
    var found = [(Int64, String, [UInt8])]()
    try database.prepare("SELECT i, s, b FROM t ORDER BY rowid").forEach { row throws(StoreError) in
      found.append((try row.integer(0), try row.text(1), try row.blob(2)))
    }
    #expect(found.map(\.0) == rows.map(\.0))
    #expect(found.map(\.1) == rows.map(\.1))
    #expect(found.map(\.2) == rows.map(\.2))
  }

  @Test("NULL is told from empty, and a wrong type is damage")
  func types() throws {
    try database.prepare("INSERT INTO t VALUES (?1, ?2, ?3)").run(.null, .text(""), .blob([]))
    let query = try database.prepare("SELECT i, s, b FROM t")
    let (isNull, isEmpty) = try #require(
      try query.first { row throws(StoreError) in (row.isNull(0), try row.blob(2).isEmpty && !row.isNull(2)) })
    #expect(isNull && isEmpty)
    let found = storeError { () throws(StoreError) in
      try query.first { row throws(StoreError) in try row.integer(1) }
    }
    #expect(found == .corrupt(.file("a value of another type than its column's")))
    // The failed use left the statement ready for the next.
    #expect(try query.first { row throws(StoreError) in try row.text(1) } == "")
  }

  @Test("a transaction that throws leaves nothing")
  func rollback() throws {
    let insert = try database.prepare("INSERT INTO t VALUES (?1, NULL, NULL)")
    let found = storeError { () throws(StoreError) in
      try database.transaction { () throws(StoreError) in
        try insert.run(.integer(1))
        throw .stopped
      }
    }
    #expect(found == .stopped)
    #expect(try database.integer("SELECT count(*) FROM t") == 0)
    try database.transaction { () throws(StoreError) in try insert.run(.integer(1)) }
    #expect(try database.integer("SELECT count(*) FROM t") == 1)
  }

  @Test("what SQLite says becomes a typed error")
  func errors() throws {
    try database.execute("PRAGMA query_only = ON")
    let readOnly = storeError { () throws(StoreError) in try database.execute("DELETE FROM t") }
    #expect(readOnly == .readOnly(path: folder.journal))
    let second = try SQLiteDatabase(path: folder.journal, mode: .readWrite)
    try second.execute("BEGIN EXCLUSIVE")
    let busy = storeError { () throws(StoreError) in try database.integer("SELECT count(*) FROM t") }
    #expect(busy == .inUse(path: folder.journal))
    try second.execute("ROLLBACK")
    try folder.write(Array("no database at all, but a text of some length".utf8), to: "text")
    let text = try SQLiteDatabase(path: folder.url.appending(path: "text").path(), mode: .readOnly)
    let notOne = storeError { () throws(StoreError) in try text.integer("SELECT count(*) FROM t") }
    #expect(notOne == .notAJournal(path: text.path))
    let missing = storeError { () throws(StoreError) in
      try SQLiteDatabase(path: folder.url.appending(path: "none").path(), mode: .readWrite)
    }
    guard case .failed(operation: "open", _, _) = missing else {
      Issue.record("opened what is not there: \(String(describing: missing))")
      return
    }
    let syntax = storeError { () throws(StoreError) in try database.execute("SELEKT") }
    guard case .failed(operation: "execute", 1, let message) = syntax else {
      Issue.record("\(String(describing: syntax))")
      return
    }
    #expect(message.contains("SELEKT"))
  }
}
