import ParleyWire

/// Parsing JSON never traps; what parses is the same value after it is written, compactly, prettily or canonically.
@c(LLVMFuzzerTestOneInput)
public func fuzzJSON(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let value = try? JSONValue.parse(input, limits: JSONLimits(depth: 64)) else { return 0 }
  // Canonical texts are compared, because `1e2` is another JSONValue than the `100` that it is written as.
  let canonical = value.canonical()
  for text in [canonical, Array(value.serialized().utf8), Array(value.serialized(pretty: true).utf8)] {
    let again = try? JSONValue.parse(text, limits: JSONLimits(byteCount: .max, depth: 64))
    precondition(again?.canonical() == canonical)
  }
  return 0
}
