public import ParleyCrypto
import ParleyIdentity
import ParleyWire

/// Reads a backup piece by piece, and checks that it is whole.
///
///                    keystore                document, peer, entry                checkpoint
///     ┌───────────┐ ──────────▶ ┌─────────┐ ◀──────────────────┐ ┌─────────┐ ─────────────────▶ ┌──────┐
///     │ beginning │             │ reading │ ───────────────────┘ │         │  all that it signs  │ whole│
///     └───────────┘             └─────────┘                      └─────────┘                     └──────┘
///
/// What ``open(_:isLast:)`` has handed out may be believed only once it has returned from the last piece: then the
/// entries are linked, in order, and exactly those that the keystore's owner has signed for.
public struct BackupReader {
  private let opener: SecretStream.Opener
  private let header: [UInt8]
  private var piece: UInt64 = 0
  private var text: [UInt8] = []
  private var lastType: UInt8 = 0
  private var head = JournalHead()
  private var identity: PeerIdentity?

  /// The checkpoint at the backup's end, verified; `nil` before the last piece was opened.
  public private(set) var checkpoint: Checkpoint?
  /// The same as its owner signed it.
  public private(set) var note: SignedNote?

  /// Begins to read a backup.
  ///
  /// - Throws: ``BackupError/unacceptableCost`` where the machine has not the memory.
  public init(_ header: BackupHeader, passphrase: SecretBytes) throws(BackupError) {
    self.init(header, key: try BackupHeader.key(passphrase, cost: header.cost, salt: header.salt))
  }

  init(_ header: BackupHeader, key: SecretBytes) {
    opener = SecretStream.Opener(key: key, header: header.stream)
    self.header = header.encoded
  }

  /// Entries read so far.
  public var size: UInt64 { head.size }

  /// Opens the next piece.
  ///
  /// - Parameters:
  ///   - sealed: ``BackupHeader/sealedPieceByteCount`` bytes of the file; at its end as many as are left.
  ///   - isLast: Whether the file ends with them.
  /// - Returns: The records that are complete now.
  /// - Throws: Any ``BackupError``; the reader is then of no use.
  public mutating func open(_ sealed: [UInt8], isLast: Bool) throws(BackupError) -> [BackupRecord] {
    guard checkpoint == nil else { throw .trailingBytes }
    let opened: (text: [UInt8], isLast: Bool)
    do {
      opened = try opener.open(sealed, additionalData: header)
    } catch {
      // Nothing but the end of a file makes a piece shorter.
      if sealed.count < BackupHeader.sealedPieceByteCount, piece > 0 { throw .cutShort }
      throw piece == 0 ? .cannotOpen : .damaged(piece: piece)
    }
    guard opened.isLast || !isLast else { throw .cutShort }
    guard isLast || !opened.isLast else { throw .trailingBytes }
    piece += 1
    text += opened.text
    let records = try takeRecords()
    if isLast { try finish() }
    return records
  }

  private mutating func takeRecords() throws(BackupError) -> [BackupRecord] {
    var records: [BackupRecord] = []
    var start = 0
    while let (type, content, end) = try nextRecord(from: start) {
      let record = try BackupRecord(type: type, content: content)
      try check(record)
      records.append(record)
      start = end
    }
    text.removeFirst(start)
    return records
  }

  private func nextRecord(from start: Int) throws(BackupError) -> (type: UInt8, content: [UInt8], end: Int)? {
    guard text.count - start >= 5 else { return nil }
    let type = text[start]
    let count = text[(start + 1)..<(start + 5)].reduce(0) { $0 << 8 | Int($1) }
    guard count <= BackupRecord.byteLimit else { throw .malformedRecord(type: type) }
    guard text.count - start - 5 >= count else { return nil }
    return (type, Array(text[(start + 5)..<(start + 5 + count)]), start + 5 + count)
  }

  private mutating func check(_ record: BackupRecord) throws(BackupError) {
    let mayFollow =
      switch record {
      case .keystore: lastType == 0
      case .document, .peer, .entry: lastType >= 1 && lastType <= record.type
      case .checkpoint: lastType >= 1 && lastType < record.type
      }
    guard mayFollow else { throw .malformedRecord(type: record.type) }
    lastType = record.type
    switch record {
    case .keystore(let file): identity = try Self.owner(of: file)
    case .entry(let entry):
      do { try head.check(entry) } catch { throw .journal(error) }
    case .checkpoint(let note): self.note = note
    case .document, .peer: break
    }
  }

  private static func owner(of file: [UInt8]) throws(BackupError) -> PeerIdentity {
    do {
      let keystore = try Keystore(parsing: file)
      return try LocalResolver.resolve(keystore.did, documentBytes: keystore.documentBytes)
    } catch {
      throw .keystore(error)
    }
  }

  /// Compares what came with what its owner signed.
  private mutating func finish() throws(BackupError) {
    guard let note, let identity, text.isEmpty else { throw .cutShort }
    let signed: Checkpoint
    do throws(JournalError) {
      signed = try Checkpoint(verifying: note, by: identity)
    } catch {
      throw .journal(error)
    }
    guard signed.size == head.size else { throw .missingEntries(found: head.size, signed: signed.size) }
    guard signed.root == head.root else { throw .otherEntries(size: head.size) }
    checkpoint = signed
  }
}
