import ParleyIdentity

/// Reading a keystore file never traps, and what is read is written as a file that says the same.
@c(LLVMFuzzerTestOneInput)
public func fuzzKeystore(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let keystore = try? Keystore(parsing: input) else { return 0 }
  precondition((try? Keystore(parsing: keystore.encoded)) == keystore)
  return 0
}
