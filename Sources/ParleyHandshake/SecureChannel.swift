public import ParleyCrypto
public import ParleyIdentity
import ParleyWire

/// Records between two sides that have proved who they are (sections 6 and 8).
///
/// One record is one binary WebSocket message. The channel owns no socket and no clock: ``seal(_:_:into:)`` gives bytes to
/// send, ``open(_:into:)`` takes bytes that came, and ``poll(now:randomness:into:)`` tells it the time, renews the keys and
/// says when the channel is too old. Any error that the peer causes erases the keys.
public struct SecureChannel: ~Copyable {
  /// A record that was opened.
  public struct OpenedRecord: Hashable, Sendable {
    /// What the record carries.
    public let type: RecordType
    /// Where the body is in the buffer it was opened into.
    public let body: Range<Int>
  }

  /// Bytes before the body in a buffer that ``seal(_:in:)`` makes a record of.
  public static let bodyOffset = RecordDirection.bodyOffset

  /// This side's role.
  public let role: Role
  /// Who the other side is: proved, and accepted by its counterpart.
  public let peer: PeerIdentity
  /// The handshake hash after message 3, a name for this session that both sides know and nobody else can cause.
  public let transcriptHash: [UInt8]
  /// A secret for other protocols to bind themselves to this session, 32 bytes.
  public let exporter: SecretBytes
  /// When keys are renewed, and what they may carry; set before the first record after the handshake.
  var limits: ChannelLimits {
    didSet {
      keys?.sending.limit(limits)
      keys?.receiving.limit(limits)
    }
  }

  // Optional, so that an error can erase the keys.
  var keys: Keys?
  let signer: any Signer
  /// What names this session in a later one, and proves it; set with the answer to message 3.
  var resumeID: [UInt8] = []
  let continuity: SecretBytes
  var resumption = Resumption.open
  var resumed: [StreamPosition]?
  /// The tokens that the responder gave with ACCEPT, 32 bytes each: one spares the initiator the work that a responder
  /// under load asks for, once.
  public internal(set) var priorityTokens: [[UInt8]] = []
  /// When this session, and the epochs of its two directions, began; `nil` before the first poll after that.
  var began = Beginnings()
  /// What earlier epochs have carried.
  var carried = ChannelCounters(sent: .none, received: .none)
  var hasSentClose = false
  /// Whether the peer has said that it sends no more.
  public private(set) var hasReceivedClose = false

  struct Keys: ~Copyable {
    var sending: RecordDirection
    var receiving: RecordDirection
    var ratchetSecret: SecretBytes
    var ratchet: Ratchet

    func haveCarriedEnough(_ limits: ChannelLimits) -> Bool {
      sending.hasCarried(limits) || receiving.hasCarried(limits)
    }
  }

  init(
    role: Role, peer: PeerIdentity, signer: any Signer, schedule: KeySchedule, limits: ChannelLimits = ChannelLimits()
  ) {
    self.role = role
    self.peer = peer
    self.signer = signer
    self.limits = limits
    transcriptHash = schedule.transcriptHash
    exporter = schedule.secret(.exporter)
    continuity = schedule.secret(.continuity)
    keys = Keys(
      sending: RecordDirection(sender: role, secret: schedule.trafficSecret(of: role), limits: limits),
      receiving: RecordDirection(sender: role.peer, secret: schedule.trafficSecret(of: role.peer), limits: limits),
      ratchetSecret: schedule.secret(.ratchet), ratchet: .idle)
  }

  /// How much each direction has carried; once an error has erased the keys, only what earlier epochs have.
  public var counters: ChannelCounters {
    withKeys { keys in
      ChannelCounters(
        sent: keys.sending.counters(after: carried.sent), received: keys.receiving.counters(after: carried.received))
    } ?? carried
  }

  /// What `body` makes of the keys; `nil` if an error has erased them.
  func withKeys<Result>(_ body: (borrowing Keys) -> Result) -> Result? {
    switch keys {
    case .some(let keys): body(keys)
    case nil: nil
    }
  }

  // MARK: Sending

  /// Appends one record to `output`.
  ///
  /// - Throws: ``HandshakeError/epochExhausted`` when the epoch has no room for it, ``HandshakeError/closed`` after
  ///   CLOSE and ``HandshakeError/ended`` after an error of the peer. The channel and `output` are unchanged then. CLOSE
  ///   itself always has room. An epoch without room has a successor soon, unless the peer is gone.
  /// - Precondition: `type` is `application` or `close`, a CLOSE record has no body, and a body has at most
  ///   ``RecordLimits/bodyByteCount`` bytes.
  public mutating func seal(
    _ type: RecordType, _ body: RawSpan, into output: inout [UInt8]
  ) throws(HandshakeError) {
    precondition(type == .application || type == .close, "the channel itself sends the others")
    precondition(type != .close || body.byteCount == 0, "CLOSE has no body")
    try sealAny(type, body, into: &output)
    if type == .close { hasSentClose = true }
  }

  /// Makes an application record of `buffer`, where it lies: ``bodyOffset`` bytes of any content, and then the body.
  ///
  /// Nothing is allocated if the buffer has the capacity for the record.
  ///
  /// - Throws: As ``seal(_:_:into:)``.
  /// - Precondition: The body has at most ``RecordLimits/bodyByteCount`` bytes.
  public mutating func seal(in buffer: inout [UInt8]) throws(HandshakeError) {
    guard !hasSentClose else { throw keys == nil ? .ended : .closed }
    let type = RecordType.application.rawValue
    guard try keys?.sending.seal(type: type, in: &buffer, from: 0, reserving: .renewal) != nil else { throw .ended }
  }

  /// One record by itself.
  ///
  /// Everything is as for ``seal(_:_:into:)``.
  public mutating func seal(_ type: RecordType, _ body: [UInt8] = []) throws(HandshakeError) -> [UInt8] {
    var output = [UInt8]()
    try seal(type, body.rawSpan, into: &output)
    return output
  }

  /// Notes what ACCEPT said.
  mutating func note(_ accept: AcceptBody) {
    resumeID = accept.resumeID
    priorityTokens = stride(from: 0, to: accept.priorityTokens.count, by: AcceptBody.priorityTokenByteCount).map {
      Array(accept.priorityTokens[$0..<$0 + AcceptBody.priorityTokenByteCount])
    }
  }

  /// Appends a record of any type.
  mutating func sealAny(_ type: RecordType, _ body: RawSpan, into output: inout [UInt8]) throws(HandshakeError) {
    guard keys != nil else { throw .ended }
    guard !hasSentClose else { throw .closed }
    try keys?.sending.seal(type: type.rawValue, body, reserving: type.reserve, into: &output)
  }

  // MARK: Receiving

  /// Opens the record that `buffer` is, where it lies.
  ///
  /// After a record of another type than `application` or `close` the driver polls.
  ///
  /// - Parameter buffer: The WebSocket message, whole; afterwards of no other use than for the body.
  /// - Returns: The record's type and where its body is.
  /// - Throws: Why the record ends the session; the keys are then erased, and the driver ends the connection.
  public mutating func open(in buffer: inout [UInt8]) throws(HandshakeError) -> OpenedRecord {
    guard !beginsNextEpoch(buffer) else { return try openDone(in: &buffer) }
    let record = try openAny(in: &buffer)
    guard record.type != RecordType.application.rawValue else {
      return OpenedRecord(type: .application, body: record.body)
    }
    return OpenedRecord(type: try receive(record.type, buffer.rawSpan.extracting(record.body)), body: record.body)
  }

  /// Opens one record.
  ///
  /// - Parameters:
  ///   - wire: The WebSocket message, whole.
  ///   - buffer: Where to decrypt; what it held goes, its capacity stays.
  /// - Returns: As ``open(in:)``.
  /// - Throws: As ``open(in:)``.
  public mutating func open(
    _ wire: RawSpan, into buffer: inout [UInt8]
  ) throws(HandshakeError) -> OpenedRecord {
    buffer.removeAll(keepingCapacity: true)
    buffer.append(contentsOf: wire)
    return try open(in: &buffer)
  }

  /// Opens one record and copies its body out.
  ///
  /// Everything is as for ``open(in:)``.
  public mutating func open(_ wire: [UInt8]) throws(HandshakeError) -> (type: RecordType, body: [UInt8]) {
    var buffer = wire
    let record = try open(in: &buffer)
    return (record.type, Array(buffer[record.body]))
  }

  /// Opens a record of any type.
  mutating func openAny(in buffer: inout [UInt8]) throws(HandshakeError) -> (type: UInt8, body: Range<Int>) {
    do throws(HandshakeError) {
      guard !hasReceivedClose else { throw keys == nil ? .ended : .recordAfterClose }
      guard let record = try keys?.receiving.open(in: &buffer) else { throw .ended }
      return record
    } catch {
      keys = nil
      throw error
    }
  }

  /// Takes what is not an application record.
  private mutating func receive(_ type: UInt8, _ body: RawSpan) throws(HandshakeError) -> RecordType {
    do throws(HandshakeError) {
      guard let type = RecordType(rawValue: type) else { throw .unexpectedRecordType(type) }
      switch type {
      case .close:
        guard body.byteCount == 0 else { throw .malformedRecord }
        hasReceivedClose = true
      case .offer: try receiveOffer(body)
      case .reply: try receiveReply(body)
      case .resume: try receiveResume(body)
      case .resumed: try receiveResumed(body)
      case .done, .application, .accept, .refuse: throw .unexpectedRecordType(type.rawValue)
      }
      return type
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

extension RecordType {
  /// What a sender keeps room for after a record of this type.
  var reserve: RecordDirection.Reserve {
    switch self {
    case .close, .refuse: .nothing
    case .offer, .reply: .close
    case .accept, .done, .resume, .resumed, .application: .renewal
    }
  }
}

extension DirectionCounters {
  /// Before the first record.
  static let none = DirectionCounters(
    epoch: KeySchedule.firstEpoch, epochRecords: 0, epochBytes: 0, records: 0, bytes: 0, keyUpdates: 0)
}

extension RecordDirection {
  /// What this epoch and those before it have carried.
  func counters(after earlier: DirectionCounters) -> DirectionCounters {
    DirectionCounters(
      epoch: epoch, epochRecords: sequence, epochBytes: byteCount, records: earlier.records + sequence,
      bytes: earlier.bytes + byteCount, keyUpdates: earlier.keyUpdates + keyUpdates)
  }
}
