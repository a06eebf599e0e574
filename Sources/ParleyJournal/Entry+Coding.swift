import ParleyWire

extension Entry {
  /// The entry's bytes: see ``Entry``.
  public var encoded: [UInt8] {
    var bytes = [UInt8]()
    bytes.reserveCapacity(58 + peer.utf8.count + group.count + body.count)
    bytes.append(Self.version)
    bytes.appendBigEndian(sequence)
    bytes.appendBigEndian(time.rawValue)
    bytes.append(kind)
    bytes.appendLengthPrefixed(Array(peer.utf8))
    bytes.appendLengthPrefixed(group)
    bytes.append(contentsOf: previous.bytes)
    bytes.appendBigEndian(UInt32(body.count))
    bytes.append(contentsOf: body)
    return bytes
  }

  /// Reads an entry; every byte must belong to it.
  ///
  /// - Throws: ``JournalError/malformedEntry(_:)`` or ``JournalError/fieldTooLong(_:byteCount:)``.
  public init(decoding bytes: [UInt8]) throws(JournalError) {
    var reader = ByteReader(bytes.rawSpan)
    guard let version = reader.readUInt8() else { throw .malformedEntry(.truncated) }
    guard version == Self.version else { throw .malformedEntry(.version(version)) }
    guard let sequence = reader.readBigEndian(as: UInt64.self),
      let time = reader.readBigEndian(as: Int64.self),
      let kind = reader.readUInt8(),
      let peerBytes = reader.readLengthPrefixed(),
      let group = reader.readLengthPrefixed(),
      let previousBytes = reader.readBytes(count: Digest.byteCount),
      let previous = Digest(previousBytes),
      let bodyCount = reader.readBigEndian(as: UInt32.self)
    else { throw .malformedEntry(.truncated) }
    guard bodyCount <= UInt32(Limits.body) else { throw .fieldTooLong(.body, byteCount: Int(bodyCount)) }
    guard let body = reader.readBytes(count: Int(bodyCount)) else { throw .malformedEntry(.truncated) }
    guard reader.isAtEnd else { throw .malformedEntry(.trailingBytes(reader.remaining)) }
    guard let peer = String(validating: peerBytes, as: UTF8.self) else { throw .malformedEntry(.peerIsNotText) }
    try self.init(
      sequence: sequence, time: UnixNanoseconds(time), kind: kind, peer: peer, group: group, previous: previous,
      body: body)
  }
}
