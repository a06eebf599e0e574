import ParleyJournal

/// Why the journal's store could not do what was asked.
///
/// Its description says what went wrong and what to do about it.
public enum StoreError: Error, Hashable, Sendable {
  /// Another node keeps this journal.
  case inUse(path: String)
  /// There is no journal there.
  case missing(path: String)
  /// There is something where something new was to be.
  case exists(path: String)
  /// The file is something else than a journal.
  case notAJournal(path: String)
  /// A later version of Parley wrote the journal.
  case schemaTooNew(path: String, found: Int64, supported: Int64)
  /// The journal is not what was written.
  case corrupt(Corruption)
  /// No room is left where the journal is.
  case diskFull(path: String)
  /// The journal may be read but not written.
  case readOnly(path: String)
  /// SQLite or the operating system failed otherwise.
  case failed(operation: String, code: Int32, message: String)
  /// An earlier commit failed, or the writer was shut down: nothing is accepted any more.
  case stopped

  /// What does not fit together in a journal.
  public enum Corruption: Hashable, Sendable {
    /// An entry is not what stood there: its hash is not the one in the tree, or a field of it cannot be.
    case entry(sequence: UInt64)
    /// An entry is missing.
    case missingEntry(sequence: UInt64)
    /// An entry's link is not the hash of the one before it.
    case link(sequence: UInt64)
    /// An entry is earlier than the one before it.
    case time(sequence: UInt64)
    /// A tree node, completed by this entry, is not the hash of what is below it, or is missing.
    case node(sequence: UInt64, level: Int)
    /// The tree has more nodes than its entries make.
    case surplusNode(position: UInt64)
    /// The stored size, root or time is not that of the entries.
    case head(size: UInt64)
    /// The journal was longer when it was last closed or killed: its end is gone.
    case lostEnd(recorded: UInt64, found: UInt64)
    /// The journal was another one when it was last closed or killed.
    case otherHistory(size: UInt64)
    /// A document kept for this DID is not what was stored.
    case document(did: String)
    /// What SQLite itself finds wrong with the file.
    case file(String)
  }
}

extension StoreError: CustomStringConvertible {
  /// What went wrong, then what to do about it.
  public var description: String {
    switch self {
    case .inUse(let path):
      "another node is using the journal \(path): stop it (`parley` of the same home), or give this one a home of its own"
    case .missing(let path):
      "there is no journal at \(path): run `parley up` or `parley maker` once, or name the right home"
    case .exists(let path):
      "there is something at \(path) already, and nothing is written over: name another place"
    case .notAJournal(let path):
      "\(path) is not a Parley journal: move the file away, or name another home"
    case .schemaTooNew(let path, let found, let supported):
      "the journal \(path) has format \(found), and this version of parley knows \(supported): use the later version"
    case .corrupt(let corruption):
      "\(corruption): stop, keep the files as they are, and restore the journal from a copy that verifies"
    case .diskFull(let path):
      "no room is left for \(path): free some space, then try again"
    case .readOnly(let path):
      "the journal \(path) cannot be written: make the file and its folder writable for this user"
    case .failed(let operation, let code, let message):
      "the journal's storage failed (\(operation): \(message), SQLite code \(code)): check the disk and restart"
    case .stopped:
      "the journal accepts nothing after a failed commit or a shutdown: see the error before it, then restart"
    }
  }
}

extension StoreError.Corruption: CustomStringConvertible {
  /// What does not fit together.
  public var description: String {
    switch self {
    case .entry(let sequence): "journal entry \(sequence) is not what was written"
    case .missingEntry(let sequence): "journal entry \(sequence) is missing"
    case .link(let sequence): "journal entry \(sequence) is not linked to the one before it"
    case .time(let sequence): "journal entry \(sequence) is earlier than the one before it"
    case .node(let sequence, let level): "the tree node of level \(level) over journal entry \(sequence) is wrong"
    case .surplusNode(let position): "the journal's tree has a node too many, at position \(position)"
    case .head(let size): "the journal's recorded end, at size \(size), is not that of its entries"
    case .lostEnd(let recorded, let found): "the journal had \(recorded) entries and now has only \(found)"
    case .otherHistory(let size): "the first \(size) journal entries are not those that were there before"
    case .document(let did): "the DID document stored for \(did) is not what was written"
    case .file(let message): "the journal's file is damaged (\(message))"
    }
  }
}

extension StoreError {
  /// Translates what a check of floor 2 found in stored entries.
  init(_ error: JournalError, at sequence: UInt64) {
    switch error {
    case .sequenceGap(let expected, _): self = .corrupt(.missingEntry(sequence: expected))
    case .brokenLink(let sequence): self = .corrupt(.link(sequence: sequence))
    case .timeWentBack(let sequence): self = .corrupt(.time(sequence: sequence))
    default: self = .corrupt(.entry(sequence: sequence))
    }
  }
}
