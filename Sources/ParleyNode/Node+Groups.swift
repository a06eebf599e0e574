internal import ParleyIdentity
internal import ParleyNegotiation

// Requests to several makers that fill one need.
extension Node {
  /// What this node has bound in a group, over all its pairs but one.
  func ledger(of group: [UInt8], without excluded: DID? = nil) -> GroupLedger {
    sessions.lazy.filter { $0.key != excluded }.reduce(GroupLedger()) { $0 + $1.value.ledger(of: group) }
  }
}
