public import ParleyIdentity

/// Why bytes of a journal, a checkpoint or a receipt were refused.
///
/// Nothing here is a secret: a receipt is made to be shown.
public enum JournalError: Error, Hashable, Sendable {
  /// An entry's field is longer than ``Entry/Limits`` allow.
  case fieldTooLong(Entry.Field, byteCount: Int)
  /// The entry's bytes are not of the one form that an entry has.
  case malformedEntry(Entry.Fault)
  /// An entry does not have the sequence number that comes next.
  case sequenceGap(expected: UInt64, found: UInt64)
  /// An entry's link is not the hash of the entry before it.
  case brokenLink(sequence: UInt64)
  /// An entry is earlier than the one before it.
  case timeWentBack(sequence: UInt64)
  /// The text is not a signed note.
  case malformedNote(SignedNote.Fault)
  /// The note carries no signature by the key that was asked for.
  case notSigned(by: String)
  /// The note names the key that was asked for, but the signature does not verify.
  case wrongNoteSignature(by: String)
  /// The note's text is not a checkpoint.
  case malformedCheckpoint(Checkpoint.Fault)
  /// The text is not a receipt of this version, or a field of it has a form it may not have.
  case malformedReceipt(Receipt.Fault)
  /// A document does not belong to its DID, or lacks the key that the receipt names.
  case wrongDocument(did: String, IdentityError)
  /// What the receipt says and what its parts say differ.
  case receiptMismatch(Receipt.Mismatch)
  /// The body of an entry of kind 2 is no record of this version.
  case malformedRecord
  /// The text is not a proof.
  case malformedProof(ProofFault)
  /// The entry is not in the tree that the checkpoint signs.
  case notIncluded(sequence: UInt64)
  /// The tree of one checkpoint is not the beginning of that of the other.
  case notConsistent(oldSize: UInt64, newSize: UInt64)
}
