import Foundation
import ParleyJournal
import ParleyWire
import TestSupport
import Testing

@testable import ParleyStore

/// A process that appends as fast as it can is killed at a random instant, again and again, over one journal.
@Suite("kill -9")
struct KillTests {
  static let kills = 60

  /// What the child appends as its submission `number` of `run`: one to three entries that belong together.
  static func drafts(run: Int, number: Int) -> [EntryDraft] {
    (0...number % 3).map { part in
      let body = "run \(run) submission \(number) part \(part) of \(number % 3 + 1)"
      return try! EntryDraft(
        time: UnixNanoseconds(Int64(number)), kind: UInt8(part), peer: alice, group: Array("\(run)/\(number)".utf8),
        body: Array(body.utf8))
    }
  }

  /// Appends until it is killed; writes a line for each submission once it is acknowledged: its number, and the
  /// sequence of its first entry.
  ///
  /// In one run of four the clock runs from the start, so that opening is interrupted too; else from the first
  /// acknowledgement, so that a slow machine has something to lose.
  static func appendForEver(journal: String, acknowledgements: String, run: Int, killAfter microseconds: UInt32)
    -> Never
  {
    let start = DispatchSemaphore(value: run % 4 == 0 ? 1 : 0)
    Thread {
      start.wait()
      usleep(microseconds)
      kill(getpid(), SIGKILL)
    }.start()
    let descriptor = open(acknowledgements, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    let store: JournalStore
    do { store = try JournalStore(path: journal) } catch {
      let text = Array("error \(error)\n".utf8)
      _ = write(descriptor, text, text.count)
      start.signal()
      while true { sleep(1) }
    }
    let writer = JournalWriter(store: store)
    var number = 0
    while true {
      let this = number
      let admission = writer.submit(drafts(run: run, number: this)) { result in
        let text =
          switch result {
          case .success(let entries): Array("\(this) \(entries[0].sequence)\n".utf8)
          case .failure(let error): Array("error \(error)\n".utf8)
          }
        _ = write(descriptor, text, text.count)
        if this == 0 { start.signal() }
      }
      if admission == .accepted { number += 1 }
      // Small groups, so that there are many commits to be killed in.
      if number % 3 == 0 { usleep(1_000) }
    }
  }

  @Test("at 60 random instants: all that was acknowledged is there, and the journal verifies")
  func kills() async throws {
    let folder = try Folder()
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix64(seed: seed)
    var size: UInt64 = 0
    var acknowledged = 0
    for run in 0..<Self.kills {
      let acknowledgements = folder.url.appending(path: "acks-\(run)").path()
      await Self.appendUntilKilled(
        journal: folder.journal, acknowledgements: acknowledgements, run: run,
        killAfter: UInt32.random(in: 0...50_000, using: &random))
      let store = try JournalStore(path: folder.journal)
      let head = try store.reader.verify()
      #expect(head.size >= size, "seed \(seed), run \(run): entries of earlier runs are gone")
      acknowledged += try Self.checkAcknowledged(
        in: acknowledgements, run: run, store: store, "seed \(seed), run \(run)")
      try Self.checkWhole(from: size, store: store, run: run, "seed \(seed), run \(run)")
      size = head.size
    }
    // Otherwise nothing was tested.
    #expect(acknowledged >= Self.kills * 3 / 4, "seed \(seed)")
    #expect(size >= UInt64(Self.kills * 3 / 4), "seed \(seed)")
  }

  static func appendUntilKilled(
    journal: String, acknowledgements: String, run: Int, killAfter microseconds: UInt32
  ) async {
    await #expect(processExitsWith: .signal(SIGKILL)) { [journal, acknowledgements, run, microseconds] in
      KillTests.appendForEver(journal: journal, acknowledgements: acknowledgements, run: run, killAfter: microseconds)
    }
  }

  /// Every acknowledged submission is where its acknowledgement says.
  static func checkAcknowledged(in path: String, run: Int, store: JournalStore, _ context: String) throws -> Int {
    guard let data = FileManager.default.contents(atPath: path) else { return 0 }
    // A last line without its newline was cut by the kill.
    let lines = String(decoding: data, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
      .dropLast()
    for line in lines {
      let parts = line.split(separator: " ")
      guard parts.count == 2, let number = Int(parts[0]), let sequence = UInt64(parts[1]) else {
        Issue.record("\(context): \(line)")
        continue
      }
      for (offset, draft) in drafts(run: run, number: number).enumerated() {
        let entry = try store.reader.entry(sequence + UInt64(offset))
        #expect(entry?.body == draft.body, "\(context): submission \(number)")
      }
    }
    return lines.count
  }

  /// What the run left is whole submissions, in order, without a gap.
  static func checkWhole(from size: UInt64, store: JournalStore, run: Int, _ context: String) throws {
    var expected = [[UInt8]]()
    var number = 0
    try store.reader.forEachEntry(matching: EntryQuery(range: size..<UInt64.max)) { entry throws(StoreError) in
      if expected.isEmpty {
        expected = drafts(run: run, number: number).map(\.body)
        number += 1
      }
      #expect(entry.body == expected.removeFirst(), "\(context): entry \(entry.sequence)")
    }
    #expect(expected.isEmpty, "\(context): half a submission")
  }
}
