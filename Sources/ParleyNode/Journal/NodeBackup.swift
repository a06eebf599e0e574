internal import ParleyCrypto
internal import ParleyIO
internal import ParleyIdentity
internal import ParleyJournal
internal import ParleyStore
public import ParleyWire

/// Backups of a node's home: everything in it, encrypted, and signed over at the end (`docs/protocol/backup.md`).
public enum NodeBackup {
  /// What was written or restored.
  public struct Report: Hashable, Sendable {
    /// Whose it is.
    public let did: String
    /// Entries of the journal.
    public let entries: UInt64
    /// The Merkle root over them, in hexadecimal, which the checkpoint signs.
    public let root: String
    /// Whether the journal was closed before, so that nothing can have come after the backup.
    public let isComplete: Bool

    /// For programs.
    public var json: JSONValue {
      [
        "did": .string(did), "entries": .integer(Int64(clamping: entries)), "root": .string(root),
        "complete": .bool(isComplete),
      ]
    }
  }

  // MARK: Writing

  /// Writes a backup; a node may go on running in the home.
  ///
  /// - Parameters:
  ///   - home: What to back up.
  ///   - path: The file; there must be none of that name.
  ///   - note: A signed checkpoint of the journal, as text; the backup goes as far as it does.
  ///   - passphrase: Opens the backup; the one that opens the keystore.
  ///   - progress: Told now and then how many entries are written.
  /// - Returns: What was written.
  /// - Throws: ``NodeError``; there is then no such file.
  public static func write(
    _ home: NodeHome, to path: String, checkpoint note: String, passphrase: [UInt8],
    progress: (UInt64) -> Void = { _ in }
  ) throws(NodeError) -> Report {
    let keystore = try home.readKeystore()
    let identity = try home.publicIdentity()
    return try NodeError.ofJournal {
      let note = try SignedNote(parsing: Array(note.utf8))
      let checkpoint = try Checkpoint(verifying: note, by: identity)
      let reader = try JournalReader(path: home.journalPath)
      try JournalAudit.check(checkpoint, against: reader, size: reader.head().size)
      let file = try DraftFile(path: path)
      var output = Output(file)
      var writer = try BackupWriter(
        passphrase: SecretBytes(copying: passphrase), cost: keystore.cost,
        salt: SystemRandom.bytes(BackupHeader.saltByteCount), appendingTo: &output.bytes)
      writer.write(.keystore(keystore.encoded), appendingTo: &output.bytes)
      for record in try tables(reader) {
        writer.write(record, appendingTo: &output.bytes)
        try output.flush()
      }
      // Checked on the way out: what would not restore is no backup.
      var head = JournalHead()
      var last: Entry?
      try reader.forEachEntry(matching: EntryQuery(range: 0..<checkpoint.size)) { entry throws(StoreError) in
        do { try head.check(entry) } catch { throw .corrupt(.entry(sequence: entry.sequence)) }
        writer.write(.entry(entry), appendingTo: &output.bytes)
        try output.flush()
        if head.size % 1_024 == 0 { progress(head.size) }
        last = entry
      }
      guard head.size == checkpoint.size, head.root == checkpoint.root else {
        throw StoreError.corrupt(.head(size: head.size))
      }
      writer.finish(note, appendingTo: &output.bytes)
      try output.flush()
      try file.publish()
      return Report(
        did: identity.did.string, entries: head.size, root: head.root.description, isComplete: last?.isClosing ?? false)
    }
  }

  private struct Output {
    var bytes: [UInt8] = []
    private let file: DraftFile

    init(_ file: DraftFile) { self.file = file }

    mutating func flush() throws(StoreError) {
      guard !bytes.isEmpty else { return }
      try file.write(bytes)
      bytes.removeAll(keepingCapacity: true)
    }
  }

  /// The documents and the counterparties.
  private static func tables(_ reader: JournalReader) throws -> [BackupRecord] {
    let peers = try reader.knownPeers()
    // Read after the peers, so that every document that one of them is pinned to is there.
    let documents = try reader.documents()
    return documents.map { .document(did: $0.did, hash: $0.hash, firstSeen: $0.firstSeen, bytes: $0.bytes) }
      + peers.map { peer in
        .peer(
          did: peer.did, keyFragment: peer.keyFragment, documentHash: peer.document.hash,
          approval: peer.approval.rawValue, firstSeen: peer.firstSeen)
      }
  }

  // MARK: Restoring

  /// Restores a backup into a home that does not exist yet, or is an empty folder.
  ///
  /// The restored journal begins with what the backup's checkpoint signs, entry for entry, and goes on with a record that
  /// says so. Unless the backup is complete, the node will deal with no counterparty that it had before: it tells each
  /// that it has lost its end (LOST_SELF).
  ///
  /// - Parameters:
  ///   - path: The backup.
  ///   - home: Where to.
  ///   - passphrase: The one that it was made with.
  ///   - held: Signed checkpoints of this journal that others hold, as files: the backup must go as far.
  ///   - progress: Told now and then how many entries are restored.
  /// - Returns: What was restored.
  /// - Throws: ``NodeError``; the home is then as it was.
  public static func restore(
    _ path: String, into home: NodeHome, passphrase: [UInt8], against held: [[UInt8]] = [],
    progress: (UInt64) -> Void = { _ in }
  ) throws(NodeError) -> Report {
    try NodeError.ofJournal {
      let file = try SourceFile(path: path)
      let header = try BackupHeader(decoding: file.read(BackupHeader.byteCount))
      let folder = try DraftFolder(path: home.path)
      let report = try fill(
        NodeHome(path: folder.draft), from: file, BackupReader(header, passphrase: SecretBytes(copying: passphrase)),
        against: held, progress)
      try folder.publish()
      return report
    }
  }

  /// Restores into a draft of a home, whose journal is closed again when this returns.
  private static func fill(
    _ draft: NodeHome, from file: SourceFile, _ backup: BackupReader, against held: [[UInt8]],
    _ progress: (UInt64) -> Void
  ) throws -> Report {
    var backup = backup
    let store = try JournalStore(path: draft.journalPath)
    var restorer = Restorer(draft: draft, store: store)
    var next = try file.read(BackupHeader.sealedPieceByteCount)
    while true {
      let piece = next
      next = piece.count < BackupHeader.sealedPieceByteCount ? [] : try file.read(BackupHeader.sealedPieceByteCount)
      for record in try backup.open(piece, isLast: next.isEmpty) { try restorer.take(record) }
      progress(backup.size)
      if next.isEmpty { break }
    }
    try restorer.flush()
    guard let checkpoint = backup.checkpoint, let note = backup.note else { throw BackupError.cutShort }
    // What was written, not only what was read.
    guard store.head.size == checkpoint.size, store.head.root == checkpoint.root else {
      throw StoreError.corrupt(.head(size: checkpoint.size))
    }
    let identity = try draft.publicIdentity()
    for file in held {
      try JournalAudit.check(
        Checkpoint(verifying: SignedNote(parsing: file), by: identity), against: store.reader, size: checkpoint.size)
    }
    let isComplete = restorer.last?.isClosing ?? false
    let record = JournalRecord.restored(note, isComplete: isComplete)
    _ = try store.append([EntryDraft(time: .now, kind: JournalRecord.entryKind, body: record.encoded)])
    return Report(
      did: identity.did.string, entries: checkpoint.size, root: checkpoint.root.description, isComplete: isComplete)
  }
}

/// Puts the records of a backup where they belong.
private struct Restorer {
  let draft: NodeHome
  let store: JournalStore
  private var drafts: [EntryDraft] = []
  private var documents: [String: [StoredDocument]] = [:]
  private(set) var last: Entry?

  init(draft: NodeHome, store: JournalStore) {
    self.draft = draft
    self.store = store
  }

  mutating func take(_ record: BackupRecord) throws {
    switch record {
    case .keystore(let file): try draft.initialize(Keystore(parsing: file))
    case .document(let did, let hash, let firstSeen, let bytes):
      let document = StoredDocument(did: did, hash: hash, bytes: bytes, firstSeen: firstSeen)
      documents[did, default: []].append(document)
      _ = try store.append([], documents: [document])
    case .peer(let did, let keyFragment, let hash, let approval, let firstSeen):
      guard let approval = KnownPeer.Approval(rawValue: approval),
        let document = documents[did]?.first(where: { $0.hash == hash })
      else { throw BackupError.malformedRecord(type: 3) }
      try store.approve(
        KnownPeer(document: document, keyFragment: keyFragment, approval: approval, firstSeen: firstSeen))
    case .entry(let entry):
      drafts.append(
        try EntryDraft(time: entry.time, kind: entry.kind, peer: entry.peer, group: entry.group, body: entry.body))
      last = entry
      if drafts.count == 4_096 { try flush() }
    case .checkpoint: break
    }
  }

  mutating func flush() throws {
    _ = try store.append(drafts)
    drafts.removeAll(keepingCapacity: true)
  }
}

extension Entry {
  /// Whether the journal was closed with this entry.
  fileprivate var isClosing: Bool {
    kind == JournalRecord.entryKind && (try? JournalRecord(decoding: body)) == .closed
  }
}
