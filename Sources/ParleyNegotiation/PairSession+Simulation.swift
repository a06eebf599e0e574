// What the simulator looks at.
extension PairSession {
  /// Whether both sessions remember the same.
  package func hasSameMemory(as other: borrowing PairSession) -> Bool { state == other.state }
}
