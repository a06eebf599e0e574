import ParleyHandshake
import ParleyWire

/// A stream gives the same messages, or the same error, however it is cut into records; what it gives is framed into
/// the bytes it came from.
@c(LLVMFuzzerTestOneInput)
public func fuzzMessageStream(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let step = input.first.map({ Int($0) + 1 }) else { return 0 }
  let bytes = Array(input.dropFirst())
  let whole = receive([bytes])
  let pieces = receive(
    stride(from: 0, to: bytes.count, by: step).map { Array(bytes[$0..<min($0 + step, bytes.count)]) })
  precondition(whole.error == pieces.error)
  // An error in a record hides the messages before it in the same record, and only those.
  if whole.error == nil {
    precondition(whole.messages == pieces.messages)
    precondition(bytes.starts(with: MessageStream.bodies(of: whole.messages).joined()))
  }
  return 0
}

private func receive(_ pieces: [[UInt8]]) -> (messages: [[UInt8]], error: HandshakeError?) {
  var stream = MessageStream()
  var messages = [[UInt8]]()
  for piece in pieces {
    do throws(HandshakeError) {
      messages += try stream.receive(piece.rawSpan)
    } catch {
      return (messages, error)
    }
  }
  return (messages, nil)
}
