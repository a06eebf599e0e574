public import ParleyCrypto

/// When a channel renews its keys, and what one epoch of them may carry (sections 6 and 8.1).
///
/// Both sides of a channel must use the same. Those of the protocol are the defaults; others are for tests.
public struct ChannelLimits: Hashable, Sendable {
  /// The age of an epoch at which the initiator offers the next one.
  public var renewalAge: Duration = .seconds(600)
  /// How many records of either side in an epoch make the initiator offer the next one.
  public var renewalRecords: UInt64 = 1 << 14
  /// How many bytes of records of either side in an epoch make the initiator offer the next one.
  public var renewalBytes: UInt64 = 64 << 20
  /// The age at which an epoch, and with it the channel, ends.
  public var epochAge: Duration = .seconds(1800)
  /// How many records one side may send in an epoch.
  public var epochRecords: UInt64 = 1 << 16
  /// How many bytes of records one side may send in an epoch.
  public var epochBytes: UInt64 = 256 << 20
  /// The age at which a channel ends.
  public var sessionAge: Duration = .seconds(86_400)

  /// The limits of the protocol.
  public init() {}
}

/// How much one direction of a channel has carried.
public struct DirectionCounters: Hashable, Sendable {
  /// The epoch in use.
  public var epoch: UInt32
  /// Records in this epoch.
  public var epochRecords: UInt64
  /// Bytes of the records in this epoch, as WebSocket messages.
  public var epochBytes: UInt64
  /// Records since the handshake.
  public var records: UInt64
  /// Bytes of the records since the handshake.
  public var bytes: UInt64
  /// How often the key has moved on within an epoch, since the handshake.
  public var keyUpdates: UInt64
}

/// How much a channel has carried.
public struct ChannelCounters: Hashable, Sendable {
  /// What this side has sent.
  public var sent: DirectionCounters
  /// What this side has opened.
  public var received: DirectionCounters
}

/// Everything random that one renewal of the keys needs on one side.
public struct RatchetRandomness: Sendable {
  /// The X25519 key, 32 bytes.
  public var ephemeralKey: SecretBytes
  /// The initiator's ML-KEM seed, `d ‖ z`, 64 bytes.
  public var kemSeed: SecretBytes
  /// The responder's ML-KEM randomness `m`, 32 bytes.
  public var kemMessage: SecretBytes

  /// States each value; it must never be used for two renewals.
  public init(ephemeralKey: SecretBytes, kemSeed: SecretBytes, kemMessage: SecretBytes) {
    self.ephemeralKey = ephemeralKey
    self.kemSeed = kemSeed
    self.kemMessage = kemMessage
  }

  /// Draws from the system's generator.
  public static func system() -> RatchetRandomness {
    RatchetRandomness(
      ephemeralKey: .random(count: X25519.byteCount), kemSeed: .random(count: MLKEM768.seedByteCount),
      kemMessage: .random(count: MLKEM768.randomnessByteCount))
  }
}
