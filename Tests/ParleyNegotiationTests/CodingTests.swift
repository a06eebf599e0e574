import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyNegotiation

/// Frames, statements, payloads, terms and rows: round trips, cuts at every offset, limits.
@Suite("Coding")
struct CodingTests {
  static let accept = Accept(offer: Samples.spec, side: .sell, lots: 3, terms: [1, 2, 3])

  static let payloads: [Payload] = {
    var full = QuoteRequest(
      nonce: [UInt8](repeating: 1, count: 16), group: [UInt8](repeating: 2, count: 16),
      legs: [Samples.leg, Leg(instrument: "x", specHash: .zero, side: .sell, ratio: 1_000_000)],
      hedge: Hedge(instrument: "BTC-PERPETUAL", specHash: Samples.spec, side: .sell, lots: QuoteRequest.lotsLimit),
      lotsMin: 1, lotsMax: QuoteRequest.lotsLimit, side: .sell, rounds: 8, settleBy: UnixNanoseconds(.max))
    full.isTopic = true
    full.isDisclosed = false
    full.blindNanoseconds = 5_000_000_000
    full.witnesses = ["did:web:a", "did:web:b", "did:web:c"]
    full.slotKey = Samples.spec
    full.settlement = 255
    let offer = Offer(
      round: 8, replaces: Samples.spec, mode: .lastLook, lookNanoseconds: 2_000_000_000, holdUntil: .start,
      bid: OfferSide(prices: [-1, OfferSide.priceLimit], hedgePrice: -OfferSide.priceLimit, lotsMin: 1, lotsMax: 2),
      ask: nil, isAllOrNone: true, witness: .init(did: "did:web:w", slotKey: .zero))
    return [
      .quoteRequest(full),
      .quoteRequest(
        QuoteRequest(nonce: [UInt8](repeating: 1, count: 16), legs: [Samples.leg], lotsMin: 1, lotsMax: 1, side: .buy)),
      .quote(offer), .counter(offer), .accept(accept),
      .confirm(
        Confirm(
          acceptStatement: [UInt8](repeating: 7, count: Statement.byteLimit(of: .accept)), termsDigest: .zero,
          received: .start, decided: UnixNanoseconds(.max))),
      .decline(Decline(accept: .zero, code: .late, limit: 0xFFFF, received: .start, decided: .start)),
      .quoteCancel(QuoteCancel(offer: Samples.spec, code: .price)),
      .withdraw(Withdraw(accept: Samples.spec, code: .price)),
      .pass(Pass(code: NegotiationCode(rawValue: 0xFFFF))),
      .reject(Reject(target: .zero, code: .spec, field: 255, text: String(repeating: "é", count: 64))),
      .tradeAck(TradeAck(confirm: Samples.spec)),
    ]
  }()

  @Test("payloads read back, and no shorter or longer bytes do", arguments: payloads)
  func payload(payload: Payload) throws {
    let bytes = payload.encoded
    #expect(try Payload.decode(bytes, of: payload.kind) == payload)
    let step = bytes.count > 1_000 ? 97 : 1
    for count in stride(from: 0, to: bytes.count, by: step) {
      #expect(throws: Fault.self) { try Payload.decode(Array(bytes[..<count]), of: payload.kind) }
    }
    #expect(throws: Fault.self) { try Payload.decode(bytes + [0xC0], of: payload.kind) }
  }

  @Test("what reads from changed bytes writes the same bytes again", arguments: payloads)
  func canonical(payload: Payload) {
    let bytes = payload.encoded
    for offset in 0..<min(bytes.count, 400) {
      for change in [1, 0x80, 0xFF] as [UInt8] {
        var changed = bytes
        changed[offset] ^= change
        if let read = try? Payload.decode(changed, of: payload.kind) { #expect(read.encoded == changed) }
      }
    }
  }

  static let header = Header(
    kind: 4, dialogue: DialogueID([UInt8](repeating: 3, count: 16))!, from: "did:web:a", fromKey: "key-1",
    to: "did:web:b",
    seq: 7, own: Samples.spec, seen: .zero, created: .start, expiry: UnixNanoseconds(0), docHash: Samples.spec,
    extensions: [.init(id: 0, isCritical: false, value: []), .init(id: 65_535, isCritical: true, value: [1])])

  @Test("headers read back, and no shorter or longer bytes do")
  func headers() throws {
    let bytes = Self.header.encoded
    #expect(try Header.decode(bytes) == Self.header)
    for count in 0..<bytes.count { #expect(throws: Fault.self) { try Header.decode(Array(bytes[..<count])) } }
    #expect(throws: Fault.self) { try Header.decode(bytes + [0]) }
    for offset in bytes.indices {
      var changed = bytes
      changed[offset] ^= 0x81
      if let read = try? Header.decode(changed) { #expect(read.encoded == changed) }
    }
  }

  @Test("header fields at their limits and one beyond")
  func headerLimits() {
    let cases: [(Bool, (inout Header) -> Void)] = [
      (true, { $0.from = String(repeating: "x", count: 255) }),
      (false, { $0.from = String(repeating: "x", count: 256) }),
      (false, { $0.to = "" }), (true, { $0.fromKey = String(repeating: "k", count: 64) }),
      (false, { $0.fromKey = String(repeating: "k", count: 65) }), (false, { $0.seq = 0 }), (true, { $0.seq = .max }),
      (false, { $0.created = UnixNanoseconds(-1) }),
      (true, { $0.extensions = (0..<8).map { .init(id: $0, isCritical: false, value: []) } }),
      (false, { $0.extensions = (0..<9).map { .init(id: $0, isCritical: false, value: []) } }),
      (
        false,
        { $0.extensions = [.init(id: 1, isCritical: false, value: []), .init(id: 1, isCritical: false, value: [])] }
      ),
    ]
    for (index, (isGood, change)) in cases.enumerated() {
      var header = Self.header
      change(&header)
      #expect(((try? Header.decode(header.encoded)) != nil) == isGood, "case \(index)")
    }
  }

  @Test(
    "statements of both suites read back; cut or grown they do not", arguments: [Traders.taker, Traders.quantumTaker])
  func statements(signer: LocalSigner) throws {
    var header = Self.header
    header.from = signer.identity.did.string
    let statement = Statement(header: header, payload: .accept(Self.accept), signer: signer)
    let read = try Statement(statement.bytes)
    #expect(read == statement)
    #expect(read.envelope.isSigned(by: signer.identity))
    #expect(!read.envelope.isSigned(by: Traders.maker.identity))
    let step = signer.identity.suite == .ed25519 ? 1 : 41
    for count in stride(from: 0, to: statement.bytes.count, by: step) {
      #expect(throws: Fault.self) { try Statement(Array(statement.bytes[..<count])) }
    }
    #expect(throws: Fault.self) { try Statement(statement.bytes + [0]) }
  }

  @Test("the id covers header and payload, not the signature")
  func identity() throws {
    let statement = Statement(header: Self.header, payload: .accept(Self.accept), signer: Traders.taker)
    var bytes = statement.bytes
    bytes[bytes.count - 1] ^= 1
    #expect(try Statement(bytes).id == statement.id)
    bytes = statement.bytes
    bytes[bytes.count - 70] ^= 1
    #expect((try? Envelope(bytes))?.id != statement.id)
  }

  @Test("header and payload sizes at the limit and one beyond")
  func sizes() {
    func isCut(_ header: Int, _ payload: Int) -> Bool {
      var bytes: [UInt8] = [1]
      bytes.appendBigEndian(UInt16(header))
      bytes += [UInt8](repeating: 0, count: header)
      bytes.appendBigEndian(UInt32(payload))
      bytes += [UInt8](repeating: 0, count: payload) + [1] + [UInt8](repeating: 0, count: 64)
      return (try? Envelope(bytes)) != nil
    }
    #expect(isCut(1_024, 20_480))
    #expect(!isCut(1_025, 0))
    #expect(!isCut(0, 20_481))
    // 8,192 bytes for every kind but Confirm.
    let envelope = Envelope(
      header: Self.header.encoded, payload: [UInt8](repeating: 0, count: 8_193), signer: Traders.taker)
    #expect(throws: Fault(.malformed, "payload too long")) { try Statement(envelope.bytes) }
  }

  static let frames: [Frame] = [
    .data(n: 1, statement: []), .data(n: .max, statement: [UInt8](repeating: 1, count: 300)),
    .ack(n: 0, link: .zero), .ack(n: .max, link: Samples.spec), .ping(t1: .start), .ping(t1: UnixNanoseconds(0)),
    .pong(t1: .start, t2: UnixNanoseconds(0), t3: UnixNanoseconds(.max)), .pong(t1: .start, t2: .start, t3: .start),
    .freeze(code: .fork, evidence: [UInt8](repeating: 2, count: Frame.evidenceByteLimit)), .bye,
    .sync(
      Sync(
        incarnation: [UInt8](repeating: 1, count: 16), peerIncarnation: [UInt8](repeating: 2, count: 16), sent: .max,
        sentLink: Samples.spec, received: 1, receivedLink: .zero, limits: NegotiationLimits().announced, now: .start)),
    .sync(
      Sync(
        incarnation: [UInt8](repeating: 1, count: 16), peerIncarnation: [UInt8](repeating: 0, count: 16), sent: 0,
        sentLink: .zero, received: 0, receivedLink: .zero, limits: NegotiationLimits().announced, now: .start)),
  ]

  @Test("frames read back; cut, grown or of another type they do not", arguments: frames)
  func frame(frame: Frame) throws {
    let bytes = frame.encoded
    #expect(try Frame.decode(bytes) == frame)
    for count in stride(from: 0, to: bytes.count, by: bytes.count > 1_000 ? 113 : 1) {
      #expect(throws: Fault.self) { try Frame.decode(Array(bytes[..<count])) }
    }
    #expect(throws: Fault.self) { try Frame.decode(bytes + [0]) }
    for type in [0, 4, 5, 8, 127] as [UInt8] where type != bytes[1] {
      #expect(throws: Fault.self) { try Frame.decode([bytes[0], type] + bytes.dropFirst(2)) }
    }
  }

  @Test("frames over the limit, and SYNCs that contradict themselves, do not read")
  func badFrames() {
    #expect(throws: Fault.self) {
      try Frame.decode(Frame.data(n: 1, statement: [UInt8](repeating: 0, count: Frame.byteLimit)).encoded)
    }
    #expect(throws: Fault.self) { try Frame.decode(Frame.data(n: 0, statement: []).encoded) }
    #expect(throws: Fault.self) { try Frame.decode(Frame.ping(t1: UnixNanoseconds(-1)).encoded) }
    // An answer that left before the question came.
    #expect(throws: Fault.self) {
      try Frame.decode(Frame.pong(t1: .start, t2: .start, t3: .start + .nanoseconds(-1)).encoded)
    }
    guard case .sync(let good) = Self.frames.last else { return }
    let changes: [(inout Sync) -> Void] = [
      { $0.sent = 1 }, { $0.received = 1 }, { $0.sentLink = Samples.spec }, { $0.receivedLink = Samples.spec },
      { $0.incarnation = [UInt8](repeating: 0, count: 16) }, { $0.incarnation.append(1) }, { $0.limits.dialogues = 0 },
      { $0.now = UnixNanoseconds(-1) },
    ]
    for (index, change) in changes.enumerated() {
      var sync = good
      change(&sync)
      #expect(throws: Fault.self, "change \(index)") { try Frame.decode(sync.encoded) }
    }
  }

  @Test("terms read back, follow from request and offer, and refuse what does not fit")
  func terms() throws {
    var request = QuoteRequest(
      nonce: [UInt8](repeating: 1, count: 16),
      legs: [
        Leg(instrument: "A", specHash: Samples.spec, side: .buy, ratio: 2),
        Leg(instrument: "B", specHash: Samples.spec, side: .sell, ratio: 3),
      ], hedge: Hedge(instrument: "C", specHash: Samples.spec, side: .sell, lots: 9), lotsMin: 1, lotsMax: 5,
      side: .twoWay)
    request.settleBy = .start
    var offer = Offer(
      round: 0, replaces: .zero, mode: .firm, lookNanoseconds: 0, holdUntil: UnixNanoseconds(0),
      bid: OfferSide(prices: [100, 40], hedgePrice: 7, lotsMin: 2, lotsMax: 4), ask: nil, isAllOrNone: false,
      witness: nil)
    func make(_ side: Side, _ lots: Int64, ownerIsRequester: Bool = false) throws(Fault) -> Terms {
      try Terms(
        request: request, requester: "did:web:r", responder: "did:web:m", offer: offer, id: Samples.spec,
        ownerIsRequester: ownerIsRequester, acceptorSide: side, lots: lots)
    }
    let terms = try make(.sell, 3)
    #expect(terms.net == 80)
    #expect(!terms.requesterBuys)
    #expect(try make(.sell, 3, ownerIsRequester: true).requesterBuys)
    #expect(try Terms.decode(terms.encoded) == terms)
    let bytes = terms.encoded
    for count in 0..<bytes.count { #expect(throws: Fault.self) { try Terms.decode(Array(bytes[..<count])) } }
    #expect(throws: Fault(.terms, field: 102, "no such side")) { try make(.buy, 3) }
    for lots in [1, 5] as [Int64] { #expect(throws: Fault(.lots, field: 103)) { try make(.sell, lots) } }
    offer.isAllOrNone = true
    #expect(throws: Fault(.lots, field: 103)) { try make(.sell, 3) }
    #expect(try make(.sell, 4).lots == 4)
    // 10^6 times 10^15, ten times over, is beyond 64 bits and must not wrap.
    request.legs = (0..<20).map { _ in Leg(instrument: "A", specHash: .zero, side: .buy, ratio: QuoteRequest.ratioLimit)
    }
    offer.bid?.prices = Array(repeating: OfferSide.priceLimit, count: 20)
    #expect(throws: Fault.self) { try make(.sell, 4) }
  }

  static let rows: [JournalRow.Content] = [
    .began(incarnation: [UInt8](repeating: 1, count: 16), local: "did:web:a", peer: "did:web:b"),
    .peerBegan(incarnation: [UInt8](repeating: 2, count: 16)), .sent(n: 1, statement: [1, 2], order: nil),
    .sent(n: .max, statement: [], order: .init(id: "mine", content: Samples.spec)),
    .received(n: 3, statement: [9], code: .late, effect: .refusedOffer), .acknowledged(n: 4, link: Samples.spec),
    .ended(.pair, .peerOffer), .frozen(.fork, byPeer: true, evidence: [1]), .evidence(statement: [2]),
  ]

  @Test("rows read back; cut or grown they do not", arguments: rows)
  func row(content: JournalRow.Content) throws {
    let row = JournalRow(content, at: .start)
    #expect(try JournalRow(row.encoded) == row)
    for count in 0..<row.encoded.count {
      #expect(throws: NegotiationError.self) { try JournalRow(Array(row.encoded[..<count])) }
    }
    #expect(throws: NegotiationError.self) { try JournalRow(row.encoded + [0]) }
  }

  @Test("codes have the numbers and names of the page")
  func codes() {
    for raw in UInt16(1)...70 where raw <= 45 || raw >= 64 {
      let code = NegotiationCode(rawValue: raw)
      #expect(!code.description.hasPrefix("code"))
      #expect(NegotiationCode(name: code.description) == code)
    }
    #expect(NegotiationCode.amnesia.rawValue == 43)
    #expect(NegotiationCode.resyncLoop.rawValue == 70)
    #expect(NegotiationCode(rawValue: 49).description == "code 49")
  }

  @Test("random bytes never trap any parser")
  func noise() {
    var random = SplitMix64(seed: 1)
    for _ in 0..<2_000 {
      var bytes = random.bytes(Int.random(in: 0...120, using: &random))
      if !bytes.isEmpty { bytes[0] = [0x93, 0x9A, 0x9D, 0x9F, 0x99, 0x96, 1].randomElement(using: &random)! }
      _ = try? Frame.decode(bytes)
      _ = try? Header.decode(bytes)
      _ = try? Envelope(bytes)
      _ = try? Terms.decode(bytes)
      _ = try? JournalRow(bytes)
      for kind in Kind.allCases { _ = try? Payload.decode(bytes, of: kind) }
    }
  }
}
