import Foundation
import ParleyCrypto
import ParleyJournal
import ParleyWire
import Testing

@testable import ParleyStore

@Suite("Journal store")
struct JournalStoreTests {
  let folder: Folder

  init() throws { folder = try Folder() }

  @Test("entries get their places and come back as they were")
  func append() throws {
    let store = try JournalStore(path: folder.journal)
    #expect(store.head == JournalHead())
    #expect(try store.reader.head() == JournalHead())
    let first = try store.append([try draft("a", at: 10), try draft("b", at: 5, peer: "", group: [1, 2])])
    let second = try store.append([try draft("c", at: 20)])
    #expect((first + second).map(\.sequence) == [0, 1, 2])
    #expect((first + second).map(\.time.rawValue) == [10, 10, 20])
    #expect(first[0].previous == .zero && first[1].previous == first[0].hash && second[0].previous == first[1].hash)
    #expect(try store.reader.entries(matching: EntryQuery()) == first + second)
    #expect(try store.reader.entry(1) == first[1])
    #expect(try store.reader.entry(3) == nil)
    #expect(try store.reader.entry(.max) == nil)
    #expect(try store.reader.head() == store.head)
    #expect(try store.reader.verify() == store.head)
    #expect(try store.append([]) == [])
  }

  @Test("closed and opened again, it goes on where it was")
  func reopen() throws {
    var head = JournalHead()
    for round in 0..<4 {
      let store = try JournalStore(path: folder.journal)
      #expect(store.head == head)
      try fill(store, round * 100..<(round + 1) * 100)
      head = store.head
    }
    #expect(head.size == 400)
    let reader = try JournalReader(path: folder.journal)
    #expect(try reader.verify() == head)
    var replayed = JournalHead()
    try reader.forEachEntry { entry throws(StoreError) in
      do throws(JournalError) { try replayed.check(entry) } catch { throw StoreError(error, at: entry.sequence) }
    }
    #expect(replayed == head)
  }

  @Test("a journal of the first schema is brought to the newest, and verifies")
  func migrated() throws {
    do { try fill(try JournalStore(path: folder.journal), 0..<700) }
    let head = try JournalReader(path: folder.journal).head()
    let database = try SQLiteDatabase(path: folder.journal, mode: .readWrite)
    try database.execute(
      """
      CREATE TABLE node (position INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;
      WITH RECURSIVE place (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM place WHERE n < 1393)
        INSERT INTO node SELECT n, substr(hashes, n % 63 * 32 + 1, 32) FROM place JOIN tree ON block = n / 63;
      DROP TABLE tree;
      DROP INDEX entry_by_kind;
      CREATE INDEX entry_by_kind ON entry (kind);
      PRAGMA user_version = 1;
      """)
    let store = try JournalStore(path: folder.journal)
    #expect(store.head == head)
    try fill(store, 700..<800)
    #expect(try store.reader.verify() == store.head)
  }

  @Test("the tree's rows are the same however the entries came", arguments: [1, 31, 32, 33, 63, 400])
  func blocks(batch: Int) throws {
    let store = try JournalStore(path: folder.journal)
    for start in stride(from: 0, to: 400, by: batch) {
      _ = try store.append((start..<min(start + batch, 400)).map { try draft("\($0)", at: Int64($0)) })
    }
    #expect(try store.reader.verify().size == 400)
  }

  @Test("where it stands and what it holds can be read while a commit runs", .timeLimit(.minutes(1)))
  func readDuringCommit() throws {
    let store = try JournalStore(path: folder.journal)
    try fill(store, 0..<3)
    // A commit holds the writer as long as it runs.
    let (head, entry) = try store.writer.withLock { writer throws(StoreError) in
      try writer.tables.database.transaction { () throws(StoreError) in (store.head, try store.reader.entry(2)) }
    }
    #expect(head.size == 3 && head.lastHash == entry?.hash)
  }

  @Test("queries by every combination of conditions")
  func queries() throws {
    let store = try JournalStore(path: folder.journal)
    try fill(store, 0..<300)
    let all = try store.reader.entries(matching: EntryQuery())
    #expect(all.count == 300)
    for peer in [nil, alice, bob, "did:key:zNobody"] {
      for group in [nil, [UInt8(1)], [], [9]] as [[UInt8]?] {
        for kind in [nil, 2, 200] as [UInt8?] {
          for range in [0..<UInt64.max, 50..<121, 7..<7, 299..<400, 300..<301] {
            let query = EntryQuery(peer: peer, group: group, kind: kind, range: range)
            let expected = all.filter { entry in
              (peer == nil || entry.peer == peer) && (group == nil || entry.group == group)
                && (kind == nil || entry.kind == kind) && range.contains(entry.sequence)
            }
            #expect(try store.reader.entries(matching: query) == expected, "\(query)")
            #expect(try store.reader.entries(matching: query, limit: 3) == Array(expected.prefix(3)), "\(query)")
            var streamed = [Entry]()
            try store.reader.forEachEntry(matching: query) { streamed.append($0) }
            #expect(streamed == expected, "\(query)")
          }
        }
      }
    }
  }

  @Test("what is streamed may be read about meanwhile, and what is added comes too")
  func streaming() throws {
    let store = try JournalStore(path: folder.journal)
    try fill(store, 0..<600)
    var count = 0
    try store.reader.forEachEntry { entry throws(StoreError) in
      #expect(try store.reader.entry(entry.sequence) == entry)
      if count == 10 { do { try fill(store, 600..<700) } catch { Issue.record(error) } }
      count += 1
    }
    #expect(count == 700)
  }

  @Test("proofs hold against the root of their size")
  func proofs() throws {
    let store = try JournalStore(path: folder.journal)
    try fill(store, 0..<100)
    let reader = store.reader
    for size in [1, 2, 7, 64, 65, 99, 100] as [UInt64] {
      let root = try reader.root(size: size)
      for sequence in stride(from: 0, to: size, by: 9) {
        let entry = try #require(try reader.entry(sequence))
        let proof = try reader.inclusionProof(of: sequence, size: size)
        #expect(
          MerkleTree.isIncluded(leaf: entry.hash, index: sequence, size: size, proof: proof, root: root),
          "\(sequence) in \(size)")
      }
      let consistency = try reader.consistencyProof(from: size, to: 100)
      #expect(
        MerkleTree.isConsistent(
          oldSize: size, oldRoot: root, newSize: 100, newRoot: store.head.root, proof: consistency))
    }
  }

  @Test("two texts that Swift calls equal are two peers")
  func peersByBytes() throws {
    let store = try JournalStore(path: folder.journal)
    let (composed, decomposed) = ("did:x:\u{E9}", "did:x:e\u{301}")
    #expect(composed == decomposed)
    _ = try store.append([try draft("1", peer: composed), try draft("2", peer: decomposed)])
    try store.reader.verify()
    #expect(try store.reader.entries(matching: EntryQuery(peer: composed)).map(\.sequence) == [0])
    #expect(try store.reader.entries(matching: EntryQuery(peer: decomposed)).map(\.sequence) == [1])
  }

  @Test("documents are stored once, with the entries they came with")
  func documents() throws {
    let store = try JournalStore(path: folder.journal)
    let (first, second) = (document(bob, "{1}"), document(bob, "{2}"))
    _ = try store.append([try draft("x")], documents: [first, second])
    _ = try store.append([], documents: [document(bob, "{1}", at: 99)])
    #expect(try store.reader.document(did: bob, hash: first.hash) == first)
    #expect(try store.reader.document(did: bob, hash: second.hash) == second)
    #expect(try store.reader.document(did: alice, hash: first.hash) == nil)
    #expect(store.head.size == 1)
    try store.reader.verify()
  }

  @Test("a document alone, in a journal without entries")
  func documentAlone() throws {
    do {
      let store = try JournalStore(path: folder.journal)
      _ = try store.append([], documents: [document(bob, "{1}")])
    }
    let store = try JournalStore(path: folder.journal)
    #expect(store.head == JournalHead())
    #expect(try store.reader.document(did: bob, hash: document(bob, "{1}").hash) != nil)
    try store.reader.verify()
  }

  @Test("peers are let in, pinned anew and turned away")
  func knownPeers() throws {
    let peer = KnownPeer(
      document: document(bob, "{1}"), keyFragment: "key-1", approval: .fingerprint, firstSeen: UnixNanoseconds(7))
    let later = KnownPeer(
      document: document(bob, "{2}"), keyFragment: "key-2", approval: .owner, firstSeen: UnixNanoseconds(8))
    do {
      let store = try JournalStore(path: folder.journal)
      #expect(try store.reader.knownPeer(did: bob) == nil)
      try store.approve(peer)
      #expect(try store.reader.knownPeers() == [peer])
    }
    let store = try JournalStore(path: folder.journal)
    #expect(try store.reader.knownPeer(did: bob) == peer)
    try store.approve(later)
    let pinned = try #require(try store.reader.knownPeer(did: bob))
    #expect(pinned.document == later.document && pinned.keyFragment == "key-2" && pinned.approval == .owner)
    #expect(pinned.firstSeen == UnixNanoseconds(7), "first seen stays")
    try store.reader.verify()
    #expect(try store.revoke(did: bob))
    #expect(try !store.revoke(did: bob))
    #expect(try store.reader.knownPeers() == [])
    #expect(try store.reader.document(did: bob, hash: later.document.hash) == later.document)
  }

  @Test("a second node is refused, and told why; a reader is not")
  func exclusive() throws {
    let store = try JournalStore(path: folder.journal)
    let second = storeError { () throws(StoreError) in try JournalStore(path: folder.journal) }
    #expect(second == .inUse(path: folder.journal))
    #expect("\(second!)".contains("another node is using the journal"))
    let reader = try JournalReader(path: folder.journal)
    _ = try store.append([try draft("x")])
    #expect(try reader.head().size == 1)
  }

  @Test("only the owner may read the files")
  func permissions() throws {
    let store = try JournalStore(path: folder.journal)
    _ = try store.append([try draft("x")])
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path())
    #expect(Set(names) == ["journal.db", "journal.db-wal", "journal.db-shm", "journal.db-lock"])
    for name in names {
      let attributes = try FileManager.default.attributesOfItem(atPath: folder.url.appending(path: name).path())
      #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
    }
  }

  @Test("what is no journal stays as it was")
  func notAJournal() throws {
    let other = folder.url.appending(path: "other.db").path()
    try JournalFile.create(other)
    let database = try SQLiteDatabase(path: other, mode: .readWrite)
    try database.execute("CREATE TABLE mine (x)")
    let before = try folder.bytes("other.db")
    #expect(storeError { () throws(StoreError) in try JournalStore(path: other) } == .notAJournal(path: other))
    #expect(storeError { () throws(StoreError) in try JournalReader(path: other) } == .notAJournal(path: other))
    #expect(try folder.bytes("other.db") == before)
    try folder.write(Array("not a database".utf8) + [UInt8](repeating: 7, count: 5_000), to: "text")
    let text = folder.url.appending(path: "text").path()
    #expect(storeError { () throws(StoreError) in try JournalStore(path: text) } == .notAJournal(path: text))
    let none = folder.url.appending(path: "none").path()
    #expect(storeError { () throws(StoreError) in try JournalReader(path: none) } == .missing(path: none))
    #expect(!JournalFile.exists(none))
  }

  @Test("a later schema is refused")
  func laterSchema() throws {
    do { _ = try JournalStore(path: folder.journal) }
    do {
      let database = try SQLiteDatabase(path: folder.journal, mode: .readWrite)
      try database.execute("PRAGMA user_version = 3")
    }
    let expected = StoreError.schemaTooNew(path: folder.journal, found: 3, supported: 2)
    #expect(storeError { () throws(StoreError) in try JournalStore(path: folder.journal) } == expected)
    #expect(storeError { () throws(StoreError) in try JournalReader(path: folder.journal) } == expected)
  }

  @Test("killed between making the file and its tables, it starts afresh")
  func emptyFile() throws {
    try JournalFile.create(folder.journal)
    let store = try JournalStore(path: folder.journal)
    try fill(store, 0..<3)
    try store.reader.verify()
  }

  @Test("a full disk is a typed error; nothing of the transaction is there, and nothing more is accepted")
  func diskFull() throws {
    do {
      let store = try JournalStore(path: folder.journal)
      try fill(store, 0..<5)
      let head = store.head
      try store.writer.withLock { writer in try writer.tables.database.execute("PRAGMA max_page_count = 30") }
      let large = try EntryDraft(time: UnixNanoseconds(0), kind: 0, body: [UInt8](repeating: 1, count: 100_000))
      let full = storeError { () throws(StoreError) in try store.append([try! draft("small"), large]) }
      #expect(full == .diskFull(path: folder.journal))
      #expect(store.head == head)
      #expect(storeError { () throws(StoreError) in try store.append([try! draft("more")]) } == .stopped)
      #expect(storeError { () throws(StoreError) in try store.revoke(did: bob) } == .stopped)
      #expect(try store.reader.verify() == head)
    }
    let store = try JournalStore(path: folder.journal)
    try fill(store, 5..<10)
    #expect(try store.reader.verify().size == 10)
  }

  @Test("a journal that cannot be written is a typed error")
  func readOnly() throws {
    let store = try JournalStore(path: folder.journal)
    try store.writer.withLock { writer in try writer.tables.database.execute("PRAGMA query_only = ON") }
    let found = storeError { () throws(StoreError) in try store.append([try! draft("x")]) }
    #expect(found == .readOnly(path: folder.journal))
    #expect("\(found!)".contains("make the file and its folder writable"))
  }
}
