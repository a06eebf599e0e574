/// The two ends of a handshake.
public enum NoiseRole: Hashable, Sendable {
  /// Sends the first message.
  case initiator
  /// Answers it.
  case responder

  /// The other side.
  public var peer: NoiseRole {
    switch self {
    case .initiator: .responder
    case .responder: .initiator
    }
  }
}

extension HandshakePattern {
  /// Both static keys are sent, and each hidden from who only listens; the responder's also goes to anyone who asks.
  public static let xx = HandshakePattern("XX", messages: [.e], [.e, .ee, .s, .es], [.s, .se])

  /// ``xx`` with a KEM beside the first Diffie-Hellman.
  public static let xxhfs = HandshakePattern(
    "XXhfs", messages: [.e, .e1], [.e, .ee, .ekem1, .s, .es], [.s, .se])

  /// Every pattern, without its psk modifiers.
  public static let all = oneWay + fundamental + deferred + hybrid

  /// Section 7.4.
  static let oneWay = [
    HandshakePattern("N", knows: .responder, messages: [.e, .es]),
    HandshakePattern("K", knows: .initiator, .responder, messages: [.e, .es, .ss]),
    HandshakePattern("X", knows: .responder, messages: [.e, .es, .s, .ss]),
  ]

  /// Section 7.5.
  static let fundamental = [
    HandshakePattern("NN", messages: [.e], [.e, .ee]),
    HandshakePattern("NK", knows: .responder, messages: [.e, .es], [.e, .ee]),
    HandshakePattern("NX", messages: [.e], [.e, .ee, .s, .es]),
    HandshakePattern("XN", messages: [.e], [.e, .ee], [.s, .se]),
    HandshakePattern("XK", knows: .responder, messages: [.e, .es], [.e, .ee], [.s, .se]),
    xx,
    HandshakePattern("KN", knows: .initiator, messages: [.e], [.e, .ee, .se]),
    HandshakePattern("KK", knows: .initiator, .responder, messages: [.e, .es, .ss], [.e, .ee, .se]),
    HandshakePattern("KX", knows: .initiator, messages: [.e], [.e, .ee, .se, .s, .es]),
    HandshakePattern("IN", messages: [.e, .s], [.e, .ee, .se]),
    HandshakePattern("IK", knows: .responder, messages: [.e, .es, .s, .ss], [.e, .ee, .se]),
    HandshakePattern("IX", messages: [.e, .s], [.e, .ee, .se, .s, .es]),
  ]

  /// Section 18.1.
  static let deferred = [
    HandshakePattern("NK1", knows: .responder, messages: [.e], [.e, .ee, .es]),
    HandshakePattern("NX1", messages: [.e], [.e, .ee, .s], [.es]),
    HandshakePattern("X1N", messages: [.e], [.e, .ee], [.s], [.se]),
    HandshakePattern("X1K", knows: .responder, messages: [.e, .es], [.e, .ee], [.s], [.se]),
    HandshakePattern("XK1", knows: .responder, messages: [.e], [.e, .ee, .es], [.s, .se]),
    HandshakePattern("X1K1", knows: .responder, messages: [.e], [.e, .ee, .es], [.s], [.se]),
    HandshakePattern("X1X", messages: [.e], [.e, .ee, .s, .es], [.s], [.se]),
    HandshakePattern("XX1", messages: [.e], [.e, .ee, .s], [.es, .s, .se]),
    HandshakePattern("X1X1", messages: [.e], [.e, .ee, .s], [.es, .s], [.se]),
    HandshakePattern("K1N", knows: .initiator, messages: [.e], [.e, .ee], [.se]),
    HandshakePattern("K1K", knows: .initiator, .responder, messages: [.e, .es], [.e, .ee], [.se]),
    HandshakePattern("KK1", knows: .initiator, .responder, messages: [.e], [.e, .ee, .se, .es]),
    HandshakePattern("K1K1", knows: .initiator, .responder, messages: [.e], [.e, .ee, .es], [.se]),
    HandshakePattern("K1X", knows: .initiator, messages: [.e], [.e, .ee, .s, .es], [.se]),
    HandshakePattern("KX1", knows: .initiator, messages: [.e], [.e, .ee, .se, .s], [.es]),
    HandshakePattern("K1X1", knows: .initiator, messages: [.e], [.e, .ee, .s], [.se, .es]),
    HandshakePattern("I1N", messages: [.e, .s], [.e, .ee], [.se]),
    HandshakePattern("I1K", knows: .responder, messages: [.e, .es, .s], [.e, .ee], [.se]),
    HandshakePattern("IK1", knows: .responder, messages: [.e, .s], [.e, .ee, .se, .es]),
    HandshakePattern("I1K1", knows: .responder, messages: [.e, .s], [.e, .ee, .es], [.se]),
    HandshakePattern("I1X", messages: [.e, .s], [.e, .ee, .s, .es], [.se]),
    HandshakePattern("IX1", messages: [.e, .s], [.e, .ee, .se, .s], [.es]),
    HandshakePattern("I1X1", messages: [.e, .s], [.e, .ee, .s], [.se, .es]),
  ]

  /// Noise hybrid forward secrecy, revision 1.
  static let hybrid = [
    HandshakePattern("NNhfs", messages: [.e, .e1], [.e, .ee, .ekem1]),
    HandshakePattern("NKhfs", knows: .responder, messages: [.e, .es, .e1], [.e, .ee, .ekem1]),
    HandshakePattern("XKhfs", knows: .responder, messages: [.e, .es, .e1], [.e, .ee, .ekem1], [.s, .se]),
    xxhfs,
    HandshakePattern(
      "KKhfs", knows: .initiator, .responder, messages: [.e, .e1, .es, .ss], [.e, .ee, .ekem1, .se]),
    HandshakePattern("IKhfs", knows: .responder, messages: [.e, .es, .e1, .s, .ss], [.e, .ee, .ekem1, .se]),
  ]
}
