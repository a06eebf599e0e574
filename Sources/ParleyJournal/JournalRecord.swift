import ParleyWire

/// What a journal's keeper writes into the journal about the journal itself: the bodies of entries of ``entryKind``.
///
/// Strict MessagePack, `[1, type, ...]`; `docs/protocol/journal.md` section 7. Being entries, they are in the chain and in
/// the tree like all others: the keeper cannot deny a checkpoint that it has signed.
public enum JournalRecord: Hashable, Sendable {
  /// A checkpoint was signed; it is in here before it leaves.
  case checkpoint(SignedNote)
  /// The journal was closed for good, to be taken up elsewhere: nothing follows but ``restored(_:isComplete:)``.
  case closed
  /// The journal was restored from a backup that ended in this checkpoint. What came after it in the lost journal is not
  /// here, unless `isComplete`: then that journal had been closed first, and nothing can have come.
  case restored(SignedNote, isComplete: Bool)

  /// The kind of the entries that hold records.
  public static let entryKind: UInt8 = 2

  /// The record's bytes.
  public var encoded: [UInt8] {
    var writer = MessagePackWriter()
    func begin(_ type: UInt64, _ count: Int) {
      writer.appendArray(count: count + 2)
      writer.append(1 as UInt64)
      writer.append(type)
    }
    switch self {
    case .checkpoint(let note):
      begin(1, 1)
      writer.appendBinary(note.encoded)
    case .closed:
      begin(2, 0)
    case .restored(let note, let isComplete):
      begin(3, 2)
      writer.appendBinary(note.encoded)
      writer.append(isComplete)
    }
    return writer.bytes
  }

  /// Reads a record; every byte must belong to it.
  ///
  /// - Throws: ``JournalError/malformedRecord``, or what ``SignedNote/init(parsing:)`` throws.
  public init(decoding bytes: [UInt8]) throws(JournalError) {
    let (type, note, isComplete) = try Self.fields(bytes)
    switch (type, note, isComplete) {
    case (1, let note?, nil): self = .checkpoint(try SignedNote(parsing: note))
    case (2, nil, nil): self = .closed
    case (3, let note?, let isComplete?): self = .restored(try SignedNote(parsing: note), isComplete: isComplete)
    default: throw .malformedRecord
    }
  }

  /// The checkpoint that the record is about.
  public var note: SignedNote? {
    switch self {
    case .checkpoint(let note), .restored(let note, _): note
    case .closed: nil
    }
  }

  private static func fields(
    _ bytes: [UInt8]
  ) throws(JournalError) -> (type: UInt64, note: [UInt8]?, isComplete: Bool?) {
    var reader = MessagePackReader(bytes.rawSpan)
    do throws(MessagePackError) {
      let count = try reader.readArrayHeader()
      guard (2...4).contains(count), try reader.readUInt64() == 1 else { throw .outOfRange }
      let type = try reader.readUInt64()
      let note = count > 2 ? try reader.readBinary(limit: SignedNote.Limits.byteCount) : nil
      let isComplete = count > 3 ? try reader.readBool() : nil
      try reader.finish()
      return (type, note, isComplete)
    } catch {
      throw .malformedRecord
    }
  }
}
