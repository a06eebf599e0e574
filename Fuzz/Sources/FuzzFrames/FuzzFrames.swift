import ParleyWebSocket
import ParleyWire

/// Decoding a frame header never traps; what decodes encodes to the bytes it came from; and masking twice is nothing.
@c(LLVMFuzzerTestOneInput)
public func fuzzFrames(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  for sender in [WebSocketMachine.Role.client, .server] {
    guard let (header, size) = try? FrameHeader.decode(input.rawSpan, from: sender) else { continue }
    precondition(header.byteCount >= 0 && size <= FrameHeader.maximumEncodedSize)
    var again: [UInt8] = []
    header.encode(into: &again)
    precondition(again == Array(input.prefix(size)))
    guard let key = header.maskingKey else { continue }
    var payload = input
    let phase = size & 3
    for _ in 0..<2 {
      var span = payload.mutableSpan
      var bytes = span.mutableBytes
      key.apply(to: &bytes, min(1, count)..<count, phase: phase)
    }
    precondition(payload == input)
  }
  var validator = UTF8Validator()
  let isValid = validator.receive(input.rawSpan) && validator.isComplete
  precondition(isValid == (String(validating: input, as: UTF8.self) != nil))
  return 0
}
