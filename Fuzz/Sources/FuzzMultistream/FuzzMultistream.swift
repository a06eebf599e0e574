import ParleyPeer
import ParleyWire

/// Both sides take any bytes, come to the same end however these are cut, and agree only on what they know.
@c(LLVMFuzzerTestOneInput)
public func fuzzMultistream(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let first = input.first else { return 0 }
  let bytes = Array(input.dropFirst())
  let step = Int(first) + 1
  let names = ["/noise", "/a"]
  for isDialer in [true, false] {
    let whole = run(isDialer, names, [bytes])
    let pieces = run(
      isDialer, names,
      stride(from: 0, to: bytes.count, by: step).map { Array(bytes[$0..<min($0 + step, bytes.count)]) })
    precondition(whole == pieces)
    if let name = whole.name { precondition(names.contains(name)) }
    precondition(whole.output.count <= 64 + 4 * Multistream.proposalCountLimit)
  }
  return 0
}

private struct Outcome: Equatable {
  var name: String?
  var rest: [UInt8] = []
  var error: MultistreamError?
  var output: [UInt8] = []
}

private func run(_ isDialer: Bool, _ names: [String], _ pieces: [[UInt8]]) -> Outcome {
  var dialer = MultistreamDialer(names)
  var listener = MultistreamListener(names)
  var outcome = Outcome()
  for piece in pieces {
    if outcome.name != nil {
      outcome.rest += piece
      continue
    }
    do throws(MultistreamError) {
      let selection =
        isDialer ? try dialer.receive(piece.rawSpan) : try listener.receive(piece.rawSpan)
      outcome.name = selection?.name
      outcome.rest = selection?.rest ?? []
    } catch {
      outcome.error = error
    }
    outcome.output += dialer.takeOutput() + listener.takeOutput()
    if outcome.error != nil { break }
  }
  outcome.output += dialer.takeOutput() + listener.takeOutput()
  return outcome
}
