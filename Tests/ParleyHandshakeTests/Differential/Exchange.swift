import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport

@testable import ParleyHandshake

/// A session of two sides in which everything is right but one message, which an attacker gets hold of, or none.
///
/// What the attacker does is drawn from the seed, as is everything else. The side that received the changed message is
/// the case.
struct Exchange {
  /// What was done, for the report.
  private(set) var note = "nothing"
  private(set) var target: MessageKind?
  private var random: SplitMix64
  private let initiator: Subject
  private let responder: Subject
  private let earlier: Subject.Earlier
  /// The messages of the session so far.
  private var seen: [[UInt8]] = []
  /// Whether the attacker has the keys of the sender.
  private let hasKeys: Bool
  private var isOver = false

  /// Messages of the exchange before this one: an attacker may have kept them.
  typealias Memory = [MessageKind: [UInt8]]

  static let parties: [Party] = {
    do {
      var parties = try (1...6 as ClosedRange<UInt8>).map { try Party($0) }
      parties += try (7...8 as ClosedRange<UInt8>).map { try Party($0, postQuantum: true) }
      let key = Ed25519.SigningKey(seed: SecretBytes(repeating: 9, count: 32))
      let identity = try LocalResolver.resolve(DIDKey.did(for: key.publicKey.raw))
      parties.append(try Party(9, identity: identity, ed25519: key))
      return parties
    } catch {
      preconditionFailure("\(error)")
    }
  }()

  init(seed: UInt64) throws {
    random = SplitMix64(seed: seed)
    // Suite 2 costs much more: less of it.
    let pool = random.chance(6) ? Self.parties[...] : Self.parties[..<6] + Self.parties[8...]
    let pair = pool.shuffled(using: &random).prefix(2)
    guard let one = pair.first, let other = pair.last else { preconditionFailure("two parties") }
    if !random.chance(10) { target = MessageKind.allCases.randomElement(using: &random) }
    hasKeys = random.chance(2)
    let offers = [["parley.v1"], ["chat, parley.v1"], [" parley.v1\t", "x"]]
    let offered = offers[random.below(3)]
    let exporter = random.chance(3) ? random.bytes(32) : nil
    var (seenOffer, seenExporter) = (offered, exporter)
    if target == .message2, random.chance(8) {
      // Somebody has changed what the two sides saw of the negotiation, or sits between two TLS connections.
      if random.chance(2) { seenOffer = ["parley.v1,y"] } else { seenExporter = random.bytes(32) }
      note = "another prologue"
    }
    initiator = try Subject(.initiator, one, peer: other, offered: offered, exporter: exporter, random: &random)
    responder = try Subject(
      .responder, other, peer: one, offered: seenOffer, exporter: seenExporter, random: &random)
    earlier = Subject.Earlier(
      resumeID: random.bytes(16), continuity: random.bytes(32), peer: one.identity.did,
      streams: [StreamPosition(stream: 0, last: 7), StreamPosition(stream: 9, last: 1 << 40)], age: random.below(7200))
  }

  /// Runs the session.
  ///
  /// - Parameter memory: What is left of the exchange before; afterwards, of this one.
  /// - Returns: The side that is the case.
  mutating func run(_ memory: inout Memory) throws -> Subject {
    let before = memory
    memory = [:]
    var kept: Memory = [:]
    defer { memory = kept }
    if hasKeys, target == .message3 { return try forgeMessage3() }
    if hasKeys, target == .accept { return try forgeAccept() }
    var message1 = initiator.begin()
    if target == .retry || random.chance(8) {
      let difficulty = UInt8(target == .retry && hasKeys ? random.below(256) % 24 : random.below(8))
      let milliseconds = UInt16(target == .retry && hasKeys ? random.below(4000) : random.below(2001))
      // More than 12 bits of work would only take long.
      let retry = Retry(
        cookie: random.bytes(32), difficulty: difficulty > 20 ? difficulty : min(difficulty, 10),
        milliseconds: milliseconds)
      message1 = deliver(.retry, retry.encoded, to: initiator, before, &kept)
    }
    let message2 = message1.flatMap { deliver(.message1, $0, to: responder, before, &kept) }
    let message3 = message2.flatMap { deliver(.message2, $0, to: initiator, before, &kept) }
    let accept = message3.flatMap { deliver(.message3, $0, to: responder, before, &kept) }
    if let accept, deliver(.accept, accept, to: initiator, before, &kept) != nil { talk(before, &kept) }
    guard let target else { return random.chance(2) ? initiator : responder }
    switch target {
    case .retry, .message2, .accept, .fromResponder, .reply, .resumed: return initiator
    case .message1, .message3, .fromInitiator, .offer, .done, .resume, .close: return responder
    }
  }

  private mutating func talk(_ before: Memory, _ kept: inout Memory) {
    if target == .resume || target == .resumed || random.chance(6) {
      if !random.chance(4) { responder.know(known) }
      guard exchange(.resume, initiator.resume(earlier), .resumed, before, &kept) else { return }
    }
    for round in 0..<2 where !isOver {
      for _ in 0..<random.below(3) + (target == .fromInitiator || target == .fromResponder ? 1 : 0) {
        guard exchange(.fromInitiator, application(initiator), nil, before, &kept),
          exchange(.fromResponder, application(responder), nil, before, &kept)
        else { return }
      }
      let isRenewed = target == .offer || target == .reply || target == .done || random.chance(4)
      guard round == 0, isRenewed, !isOver else { continue }
      var offer: [UInt8]?
      if target == .offer, hasKeys {
        offer = forgeOffer()
      } else {
        offer = initiator.offer()
      }
      guard exchange(.offer, offer, .reply, before, &kept) else { return }
    }
    guard !isOver else { return }
    let last: [UInt8]? =
      target == .close && hasKeys ? initiator.forge(3, random.bytes(random.below(3))) : initiator.close()
    _ = exchange(.close, last, nil, before, &kept)
  }

  /// Delivers a message and all that follows from it; whether the session goes on.
  private mutating func exchange(
    _ kind: MessageKind, _ message: [UInt8]?, _ answer: MessageKind?, _ before: Memory, _ kept: inout Memory
  ) -> Bool {
    guard let message, !isOver else { return false }
    let isFromInitiator = kind != .fromResponder && kind != .reply && kind != .resumed
    var sent: [UInt8]?
    if let answer, answer == target, hasKeys {
      sent = forgeAnswer(answer, to: message)
    } else {
      sent = deliver(kind, message, to: isFromInitiator ? responder : initiator, before, &kept)
    }
    guard let answer else { return sent != nil }
    guard let reply = sent else { return false }
    if answer == .reply, target == .done, hasKeys {
      // DONE is forged: the initiator takes REPLY, and does not follow it as it should.
      _ = initiator.openQuietly(reply)
      var body: [UInt8] = [0, 0, 0, 1]
      let type: UInt8 = random.chance(3) ? 16 : 6
      if !random.chance(4) { body = Mutation.body(body, &random, note: &note) }
      return exchange(.done, initiator.forgeDone(type, body), nil, before, &kept)
    }
    guard let next = deliver(answer, reply, to: initiator, before, &kept) else { return false }
    return next.isEmpty || deliver(.done, next, to: responder, before, &kept) != nil
  }

  private mutating func deliver(
    _ kind: MessageKind, _ bytes: [UInt8], to receiver: Subject, _ before: Memory, _ kept: inout Memory
  ) -> [UInt8]? {
    guard !isOver else { return nil }
    kept[kind] = bytes
    var bytes = bytes
    if kind == target {
      isOver = true
      bytes = changed(kind, bytes, before)
    }
    seen.append(bytes)
    switch kind {
    case .retry: return receiver.receiveRetry(bytes)
    case .message1: return receiver.receiveMessage1(bytes)
    case .message2: return receiver.receiveMessage2(bytes)
    case .message3: return receiver.receiveMessage3(bytes)
    case .accept: return receiver.receiveAnswer(bytes)
    case .fromInitiator, .fromResponder, .offer, .reply, .done, .resume, .resumed, .close:
      return receiver.open(bytes)
    }
  }

  private mutating func changed(_ kind: MessageKind, _ bytes: [UInt8], _ before: Memory) -> [UInt8] {
    if note == "another prologue" { return bytes }
    if hasKeys {
      switch kind {
      case .message1:
        return Mutation.message1(
          bytes, to: responder.party.identity.did, own: responder.ephemeral, &random, note: &note)
      case .message2: return forgeMessage2() ?? bytes
      case .retry, .message3, .accept, .offer, .reply, .done, .resume, .resumed, .close, .fromInitiator, .fromResponder:
        // These were forged before.
        return bytes
      }
    }
    return Mutation.inFlight(
      bytes, others: seen + [before[kind]].compactMap { $0 }, &random, note: &note)
  }

  /// The application's next record, of which an attacker with the keys makes another.
  private mutating func application(_ side: Subject) -> [UInt8]? {
    let body = random.bytes(random.below(random.chance(5) ? 3000 : 100))
    guard hasKeys, target == (side === initiator ? .fromInitiator : .fromResponder) else { return side.seal(body) }
    let types: [UInt8] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 255]
    let type = types[random.below(types.count)]
    note = "type \(type)"
    return side.forge(type, random.chance(3) ? [] : body)
  }

  private var known: Subject.Earlier {
    var other = earlier
    guard target == .resume, hasKeys else { return other }
    switch seen.count % 3 {
    case 0: other.continuity[0] ^= 1
    case 1: other.peer = responder.party.identity.did
    default: break
    }
    return other
  }

  // MARK: With the sender's keys

  private mutating func forgeMessage2() -> [UInt8]? {
    guard let message1 = seen.last else { return nil }
    var rogue = RogueResponder(responder.party)
    rogue.prologue = initiator.prologue
    rogue.party = responder.party
    if random.chance(8) {
      note = "s of small order"
      rogue.shownS = Mutation.smallOrder[random.below(5)]
    } else if random.chance(8) {
      note = "a random ciphertext"
      let bytes = random.bytes(1088)
      rogue.changeCiphertext = { _ in bytes }
    } else if random.chance(8) {
      note = "the initiator's own e"
      rogue.shownE = Array(message1[..<32])
    }
    var random = random
    var note = note
    defer {
      self.random = random
      self.note = note
    }
    let (party, receiver) = (responder.party, initiator.party)
    return try? rogue.message2(answering: message1) { honest, statement in
      Mutation.payload(honest, statement, of: party, to: receiver, &random, note: &note)
    }
  }

  private mutating func forgeMessage3() throws -> Subject {
    var rogue = RogueInitiator(initiator.party, to: responder.party.identity)
    rogue.prologue = responder.prologue
    if random.chance(8) {
      note = "s of small order"
      rogue.shownS = Mutation.smallOrder[random.below(5)]
    } else if random.chance(8) {
      note = "the responder's own s"
      rogue.shownS = responder.party.staticKey.publicKey
    }
    guard let message2 = responder.receiveMessage1(rogue.message1) else { return responder }
    var random = random
    var note = note
    let (party, receiver) = (initiator.party, responder.party)
    let message3 = try rogue.message3(answering: message2) { honest, statement in
      Mutation.payload(honest, statement, of: party, to: receiver, &random, note: &note)
    }
    (self.random, self.note) = (random, note)
    _ = responder.receiveMessage3(message3)
    return responder
  }

  private mutating func forgeAccept() throws -> Subject {
    var rogue = RogueResponder(responder.party)
    rogue.prologue = initiator.prologue
    guard let message1 = initiator.begin() else { return initiator }
    guard let message3 = initiator.receiveMessage2(try rogue.message2(answering: message1)) else { return initiator }
    let schedule = try rogue.schedule(after: message3)
    var channel = SecureChannel(
      role: .responder, peer: initiator.party.identity, signer: responder.party.signer, schedule: schedule)
    var (type, body) = (UInt8(1), [UInt8]())
    let (one, other) = (initiator.party.identity.did, responder.party.identity.did)
    let isSwapped = random.chance(5)
    body =
      AcceptBody(
        initiator: isSwapped ? other : one, responder: isSwapped ? one : other, resumeID: random.bytes(16),
        priorityTokens: random.bytes(128)
      ).encoded
    switch random.below(4) {
    case 0:
      type = 2
      body = [0, UInt8(random.below(5))] + (random.chance(4) ? [0] : [])
    case 1: type = UInt8(random.below(20))
    case 2: body = Mutation.body(body, &random, note: &note)
    default: note = isSwapped ? "DIDs swapped" : "nothing"
    }
    note += ", type \(type)"
    var record = [UInt8]()
    try channel.keys?.sending.seal(type: type, body.rawSpan, reserving: .nothing, into: &record)
    _ = initiator.receiveAnswer(record)
    return initiator
  }

  private mutating func forgeOffer() -> [UInt8] {
    let e = X25519.PrivateKey(raw: SecretBytes(copying: random.bytes(32)))
    let e1 = MLKEM768.DecapsulationKey(seed: SecretBytes(copying: random.bytes(64)))
    var keys = (e: e.publicKey, e1: e1.encapsulationKey)
    var epoch: UInt32 = 1
    switch random.below(6) {
    case 0: (note, keys.e) = ("e of small order", Mutation.smallOrder[random.below(5)])
    case 1:
      note = "e1 not reduced"
      keys.e1[0] = 0xFF
      keys.e1[1] |= 0x0F
    case 2: (note, epoch) = ("another epoch", UInt32(random.below(4)))
    case 3: (note, keys.e) = ("the responder's own e", responder.renewalKey)
    default: break
    }
    let statement = RatchetStatement(
      transcriptHash: initiator.transcriptHash, initiator: initiator.party.identity.did,
      responder: responder.party.identity.did)
    let message =
      random.chance(6)
      ? statement.reply(epoch: epoch, to: [], e: keys.e, ciphertext: keys.e1)
      : statement.offer(epoch: epoch, e: keys.e, e1: keys.e1)
    var body = OfferBody(
      epoch: epoch, e: keys.e, e1: keys.e1, signature: initiator.party.signer.sign(message, context: "parley/psc1")
    ).encoded
    if random.chance(3) { body = Mutation.body(body, &random, note: &note) }
    return initiator.forge(4, body)
  }

  /// The responder takes what came, and answers with something of the attacker's.
  private mutating func forgeAnswer(_ kind: MessageKind, to message: [UInt8]) -> [UInt8] {
    let received = responder.openQuietly(message)
    guard kind == .reply else {
      let proof = HMACSHA256.authenticate(
        [UInt8(ascii: "R")] + responder.transcriptHash, key: SecretBytes(copying: earlier.continuity))
      let honest = ResumedBody(proof: proof, streams: earlier.streams).encoded
      return responder.forge(8, random.chance(5) ? honest : Mutation.body(honest, &random, note: &note))
    }
    guard let offer = try? OfferBody(received.rawSpan),
      let kem = try? MLKEM768.encapsulate(to: offer.e1, randomness: SecretBytes(copying: random.bytes(32)))
    else { return [] }
    var e = X25519.PrivateKey(raw: SecretBytes(copying: random.bytes(32))).publicKey
    var (epoch, answered, ciphertext) = (UInt32(1), received, kem.ciphertext)
    switch random.below(6) {
    case 0: (note, e) = ("e of small order", Mutation.smallOrder[random.below(5)])
    case 1: (note, e) = ("the initiator's own e", offer.e)
    case 2: (note, epoch) = ("another epoch", UInt32(random.below(4)))
    case 3: (note, answered) = ("to another OFFER", random.bytes(received.count))
    case 4: (note, ciphertext) = ("random ciphertext", random.bytes(1088))
    default: break
    }
    let statement = RatchetStatement(
      transcriptHash: responder.transcriptHash, initiator: initiator.party.identity.did,
      responder: responder.party.identity.did)
    let message = statement.reply(epoch: epoch, to: answered, e: e, ciphertext: ciphertext)
    let signature = responder.party.signer.sign(message, context: "parley/psc1")
    var body = ReplyBody(epoch: epoch, e: e, ciphertext: ciphertext, signature: signature).encoded
    if random.chance(3) { body = Mutation.body(body, &random, note: &note) }
    return responder.forge(5, body)
  }
}
