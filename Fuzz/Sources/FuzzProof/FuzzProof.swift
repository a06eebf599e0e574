import ParleyJournal

/// Reading a proof's file, or a record about the journal, never traps; what is read is written the same.
@c(LLVMFuzzerTestOneInput)
public func fuzzProof(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  if let proof = try? EntryProof(decoding: input) { precondition(proof.encoded == input) }
  if let proof = try? GrowthProof(decoding: input) { precondition(proof.encoded == input) }
  if let record = try? JournalRecord(decoding: input) {
    let again = try? JournalRecord(decoding: record.encoded)
    precondition(again == record)
  }
  return 0
}
