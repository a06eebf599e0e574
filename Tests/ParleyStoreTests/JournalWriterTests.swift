import Foundation
import ParleyJournal
import ParleyWire
import Testing

@testable import ParleyStore

/// A store that commits when the test lets it.
private final class Gate: Sendable {
  private let permits = DispatchSemaphore(value: 0)
  private let entered = DispatchSemaphore(value: 0)
  let commits = Shared<[[String]]>([])
  let failure: StoreError?

  init(failure: StoreError? = nil) { self.failure = failure }

  func commit(_ drafts: [EntryDraft]) throws(StoreError) -> [Entry] {
    entered.signal()
    permits.wait()
    commits.change { $0.append(drafts.map { String(decoding: $0.body, as: UTF8.self) }) }
    if let failure { throw failure }
    var head = JournalHead()
    return drafts.map { head.append($0) { _, _ in } }
  }

  func waitUntilCommitting() { entered.wait() }

  func open(_ times: Int = 1) { for _ in 0..<times { permits.signal() } }

  func writer(
    _ limits: JournalWriter.Limits = .init(),
    onCommit: @escaping @Sendable (JournalWriter.CommitReport) -> Void = { _ in }
  ) -> JournalWriter {
    JournalWriter(limits: limits, onCommit: onCommit) { drafts, _ throws(StoreError) in try self.commit(drafts) }
  }
}

/// What completions said, in order.
private final class Log: Sendable {
  private let lines = Shared<[String]>([])
  var all: [String] { lines.value }

  func note(_ name: String) -> JournalWriter.Completion {
    { result in
      let text =
        switch result {
        case .success(let entries): entries.map { String(decoding: $0.body, as: UTF8.self) }.joined(separator: ",")
        case .failure(let error): "failed: \(error == .stopped ? "stopped" : "\(error)")"
        }
      self.lines.change { $0.append("\(name): \(text)") }
    }
  }
}

@Suite("Journal writer")
struct JournalWriterTests {
  @Test("what gathers during a commit goes into the next, whole and in order")
  func groups() throws {
    let (gate, log) = (Gate(), Log())
    let writer = gate.writer()
    #expect(writer.submit([try draft("1")], completion: log.note("a")) == .accepted)
    gate.waitUntilCommitting()
    for number in 2...50 {
      #expect(
        writer.submit([try draft("\(number)"), try draft("\(number)'")], completion: log.note("\(number)")) == .accepted
      )
    }
    gate.open(1_000)
    writer.shutDown()
    #expect(gate.commits.value.count == 2)
    #expect(gate.commits.value[1].count == 98)
    #expect(log.all == ["a: 1"] + (2...50).map { "\($0): \($0),\($0)'" })
  }

  @Test("at most 256 entries a commit; a larger submission goes alone and whole")
  func commitLimit() throws {
    let (gate, log) = (Gate(), Log())
    let writer = gate.writer()
    #expect(writer.submit([try draft("0")], completion: log.note("first")) == .accepted)
    gate.waitUntilCommitting()
    for size in [200, 56, 1, 300, 1] {
      let drafts = try (0..<size).map { try draft("\($0)") }
      #expect(writer.submit(drafts, completion: { _ in }) == .accepted)
    }
    gate.open(1_000)
    writer.shutDown()
    #expect(gate.commits.value.map(\.count) == [1, 256, 1, 300, 1])
  }

  @Test("a full queue says so, takes nothing, and has room again after a commit")
  func backPressure() throws {
    let (gate, log) = (Gate(), Log())
    let writer = gate.writer(.init(entriesPerCommit: 2, waitingEntries: 4, waitingBytes: 100))
    #expect(writer.submit([try draft("0")], completion: log.note("0")) == .accepted)
    gate.waitUntilCommitting()
    for number in 1...4 {
      #expect(writer.submit([try draft("\(number)")], completion: log.note("\(number)")) == .accepted)
    }
    #expect(writer.submit([try draft("5")], completion: log.note("5")) == .full)
    gate.open()
    gate.waitUntilCommitting()
    #expect(writer.submit([try draft("6"), try draft("7")], completion: log.note("6")) == .accepted)
    #expect(writer.submit([try draft("8")], completion: log.note("8")) == .full)
    gate.open(1_000)
    writer.shutDown()
    #expect(log.all == ["0: 0", "1: 1", "2: 2", "3: 3", "4: 4", "6: 6,7"])
  }

  @Test("the bytes that wait are limited too, documents among them; what is too large alone still gets through")
  func byteLimit() throws {
    let (gate, log) = (Gate(), Log())
    let writer = gate.writer(.init(waitingBytes: 100))
    let large = [try draft(String(repeating: "x", count: 90))]
    #expect(writer.submit(large, completion: log.note("1")) == .accepted)
    gate.waitUntilCommitting()
    #expect(writer.submit(large, documents: [document(bob, "0123456789")], completion: { _ in }) == .accepted)
    #expect(writer.submit([try draft("y")], completion: { _ in }) == .full)
    gate.open()
    gate.waitUntilCommitting()
    #expect(writer.submit(large, documents: [document(bob, "0123456789+")], completion: { _ in }) == .accepted)
    gate.open(1_000)
    writer.shutDown()
    #expect(gate.commits.value.count == 3)
  }

  @Test("after a failed commit nothing is accepted, and everyone is told")
  func failure() throws {
    let failure = StoreError.diskFull(path: "j")
    let (gate, log) = (Gate(failure: failure), Log())
    let reports = Shared<[JournalWriter.CommitReport]>([])
    let writer = gate.writer(.init(entriesPerCommit: 2)) { report in reports.change { $0.append(report) } }
    #expect(writer.submit([try draft("0")], completion: log.note("0")) == .accepted)
    gate.waitUntilCommitting()
    for number in 1...5 {
      #expect(writer.submit([try draft("\(number)")], completion: log.note("\(number)")) == .accepted)
    }
    gate.open(1_000)
    writer.shutDown()
    #expect(log.all == ["0: failed: \(failure)"] + (1...5).map { "\($0): failed: stopped" })
    #expect(gate.commits.value.count == 1)
    #expect(reports.value.map(\.failure) == [failure])
    #expect(writer.submit([try draft("6")], completion: log.note("6")) == .stopped)
    #expect(log.all.count == 6)
  }

  @Test("shutting down drains, and then nothing is accepted")
  func shutDown() throws {
    let folder = try Folder()
    let log = Log()
    let store = try JournalStore(path: folder.journal)
    let writer = JournalWriter(store: store)
    for number in 0..<200 {
      #expect(writer.submit([try draft("\(number)")], completion: log.note("\(number)")) == .accepted)
    }
    writer.shutDown()
    writer.shutDown()
    #expect(log.all == (0..<200).map { "\($0): \($0)" })
    #expect(writer.submit([try draft("x")], completion: log.note("x")) == .stopped)
    #expect(try store.reader.verify().size == 200)
  }

  @Test("commits are reported, with their duration")
  func reports() throws {
    let gate = Gate()
    let reports = Shared<[JournalWriter.CommitReport]>([])
    let writer = gate.writer { report in reports.change { $0.append(report) } }
    #expect(writer.submit([try draft("1"), try draft("2")], completion: { _ in }) == .accepted)
    gate.waitUntilCommitting()
    Thread.sleep(forTimeInterval: 0.02)
    gate.open()
    writer.shutDown()
    let report = try #require(reports.value.first)
    #expect(report.submissions == 1 && report.entries == 2 && report.failure == nil)
    #expect(report.duration >= .milliseconds(20))
  }

  @Test("let go of without being shut down, it still commits what it accepted")
  func released() throws {
    let (gate, log) = (Gate(), Log())
    do {
      let writer = gate.writer()
      #expect(writer.submit([try draft("1")], completion: log.note("1")) == .accepted)
    }
    gate.open()
    for _ in 0..<500 where log.all.isEmpty { Thread.sleep(forTimeInterval: 0.01) }
    #expect(log.all == ["1: 1"])
  }

  @Test("many threads submit and read while it commits")
  func concurrent() async throws {
    let folder = try Folder()
    let store = try JournalStore(path: folder.journal)
    let commits = Shared(0)
    let writer = JournalWriter(store: store) { _ in commits.change { $0 += 1 } }
    let done = Shared<[UInt64]>([])
    await withTaskGroup { group in
      for task in 0..<8 {
        group.addTask {
          for number in 0..<50 {
            let drafts = [try! draft("\(task) \(number)", group: [UInt8(task)])]
            var admission = JournalWriter.Admission.full
            while admission == .full {
              admission = writer.submit(drafts) { result in
                if case .success(let entries) = result { done.change { $0.append(entries[0].sequence) } }
              }
            }
            #expect(admission == .accepted)
            if number % 10 == 0, let head = try? store.reader.head(), head.size > 0 {
              #expect((try? store.reader.inclusionProof(of: head.size - 1, size: head.size)) != nil)
            }
          }
        }
      }
    }
    writer.shutDown()
    #expect(done.value == Array(0..<400))
    #expect(commits.value <= 400)
    #expect(try store.reader.verify().size == 400)
    for task in 0..<8 {
      let own = try store.reader.entries(matching: EntryQuery(group: [UInt8(task)]))
      #expect(own.map { String(decoding: $0.body, as: UTF8.self) } == (0..<50).map { "\(task) \($0)" })
    }
  }
}
