import ParleyIdentity
import ParleyWire

extension DID {
  /// Whether both have the same bytes: a DID on the wire is compared as it stands.
  func hasSameBytes(as other: DID) -> Bool { string.hasSameBytes(as: other.string) }
}
