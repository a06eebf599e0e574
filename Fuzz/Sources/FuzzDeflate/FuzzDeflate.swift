import ParleyWebSocket
import ParleyWire

/// Inflating never traps, keeps its limits, and says the same however its input is split; and what is deflated inflates
/// to itself, in every window, with and without context.
///
/// The input: a byte of options, a byte for the size of the pieces, a byte for the limits, then the bytes.
@c(LLVMFuzzerTestOneInput)
public func fuzzDeflate(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard input.count > 3 else { return 0 }
  let bytes = Array(input[3...])
  // Each piece costs: small ones only where there are few.
  let pieceSize = max(1, Int(input[1] & 0x3F), bytes.count / 16)
  if input[0] & 1 == 0 {
    // Few inputs may grow large: they take a hundred times as long as the others.
    let most = input[2] >> 4 == 0xF ? 1 << 18 : 1 << 12
    inflate(bytes, pieceSize: pieceSize, limit: min(most, 1 << (input[2] & 0xF)), most: most)
  } else {
    roundTrip(bytes, pieceSize: pieceSize, options: input[0] >> 1)
  }
  return 0
}

/// One pool for all inputs: a stream that an earlier input left in a bad state would show.
nonisolated(unsafe) private let pool = DeflatePool()

private enum Outcome: Equatable {
  case message([UInt8])
  case refused(WebSocketError)
}

private func inflate(_ bytes: [UInt8], pieceSize: Int, limit: Int, most: Int) {
  let whole = outcome(of: bytes, pieceSize: bytes.count, maximumByteCount: most, maximumRatio: .max)
  let pieces = outcome(of: bytes, pieceSize: pieceSize, maximumByteCount: most, maximumRatio: .max)
  precondition(whole == pieces)
  // A smaller limit refuses exactly what is larger than it.
  switch (whole, outcome(of: bytes, pieceSize: pieceSize, maximumByteCount: limit, maximumRatio: 50)) {
  case (.message(let message), .message(let limited)):
    precondition(message == limited && limited.count <= limit)
    precondition(limited.count <= max(1 << 16, 50 * bytes.count))
  case (.message(let message), .refused(.messageTooBig)): precondition(message.count > limit)
  case (.message(let message), .refused(.inflationRatioExceeded)): precondition(message.count > 1 << 16)
  case (.refused(.invalidDeflateData), .refused), (.refused(.messageTooBig), .refused): break
  case let other: preconditionFailure("\(other)")
  }
}

private func outcome(of bytes: [UInt8], pieceSize: Int, maximumByteCount: Int, maximumRatio: Int) -> Outcome {
  let inflater = MessageInflater(windowBits: 15, keepsContext: false, pool: pool)
  var output: [UInt8] = []
  do throws(WebSocketError) {
    try take(bytes, pieceSize, inflater, maximumByteCount, maximumRatio, into: &output)
    return .message(output)
  } catch {
    precondition(output.count <= maximumByteCount + 1)
    return .refused(error)
  }
}

private func take(
  _ bytes: [UInt8], _ pieceSize: Int, _ inflater: MessageInflater, _ maximumByteCount: Int, _ maximumRatio: Int,
  into output: inout [UInt8]
) throws(WebSocketError) {
  var offset = 0
  repeat {
    let end = min(bytes.count, offset + pieceSize)
    try inflater.inflate(
      bytes.rawSpan.extracting(offset..<end), isFinal: end == bytes.count, maximumByteCount: maximumByteCount,
      maximumRatio: maximumRatio, into: &output)
    offset = end
  } while offset < bytes.count
}

private func roundTrip(_ bytes: [UInt8], pieceSize: Int, options bits: UInt8) {
  let keepsContext = bits & 1 != 0
  // No more forms than the pool keeps.
  let windowBits = (keepsContext ? [8, 9, 10, 11] : [8, 9, 12, 15])[Int(bits >> 1 & 3)]
  var options = PermessageDeflate.Options()
  options.level = bits & 8 == 0 ? 1 : 6
  // Little memory, for streams with context are made anew for each input.
  options.memoryLevel = 1
  let deflater = MessageDeflater(
    windowBits: windowBits, keepsContext: keepsContext, options: options, pool: pool)
  let inflater = MessageInflater(windowBits: windowBits, keepsContext: keepsContext, pool: pool)
  for message in [bytes, Array(bytes.prefix(pieceSize))] {
    var payload: [UInt8] = []
    deflater.deflate(message.rawSpan, into: &payload)
    precondition(!payload.isEmpty)
    var back: [UInt8] = []
    do throws(WebSocketError) {
      try take(payload, max(pieceSize, payload.count / 16), inflater, message.count, .max, into: &back)
    } catch {
      preconditionFailure("\(error)")
    }
    precondition(back == message)
  }
}
