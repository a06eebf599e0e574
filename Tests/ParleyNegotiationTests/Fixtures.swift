import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport

@testable import ParleyNegotiation

/// Two traders with fixed keys, made once.
enum Traders {
  static let taker = signer(1)
  static let maker = signer(2)
  static let stranger = signer(3)
  static let quantumTaker = quantumSigner(4)
  static let quantumMaker = quantumSigner(5)

  static func signer(_ number: UInt8) -> LocalSigner {
    let key = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: number, count: 32)))
    return try! LocalSigner(identity: LocalResolver.resolve(DIDKey.did(for: key.publicKey.raw)), ed25519: key)
  }

  static func quantumSigner(_ number: UInt8) -> LocalSigner {
    let key = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: number, count: 32)))
    let quantum = MLDSA65.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: number, count: 32)))
    let document = try! DIDPeer4.inputDocument(
      ed25519: key.publicKey, mldsa65: quantum.publicKey, endpoint: "ws://127.0.0.1:1")
    let identity = try! LocalResolver.resolve(DIDPeer4.create(inputDocument: document))
    return try! LocalSigner(identity: identity, ed25519: key, mldsa65: quantum)
  }
}

extension UnixNanoseconds {
  static let start = UnixNanoseconds(1_795_000_000_000_000_000)
  static func + (time: Self, duration: Duration) -> Self {
    let parts = duration.components
    return time.advanced(byNanoseconds: parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000)
  }
}

enum Samples {
  static let spec = Hash256([UInt8](repeating: 0x5A, count: 32))!
  static let leg = Leg(instrument: "BTC-27NOV26-100000-C", specHash: spec)

  /// A package of so many legs, bought and sold in turn.
  static func legs(_ count: Int) -> [Leg] {
    (0..<count).map { Leg(instrument: "BTC-27NOV26-\($0 + 1)000-C", specHash: spec, side: $0 % 2 == 0 ? .buy : .sell) }
  }

  static func request(
    _ side: RequestSide = .twoWay, lots: Int64 = 10, rounds: Int64 = 3, lifetime: Int64 = 60_000_000_000
  ) -> RequestDraft {
    RequestDraft(legs: [leg], lotsMin: 1, lotsMax: lots, side: side, rounds: rounds, lifetime: lifetime)
  }

  static func side(_ price: Int64, lots: Int64 = 10) -> OfferSide {
    OfferSide(prices: [price], lotsMin: 1, lotsMax: lots)
  }

  static func twoWay(
    bid: Int64 = 95, ask: Int64 = 105, lots: Int64 = 10, mode: OfferMode = .firm, lifetime: Int64 = 2_000_000_000,
    hold: Int64 = 0, look: Int64 = 0
  ) -> OfferDraft {
    OfferDraft(
      mode: mode, bid: side(bid, lots: lots), ask: side(ask, lots: lots), lifetime: lifetime, hold: hold, look: look)
  }
}

/// One side of a pair with a driver that commits at once: what a call returns is journaled and handed over.
final class Peer {
  var session: PairSession
  let signer: LocalSigner
  let other: LocalSigner
  let limits: NegotiationLimits
  private(set) var journal: [[UInt8]] = []
  private(set) var events: [SessionEvent] = []
  private(set) var outbox: [[UInt8]] = []
  private(set) var close: ChannelClose?
  /// How many rows there were after each transaction.
  private(set) var boundaries: [Int] = []

  init(
    _ signer: LocalSigner, to other: LocalSigner, limits: NegotiationLimits = NegotiationLimits(),
    start: UnixNanoseconds = .start
  ) {
    self.signer = signer
    self.other = other
    self.limits = limits
    session = PairSession(signer: signer, peer: other.identity, limits: limits)
    take(
      session.begin(
        incarnation: Array(Hash256.tagged("incarnation", signer.identity.ed25519.raw).bytes.prefix(16)),
        now: start))
  }

  func take(_ outcome: Outcome) {
    journal += outcome.rows.map(\.encoded)
    if !outcome.rows.isEmpty { boundaries.append(journal.count) }
    events += outcome.events
    outbox += outcome.frames
    close = outcome.close ?? close
  }

  @discardableResult
  func take(_ result: CommandResult) -> CommandResult {
    take(result.outcome)
    return result
  }

  func open(_ now: UnixNanoseconds) { take(session.channelOpened(now: now)) }
  func receive(_ frame: Frame, _ now: UnixNanoseconds) { take(session.receive(frame.encoded, now: now)) }

  func drain() -> [[UInt8]] {
    defer { outbox = [] }
    return outbox
  }

  /// Leaves only the first rows in the journal.
  func cut(to count: Int) {
    journal.removeLast(journal.count - count)
    boundaries.removeAll { $0 > count }
  }

  func forgetClose() { close = nil }

  func drainEvents() -> [SessionEvent] {
    defer { events = [] }
    return events
  }

  /// A session made from the journal alone.
  func restored() throws -> PairState {
    var copy = PairSession(signer: signer, peer: other.identity, limits: limits)
    for row in journal { try copy.restore(row) }
    return copy.state
  }

  func restart() throws {
    session = PairSession(signer: signer, peer: other.identity, limits: limits)
    for row in journal { try session.restore(row) }
    outbox = []
    close = nil
  }
}

/// Two peers on one channel, which delivers everything at once.
final class Pair {
  let taker: Peer
  let maker: Peer
  var now = UnixNanoseconds.start
  /// What the maker's clock shows more.
  let makerAhead: Duration
  var makerNow: UnixNanoseconds { now + makerAhead }

  init(
    _ takerSigner: LocalSigner = Traders.taker, _ makerSigner: LocalSigner = Traders.maker,
    limits: NegotiationLimits = NegotiationLimits(), makerAhead: Duration = .zero
  ) {
    self.makerAhead = makerAhead
    taker = Peer(takerSigner, to: makerSigner, limits: limits)
    maker = Peer(makerSigner, to: takerSigner, limits: limits, start: .start + makerAhead)
    connect()
  }

  func connect() {
    taker.session.channelClosed()
    maker.session.channelClosed()
    _ = (taker.drain(), maker.drain())
    taker.open(now)
    maker.open(makerNow)
    settle()
  }

  /// Delivers until nothing is under way.
  func settle() {
    while true {
      let (fromTaker, fromMaker) = (taker.drain(), maker.drain())
      if fromTaker.isEmpty, fromMaker.isEmpty { return }
      for frame in fromTaker { maker.take(maker.session.receive(frame, now: makerNow)) }
      for frame in fromMaker { taker.take(taker.session.receive(frame, now: now)) }
    }
  }

  func ask(_ draft: RequestDraft = Samples.request(), nonce: UInt8 = 7) throws -> DialogueID {
    let nonce = [UInt8](repeating: nonce, count: 16)
    let result = taker.take(try taker.session.requestQuote(draft, nonce: nonce, now: now))
    settle()
    return result.dialogue
  }

  @discardableResult
  func quote(_ id: DialogueID, _ draft: OfferDraft = Samples.twoWay()) throws -> StatementID {
    let result = maker.take(try maker.session.quote(id, draft, now: makerNow))
    settle()
    return result.statement
  }

  @discardableResult
  func counter(_ id: DialogueID, _ draft: OfferDraft = Samples.twoWay(bid: 97, ask: 103)) throws -> StatementID {
    let result = taker.take(try taker.session.counter(id, draft, now: now))
    settle()
    return result.statement
  }
}
