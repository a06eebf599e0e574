import ParleyNegotiation

/// Reading statements, headers, payloads, terms and journal rows never traps, and what reads writes the same bytes.
@c(LLVMFuzzerTestOneInput)
public func fuzzStatement(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  if let statement = try? Statement(input) {
    precondition(statement.bytes == input)
    precondition(statement.header.encoded == statement.envelope.header)
    precondition(statement.payload.encoded == statement.envelope.payload)
  }
  if let header = try? Header.decode(input) { precondition(header.encoded == input) }
  if let terms = try? Terms.decode(input) { precondition(terms.encoded == input) }
  if let row = try? JournalRow(input) {
    precondition(row.encoded == input)
    _ = row.dialogue
  }
  for kind in Kind.allCases {
    if let payload = try? Payload.decode(input, of: kind) { precondition(payload.encoded == input) }
  }
  return 0
}
