import ParleyJournal

/// Reading a signed note and its checkpoint never traps, and what is read is written to bytes that read the same.
@c(LLVMFuzzerTestOneInput)
public func fuzzNote(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let note = try? SignedNote(parsing: input) else { return 0 }
  precondition(note.encoded == input)
  guard let checkpoint = try? Checkpoint(text: note.text) else { return 0 }
  precondition(checkpoint.text.utf8.elementsEqual(note.text.utf8))
  return 0
}
