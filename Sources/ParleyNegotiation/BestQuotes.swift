public import ParleyWire

/// The offers of several makers for one need, the best first: what its requester can take, and where.
///
/// A value: it is made from what the sessions hold at one instant and does not change. Out of it are offers that an Accept
/// signed now may reach too late, those of requests in their blind time, of dialogues that are over or have an Accept in
/// doubt, and of other packages than the first request's. At one price a firm offer comes before one with last look, that
/// before one that does not bind; then the one that arrived first, then the lower id.
public struct BestQuotes: Hashable, Sendable {
  /// A maker's live offer, as one session knows it: ``PairSession/candidates(of:now:)``.
  public struct Candidate: Hashable, Sendable {
    /// The dialogue.
    public let view: DialogueView
    /// When the offer arrived, by this node's journal.
    public let arrived: UnixNanoseconds
    /// Whether an Accept signed now arrives in time.
    public let isAlive: Bool
  }

  /// One side of one offer.
  public struct Quote: Hashable, Sendable {
    /// The dialogue.
    public let dialogue: DialogueID
    /// The offer.
    public let live: LiveOffer
    /// What this node does by taking it.
    public let side: Side
    /// The price of one package, in ticks.
    public let net: Int64
    /// The fewest lots that can be taken.
    public let lotsMin: Int64
    /// The most.
    public let lotsMax: Int64
    /// When it arrived.
    public let arrived: UnixNanoseconds

    /// How many of `wanted` lots can be taken here; `nil` when this offer takes only more.
    public func lots(of wanted: Int64) -> Int64? {
      let lots = min(wanted, lotsMax)
      return lots >= (live.offer.isAllOrNone ? lotsMax : lotsMin) ? lots : nil
    }
  }

  /// Lots to take in one offer.
  public struct Fill: Hashable, Sendable {
    /// Where.
    public let quote: Quote
    /// How many.
    public let lots: Int64
  }

  /// What to take of an amount, one offer after the other.
  public struct Plan: Hashable, Sendable {
    /// What to take where, the best price first.
    public internal(set) var fills: [Fill] = []
    /// Lots that no offer is left for.
    public internal(set) var rest: Int64
  }

  /// What makers pay, the highest first: what this node can sell to.
  public let bids: [Quote]
  /// What makers ask for, the lowest first: what this node can buy from.
  public let asks: [Quote]

  /// Orders the offers of one group.
  ///
  /// - Parameters:
  ///   - candidates: Of every pair, in any order.
  ///   - now: This node's clock.
  public init(_ candidates: [Candidate], now: UnixNanoseconds) {
    let mine = candidates.filter { $0.view.role == .requester }
    let first = mine.min { ($0.view.created, $0.view.id.bytes) < ($1.view.created, $1.view.id.bytes) }?.view.request
    let takeable = mine.filter { candidate in
      candidate.isAlive && candidate.view.phase == .open && now >= candidate.view.blindEnd
        && candidate.view.request.legs == first?.legs && candidate.view.request.hedge == first?.hedge
    }
    func quotes(_ side: Side) -> [Quote] {
      takeable.compactMap { Quote($0, side) }.sorted { left, right in
        if left.net != right.net { return side == .buy ? left.net < right.net : left.net > right.net }
        if left.live.offer.mode != right.live.offer.mode {
          return left.live.offer.mode.rank < right.live.offer.mode.rank
        }
        return (left.arrived, left.live.id.bytes) < (right.arrived, right.live.id.bytes)
      }
    }
    asks = quotes(.buy)
    bids = quotes(.sell)
  }

  /// The offers that this node takes by doing `side`, the best first.
  public func quotes(_ side: Side) -> [Quote] { side == .buy ? asks : bids }

  /// Which offers make up an amount, each taken once, the best price first.
  ///
  /// An offer that takes no fewer lots than are still wanted is passed over, and so is one that does not bind its owner.
  ///
  /// - Parameters:
  ///   - lots: How many are wanted.
  ///   - side: What this node does.
  ///   - limit: The worst price, in ticks; `nil` for any.
  ///   - dialogues: Those to leave out.
  /// - Returns: What to take; not a promise: every Accept is checked again when it is signed, and decided by its maker.
  public func plan(_ lots: Int64, _ side: Side, limit: Int64? = nil, without dialogues: Set<DialogueID> = []) -> Plan {
    var plan = Plan(rest: lots)
    for quote in quotes(side) where quote.live.offer.mode != .indicative && plan.rest > 0 {
      if dialogues.contains(quote.dialogue) { continue }
      if let limit, side == .buy ? quote.net > limit : quote.net < limit { break }
      guard let taken = quote.lots(of: plan.rest) else { continue }
      plan.fills.append(Fill(quote: quote, lots: taken))
      plan.rest -= taken
    }
    return plan
  }
}

extension BestQuotes.Quote {
  /// The side of a candidate's offer that this node takes by doing `side`; `nil` where it has none.
  fileprivate init?(_ candidate: BestQuotes.Candidate, _ side: Side) {
    guard let live = candidate.view.peerOffer, let price = live.offer.side(takenBy: side),
      let net = price.net(candidate.view.request.legs)
    else { return nil }
    self.init(
      dialogue: candidate.view.id, live: live, side: side, net: net, lotsMin: price.lotsMin, lotsMax: price.lotsMax,
      arrived: candidate.arrived)
  }
}

extension OfferMode {
  /// The firmer the lower.
  fileprivate var rank: Int {
    switch self {
    case .firm: 0
    case .lastLook: 1
    case .indicative: 2
    }
  }
}

private func < (left: (UnixNanoseconds, [UInt8]), right: (UnixNanoseconds, [UInt8])) -> Bool {
  left.0 == right.0 ? left.1.lexicographicallyPrecedes(right.1) : left.0 < right.0
}

extension PairSession {
  /// The peer's live offers for this side's requests of one group.
  public func candidates(of group: [UInt8], now: UnixNanoseconds) -> [BestQuotes.Candidate] {
    state.openDialogues.compactMap { dialogue in
      guard dialogue.role == .requester, dialogue.request.group == group, let live = dialogue.peerLive,
        let arrived = dialogue.peerOffer?.arrived
      else { return nil }
      return BestQuotes.Candidate(
        view: DialogueView(dialogue), arrived: arrived, isAlive: (try? checkAlive(live.expiry, now)) != nil)
    }
  }
}
