import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyJournal

@Suite("Proofs as files")
struct ProofTests {
  static func entryProof(_ sequence: Int) -> EntryProof {
    let journal = ReceiptTests.journal
    return EntryProof(
      entry: journal.entries[sequence], hashes: journal.inclusionProof(UInt64(sequence), size: 17),
      checkpoint: Checkpoint.sign(journal.head, by: Traders.alice))
  }

  static func checkpoint(_ size: UInt64) throws -> Checkpoint {
    let note = Checkpoint.sign(size: size, root: ReceiptTests.journal.root(size), by: Traders.alice)
    return try Checkpoint(verifying: note, by: Traders.alice.identity)
  }

  static func growthProof(_ old: UInt64) -> GrowthProof {
    let journal = ReceiptTests.journal
    return GrowthProof(
      oldSize: old, hashes: journal.consistencyProof(old, 17),
      checkpoint: Checkpoint.sign(journal.head, by: Traders.alice))
  }

  @Test("an entry: written, read and verified; by nobody else", arguments: [0, 3, 12, 16])
  func entry(sequence: Int) throws {
    let proof = Self.entryProof(sequence)
    let read = try EntryProof(decoding: proof.encoded)
    #expect(read == proof)
    #expect(try read.verify(by: Traders.alice.identity).size == 17)
    #expect(throws: JournalError.self) { try read.verify(by: Traders.bob.identity) }
    let lines = String(decoding: proof.encoded, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines[0] == "c2sp.org/tlog-proof@v1" && lines[2] == "index \(sequence)")
    #expect(lines[3 + proof.hashes.count].isEmpty)
  }

  @Test("another entry under the same hashes is not included")
  func notIncluded() throws {
    let (proof, other) = (Self.entryProof(3), Self.entryProof(4))
    let mixed = EntryProof(entry: other.entry, hashes: proof.hashes, checkpoint: proof.checkpoint)
    #expect(throws: JournalError.notIncluded(sequence: 4)) { try mixed.verify(by: Traders.alice.identity) }
  }

  @Test("growth: from every size, and from no other journal")
  func growth() throws {
    for old in UInt64(1)...17 {
      let proof = Self.growthProof(old)
      let read = try GrowthProof(decoding: proof.encoded)
      #expect(read == proof)
      #expect(try read.verify(since: Self.checkpoint(old), by: Traders.alice.identity).size == 17)
      let other = try Checkpoint(origin: Traders.alice.identity.did.string, size: old, root: .zero)
      #expect(throws: JournalError.notConsistent(oldSize: old, newSize: 17)) {
        try read.verify(since: other, by: Traders.alice.identity)
      }
    }
  }

  @Test("any single changed byte is refused, and any cut")
  func changed() throws {
    let (alice, old) = (Traders.alice.identity, try Self.checkpoint(9))
    func entryHolds(_ bytes: [UInt8]) -> Bool { (try? EntryProof(decoding: bytes).verify(by: alice)) != nil }
    func growthHolds(_ bytes: [UInt8]) -> Bool {
      (try? GrowthProof(decoding: bytes).verify(since: old, by: alice)) != nil
    }
    func noteHolds(_ bytes: [UInt8]) -> Bool {
      (try? Checkpoint(verifying: SignedNote(parsing: bytes), by: alice)) != nil
    }
    let checks: [([UInt8], ([UInt8]) -> Bool)] = [
      (Self.entryProof(12).encoded, entryHolds), (Self.growthProof(9).encoded, growthHolds),
      (Checkpoint.sign(ReceiptTests.journal.head, by: Traders.alice).encoded, noteHolds),
    ]
    for (bytes, holds) in checks {
      #expect(holds(bytes))
      for place in bytes.indices {
        for bit in 0..<8 {
          var changed = bytes
          changed[place] ^= 1 << UInt8(bit)
          if holds(changed) { Issue.record("byte \(place), bit \(bit)") }
        }
        if holds(Array(bytes.prefix(place))) { Issue.record("cut at \(place)") }
      }
      #expect(!holds(bytes + [0x0A]))
    }
  }

  @Test("limits: one hash too many, and a file too long")
  func limits() {
    let note = Checkpoint.sign(ReceiptTests.journal.head, by: Traders.alice)
    func fault(_ hashes: Int, growth: Bool) -> JournalError? {
      error { () throws(JournalError) in
        let hashes = [Digest](repeating: .zero, count: hashes)
        if growth {
          _ = try GrowthProof(decoding: GrowthProof(oldSize: 1, hashes: hashes, checkpoint: note).encoded)
        } else {
          let entry = ReceiptTests.journal.entries[0]
          _ = try EntryProof(decoding: EntryProof(entry: entry, hashes: hashes, checkpoint: note).encoded)
        }
      }
    }
    #expect(fault(62, growth: false) == nil && fault(63, growth: false) == .malformedProof(.hashes))
    #expect(fault(63, growth: true) == nil && fault(64, growth: true) == .malformedProof(.hashes))
    let long = [UInt8](repeating: 0x61, count: EntryProof.Limits.byteCount + 1)
    #expect(
      error { () throws(JournalError) in try EntryProof(decoding: long) } == .malformedProof(.tooLong(long.count)))
    #expect(
      error { () throws(JournalError) in try GrowthProof(decoding: long) } == .malformedProof(.tooLong(long.count)))
  }

  @Test("records about the journal: read as written, and nothing else")
  func records() throws {
    let note = Checkpoint.sign(ReceiptTests.journal.head, by: Traders.alice)
    let records: [JournalRecord] = [
      .checkpoint(note), .closed, .restored(note, isComplete: true), .restored(note, isComplete: false),
    ]
    for record in records {
      let bytes = record.encoded
      #expect(try JournalRecord(decoding: bytes) == record)
      for count in bytes.indices {
        #expect(error { () throws(JournalError) in try JournalRecord(decoding: Array(bytes.prefix(count))) } != nil)
      }
      #expect(error { () throws(JournalError) in try JournalRecord(decoding: bytes + [0]) } == .malformedRecord)
    }
    for wrong in [[0x92, 2, 2], [0x92, 1, 1], [0x92, 1, 4], [0x93, 1, 2, 0xC4, 0]] as [[UInt8]] {
      #expect(error { () throws(JournalError) in try JournalRecord(decoding: wrong) } != nil)
    }
  }
}
