import ParleyIdentity
import ParleyWire
import Testing

@testable import ParleyNegotiation

@Suite("Dialogue verifier")
struct DialogueVerifierTests {
  typealias Verdict = DialogueVerifier.Verdict

  /// A short name of a verdict, for tables.
  static func name(_ verdict: Verdict) -> String {
    switch verdict {
    case .traded: "TRADED"
    case .notTraded: "NOT_TRADED"
    case .inDoubt: "IN_DOUBT"
    case .noAccept: "NO_ACCEPT"
    case .breach(let owner, _, let code): "BREACH(\(who(owner)), \(code))"
    case .equivocation(let did): "EQUIVOCATION(\(who(did)))"
    case .invalid(let step, _): "INVALID(\(step.rawValue))"
    case .unverifiable: "UNVERIFIABLE"
    }
  }

  static func who(_ did: String) -> String { did == Traders.taker.identity.did.string ? "taker" : "maker" }

  /// A dialogue as two scripts would sign it: each line says what one side signs, knowing all lines before it.
  struct Talk {
    var statements: [Statement] = []
    var now = UnixNanoseconds.start
    var dialogue = DialogueID.pair
    var request: QuoteRequest
    var taker = Traders.taker
    var maker = Traders.maker

    init(taker: LocalSigner = Traders.taker, maker: LocalSigner = Traders.maker) {
      (self.taker, self.maker) = (taker, maker)
      request = QuoteRequest(
        nonce: [UInt8](repeating: 5, count: 16), legs: [Samples.leg], lotsMin: 1, lotsMax: 10, side: .twoWay)
      dialogue = DialogueID(
        requester: taker.identity.did.string, responder: maker.identity.did.string, nonce: request.nonce)
    }

    @discardableResult
    mutating func say(
      _ signer: LocalSigner, _ payload: Payload, expiry: UnixNanoseconds? = nil, in other: DialogueID? = nil,
      _ change: (inout Header) -> Void = { _ in }
    ) -> Statement {
      let peer = signer.identity.did == taker.identity.did ? maker : taker
      let own = statements.filter { $0.header.from == signer.identity.did.string && $0.header.dialogue != .pair }
      let theirs = statements.filter { $0.header.from == peer.identity.did.string && $0.header.dialogue != .pair }
      var header = Header(
        kind: payload.kind.rawValue, dialogue: other ?? dialogue, from: signer.identity.did.string,
        fromKey: signer.identity.keyFragment, to: peer.identity.did.string, seq: Int64(own.count) + 1,
        own: own.last?.id ?? .zero, seen: theirs.last?.id ?? .zero, created: now, expiry: UnixNanoseconds(0),
        docHash: Hash256(signer.identity.documentHash)!, extensions: [])
      switch payload {
      case .quoteRequest: header.expiry = expiry ?? now + .seconds(60)
      case .quote, .counter: header.expiry = expiry ?? now + .seconds(2)
      default: break
      }
      change(&header)
      let statement = Statement(header: header, payload: payload, signer: signer)
      statements.append(statement)
      now = now + .milliseconds(1)
      return statement
    }

    mutating func ask() { say(taker, .quoteRequest(request)) }

    func offer(
      _ replaces: StatementID = .zero, mode: OfferMode = .firm, ask: Int64 = 105,
      hold: UnixNanoseconds = UnixNanoseconds(0)
    ) -> Offer {
      Offer(
        round: 0, replaces: replaces, mode: mode, lookNanoseconds: 0, holdUntil: hold, bid: Samples.side(95),
        ask: Samples.side(ask), isAllOrNone: false, witness: nil)
    }

    func accept(_ quote: Statement, lots: Int64 = 3, byRequester: Bool = true) -> Payload {
      var offer = offer()
      switch quote.payload {
      case .quote(let content), .counter(let content): offer = content
      default: break
      }
      let terms = try! Terms(
        request: request, requester: taker.identity.did.string, responder: maker.identity.did.string, offer: offer,
        id: quote.id, ownerIsRequester: !byRequester, acceptorSide: .buy, lots: lots)
      return .accept(Accept(offer: quote.id, side: .buy, lots: lots, terms: terms.encoded))
    }

    func confirm(_ accept: Statement, received: UnixNanoseconds? = nil, decided: UnixNanoseconds? = nil) -> Payload {
      guard case .accept(let content) = accept.payload else { preconditionFailure("not an Accept") }
      return .confirm(
        Confirm(
          acceptStatement: accept.bytes, termsDigest: Terms.digest(of: content.terms), received: received ?? now,
          decided: decided ?? received ?? now))
    }

    func decline(_ accept: Statement, _ code: NegotiationCode, received: UnixNanoseconds? = nil) -> Payload {
      .decline(
        Decline(accept: accept.id, code: code, limit: 0, received: received ?? now, decided: received ?? now))
    }

    var verdict: Verdict { DialogueVerifier.verify(statements.map(\.bytes), taker.identity, maker.identity) }
    var verdictName: String { DialogueVerifierTests.name(verdict) }
  }

  /// Request, quote, accept.
  static func accepted(hold: Duration? = nil, mode: OfferMode = .firm) -> (Talk, quote: Statement, accept: Statement) {
    var talk = Talk()
    talk.ask()
    let quote = talk.say(
      talk.maker, .quote(talk.offer(mode: mode, hold: hold.map { talk.now + $0 } ?? UnixNanoseconds(0))))
    let accept = talk.say(talk.taker, talk.accept(quote))
    return (talk, quote, accept)
  }

  @Test("what sessions sign verifies, from either journal, in any order")
  func sessions() throws {
    for (taker, maker) in [(Traders.taker, Traders.maker), (Traders.quantumTaker, Traders.quantumMaker)] {
      let pair = Pair(taker, maker)
      let id = try pair.ask()
      try pair.quote(id)
      try pair.counter(id)
      let offer = try pair.quote(id, Samples.twoWay(bid: 96, ask: 104))
      pair.taker.take(try pair.taker.session.accept(id, offer: offer, side: .buy, lots: 3, now: pair.now))
      pair.settle()
      for peer in [pair.taker, pair.maker] {
        let statements = try peer.journal.compactMap { try JournalRow($0) }.filter { $0.dialogue == id }
          .compactMap(\.statement)
        for order in [statements, statements.reversed(), statements + statements] {
          guard case .traded(let trade) = DialogueVerifier.verify(order, maker.identity, taker.identity) else {
            Issue.record("no trade: \(DialogueVerifier.verify(order, maker.identity, taker.identity))")
            continue
          }
          #expect(trade.confirm == peer.session.trades.first?.confirm)
          #expect(trade.acceptor == taker.identity.did.string)
          #expect(trade.terms.lots == 3)
          #expect(trade.terms.net == 104)
        }
      }
    }
  }

  @Test("each outcome of a dialogue")
  func outcomes() {
    var talk = Talk()
    talk.ask()
    #expect(talk.verdictName == "NO_ACCEPT")
    var (doubt, _, accept) = Self.accepted()
    #expect(doubt.verdictName == "IN_DOUBT")
    doubt.say(doubt.maker, doubt.confirm(accept))
    #expect(doubt.verdictName == "TRADED")
    var (late, quote, _) = Self.accepted()
    late.statements.removeLast()
    late.now = quote.header.expiry + .seconds(1)
    accept = late.say(late.taker, late.accept(quote))
    late.say(late.maker, late.decline(accept, .late))
    #expect(late.verdictName == "NOT_TRADED")
  }

  // MARK: Breach

  enum Before: Sendable {
    case nothing, cancel, cancelOther, replace, pass, peerPasses, peerRejects

    func happen(_ talk: inout Talk, _ quote: Statement) {
      let (taker, maker) = (talk.taker, talk.maker)
      switch self {
      case .nothing: break
      case .cancel: talk.say(maker, .quoteCancel(QuoteCancel(offer: quote.id, code: .none)))
      case .cancelOther: talk.say(maker, .quoteCancel(QuoteCancel(offer: Samples.spec, code: .none)))
      case .replace: talk.say(maker, .quote(talk.offer(quote.id, ask: 106)))
      case .pass: talk.say(maker, .pass(Pass(code: .none)))
      case .peerPasses: talk.say(taker, .pass(Pass(code: .none)))
      case .peerRejects: talk.say(taker, .reject(Reject(target: quote.id, code: .policy, field: 0, text: "")))
      }
    }
  }

  static let breachCases: [(NegotiationCode, Before, isBreach: Bool)] = [
    (.late, .nothing, true), (.cancelled, .nothing, true), (.cancelled, .cancel, false),
    (.cancelled, .peerRejects, false), (.cancelled, .cancelOther, true), (.superseded, .nothing, true),
    (.superseded, .replace, false), (.crossed, .nothing, true), (.taken, .nothing, true), (.closed, .nothing, true),
    (.closed, .pass, false), (.closed, .peerPasses, false), (.closed, .cancel, true), (.terms, .nothing, true),
    (.lots, .nothing, true), (.indicative, .nothing, true), (.unknown, .nothing, true), (.chain, .nothing, true),
    (.critical, .nothing, true), (.malformed, .nothing, true), (.overload, .nothing, true),
    (NegotiationCode(rawValue: 999), .nothing, true), (.amnesia, .nothing, false),
  ]

  @Test("a firm offer is declined only for a reason that the statements show")
  func breaches() {
    for (code, before, isBreach) in Self.breachCases {
      var (talk, quote, accept) = Self.accepted()
      before.happen(&talk, quote)
      talk.say(talk.maker, talk.decline(accept, code))
      #expect(talk.verdictName == (isBreach ? "BREACH(maker, \(code))" : "NOT_TRADED"), "\(code) after \(before)")
    }
  }

  @Test("what happened after the Decline does not bear it out")
  func tooLateToExcuse() {
    var (talk, quote, accept) = Self.accepted()
    talk.say(talk.maker, talk.decline(accept, .cancelled))
    talk.say(talk.maker, .quoteCancel(QuoteCancel(offer: quote.id, code: .none)))
    #expect(talk.verdictName == "BREACH(maker, CANCELLED)")
  }

  @Test("a held offer is neither cancelled, replaced nor crossed")
  func held() {
    for (code, before) in [(NegotiationCode.cancelled, Before.cancel), (.superseded, .replace)] {
      for isHeld in [true, false] {
        var (talk, quote, accept) = Self.accepted(hold: .milliseconds(isHeld ? 500 : 1))
        before.happen(&talk, quote)
        talk.say(talk.maker, talk.decline(accept, code))
        #expect(talk.verdictName == (isHeld ? "BREACH(maker, \(code))" : "NOT_TRADED"))
      }
    }
  }

  @Test("an indicative offer may be declined, and not confirmed")
  func indicative() {
    var (talk, _, accept) = Self.accepted(mode: .indicative)
    var other = talk
    talk.say(talk.maker, talk.decline(accept, .indicative))
    #expect(talk.verdictName == "NOT_TRADED")
    other.say(other.maker, other.confirm(accept))
    #expect(other.verdictName == "INVALID(5)")
  }

  @Test("an Accept with wrong terms may be declined TERMS, one out of its place CHAIN")
  func faultyAccepts() {
    var (talk, quote, _) = Self.accepted()
    talk.statements.removeLast()
    let other = talk
    let wrong = talk.say(talk.taker, .accept(Accept(offer: quote.id, side: .buy, lots: 3, terms: [1])))
    talk.say(talk.maker, talk.decline(wrong, .terms))
    #expect(talk.verdictName == "NOT_TRADED")
    talk = other
    let many = talk.say(talk.taker, .accept(Accept(offer: quote.id, side: .buy, lots: 11, terms: [1])))
    talk.say(talk.maker, talk.decline(many, .lots))
    #expect(talk.verdictName == "NOT_TRADED")
    talk = other
    let misplaced = talk.say(talk.taker, talk.accept(quote)) { $0.own = Samples.spec }
    talk.say(talk.maker, talk.decline(misplaced, .chain))
    #expect(talk.verdictName == "NOT_TRADED")
  }

  // MARK: Equivocation

  @Test("a Confirm and a Decline of one Accept, or two statements of one number, convict their signer")
  func equivocation() {
    var (talk, _, accept) = Self.accepted()
    talk.say(talk.maker, talk.confirm(accept))
    talk.say(talk.maker, talk.decline(accept, .late))
    #expect(talk.verdictName == "EQUIVOCATION(maker)")
    var (other, quote, _) = Self.accepted()
    let request = other.statements[0].id
    other.say(other.taker, other.accept(quote, lots: 4)) { header in
      header.seq = 2
      header.own = request
    }
    #expect(other.verdictName == "EQUIVOCATION(taker)")
  }

  // MARK: Invalid

  static let headerChanges: [(String, String, @Sendable (inout Header) -> Void)] = [
    ("kind", "INVALID(1)", { $0.kind = 99 }),
    ("dialogue", "INVALID(4)", { $0.dialogue = DialogueID([UInt8](repeating: 1, count: 16))! }),
    ("from", "INVALID(2)", { $0.from = Traders.stranger.identity.did.string }),
    ("fromKey", "INVALID(2)", { $0.fromKey = "key-2" }),
    ("to", "INVALID(2)", { $0.to = $0.from }),
    ("seq", "UNVERIFIABLE", { $0.seq += 1 }),
    ("own", "INVALID(4)", { $0.own = Samples.spec }),
    ("seen", "UNVERIFIABLE", { $0.seen = Samples.spec }),
    ("created", "INVALID(4)", { $0.created = .start + .seconds(-1) }),
    ("expiry", "INVALID(1)", { $0.expiry = $0.created + .seconds(1) }),
    ("docHash", "INVALID(2)", { $0.docHash = Samples.spec }),
    ("extension", "INVALID(1)", { $0.extensions = [.init(id: 1, isCritical: true, value: [])] }),
  ]

  @Test("each header field of a Confirm, changed and signed again")
  func headerFields() {
    for (field, expected, change) in Self.headerChanges {
      var (talk, _, accept) = Self.accepted()
      let confirm = talk.say(talk.maker, talk.confirm(accept))
      talk.statements.removeLast()
      var header = confirm.header
      change(&header)
      let envelope = Envelope(header: header.encoded, payload: confirm.envelope.payload, signer: talk.maker)
      let verdict = DialogueVerifier.verify(
        talk.statements.map(\.bytes) + [envelope.bytes], talk.taker.identity, talk.maker.identity)
      // A Confirm that names another dialogue or pair than the Accept in it does not decode.
      let isOfAnother = ["dialogue", "from", "to"].contains(field)
      #expect(Self.name(verdict) == (isOfAnother ? "INVALID(1)" : expected), "\(field)")
    }
  }

  @Test("each header field of a TradeAck at the end of a trade, changed and signed again")
  func headerFieldsOfLast() {
    for (field, expected, change) in Self.headerChanges {
      var (talk, _, accept) = Self.accepted()
      talk.say(talk.maker, talk.confirm(accept))
      let ack = talk.say(talk.taker, .tradeAck(TradeAck(confirm: talk.statements.last!.id)))
      talk.statements.removeLast()
      var header = ack.header
      change(&header)
      let envelope = Envelope(header: header.encoded, payload: ack.envelope.payload, signer: talk.taker)
      let verdict = DialogueVerifier.verify(
        talk.statements.map(\.bytes) + [envelope.bytes], talk.taker.identity, talk.maker.identity)
      #expect(Self.name(verdict) == expected, "\(field)")
    }
  }

  @Test("each field of a Confirm, an Accept, a Quote and a request, changed and signed again")
  func payloadFields() {
    let (base, quote, accept) = Self.accepted()
    let end = quote.header.expiry
    guard case .accept(let content) = accept.payload else { return }
    func confirmed(_ change: (inout Confirm) -> Void) -> String {
      var talk = base
      guard case .confirm(var confirm) = talk.confirm(accept) else { return "" }
      change(&confirm)
      talk.say(talk.maker, .confirm(confirm))
      return talk.verdictName
    }
    #expect(confirmed { _ in } == "TRADED")
    #expect(confirmed { $0.termsDigest = Samples.spec } == "INVALID(5)")
    #expect(confirmed { ($0.received, $0.decided) = (end, end) } == "TRADED")
    #expect(confirmed { ($0.received, $0.decided) = (end + .nanoseconds(1), end + .nanoseconds(1)) } == "INVALID(6)")
    #expect(confirmed { $0.decided = end + .nanoseconds(1) } == "INVALID(6)")
    #expect(confirmed { $0.decided = $0.received + .nanoseconds(-1) } == "INVALID(1)")
    #expect(confirmed { $0.acceptStatement[$0.acceptStatement.count - 1] ^= 1 } == "INVALID(3)")
    #expect(confirmed { $0.acceptStatement = quote.bytes } == "INVALID(1)")
    func accepted(_ change: (inout Accept) -> Void) -> String {
      var talk = base
      talk.statements.removeLast()
      var changed = content
      change(&changed)
      let accept = talk.say(talk.taker, .accept(changed))
      talk.say(talk.maker, talk.confirm(accept))
      return talk.verdictName
    }
    #expect(accepted { _ in } == "TRADED")
    #expect(accepted { $0.offer = Samples.spec } == "UNVERIFIABLE")
    #expect(accepted { $0.side = .sell } == "INVALID(5)")
    #expect(accepted { $0.lots = 4 } == "INVALID(5)")
    for offset in 0..<content.terms.count { #expect(accepted { $0.terms[offset] ^= 1 } == "INVALID(5)") }
    // The offer and the request are what the terms are computed from: changed, their ids are others.
    func quoted(_ change: (inout Offer) -> Void) -> String {
      var talk = Talk()
      talk.ask()
      var offer = talk.offer()
      change(&offer)
      let changed = talk.say(talk.maker, .quote(offer))
      var terms = content
      terms.offer = changed.id
      let accept = talk.say(talk.taker, .accept(terms))
      talk.say(talk.maker, talk.confirm(accept))
      return talk.verdictName
    }
    #expect(quoted { $0.ask?.prices = [106] } == "INVALID(5)")
    #expect(quoted { $0.ask?.lotsMax = 2 } == "INVALID(5)")
    #expect(quoted { $0.ask = nil } == "INVALID(5)")
    #expect(quoted { $0.isAllOrNone = true } == "INVALID(5)")
    #expect(quoted { $0.mode = .indicative } == "INVALID(5)")
    var late = base
    late.statements.removeLast()
    late.now = end + .seconds(2) + .nanoseconds(1)
    let lateAccept = late.say(late.taker, late.accept(quote))
    late.say(late.maker, late.confirm(lateAccept, received: end))
    #expect(late.verdictName == "INVALID(6)")
  }

  @Test("no byte of a traded dialogue can be changed, and no statement left out before its end")
  func everyByte() {
    var (talk, _, accept) = Self.accepted()
    talk.say(talk.maker, talk.confirm(accept))
    let statements = talk.statements.map(\.bytes)
    for index in statements.indices {
      var without = statements
      without.remove(at: index)
      let verdict = Self.name(DialogueVerifier.verify(without, talk.taker.identity, talk.maker.identity))
      // The Accept is inside the Confirm; without the Confirm it is in doubt.
      #expect(verdict == ["UNVERIFIABLE", "UNVERIFIABLE", "TRADED", "IN_DOUBT"][index])
      for offset in stride(from: index, to: statements[index].count, by: index == 3 ? 3 : 7) {
        var changed = statements
        changed[index][offset] ^= 1
        let verdict = DialogueVerifier.verify(changed, talk.taker.identity, talk.maker.identity)
        if case .traded = verdict { Issue.record("byte \(offset) of statement \(index) does not matter") }
      }
    }
  }

  @Test("a statement refused for its fault leaves the rest as it is; one refused without does not vanish")
  func refused() {
    var (talk, _, accept) = Self.accepted()
    var broken = talk.say(talk.maker, .pass(Pass(code: .none))).bytes
    broken[broken.count - 1] ^= 1
    let id = talk.statements.last!.id
    talk.say(talk.taker, .reject(Reject(target: id, code: .signature, field: 0, text: "")))
    talk.say(talk.maker, talk.confirm(accept))
    var bytes = talk.statements.map(\.bytes)
    let place = bytes.firstIndex { (try? Envelope($0))?.id == id }!
    bytes[place] = Array(broken)
    #expect(Self.name(DialogueVerifier.verify(bytes, talk.taker.identity, talk.maker.identity)) == "TRADED")
    // A good Decline that the acceptor says was badly signed is a Decline all the same.
    var (other, quote, declined) = Self.accepted()
    other.say(other.maker, .quoteCancel(QuoteCancel(offer: quote.id, code: .none)))
    let decline = other.say(other.maker, other.decline(declined, .cancelled))
    other.say(other.taker, .reject(Reject(target: decline.id, code: .signature, field: 0, text: "")))
    #expect(other.verdictName == "NOT_TRADED")
  }

  @Test("strangers' keys, empty sets and garbage")
  func nonsense() {
    var (talk, _, accept) = Self.accepted()
    talk.say(talk.maker, talk.confirm(accept))
    let bytes = talk.statements.map(\.bytes)
    #expect(Self.name(DialogueVerifier.verify(bytes, talk.taker.identity, Traders.stranger.identity)) == "INVALID(2)")
    #expect(Self.name(DialogueVerifier.verify([], talk.taker.identity, talk.maker.identity)) == "UNVERIFIABLE")
    #expect(Self.name(DialogueVerifier.verify(bytes + [[1]], talk.taker.identity, talk.maker.identity)) == "INVALID(1)")
    var other = Talk()
    other.request.nonce[0] ^= 1
    #expect(
      {
        other.ask(); return other.verdictName
      }() == "INVALID(4)")
  }
}
