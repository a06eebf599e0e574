import ParleyIdentity
import ParleyWire

/// The body of an ACCEPT record.
///
///     LP(initiator's DID) ‖ LP(responder's DID) ‖ resumeID[16] ‖ 4 × priorityToken[32] ‖ LP(limits)
///
/// `limits` is empty: those of this version are fixed.
struct AcceptBody: Hashable {
  static let resumeIDByteCount = 16
  static let priorityTokenByteCount = 32
  static let priorityTokenCount = 4

  var initiator: DID
  var responder: DID
  var resumeID: [UInt8]
  var priorityTokens: [UInt8]

  var encoded: [UInt8] {
    precondition(resumeID.count == Self.resumeIDByteCount)
    precondition(priorityTokens.count == Self.priorityTokenCount * Self.priorityTokenByteCount)
    var bytes = [UInt8]()
    bytes.appendLengthPrefixed(Array(initiator.string.utf8))
    bytes.appendLengthPrefixed(Array(responder.string.utf8))
    bytes += resumeID
    bytes += priorityTokens
    bytes.appendLengthPrefixed([])
    return bytes
  }

  init(initiator: DID, responder: DID, resumeID: [UInt8], priorityTokens: [UInt8]) {
    self.initiator = initiator
    self.responder = responder
    self.resumeID = resumeID
    self.priorityTokens = priorityTokens
  }

  /// Reads the body that came to `initiator` from `responder`.
  init(_ body: RawSpan, initiator: DID, responder: DID) throws(HandshakeError) {
    var reader = ByteReader(body)
    guard let one = reader.readLengthPrefixed(), let other = reader.readLengthPrefixed(),
      let resumeID = reader.readBytes(count: Self.resumeIDByteCount),
      let priorityTokens = reader.readBytes(count: Self.priorityTokenCount * Self.priorityTokenByteCount),
      let limits = reader.readLengthPrefixed(), limits.isEmpty, reader.isAtEnd
    else { throw .malformedAnswer }
    guard one == Array(initiator.string.utf8), other == Array(responder.string.utf8) else { throw .acceptedForOthers }
    self.init(initiator: initiator, responder: responder, resumeID: resumeID, priorityTokens: priorityTokens)
  }
}
