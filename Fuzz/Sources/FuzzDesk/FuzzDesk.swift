import ParleyDesk

/// Reading limits and the desk's records never traps, and a record that is read is written to the bytes it was read from.
@c(LLVMFuzzerTestOneInput)
public func fuzzDesk(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  for kind in [DeskRecord.refusalKind, DeskRecord.switchKind, DeskRecord.limitsKind] {
    guard let record = try? DeskRecord(decoding: input, kind: kind) else { continue }
    precondition(record.encoded == input && record.entryKind == kind)
  }
  guard let limits = try? DeskLimits(parsing: input) else { return 0 }
  // Nothing that reads may trap when it is held against somebody.
  var desk = DeskGuard()
  desk.adopt(limits)
  let peer = DeskPeer(
    did: "did:web:a.desk.example", host: "a.desk.example", services: ["ParleyNode"], alsoKnownAs: ["https://a.example"],
    controllers: ["did:key:z6Mk"])
  desk.meet(peer)
  _ = try? desk.checkDealing(with: peer.did)
  return 0
}
