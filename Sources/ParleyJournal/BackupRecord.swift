public import ParleyWire

/// One record of a backup's text: `u8 type ‖ u32 length ‖ content`.
///
/// In a backup they stand in the order of their types: one keystore, documents, peers, entries, one checkpoint.
public enum BackupRecord: Hashable, Sendable {
  /// The keystore file, encrypted as it is.
  case keystore([UInt8])
  /// A DID document as it was resolved, by the hash that statements name it with.
  case document(did: String, hash: Digest, firstSeen: UnixNanoseconds, bytes: [UInt8])
  /// A counterparty that was let in, and the document that it is pinned to.
  case peer(did: String, keyFragment: String, documentHash: Digest, approval: String, firstSeen: UnixNanoseconds)
  /// An entry of the journal.
  case entry(Entry)
  /// The signed checkpoint over all entries: the end.
  case checkpoint(SignedNote)

  /// The most bytes that a record's content may have.
  static let byteLimit = Entry.Limits.encoded

  var type: UInt8 {
    switch self {
    case .keystore: 1
    case .document: 2
    case .peer: 3
    case .entry: 4
    case .checkpoint: 5
    }
  }

  /// The record's bytes.
  public var encoded: [UInt8] {
    let content = content
    var bytes: [UInt8] = []
    bytes.reserveCapacity(5 + content.count)
    bytes.append(type)
    bytes.appendBigEndian(UInt32(content.count))
    return bytes + content
  }

  private var content: [UInt8] {
    var bytes: [UInt8] = []
    switch self {
    case .keystore(let file): return file
    case .document(let did, let hash, let firstSeen, let document):
      bytes.appendLengthPrefixed(Array(did.utf8))
      bytes += hash.bytes
      bytes.appendBigEndian(firstSeen.rawValue)
      bytes += document
    case .peer(let did, let keyFragment, let documentHash, let approval, let firstSeen):
      bytes.appendLengthPrefixed(Array(did.utf8))
      bytes.appendLengthPrefixed(Array(keyFragment.utf8))
      bytes += documentHash.bytes
      bytes.appendLengthPrefixed(Array(approval.utf8))
      bytes.appendBigEndian(firstSeen.rawValue)
    case .entry(let entry): return entry.encoded
    case .checkpoint(let note): return note.encoded
    }
    return bytes
  }

  /// Reads a record's content; every byte must belong to it.
  ///
  /// - Throws: ``BackupError/malformedRecord(type:)`` or ``BackupError/journal(_:)``.
  public init(type: UInt8, content: [UInt8]) throws(BackupError) {
    do throws(JournalError) {
      switch type {
      case 1:
        self = .keystore(content)
        return
      case 4:
        self = .entry(try Entry(decoding: content))
        return
      case 5:
        self = .checkpoint(try SignedNote(parsing: content))
        return
      default: break
      }
    } catch {
      throw .journal(error)
    }
    guard let record = Self.table(type, content) else { throw .malformedRecord(type: type) }
    self = record
  }

  private static func table(_ type: UInt8, _ content: [UInt8]) -> BackupRecord? {
    var reader = ByteReader(content.rawSpan)
    func text(_ bytes: [UInt8]?) -> String? { bytes.flatMap { String(validating: $0, as: UTF8.self) } }
    func hash(_ bytes: [UInt8]?) -> Digest? { bytes.flatMap { Digest($0) } }
    guard let did = text(reader.readLengthPrefixed()) else { return nil }
    switch type {
    case 2:
      guard let hash = hash(reader.readBytes(count: Digest.byteCount)),
        let firstSeen = reader.readBigEndian(as: Int64.self),
        let document = reader.readBytes(count: reader.remaining)
      else { return nil }
      return .document(did: did, hash: hash, firstSeen: UnixNanoseconds(firstSeen), bytes: document)
    case 3:
      guard let fragment = text(reader.readLengthPrefixed()),
        let hash = hash(reader.readBytes(count: Digest.byteCount)), let approval = text(reader.readLengthPrefixed()),
        let firstSeen = reader.readBigEndian(as: Int64.self), reader.isAtEnd
      else { return nil }
      return .peer(
        did: did, keyFragment: fragment, documentHash: hash, approval: approval, firstSeen: UnixNanoseconds(firstSeen))
    default: return nil
    }
  }
}
