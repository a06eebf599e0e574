import ParleyPeer

/// Any bytes and any text are an address or none; one that is has one text and one sequence of bytes, within the limits.
@c(LLVMFuzzerTestOneInput)
public func fuzzMultiaddr(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let first = input.first else { return 0 }
  let rest = Array(input.dropFirst())
  if first & 1 == 0 {
    guard let address = try? Multiaddr(bytes: rest) else { return 0 }
    precondition(address.bytes == rest)
    check(address)
  } else if let address = try? Multiaddr(parsing: String(decoding: rest, as: UTF8.self)) {
    check(address)
  }
  return 0
}

private func check(_ address: Multiaddr) {
  precondition(address.bytes.count <= Multiaddr.byteCountLimit)
  precondition((1...Multiaddr.componentCountLimit).contains(address.components.count))
  precondition((try? Multiaddr(bytes: address.bytes)) == address)
  precondition((try? Multiaddr(parsing: address.description)) == address)
  guard let peer = address.peerID else { return }
  precondition((try? address.naming(peer)) == address)
}
