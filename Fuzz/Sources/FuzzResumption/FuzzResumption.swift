@_spi(Fuzzing) import ParleyHandshake

/// Reading RESUME, RESUMED or RETRY never traps, and one that reads is written as it came.
@c(LLVMFuzzerTestOneInput)
public func fuzzResumption(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let kind = input.first else { return 0 }
  let body = Array(input.dropFirst())
  let again =
    kind % 3 == 2
    ? try? HandshakeFuzzing.retry(body) : try? HandshakeFuzzing.resumption(body, isRequest: kind % 3 == 0)
  if let again { precondition(again == body) }
  return 0
}
