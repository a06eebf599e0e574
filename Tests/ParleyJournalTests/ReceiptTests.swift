import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyJournal

@Suite("Receipt")
struct ReceiptTests {
  /// The form of a body in these tests: `s` or `r`, then the statement.
  static func held(_ body: [UInt8]) -> Receipt.HeldStatement? {
    switch body.first {
    case UInt8(ascii: "s"): .init(direction: .sent, statement: Array(body.dropFirst()))
    case UInt8(ascii: "r"): .init(direction: .received, statement: Array(body.dropFirst()))
    default: nil
    }
  }

  static let bob = Traders.bob.identity.did.string

  /// A journal of several dialogues; entries 3, 4, 7 and 12 are those of the dialogue [1].
  static let journal: MemoryJournal = {
    var journal = MemoryJournal()
    for number in 0..<17 {
      let mine = [3, 4, 7, 12].contains(number)
      journal.append(
        try! EntryDraft(
          time: UnixNanoseconds(Int64(number)), kind: 1, peer: mine ? bob : "did:example:other",
          group: mine ? [1] : [UInt8(number)], body: Array("\(number % 2 == 0 ? "s" : "r")statement \(number)".utf8)))
    }
    return journal
  }()

  static func items(_ sequences: [Int] = [3, 4, 7, 12], size: UInt64 = 17) -> [Receipt.Item] {
    sequences.map { sequence in
      let held = held(journal.entries[sequence].body)!
      return Receipt.Item(
        direction: held.direction, statement: held.statement, entry: journal.entries[sequence],
        proof: journal.inclusionProof(UInt64(sequence), size: size))
    }
  }

  static func receipt(
    issuer: LocalSigner = Traders.alice, counterparty: LocalSigner = Traders.bob, statements: [Receipt.Item] = items(),
    checkpoint: SignedNote? = nil
  ) -> Receipt {
    Receipt(
      issuer: .init(issuer.identity), counterparty: .init(counterparty.identity), statements: statements,
      checkpoint: checkpoint ?? Checkpoint.sign(journal.head, by: issuer))
  }

  static func fault(_ receipt: Receipt) -> JournalError? {
    error { () throws(JournalError) in try receipt.verify(statementInBody: held) }
  }

  static func text(_ receipt: Receipt) -> String { String(decoding: receipt.encoded, as: UTF8.self) }

  static func decodingFault(_ text: String) -> JournalError? {
    error { () throws(JournalError) in try Receipt(decoding: Array(text.utf8)) }
  }

  @Test("written, read and verified, with and without a post-quantum key")
  func roundTrip() throws {
    for issuer in [Traders.alice, Traders.carol] {
      let receipt = Self.receipt(issuer: issuer)
      let read = try Receipt(decoding: receipt.encoded)
      #expect(read == receipt)
      let verified = try read.verify(statementInBody: Self.held)
      #expect(verified.issuer == issuer.identity)
      #expect(verified.counterparty == Traders.bob.identity)
      #expect(verified.checkpoint.size == 17)
      #expect(verified.statements.map(\.entry.sequence) == [3, 4, 7, 12])
      #expect(verified.statements.map(\.direction) == [.received, .sent, .received, .sent])
    }
  }

  @Test("a checkpoint of any size that holds the entries will do; a smaller one will not")
  func checkpointSize() {
    for size in UInt64(13)...17 {
      let note = Checkpoint.sign(size: size, root: Self.journal.root(size), by: Traders.alice)
      #expect(Self.fault(Self.receipt(statements: Self.items(size: size), checkpoint: note)) == nil)
    }
    let note = Checkpoint.sign(size: 12, root: Self.journal.root(12), by: Traders.alice)
    #expect(Self.fault(Self.receipt(checkpoint: note)) != nil)
  }

  @Test("each contradiction is found and named")
  func mismatches() throws {
    var items = Self.items()
    #expect(Self.fault(Self.receipt()) == nil)
    #expect(Self.fault(Self.receipt(counterparty: Traders.alice)) == .receiptMismatch(.parties))
    #expect(Self.fault(Self.receipt(counterparty: Traders.carol)) == .receiptMismatch(.entry(index: 0)))
    #expect(
      Self.fault(Self.receipt(checkpoint: Checkpoint.sign(Self.journal.head, by: Traders.bob)))
        == .receiptMismatch(.origin))

    items[1] = Receipt.Item(
      direction: .received, statement: items[1].statement, entry: items[1].entry, proof: items[1].proof)
    #expect(Self.fault(Self.receipt(statements: items)) == .receiptMismatch(.statement(index: 1)))
    items = Self.items()
    items[2] = Receipt.Item(direction: .received, statement: [9], entry: items[2].entry, proof: items[2].proof)
    #expect(Self.fault(Self.receipt(statements: items)) == .receiptMismatch(.statement(index: 2)))
    items = Self.items()
    items[3] = Receipt.Item(
      direction: .sent, statement: items[3].statement, entry: items[3].entry, proof: items[2].proof)
    #expect(Self.fault(Self.receipt(statements: items)) == .receiptMismatch(.proof(index: 3)))

    #expect(Self.fault(Self.receipt(statements: Self.items([4, 3]))) == .receiptMismatch(.order(index: 1)))
    #expect(Self.fault(Self.receipt(statements: Self.items([3, 3]))) == .receiptMismatch(.order(index: 1)))
    #expect(Self.fault(Self.receipt(statements: Self.items([3, 5]))) == .receiptMismatch(.entry(index: 1)))
  }

  @Test("an entry of another dialogue with the same peer is refused")
  func otherDialogue() {
    var journal = MemoryJournal()
    for group in UInt8(1)...2 {
      journal.append(
        try! EntryDraft(time: UnixNanoseconds(0), kind: 1, peer: Self.bob, group: [group], body: Array("sx".utf8)))
    }
    let items = journal.entries.map {
      Receipt.Item(
        direction: .sent, statement: Array("x".utf8), entry: $0, proof: journal.inclusionProof($0.sequence, size: 2))
    }
    let note = Checkpoint.sign(journal.head, by: Traders.alice)
    #expect(Self.fault(Self.receipt(statements: items, checkpoint: note)) == .receiptMismatch(.entry(index: 1)))
    #expect(Self.fault(Self.receipt(statements: [items[1]], checkpoint: note)) == nil)
  }

  @Test("neighbours that are not linked are refused, whatever the tree says")
  func unlinked() throws {
    // A keeper that hashes what it likes: the tree holds, the chain does not.
    var tree = CompactRange()
    var nodes: [MerkleTree.Node: Digest] = [:]
    let entries = try (0..<2).map { number in
      try Entry(
        sequence: UInt64(number), time: UnixNanoseconds(0), kind: 1, peer: Self.bob, group: [1], previous: .zero,
        body: Array("sx".utf8))
    }
    for entry in entries { tree.append(entry.hash) { nodes[$0] = $1 } }
    let items = entries.map { entry in
      Receipt.Item(
        direction: .sent, statement: Array("x".utf8), entry: entry,
        proof: MerkleTree.inclusionProof(index: entry.sequence, size: 2) { nodes[$0]! })
    }
    let note = Checkpoint.sign(size: 2, root: tree.root, by: Traders.alice)
    #expect(Self.fault(Self.receipt(statements: items, checkpoint: note)) == .receiptMismatch(.link(index: 1)))
  }

  @Test("a document that is not its DID's, another key and a long DID are refused")
  func documents() throws {
    let good = Self.receipt()
    func with(did: String? = nil, key: String? = nil, document: [UInt8]? = nil) -> JournalError? {
      let party = Receipt.Party(
        did: did ?? good.issuer.did, keyFragment: key ?? good.issuer.keyFragment,
        document: document ?? good.issuer.document)
      return Self.fault(
        Receipt(
          issuer: party, counterparty: good.counterparty, statements: good.statements, checkpoint: good.checkpoint))
    }
    #expect(with() == nil)
    #expect(with(key: "key-9") == .wrongDocument(did: good.issuer.did, .noAuthenticationKey("key-9")))
    guard case .wrongDocument(good.issuer.did, .documentMismatch) = with(document: good.counterparty.document) else {
      Issue.record("another's document was accepted")
      return
    }
    guard case .wrongDocument = with(did: "did:peer:4"), case .wrongDocument = with(did: "") else {
      Issue.record("a malformed DID was accepted")
      return
    }
    let long = try DIDPeer4.create(inputDocument: good.issuer.document)
    guard case .wrongDocument(_, .malformedDID) = with(did: long.string) else {
      Issue.record("the long form was accepted")
      return
    }
  }

  @Test("unknown, missing, doubled and mistyped fields are refused")
  func strictFields() {
    let text = Self.text(Self.receipt())
    #expect(Self.decodingFault(text) == nil)
    func changed(_ from: String, _ to: String) -> JournalError? {
      #expect(text.contains(from), "\(from)")
      return Self.decodingFault(text.replacing(from, with: to, maxReplacements: 1))
    }
    #expect(changed(#""parley_receipt": 1"#, #""parley_receipt": 2"#) == .malformedReceipt(.version))
    #expect(changed(#""parley_receipt": 1"#, #""parley_receipt": "1""#) == .malformedReceipt(.version))
    #expect(changed(#""parley_receipt": 1"#, #""parley_receipt": 1, "x": 0"#) == .malformedReceipt(.unknown("x")))
    #expect(changed(#""key""#, #""Key""#) == .malformedReceipt(.unknown("issuer.Key")))
    #expect(changed(#""proof""#, #""Proof""#) == .malformedReceipt(.unknown("statements[0].Proof")))
    #expect(changed(#""direction": "received","#, "") == .malformedReceipt(.missing("statements[0].direction")))
    #expect(
      changed(#""direction": "received""#, #""direction": "Received""#)
        == .malformedReceipt(.value("statements[0].direction")))
    #expect(changed(#""key": "#, #""key": "a", "key": "#) == .malformedReceipt(.notJSON))
    #expect(changed(#""did": ""#, #""did": 7, "document": "", "x": ""#) != nil)
    #expect(Self.decodingFault("[]") == .malformedReceipt(.version))
    #expect(Self.decodingFault(#"{"parley_receipt": 1}"#) == .malformedReceipt(.missing("issuer")))
    #expect(Self.decodingFault("") == .malformedReceipt(.notJSON))
    #expect(Self.decodingFault(text + "x") == .malformedReceipt(.notJSON))
  }

  @Test("limits of the statements and of each field, and one past each")
  func limits() throws {
    func fault(_ change: (inout [Receipt.Item]) -> Void) -> JournalError? {
      var items = Self.items()
      change(&items)
      return Self.decodingFault(Self.text(Self.receipt(statements: items)))
    }
    func statement(_ count: Int) -> Receipt.Item {
      let item = Self.items()[0]
      return Receipt.Item(
        direction: item.direction, statement: [UInt8](repeating: 0, count: count), entry: item.entry, proof: item.proof)
    }
    #expect(fault { $0 = [] } == .malformedReceipt(.limit("statements")))
    #expect(fault { $0 = Array(repeating: $0[0], count: 256) } == nil)
    #expect(fault { $0 = Array(repeating: $0[0], count: 257) } == .malformedReceipt(.limit("statements")))
    #expect(fault { $0[0] = statement(32_768) } == nil)
    #expect(fault { $0[0] = statement(32_769) } == .malformedReceipt(.limit("statements[0].statement")))
    func proof(_ count: Int) -> Receipt.Item {
      let item = Self.items()[0]
      return Receipt.Item(
        direction: item.direction, statement: item.statement, entry: item.entry,
        proof: Array(repeating: .zero, count: count))
    }
    #expect(fault { $0[0] = proof(62) } == nil)
    #expect(fault { $0[0] = proof(63) } == .malformedReceipt(.limit("statements[0].proof")))
    let tooLong = [UInt8](repeating: 0x20, count: Receipt.Limits.byteCount + 1)
    let found = error { () throws(JournalError) in try Receipt(decoding: tooLong) }
    #expect(found == .malformedReceipt(.tooLong(tooLong.count)))
  }

  @Test("cut anywhere, it is refused")
  func cut() {
    let bytes = Self.receipt(statements: Self.items([3])).encoded
    for count in 0..<bytes.count {
      let found = error { () throws(JournalError) in try Receipt(decoding: Array(bytes.prefix(count))) }
      #expect(found != nil, "\(count) bytes")
    }
  }

  @Test("one changed byte, and it is refused")
  func changed() throws {
    let bytes = Self.receipt(statements: Self.items([3, 4])).encoded
    var random = SplitMix64(seed: 1)
    for offset in bytes.indices {
      var changed = bytes
      repeat { changed[offset] = UInt8.random(in: 0x09...0x7E, using: &random) } while changed[offset] == bytes[offset]
      guard let receipt = try? Receipt(decoding: changed) else { continue }
      #expect(Self.fault(receipt) != nil, "byte \(offset)")
    }
  }

  @Test("another spelling of the same content is refused")
  func form() {
    let text = Self.text(Self.receipt())
    #expect(Self.decodingFault(text + "\n") == .malformedReceipt(.form))
    #expect(Self.decodingFault(String(text.dropLast())) == .malformedReceipt(.form))
    #expect(Self.decodingFault(text.replacing("  ", with: "\t")) == .malformedReceipt(.form))
    #expect(Self.decodingFault(text.replacing("\u{2014}", with: "\\u2014")) == .malformedReceipt(.form))
  }
}
