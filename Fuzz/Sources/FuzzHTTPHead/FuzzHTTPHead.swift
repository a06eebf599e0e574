import ParleyWebSocket
import ParleyWire

/// Reading a head and what follows it never traps, gives the same verdict however the bytes are split, and a request
/// that is taken is one that a client of ours could have sent.
@c(LLVMFuzzerTestOneInput)
public func fuzzHTTPHead(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  // The first byte says where to split.
  let bytes = Array(input.dropFirst())
  let whole = verdict(on: [bytes])
  let split = min(bytes.count, Int(input.first ?? 0))
  precondition(whole == verdict(on: [Array(bytes[..<split]), Array(bytes[split...])]))

  if case .complete(let reader) = whole {
    if let head = try? HTTPRequestHead(reader) {
      precondition(head.fields.all.allSatisfy { !$0.name.isEmpty && $0.name == $0.name.lowercased() })
      if let upgrade = try? UpgradeRequest(head, policy: UpgradePolicy(subprotocols: ["parley.v1"])) {
        precondition(upgrade.origin == nil)
        precondition(!upgrade.acceptance(subprotocol: upgrade.subprotocol).isEmpty)
      }
    }
    _ = try? HTTPResponseHead(reader)
  }
  var chunks = ChunkedBodyReader(maximumByteCount: 1024)
  _ = try? chunks.receive(bytes.rawSpan)
  precondition(chunks.body.count <= 1024)
  if let text = String(validating: bytes, as: UTF8.self), let url = WebURL(text) {
    precondition(WebURL(url.description) == url)
  }
  return 0
}

private enum Verdict: Equatable {
  case incomplete
  case complete(HTTPHeadReader)
  case refused(HTTPError)

  static func == (left: Self, right: Self) -> Bool {
    switch (left, right) {
    case (.incomplete, .incomplete), (.complete, .complete): true
    case (.refused(let one), .refused(let other)): one == other
    default: false
    }
  }
}

private func verdict(on pieces: [[UInt8]]) -> Verdict {
  var reader = HTTPHeadReader()
  do throws(HTTPError) {
    for piece in pieces {
      let count = try reader.receive(piece.rawSpan)
      precondition(count == piece.count || reader.isComplete)
    }
    return reader.isComplete ? .complete(reader) : .incomplete
  } catch {
    return .refused(error)
  }
}
