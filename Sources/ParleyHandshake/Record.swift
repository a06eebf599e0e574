import ParleyCrypto

/// What a record carries.
public enum RecordType: UInt8, Hashable, Sendable {
  /// The responder's yes: the first record of a session.
  case accept = 1
  /// The responder's no, in place of ACCEPT.
  case refuse = 2
  /// The sender's last record.
  case close = 3
  /// The initiator's part of the next epoch.
  case offer = 4
  /// The responder's part of the next epoch, and its last record in this one.
  case reply = 5
  /// The initiator's first record in the next epoch.
  case done = 6
  /// The initiator's question about an earlier session, its first record.
  case resume = 7
  /// The responder's answer to that.
  case resumed = 8
  /// Bytes of the streams.
  case application = 16
}

/// The limits of the record layer (section 6).
public enum RecordLimits {
  /// The longest body of a record, in bytes.
  public static let bodyByteCount = innerByteCount - headByteCount
  /// The longest record, in bytes: what one WebSocket message may have after the handshake.
  public static let wireByteCount = epochByteCount + innerByteCount + AES256GCM.tagByteCount
  /// After how many records each side goes on to its next key.
  public static let recordsAKey: UInt64 = 512

  static let headByteCount = 5
  static let innerByteCount = 16_384
  static let leastInnerByteCount = 64
  static let epochByteCount = 4
  static let leastWireByteCount = epochByteCount + leastInnerByteCount + AES256GCM.tagByteCount

  /// The longest record that renews the keys: an OFFER of suite 2.
  static let longestRatchetByteCount = epochByteCount + 8192 + AES256GCM.tagByteCount

  /// The length of the plaintext that holds a body of `count` bytes: the least 64·2^k; `nil` if there is none.
  static func innerByteCount(forBody count: Int) -> Int? {
    guard count <= bodyByteCount else { return nil }
    let least = max(leastInnerByteCount, headByteCount + count)
    return 1 << (Int.bitWidth - (least - 1).leadingZeroBitCount)
  }
}
