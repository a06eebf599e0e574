import Foundation
import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport

@testable import ParleyHandshake

/// One side of a session, which notes all that it is given and what comes of it: with the keys it has, enough for another
/// implementation to do the same again.
final class Subject {
  let role: Role
  let party: Party
  private let peer: PeerIdentity
  private let peerDocument: [UInt8]
  let prologue: Prologue
  private let prologueText: [String]
  private let exporter: [UInt8]?
  private let handshakes: [HandshakeRandomness]
  let renewal: RatchetRandomness
  private let notes: Notes
  private var initiator: Initiator?
  private var responder: Responder?
  var channel: SecureChannel?
  private var table = ResumptionTable()
  private var now = ContinuousClock.now
  private var retries = 0
  private var numbers = Numbers()

  /// What was asked of the side: a verb and its operands.
  private(set) var steps: [[String]] = []
  /// What came of each step: a digest of what it gave, or the class of the refusal.
  private(set) var verdicts: [String] = []

  /// The random values of the side, as the case states them.
  private struct Numbers {
    var e: [String] = []
    var kem: [String] = []
    var resume = ""
    var encapsulations: [String: [String]] = [:]
  }

  final class Notes: @unchecked Sendable { var signatures: [[String]] = [] }

  /// Signs, and notes the signature: those of suite 2 are never the same twice.
  private struct NotingSigner: Signer {
    let signer: LocalSigner
    let notes: Notes
    var identity: PeerIdentity { signer.identity }

    func sign(_ message: [UInt8], context: String) -> IdentitySignature {
      let signature = signer.sign(message, context: context)
      notes.signatures.append([text(signature.ed25519), text(signature.mldsa65 ?? [])])
      return signature
    }
  }

  /// An earlier session, which both sides may still know.
  struct Earlier {
    var resumeID: [UInt8]
    var continuity: [UInt8]
    var peer: DID
    var streams: [StreamPosition]
    var age: Int
  }

  init(
    _ role: Role, _ party: Party, peer: Party, offered: [String], exporter: [UInt8]?, random: inout SplitMix64
  ) throws {
    self.role = role
    self.party = party
    self.peer = peer.identity
    peerDocument = peer.identity.did.method == .peer4 ? peer.identity.documentBytes : []
    prologue = try Prologue(
      offered: offered, selected: Prologue.subprotocol,
      channelBinding: exporter.map(Prologue.ChannelBinding.tlsExporter) ?? .none)
    prologueText = offered
    self.exporter = exporter
    notes = Notes()
    func draw(_ count: Int) -> [UInt8] { random.bytes(count) }
    var handshakes: [HandshakeRandomness] = []
    for _ in 0..<2 {
      let (e, seed) = (draw(32), draw(64))
      numbers.e.append(text(e))
      numbers.kem.append(text(seed))
      handshakes.append(
        HandshakeRandomness(
          ephemeralKey: SecretBytes(copying: e), kemSeed: SecretBytes(copying: seed),
          kemMessage: SecretBytes(copying: draw(32)), resumeID: draw(16), priorityTokens: draw(128)))
    }
    numbers.resume = text(handshakes[0].resumeID + handshakes[0].priorityTokens)
    self.handshakes = handshakes
    let (e, seed) = (draw(32), draw(64))
    numbers.e.append(text(e))
    numbers.kem.append(text(seed))
    renewal = RatchetRandomness(
      ephemeralKey: SecretBytes(copying: e), kemSeed: SecretBytes(copying: seed),
      kemMessage: SecretBytes(copying: draw(32)))
    let signer = NotingSigner(signer: party.signer, notes: notes)
    switch role {
    case .initiator:
      initiator = Initiator(
        signer: signer, responder: self.peer, staticKey: party.staticKey, randomness: handshakes[0])
    case .responder:
      responder = Responder(signer: signer, staticKey: party.staticKey, randomness: handshakes[0])
    }
  }

  /// The case for the other implementation, one line of JSON.
  func line(_ number: Int) throws -> Data {
    var object: [String: Any] = ["n": number, "role": role == .initiator ? "I" : "R", "steps": steps]
    object["own"] = [
      "did": party.identity.did.string, "document": text(ownDocument), "ed25519": text(party.seed),
      "mldsa65": party.mldsa65 == nil ? "" : text(party.seed),
    ]
    object["peer"] = ["did": peer.did.string, "document": text(peerDocument)]
    object["offered"] = prologueText.joined(separator: ",")
    object["exporter"] = text(exporter ?? [])
    object["static"] = text(party.staticSeed)
    object["e"] = numbers.e
    object["kem"] = numbers.kem
    object["resume"] = numbers.resume
    object["encapsulations"] = numbers.encapsulations
    object["signatures"] = notes.signatures
    return try JSONSerialization.data(withJSONObject: object) + [10]
  }

  private var ownDocument: [UInt8] { party.identity.did.method == .peer4 ? party.identity.documentBytes : [] }

  /// Does one step and notes it; `nil` if it was refused.
  private func step(
    _ words: [String], _ body: () throws(HandshakeError) -> (sent: [UInt8], shown: [UInt8])
  ) -> [UInt8]? {
    steps.append(words)
    do throws(HandshakeError) {
      let result = try body()
      verdicts.append("ok " + SHA256.hash(result.sent + result.shown).prefix(8).map { hex($0) }.joined())
      return result.sent
    } catch {
      verdicts.append("no " + error.refusal)
      return nil
    }
  }

  // MARK: The handshake

  func begin() -> [UInt8]? {
    step(["begin"]) { () throws(HandshakeError) in
      initiator?.begin(prologue: prologue)
      return (initiator?.message1 ?? [], [])
    }
  }

  func receiveRetry(_ bytes: [UInt8]) -> [UInt8]? {
    step(["retry", text(bytes)]) { () throws(HandshakeError) in
      retries += 1
      guard let task = try initiator?.receiveRetry(bytes, randomness: handshakes[1]) else { throw .ended }
      var search = task.work
      var work: UInt64?
      while work == nil { work = search.search(1024) }
      guard let work, let message1 = initiator?.resend(work: work) else { throw .ended }
      let milliseconds = UInt16(task.delay / .milliseconds(1))
      return (message1, [UInt8(milliseconds >> 8), UInt8(milliseconds & 0xFF)])
    }
  }

  func receiveMessage1(_ bytes: [UInt8]) -> [UInt8]? {
    if bytes.count == Message1.byteCount { noteEncapsulation(Array(bytes[32..<1216]), handshakes[0].kemMessage) }
    return step(["message1", text(bytes)]) { () throws(HandshakeError) in
      (try responder?.receiveMessage1(bytes, prologue: prologue) ?? [], [])
    }
  }

  func receiveMessage2(_ bytes: [UInt8]) -> [UInt8]? {
    step(["message2", text(bytes)]) { () throws(HandshakeError) in
      (try initiator?.receiveMessage2(bytes) ?? [], [])
    }
  }

  func receiveMessage3(_ bytes: [UInt8]) -> [UInt8]? {
    step(["message3", text(bytes)]) { () throws(HandshakeError) in
      guard let claim = try responder?.openMessage3(bytes) else { throw .ended }
      let caller: PeerIdentity
      do throws(IdentityError) {
        caller = try LocalResolver.resolve(claim.did, documentBytes: claim.documentBytes)
      } catch {
        throw .unusableKey(error)
      }
      let record = try responder?.accept(caller) ?? []
      channel = responder.take()?.split()
      begin(&channel)
      return (record, shown)
    }
  }

  func receiveAnswer(_ bytes: [UInt8]) -> [UInt8]? {
    step(["answer", text(bytes)]) { () throws(HandshakeError) in
      try initiator?.receiveAccept(bytes)
      channel = initiator.take()?.split()
      begin(&channel)
      return ([], shown)
    }
  }

  private func begin(_ channel: inout SecureChannel?) {
    var none = [UInt8]()
    _ = try? channel?.poll(now: now, into: &none)
  }

  /// The names and secrets of the session, which both implementations must agree on.
  private var shown: [UInt8] {
    switch channel {
    case .some(let channel): channel.transcriptHash + channel.exporter.copied + channel.continuity.copied
    case nil: []
    }
  }

  // MARK: The channel

  /// Lets the side know an earlier session.
  func know(_ earlier: Earlier) {
    steps.append([
      "know", text(earlier.resumeID), text(earlier.continuity), earlier.peer.string, "\(earlier.age)",
      earlier.streams.map { "\($0.stream):\($0.last)" }.joined(separator: ","),
    ])
    verdicts.append("ok")
    table.insert(
      ResumableSession(
        resumeID: earlier.resumeID, peer: earlier.peer, continuity: SecretBytes(copying: earlier.continuity)),
      streams: earlier.streams, now: now - .seconds(earlier.age))
  }

  func open(_ bytes: [UInt8]) -> [UInt8]? {
    step(["open", text(bytes)]) { () throws(HandshakeError) in
      guard let (type, body) = try channel?.open(bytes) else { throw .ended }
      if type == .offer, let offer = try? OfferBody(body.rawSpan) { noteEncapsulation(offer.e1, renewal.kemMessage) }
      var sent: [UInt8] = []
      if type == .resume {
        _ = try channel?.answerResume(from: &table, now: now, into: &sent)
      } else {
        _ = try channel?.poll(now: now, randomness: { renewal }, into: &sent)
      }
      return (sent, [type.rawValue] + body)
    }
  }

  func seal(_ body: [UInt8]) -> [UInt8]? {
    step(["seal", text(body)]) { () throws(HandshakeError) in (try channel?.seal(.application, body) ?? [], []) }
  }

  func close() -> [UInt8]? {
    step(["close"]) { () throws(HandshakeError) in (try channel?.seal(.close) ?? [], []) }
  }

  func offer() -> [UInt8]? {
    now += .seconds(600)
    return step(["offer"]) { () throws(HandshakeError) in
      var record = [UInt8]()
      _ = try channel?.poll(now: now, randomness: { renewal }, into: &record)
      return (record, [])
    }
  }

  func resume(_ earlier: Earlier) -> [UInt8]? {
    let streams = [StreamPosition(stream: 0, last: 3), StreamPosition(stream: 7, last: .max)]
    return step(["resume", text(earlier.resumeID), text(earlier.continuity)]) { () throws(HandshakeError) in
      var record = [UInt8]()
      let session = ResumableSession(
        resumeID: earlier.resumeID, peer: peer.did, continuity: SecretBytes(copying: earlier.continuity))
      try channel?.resume(session, streams: streams, into: &record)
      return (record, [])
    }
  }

  // MARK: What an attacker who holds the keys does

  /// The public key `e` of the handshake.
  var ephemeral: [UInt8] { X25519.PrivateKey(raw: handshakes[0].ephemeralKey).publicKey }
  /// The public key of the renewal.
  var renewalKey: [UInt8] { X25519.PrivateKey(raw: renewal.ephemeralKey).publicKey }

  var transcriptHash: [UInt8] {
    switch channel {
    case .some(let channel): channel.transcriptHash
    case nil: []
    }
  }

  /// Opens a record and does nothing of what follows from it.
  func openQuietly(_ bytes: [UInt8]) -> [UInt8] { (try? channel?.open(bytes).body) ?? [] }

  /// Any type and body, as the next record.
  func forge(_ type: UInt8, _ body: [UInt8]) -> [UInt8] {
    var record = [UInt8]()
    try? channel?.keys?.sending.seal(type: type, body.rawSpan, reserving: .nothing, into: &record)
    return record
  }

  /// Any type and body, as the first record of the next epoch.
  func forgeDone(_ type: UInt8, _ body: [UInt8]) -> [UInt8] {
    var record = [UInt8]()
    if case .owesDone(var next) = channel?.keys?.ratchet.take() {
      try? next.seal(type: type, body.rawSpan, reserving: .nothing, into: &record)
    }
    return record
  }

  private func noteEncapsulation(_ key: [UInt8], _ randomness: SecretBytes) {
    guard let kem = try? MLKEM768.encapsulate(to: key, randomness: randomness) else { return }
    numbers.encapsulations[text(SHA256.hash(key))] = [text(kem.ciphertext), text(kem.sharedSecret.copied)]
  }
}

/// Bytes in a case.
func text(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

private func hex(_ byte: UInt8) -> String { String(byte >> 4, radix: 16) + String(byte & 15, radix: 16) }

extension HandshakeError {
  /// The class of the refusal: the rule of the page that was broken.
  var refusal: String {
    switch self {
    case .wrongMessageLength: "length"
    case .unsupportedVersion: "version"
    case .unsupportedFlags: "flags"
    case .wrongAuthenticator: "mac1"
    case .invalidEncapsulationKey: "kem-key"
    case .zeroSharedSecret: "zero"
    case .reflectedKey: "reflected"
    case .decryptionFailed: "aead"
    case .malformedRetry: "retry"
    case .tooManyRetries: "retries"
    case .malformedIdentity: "identity-form"
    case .wrongRole: "role"
    case .wrongDID: "did"
    case .ownDID: "own-did"
    case .unusableKey(.documentMismatch), .unusableKey(.documentNeeded): "document"
    case .unusableKey: "key"
    case .documentMismatch: "document"
    case .wrongSuite: "suite"
    case .invalidSignature: "signature"
    case .refused(let code): "refused \(code.rawValue)"
    case .malformedAnswer: "answer"
    case .acceptedForOthers: "others"
    case .wrongRecordLength: "record-length"
    case .unexpectedEpoch: "epoch"
    case .recordDecryptionFailed: "record-aead"
    case .malformedRecord: "record-form"
    case .unexpectedRecordType: "record-type"
    case .recordAfterClose: "after-close"
    case .malformedRatchet: "ratchet"
    case .malformedResumption: "resumption"
    case .malformedHeader, .offerTooLong, .unexpectedSubprotocol, .malformedChannelBinding, .unexpectedMessage, .ended,
      .truncated, .epochExhausted, .closed:
      "\(self)"
    }
  }
}
