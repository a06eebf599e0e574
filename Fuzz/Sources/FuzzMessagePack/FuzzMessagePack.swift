import ParleyWire

/// Reading MessagePack never traps, a refused read does not move, and what is read is written as the same bytes.
@c(LLVMFuzzerTestOneInput)
public func fuzzMessagePack(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  var reader = MessagePackReader(input.span.bytes)
  var writer = MessagePackWriter()
  var isReadable = true
  while isReadable, reader.remaining > 0 {
    let position = reader.consumed
    if (try? reader.readNilIfPresent()) == true {
      writer.appendNil()
    } else if let value = try? reader.readBool() {
      writer.append(value)
    } else if let value = try? reader.readInt64() {
      writer.append(value)
    } else if let value = try? reader.readUInt64() {
      writer.append(value)
    } else if let value = try? reader.readBinary(limit: 4096) {
      writer.appendBinary(value)
    } else if let value = try? reader.readString(limit: 4096) {
      writer.append(value)
    } else if let count = try? reader.readArrayHeader() {
      precondition(count <= reader.remaining)
      writer.appendArray(count: count)
    } else {
      isReadable = false
      precondition(reader.consumed == position)
    }
  }
  precondition(writer.bytes == Array(input.prefix(reader.consumed)))
  return 0
}
