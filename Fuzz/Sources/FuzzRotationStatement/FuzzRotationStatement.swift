import ParleyIdentity

/// Reading a rotation statement never traps, and what is read is written so that it reads as the same.
@c(LLVMFuzzerTestOneInput)
public func fuzzRotationStatement(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let statement = try? RotationStatement(parsing: input) else { return 0 }
  precondition((try? RotationStatement(parsing: statement.encoded)) == statement)
  return 0
}
