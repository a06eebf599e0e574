import ParleyNegotiation

/// Reading a frame of a session never traps, and what reads writes the same bytes.
@c(LLVMFuzzerTestOneInput)
public func fuzzNegotiationFrame(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  if let frame = try? Frame.decode(input) { precondition(frame.encoded == input) }
  return 0
}
