import ParleyCrypto
import ParleyWire

/// One direction of the record layer in one epoch: a key, the count of records, and what both sides know of the next one.
struct RecordDirection: ~Copyable {
  /// What a record must leave room for in its epoch.
  enum Reserve {
    /// Nothing: CLOSE is the last record.
    case nothing
    /// A CLOSE after a record that renews the keys.
    case close
    /// A record that renews the keys, and a CLOSE.
    case renewal

    var records: UInt64 {
      switch self {
      case .nothing: 0
      case .close: 1
      case .renewal: 2
      }
    }

    var byteCount: UInt64 {
      switch self {
      case .nothing: 0
      case .close: UInt64(RecordLimits.leastWireByteCount)
      case .renewal: UInt64(RecordLimits.leastWireByteCount + RecordLimits.longestRatchetByteCount)
      }
    }
  }

  /// Where the body lies in a record.
  static let bodyOffset = RecordLimits.epochByteCount + RecordLimits.headByteCount

  let epoch: UInt32
  private var key: TrafficKey
  /// Records of this epoch so far.
  private(set) var sequence: UInt64 = 0
  /// Bytes of the records of this epoch so far.
  private(set) var byteCount: UInt64 = 0
  private var recordLimit: UInt64
  private var byteLimit: UInt64
  /// `epoch ‖ direction ‖ sequence` of the next record.
  private var additionalData = InlineArray<13, UInt8>(repeating: 0)

  init(sender: Role, epoch: UInt32 = KeySchedule.firstEpoch, secret: SecretBytes, limits: ChannelLimits = .init()) {
    self.epoch = epoch
    key = TrafficKey(secret: secret)
    recordLimit = limits.epochRecords
    byteLimit = limits.epochBytes
    for index in 0..<4 { additionalData[index] = UInt8(truncatingIfNeeded: epoch >> UInt32(24 - 8 * index)) }
    additionalData[4] = sender.rawValue
  }

  /// Replaces the limits.
  mutating func limit(_ limits: ChannelLimits) {
    recordLimit = limits.epochRecords
    byteLimit = limits.epochBytes
  }

  /// Whether the epoch has carried so much that its successor is due.
  func hasCarried(_ limits: ChannelLimits) -> Bool {
    sequence >= limits.renewalRecords || byteCount >= limits.renewalBytes
  }

  /// How often the key has moved on.
  var keyUpdates: UInt64 { sequence / RecordLimits.recordsAKey }

  private func hasRoom(for wireByteCount: Int, reserving reserve: Reserve) -> Bool {
    sequence + reserve.records < recordLimit && byteCount + UInt64(wireByteCount) + reserve.byteCount <= byteLimit
  }

  // MARK: Sealing

  /// Appends one record to `output`.
  ///
  /// - Throws: ``HandshakeError/epochExhausted``. Nothing has changed then.
  /// - Precondition: `body` has at most ``RecordLimits/bodyByteCount`` bytes.
  mutating func seal(
    type: UInt8, _ body: RawSpan, reserving reserve: Reserve, into output: inout [UInt8]
  ) throws(HandshakeError) {
    let start = output.count
    if start == 0 {
      let innerByteCount = RecordLimits.innerByteCount(forBody: body.byteCount) ?? 0
      output.reserveCapacity(RecordLimits.epochByteCount + innerByteCount + AES256GCM.tagByteCount)
    }
    output.append(contentsOf: Self.zeros.rawSpan.extracting(0..<Self.bodyOffset))
    output.append(contentsOf: body)
    do throws(HandshakeError) {
      try seal(type: type, in: &output, from: start, reserving: reserve)
    } catch {
      output.removeLast(output.count - start)
      throw error
    }
  }

  /// Makes a record of the bytes of `buffer` from `start` on: ``bodyOffset`` of any content, then the body.
  ///
  /// - Throws: ``HandshakeError/epochExhausted``. Nothing has changed then.
  /// - Precondition: The body has at most ``RecordLimits/bodyByteCount`` bytes.
  mutating func seal(
    type: UInt8, in buffer: inout [UInt8], from start: Int, reserving reserve: Reserve
  ) throws(HandshakeError) {
    let bodyByteCount = buffer.count - start - Self.bodyOffset
    precondition(bodyByteCount >= 0, "a record begins with room for its head")
    guard let innerByteCount = RecordLimits.innerByteCount(forBody: bodyByteCount) else {
      preconditionFailure("a record's body has at most \(RecordLimits.bodyByteCount) bytes")
    }
    let wireByteCount = RecordLimits.epochByteCount + innerByteCount + AES256GCM.tagByteCount
    guard hasRoom(for: wireByteCount, reserving: reserve) else { throw .epochExhausted }
    Self.write(epoch, to: &buffer, at: start)
    buffer[start + RecordLimits.epochByteCount] = type
    Self.write(UInt32(truncatingIfNeeded: bodyByteCount), to: &buffer, at: start + RecordLimits.epochByteCount + 1)
    buffer.append(contentsOf: Self.zeros.rawSpan.extracting(0..<(start + wireByteCount - buffer.count)))
    let text = start + RecordLimits.epochByteCount..<start + RecordLimits.epochByteCount + innerByteCount
    let nonce = key.iv.masked(by: sequence)
    let data = additionalData
    key.cipher.seal(&buffer, text, nonce: nonce, additionalData: data.rawSpan)
    advance(by: wireByteCount)
  }

  // MARK: Opening

  /// Opens the record that `buffer` is, where it lies, and checks its form.
  ///
  /// - Returns: The record's type, and where in `buffer` its body is.
  mutating func open(in buffer: inout [UInt8]) throws(HandshakeError) -> (type: UInt8, body: Range<Int>) {
    let innerByteCount = buffer.count - RecordLimits.epochByteCount - AES256GCM.tagByteCount
    guard innerByteCount >= RecordLimits.leastInnerByteCount, innerByteCount <= RecordLimits.innerByteCount,
      innerByteCount & (innerByteCount - 1) == 0
    else { throw .wrongRecordLength(buffer.count) }
    let found = Self.epoch(of: buffer)
    guard found == epoch else { throw .unexpectedEpoch(found) }
    guard hasRoom(for: buffer.count, reserving: .nothing) else { throw .epochExhausted }
    let text = RecordLimits.epochByteCount..<RecordLimits.epochByteCount + innerByteCount
    let nonce = key.iv.masked(by: sequence)
    let data = additionalData
    do throws(CryptoError) {
      try key.cipher.open(&buffer, text, nonce: nonce, additionalData: data.rawSpan)
    } catch {
      throw .recordDecryptionFailed
    }
    advance(by: buffer.count)
    return try Self.parse(buffer, text)
  }

  /// The parts of a record's plaintext, which is at `inner`.
  private static func parse(
    _ buffer: [UInt8], _ inner: Range<Int>
  ) throws(HandshakeError) -> (type: UInt8, body: Range<Int>) {
    var reader = ByteReader(buffer.rawSpan.extracting(inner))
    guard let type = reader.readUInt8(), let length = reader.readBigEndian(as: UInt32.self),
      length <= UInt32(RecordLimits.bodyByteCount)
    else { throw .malformedRecord }
    let body = bodyOffset..<bodyOffset + Int(length)
    guard RecordLimits.innerByteCount(forBody: body.count) == inner.count,
      ConstantTime.isZero(buffer.rawSpan.extracting(body.upperBound..<inner.upperBound))
    else { throw .malformedRecord }
    return (type, body)
  }

  /// The epoch that a record names; 0 if it is too short to name one.
  static func epoch(of record: [UInt8]) -> UInt32 {
    var reader = ByteReader(record.rawSpan)
    return reader.readBigEndian(as: UInt32.self) ?? 0
  }

  // MARK: Counting

  /// What padding is copied from.
  private static let zeros = [UInt8](repeating: 0, count: RecordLimits.innerByteCount)

  private static func write(_ value: UInt32, to buffer: inout [UInt8], at offset: Int) {
    for index in 0..<4 { buffer[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * index)) }
  }

  private mutating func advance(by wireByteCount: Int) {
    sequence += 1
    for index in 0..<8 {
      additionalData[5 + index] = UInt8(truncatingIfNeeded: sequence >> UInt64(56 - 8 * index))
    }
    byteCount += UInt64(wireByteCount)
    if sequence.isMultiple(of: RecordLimits.recordsAKey) { key.update() }
  }
}
