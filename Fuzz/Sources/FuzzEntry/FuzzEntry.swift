import ParleyJournal

/// Decoding a journal entry never traps, and what decodes encodes to the bytes it came from.
@c(LLVMFuzzerTestOneInput)
public func fuzzEntry(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let entry = try? Entry(decoding: input) else { return 0 }
  precondition(entry.encoded == input)
  return 0
}
