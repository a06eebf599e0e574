import ParleyJournal

/// Reading and checking a receipt never traps, and what is read is written to a file that reads the same.
@c(LLVMFuzzerTestOneInput)
public func fuzzReceipt(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let receipt = try? Receipt(decoding: input) else { return 0 }
  let again = try? Receipt(decoding: receipt.encoded)
  precondition(again == receipt)
  _ = try? receipt.verify { body in
    guard let first = body.first else { return nil }
    return Receipt.HeldStatement(direction: first == 0x73 ? .sent : .received, statement: Array(body.dropFirst()))
  }
  return 0
}
