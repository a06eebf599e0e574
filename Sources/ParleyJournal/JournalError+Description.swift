import ParleyIdentity

extension JournalError: CustomStringConvertible {
  /// What was refused and why, for a person.
  public var description: String {
    switch self {
    case .fieldTooLong(let field, let count): "the entry's \(field) is too long (\(count) bytes)"
    case .malformedEntry(let fault): "an entry is malformed: \(fault)"
    case .sequenceGap(let expected, let found): "entry \(expected) is missing: \(found) comes next"
    case .brokenLink(let sequence): "entry \(sequence) is not linked to the one before it"
    case .timeWentBack(let sequence): "entry \(sequence) is earlier than the one before it"
    case .malformedNote(let fault): "the checkpoint is no signed note: \(fault)"
    case .notSigned(let key): "the checkpoint is not signed by \(key)"
    case .wrongNoteSignature(let key): "the checkpoint's signature is not \(key)'s"
    case .malformedCheckpoint(let fault): "the checkpoint is malformed: \(fault)"
    case .malformedReceipt(let fault): "this is no receipt: \(fault)"
    case .wrongDocument(let did, let error): "the document is not that of \(did): \(error)"
    case .receiptMismatch(let mismatch): "the receipt contradicts itself: \(mismatch)"
    case .malformedRecord: "a record about the journal itself is malformed"
    case .malformedProof(let fault): "this is no proof: \(fault)"
    case .notIncluded(let sequence): "entry \(sequence) is not in the signed journal"
    case .notConsistent(let old, let new): "the journal of \(new) entries does not begin with that of \(old)"
    }
  }
}

extension Receipt.Fault: CustomStringConvertible {
  /// The fault, for a person.
  public var description: String {
    switch self {
    case .tooLong(let count): "\(count) bytes are too many"
    case .notJSON: "it is not JSON"
    case .version: "it is of another version"
    case .form: "its bytes are not in the one form that a receipt has"
    case .missing(let path): "\(path) is missing"
    case .unknown(let path): "\(path) is not a field of receipts"
    case .value(let path): "\(path) cannot be read"
    case .limit(let path): "\(path) is beyond its limit"
    }
  }
}

extension Receipt.Mismatch: CustomStringConvertible {
  /// The contradiction, for a person; statements are counted from 0.
  public var description: String {
    switch self {
    case .origin: "the checkpoint is about another journal"
    case .parties: "both sides are the same"
    case .proof(let index): "the entry of statement \(index) is not in the signed journal"
    case .order(let index): "the entry of statement \(index) is out of order"
    case .link(let index): "the entry of statement \(index) is not linked to the one before it"
    case .entry(let index): "the entry of statement \(index) is about something else"
    case .statement(let index): "statement \(index) is not what its entry holds"
    }
  }
}

extension ProofFault: CustomStringConvertible {
  /// The fault, for a person.
  public var description: String {
    switch self {
    case .tooLong(let count): "\(count) bytes are too many"
    case .noSeparator: "no empty line stands before the checkpoint"
    case .firstLine: "its first line is another"
    case .extra: "its second line does not hold the entry"
    case .index: "the index is not the entry's"
    case .hashes: "a line is not a hash, or there are too many"
    case .form: "its bytes are not in the one form that a proof has"
    }
  }
}
