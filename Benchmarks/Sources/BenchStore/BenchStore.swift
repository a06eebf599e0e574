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

    let draft = try EntryDraft(
      time: UnixNanoseconds(0), kind: 1, peer: "did:peer:4zQmBench", group: [UInt8](repeating: 1, count: 16),
      body: [UInt8](repeating: 0x33, count: 700))
    let store = try JournalStore(path: folder.appending(path: "journal.db").path())
    let single = try measure("commit one entry of 700 B", roundTime: .milliseconds(300)) {
      try store.append([draft])
    }
    let group = try measure("commit 256 entries at once", roundTime: .milliseconds(300)) {
      try store.append(Array(repeating: draft, count: 256))
    }

    let writer = JournalWriter(store: store)
    defer { writer.shutDown() }
    let count = 2_048
    let burst = measure("2,048 entries, each submitted alone", roundTime: .milliseconds(300)) {
      let done = DispatchSemaphore(value: 0)
      for index in 0..<count {
        let admission = writer.submit([draft]) { _ in if index == count - 1 { done.signal() } }
        precondition(admission == .accepted)
      }
      done.wait()
    }
    report(
      "Store", against: sync,
      [single, group, group.each(of: 256, "  one of them"), burst, burst.each(of: count, "  one of them")])

    let reader = store.reader
    let size = try reader.head().size
    let lookup = try measure("read one entry (the limit)") { try reader.entry(size / 2) }
    let proof = try measure("inclusion proof among \(size) entries") {
      try reader.inclusionProof(of: size / 3, size: size)
    }
    report("Proofs", against: lookup, [proof])
  }
}
