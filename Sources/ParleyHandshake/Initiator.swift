public import ParleyCrypto
public import ParleyIdentity
import ParleyWire

/// The side that dials, from message 1 to the responder's answer (sections 1 to 4).
///
/// A sans-IO machine: the driver sends what the methods return and passes in what comes.
///
///     ┌─────────────────┐ begin ┌──────────────────┐ receiveMessage2 ┌────────────────┐ receiveAccept ┌─────────────┐
///     │ awaitingUpgrade │ ────▶ │ awaitingMessage2 │ ──────────────▶ │ awaitingAccept │ ────────────▶ │ established │
///     └─────────────────┘       └──────────────────┘                 └────────────────┘               └─────────────┘
///                    receiveRetry │      ▲ resend
///                                 ▼      │
///                               ┌──────────────┐
///                               │ awaitingWork │
///                               └──────────────┘
///
/// An error leads to `ended`, where no key is left. The driver closes at once then, whatever the error.
public struct Initiator: ~Copyable {
  /// Message 1, to go into the upgrade request (``HandshakeHeader``), or be sent as the first WebSocket message where
  /// the field did not get through.
  public let message1: [UInt8]

  private var state: State

  /// Prepares message 1.
  ///
  /// - Parameters:
  ///   - signer: This side's identity.
  ///   - responder: The side that is dialled, resolved beforehand.
  ///   - staticKey: This side's static key, which a process may keep for up to 24 hours.
  ///   - priorityToken: One of ``SecureChannel/priorityTokens`` of an earlier session with this responder; each once.
  ///   - randomness: Of this handshake alone.
  public init(
    signer: any Signer, responder: PeerIdentity, staticKey: X25519.PrivateKey = X25519.PrivateKey(),
    priorityToken: [UInt8]? = nil, randomness: HandshakeRandomness = .system()
  ) {
    self.init(
      parties: Parties(
        signer: signer, ownDocumentHash: signer.identity.documentHash, responder: responder,
        responderDocumentHash: responder.documentHash),
      staticKey: staticKey, priorityToken: priorityToken, randomness: randomness)
  }

  init(
    parties: Parties, staticKey: X25519.PrivateKey, priorityToken: [UInt8]? = nil, randomness: HandshakeRandomness
  ) {
    let e = X25519.PrivateKey(raw: randomness.ephemeralKey)
    let e1 = MLKEM768.DecapsulationKey(seed: randomness.kemSeed)
    let message1 = Message1(
      e: e.publicKey, e1: e1.encapsulationKey, to: parties.responder.did, token: priorityToken)
    self.message1 = message1.bytes
    state = .awaitingUpgrade(
      AwaitingUpgrade(parties: parties, s: staticKey, e: e, e1: e1, message1: message1))
  }

  /// Tells what the connection is bound to, once the responder has switched protocols.
  ///
  /// - Precondition: It is called once, before any other method.
  public mutating func begin(prologue: Prologue) {
    state.begin(prologue)
  }

  /// Takes message 2 and checks everything about the responder.
  ///
  /// - Returns: Message 3, to send.
  /// - Throws: Why the handshake has ended.
  /// - Precondition: ``begin(prologue:)`` was called.
  public mutating func receiveMessage2(_ message: [UInt8]) throws(HandshakeError) -> [UInt8] {
    try state.receiveMessage2(message)
  }

  /// Takes RETRY, which a responder under load sends in place of message 2: ``Retry/byteCount`` bytes.
  ///
  /// - Parameters:
  ///   - message: What came.
  ///   - randomness: Of the next message 1 alone.
  /// - Returns: How long to wait, and the work to do before ``resend(work:)``.
  /// - Throws: Why the handshake has ended: RETRY asks for too much, or for the third time.
  /// - Precondition: ``begin(prologue:)`` was called.
  public mutating func receiveRetry(
    _ message: [UInt8], randomness: HandshakeRandomness = .system()
  ) throws(HandshakeError) -> (delay: Duration, work: ProofOfWork) {
    try state.receiveRetry(message, randomness)
  }

  /// Writes the next message 1, to be sent as a WebSocket message.
  ///
  /// - Parameter work: What the ``ProofOfWork`` found.
  /// - Returns: Message 1, with keys of its own.
  /// - Precondition: ``receiveRetry(_:randomness:)`` has returned.
  public mutating func resend(work: UInt64) -> [UInt8] { state.resend(work) }

  /// Takes the responder's answer, the first record.
  ///
  /// The session is open when this returns.
  ///
  /// - Throws: ``HandshakeError/refused(_:)`` when the answer is a no, else why the handshake has ended.
  public mutating func receiveAccept(_ record: [UInt8]) throws(HandshakeError) {
    try state.receiveAccept(record)
  }

  /// Ends the handshake and gives the channel.
  ///
  /// - Parameter limits: What both sides hold the channel to.
  /// - Returns: The channel; poll it next, for its time to begin.
  /// - Precondition: ``receiveAccept(_:)`` has returned.
  public consuming func split(limits: ChannelLimits = ChannelLimits()) -> SecureChannel {
    var channel = state.split()
    channel.limits = limits
    return channel
  }

  /// Who takes part.
  struct Parties {
    var signer: any Signer
    /// What stands for the signer's document.
    var ownDocumentHash: [UInt8]
    var responder: PeerIdentity
    /// What stands for the responder's document.
    var responderDocumentHash: [UInt8]
  }
}

extension Initiator {
  // Not private: a release build of another module that holds this type needs the names of what it destroys.
  enum State: ~Copyable {
    case awaitingUpgrade(AwaitingUpgrade)
    case awaitingMessage2(AwaitingMessage2)
    case awaitingWork(AwaitingWork)
    case awaitingAccept(AwaitingAccept)
    case established(SecureChannel)
    case ended

    mutating func begin(_ prologue: Prologue) {
      switch consume self {
      case .awaitingUpgrade(let upgrade):
        self = .awaitingMessage2(upgrade.begin(prologue))
      case .awaitingMessage2:
        preconditionFailure("the prologue comes first, and once")
      case .awaitingWork:
        preconditionFailure("the prologue comes first, and once")
      case .awaitingAccept:
        preconditionFailure("the prologue comes first, and once")
      case .established:
        preconditionFailure("the prologue comes first, and once")
      case .ended:
        preconditionFailure("the prologue comes first, and once")
      }
    }

    mutating func receiveMessage2(_ message: [UInt8]) throws(HandshakeError) -> [UInt8] {
      switch consume self {
      case .awaitingUpgrade:
        preconditionFailure("begin(prologue:) comes before message 2")
      case .awaitingMessage2(let awaiting):
        self = .ended
        let next = try awaiting.receive(message)
        let message3 = next.message3
        self = .awaitingAccept(next)
        return message3
      case .awaitingWork:
        self = .ended
        throw .unexpectedMessage
      case .awaitingAccept:
        self = .ended
        throw .unexpectedMessage
      case .established:
        self = .ended
        throw .unexpectedMessage
      case .ended:
        self = .ended
        throw .ended
      }
    }

    mutating func receiveRetry(
      _ message: [UInt8], _ randomness: HandshakeRandomness
    ) throws(HandshakeError) -> (delay: Duration, work: ProofOfWork) {
      switch consume self {
      case .awaitingMessage2(let awaiting):
        self = .ended
        let next = try awaiting.receiveRetry(message, randomness)
        let task = (next.retry.delay, next.task)
        self = .awaitingWork(next)
        return task
      case .awaitingUpgrade:
        preconditionFailure("begin(prologue:) comes before any message")
      case .awaitingWork:
        self = .ended
        throw .unexpectedMessage
      case .awaitingAccept:
        self = .ended
        throw .unexpectedMessage
      case .established:
        self = .ended
        throw .unexpectedMessage
      case .ended:
        self = .ended
        throw .ended
      }
    }

    mutating func resend(_ work: UInt64) -> [UInt8] {
      switch consume self {
      case .awaitingWork(let awaiting):
        let next = awaiting.finish(work)
        let message1 = next.message1
        self = .awaitingMessage2(next)
        return message1
      case .awaitingUpgrade:
        preconditionFailure("RETRY comes before the work")
      case .awaitingMessage2:
        preconditionFailure("RETRY comes before the work")
      case .awaitingAccept:
        preconditionFailure("RETRY comes before the work")
      case .established:
        preconditionFailure("RETRY comes before the work")
      case .ended:
        preconditionFailure("RETRY comes before the work")
      }
    }

    mutating func receiveAccept(_ record: [UInt8]) throws(HandshakeError) {
      switch consume self {
      case .awaitingUpgrade:
        preconditionFailure("begin(prologue:) comes before any message")
      case .awaitingAccept(let awaiting):
        self = .ended
        self = .established(try awaiting.receive(record))
      case .awaitingMessage2:
        self = .ended
        throw .unexpectedMessage
      case .awaitingWork:
        self = .ended
        throw .unexpectedMessage
      case .established:
        self = .ended
        throw .unexpectedMessage
      case .ended:
        self = .ended
        throw .ended
      }
    }

    consuming func split() -> SecureChannel {
      switch consume self {
      case .established(let channel): return channel
      case .awaitingUpgrade:
        preconditionFailure("the responder has not accepted")
      case .awaitingMessage2:
        preconditionFailure("the responder has not accepted")
      case .awaitingWork:
        preconditionFailure("the responder has not accepted")
      case .awaitingAccept:
        preconditionFailure("the responder has not accepted")
      case .ended:
        preconditionFailure("the responder has not accepted")
      }
    }
  }

  /// Message 1 is made; the prologue is not known yet.
  struct AwaitingUpgrade: ~Copyable {
    let parties: Parties
    let s: X25519.PrivateKey
    let e: X25519.PrivateKey
    let e1: MLKEM768.DecapsulationKey
    let message1: Message1

    consuming func begin(_ prologue: Prologue) -> AwaitingMessage2 {
      AwaitingMessage2(parties: parties, prologue: prologue, s: s, e: e, e1: e1, message1: message1, retries: 0)
    }
  }

  /// The responder has asked for work; the next keys are made.
  struct AwaitingWork: ~Copyable {
    let parties: Parties
    let prologue: Prologue
    let s: X25519.PrivateKey
    let e: X25519.PrivateKey
    let e1: MLKEM768.DecapsulationKey
    let retry: Retry
    let retries: Int

    var task: ProofOfWork {
      ProofOfWork(token: retry.cookie, e: e.publicKey, e1: e1.encapsulationKey, difficulty: retry.difficulty)
    }

    consuming func finish(_ work: UInt64) -> AwaitingMessage2 {
      let message1 = Message1(
        e: e.publicKey, e1: e1.encapsulationKey, to: parties.responder.did, token: retry.cookie, work: work)
      return AwaitingMessage2(
        parties: parties, prologue: prologue, s: s, e: e, e1: e1, message1: message1, retries: retries)
    }
  }

  struct AwaitingMessage2: ~Copyable {
    let parties: Parties
    let prologue: Prologue
    let s: X25519.PrivateKey
    let message1: [UInt8]
    let retries: Int
    var noise: InitiatorHandshakeState

    init(
      parties: Parties, prologue: Prologue, s: X25519.PrivateKey, e: X25519.PrivateKey,
      e1: MLKEM768.DecapsulationKey, message1: Message1, retries: Int
    ) {
      self.parties = parties
      self.prologue = prologue
      self.s = s
      self.message1 = message1.bytes
      self.retries = retries
      noise = InitiatorHandshakeState(
        prologue: prologue.bytes(responder: parties.responder.did), s: s, e: e, e1: e1, payload: message1.payload)
    }

    consuming func receiveRetry(
      _ message: [UInt8], _ randomness: HandshakeRandomness
    ) throws(HandshakeError) -> AwaitingWork {
      guard retries < Retry.countLimit else { throw .tooManyRetries }
      return AwaitingWork(
        parties: parties, prologue: prologue, s: s, e: X25519.PrivateKey(raw: randomness.ephemeralKey),
        e1: MLKEM768.DecapsulationKey(seed: randomness.kemSeed), retry: try Retry(message), retries: retries + 1)
    }

    consuming func receive(_ message: [UInt8]) throws(HandshakeError) -> AwaitingAccept {
      let payloadByteCount = message.count - XXhfs.message2Overhead
      guard IdentityPayload.bucketByteCounts.contains(payloadByteCount) else {
        throw .wrongMessageLength(.two, message.count)
      }
      var reader = MessageReader(.two, message)
      let responderKey = try noise.readMessage2Keys(&reader)
      let statement = IdentityStatement(h: noise.h, s: responderKey, audience: nil)
      let payload = try IdentityPayload(
        try noise.readMessage2Payload(&reader), from: .responder, expected: parties.responder.did)
      guard !payload.did.hasSameBytes(as: parties.signer.identity.did) else { throw .ownDID }
      let responder = try statement.verify(
        payload, by: parties.responder, documentHash: parties.responderDocumentHash)

      var message3 = try noise.writeMessage3Keys()
      let reply = IdentityStatement(h: noise.h, s: s.publicKey, audience: parties.responder.did).signed(
        by: parties.signer, role: .initiator, documentHash: parties.ownDocumentHash, sendsDocument: true)
      message3 += noise.writeMessage3Payload(reply.encoded)
      let transcriptHash = noise.h
      let schedule = KeySchedule(transcriptHash: transcriptHash, keys: noise.split())
      return AwaitingAccept(
        message3: message3, own: parties.signer.identity.did,
        channel: SecureChannel(role: .initiator, peer: responder, signer: parties.signer, schedule: schedule))
    }
  }

  struct AwaitingAccept: ~Copyable {
    let message3: [UInt8]
    let own: DID
    var channel: SecureChannel

    consuming func receive(_ record: [UInt8]) throws(HandshakeError) -> SecureChannel {
      var buffer = record
      let opened = try channel.openAny(in: &buffer)
      let body = buffer.rawSpan.extracting(opened.body)
      switch RecordType(rawValue: opened.type) {
      case .accept:
        channel.note(try AcceptBody(body, initiator: own, responder: channel.peer.did))
        return channel
      case .refuse:
        throw .refused(try RefusalCode(body: body))
      case .close, .application, .offer, .reply, .done, .resume, .resumed, nil:
        throw .unexpectedRecordType(opened.type)
      }
    }
  }
}
