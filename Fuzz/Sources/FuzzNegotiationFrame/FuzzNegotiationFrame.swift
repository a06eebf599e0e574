import ParleyNegotiation

/// Reading a frame of a session, or a declaration of interests, never traps, and what reads writes the same bytes.
@c(LLVMFuzzerTestOneInput)
public func fuzzNegotiationFrame(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  if let frame = try? Frame.decode(input) { precondition(frame.encoded == input) }
  if let interests = try? Interests(decoding: input) { precondition(interests.encoded == input) }
  return 0
}
