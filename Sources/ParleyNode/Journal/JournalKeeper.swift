internal import ParleyIO
internal import ParleyIdentity
internal import ParleyJournal
internal import ParleyNegotiation
internal import ParleyStore
internal import ParleyWire

/// Signs checkpoints of a node's journal, and proves under them what is in it.
///
/// Invariant: a signed checkpoint is an entry of the journal before it leaves, so the journal itself says what its keeper has
/// signed, and whether that still holds.
struct JournalKeeper {
  let store: JournalStore
  let signer: LocalSigner

  private var identity: PeerIdentity { signer.identity }

  /// A signed checkpoint over at least the first `size` entries: the last one, or a new one over all entries.
  func checkpoint(covering size: UInt64) throws(NodeError) -> SignedNote {
    try NodeError.ofJournal {
      if let note = try lastRecord()?.note, let last = try? Checkpoint(verifying: note, by: identity), last.size >= size
      {
        return note
      }
      let note = Checkpoint.sign(store.head, by: signer)
      try append(.checkpoint(note))
      return note
    }
  }

  /// The newest checkpoint: over all entries, but for the record of itself.
  func newestCheckpoint() throws(NodeError) -> SignedNote {
    let size = store.head.size
    let last = try NodeError.ofJournal { size == 0 ? nil : try store.reader.entry(size - 1) }
    return try checkpoint(covering: last?.kind == JournalRecord.entryKind ? size - 1 : size)
  }

  /// Closes the journal for good, and signs over all of it.
  func close() throws(NodeError) -> SignedNote {
    try NodeError.ofJournal {
      if try lastRecord() != .closed { try append(.closed) }
      return Checkpoint.sign(store.head, by: signer)
    }
  }

  /// The newest record about the journal itself.
  func lastRecord() throws -> JournalRecord? {
    try store.reader.lastEntry(kind: JournalRecord.entryKind).map { try JournalRecord(decoding: $0.body) }
  }

  private func append(_ record: JournalRecord) throws {
    let draft = try EntryDraft(time: .now, kind: JournalRecord.entryKind, body: record.encoded)
    _ = try store.append([draft])
  }

  // MARK: Proofs

  /// The checkpoint to prove under: the one that was asked for, or one over the first `size` entries.
  private func checkpoint(_ asked: SignedNote?, covering size: UInt64) throws(NodeError) -> (SignedNote, Checkpoint) {
    let note: SignedNote
    if let asked { note = asked } else { note = try checkpoint(covering: size) }
    let checkpoint = try own(note)
    guard checkpoint.size >= size else {
      throw .notNow("the checkpoint is over \(checkpoint.size) entries only: name a newer one, or none")
    }
    return (note, checkpoint)
  }

  /// A checkpoint that this node has signed, compared with the journal.
  private func own(_ note: SignedNote) throws(NodeError) -> Checkpoint {
    try NodeError.ofJournal {
      let checkpoint = try Checkpoint(verifying: note, by: identity)
      try JournalAudit.check(checkpoint, against: store.reader, size: store.head.size)
      return checkpoint
    }
  }

  /// Proves that the journal holds an entry.
  func proof(ofEntry sequence: UInt64, under asked: SignedNote?) throws(NodeError) -> EntryProof {
    guard sequence < store.head.size else { throw .unknown("entry \(sequence)") }
    let (note, checkpoint) = try checkpoint(asked, covering: sequence + 1)
    return try NodeError.ofJournal {
      guard let entry = try store.reader.entry(sequence) else { throw NodeError.unknown("entry \(sequence)") }
      let hashes = try store.reader.inclusionProof(of: sequence, size: checkpoint.size)
      return EntryProof(entry: entry, hashes: hashes, checkpoint: note)
    }
  }

  /// Proves that the journal has only grown since an older checkpoint.
  func proof(since old: SignedNote, under asked: SignedNote?) throws(NodeError) -> GrowthProof {
    let old = try own(old)
    guard old.size > 0 else { throw .notNow("nothing can be proved about a journal without entries") }
    let newest: SignedNote
    if let asked { newest = asked } else { newest = try newestCheckpoint() }
    let (note, checkpoint) = try checkpoint(newest, covering: old.size)
    return try NodeError.ofJournal {
      let hashes = try store.reader.consistencyProof(from: old.size, to: checkpoint.size)
      return GrowthProof(oldSize: old.size, hashes: hashes, checkpoint: note)
    }
  }

  /// The receipt of the dialogue whose id begins with `text`, whatever became of it.
  func receipt(ofDialogue text: String, under asked: SignedNote?) throws(NodeError) -> Receipt {
    let digits = text.lowercased()
    guard (4...32).contains(digits.utf8.count),
      let first = [UInt8](hex: digits.padded(to: 32, with: "0")),
      let last = [UInt8](hex: digits.padded(to: 32, with: "f"))
    else { throw .terms("a dialogue's id is 4 to 32 hexadecimal digits, not '\(text.prefix(40))'") }
    let groups = try NodeError.ofJournal { try store.reader.groups(from: first, through: last, limit: 2) }
    guard let group = groups.first else { throw .unknown("dialogue \(text)") }
    guard groups.count == 1 else { throw .terms("several dialogues begin with \(text): give more of the id") }
    return try receipt(of: group, under: asked)
  }

  /// The receipt of a dialogue: its statements, both documents, and the proof that the journal holds them.
  func receipt(of group: [UInt8], under asked: SignedNote?) throws(NodeError) -> Receipt {
    var held: [(Entry, Receipt.HeldStatement)] = []
    var seen: [(sequence: UInt64, stamp: Stamp)] = []
    try NodeError.ofJournal {
      let query = EntryQuery(group: group, kind: PeerSession.entryKind, range: 0..<store.head.size)
      try store.reader.forEachEntry(matching: query) { entry throws(StoreError) in
        if let statement = Receipt.HeldStatement(body: entry.body) { held.append((entry, statement)) }
        if let stamp = (try? JournalRow(entry.body))?.stamp, let stamp = try? Stamp(stamp) {
          seen.append((entry.sequence, stamp))
        }
      }
      guard let first = held.first?.0, let last = held.last?.0 else { return }
      // What ended all offers of the pair meanwhile: a Decline in the dialogue may rest on it.
      let aside = EntryQuery(
        peer: first.peer, group: DialogueID.pair.bytes, kind: PeerSession.entryKind,
        range: first.sequence..<last.sequence)
      try store.reader.forEachEntry(matching: aside) { entry throws(StoreError) in
        if let statement = Receipt.HeldStatement(body: entry.body), statement.isMassCancel {
          held.append((entry, statement))
        }
      }
      held.sort { $0.0.sequence < $1.0.sequence }
    }
    guard let last = held.last?.0 else { throw .unknown("statement in this dialogue") }
    // A checkpoint that was asked for may be older than the dialogue's end.
    let end = max(last.sequence, seen.last?.sequence ?? 0) + 1
    let (note, checkpoint) = try checkpoint(asked, covering: asked == nil ? end : held[0].0.sequence + 1)
    let peer = try counterparty(last.peer)
    return try NodeError.ofJournal {
      let items = try held.filter { $0.0.sequence < checkpoint.size }.map { entry, statement in
        Receipt.Item(
          direction: statement.direction, statement: statement.statement, entry: entry,
          proof: try store.reader.inclusionProof(of: entry.sequence, size: checkpoint.size))
      }
      let stamps = seen.filter { $0.sequence < checkpoint.size }.map(\.stamp)
      var witnesses: [PeerIdentity] = []
      for stamp in stamps where !witnesses.contains(where: stamp.isSigned) {
        // Under another document than today's a stamp proves nothing here.
        if let witness = try? counterparty(stamp.witness), stamp.isSigned(by: witness) { witnesses.append(witness) }
      }
      let proving = stamps.filter { stamp in witnesses.contains(where: stamp.isSigned) }
      return Receipt(
        issuer: Receipt.Party(identity), counterparty: Receipt.Party(peer), statements: items,
        witnesses: witnesses.prefix(Receipt.Limits.witnesses).map(Receipt.Party.init),
        stamps: proving.prefix(Receipt.Limits.stamps).map(\.bytes), checkpoint: note)
    }
  }

  private func counterparty(_ did: String) throws(NodeError) -> PeerIdentity {
    try NodeError.ofJournal {
      guard let known = try store.reader.knownPeer(did: did) else { throw NodeError.unknown("document of \(did)") }
      return try LocalResolver.resolve(
        NodeIdentity.parseDID(did), documentBytes: known.document.bytes, keyFragment: known.keyFragment)
    }
  }

  // MARK: Requests

  /// Carries out a request about the journal; `nil` for another method.
  func answer(_ request: ControlRequest) throws(NodeError) -> JSONValue? {
    switch request.method {
    case "checkpoint": return ["checkpoint": .string(String(decoding: try newestCheckpoint().encoded, as: UTF8.self))]
    case "prove": return ["proof": .string(String(decoding: try proof(request), as: UTF8.self))]
    default: return nil
    }
  }

  private func proof(_ request: ControlRequest) throws(NodeError) -> [UInt8] {
    let under = try request.optionalText("under").map(Self.note)
    if let text = request.optionalText("entry") {
      guard let sequence = UInt64(text), sequence < .max else {
        throw .terms("'\(text.prefix(40))' is no entry's number")
      }
      return try proof(ofEntry: sequence, under: under).encoded
    }
    if let text = request.optionalText("dialogue") { return try receipt(ofDialogue: text, under: under).encoded }
    if let text = request.optionalText("since") { return try proof(since: Self.note(text), under: under).encoded }
    throw .terms("say what to prove: 'entry', 'dialogue' or 'since'")
  }

  private static func note(_ text: String) throws(NodeError) -> SignedNote {
    try NodeError.ofJournal { try SignedNote(parsing: Array(text.utf8)) }
  }
}

extension NodeError {
  /// Runs what reads or writes a journal, and says what went wrong as a node would.
  static func ofJournal<Result>(_ body: () throws -> Result) throws(NodeError) -> Result {
    do {
      return try body()
    } catch let error as NodeError {
      throw error
    } catch let error as BackupError {
      throw .backup(error)
    } catch {
      throw .journal("\(error)")
    }
  }
}

extension String {
  fileprivate func padded(to count: Int, with digit: Character) -> String {
    self + String(repeating: digit, count: max(0, count - utf8.count))
  }
}
