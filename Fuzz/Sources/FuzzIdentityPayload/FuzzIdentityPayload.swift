@_spi(Fuzzing) import ParleyHandshake
import ParleyIdentity

/// Reading an identity payload or the body of an ACCEPT record never traps, and a payload that is read encodes to the
/// bytes it came from.
@c(LLVMFuzzerTestOneInput)
public func fuzzIdentityPayload(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let did = try? DID(parsing: "did:web:maker.example") else { return 0 }
  try? HandshakeFuzzing.acceptBody(input, initiator: did, responder: did)
  // The fuzzer need not find the lengths: what is short is filled up as a sender would.
  var padded = input
  if let size = [1024, 2048, 4096, 8192].first(where: { $0 >= count }) {
    padded += [UInt8](repeating: 0, count: size - count)
  }
  for role in [Role.initiator, .responder] {
    guard let encoded = try? HandshakeFuzzing.identityPayload(padded, from: role) else { continue }
    precondition(encoded == padded)
  }
  return 0
}
