@_spi(Fuzzing) import ParleyHandshake

/// Reading the body of an OFFER or a REPLY never traps, and one that reads is written as it came.
@c(LLVMFuzzerTestOneInput)
public func fuzzRatchet(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let kind = input.first else { return 0 }
  let body = Array(input.dropFirst())
  guard let again = try? HandshakeFuzzing.ratchet(body, isOffer: kind & 1 == 0) else { return 0 }
  precondition(again == body)
  return 0
}
