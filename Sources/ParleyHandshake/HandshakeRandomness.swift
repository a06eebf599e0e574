public import ParleyCrypto

/// Everything random that one handshake needs, so that a recorded one can be run again.
public struct HandshakeRandomness: Sendable {
  /// The X25519 key `e`, 32 bytes.
  public var ephemeralKey: SecretBytes
  /// The initiator's ML-KEM seed, `d ‖ z`, 64 bytes.
  public var kemSeed: SecretBytes
  /// The responder's ML-KEM randomness `m`, 32 bytes.
  public var kemMessage: SecretBytes
  /// The responder's name for this session, 16 bytes.
  public var resumeID: [UInt8]
  /// The responder's four tokens of 32 bytes.
  public var priorityTokens: [UInt8]

  /// States each value; it must never be used for two handshakes.
  public init(
    ephemeralKey: SecretBytes, kemSeed: SecretBytes, kemMessage: SecretBytes, resumeID: [UInt8],
    priorityTokens: [UInt8]
  ) {
    self.ephemeralKey = ephemeralKey
    self.kemSeed = kemSeed
    self.kemMessage = kemMessage
    self.resumeID = resumeID
    self.priorityTokens = priorityTokens
  }

  /// Draws from the system's generator.
  public static func system() -> HandshakeRandomness {
    HandshakeRandomness(
      ephemeralKey: .random(count: X25519.byteCount), kemSeed: .random(count: MLKEM768.seedByteCount),
      kemMessage: .random(count: MLKEM768.randomnessByteCount),
      resumeID: SystemRandom.bytes(AcceptBody.resumeIDByteCount),
      priorityTokens: SystemRandom.bytes(AcceptBody.priorityTokenCount * AcceptBody.priorityTokenByteCount))
  }
}
