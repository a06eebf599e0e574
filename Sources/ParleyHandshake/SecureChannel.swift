public import ParleyCrypto
public import ParleyIdentity
import ParleyWire

/// Records between two sides that have proved who they are (section 6).
///
/// One record is one binary WebSocket message. The channel owns no socket: ``seal(_:_:into:)`` gives bytes to send and
/// ``open(_:into:)`` takes bytes that came. Any error that the peer causes erases the keys.
public struct SecureChannel: ~Copyable {
  /// A record that was opened.
  public struct OpenedRecord: Hashable, Sendable {
    /// What the record carries.
    public let type: RecordType
    /// Where the body is in the buffer it was opened into.
    public let body: Range<Int>
  }

  /// This side's role.
  public let role: Role
  /// Who the other side is: proved, and accepted by its counterpart.
  public let peer: PeerIdentity
  /// The handshake hash after message 3, a name for this session that both sides know and nobody else can cause.
  public let transcriptHash: [UInt8]
  /// A secret for other protocols to bind themselves to this session, 32 bytes.
  public let exporter: SecretBytes

  // Optional, so that an error can erase the keys.
  private var keys: Keys?
  private var hasSentClose = false
  /// Whether the peer has said that it sends no more.
  public private(set) var hasReceivedClose = false

  private struct Keys: ~Copyable {
    var sending: RecordDirection
    var receiving: RecordDirection
  }

  init(role: Role, peer: PeerIdentity, schedule: KeySchedule) {
    self.role = role
    self.peer = peer
    transcriptHash = schedule.transcriptHash
    exporter = schedule.secret(.exporter)
    keys = Keys(
      sending: RecordDirection(sender: role, secret: schedule.trafficSecret(of: role)),
      receiving: RecordDirection(sender: role.peer, secret: schedule.trafficSecret(of: role.peer)))
  }

  // MARK: Sending

  /// Appends one record to `output`.
  ///
  /// - Throws: ``HandshakeError/epochExhausted`` when the epoch has no room for it, ``HandshakeError/closed`` after
  ///   CLOSE and ``HandshakeError/ended`` after an error of the peer. The channel and `output` are unchanged then. CLOSE
  ///   itself always has room.
  /// - Precondition: `type` is `application` or `close`, a CLOSE record has no body, and a body has at most
  ///   ``RecordLimits/bodyByteCount`` bytes.
  public mutating func seal(
    _ type: RecordType, _ body: RawSpan, into output: inout [UInt8]
  ) throws(HandshakeError) {
    switch type {
    case .application: break
    case .close: precondition(body.byteCount == 0, "CLOSE has no body")
    case .accept, .refuse: preconditionFailure("the handshake alone answers")
    }
    try sealAny(type, body, into: &output)
    if type == .close { hasSentClose = true }
  }

  /// One record by itself.
  ///
  /// Everything is as for ``seal(_:_:into:)``.
  public mutating func seal(_ type: RecordType, _ body: [UInt8] = []) throws(HandshakeError) -> [UInt8] {
    var output = [UInt8]()
    try seal(type, body.rawSpan, into: &output)
    return output
  }

  /// Appends a record of any type.
  mutating func sealAny(_ type: RecordType, _ body: RawSpan, into output: inout [UInt8]) throws(HandshakeError) {
    guard keys != nil else { throw .ended }
    guard !hasSentClose else { throw .closed }
    try keys?.sending.seal(type: type.rawValue, body, reservesClose: type != .close, into: &output)
  }

  // MARK: Receiving

  /// Opens one record.
  ///
  /// - Parameters:
  ///   - wire: The WebSocket message, whole.
  ///   - buffer: Where to decrypt; what it held goes, its capacity stays.
  /// - Returns: The record's type, `application` or `close`, and where its body is.
  /// - Throws: Why the record ends the session; the keys are then erased, and the driver ends the connection.
  public mutating func open(
    _ wire: RawSpan, into buffer: inout [UInt8]
  ) throws(HandshakeError) -> OpenedRecord {
    let record = try openAny(wire, into: &buffer)
    switch RecordType(rawValue: record.type) {
    case .application:
      return OpenedRecord(type: .application, body: record.body)
    case .close where record.body.isEmpty:
      hasReceivedClose = true
      return OpenedRecord(type: .close, body: record.body)
    case .close:
      keys = nil
      throw .malformedRecord
    case .accept, .refuse, nil:
      keys = nil
      throw .unexpectedRecordType(record.type)
    }
  }

  /// Opens one record and copies its body out.
  ///
  /// Everything is as for ``open(_:into:)``.
  public mutating func open(_ wire: [UInt8]) throws(HandshakeError) -> (type: RecordType, body: [UInt8]) {
    var buffer = [UInt8]()
    let record = try open(wire.rawSpan, into: &buffer)
    return (record.type, Array(buffer[record.body]))
  }

  /// Opens a record of any type.
  mutating func openAny(
    _ wire: RawSpan, into buffer: inout [UInt8]
  ) throws(HandshakeError) -> (type: UInt8, body: Range<Int>) {
    do throws(HandshakeError) {
      guard keys != nil else { throw .ended }
      guard !hasReceivedClose else { throw .recordAfterClose }
      guard let record = try keys?.receiving.open(wire, into: &buffer) else { throw .ended }
      return record
    } catch {
      keys = nil
      throw error
    }
  }

  /// Tells the channel that the connection is gone, and erases the keys.
  ///
  /// - Throws: ``HandshakeError/truncated`` unless the peer's CLOSE had come or an error had ended the channel before.
  public mutating func connectionEnded() throws(HandshakeError) {
    let wasOpen = keys != nil
    keys = nil
    if wasOpen && !hasReceivedClose { throw .truncated }
  }
}
