import ParleyWire

/// One side's statements in one dialogue, as far as the checks need them.
struct Strand: Equatable {
  /// How many there are.
  var count: Int64 = 0
  /// The id of the last one.
  var last = StatementID.zero
  /// When the last one was signed.
  var lastCreated = UnixNanoseconds(0)
  /// The ids of this side's own, while they are kept.
  var ids: [StatementID] = []
  /// Which of the peer's authentic statements bore a seq first, while they are kept.
  ///
  /// A statement that its sender may not have signed uses no seq: it must not turn the one that is signed into a
  /// duplicate, which has no verdict, or into an equivocation, which nobody could prove. One that was out of its place
  /// does: an Accept that was declined for that must not come again, in its place, and be confirmed.
  private(set) var idsBySeq: [Int64: StatementID] = [:]
  /// How many of the other side's statements this side is known to have processed, as its `seen` says.
  var seenCount = 0

  mutating func append(_ id: StatementID, created: UnixNanoseconds, keeping limit: Int) {
    count += 1
    last = id
    lastCreated = created
    if ids.count < limit { ids.append(id) }
  }

  mutating func use(_ seq: Int64, by id: StatementID, keeping limit: Int) {
    if idsBySeq.count < limit, idsBySeq[seq] == nil { idsBySeq[seq] = id }
  }

  mutating func forget() {
    ids = []
    idsBySeq = [:]
  }
}

/// The state of one dialogue, as one side sees it.
struct Dialogue: Equatable {
  enum Phase: Equatable {
    case open
    case traded
    case closed
  }

  /// An Accept of this side's that has no verdict yet.
  struct Pending: Equatable {
    let accept: StatementID
    let offer: StatementID
    let lots: Int64
    let terms: [UInt8]
    let side: Side
    /// The offer's end.
    let expiry: UnixNanoseconds
    /// What its offer's witness is given to write.
    let write: SlotWrite?
    /// For how long its owner may look at the Accept, in nanoseconds; 0 for a firm offer.
    let look: Int64
    /// Whether it was asked for back.
    var isWithdrawn = false
  }

  /// The sender's latest offer, and why it is dead; `nil` while it lives.
  struct PeerOffer: Equatable {
    var live: LiveOffer
    var end: OfferEnd?
    /// When it arrived, by this side's journal.
    let arrived: UnixNanoseconds
  }

  let id: DialogueID
  let role: Role
  let request: QuoteRequest
  let requestID: StatementID
  let created: UnixNanoseconds
  let expiry: UnixNanoseconds

  var phase = Phase.open
  var pending: Pending?
  /// The peer's Accept of this side's last-look offer, while it is to be decided.
  var look: Look?
  /// Why the dialogue closes once the pending Accept has been declined.
  var closing: DialogueEnd?
  var mine = Strand()
  var theirs = Strand()
  var myOffer: LiveOffer?
  var myDeadOffers: [StatementID: OfferEnd] = [:]
  var peerOffer: PeerOffer?
  /// The round of the last Counter that its signer sent and the other side took.
  var counterRound: Int64 = 0
  /// The round of the last Quote.
  var quoteRound: Int64 = 0
  /// Whether a Quote of the responder's was not refused.
  var isQuoted = false
  /// This side's Accepts that were declined.
  var declined: [StatementID] = []
  var trade: Trade?
  /// What witnesses say of this dialogue's offers.
  var witnessed = WitnessedOffers()
  /// The client order ids, in UTF-8, of what this side signed here.
  var orders: [[UInt8]] = []
  /// When it was closed.
  var closedAt: UnixNanoseconds?

  /// The peer's offer while it is live.
  var peerLive: LiveOffer? { peerOffer.flatMap { $0.end == nil ? $0.live : nil } }

  var isOpen: Bool { phase == .open }

  /// Lots reserved for the live firm offer.
  var firmLots: Int64 { myOffer.map { $0.offer.mode == .firm ? $0.offer.lotsAtMost : 0 } ?? 0 }
}

extension DialogueView {
  init(_ dialogue: Dialogue) {
    id = dialogue.id
    role = dialogue.role
    phase =
      switch dialogue.phase {
      case .open: dialogue.pending.map { .acceptInDoubt($0.accept) } ?? .open
      case .traded: .traded
      case .closed: .closed
      }
    request = dialogue.request
    requestID = dialogue.requestID
    created = dialogue.created
    expiry = dialogue.expiry
    myOffer = dialogue.myOffer
    peerOffer = dialogue.peerLive
    doubt = dialogue.pending.map { Doubt(side: $0.side, lots: $0.lots) }
    look = dialogue.look
    lookUntil = dialogue.pending.flatMap { pending in
      pending.look == 0 ? nil : pending.expiry.advanced(byNanoseconds: pending.look)
    }
    trade = dialogue.trade
  }
}
