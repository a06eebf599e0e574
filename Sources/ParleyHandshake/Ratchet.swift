import ParleyCrypto
import ParleyIdentity
import ParleyWire

/// Where the renewal of a channel's keys stands (section 8.1).
///
///     I   ┌──────┐ poll: OFFER ┌─────────┐ REPLY ┌──────────┐ poll: DONE ┌──────┐
///         │ idle │ ──────────▶ │ offered │ ────▶ │ owesDone │ ─────────▶ │ idle │
///         └──────┘             └─────────┘       └──────────┘            └──────┘
///     R   ┌──────┐ OFFER ┌───────────┐ poll: REPLY ┌──────────────┐ DONE ┌──────┐
///         │ idle │ ────▶ │ owesReply │ ──────────▶ │ awaitingDone │ ───▶ │ idle │
///         └──────┘       └───────────┘             └──────────────┘      └──────┘
///
/// The initiator's receiving keys change with REPLY, its sending keys with DONE; the responder's sending keys change with
/// REPLY, its receiving keys with DONE. What is replaced is erased.
enum Ratchet: ~Copyable {
  case idle
  case offered(Offered)
  /// With the initiator's sending keys of the next epoch.
  case owesDone(RecordDirection)
  case owesReply(OfferBody, encoded: [UInt8])
  /// With the responder's receiving keys of the next epoch.
  case awaitingDone(RecordDirection)

  /// The initiator's secrets behind an OFFER.
  struct Offered {
    let epoch: UInt32
    let e: X25519.PrivateKey
    let e1: MLKEM768.DecapsulationKey
    let encoded: [UInt8]
  }

  /// Whether something must be sent.
  var owes: Bool {
    switch self {
    case .owesDone: true
    case .owesReply: true
    case .idle: false
    case .offered: false
    case .awaitingDone: false
    }
  }

  var isIdle: Bool {
    switch self {
    case .idle: true
    case .offered: false
    case .owesDone: false
    case .owesReply: false
    case .awaitingDone: false
    }
  }

  var isAwaitingDone: Bool {
    switch self {
    case .awaitingDone: true
    case .idle: false
    case .offered: false
    case .owesDone: false
    case .owesReply: false
    }
  }

  /// Takes the state out, and leaves `idle`.
  mutating func take() -> Ratchet {
    var taken = Ratchet.idle
    swap(&taken, &self)
    return taken
  }
}

extension SecureChannel {
  /// What a poll led to.
  public enum Turn: Hashable, Sendable {
    /// Nothing; ``SecureChannel/deadline`` says when to ask again.
    case idle
    /// One record was appended, to be sent at once. There may be more: ask again.
    case record
    /// The epoch or the session is too old: the driver sends CLOSE and ends the connection.
    case overdue
  }

  /// When the session and the epochs of its directions began.
  struct Beginnings {
    var session: ContinuousClock.Instant?
    var sending: ContinuousClock.Instant?
    var receiving: ContinuousClock.Instant?

    mutating func fill(_ now: ContinuousClock.Instant) {
      session = session ?? now
      sending = sending ?? now
      receiving = receiving ?? now
    }
  }

  // MARK: Time

  /// Tells the time, and does what is due: renews the keys, step by step, or says that the channel is too old.
  ///
  /// Time begins with the first call, which therefore comes as soon as the channel is open.
  ///
  /// - Parameters:
  ///   - now: The time.
  ///   - randomness: Called when keys are made.
  ///   - output: Where a record is appended.
  /// - Returns: What the driver has to do.
  /// - Throws: Why the peer's OFFER ends the session; the keys are erased.
  public mutating func poll(
    now: ContinuousClock.Instant, randomness: () -> RatchetRandomness = { .system() }, into output: inout [UInt8]
  ) throws(HandshakeError) -> Turn {
    began.fill(now)
    guard keys != nil, !hasSentClose, !hasReceivedClose else { return .idle }
    guard !isOverdue(now) else { return .overdue }
    do throws(HandshakeError) {
      switch keys?.ratchet.take() {
      case .idle:
        guard isRenewalDue(now) else { return .idle }
        try offer(randomness(), into: &output)
      case .owesDone(let next):
        try sendDone(next, into: &output)
      case .owesReply(let offer, let encoded):
        try reply(to: offer, encoded, randomness(), into: &output)
      case .offered(let offered):
        keys?.ratchet = .offered(offered)
        return .idle
      case .awaitingDone(let next):
        keys?.ratchet = .awaitingDone(next)
        return .idle
      case nil:
        return .idle
      }
    } catch {
      keys = nil
      throw error
    }
    began.fill(now)
    return .record
  }

  /// Whether ``poll(now:randomness:into:)`` has something to do before ``deadline``.
  public var needsPoll: Bool {
    guard !hasSentClose, !hasReceivedClose else { return false }
    return withKeys { keys in
      began.sending == nil || began.receiving == nil || keys.ratchet.owes
        || role == .initiator && keys.ratchet.isIdle && keys.haveCarriedEnough(limits)
    } ?? false
  }

  /// When ``poll(now:randomness:into:)`` is due at the latest; `nil` before the first and after the end.
  public var deadline: ContinuousClock.Instant? {
    guard keys != nil, !hasSentClose, !hasReceivedClose, let session = began.session, let sending = began.sending,
      let receiving = began.receiving
    else { return nil }
    let end = min(session + limits.sessionAge, min(sending, receiving) + limits.epochAge)
    guard role == .initiator, withKeys({ $0.ratchet.isIdle }) == true else { return end }
    return min(end, sending + limits.renewalAge)
  }

  private func isOverdue(_ now: ContinuousClock.Instant) -> Bool {
    guard let session = began.session, let sending = began.sending, let receiving = began.receiving else {
      return false
    }
    return now >= session + limits.sessionAge || now >= min(sending, receiving) + limits.epochAge
  }

  private func isRenewalDue(_ now: ContinuousClock.Instant) -> Bool {
    guard role == .initiator, let sending = began.sending else { return false }
    return now >= sending + limits.renewalAge || withKeys { $0.haveCarriedEnough(limits) } == true
  }

  // MARK: The initiator

  private mutating func offer(_ randomness: RatchetRandomness, into output: inout [UInt8]) throws(HandshakeError) {
    guard let current = keys?.sending.epoch, current < .max else { throw .ended }
    let epoch = current + 1
    let e = X25519.PrivateKey(raw: randomness.ephemeralKey)
    let e1 = MLKEM768.DecapsulationKey(seed: randomness.kemSeed)
    let message = statement.offer(epoch: epoch, e: e.publicKey, e1: e1.encapsulationKey)
    let body = OfferBody(
      epoch: epoch, e: e.publicKey, e1: e1.encapsulationKey,
      signature: signer.sign(message, context: IdentityStatement.context)
    ).encoded
    try sealAny(.offer, body.rawSpan, into: &output)
    keys?.ratchet = .offered(Ratchet.Offered(epoch: epoch, e: e, e1: e1, encoded: body))
  }

  mutating func receiveReply(_ body: RawSpan) throws(HandshakeError) {
    guard case .offered(let offered) = keys?.ratchet.take() else {
      throw .unexpectedRecordType(RecordType.reply.rawValue)
    }
    let reply = try ReplyBody(body)
    guard reply.epoch == offered.epoch else { throw .malformedRatchet }
    try verify(
      reply.signature,
      statement.reply(epoch: reply.epoch, to: offered.encoded, e: reply.e, ciphertext: reply.ciphertext))
    guard reply.e != offered.e.publicKey else { throw .reflectedKey }
    guard let shared = try? offered.e1.decapsulate(reply.ciphertext) else { throw .malformedRatchet }
    let schedule = try schedule(
      of: reply.epoch, SecretBytes(joining: shared, agree(offered.e, reply.e)),
      exchange: offered.encoded + reply.encoded)
    replaceReceiving(direction(from: role.peer, schedule))
    let next = direction(from: role, schedule)
    keys?.ratchet = .owesDone(next)
  }

  private mutating func sendDone(
    _ next: consuming RecordDirection, into output: inout [UInt8]
  ) throws(HandshakeError) {
    var body = [UInt8]()
    body.appendBigEndian(next.epoch)
    replaceSending(next)
    try sealAny(.done, body.rawSpan, into: &output)
  }

  // MARK: The responder

  mutating func receiveOffer(_ body: RawSpan) throws(HandshakeError) {
    guard role == .responder, keys?.ratchet.isIdle == true, let current = keys?.sending.epoch, current < .max else {
      throw .unexpectedRecordType(RecordType.offer.rawValue)
    }
    let offer = try OfferBody(body)
    guard offer.epoch == current + 1 else { throw .malformedRatchet }
    try verify(offer.signature, statement.offer(epoch: offer.epoch, e: offer.e, e1: offer.e1))
    keys?.ratchet = .owesReply(offer, encoded: Array(body))
  }

  private mutating func reply(
    to offer: OfferBody, _ encoded: [UInt8], _ randomness: RatchetRandomness, into output: inout [UInt8]
  ) throws(HandshakeError) {
    let e = X25519.PrivateKey(raw: randomness.ephemeralKey)
    guard offer.e != e.publicKey else { throw .reflectedKey }
    let agreed = try agree(e, offer.e)
    guard let kem = try? MLKEM768.encapsulate(to: offer.e1, randomness: randomness.kemMessage) else {
      throw .invalidEncapsulationKey
    }
    let message = statement.reply(
      epoch: offer.epoch, to: encoded, e: e.publicKey, ciphertext: kem.ciphertext)
    let body = ReplyBody(
      epoch: offer.epoch, e: e.publicKey, ciphertext: kem.ciphertext,
      signature: signer.sign(message, context: IdentityStatement.context)
    ).encoded
    try sealAny(.reply, body.rawSpan, into: &output)
    let schedule = try schedule(
      of: offer.epoch, SecretBytes(joining: kem.sharedSecret, agreed), exchange: encoded + body)
    replaceSending(direction(from: role, schedule))
    let next = direction(from: role.peer, schedule)
    keys?.ratchet = .awaitingDone(next)
  }

  /// Whether a record is the first of the epoch that the responder waits for.
  func beginsNextEpoch(_ record: [UInt8]) -> Bool {
    withKeys { keys in
      keys.ratchet.isAwaitingDone && RecordDirection.epoch(of: record) != keys.receiving.epoch
    } ?? false
  }

  /// Opens the initiator's first record of the next epoch, which is DONE or ends the session.
  ///
  /// The keys of the epoch before are erased first.
  mutating func openDone(in buffer: inout [UInt8]) throws(HandshakeError) -> OpenedRecord {
    if case .awaitingDone(let next) = keys?.ratchet.take() { replaceReceiving(next) }
    let record = try openAny(in: &buffer)
    var reader = ByteReader(buffer.rawSpan.extracting(record.body))
    guard record.type == RecordType.done.rawValue else {
      keys = nil
      throw .unexpectedRecordType(record.type)
    }
    guard let epoch = reader.readBigEndian(as: UInt32.self), reader.isAtEnd, epoch == keys?.receiving.epoch else {
      keys = nil
      throw .malformedRatchet
    }
    return OpenedRecord(type: .done, body: record.body)
  }

  // MARK: Both

  private var statement: RatchetStatement {
    switch role {
    case .initiator:
      RatchetStatement(transcriptHash: transcriptHash, initiator: signer.identity.did, responder: peer.did)
    case .responder:
      RatchetStatement(transcriptHash: transcriptHash, initiator: peer.did, responder: signer.identity.did)
    }
  }

  private func agree(_ key: X25519.PrivateKey, _ publicKey: [UInt8]) throws(HandshakeError) -> SecretBytes {
    do throws(CryptoError) {
      return try key.sharedSecret(with: publicKey)
    } catch {
      throw .zeroSharedSecret
    }
  }

  private func verify(_ signature: IdentitySignature, _ message: [UInt8]) throws(HandshakeError) {
    guard signature.suite == peer.suite else { throw .wrongSuite(found: signature.suite.rawValue) }
    guard peer.isValid(signature, for: message, context: IdentityStatement.context) else { throw .invalidSignature }
  }

  /// The schedule of the next epoch; the secret it comes from is replaced by the one after it.
  private mutating func schedule(
    of epoch: UInt32, _ agreed: SecretBytes, exchange: [UInt8]
  ) throws(HandshakeError) -> KeySchedule {
    guard let ratchet = keys?.ratchetSecret else { throw .ended }
    let schedule = KeySchedule(
      transcriptHash: transcriptHash, epoch: epoch, ratchet: ratchet, agreed: agreed, exchange: SHA256.hash(exchange))
    keys?.ratchetSecret = schedule.secret(.ratchet)
    return schedule
  }

  private func direction(from sender: Role, _ schedule: KeySchedule) -> RecordDirection {
    RecordDirection(
      sender: sender, epoch: schedule.epoch, secret: schedule.trafficSecret(of: sender), limits: limits)
  }

  private mutating func replaceSending(_ direction: consuming RecordDirection) {
    carried.sent = counters.sent
    keys?.sending = direction
    began.sending = nil
  }

  private mutating func replaceReceiving(_ direction: consuming RecordDirection) {
    carried.received = counters.received
    keys?.receiving = direction
    began.receiving = nil
  }
}
