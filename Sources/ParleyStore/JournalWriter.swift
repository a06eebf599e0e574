internal import Foundation
public import ParleyJournal

/// Commits what many callers submit, on a thread of its own: group commit.
///
///                      submit                    the queue is empty
///     ┌─────────┐ ─────────────────▶ ┌────────────┐ ───────────▶ ┌─────────┐
///     │ waiting │                    │ committing │              │ waiting │
///     └─────────┘                    └────────────┘              └─────────┘
///          │ shutDown                      │ a commit fails, or shutDown and all is drained
///          ▼                               ▼
///     ┌─────────┐  nothing is accepted any more
///     │ stopped │
///     └─────────┘
///
/// What gathers while one commit waits for the disk goes into the next transaction, so a hundred dialogues cost little
/// more than one. A submission is never divided: its entries and documents become durable together.
public final class JournalWriter: Sendable {
  /// What the writer may hold.
  public struct Limits: Hashable, Sendable {
    /// Entries in one transaction, unless a single submission has more.
    public var entriesPerCommit: Int
    /// Entries waiting, those being committed not counted.
    public var waitingEntries: Int
    /// Bytes of the bodies and documents waiting.
    public var waitingBytes: Int

    /// Creates limits.
    public init(entriesPerCommit: Int = 256, waitingEntries: Int = 8_192, waitingBytes: Int = 64 << 20) {
      self.entriesPerCommit = entriesPerCommit
      self.waitingEntries = waitingEntries
      self.waitingBytes = waitingBytes
    }
  }

  /// What became of a submission.
  public enum Admission: Hashable, Sendable {
    /// It will be committed, or its completion will say why not.
    case accepted
    /// Too much is waiting: stop reading from peers until a completion comes. The completion will not be called.
    case full
    /// A commit failed, or the writer was shut down. The completion will not be called.
    case stopped
  }

  /// How a commit went.
  public struct CommitReport: Hashable, Sendable {
    /// Submissions in it.
    public let submissions: Int
    /// Entries in it.
    public let entries: Int
    /// How long it took until it was durable, or had failed.
    public let duration: Duration
    /// Why it failed; `nil` if it did not.
    public let failure: StoreError?
  }

  /// Called with the entries once they are durable, or with the reason why they are not.
  public typealias Completion = @Sendable (Result<[Entry], StoreError>) -> Void

  typealias Commit = @Sendable ([EntryDraft], [StoredDocument]) throws(StoreError) -> [Entry]

  private let shared: Shared
  private let limits: Limits

  /// Starts the thread.
  ///
  /// - Parameters:
  ///   - store: Where to commit.
  ///   - limits: What the writer may hold.
  ///   - onCommit: Called on the writer's thread after each commit, before its completions.
  public convenience init(
    store: JournalStore, limits: Limits = Limits(), onCommit: @escaping @Sendable (CommitReport) -> Void = { _ in }
  ) {
    self.init(limits: limits, onCommit: onCommit) { drafts, documents throws(StoreError) in
      try store.append(drafts, documents: documents)
    }
  }

  init(limits: Limits, onCommit: @escaping @Sendable (CommitReport) -> Void, commit: @escaping Commit) {
    precondition(limits.entriesPerCommit > 0 && limits.waitingEntries > 0 && limits.waitingBytes > 0)
    let shared = Shared()
    self.shared = shared
    self.limits = limits
    let thread = Thread { Self.run(shared, limits: limits, onCommit: onCommit, commit: commit) }
    thread.name = "parley-journal"
    thread.start()
  }

  deinit {
    shared.close()
  }

  /// Hands over entries to be committed, without waiting.
  ///
  /// - Parameters:
  ///   - drafts: In order.
  ///   - documents: Stored in the same transaction, unless they are already.
  ///   - completion: Called on the writer's thread, in the order of the submissions, exactly once if the answer is
  ///     ``Admission/accepted`` and never otherwise. It should only pass the news on.
  /// - Returns: Whether it will be committed.
  public func submit(
    _ drafts: [EntryDraft], documents: [StoredDocument] = [], completion: @escaping Completion
  ) -> Admission {
    let submission = Submission(drafts: drafts, documents: documents, completion: completion)
    return shared.admit(submission, limits: limits)
  }

  /// Commits what was accepted, stops the thread, and returns when that is done.
  ///
  /// May be called again.
  ///
  /// - Precondition: Not called from a completion.
  public func shutDown() {
    shared.close()
    shared.waitUntilFinished()
  }

  private static func run(
    _ shared: Shared, limits: Limits, onCommit: @Sendable (CommitReport) -> Void, commit: Commit
  ) {
    while let batch = shared.next(entries: limits.entriesPerCommit) {
      let drafts = batch.flatMap(\.drafts)
      let clock = ContinuousClock()
      let start = clock.now
      let result: Result<[Entry], StoreError>
      do throws(StoreError) {
        result = .success(try commit(drafts, batch.flatMap(\.documents)))
      } catch {
        result = .failure(error)
      }
      let duration = start.duration(to: clock.now)
      // Those that wait will not be committed; nobody may be let in between the failure and its news.
      let abandoned = (try? result.get()) == nil ? shared.fail() : []
      onCommit(
        CommitReport(
          submissions: batch.count, entries: drafts.count, duration: duration, failure: result.failure))
      complete(batch, result)
      for submission in abandoned { submission.completion(.failure(.stopped)) }
    }
    shared.finish()
  }

  private static func complete(_ batch: [Submission], _ result: Result<[Entry], StoreError>) {
    switch result {
    case .success(let entries):
      var rest = entries[...]
      for submission in batch {
        submission.completion(.success(Array(rest.prefix(submission.drafts.count))))
        rest = rest.dropFirst(submission.drafts.count)
      }
    case .failure(let error):
      for submission in batch { submission.completion(.failure(error)) }
    }
  }
}

extension Result {
  fileprivate var failure: Failure? {
    guard case .failure(let failure) = self else { return nil }
    return failure
  }
}

extension JournalWriter {
  struct Submission: Sendable {
    let drafts: [EntryDraft]
    let documents: [StoredDocument]
    let completion: Completion

    var byteCount: Int {
      drafts.reduce(0) { $0 + $1.body.count } + documents.reduce(0) { $0 + $1.bytes.count }
    }
  }

  /// What the callers' threads and the writer's share.
  final class Shared: Sendable {
    private struct State {
      var queue: [Submission] = []
      var entries = 0
      var bytes = 0
      var isClosed = false
      var isFinished = false
    }

    private let state = Guarded(State())
    // Guards nothing: it only lets threads sleep until `state`, changed before, is worth another look.
    private let condition = NSCondition()

    func admit(_ submission: Submission, limits: Limits) -> Admission {
      let byteCount = submission.byteCount
      let admission = state.withLock { state -> Admission in
        guard !state.isClosed else { return .stopped }
        // One that is larger than the limits must get through when nothing else waits.
        let fits =
          state.entries + submission.drafts.count <= limits.waitingEntries
          && state.bytes + byteCount <= limits.waitingBytes
        guard fits || state.queue.isEmpty else { return .full }
        state.queue.append(submission)
        state.entries += submission.drafts.count
        state.bytes += byteCount
        return .accepted
      }
      if admission == .accepted { wake() }
      return admission
    }

    /// Waits for work; `nil` when there will be none any more.
    func next(entries limit: Int) -> [Submission]? {
      condition.lock()
      defer { condition.unlock() }
      while true {
        let (batch, isClosed) = state.withLock { state in (Self.take(from: &state, entries: limit), state.isClosed) }
        if !batch.isEmpty { return batch }
        if isClosed { return nil }
        condition.wait()
      }
    }

    private static func take(from state: inout State, entries limit: Int) -> [Submission] {
      var count = 0
      var entries = 0
      for submission in state.queue {
        guard count == 0 || entries + submission.drafts.count <= limit else { break }
        count += 1
        entries += submission.drafts.count
      }
      let batch = Array(state.queue.prefix(count))
      state.queue.removeFirst(count)
      state.entries -= entries
      state.bytes -= batch.reduce(0) { $0 + $1.byteCount }
      return batch
    }

    /// Closes the queue and takes what waits.
    func fail() -> [Submission] {
      state.withLock { state in
        let queue = state.queue
        state = State(isClosed: true)
        return queue
      }
    }

    func close() {
      state.withLock { $0.isClosed = true }
      wake()
    }

    func finish() {
      state.withLock { $0.isFinished = true }
      wake()
    }

    func waitUntilFinished() {
      condition.lock()
      defer { condition.unlock() }
      while !state.withLock({ $0.isFinished }) { condition.wait() }
    }

    private func wake() {
      condition.lock()
      condition.broadcast()
      condition.unlock()
    }
  }
}
