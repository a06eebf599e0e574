import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyJournal

@Suite("Backup")
struct BackupTests {
  static let passphrase = SecretBytes(copying: Array("correct horse".utf8))
  static let salt = [UInt8](repeating: 7, count: BackupHeader.saltByteCount)
  /// Derived once: it is what costs time.
  static let key = try! BackupHeader.key(passphrase, cost: .minimum, salt: salt)
  static let keystore = try! Keystore.create(passphrase: passphrase, endpoint: nil, cost: .minimum)
  static let signer = try! keystore.open(passphrase: passphrase)

  /// A backup of so many entries, signed over `signed` of them by `by`.
  static func backup(
    entries: Int, bodies: Int = 20, root: Digest? = nil, signed: UInt64? = nil, by: LocalSigner = signer,
    records: [BackupRecord]? = nil
  ) throws -> [UInt8] {
    var file: [UInt8] = []
    var writer = try BackupWriter(passphrase: passphrase, cost: .minimum, salt: salt, appendingTo: &file)
    var journal = MemoryJournal()
    for number in 0..<entries {
      journal.append(
        try EntryDraft(
          time: UnixNanoseconds(Int64(number)), kind: 1, body: [UInt8](repeating: UInt8(number % 251), count: bodies)))
    }
    let document = BackupRecord.document(
      did: "did:x:y", hash: .zero, firstSeen: UnixNanoseconds(5), bytes: Array("{}".utf8))
    let peer = BackupRecord.peer(
      did: "did:x:y", keyFragment: "key-1", documentHash: .zero, approval: "owner", firstSeen: UnixNanoseconds(5))
    let all = records ?? [.keystore(keystore.encoded), document, peer] + journal.entries.map(BackupRecord.entry)
    for record in all { writer.write(record, appendingTo: &file) }
    let size = signed ?? UInt64(entries)
    let note = Checkpoint.sign(size: size, root: root ?? journal.root(UInt64(entries)), by: by)
    writer.finish(note, appendingTo: &file)
    return file
  }

  /// Reads a whole file as a driver does.
  static func read(_ file: [UInt8]) throws(BackupError) -> (records: [BackupRecord], reader: BackupReader) {
    let header = try BackupHeader(decoding: Array(file.prefix(BackupHeader.byteCount)))
    // A changed header gives another key; that costs too much to do for every byte.
    let isChanged = header.salt != salt || header.cost != .minimum
    var reader = BackupReader(header, key: isChanged ? SecretBytes(count: SecretStream.keyByteCount) : key)
    var records: [BackupRecord] = []
    var rest = file.dropFirst(BackupHeader.byteCount)
    repeat {
      let piece = rest.prefix(BackupHeader.sealedPieceByteCount)
      rest = rest.dropFirst(piece.count)
      records += try reader.open(Array(piece), isLast: rest.isEmpty)
    } while !rest.isEmpty
    return (records, reader)
  }

  static func fault(_ file: [UInt8]) -> BackupError? {
    do throws(BackupError) {
      _ = try read(file)
      return nil
    } catch {
      return error
    }
  }

  @Test(
    "read as written, in one piece and in several", arguments: [(0, 20), (1, 20), (40, 20), (40, 9_000), (600, 400)])
  func roundTrip(entries: Int, bodies: Int) throws {
    let (records, reader) = try Self.read(Self.backup(entries: entries, bodies: bodies))
    #expect(records.count == entries + 4)
    #expect(reader.checkpoint?.size == UInt64(entries) && reader.size == UInt64(entries))
    #expect(records.first == .keystore(Self.keystore.encoded))
  }

  @Test("the passphrase itself opens it, and no other")
  func passphrases() throws {
    let file = try Self.backup(entries: 3)
    let header = try BackupHeader(decoding: Array(file.prefix(BackupHeader.byteCount)))
    let piece = Array(file.dropFirst(BackupHeader.byteCount))
    var right = try BackupReader(header, passphrase: Self.passphrase)
    #expect(try right.open(piece, isLast: true).count == 7)
    var wrong = try BackupReader(header, passphrase: SecretBytes(copying: [1]))
    #expect(throws: BackupError.cannotOpen) { try wrong.open(piece, isLast: true) }
  }

  @Test("every changed byte and every cut of a small backup is found")
  func changed() throws {
    let file = try Self.backup(entries: 4)
    #expect(Self.fault(file) == nil)
    for place in file.indices {
      var changed = file
      changed[place] ^= 1 << UInt8(place % 8)
      if Self.fault(changed) == nil { Issue.record("byte \(place)") }
      if Self.fault(Array(file.prefix(place))) == nil { Issue.record("cut at \(place)") }
    }
    #expect(Self.fault(file + [0]) != nil)
  }

  @Test("in a long one: pieces changed, cut, left out, doubled and exchanged")
  func pieces() throws {
    let file = try Self.backup(entries: 40, bodies: 9_000)
    let size = BackupHeader.sealedPieceByteCount
    let head = Array(file.prefix(BackupHeader.byteCount))
    let pieces = stride(from: head.count, to: file.count, by: size).map { Array(file[$0..<min($0 + size, file.count)]) }
    #expect(pieces.count == 6)
    var changed = file
    changed[head.count + 2 * size + 5] ^= 1
    #expect(Self.fault(changed) == .damaged(piece: 2))
    #expect(Self.fault(head + pieces.dropLast().joined()) == .cutShort)
    #expect(Self.fault(Array(file.dropLast(100))) == .cutShort)
    #expect(Self.fault(head + pieces[0] + pieces[2...].joined()) == .damaged(piece: 1))
    #expect(Self.fault(head + pieces[0] + pieces[0] + pieces[1...].joined()) == .damaged(piece: 1))
    #expect(Self.fault(head + pieces[1] + pieces[0] + pieces[2...].joined()) == .cannotOpen)
    #expect(Self.fault(head) == .cannotOpen)
  }

  @Test("a checkpoint that does not sign exactly the entries is refused, and another's")
  func checkpoints() throws {
    #expect(try Self.fault(Self.backup(entries: 4, signed: 5)) == .missingEntries(found: 4, signed: 5))
    #expect(try Self.fault(Self.backup(entries: 4, signed: 3)) == .missingEntries(found: 4, signed: 3))
    #expect(try Self.fault(Self.backup(entries: 4, root: .zero)) == .otherEntries(size: 4))
    #expect(try Self.fault(Self.backup(entries: 4, by: Traders.bob)) == .journal(.receiptMismatch(.origin)))
  }

  @Test("records out of their place, twice, unknown or malformed are refused")
  func order() throws {
    let keystore = BackupRecord.keystore(Self.keystore.encoded)
    let entry = BackupRecord.entry(ReceiptTests.journal.entries[0])
    let second = BackupRecord.entry(ReceiptTests.journal.entries[1])
    let peer = BackupRecord.peer(
      did: "d", keyFragment: "k", documentHash: .zero, approval: "owner", firstSeen: UnixNanoseconds(0))
    let cases: [([BackupRecord], BackupError)] = [
      ([keystore, keystore], .malformedRecord(type: 1)), ([entry], .malformedRecord(type: 4)),
      ([keystore, entry, peer], .malformedRecord(type: 3)),
      ([keystore, second], .journal(.sequenceGap(expected: 0, found: 1))),
      ([keystore, entry, entry], .journal(.sequenceGap(expected: 1, found: 0))),
      ([], .malformedRecord(type: 5)),
    ]
    for (records, expected) in cases {
      #expect(try Self.fault(Self.backup(entries: 1, records: records)) == expected)
    }
    let unread = try Self.fault(Self.backup(entries: 1, records: [.keystore([1, 2])]))
    guard case .keystore = unread else {
      Issue.record("\(String(describing: unread))")
      return
    }
  }

  @Test("the header: foreign files, another version, costs outside the bounds")
  func header() throws {
    let head = Array(try Self.backup(entries: 0).prefix(BackupHeader.byteCount))
    func fault(_ change: (inout [UInt8]) -> Void) -> BackupError? {
      var changed = head
      change(&changed)
      do throws(BackupError) {
        _ = try BackupHeader(decoding: changed)
        return nil
      } catch { return error }
    }
    #expect(fault { _ in } == nil)
    #expect(fault { $0 = [] } == .notABackup)
    #expect(fault { $0 = Array("SQLite format 3".utf8) } == .notABackup)
    #expect(fault { $0[14] = 2 } == .version(2))
    #expect(fault { $0.removeLast() } == .cutShort)
    #expect(fault { $0.append(0) } == .trailingBytes)
    #expect(fault { $0.replaceSubrange(15..<19, with: [0, 0, 0x4B, 0xFF]) } == .unacceptableCost)
    #expect(fault { $0.replaceSubrange(15..<19, with: [0, 0, 0x4C, 0x00]) } == nil)
    #expect(fault { $0.replaceSubrange(15..<19, with: [0, 0x10, 0, 1]) } == .unacceptableCost)
    #expect(fault { $0[22] = 17 } == .unacceptableCost)
    #expect(fault { $0[26] = 0 } == .unacceptableCost)
  }
}
