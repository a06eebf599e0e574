import CPlainSQLite
import Foundation
import Measure
import ParleyJournal
import ParleyStore
import ParleyWire

/// What durability costs: entries through the journal, against the disk's own rate of syncs.
@main
enum BenchStore {
  static func main() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "parley-bench-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }

    // What one transaction of one entry writes, into room that is there already, as in a write-ahead log.
    let pages = [UInt8](repeating: 0x5A, count: 4 * (4_096 + 24))
    let file = open(folder.appending(path: "raw").path(), O_RDWR | O_CREAT, 0o600)
    precondition(file >= 0)
    defer { close(file) }
    for _ in 0..<256 { precondition(write(file, pages, pages.count) == pages.count) }
    precondition(fsync(file) == 0)
    var place = 0
    let sync = measure("write 16 KiB and fdatasync (the limit)", roundTime: .milliseconds(300)) {
      place = (place + 1) % 256
      precondition(pwrite(file, pages, pages.count, off_t(place * pages.count)) == pages.count && fdatasync(file) == 0)
    }

    // SQLite's own rate: the same columns in the same order, as durable, from plain C. A journal also hashes, and keeps a tree.
    let body = [UInt8](repeating: 0x33, count: 700)
    let table = try insertRate("SQLite: 256 rows", body, folder, isIndexed: false)
    let indexed = try insertRate("SQLite: 256 rows, indexed", body, folder, isIndexed: true)

    var drafts = Drafts(body: body)
    let store = try JournalStore(path: folder.appending(path: "journal.db").path())
    let group = try measure("commit 256 entries at once", roundTime: .milliseconds(300)) {
      try store.append(try drafts.next(256))
    }
    let single = try measure("commit one entry of 700 B", roundTime: .milliseconds(300)) {
      try store.append(try drafts.next(1))
    }

    let writer = JournalWriter(store: store)
    defer { writer.shutDown() }
    let count = 2_048
    let burst = try measure("2,048 entries, each submitted alone", roundTime: .milliseconds(300)) {
      let done = DispatchSemaphore(value: 0)
      for (index, draft) in try drafts.next(count).enumerated() {
        let admission = writer.submit([draft]) { _ in if index == count - 1 { done.signal() } }
        precondition(admission == .accepted)
      }
      done.wait()
    }
    report("Store, one at a time", against: sync, [single])
    let row = indexed.each(of: 256, "SQLite: one of 256 rows, indexed")
    report(
      "Store, together (of SQLite's own rate: 1 / x, target 0.80)", against: row,
      [
        table.each(of: 256, "SQLite: one row of them, no index"), group.each(of: 256, "journal: one of 256 entries"),
        burst.each(of: count, "journal: one of 2,048, each submitted alone"),
      ])

    let reader = store.reader
    let size = try reader.head().size
    let lookup = try measure("read one entry (the limit)") { try reader.entry(size / 2) }
    let proof = try measure("inclusion proof among \(size) entries") {
      try reader.inclusionProof(of: size / 3, size: size)
    }
    report("Proofs", against: lookup, [proof, try largeProof(count: entryCount(), folder)])
  }

  /// How many entries the large tree has: the number after `--entries`, or a million.
  private static func entryCount() -> UInt64 {
    let arguments = CommandLine.arguments
    guard let option = arguments.firstIndex(of: "--entries"), option + 1 < arguments.count,
      let count = UInt64(arguments[option + 1]), count > 0
    else { return 1_000_000 }
    return count
  }

  /// The time of a proof of an entry somewhere in a tree of `count`, each checked once more against the root.
  private static func largeProof(count: UInt64, _ folder: URL) throws -> Measure.Measurement {
    let path = folder.appending(path: "tree.db").path()
    do { _ = try JournalStore(path: path) }
    var range = CompactRange()
    do {
      guard let database = plain_sqlite_open_tree(path) else { throw CocoaError(.fileWriteUnknown) }
      defer { plain_sqlite_close(database) }
      var block = [UInt8]()
      for index in 0..<count {
        range.append(leaf(index)) { _, hash in
          block += hash.bytes
          if block.count == 63 * Digest.byteCount {
            precondition(plain_sqlite_insert_block(database, block, Int32(block.count)) == 0)
            block.removeAll(keepingCapacity: true)
          }
        }
      }
      precondition(block.isEmpty || plain_sqlite_insert_block(database, block, Int32(block.count)) == 0)
      precondition(plain_sqlite_finish_tree(database) == 0)
    }
    let reader = try JournalReader(path: path)
    var random = SystemRandomNumberGenerator()
    for _ in 0..<1_000 {
      let index = UInt64.random(in: 0..<count, using: &random)
      let proof = try reader.inclusionProof(of: index, size: count)
      precondition(MerkleTree.isIncluded(leaf: leaf(index), index: index, size: count, proof: proof, root: range.root))
    }
    return try measure("inclusion proof of any of \(count) entries") {
      try reader.inclusionProof(of: .random(in: 0..<count, using: &random), size: count)
    }
  }

  private static func leaf(_ index: UInt64) -> Digest {
    MerkleTree.leafHash(withUnsafeBytes(of: index) { Array($0) })
  }

  private static func insertRate(
    _ name: String, _ body: [UInt8], _ folder: URL, isIndexed: Bool
  ) throws -> Measure.Measurement {
    let path = folder.appending(path: isIndexed ? "indexed.db" : "table.db").path()
    guard let database = plain_sqlite_open(path, isIndexed ? 1 : 0) else { throw CocoaError(.fileWriteUnknown) }
    defer { plain_sqlite_close(database) }
    return measure(name, roundTime: .milliseconds(300)) {
      precondition(plain_sqlite_insert(database, 256, body, Int32(body.count)) == 0)
    }
  }
}

/// Entries as a node writes them: eight in a row of one dialogue, and dialogues in no order.
private struct Drafts {
  let body: [UInt8]
  private var made: UInt64 = 0

  init(body: [UInt8]) { self.body = body }

  mutating func next(_ count: Int) throws -> [EntryDraft] {
    var drafts = [EntryDraft]()
    drafts.reserveCapacity(count)
    for _ in 0..<count {
      let mixed = (made / 8 + 1) &* 0x9E37_79B9_7F4A_7C15
      let half = withUnsafeBytes(of: mixed) { Array($0) }
      drafts.append(
        try EntryDraft(
          time: UnixNanoseconds(1_700_000_000_000_000_000 + Int64(made)), kind: 1,
          peer: "did:peer:4zQmBench\(made / 8 % 16)", group: half + half, body: body))
      made += 1
    }
    return drafts
  }
}
