@_spi(Fuzzing) import ParleyHandshake

/// Opening a record never traps, whatever it holds, and one that opens is the one that a sender makes of its content.
@c(LLVMFuzzerTestOneInput)
public func fuzzRecord(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  var inner = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  // The fuzzer need not find the lengths: what is short is filled up as a sender would.
  var size = 64
  while size < count && size < 16_384 { size *= 2 }
  if count < size { inner += [UInt8](repeating: 0, count: size - count) }
  guard let records = try? HandshakeFuzzing.record(inner: inner) else { return 0 }
  precondition(records.first == records.again)
  return 0
}
