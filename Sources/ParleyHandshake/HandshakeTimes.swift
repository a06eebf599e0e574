/// How long a driver waits (section 9).
public enum HandshakeTimes {
  /// From the connection to the whole upgrade request.
  public static let upgrade: Duration = .seconds(5)
  /// From the responder's 101 to message 1, where the request did not carry it.
  public static let message1: Duration = .seconds(3)
  /// From the connection to the answer.
  ///
  /// A responder whose initiator fails after message 1 closes at this time, not before.
  public static let handshake: Duration = .seconds(10)
  /// For the resolution of the initiator's DID.
  public static let resolution: Duration = .seconds(4)
}
