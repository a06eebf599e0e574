public import ParleyIdentity
internal import ParleyJournal
internal import ParleyStore
public import ParleyWire

/// A node's journal while no node runs: answers what a running node would answer about it.
public struct OfflineJournal: Sendable {
  private let store: JournalStore
  private let signer: LocalSigner

  /// Opens the journal in a home, and keeps a node from starting there.
  ///
  /// - Throws: ``NodeError``; ``NodeError/journal(_:)`` where a node runs, or where there is no journal.
  public init(_ home: NodeHome, signer: LocalSigner) throws(NodeError) {
    self.signer = signer
    store = try NodeError.ofJournal {
      // Opening one that is not there would make it.
      _ = try JournalReader(path: home.journalPath)
      return try JournalStore(path: home.journalPath)
    }
  }

  private var keeper: JournalKeeper { JournalKeeper(store: store, signer: signer) }

  /// Carries out `checkpoint` or `prove` of docs/control.md.
  ///
  /// - Throws: ``NodeError``.
  public func call(_ method: String, _ parameters: JSONObject = JSONObject()) throws(NodeError) -> JSONValue {
    guard let answer = try keeper.answer(ControlRequest(method, parameters)) else {
      throw .notNow("'\(method)' needs a running node")
    }
    return answer
  }

  /// Closes the journal for good: no node will start in this home again.
  ///
  /// - Returns: The signed checkpoint over all of it, as text.
  public func close() throws(NodeError) -> String {
    String(decoding: try keeper.close().encoded, as: UTF8.self)
  }
}
