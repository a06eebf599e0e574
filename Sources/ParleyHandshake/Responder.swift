public import ParleyCrypto
public import ParleyIdentity
import ParleyWire

/// Who an initiator says it is: message 3 opened, nothing about it verified yet.
public struct IdentityClaim: Hashable, Sendable {
  /// The DID, in its short form.
  public let did: DID
  /// The fragment of the Ed25519 key that signed.
  public let keyFragment: String
  /// What stands for the document in the signature.
  public let documentHash: [UInt8]
  /// The input document of a did:peer:4, if it came along.
  public let documentBytes: [UInt8]?
  /// The suite of the signature.
  public let suite: SignatureSuite
}

/// The side that listens, from message 1 to its answer (sections 1 to 4).
///
/// A sans-IO machine: the driver sends what the methods return and passes in what comes. Between
/// ``openMessage3(_:)`` and ``accept(_:)`` it applies its policy to the claim and resolves the DID.
///
///     ┌──────────────────┐ receiveMessage1 ┌──────────────────┐ openMessage3 ┌──────────────────┐ accept ┌─────────────┐
///     │ awaitingMessage1 │ ──────────────▶ │ awaitingMessage3 │ ───────────▶ │ awaitingDecision │ ─────▶ │ established │
///     └──────────────────┘                 └──────────────────┘              └──────────────────┘        └─────────────┘
///
/// An error leads to `ended`, where no key is left. After one of message 1 the driver closes at once. After any later one
/// (and after a policy or resolution that fails) it says nothing and closes when ``HandshakeTimes/handshake`` is over, so
/// that the time tells nothing.
public struct Responder: ~Copyable {
  private var state: State

  /// Waits for message 1.
  ///
  /// - Parameters:
  ///   - signer: This side's identity.
  ///   - staticKey: This side's static key, which a process may keep for up to 24 hours.
  ///   - randomness: Of this handshake alone.
  public init(
    signer: any Signer, staticKey: X25519.PrivateKey, randomness: HandshakeRandomness = .system()
  ) {
    self.init(
      signer: signer, ownDocumentHash: signer.identity.documentHash, staticKey: staticKey, randomness: randomness)
  }

  init(
    signer: any Signer, ownDocumentHash: [UInt8], staticKey: X25519.PrivateKey, randomness: HandshakeRandomness
  ) {
    state = .awaitingMessage1(
      AwaitingMessage1(
        signer: signer, ownDocumentHash: ownDocumentHash, s: staticKey, randomness: randomness))
  }

  /// Takes message 1.
  ///
  /// - Parameters:
  ///   - message: From the upgrade request (``HandshakeHeader``), or the first WebSocket message.
  ///   - prologue: What this side saw.
  /// - Returns: Message 2, to send.
  /// - Throws: Why the handshake has ended.
  public mutating func receiveMessage1(
    _ message: [UInt8], prologue: Prologue
  ) throws(HandshakeError) -> [UInt8] {
    try state.receiveMessage1(message, prologue)
  }

  /// Opens message 3.
  ///
  /// Any other message that comes before the answer belongs here too, and ends the handshake.
  ///
  /// - Returns: Who the initiator says it is.
  /// - Throws: Why the handshake has ended.
  public mutating func openMessage3(_ message: [UInt8]) throws(HandshakeError) -> IdentityClaim {
    try state.openMessage3(message)
  }

  /// Verifies the claim and accepts the initiator.
  ///
  /// The session is open when this returns.
  ///
  /// - Parameter peer: What the claimed DID resolves to.
  /// - Returns: The ACCEPT record, to send before anything else.
  /// - Throws: Why the handshake has ended: `peer` is not who signed.
  /// - Precondition: ``openMessage3(_:)`` has returned.
  public mutating func accept(_ peer: PeerIdentity) throws(HandshakeError) -> [UInt8] {
    try state.accept(peer)
  }

  /// Verifies the claim and refuses the initiator, which learns the code.
  ///
  /// The handshake has ended when this returns.
  ///
  /// Who may not know even that this node knows of it gets no answer instead.
  ///
  /// - Parameters:
  ///   - peer: What the claimed DID resolves to.
  ///   - code: Why.
  /// - Returns: The REFUSE record, to send before closing.
  /// - Throws: Why there is nobody to refuse: `peer` is not who signed.
  /// - Precondition: ``openMessage3(_:)`` has returned.
  public mutating func refuse(_ peer: PeerIdentity, _ code: RefusalCode) throws(HandshakeError) -> [UInt8] {
    try state.refuse(peer, code)
  }

  /// Whether the claim of message 3 is signed by this identity's keys, whatever document it names.
  ///
  /// For evidence only: who signed for another document than the one resolved is not accepted.
  public func isSigned(by peer: PeerIdentity) -> Bool {
    switch state {
    case .awaitingDecision(let awaiting): awaiting.isSigned(by: peer)
    case .awaitingMessage1: false
    case .awaitingMessage3: false
    case .established: false
    case .ended: false
    }
  }

  /// Ends the handshake and gives the channel.
  ///
  /// - Parameter limits: What both sides hold the channel to.
  /// - Returns: The channel; poll it next, for its time to begin.
  /// - Precondition: ``accept(_:)`` has returned.
  public consuming func split(limits: ChannelLimits = ChannelLimits()) -> SecureChannel {
    var channel = state.split()
    channel.limits = limits
    return channel
  }
}

extension Responder {
  // Not private: a release build of another module that holds this type needs the names of what it destroys.
  enum State: ~Copyable {
    case awaitingMessage1(AwaitingMessage1)
    case awaitingMessage3(AwaitingMessage3)
    case awaitingDecision(AwaitingDecision)
    case established(SecureChannel)
    case ended

    mutating func receiveMessage1(_ message: [UInt8], _ prologue: Prologue) throws(HandshakeError) -> [UInt8] {
      switch consume self {
      case .awaitingMessage1(let awaiting):
        self = .ended
        let next = try awaiting.receive(message, prologue)
        let message2 = next.message2
        self = .awaitingMessage3(next)
        return message2
      case .awaitingMessage3:
        self = .ended
        throw .unexpectedMessage
      case .awaitingDecision:
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

    mutating func openMessage3(_ message: [UInt8]) throws(HandshakeError) -> IdentityClaim {
      switch consume self {
      case .awaitingMessage3(let awaiting):
        self = .ended
        let next = try awaiting.open(message)
        let claim = next.claim
        self = .awaitingDecision(next)
        return claim
      case .awaitingMessage1:
        self = .ended
        throw .unexpectedMessage
      case .awaitingDecision:
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

    mutating func accept(_ peer: PeerIdentity) throws(HandshakeError) -> [UInt8] {
      switch consume self {
      case .awaitingDecision(let awaiting):
        self = .ended
        let accepted = try awaiting.accept(peer)
        let record = accepted.record
        self = .established(accepted.finish())
        return record
      case .ended:
        self = .ended
        throw .ended
      case .awaitingMessage1:
        preconditionFailure("message 3 comes before the answer, and one answer after it")
      case .awaitingMessage3:
        preconditionFailure("message 3 comes before the answer, and one answer after it")
      case .established:
        preconditionFailure("message 3 comes before the answer, and one answer after it")
      }
    }

    mutating func refuse(_ peer: PeerIdentity, _ code: RefusalCode) throws(HandshakeError) -> [UInt8] {
      switch consume self {
      case .awaitingDecision(let awaiting):
        self = .ended
        return try awaiting.refuse(peer, code)
      case .ended:
        self = .ended
        throw .ended
      case .awaitingMessage1:
        preconditionFailure("message 3 comes before the answer, and one answer after it")
      case .awaitingMessage3:
        preconditionFailure("message 3 comes before the answer, and one answer after it")
      case .established:
        preconditionFailure("message 3 comes before the answer, and one answer after it")
      }
    }

    consuming func split() -> SecureChannel {
      switch consume self {
      case .established(let channel): return channel
      case .awaitingMessage1:
        preconditionFailure("the initiator has not been accepted")
      case .awaitingMessage3:
        preconditionFailure("the initiator has not been accepted")
      case .awaitingDecision:
        preconditionFailure("the initiator has not been accepted")
      case .ended:
        preconditionFailure("the initiator has not been accepted")
      }
    }
  }

  struct AwaitingMessage1: ~Copyable {
    let signer: any Signer
    let ownDocumentHash: [UInt8]
    let s: X25519.PrivateKey
    let randomness: HandshakeRandomness

    consuming func receive(
      _ bytes: [UInt8], _ prologue: Prologue
    ) throws(HandshakeError) -> AwaitingMessage3 {
      let own = signer.identity.did
      let message1 = try Message1(bytes, at: own)
      var noise = try ResponderHandshakeState(
        prologue: prologue.bytes(responder: own), s: s, e: X25519.PrivateKey(raw: randomness.ephemeralKey),
        message1: message1)
      var message2 = try noise.writeMessage2Keys(kemRandomness: randomness.kemMessage)
      let payload = IdentityStatement(h: noise.h, s: s.publicKey, audience: nil).signed(
        by: signer, role: .responder, documentHash: ownDocumentHash, sendsDocument: false)
      message2 += noise.writeMessage2Payload(payload.encoded)
      return AwaitingMessage3(
        message2: message2, signer: signer, noise: noise, resumeID: randomness.resumeID,
        priorityTokens: randomness.priorityTokens)
    }
  }

  struct AwaitingMessage3: ~Copyable {
    let message2: [UInt8]
    let signer: any Signer
    var noise: ResponderHandshakeState
    let resumeID: [UInt8]
    let priorityTokens: [UInt8]

    consuming func open(_ message: [UInt8]) throws(HandshakeError) -> AwaitingDecision {
      let own = signer.identity.did
      let payloadByteCount = message.count - XXhfs.message3Overhead
      guard IdentityPayload.bucketByteCounts.contains(payloadByteCount) else {
        throw .wrongMessageLength(.three, message.count)
      }
      var reader = MessageReader(.three, message)
      let initiatorKey = try noise.readMessage3Keys(&reader)
      let statement = IdentityStatement(h: noise.h, s: initiatorKey, audience: own)
      let payload = try IdentityPayload(try noise.readMessage3Payload(&reader), from: .initiator)
      guard !payload.did.hasSameBytes(as: own) else { throw .ownDID }
      let transcriptHash = noise.h
      return AwaitingDecision(
        signer: signer, statement: statement, payload: payload,
        schedule: KeySchedule(transcriptHash: transcriptHash, keys: noise.split()), resumeID: resumeID,
        priorityTokens: priorityTokens)
    }
  }

  struct AwaitingDecision: ~Copyable {
    let signer: any Signer
    let statement: IdentityStatement
    let payload: IdentityPayload
    let schedule: KeySchedule
    let resumeID: [UInt8]
    let priorityTokens: [UInt8]

    var claim: IdentityClaim {
      IdentityClaim(
        did: payload.did, keyFragment: payload.keyFragment, documentHash: payload.documentHash,
        documentBytes: payload.document.isEmpty ? nil : payload.document, suite: payload.signature.suite)
    }

    func isSigned(by peer: PeerIdentity) -> Bool {
      (try? statement.verify(payload, by: peer, documentHash: payload.documentHash)) != nil
    }

    consuming func accept(_ peer: PeerIdentity) throws(HandshakeError) -> Accepted {
      let peer = try statement.verify(payload, by: peer, documentHash: peer.documentHash)
      let accept = AcceptBody(
        initiator: payload.did, responder: signer.identity.did, resumeID: resumeID, priorityTokens: priorityTokens)
      var channel = SecureChannel(role: .responder, peer: peer, signer: signer, schedule: schedule)
      var record = [UInt8]()
      let body = accept.encoded
      try channel.sealAny(.accept, body.rawSpan, into: &record)
      channel.note(accept)
      return Accepted(record: record, channel: channel)
    }

    consuming func refuse(_ peer: PeerIdentity, _ code: RefusalCode) throws(HandshakeError) -> [UInt8] {
      let peer = try statement.verify(payload, by: peer, documentHash: peer.documentHash)
      var channel = SecureChannel(role: .responder, peer: peer, signer: signer, schedule: schedule)
      var record = [UInt8]()
      try channel.sealAny(.refuse, code.body.rawSpan, into: &record)
      return record
    }
  }

  struct Accepted: ~Copyable {
    let record: [UInt8]
    let channel: SecureChannel

    consuming func finish() -> SecureChannel { channel }
  }
}
