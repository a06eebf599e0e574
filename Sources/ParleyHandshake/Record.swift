import ParleyCrypto
import ParleyWire

/// What a record carries.
public enum RecordType: UInt8, Hashable, Sendable {
  /// The responder's yes: the first record of a session.
  case accept = 1
  /// The responder's no, in place of ACCEPT.
  case refuse = 2
  /// The sender's last record.
  case close = 3
  /// Bytes of the stream of messages.
  case application = 16
}

/// The limits of the record layer (section 6).
public enum RecordLimits {
  /// The longest body of a record, in bytes.
  public static let bodyByteCount = innerByteCount - headByteCount
  /// The longest record, in bytes: what one WebSocket message may have after the handshake.
  public static let wireByteCount = epochByteCount + innerByteCount + AES256GCM.tagByteCount
  /// How many records one side may send in an epoch.
  public static let recordsAnEpoch: UInt64 = 1 << 16
  /// How many bytes of records one side may send in an epoch.
  public static let bytesAnEpoch: UInt64 = 256 << 20
  /// After how many records each side goes on to its next key.
  public static let recordsAKey: UInt64 = 512

  static let headByteCount = 5
  static let innerByteCount = 16_384
  static let leastInnerByteCount = 64
  static let epochByteCount = 4
  static let leastWireByteCount = epochByteCount + leastInnerByteCount + AES256GCM.tagByteCount

  /// The length of the plaintext that holds a body of `count` bytes: the least 64·2^k; `nil` if there is none.
  static func innerByteCount(forBody count: Int) -> Int? {
    guard count <= bodyByteCount else { return nil }
    var size = leastInnerByteCount
    while size < headByteCount + count { size *= 2 }
    return size
  }
}

/// One direction of the record layer: a key, the count of records, and what both sides know of the next one.
struct RecordDirection: ~Copyable {
  private var key: TrafficKey
  private var sequence: UInt64 = 0
  private var byteCount: UInt64 = 0
  /// `epoch ‖ direction ‖ sequence` of the next record.
  private var additionalData: [UInt8]

  init(sender: Role, secret: SecretBytes) {
    key = TrafficKey(secret: secret)
    additionalData = []
    additionalData.appendBigEndian(KeySchedule.epoch)
    additionalData.append(sender.rawValue)
    additionalData.appendBigEndian(sequence)
  }

  /// Whether the epoch has room for a record of `wireByteCount` bytes, and for a CLOSE record after it if that is to
  /// be reserved.
  private func hasRoom(for wireByteCount: Int, reservesClose: Bool) -> Bool {
    let reserved = reservesClose ? RecordLimits.leastWireByteCount : 0
    return sequence + (reservesClose ? 1 : 0) < RecordLimits.recordsAnEpoch
      && byteCount + UInt64(wireByteCount + reserved) <= RecordLimits.bytesAnEpoch
  }

  /// Appends one record to `output`.
  ///
  /// - Throws: ``HandshakeError/epochExhausted``. Nothing has changed then.
  /// - Precondition: `body` has at most ``RecordLimits/bodyByteCount`` bytes.
  mutating func seal(
    type: UInt8, _ body: RawSpan, reservesClose: Bool, into output: inout [UInt8]
  ) throws(HandshakeError) {
    guard let innerByteCount = RecordLimits.innerByteCount(forBody: body.byteCount) else {
      preconditionFailure("a record's body has at most \(RecordLimits.bodyByteCount) bytes")
    }
    let wireByteCount = RecordLimits.epochByteCount + innerByteCount + AES256GCM.tagByteCount
    guard hasRoom(for: wireByteCount, reservesClose: reservesClose) else { throw .epochExhausted }
    if output.isEmpty { output.reserveCapacity(wireByteCount) }
    output.appendBigEndian(KeySchedule.epoch)
    let start = output.count
    output.append(type)
    output.appendBigEndian(UInt32(body.byteCount))
    output.append(contentsOf: body)
    let padding = innerByteCount - RecordLimits.headByteCount - body.byteCount
    output.append(contentsOf: Self.zeros.rawSpan.extracting(0..<padding))
    let nonce = key.iv.masked(by: sequence)
    let data = additionalData
    key.cipher.seal(&output, from: start, nonce: nonce, additionalData: data.rawSpan)
    advance(by: wireByteCount)
  }

  /// Opens one record into `buffer`, whose old content goes, and checks its form.
  ///
  /// - Returns: The record's type, and where in `buffer` its body is.
  mutating func open(
    _ wire: RawSpan, into buffer: inout [UInt8]
  ) throws(HandshakeError) -> (type: UInt8, body: Range<Int>) {
    let innerByteCount = wire.byteCount - RecordLimits.epochByteCount - AES256GCM.tagByteCount
    guard innerByteCount >= RecordLimits.leastInnerByteCount, innerByteCount <= RecordLimits.innerByteCount,
      innerByteCount.nonzeroBitCount == 1
    else { throw .wrongRecordLength(wire.byteCount) }
    var reader = ByteReader(wire)
    guard let epoch = reader.readBigEndian(as: UInt32.self), epoch == KeySchedule.epoch else {
      throw .unexpectedEpoch(ByteReader.epoch(of: wire))
    }
    guard hasRoom(for: wire.byteCount, reservesClose: false) else { throw .epochExhausted }
    buffer.removeAll(keepingCapacity: true)
    let nonce = key.iv.masked(by: sequence)
    let data = additionalData
    do throws(CryptoError) {
      try key.cipher.open(
        wire.extracting(droppingFirst: RecordLimits.epochByteCount), nonce: nonce,
        additionalData: data.rawSpan, appendingTo: &buffer)
    } catch {
      throw .recordDecryptionFailed
    }
    advance(by: wire.byteCount)
    return try Self.parse(buffer)
  }

  /// The parts of a record's plaintext.
  private static func parse(_ inner: [UInt8]) throws(HandshakeError) -> (type: UInt8, body: Range<Int>) {
    var reader = ByteReader(inner.rawSpan)
    guard let type = reader.readUInt8(), let length = reader.readBigEndian(as: UInt32.self),
      length <= UInt32(RecordLimits.bodyByteCount)
    else { throw .malformedRecord }
    let end = RecordLimits.headByteCount + Int(length)
    guard RecordLimits.innerByteCount(forBody: Int(length)) == inner.count,
      ConstantTime.isZero(inner.rawSpan.extracting(end..<inner.count))
    else { throw .malformedRecord }
    return (type, RecordLimits.headByteCount..<end)
  }

  /// What padding is copied from.
  private static let zeros = [UInt8](repeating: 0, count: RecordLimits.innerByteCount)

  private mutating func advance(by wireByteCount: Int) {
    sequence += 1
    for index in 0..<8 {
      additionalData[5 + index] = UInt8(truncatingIfNeeded: sequence >> UInt64(56 - 8 * index))
    }
    byteCount += UInt64(wireByteCount)
    if sequence.isMultiple(of: RecordLimits.recordsAKey) { key.update() }
  }
}

extension ByteReader {
  fileprivate static func epoch(of wire: RawSpan) -> UInt32 {
    var reader = ByteReader(wire)
    return reader.readBigEndian(as: UInt32.self) ?? 0
  }
}
