/// Which side of the handshake: the WebSocket client is always the initiator, the server the responder.
public enum Role: UInt8, Hashable, Sendable {
  /// The side that dialled, `I`.
  case initiator = 0x49
  /// The side that listened, `R`.
  case responder = 0x52

  /// The other side.
  public var peer: Role {
    switch self {
    case .initiator: .responder
    case .responder: .initiator
    }
  }
}
