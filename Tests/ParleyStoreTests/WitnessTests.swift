import Foundation
import ParleyJournal
import ParleyWire
import TestSupport
import Testing

@testable import ParleyStore

/// An independent program in Python, written from `docs/protocol/journal.md`, reads the same file.
@Suite("Python witness")
struct WitnessTests {
  struct Finding: Decodable {
    let size: UInt64
    let root: String
    let last: String
  }

  static let python: URL? = {
    let own = SharedVectors.root.appending(path: ".deps/venv/bin/python")
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let others = path.split(separator: ":").map { URL(filePath: String($0)).appending(path: "python3") }
    return ([own] + others).first { FileManager.default.isExecutableFile(atPath: $0.path()) }
  }()

  static func check(_ journal: String) throws -> (status: Int32, output: Data, error: String) {
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "python/journal_witness.py")
    let process = Process()
    process.executableURL = python
    process.arguments = ["-B", script.path(), journal]
    let (output, error) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = error
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    let text = String(decoding: try error.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitAndReap()
    return (process.terminationStatus, data, text)
  }

  @Test(
    "finds the same chain, tree and root", .enabled(if: python != nil, "no Python here"),
    arguments: [0, 1, 2, 3, 4, 100, 257])
  func agrees(count: Int) throws {
    let folder = try Folder()
    let store = try JournalStore(path: folder.journal)
    try fill(store, 0..<count)
    if count > 2 { _ = try store.append([try draft("é", peer: "did:x:é")], documents: [document(bob, "{}")]) }
    let (status, output, error) = try Self.check(folder.journal)
    #expect(status == 0, "\(error)")
    let finding = try JSONDecoder().decode(Finding.self, from: output)
    #expect(finding.size == store.head.size)
    #expect(finding.root == store.head.root.description)
    #expect(finding.last == store.head.lastHash.description)
  }

  @Test("finds what was changed", .enabled(if: python != nil, "no Python here"))
  func disagrees() throws {
    let folder = try Folder()
    do {
      let store = try JournalStore(path: folder.journal)
      try fill(store, 0..<20)
    }
    try DamageTests.alter(folder, "UPDATE entry SET body = X'00' WHERE sequence = 3")
    let (status, _, error) = try Self.check(folder.journal)
    #expect(status == 1)
    #expect(error.contains("entry 4 is not linked"))
  }
}
