import ParleyPeer
import ParleyWire

/// A stream gives the same messages, or the same error, however it is cut; what it gives is framed into the bytes it came
/// from.
@c(LLVMFuzzerTestOneInput)
public func fuzzMessageStream(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let step = input.first.map({ Int($0) + 1 }) else { return 0 }
  let bytes = Array(input.dropFirst())
  let whole = receive([bytes])
  let pieces = receive(
    stride(from: 0, to: bytes.count, by: step).map { Array(bytes[$0..<min($0 + step, bytes.count)]) })
  precondition(whole.error == pieces.error)
  // An error hides the messages before it in the same piece, and only those.
  if whole.error == nil {
    precondition(whole.messages == pieces.messages)
    var framed = [UInt8]()
    for message in whole.messages { MessageStream.encode(message, into: &framed) }
    precondition(bytes.starts(with: framed))
  }
  return 0
}

private func receive(_ pieces: [[UInt8]]) -> (messages: [[UInt8]], error: MessageLengthError?) {
  var stream = MessageStream()
  var messages = [[UInt8]]()
  for piece in pieces {
    do throws(MessageLengthError) {
      messages += try stream.receive(piece.rawSpan)
    } catch {
      return (messages, error)
    }
  }
  return (messages, nil)
}
