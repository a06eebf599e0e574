internal import ParleyIdentity
internal import ParleyJournal
internal import ParleyStore
public import ParleyWire

/// Checks a journal from its first entry to its last, against itself and against all that its keeper has signed.
public enum JournalAudit {
  /// What was checked and found to hold.
  public struct Report: Hashable, Sendable {
    /// Line by line, for a person.
    public let lines: [String]
    /// The same for programs.
    public let json: JSONValue
  }

  /// Checks the journal in a home; a node may be running there.
  ///
  /// - Parameters:
  ///   - home: The node's home; its keystore says whose the journal is, and stays closed.
  ///   - held: Signed checkpoints of this journal that others hold, as files.
  ///   - progress: Told now and then how many entries are checked.
  /// - Returns: What holds.
  /// - Throws: ``NodeError/journal(_:)`` with the first thing that does not, and at which entry.
  public static func verify(
    _ home: NodeHome, against held: [[UInt8]] = [], progress: @escaping @Sendable (UInt64) -> Void = { _ in }
  ) throws(NodeError) -> Report {
    let identity = try home.publicIdentity()
    return try NodeError.ofJournal {
      let reader = try JournalReader(path: home.journalPath)
      let head = try reader.verify(progress: progress)
      let records = try checkRecords(reader, identity, size: head.size)
      for file in held {
        try check(Checkpoint(verifying: SignedNote(parsing: file), by: identity), against: reader, size: head.size)
      }
      return report(identity, head, records, held: held.count)
    }
  }

  /// What the journal says of itself.
  struct Records {
    /// Checkpoints that were signed.
    var checkpoints = 0
    /// Where the journal was restored from a backup after which more may have been signed.
    var restored: [UInt64] = []
    var isClosed = false
  }

  /// Checks that every checkpoint that was signed is one of this journal, and of nothing later than its own record.
  static func checkRecords(_ reader: JournalReader, _ identity: PeerIdentity, size: UInt64) throws -> Records {
    var records = Records()
    for entry in try self.records(reader, size: size) {
      do {
        let record = try JournalRecord(decoding: entry.body)
        records.isClosed = record == .closed
        guard let note = record.note else { continue }
        let checkpoint = try Checkpoint(verifying: note, by: identity)
        try check(checkpoint, against: reader, size: entry.sequence)
        records.checkpoints += 1
        if case .restored(_, isComplete: false) = record { records.restored.append(entry.sequence) }
      } catch {
        throw NodeError.journal("entry \(entry.sequence), a record of the journal itself, does not hold: \(error)")
      }
    }
    return records
  }

  private static func records(_ reader: JournalReader, size: UInt64) throws -> [Entry] {
    var entries: [Entry] = []
    try reader.forEachEntry(matching: EntryQuery(kind: JournalRecord.entryKind, range: 0..<size)) {
      entry throws(StoreError) in
      entries.append(entry)
    }
    return entries
  }

  /// Checks that a checkpoint is of this journal: the journal of today begins with what it signs.
  static func check(_ checkpoint: Checkpoint, against reader: JournalReader, size: UInt64) throws {
    guard checkpoint.size <= size else {
      throw NodeError.journal(
        "a checkpoint over \(checkpoint.size) entries was signed, and there are only \(size): the end of it is lost")
    }
    guard try reader.root(size: checkpoint.size) == checkpoint.root else {
      throw NodeError.journal(
        "a checkpoint over \(checkpoint.size) entries was signed that is not of this journal: it has another history")
    }
  }

  private static func report(_ identity: PeerIdentity, _ head: JournalHead, _ records: Records, held: Int) -> Report {
    var lines = [
      "keeper       \(identity.did.string)",
      "entries      \(head.size), each linked to the one before it",
      "tree         every node is the hash of what is below it; root \(head.root)",
      "checkpoints  \(records.checkpoints) signed so far, all of this journal",
    ]
    if held > 0 { lines.append("held         \(held) that others hold, all of this journal") }
    if !records.restored.isEmpty {
      let places = records.restored.map(String.init).joined(separator: ", ")
      lines.append("restored     from a backup, at entry \(places): what the lost journal had beyond is not here")
    }
    if records.isClosed { lines.append("closed       for good: it goes on where its last backup was restored") }
    return Report(
      lines: lines,
      json: [
        "verified": true, "did": .string(identity.did.string), "entries": .integer(Int64(clamping: head.size)),
        "root": .string(head.root.description), "checkpoints": .integer(Int64(records.checkpoints)),
        "held": .integer(Int64(held)),
        "restored": .array(records.restored.map { .integer(Int64(clamping: $0)) }), "closed": .bool(records.isClosed),
      ])
  }
}
