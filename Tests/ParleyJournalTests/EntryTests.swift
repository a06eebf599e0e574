import ParleyCrypto
import ParleyWire
import Testing

@testable import ParleyJournal

@Suite("Entry")
struct EntryTests {
  static let entry = try! Entry(
    sequence: 5, time: UnixNanoseconds(1_790_000_000_000_000_000), kind: 2, peer: "did:key:z6Mk", group: [0xAB, 0xCD],
    previous: Digest([UInt8](repeating: 0x11, count: 32))!, body: [1, 2, 3])

  /// Put together by hand from `docs/protocol/journal.md`; the hash by Python's `hashlib`.
  static let bytes = [UInt8](
    hex: "01" + "0000000000000005" + "18d75b8423f30000" + "02" + "000c6469643a6b65793a7a364d6b" + "0002abcd"
      + String(repeating: "11", count: 32) + "00000003010203")!

  @Test("known bytes and their hash")
  func knownBytes() throws {
    #expect(Self.entry.encoded == Self.bytes)
    #expect(Self.entry.hash.description == "8398972d4d971b35a6690e74c9dcee95db5216635352fe2dea1c31824029879f")
    #expect(try Entry(decoding: Self.bytes) == Self.entry)
  }

  @Test("cut at every offset, it is truncated; with a byte more, it is refused")
  func cut() {
    for count in 0..<Self.bytes.count {
      let found = error { () throws(JournalError) in try Entry(decoding: Array(Self.bytes.prefix(count))) }
      #expect(found == .malformedEntry(.truncated), "\(count) bytes")
    }
    let found = error { () throws(JournalError) in try Entry(decoding: Self.bytes + [0]) }
    #expect(found == .malformedEntry(.trailingBytes(1)))
  }

  @Test("every byte matters: a changed one gives another entry or none")
  func flipped() {
    for offset in Self.bytes.indices {
      for bit in 0..<8 {
        var bytes = Self.bytes
        bytes[offset] ^= 1 << bit
        guard let entry = try? Entry(decoding: bytes) else { continue }
        #expect(entry != Self.entry, "byte \(offset)")
        #expect(entry.encoded == bytes, "byte \(offset)")
        #expect(entry.hash != Self.entry.hash, "byte \(offset)")
      }
    }
  }

  @Test("limits, and one past each")
  func limits() throws {
    func make(peer: Int, group: Int, body: Int) -> JournalError? {
      error { () throws(JournalError) in
        try EntryDraft(
          time: UnixNanoseconds(0), kind: 0, peer: String(repeating: "p", count: peer),
          group: [UInt8](repeating: 0, count: group), body: [UInt8](repeating: 0, count: body))
      }
    }
    #expect(make(peer: 255, group: 64, body: 131_072) == nil)
    #expect(make(peer: 256, group: 0, body: 0) == .fieldTooLong(.peer, byteCount: 256))
    #expect(make(peer: 0, group: 65, body: 0) == .fieldTooLong(.group, byteCount: 65))
    #expect(make(peer: 0, group: 0, body: 131_073) == .fieldTooLong(.body, byteCount: 131_073))

    let largest = try EntryDraft(
      time: UnixNanoseconds(.min), kind: 255, peer: String(repeating: "p", count: 255),
      group: [UInt8](repeating: 1, count: 64), body: [UInt8](repeating: 2, count: 131_072))
    var head = JournalHead()
    let entry = head.append(largest) { _, _ in }
    #expect(entry.encoded.count == Entry.Limits.encoded)
    #expect(try Entry(decoding: entry.encoded) == entry)
  }

  @Test("a length beyond the limit is refused before anything is read")
  func lengthFromAStranger() {
    var bytes = Self.bytes
    bytes.replaceSubrange(bytes.count - 7..<bytes.count - 3, with: [0xFF, 0xFF, 0xFF, 0xFF])
    let found = error { () throws(JournalError) in try Entry(decoding: bytes) }
    #expect(found == .fieldTooLong(.body, byteCount: Int(UInt32.max)))
  }

  @Test("version and text are checked")
  func versionAndText() {
    var bytes = Self.bytes
    bytes[0] = 2
    #expect(error { () throws(JournalError) in try Entry(decoding: bytes) } == .malformedEntry(.version(2)))
    bytes = Self.bytes
    bytes[20] = 0xFF
    #expect(error { () throws(JournalError) in try Entry(decoding: bytes) } == .malformedEntry(.peerIsNotText))
  }
}

@Suite("Journal head")
struct JournalHeadTests {
  static let journal: MemoryJournal = {
    var journal = MemoryJournal()
    for number in 0..<20 { journal.append(draft(number)) }
    return journal
  }()

  @Test("what was appended checks, and leads to the same head")
  func replay() throws {
    var head = JournalHead()
    for entry in Self.journal.entries { try head.check(entry) }
    #expect(head == Self.journal.head)
    #expect(head.size == 20)
    #expect(head.lastHash == Self.journal.entries[19].hash)
  }

  @Test("the first entry links to zeros, each later one to the one before")
  func links() {
    #expect(Self.journal.entries[0].previous == .zero)
    for index in 1..<20 { #expect(Self.journal.entries[index].previous == Self.journal.entries[index - 1].hash) }
  }

  @Test("a time that goes back is raised to the last")
  func time() {
    var head = JournalHead()
    let late = head.append(draft(9)) { _, _ in }
    let early = head.append(draft(3)) { _, _ in }
    #expect(late.time == UnixNanoseconds(9_000))
    #expect(early.time == UnixNanoseconds(9_000))
    #expect(head.lastTime == UnixNanoseconds(9_000))
  }

  @Test("a gap, a broken link and an earlier time are found, and change nothing")
  func faults() throws {
    var head = JournalHead()
    for entry in Self.journal.entries.prefix(10) { try head.check(entry) }
    let before = head
    let next = Self.journal.entries[10]
    func check(_ entry: Entry) -> JournalError? {
      let found = error { () throws(JournalError) in try head.check(entry) }
      #expect(head == before)
      return found
    }
    func altered(time: UnixNanoseconds = next.time, previous: Digest = next.previous) throws -> Entry {
      try Entry(
        sequence: 10, time: time, kind: next.kind, peer: next.peer, group: next.group, previous: previous,
        body: next.body)
    }
    #expect(check(Self.journal.entries[11]) == .sequenceGap(expected: 10, found: 11))
    #expect(check(Self.journal.entries[9]) == .sequenceGap(expected: 10, found: 9))
    #expect(check(try altered(previous: .zero)) == .brokenLink(sequence: 10))
    #expect(check(try altered(time: UnixNanoseconds(8_999))) == .timeWentBack(sequence: 10))
    try head.check(next)
    #expect(head.size == 11)
  }
}
