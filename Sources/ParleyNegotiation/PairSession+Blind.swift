public import ParleyWire

// The blind time of a request: docs/protocol/negotiation.md section 7.2.
extension PairSession {
  /// Whether this side's request is out of its blind time, so that it may counter and accept.
  func checkBlind(_ dialogue: Dialogue, _ now: UnixNanoseconds) throws(NegotiationError) {
    guard dialogue.role == .requester, now < dialogue.blindEnd else { return }
    throw .blind(until: dialogue.blindEnd)
  }

  /// The fault of a Counter or an Accept that its requester signed within the blind time.
  static func blindFault(_ header: Header, _ dialogue: Dialogue) -> Fault? {
    guard dialogue.role == .responder, header.created < dialogue.blindEnd else { return nil }
    return Fault(.blind, field: 10)
  }
}

extension Dialogue {
  /// The end of the request's blind time, by the requester's clock.
  var blindEnd: UnixNanoseconds { created.advanced(byNanoseconds: request.blindNanoseconds) }
}

extension DialogueView {
  /// When the requester may look at Quotes, counter and accept: the end of the request's blind time, by its own clock.
  public var blindEnd: UnixNanoseconds { created.advanced(byNanoseconds: request.blindNanoseconds) }
}
