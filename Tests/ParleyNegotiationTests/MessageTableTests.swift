import ParleyIdentity
import ParleyWire
import Testing

@testable import ParleyNegotiation

/// Every cell of the message table: what a session answers to each message in each phase.
@Suite("Message table")
struct MessageTableTests {
  enum Phase: String, CaseIterable { case none = "N", open = "O", pending = "P", traded = "T", closed = "C" }

  /// A session that asked, and a script that is the maker; the session has brought the dialogue into `phase`.
  final class Stage {
    let script: Script
    let dialogue: DialogueID
    var quote: Statement?
    /// The session's Accept, in P and T.
    var accept: Statement?
    /// The session's Counter, in O.
    var counter: LiveOffer?

    init(_ phase: Phase, counters: Bool = false) throws {
      script = Script(Traders.maker, to: Traders.taker)
      let peer = script.peer
      let nonce = [UInt8](repeating: 3, count: 16)
      guard phase != .none else {
        dialogue = DialogueID(requester: script.peerID, responder: script.id, nonce: nonce)
        return
      }
      dialogue = peer.take(try peer.session.requestQuote(Samples.request(), nonce: nonce, now: script.now)).dialogue
      script.hear()
      let quote = script.statement(.quote(script.offer()), in: dialogue)
      #expect(script.say(quote) == .nothing)
      self.quote = quote
      switch phase {
      case .none, .open:
        if counters {
          peer.take(try peer.session.counter(dialogue, Samples.twoWay(bid: 97, ask: 103), now: script.now))
          script.hear()
          counter = peer.session.dialogue(dialogue)?.myOffer
        }
      case .pending, .traded:
        if counters {
          peer.take(try peer.session.counter(dialogue, Samples.twoWay(bid: 97, ask: 103), now: script.now))
          script.hear()
          counter = peer.session.dialogue(dialogue)?.myOffer
        }
        peer.take(
          try peer.session.accept(dialogue, offer: quote.id, side: .buy, lots: 3, now: script.now))
        script.hear()
        accept = script.heard.last
        if phase == .traded { #expect(script.say(.confirm(script.confirm(accept!)), in: dialogue) == .tradeAck) }
      case .closed: #expect(script.say(.pass(Pass(code: .none)), in: dialogue) == .nothing)
      }
    }

    var phase: Phase {
      switch script.peer.session.dialogue(dialogue)?.phase {
      case nil: .none
      case .open: .open
      case .acceptInDoubt: .pending
      case .traded: .traded
      case .closed: .closed
      }
    }

    /// An Accept that bears the session's signature, and is in no journal.
    func lostAccept() -> Statement {
      let view = script.peer.session.dialogue(dialogue)
      let live =
        view?.peerOffer
        ?? LiveOffer(
          id: .zero, offer: script.offer(), created: script.now, expiry: script.now + .seconds(2))
      let accept: Accept
      if view?.peerOffer != nil {
        let terms = try! Terms(
          request: view!.request, requester: script.peerID, responder: script.id, offer: live.offer, id: live.id,
          ownerIsRequester: false, acceptorSide: .sell, lots: 1)
        accept = Accept(offer: live.id, side: .sell, lots: 1, terms: terms.encoded)
      } else {
        accept = Accept(offer: live.id, side: .sell, lots: 1, terms: [1])
      }
      return script.statement(.accept(accept), in: dialogue, by: script.peer.signer) {
        ($0.from, $0.to) = ($0.to, $0.from)
        $0.fromKey = self.script.peer.signer.identity.keyFragment
        $0.docHash = Hash256(self.script.peer.signer.identity.documentHash)!
      }
    }

    func forgedAccept() -> Statement {
      let lost = lostAccept()
      return Statement(header: lost.header, payload: lost.payload, signer: Traders.stranger)
    }
  }

  struct Row: CustomTestStringConvertible, Sendable {
    let name: String
    let cells: [Script.Answer]
    var after: [Phase] = [.none, .open, .pending, .traded, .closed]
    let message: @Sendable (Stage) -> Payload
    var testDescription: String { name }

    init(
      _ name: String, _ cells: [Script.Answer], after: [Phase]? = nil, _ message: @escaping @Sendable (Stage) -> Payload
    ) {
      self.name = name
      self.cells = cells
      if let after { self.after = after }
      self.message = message
    }
  }

  static func lateOffer(_ stage: Stage) -> StatementID {
    stage.script.peer.session.dialogue(stage.dialogue)?.peerOffer?.id ?? .zero
  }

  static let rows: [Row] = [
    Row("Quote", [.reject(.unknown), .nothing, .nothing, .reject(.closed), .reject(.closed)]) {
      .quote($0.script.offer(replaces: lateOffer($0)))
    },
    Row("Counter by the responder", [.reject(.unknown)] + Array(repeating: .reject(.role), count: 4)) {
      .counter($0.script.offer(round: 1, replaces: lateOffer($0)))
    },
    Row("QuoteRequest again", [.reject(.chain)] + Array(repeating: .reject(.duplicate), count: 4)) {
      .quoteRequest($0.script.request(3).0)
    },
    Row(
      "Accept of an unknown offer",
      [.decline(.unknown), .decline(.unknown), .decline(.crossed), .decline(.taken), .decline(.closed)]
    ) { _ in .accept(Accept(offer: Samples.spec, side: .buy, lots: 1, terms: [1])) },
    Row(
      "Confirm of a lost Accept", Array(repeating: .freeze(.lostSelf), count: 5)
    ) { .confirm($0.script.confirm($0.lostAccept())) },
    Row(
      "Confirm of a forged Accept", Array(repeating: .freeze(.forged), count: 5)
    ) { .confirm($0.script.confirm($0.forgedAccept())) },
    Row(
      "Confirm of my Accept",
      [.freeze(.lostSelf), .freeze(.lostSelf), .tradeAck, .reject(.duplicate), .freeze(.lostSelf)],
      after: [.none, .open, .traded, .traded, .closed]
    ) { .confirm($0.script.confirm($0.accept ?? $0.lostAccept())) },
    Row(
      "Decline of my Accept",
      [.reject(.unknown), .reject(.unsolicited), .nothing, .freeze(.equivocation), .reject(.unsolicited)],
      after: [.none, .open, .open, .traded, .closed]
    ) { .decline($0.script.decline($0.accept?.id ?? Samples.spec)) },
    Row(
      "Decline of another Accept",
      [.reject(.unknown)] + Array(repeating: .reject(.unsolicited), count: 4)
    ) { .decline($0.script.decline(Samples.spec)) },
    Row("QuoteCancel", [.reject(.unknown), .nothing, .nothing, .reject(.closed), .reject(.closed)]) {
      .quoteCancel(QuoteCancel(offer: $0.quote?.id ?? .zero, code: .none))
    },
    Row(
      "QuoteCancel of no offer",
      [.reject(.unknown), .reject(.noOffer), .reject(.noOffer), .reject(.closed), .reject(.closed)]
    ) { _ in .quoteCancel(QuoteCancel(offer: Samples.spec, code: .none)) },
    Row(
      "Pass", [.reject(.unknown), .nothing, .nothing, .reject(.closed), .reject(.closed)],
      after: [.none, .closed, .pending, .traded, .closed]
    ) { _ in .pass(Pass(code: .price)) },
    Row(
      "Reject of the request", Array(repeating: .nothing, count: 5),
      after: [.none, .closed, .pending, .traded, .closed]
    ) { stage in
      let request = stage.script.peer.session.dialogue(stage.dialogue)?.requestID ?? .zero
      return .reject(Reject(target: request, code: .policy, field: 0, text: "no"))
    },
    Row("Reject of nothing", Array(repeating: .nothing, count: 5)) { _ in
      .reject(Reject(target: Samples.spec, code: .policy, field: 0, text: ""))
    },
    Row("Reject of my Accept settles nothing", Array(repeating: .nothing, count: 5)) {
      .reject(Reject(target: $0.accept?.id ?? .zero, code: .policy, field: 0, text: ""))
    },
    Row(
      "TradeAck", [.reject(.unknown)] + Array(repeating: .reject(.unsolicited), count: 4)
    ) { _ in .tradeAck(TradeAck(confirm: Samples.spec)) },
  ]

  @Test("every message in every phase", arguments: rows)
  func cell(row: Row) throws {
    for (index, phase) in Phase.allCases.enumerated() {
      let stage = try Stage(phase)
      #expect(stage.phase == phase)
      let answer = stage.script.say(row.message(stage), in: stage.dialogue)
      #expect(answer == row.cells[index], "\(row.name) in \(phase.rawValue)")
      let after = stage.phase
      #expect(after == row.after[index], "\(row.name) in \(phase.rawValue) leads to \(after.rawValue)")
      let restored = try stage.script.peer.restored()
      #expect(restored == stage.script.peer.session.state, "\(row.name) in \(phase.rawValue) restores otherwise")
    }
  }

  @Test("unserved kinds are refused in every phase", arguments: [0, 14, 255] as [UInt8])
  func unservedKinds(kind: UInt8) throws {
    for phase in Phase.allCases {
      let stage = try Stage(phase)
      let model = stage.script.statement(.pass(Pass(code: .none)), in: stage.dialogue) { $0.kind = Kind.pass.rawValue }
      var header = model.header
      header.kind = kind
      let envelope = Envelope(header: header.encoded, payload: [0x90], signer: stage.script.signer)
      #expect(stage.script.say(envelope.bytes) == .reject(.kind))
      #expect(stage.phase == phase)
    }
  }

  // MARK: The session as owner

  @Test("an Accept of a live firm offer is confirmed in the transaction of its receipt")
  func confirms() throws {
    let stage = try Stage(.open, counters: true)
    let script = stage.script
    let accept = script.statement(.accept(script.accept(stage.counter!, in: stage.dialogue)), in: stage.dialogue)
    script.sent += 1
    let outcome = script.peer.session.receive(
      Frame.data(n: script.sent, statement: accept.bytes).encoded, now: script.now)
    #expect(outcome.rows.count == 2)
    guard case .received(_, let bytes, .none, .full) = outcome.rows[0].content else {
      Issue.record("the first row is not the receipt")
      return
    }
    #expect(bytes == accept.bytes)
    guard case .sent(_, let confirm, nil) = outcome.rows[1].content, case .confirm = try Statement(confirm).payload
    else {
      Issue.record("the second row is not the Confirm")
      return
    }
    #expect(outcome.events.contains { if case .traded(let trade) = $0 { !trade.isAcceptor } else { false } })
    #expect(script.peer.session.trades.count == 1)
  }

  @Test("what is wrong with an Accept is declined by its own code")
  func declines() throws {
    typealias Case = (NegotiationCode, (Stage) throws -> Accept)
    let cases: [Case] = [
      (
        .late,
        {
          $0.script.now = $0.counter!.expiry + .nanoseconds(1); return $0.script.accept($0.counter!, in: $0.dialogue)
        }
      ),
      (
        .cancelled,
        { stage in
          let peer = stage.script.peer
          peer.take(try peer.session.cancelOffer(stage.dialogue, now: stage.script.now))
          stage.script.hear()
          return stage.script.accept(stage.counter!, in: stage.dialogue)
        }
      ),
      (
        .superseded,
        { stage in
          let peer = stage.script.peer
          peer.take(try peer.session.counter(stage.dialogue, Samples.twoWay(bid: 98, ask: 102), now: stage.script.now))
          stage.script.hear()
          return stage.script.accept(stage.counter!, in: stage.dialogue)
        }
      ),
      (
        .cancelled,
        { stage in
          stage.script.say(
            .reject(Reject(target: stage.counter!.id, code: .policy, field: 0, text: "")), in: stage.dialogue)
          return stage.script.accept(stage.counter!, in: stage.dialogue)
        }
      ),
      (
        .lots,
        {
          var accept = $0.script.accept($0.counter!, in: $0.dialogue); accept.lots = 11; return accept
        }
      ),
      (
        .terms,
        {
          var accept = $0.script.accept($0.counter!, in: $0.dialogue); accept.lots = 4; return accept
        }
      ),
      (
        .terms,
        {
          var accept = $0.script.accept($0.counter!, in: $0.dialogue); accept.side = .sell; return accept
        }
      ),
      (
        .terms,
        {
          var accept = $0.script.accept($0.counter!, in: $0.dialogue); accept.terms[40] ^= 1; return accept
        }
      ),
      (
        .unknown,
        {
          var accept = $0.script.accept($0.counter!, in: $0.dialogue); accept.offer = $0.quote!.id; return accept
        }
      ),
    ]
    for (index, (code, make)) in cases.enumerated() {
      let stage = try Stage(.open, counters: true)
      #expect(stage.script.say(.accept(try make(stage)), in: stage.dialogue) == .decline(code), "case \(index)")
      let restored = try stage.script.peer.restored()
      #expect(restored == stage.script.peer.session.state, "case \(index)")
    }
  }

  @Test("at the end of its life an offer is taken, a nanosecond later it is not")
  func edgeOfLife() throws {
    for (late, answer) in [(Duration.zero, Script.Answer.confirm), (.nanoseconds(1), .decline(.late))] {
      let stage = try Stage(.open, counters: true)
      let accept = stage.script.accept(stage.counter!, in: stage.dialogue)
      stage.script.now = stage.counter!.expiry + late
      #expect(stage.script.say(.accept(accept), in: stage.dialogue) == answer)
    }
  }

  @Test("crossing Accepts are both declined CROSSED, and the dialogue goes on")
  func crossing() throws {
    let stage = try Stage(.pending, counters: true)
    let script = stage.script
    let peer = script.peer
    // The script accepted the Counter before it saw the session's Accept.
    let accept = Accept(offer: stage.counter!.id, side: .buy, lots: 1, terms: [1])
    #expect(script.say(.accept(accept), in: stage.dialogue) == .decline(.crossed))
    #expect(script.say(.decline(script.decline(stage.accept!.id, .crossed)), in: stage.dialogue) == .nothing)
    #expect(stage.phase == .open)
    let view = peer.session.dialogue(stage.dialogue)
    #expect(view?.myOffer == nil)
    #expect(view?.peerOffer == nil)
    // Signing the Accept killed the Counter: still CROSSED, not UNKNOWN.
    #expect(script.say(.accept(accept), in: stage.dialogue) == .decline(.crossed))
  }

  @Test("an indicative offer is declined INDICATIVE")
  func indicative() throws {
    let stage = try Stage(.open)
    let peer = stage.script.peer
    peer.take(try peer.session.counter(stage.dialogue, Samples.twoWay(mode: .indicative), now: stage.script.now))
    stage.script.hear()
    let live = peer.session.dialogue(stage.dialogue)!.myOffer!
    #expect(
      stage.script.say(.accept(stage.script.accept(live, in: stage.dialogue)), in: stage.dialogue)
        == .decline(.indicative))
  }

  @Test("a TradeAck of my Confirm is noted, in T only, and once known not needed again")
  func tradeAck() throws {
    let stage = try Stage(.open, counters: true)
    let script = stage.script
    #expect(script.say(.accept(script.accept(stage.counter!, in: stage.dialogue)), in: stage.dialogue) == .confirm)
    let confirm = script.heard.last!
    #expect(script.say(.tradeAck(TradeAck(confirm: Samples.spec)), in: stage.dialogue) == .reject(.unsolicited))
    #expect(script.say(.tradeAck(TradeAck(confirm: confirm.id)), in: stage.dialogue) == .nothing)
    #expect(script.peer.session.nextEnding == nil)
  }

  @Test("after the verdict a passed dialogue closes, or is a trade all the same")
  func passWhilePending() throws {
    for isConfirmed in [false, true] {
      let stage = try Stage(.pending)
      let script = stage.script
      #expect(script.say(.pass(Pass(code: .none)), in: stage.dialogue) == .nothing)
      #expect(stage.phase == .pending)
      #expect(script.say(.quote(script.offer()), in: stage.dialogue) == .reject(.closed))
      #expect(script.say(.pass(Pass(code: .none)), in: stage.dialogue) == .reject(.closed))
      if isConfirmed {
        #expect(script.say(.confirm(script.confirm(stage.accept!)), in: stage.dialogue) == .tradeAck)
        #expect(stage.phase == .traded)
      } else {
        #expect(script.say(.decline(script.decline(stage.accept!.id)), in: stage.dialogue) == .nothing)
        #expect(stage.phase == .closed)
      }
    }
  }

  @Test("a Confirm after a Decline is equivocation, in O and in C")
  func confirmAfterDecline() throws {
    for passes in [false, true] {
      let stage = try Stage(.pending)
      let script = stage.script
      script.say(.decline(script.decline(stage.accept!.id)), in: stage.dialogue)
      if passes { script.say(.pass(Pass(code: .none)), in: stage.dialogue) }
      #expect(script.say(.confirm(script.confirm(stage.accept!)), in: stage.dialogue) == .freeze(.equivocation))
    }
  }

  @Test("a Confirm with another digest changes nothing")
  func wrongDigest() throws {
    let stage = try Stage(.pending)
    var confirm = stage.script.confirm(stage.accept!)
    confirm.termsDigest = Samples.spec
    #expect(stage.script.say(.confirm(confirm), in: stage.dialogue) == .reject(.terms))
    #expect(stage.phase == .pending)
  }

  @Test("a Confirm decided after the offer's end, which the verifier calls invalid, trades nothing")
  func lateConfirm() throws {
    let stage = try Stage(.pending)
    let end = stage.quote!.header.expiry
    var confirm = stage.script.confirm(stage.accept!)
    confirm.decided = end + .nanoseconds(1)
    #expect(stage.script.say(.confirm(confirm), in: stage.dialogue) == .reject(.late))
    #expect(stage.phase == .pending)
    confirm.decided = end
    #expect(stage.script.say(.confirm(confirm), in: stage.dialogue) == .tradeAck)
  }

  @Test("a Confirm of a copy of my Accept without my signature is forged, though the id is the same")
  func alteredAccept() throws {
    for phase in [Phase.pending, .traded] {
      let stage = try Stage(phase)
      var confirm = stage.script.confirm(stage.accept!)
      confirm.acceptStatement[confirm.acceptStatement.count - 1] ^= 1
      #expect(try Statement(confirm.acceptStatement).id == stage.accept!.id)
      #expect(stage.script.say(.confirm(confirm), in: stage.dialogue) == .freeze(.forged))
      #expect(stage.phase == phase)
      #expect(try stage.script.peer.restored() == stage.script.peer.session.state)
    }
  }

  @Test("a Confirm of an Accept for somebody else does not freeze the pair")
  func foreignAccept() throws {
    let stage = try Stage(.open)
    let lost = stage.lostAccept()
    var header = lost.header
    header.to = Traders.stranger.identity.did.string
    let foreign = Statement(header: header, payload: lost.payload, signer: stage.script.peer.signer)
    #expect(stage.script.say(.confirm(stage.script.confirm(foreign)), in: stage.dialogue) == .reject(.malformed))
  }

  @Test("a Decline about the pair settles the Accept that it names")
  func declineAboutThePair() throws {
    let stage = try Stage(.pending)
    #expect(stage.script.say(.decline(stage.script.decline(stage.accept!.id, .amnesia)), in: .pair) == .nothing)
    #expect(stage.phase == .open)
  }
}
