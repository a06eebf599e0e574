import ParleyCrypto
import ParleyIdentity
import ParleyWire
import Testing

@testable import ParleyJournal

@Suite("Signed note and checkpoint")
struct SignedNoteTests {
  static let head: JournalHead = {
    var journal = MemoryJournal()
    for number in 0..<11 { journal.append(draft(number)) }
    return journal.head
  }()

  static let note = Checkpoint.sign(head, by: Traders.alice)

  static func parse(_ text: String) -> JournalError? {
    error { () throws(JournalError) in try SignedNote(parsing: Array(text.utf8)) }
  }

  @Test("a checkpoint is signed, written, read and verified; suite 2 signs with its Ed25519 key")
  func roundTrip() throws {
    for signer in [Traders.alice, Traders.carol] {
      let note = Checkpoint.sign(Self.head, by: signer)
      let read = try SignedNote(parsing: note.encoded)
      #expect(read == note)
      let checkpoint = try Checkpoint(verifying: read, by: signer.identity)
      #expect(checkpoint.origin == signer.identity.did.string)
      #expect(checkpoint.size == 11)
      #expect(checkpoint.root == Self.head.root)
      #expect(note.signatures.count == 1 && note.signatures[0].signature.count == 64)
    }
  }

  @Test("another's checkpoint, another's signature and an unsigned one are told apart")
  func wrongSigner() throws {
    let alice = Traders.alice.identity
    let text = Self.note.text
    let byBob = SignedNote(signing: text, by: Traders.bob)
    #expect(
      error { () throws(JournalError) in try Checkpoint(verifying: Self.note, by: Traders.bob.identity) }
        == .receiptMismatch(.origin))
    #expect(
      error { () throws(JournalError) in try Checkpoint(verifying: byBob, by: alice) }
        == .notSigned(by: alice.did.string))
    let renamed = String(decoding: Self.note.encoded, as: UTF8.self).replacing("\n11\n", with: "\n12\n")
    let changed = try SignedNote(parsing: Array(renamed.utf8))
    #expect(
      error { () throws(JournalError) in try Checkpoint(verifying: changed, by: alice) }
        == .wrongNoteSignature(by: alice.did.string))
  }

  @Test("no changed byte goes unnoticed")
  func flipped() throws {
    let bytes = Self.note.encoded
    for offset in bytes.indices {
      var changed = bytes
      changed[offset] ^= 1
      let accepted = try? Checkpoint(verifying: try SignedNote(parsing: changed), by: Traders.alice.identity)
      #expect(accepted == nil, "byte \(offset)")
    }
    for count in 0..<bytes.count {
      let cut = try? Checkpoint(
        verifying: try SignedNote(parsing: Array(bytes.prefix(count))), by: Traders.alice.identity)
      #expect(cut == nil, "\(count) bytes")
    }
  }

  @Test("malformed notes")
  func malformed() {
    let line = "\u{2014} a AAAAAAE=\n"
    #expect(Self.parse("text\n\n" + line) == nil)
    #expect(Self.parse("") == .malformedNote(.noSeparator))
    #expect(Self.parse("\n" + line) == .malformedNote(.noSeparator))
    #expect(Self.parse("text\n" + line) == .malformedNote(.noSeparator))
    #expect(Self.parse("text\n\n") == .malformedNote(.noSignature))
    #expect(Self.parse("text\n\n" + line.dropLast()) == .malformedNote(.noSeparator))
    #expect(Self.parse("te\txt\n\n" + line) == .malformedNote(.controlCharacter))
    #expect(Self.parse("te\r\n\n" + line) == .malformedNote(.controlCharacter))
    for wrong in [
      "- a AAAAAAE=", "\u{2014}  AAAAAAE=", "\u{2014} a b AAAAAAE=", "\u{2014} a", "\u{2014} a+b AAAAAAE=",
      "\u{2014} a\u{2003}b AAAAAAE=", "\u{2014} a AAAAAA==", "\u{2014} a AAAAAAE", "\u{2014} a AAAA AAE=",
      "\u{2014}\u{301} a AAAAAAE=", " \u{2014} a AAAAAAE=", "\u{2014} a AAAAAAE= ",
    ] {
      #expect(Self.parse("text\n\n" + line + wrong + "\n") == .malformedNote(.signatureLine(1)), "\(wrong)")
    }
    let notText = error { () throws(JournalError) in try SignedNote(parsing: [0xFF, 0x0A, 0x0A]) }
    #expect(notText == .malformedNote(.notText))
  }

  @Test("limits: 100 signatures and 64 KiB, and one past each")
  func limits() {
    let line = "\u{2014} a AAAAAAE=\n"
    #expect(Self.parse("text\n\n" + String(repeating: line, count: 100)) == nil)
    #expect(Self.parse("text\n\n" + String(repeating: line, count: 101)) == .malformedNote(.tooManySignatures))
    let rest = "\n\n" + line
    let longest = String(repeating: "x", count: SignedNote.Limits.byteCount - rest.utf8.count) + rest
    #expect(Self.parse(longest) == nil)
    #expect(Self.parse("x" + longest) == .malformedNote(.tooLong(65_537)))
  }

  @Test("a text with blank lines keeps them")
  func blankLines() throws {
    let text = "one\n\n\ntwo\n\n\u{2014} a AAAAAAE=\n"
    let note = try SignedNote(parsing: Array(text.utf8))
    #expect(note.text == "one\n\n\ntwo\n")
    #expect(note.encoded == Array(text.utf8))
  }

  @Test("all signatures by the key must verify; others do not matter")
  func severalSignatures() throws {
    let key = NoteKey(identity: Traders.alice.identity)
    let good = String(decoding: Self.note.encoded, as: UTF8.self)
    let line = good.split(separator: "\n").last! + "\n"
    let byBob = SignedNote(signing: Self.note.text, by: Traders.bob).signatures[0]
    let other = "\u{2014} \(byBob.name) AAAAAAE=\n"
    try SignedNote(parsing: Array((good + other + line).utf8)).verify(by: key)
    var blob = [UInt8]()
    blob.appendBigEndian(key.id)
    blob += [UInt8](repeating: 0, count: 64)
    let wrong = "\u{2014} \(key.name) \(Base64.encode(blob))\n"
    let note = try SignedNote(parsing: Array((good + wrong).utf8))
    #expect(error { () throws(JournalError) in try note.verify(by: key) } == .wrongNoteSignature(by: key.name))
  }

  @Test("checkpoint text")
  func checkpointText() throws {
    let root = Base64.encode(Digest.zero.bytes)
    func fault(_ text: String) -> JournalError? { error { () throws(JournalError) in try Checkpoint(text: text) } }
    #expect(fault("a\n0\n\(root)\n") == nil)
    #expect(fault("a\n18446744073709551615\n\(root)\n") == nil)
    #expect(fault("a\n18446744073709551616\n\(root)\n") == .malformedCheckpoint(.size))
    for size in ["", "00", "01", "+1", "-1", " 1", "1 ", "1e3", "\u{661}"] {
      #expect(fault("a\n\(size)\n\(root)\n") == .malformedCheckpoint(.size), "\(size)")
    }
    for root in ["", "AA==", root.dropLast() + "", root + "=", Base64.encode([UInt8](repeating: 0, count: 33))] {
      #expect(fault("a\n1\n\(root)\n") == .malformedCheckpoint(.root), "\(root)")
    }
    for origin in ["", "a b", "a+b", "a\u{1}b", String(repeating: "a", count: 256)] {
      #expect(fault("\(origin)\n1\n\(root)\n") == .malformedCheckpoint(.origin), "\(origin)")
    }
    #expect(fault(String(repeating: "a", count: 255) + "\n1\n\(root)\n") == nil)
    #expect(fault("a\n1\n\(root)") == .malformedCheckpoint(.lineCount(2)))
    #expect(fault("a\n1\n\(root)\nmore\n") == .malformedCheckpoint(.lineCount(4)))
    #expect(fault("") == .malformedCheckpoint(.lineCount(0)))
  }
}
