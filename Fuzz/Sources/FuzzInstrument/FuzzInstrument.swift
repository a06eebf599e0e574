import ParleyMarket

/// Reading the name of an instrument never traps, and what parses is written back as it was read.
@c(LLVMFuzzerTestOneInput)
public func fuzzInstrument(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let text = String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
  guard let name = try? InstrumentName(parsing: text) else { return 0 }
  precondition(Array(name.text.utf8) == Array(text.utf8))
  if let instrument = try? Instrument(listed: name) { precondition(instrument.specHash.count == 32) }
  return 0
}
