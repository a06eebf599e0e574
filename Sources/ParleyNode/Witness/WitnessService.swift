internal import ParleyIO
internal import ParleyIdentity
internal import ParleyJournal
internal import ParleyNegotiation
internal import ParleyStore
internal import ParleyWire

/// A node as a witness for others: its slots, and the answers that wait until what they rest on is durable
/// (docs/protocol/witness.md).
///
/// It belongs to its ``Node`` and is touched on the node's loop only.
final class WitnessService {
  /// The kind of the journal entries that hold rows of slots.
  static let entryKind: UInt8 = 8

  private struct Pending {
    let ticket: Int
    let send: () -> Void
    var isDurable: Bool
  }

  private var slots: WitnessSlots
  private let commit: ([EntryDraft], @escaping () -> Void) -> Void
  private var queue: [Pending] = []
  private var nextTicket = 0

  /// Folds what the journal holds of slots.
  ///
  /// - Parameters:
  ///   - signer: Signs the stamps.
  ///   - entries: The entries of ``entryKind``, in order.
  ///   - restored: When the journal was last restored from a backup after which more may have been written.
  ///   - commit: Makes drafts durable, and then calls back.
  /// - Throws: ``NodeError/journal(_:)`` for rows that do not fold.
  init(
    signer: LocalSigner, entries: [Entry], restored: UnixNanoseconds?,
    commit: @escaping ([EntryDraft], @escaping () -> Void) -> Void
  ) throws(NodeError) {
    slots = WitnessSlots(signer: signer)
    self.commit = commit
    do throws(NegotiationError) {
      for entry in entries { try slots.restore(entry.body, peer: entry.peer) }
    } catch {
      throw .journal("the rows of slots do not fold: \(error)")
    }
    if let restored { slots.wasRestored(at: restored) }
  }

  /// Slots that are written and kept.
  var count: Int { slots.count }

  /// Answers one question, once all that it rests on is durable.
  ///
  /// - Parameters:
  ///   - message: The question.
  ///   - peer: Who asks.
  ///   - isServed: Whether this node is its witness.
  ///   - reply: Sends the answer.
  /// - Returns: Whether it was a question; else the stream is to end.
  func take(_ message: [UInt8], from peer: DID, isServed: Bool, reply: @escaping ([UInt8]) -> Void) -> Bool {
    guard let outcome = try? slots.receive(message, from: peer.string, isServed: isServed, now: .now) else {
      return false
    }
    nextTicket += 1
    let ticket = nextTicket
    let answer = outcome.answer.encoded
    queue.append(Pending(ticket: ticket, send: { reply(answer) }, isDurable: outcome.rows.isEmpty))
    if !outcome.rows.isEmpty { commit(Self.drafts(outcome.rows, peer)) { [weak self] in self?.committed(ticket) } }
    drain()
    return true
  }

  private func committed(_ ticket: Int) {
    guard let index = queue.firstIndex(where: { $0.ticket == ticket }) else { return }
    queue[index].isDurable = true
    drain()
  }

  private func drain() {
    while let first = queue.first, first.isDurable {
      queue.removeFirst()
      first.send()
    }
  }

  private static func drafts(_ rows: [WitnessRow], _ peer: DID) -> [EntryDraft] {
    rows.map { row in
      do {
        return try EntryDraft(time: row.time, kind: entryKind, peer: peer.string, body: row.encoded)
      } catch {
        preconditionFailure("a row is smaller than the largest entry: \(error)")
      }
    }
  }
}
