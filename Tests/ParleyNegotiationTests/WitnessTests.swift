import ParleyCrypto
import ParleyIdentity
import ParleyWire
import Testing

@testable import ParleyNegotiation

/// Offers whose witness decides: docs/protocol/witness.md, sections 6 and 7.
@Suite("Witnessed offers")
struct WitnessTests {
  @Test("both hand the write in; the slot makes the trade, and the verdict follows")
  func trade() throws {
    for takerFirst in [true, false] {
      let scene = WitnessedPair()
      let id = try scene.ask()
      try scene.pair.quote(id, scene.draft())
      try scene.accept(id)
      scene.pair.settle()
      #expect(scene.maker.session.trades.isEmpty, "the owner waits for the slot")
      for peer in takerFirst ? [scene.taker, scene.maker] : [scene.maker, scene.taker] { try scene.consult(peer) }
      #expect(scene.maker.session.trades.count == 1)
      #expect(scene.taker.session.trades.first?.confirm == .zero)
      scene.pair.settle()
      #expect(scene.taker.session.trades == [scene.taker.session.trades[0]])
      #expect(scene.taker.session.trades[0].confirm == scene.maker.session.trades[0].confirm)
      #expect(scene.taker.events.filter { if case .traded = $0 { true } else { false } }.count == 1)
      #expect(scene.taker.events.contains(.tradeConfirmed(scene.taker.session.trades[0])))
      #expect(scene.maker.events.contains(.tradeAcknowledged(id)))
      for peer in [scene.taker, scene.maker] {
        #expect(try scene.verdict(peer, id).isTraded)
        #expect(try peer.restored() == peer.session.state)
        #expect(peer.session.slotQuestions(now: scene.now + .seconds(9)).isEmpty)
      }
    }
  }

  @Test("an Accept of a Counter is witnessed too, with the responder's own key")
  func counter() throws {
    let scene = WitnessedPair()
    let id = try scene.ask()
    try scene.pair.quote(id, scene.draft(lifetime: 100_000_000))
    scene.now = scene.now + .milliseconds(101)
    try scene.consult(scene.maker)
    var draft = scene.draft()
    draft.ask = nil
    let counter = try scene.pair.counter(id, draft)
    scene.maker.take(try scene.maker.session.accept(id, offer: counter, side: .sell, lots: 10, now: scene.now))
    scene.pair.settle()
    try scene.consult(scene.taker)
    scene.pair.settle()
    #expect(scene.maker.session.trades.count == 1)
    #expect(try scene.verdict(scene.taker, id).isTraded)
  }

  @Test("the owner dies after the Accept: its acceptor learns TRADED from the witness alone, and can prove it")
  func ownerGone() throws {
    let scene = WitnessedPair()
    let id = try scene.ask()
    try scene.pair.quote(id, scene.draft())
    try scene.accept(id)
    #expect(try scene.verdict(scene.taker, id) == .inDoubt(accept: scene.taker.session.openDialogues[0].pendingAccept))
    try scene.consult(scene.taker)
    #expect(scene.taker.session.trades.count == 1)
    #expect(try scene.verdict(scene.taker, id).isTraded)
    // The owner comes back long after the end, without having seen the Accept: it must agree.
    scene.now = scene.now + .seconds(60)
    try scene.maker.restart()
    scene.prepare(scene.maker)
    scene.maker.take(scene.maker.session.poll(now: scene.now))
    try scene.consult(scene.maker)
    #expect(scene.maker.session.trades.isEmpty)
    #expect(scene.maker.session.firmLots == 10, "what the slot holds stays reserved")
    scene.pair.connect()
    scene.pair.settle()
    #expect(scene.maker.session.trades.count == 1)
    #expect(scene.taker.session.trades[0].confirm == scene.maker.session.trades[0].confirm)
    #expect(scene.maker.session.firmLots == 0)
  }

  @Test("the write comes too late: EMPTY ends the doubt, and the owner declines as the slot says")
  func tooLate() throws {
    let scene = WitnessedPair()
    let id = try scene.ask()
    try scene.pair.quote(id, scene.draft())
    let accept = try scene.accept(id).statement
    scene.now = scene.now + .seconds(3)
    try scene.consult(scene.taker)
    #expect(scene.taker.session.dialogue(id)?.phase == .open)
    #expect(scene.taker.events.contains(.declined(id, accept: accept, .witness)))
    #expect(try scene.verdict(scene.taker, id) == .notTraded)
    scene.pair.settle()
    try scene.consult(scene.maker)
    scene.pair.settle()
    #expect(scene.maker.events.contains(.declinedPeer(id, accept: accept, .witness)))
    #expect(scene.taker.session.frozen == nil)
    #expect(!scene.maker.journal.isEmpty && scene.maker.session.counters.received == scene.taker.session.counters.sent)
    for peer in [scene.taker, scene.maker] {
      #expect(try scene.verdict(peer, id) == .notTraded)
      #expect(try peer.restored() == peer.session.state)
    }
    #expect(try scene.verdict(scene.maker, id, withStamps: false).isUnverifiable)
    #expect(
      !scene.taker.session.state.dialogues[id]!.witnessed.declined.contains(accept), "the Decline has been here")
  }

  @Test("an Accept that reaches the owner after the end, but the slot in time, trades")
  func lateToTheOwner() throws {
    let scene = WitnessedPair()
    let id = try scene.ask()
    try scene.pair.quote(id, scene.draft())
    try scene.accept(id)
    try scene.consult(scene.taker)
    scene.now = scene.now + .seconds(30)
    scene.maker.take(scene.maker.session.poll(now: scene.now))
    scene.pair.settle()
    try scene.consult(scene.maker)
    scene.pair.settle()
    #expect(scene.maker.session.trades.count == 1)
    #expect(try scene.verdict(scene.maker, id).isTraded)
  }

  private static func isHeld(_ command: () throws -> CommandResult) -> Bool {
    do {
      _ = try command()
      return false
    } catch {
      if case .held? = error as? NegotiationError { return true }
      return false
    }
  }

  @Test("until the slot has been seen the owner does nothing else in the dialogue, and reserves")
  func undecided() throws {
    let scene = WitnessedPair()
    let id = try scene.ask()
    try scene.pair.quote(id, scene.draft())
    for moment in [Duration.seconds(1), .seconds(2), .seconds(61)] {
      let now = scene.now + moment
      scene.maker.take(scene.maker.session.poll(now: now))
      #expect(Self.isHeld { try scene.maker.session.quote(id, scene.draft(), now: now) })
      #expect(Self.isHeld { try scene.maker.session.cancelOffer(id, now: now) })
      #expect(Self.isHeld { try scene.maker.session.pass(id, now: now) })
      #expect(Self.isHeld { try scene.maker.session.refuse(id, Fault(.policy), now: now) })
      #expect(scene.maker.session.firmLots == 10)
    }
    scene.now = scene.now + .seconds(61)
    #expect(scene.maker.session.slotQuestions(now: scene.now).map(\.write) == [nil])
    try scene.consult(scene.maker)
    #expect(scene.maker.session.firmLots == 0)
    #expect(scene.maker.session.openDialogues.isEmpty, "the request is over too")
    #expect(try scene.maker.restored() == scene.maker.session.state)
  }

  @Test("after EMPTY the offer ends when the owner's own clock has passed its end too")
  func ownersClock() throws {
    let scene = WitnessedPair()
    let id = try scene.ask()
    let offer = try scene.pair.quote(id, scene.draft())
    let live = try #require(scene.maker.session.dialogue(id)?.myOffer)
    let slot = try #require(scene.maker.session.state.dialogues[id]?.witnessed.offers[offer]?.slot)
    guard case .stamp(let stamp) = try scene.witness.ask(.query(slot), live.expiry + .milliseconds(1)) else { return }
    scene.maker.take(scene.maker.session.receive(stamp, of: scene.witness.signer.identity, now: live.expiry))
    #expect(scene.maker.session.dialogue(id)?.myOffer == live)
    #expect(scene.maker.session.nextDeadline == live.expiry.advanced(byNanoseconds: 1))
    scene.now = live.expiry.advanced(byNanoseconds: 1)
    try scene.pair.quote(id, scene.draft())
    #expect(scene.taker.session.dialogue(id)?.peerOffer != nil)
    #expect(scene.taker.session.dialogue(id)?.peerOffer?.id != offer)
  }

  @Test("no Accept while the witness cannot be reached, and none after the key has changed")
  func unreachable() throws {
    let scene = WitnessedPair()
    let id = try scene.ask()
    let offer = try scene.pair.quote(id, scene.draft())
    scene.taker.session.reachableWitnesses = ["did:web:another"]
    #expect(throws: NegotiationError.witnessUnreachable(scene.witness.id)) {
      _ = try scene.taker.session.accept(id, offer: offer, side: .buy, lots: 1, now: scene.now)
    }
  }

  @Test("stamps of others, of other slots, forged or known ones change nothing; a frozen side takes the right one")
  func strangeStamps() throws {
    let scene = WitnessedPair()
    let id = try scene.ask()
    let offer = try scene.pair.quote(id, scene.draft())
    try scene.accept(id)
    let named = try #require(scene.taker.session.state.dialogues[id]?.witnessed.offers[offer])
    let content = try #require(scene.taker.session.slotQuestions(now: scene.now).first?.write?.content)
    let witness = scene.witness.signer
    var wrongDeadline = named.slot
    wrongDeadline.deadline = wrongDeadline.deadline.advanced(byNanoseconds: 1)
    var wrongKey = named.slot
    wrongKey.key = Hash256(ed25519: Traders.maker.identity.ed25519)
    let strange = [
      Stamp(named.slot, content: content, time: scene.now, signer: Traders.maker),  // an unknown witness
      Stamp(wrongDeadline, content: content, time: scene.now, signer: witness),
      Stamp(wrongKey, content: content, time: scene.now, signer: witness),
    ]
    let before = scene.taker.session.state
    for stamp in strange {
      for identity in [witness.identity, Traders.maker.identity] {
        #expect(scene.taker.session.receive(stamp, of: identity, now: scene.now).isEmpty)
      }
    }
    #expect(scene.taker.session.state == before)
    scene.taker.take(scene.taker.session.freeze(.lostPeer, now: scene.now))
    let good = Stamp(named.slot, content: content, time: scene.now, signer: witness)
    scene.taker.take(scene.taker.session.receive(good, of: witness.identity, now: scene.now))
    #expect(scene.taker.session.trades.count == 1)
    #expect(scene.taker.session.receive(good, of: witness.identity, now: scene.now).isEmpty)
    // The witness says otherwise now: kept as evidence, and nothing changes.
    let lie = Stamp(named.slot, content: nil, time: named.slot.deadline + .seconds(1), signer: witness)
    scene.taker.take(scene.taker.session.receive(lie, of: witness.identity, now: scene.now))
    #expect(scene.taker.events.contains(.witnessEquivocated(id, offer: offer)))
    #expect(scene.taker.session.trades.count == 1)
    #expect(try scene.verdict(scene.taker, id) == .equivocation(by: scene.witness.id))
    #expect(try scene.taker.restored() == scene.taker.session.state)
  }

  // MARK: Requests and offers

  @Test("requests with witnesses that cannot be served")
  func requests() throws {
    let script = Script(Traders.taker, to: Traders.maker)
    let key = Hash256(ed25519: Traders.taker.identity.ed25519)
    script.peer.session.policy.witnesses = ["did:web:w"]
    let cases: [([String], Hash256?, Script.Answer)] = [
      (["did:web:w"], nil, .nothing), (["did:web:w", "did:web:v"], key, .nothing), ([], key, .reject(.witness)),
      (["did:web:v"], key, .reject(.witness)), (["did:web:w", "did:web:w"], key, .reject(.witness)),
      (["did:web:w", script.id], key, .reject(.witness)), (["did:web:w", script.peerID], key, .reject(.witness)),
      (["did:web:w"], .zero, .reject(.witness)),
    ]
    for (index, (witnesses, key, answer)) in cases.enumerated() {
      var (request, id) = script.request(UInt8(index + 1))
      request.witnesses = witnesses
      request.slotKey = key
      #expect(script.say(.quoteRequest(request), in: id) == answer, "case \(index)")
    }
  }

  @Test("offers in a dialogue with witnesses")
  func offers() throws {
    let witness = Traders.stranger.identity.did.string
    let script = Script(Traders.maker, to: Traders.taker)
    var draft = Samples.request()
    draft.witnesses = [witness]
    let result = try script.peer.session.requestQuote(draft, nonce: [UInt8](repeating: 1, count: 16), now: script.now)
    script.peer.take(result)
    script.hear()
    guard case .quoteRequest(let request)? = script.heard.first?.payload, let key = request.slotKey else {
      Issue.record("no request")
      return
    }
    let end = script.now + .seconds(2)
    func answer(_ change: (inout Offer) -> Void) -> Script.Answer {
      var offer = script.offer(hold: end)
      offer.witness = .init(did: witness, slotKey: key)
      change(&offer)
      return script.say(.quote(offer), in: result.dialogue, expiry: end)
    }
    #expect(answer { $0.witness = nil } == .reject(.witness))
    #expect(answer { $0.witness?.did = "did:web:other" } == .reject(.witness))
    #expect(answer { $0.witness?.slotKey = Hash256(ed25519: Traders.maker.identity.ed25519) } == .reject(.witness))
    #expect(answer { $0.holdUntil = script.now + .seconds(1) } == .reject(.witness))
    #expect(answer { ($0.mode, $0.holdUntil) = (.indicative, UnixNanoseconds(0)) } == .reject(.witness))
    #expect(
      answer { ($0.mode, $0.holdUntil, $0.witness) = (.indicative, UnixNanoseconds(0), nil) } == .nothing)
  }

  // MARK: Accepts

  /// A maker with a witnessed Quote, and a taker that says what it likes.
  private func scripted() throws -> (script: Script, id: DialogueID, live: LiveOffer, witness: WitnessServer) {
    let witness = WitnessServer()
    let script = Script(Traders.taker, to: Traders.maker)
    script.peer.session.policy.witnesses = [witness.id]
    var (request, id) = script.request(1)
    request.witnesses = [witness.id]
    script.say(.quoteRequest(request), in: id)
    var draft = Samples.twoWay()
    draft.witness = witness.id
    script.peer.take(try script.peer.session.quote(id, draft, now: script.now))
    script.hear()
    return (script, id, try #require(script.peer.session.dialogue(id)?.myOffer), witness)
  }

  /// An Accept with a write by the taker's own key, since the request named no other.
  private func accept(
    _ script: Script, _ id: DialogueID, _ live: LiveOffer, lots: Int64 = 3, by key: LocalSigner = Traders.taker,
    _ change: (inout Accept) -> Void = { _ in }
  ) -> Statement {
    var accept = script.accept(live, in: id, lots: lots)
    change(&accept)
    let bare = script.statement(.accept(accept), in: id)
    let slot = Slot(live, live.offer.witness!)
    let content = bare.slotContent!
    accept.slotWrite = key.sign(slot.writtenBytes(content), context: Stamp.signatureContext).ed25519
    let signed = script.statement(.accept(accept), in: id)
    precondition(signed.slotContent == content)
    return signed
  }

  @Test("an Accept without the write, or with one that is not the slot key's, is declined WITNESS; a wrong one TERMS")
  func faultyAccepts() throws {
    let (script, id, live, _) = try scripted()
    #expect(script.say(.accept(script.accept(live, in: id)), in: id) == .decline(.witness))
    #expect(script.say(accept(script, id, live, by: Traders.maker)) == .decline(.witness))
    #expect(script.say(accept(script, id, live) { $0.terms[3] ^= 1 }) == .decline(.terms))
    #expect(script.say(accept(script, id, live) { $0.lots = 11 }) == .decline(.lots))
    script.now = live.expiry + .seconds(1)
    #expect(script.say(accept(script, id, live)) == .nothing, "late by its own clock, the owner leaves it to the slot")
    #expect(script.peer.session.trades.isEmpty)
  }

  @Test("a write in an Accept of an offer without a witness is declined WITNESS")
  func uncalledFor() throws {
    let script = Script(Traders.taker, to: Traders.maker)
    let (request, id) = script.request(1)
    script.say(.quoteRequest(request), in: id)
    script.peer.take(try script.peer.session.quote(id, Samples.twoWay(), now: script.now))
    script.hear()
    let live = try #require(script.peer.session.dialogue(id)?.myOffer)
    var accept = script.accept(live, in: id)
    accept.slotWrite = [UInt8](repeating: 0, count: 64)
    #expect(script.say(.accept(accept), in: id) == .decline(.witness))
    accept.slotWrite = nil
    #expect(script.say(.accept(accept), in: id) == .confirm)
  }

  @Test("a malicious acceptor signs two Accepts: the slot holds one, and that one trades", arguments: [0, 1])
  func twoAccepts(written: Int) throws {
    let (script, id, live, witness) = try scripted()
    let accepts = [accept(script, id, live, lots: 3)]
    #expect(script.say(accepts[0]) == .nothing)
    let second = accept(script, id, live, lots: 4)
    #expect(script.say(second) == .nothing)
    #expect(script.say(.pass(Pass(code: .none)), in: id) == .reject(.held), "with an Accept of its own undecided")
    let chosen = written == 0 ? accepts[0] : second
    let slot = Slot(live, live.offer.witness!)
    guard case .stamp(let stamp) = try witness.ask(.write(slot, SlotWrite(chosen)!), script.now) else { return }
    script.peer.take(script.peer.session.receive(stamp, of: witness.signer.identity, now: script.now))
    #expect(script.peer.session.trades.map(\.accept) == [chosen.id])
    script.hear()
    let declined = script.heard.compactMap { statement -> StatementID? in
      if case .decline(let decline) = statement.payload { decline.accept } else { nil }
    }
    #expect(declined == [written == 0 ? second.id : accepts[0].id])
    #expect(try script.peer.restored() == script.peer.session.state)
  }

  @Test("the slot holds what was declined for its own faults: no trade, and the offer ends")
  func writtenButFaulty() throws {
    let (script, id, live, witness) = try scripted()
    let faulty = accept(script, id, live) { $0.terms[3] ^= 1 }
    #expect(script.say(faulty) == .decline(.terms))
    let slot = Slot(live, live.offer.witness!)
    guard case .stamp(let stamp) = try witness.ask(.write(slot, SlotWrite(faulty)!), script.now) else { return }
    let late = live.expiry + .seconds(1)
    script.peer.take(script.peer.session.receive(stamp, of: witness.signer.identity, now: late))
    #expect(script.peer.session.dialogue(id)?.myOffer == nil)
    #expect(script.peer.session.firmLots == 0)
  }

  @Test("an owner that says otherwise than the slot freezes its acceptor", arguments: [true, false])
  func owner(confirmsAgainstTheSlot: Bool) throws {
    let witness = WitnessServer()
    let script = Script(Traders.maker, to: Traders.taker)
    let taker = script.peer
    taker.session.reachableWitnesses = [witness.id]
    var draft = Samples.request()
    draft.witnesses = [witness.id]
    let id = taker.take(
      try taker.session.requestQuote(draft, nonce: [UInt8](repeating: 1, count: 16), now: script.now)
    ).dialogue
    script.hear()
    guard case .quoteRequest(let request)? = script.heard.first?.payload else { return }
    let end = script.now + .seconds(2)
    var offer = script.offer(hold: end)
    offer.witness = .init(did: witness.id, slotKey: request.slotKey!)
    let quote = script.statement(.quote(offer), in: id, expiry: end)
    script.say(quote)
    taker.take(try taker.session.accept(id, offer: quote.id, side: .buy, lots: 3, now: script.now))
    script.hear()
    let accept = try #require(script.heard.last)
    let late = end + .seconds(1)
    for question in taker.session.slotQuestions(now: script.now) {
      let asked = confirmsAgainstTheSlot ? late : script.now
      guard case .stamp(let stamp) = try witness.ask(question.message, asked) else { continue }
      taker.take(taker.session.receive(stamp, of: witness.signer.identity, now: asked))
    }
    script.now = late
    let lie: Payload =
      confirmsAgainstTheSlot ? .confirm(script.confirm(accept)) : .decline(script.decline(accept.id, .late))
    let statement = script.statement(lie, in: id)
    let rows = try taker.journal.map { try JournalRow($0) }
    let verdict = DialogueVerifier.verify(
      rows.filter { $0.dialogue == id }.compactMap(\.statement) + [statement.bytes], Traders.taker.identity,
      Traders.maker.identity, stamps: rows.compactMap(\.stamp), witnesses: [witness.signer.identity])
    #expect(
      verdict == .breach(owner: script.id, accept: accept.id, confirmsAgainstTheSlot ? .witness : .late), "\(verdict)")
    #expect(script.say(statement) == .freeze(.equivocation))
  }

  @Test("stamps that are not the given witness's, or of no offer here, make a set invalid")
  func verifierStamps() throws {
    let scene = WitnessedPair()
    let id = try scene.ask()
    try scene.pair.quote(id, scene.draft())
    try scene.accept(id)
    try scene.consult(scene.taker)
    let rows = try scene.taker.journal.map { try JournalRow($0) }.filter { $0.dialogue == id }
    let statements = rows.compactMap(\.statement)
    let stamp = try #require(rows.compactMap(\.stamp).first)
    func verdict(_ stamps: [[UInt8]], _ witness: LocalSigner = Traders.stranger) -> DialogueVerifier.Verdict {
      DialogueVerifier.verify(
        statements, Traders.taker.identity, Traders.maker.identity, stamps: stamps, witnesses: [witness.identity])
    }
    #expect(verdict([stamp, stamp]).isTraded)
    #expect(verdict([stamp], Traders.maker) == .invalid(.stamps, nil))
    #expect(verdict([[1, 2, 3]]) == .invalid(.stamps, nil))
    let elsewhere = Stamp(WitnessSlotTests.slot, content: Samples.spec, time: .start, signer: Traders.stranger)
    #expect(verdict([elsewhere.bytes]) == .invalid(.stamps, nil))
  }
}

extension DialogueView {
  fileprivate var pendingAccept: StatementID {
    if case .acceptInDoubt(let id) = phase { id } else { .zero }
  }
}

extension DialogueVerifier.Verdict {
  fileprivate var isUnverifiable: Bool { if case .unverifiable = self { true } else { false } }
}
