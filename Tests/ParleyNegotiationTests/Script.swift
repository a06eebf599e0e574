import ParleyCrypto
import ParleyIdentity
import ParleyWire

@testable import ParleyNegotiation

/// A counterparty that says whatever a test wants, well signed and in its place unless the test says otherwise.
final class Script {
  enum Answer: Hashable, CustomStringConvertible {
    case nothing
    case reject(NegotiationCode)
    case decline(NegotiationCode)
    case confirm
    case tradeAck
    case freeze(NegotiationCode)
    case close

    var description: String {
      switch self {
      case .nothing: "nothing"
      case .reject(let code): "R \(code)"
      case .decline(let code): "D \(code)"
      case .confirm: "Confirm"
      case .tradeAck: "TradeAck"
      case .freeze(let code): "freeze \(code)"
      case .close: "close"
      }
    }
  }

  let signer: LocalSigner
  /// Whom it talks to.
  let peer: Peer
  var now = UnixNanoseconds.start
  var sent: Int64 = 0
  private var strands: [DialogueID: (count: Int64, last: StatementID)] = [:]
  private var seen: [DialogueID: StatementID] = [:]
  /// Everything that the other side signed.
  private(set) var heard: [Statement] = []
  private(set) var received: Int64 = 0
  let incarnation = [UInt8](repeating: 9, count: 16)

  /// - Parameter signer: The script's key; it talks to a session of `peerSigner`.
  init(
    _ signer: LocalSigner, to peerSigner: LocalSigner, limits: NegotiationLimits = NegotiationLimits(),
    policy: NegotiationPolicy = NegotiationPolicy()
  ) {
    self.signer = signer
    peer = Peer(peerSigner, to: signer, limits: limits)
    peer.session.policy = policy
    peer.open(now)
    _ = peer.drain()
    peer.receive(.sync(sync()), now)
    hear()
  }

  func sync() -> Sync {
    Sync(
      incarnation: incarnation, peerIncarnation: [UInt8](repeating: 0, count: 16), sent: 0, sentLink: .zero,
      received: 0, receivedLink: .zero, limits: NegotiationLimits().announced, now: now)
  }

  var id: String { signer.identity.did.string }
  var peerID: String { peer.signer.identity.did.string }

  /// Takes in what the session sent, and answers its PINGs at once: this side's clock shows the same.
  @discardableResult
  func hear() -> [Frame] {
    var frames: [Frame] = []
    while !peer.outbox.isEmpty {
      for frame in peer.drain().map({ try! Frame.decode($0) }) {
        if case .ping(let t1) = frame {
          peer.receive(.pong(t1: t1, t2: now, t3: now), now)
        } else {
          frames.append(frame)
        }
      }
    }
    for case .data(let n, let bytes) in frames {
      let statement = try! Statement(bytes)
      heard.append(statement)
      seen[statement.header.dialogue] = statement.id
      received = n
    }
    return frames
  }

  func statement(
    _ payload: Payload, in dialogue: DialogueID, expiry: UnixNanoseconds? = nil, by key: LocalSigner? = nil,
    _ change: (inout Header) -> Void = { _ in }
  ) -> Statement {
    let key = key ?? signer
    let strand = strands[dialogue] ?? (0, .zero)
    var header = Header(
      kind: payload.kind.rawValue, dialogue: dialogue, from: id, fromKey: signer.identity.keyFragment, to: peerID,
      seq: strand.count + 1, own: strand.last, seen: dialogue == .pair ? .zero : seen[dialogue] ?? .zero,
      created: now, expiry: expiry ?? UnixNanoseconds(0), docHash: Hash256(signer.identity.documentHash)!,
      extensions: [])
    switch payload {
    case .quoteRequest, .quote, .counter: header.expiry = expiry ?? now + .seconds(2)
    default: break
    }
    change(&header)
    return Statement(header: header, payload: payload, signer: key)
  }

  /// Says it and returns how the session answered.
  @discardableResult
  func say(
    _ payload: Payload, in dialogue: DialogueID, expiry: UnixNanoseconds? = nil,
    _ change: (inout Header) -> Void = { _ in }
  ) -> Answer {
    say(statement(payload, in: dialogue, expiry: expiry, change))
  }

  @discardableResult
  func say(_ statement: Statement) -> Answer {
    let dialogue = statement.header.dialogue
    strands[dialogue] = ((strands[dialogue]?.count ?? 0) + 1, statement.id)
    return say(statement.bytes)
  }

  @discardableResult
  func say(_ bytes: [UInt8]) -> Answer {
    sent += 1
    let wasFrozen = peer.session.frozen != nil
    peer.receive(.data(n: sent, statement: bytes), now)
    if let code = peer.session.frozen, !wasFrozen { return .freeze(code) }
    if peer.close != nil { return .close }
    var answer = Answer.nothing
    for case .data(_, let bytes) in hear() {
      switch try! Statement(bytes).payload {
      case .reject(let reject): answer = .reject(reject.code)
      case .decline(let decline): answer = .decline(decline.code)
      case .confirm: answer = .confirm
      case .tradeAck: answer = .tradeAck
      case .quoteRequest, .quote, .counter, .accept, .quoteCancel, .withdraw, .pass, .massCancel, .incarnation: break
      }
    }
    return answer
  }

  // MARK: Words

  func request(_ nonce: UInt8 = 1, side: RequestSide = .twoWay, rounds: Int64 = 3) -> (QuoteRequest, DialogueID) {
    let nonce = [UInt8](repeating: nonce, count: 16)
    let request = QuoteRequest(
      nonce: nonce, legs: [Samples.leg], lotsMin: 1, lotsMax: 10, side: side, rounds: rounds)
    return (request, DialogueID(requester: id, responder: peerID, nonce: nonce))
  }

  func offer(
    round: Int64 = 0, replaces: StatementID = .zero, mode: OfferMode = .firm, bid: Int64? = 95, ask: Int64? = 105,
    hold: UnixNanoseconds = UnixNanoseconds(0)
  ) -> Offer {
    Offer(
      round: round, replaces: replaces, mode: mode, lookNanoseconds: 0, holdUntil: hold,
      bid: bid.map { Samples.side($0) }, ask: ask.map { Samples.side($0) }, isAllOrNone: false, witness: nil)
  }

  /// An Accept of an offer of the session's, with the right terms.
  func accept(_ live: LiveOffer, in dialogue: DialogueID, side: Side = .buy, lots: Int64 = 3) -> Accept {
    let view = peer.session.dialogue(dialogue)!
    let isRequester = view.role == .requester
    let terms = try! Terms(
      request: view.request, requester: isRequester ? peerID : id, responder: isRequester ? id : peerID,
      offer: live.offer, id: live.id, ownerIsRequester: isRequester, acceptorSide: side, lots: lots)
    return Accept(offer: live.id, side: side, lots: lots, terms: terms.encoded)
  }

  func confirm(_ accept: Statement) -> Confirm {
    guard case .accept(let content) = accept.payload else { preconditionFailure("not an Accept") }
    return Confirm(
      acceptStatement: accept.bytes, termsDigest: Terms.digest(of: content.terms), received: now, decided: now)
  }

  func decline(_ accept: StatementID, _ code: NegotiationCode = .late) -> Decline {
    Decline(accept: accept, code: code, limit: 0, received: now, decided: now)
  }
}
