import Foundation
import ParleyCrypto
import ParleyJournal
import ParleyWire
import Testing

@testable import ParleyStore

/// A folder of its own for one test, removed when the test lets go of it.
final class Folder: Sendable {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "parley-store-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  var journal: String { url.appending(path: "journal.db").path() }

  /// Copies all that belongs to a journal into another folder, as it is on the disk at this moment.
  func copy() throws -> Folder {
    let copy = try Folder()
    for name in try FileManager.default.contentsOfDirectory(atPath: url.path()) {
      try FileManager.default.copyItem(at: url.appending(path: name), to: copy.url.appending(path: name))
    }
    return copy
  }

  func bytes(_ name: String) throws -> [UInt8] { try [UInt8](Data(contentsOf: url.appending(path: name))) }

  func write(_ bytes: [UInt8], to name: String) throws { try Data(bytes).write(to: url.appending(path: name)) }
}

let alice = "did:peer:4zQmAlice"
let bob = "did:web:bob.example"

func draft(
  _ text: String, at time: Int64 = 1_000, kind: UInt8 = 1, peer: String = alice, group: [UInt8] = []
) throws -> EntryDraft {
  try EntryDraft(time: UnixNanoseconds(time), kind: kind, peer: peer, group: group, body: Array(text.utf8))
}

func document(_ did: String, _ text: String, at time: Int64 = 5) -> StoredDocument {
  let bytes = Array(text.utf8)
  return StoredDocument(
    did: did, hash: Digest(SHA256.hash(bytes))!, bytes: bytes, firstSeen: UnixNanoseconds(time))
}

/// Fills a journal with `count` entries of three dialogues and two peers, in transactions of up to thirty.
func fill(_ store: JournalStore, _ range: Range<Int>) throws {
  var next = range.lowerBound
  while next < range.upperBound {
    let end = min(next + 1 + next % 30, range.upperBound)
    _ = try store.append(
      try (next..<end).map { number in
        try draft(
          "row \(number) " + String(repeating: "x", count: number % 50), at: Int64(number), kind: UInt8(number % 4),
          peer: number % 5 == 0 ? bob : alice, group: [UInt8(number % 3)])
      })
    next = end
  }
}

/// The error that `body` throws, if any.
func storeError<T>(_ body: () throws(StoreError) -> T) -> StoreError? {
  do throws(StoreError) {
    _ = try body()
    return nil
  } catch {
    return error
  }
}

/// A value that several threads change.
final class Shared<Value: Sendable>: Sendable {
  private let guarded: Guarded<Value>

  init(_ value: Value) { guarded = Guarded(value) }

  var value: Value { guarded.withLock { $0 } }

  func change(_ body: @Sendable (inout Value) -> Void) { guarded.withLock { body(&$0) } }
}
