public import ParleyIdentity
public import ParleyWire

/// The negotiation between this node and one peer, over any number of channels and restarts.
///
/// A sans-IO machine: it owns no socket, clock, disk or randomness. Every input returns an ``Outcome``: rows to make
/// durable, then frames to send and events to tell. Life of a session:
///
///     init ──▶ restore(row)* ──▶ begin ──▶ poll ──▶ channelOpened ──▶ receive, commands, poll ──▶ channelClosed ─┐
///                                                        ▲                                                       │
///                                                        └───────────────────────────────────────────────────────┘
///
/// Invariant: all that is decided is in the rows. Folding them again gives the same state, and signs nothing.
public struct PairSession: ~Copyable {
  /// Bytes of an incarnation.
  public static let incarnationByteCount = 16
  /// The longest client order id, in bytes.
  public static let clientOrderIDByteLimit = 64

  enum Channel: Equatable {
    case closed
    case awaitingSync
    case synced
  }

  let signer: any Signer
  /// The other side.
  public let peer: PeerIdentity
  /// How much is allowed.
  public let limits: NegotiationLimits
  /// Which requests are taken; may be changed at any time.
  public var policy: NegotiationPolicy
  /// What the node's other pairs have bound in a group, now; whoever runs several pairs sets it before the first command.
  public var groupsElsewhere: ([UInt8]) -> GroupLedger = { _ in GroupLedger() }
  /// Asked before anything is signed that binds this side or may come to; `nil` lets everything through.
  public var vet: ((Commitment) -> Veto?)?
  var state: PairState
  var channel: Channel = .closed
  var channelCount = 0
  /// Whether the state was read back and no SYNC has been checked since: what is in the journal may be older than what has
  /// left this side, so that nothing may be signed.
  public internal(set) var awaitsFirstSync = false
  /// Whether the node signs nothing to anybody: see ``suspend()``.
  public private(set) var isSuspended = false
  /// Whether statements of the peer's were passed over meanwhile.
  var hasPassedOver = false
  /// What the repair of a frozen pair needs to know.
  var repairing = Repairing()
  /// What the peer accepts, from its last SYNC.
  var peerLimits: Sync.Limits?
  /// The link that the peer announced for a statement which is still to come.
  var announced: (n: Int64, link: Hash256)?
  var rates: Rates
  /// What the channel's PINGs have shown of the peer's clock.
  var clock: PeerClock
  /// The DIDs of the witnesses to whom a channel is up; no Accept of an offer that names another is signed.
  public var reachableWitnesses: [String] = []
  /// Times of gaps since the last statement that was received in order.
  var gaps: [UnixNanoseconds] = []
  /// What has been reported as overdue or unacknowledged since the start.
  var reported: Set<StatementID> = []
  /// How signatures are checked.
  package var signatures: any SignatureCheck = IdentityKeys()
  #if PARLEY_RULE_BREAKS
    /// The rule that this session breaks on purpose.
    package var broken: RuleBreak?
  #endif

  /// Creates a session that knows nothing of its past.
  ///
  /// - Parameters:
  ///   - signer: Signs for this node.
  ///   - peer: The other side, as the secure channel proved it.
  ///   - limits: How much is allowed.
  ///   - policy: Which requests are taken.
  /// - Precondition: the two identities differ.
  public init(
    signer: any Signer, peer: PeerIdentity, limits: NegotiationLimits = NegotiationLimits(),
    policy: NegotiationPolicy = NegotiationPolicy()
  ) {
    precondition(signer.identity.did != peer.did)
    self.signer = signer
    self.peer = peer
    self.limits = limits
    self.policy = policy
    state = PairState(local: signer.identity.did.string, peer: peer.did.string)
    rates = Rates()
    clock = PeerClock(transitAllowance: limits.transitAllowance, widest: limits.clocksApart)
  }

  // MARK: Starting

  /// Folds one journal row of this pair: all of them, in order, before anything else.
  ///
  /// A row that was folded before changes nothing.
  ///
  /// - Throws: ``NegotiationError/corruptRow(_:)``; the session is then of no use.
  public mutating func restore(_ row: [UInt8]) throws(NegotiationError) {
    precondition(channel == .closed)
    var events: [SessionEvent] = []
    try state.apply(try JournalRow(row), &events)
    awaitsFirstSync = true
  }

  /// Begins the pair's state where no row has been restored; else does nothing.
  ///
  /// - Parameters:
  ///   - incarnation: 16 random bytes, not all zero.
  ///   - now: The wall clock.
  /// - Returns: The first row, which must be durable before the first SYNC leaves.
  public mutating func begin(incarnation: [UInt8], now: UnixNanoseconds) -> Outcome {
    precondition(incarnation.count == Self.incarnationByteCount && incarnation.contains { $0 != 0 })
    var outcome = Outcome(channel: channelCount)
    if state.incarnation == nil {
      record(.began(incarnation: incarnation, local: state.local, peer: state.peer), now, &outcome)
    }
    return outcome
  }

  // MARK: Reading

  /// Whether a channel is open and synchronised.
  public var isSynced: Bool { channel == .synced && state.frozen == nil }

  /// Why the session is frozen; `nil` while it is not.
  public var frozen: NegotiationCode? { state.frozen }

  /// How many statements this side has signed, how many of them the peer has, and how many came from it.
  public var counters: (sent: Int64, acknowledged: Int64, received: Int64) {
    (state.sent, state.acknowledged, state.received)
  }

  /// One dialogue; `nil` when there is none of that id.
  public func dialogue(_ id: DialogueID) -> DialogueView? { state.dialogues[id].map(DialogueView.init) }

  /// All dialogues that are open or have an Accept in doubt, the oldest first.
  public var openDialogues: [DialogueView] {
    state.openDialogues.map(DialogueView.init)
  }

  /// All trades of the pair, the oldest first.
  public var trades: [Trade] { state.dialogues.values.compactMap(\.trade).sorted { $0.decided < $1.decided } }

  /// Lots of this side's live firm offers, reserved until they die.
  public var firmLots: Int64 { state.firmLots }

  // MARK: Suspending

  /// Whether a SYNC of the pair has been checked since the state was made or read back: nothing that left is lost.
  public var hasSynced: Bool { state.peerIncarnation != nil && !awaitsFirstSync && state.frozen == nil }

  /// When this side last found that it had lost statements of its own; `nil` if never.
  public var lostSelfAt: UnixNanoseconds? { state.lostSelfAt }

  /// When the operator last said that the node need not wait for this pair; `nil` if never.
  public var waivedAt: UnixNanoseconds? { state.waivedAt }

  /// When the last trade was decided; `nil` without one.
  public var lastTrade: UnixNanoseconds? { state.dialogues.values.compactMap(\.trade?.decided).max() }

  /// Signs nothing from here on, in a pair that is well, because the node has found in another one that it lost a part of
  /// its journal: SYNC goes on, statements of the peer's are passed over, and will be sent again.
  public mutating func suspend() { isSuspended = true }

  /// Goes on; where statements were passed over the channel closes, so that the next SYNC brings them back.
  public mutating func resume(now: UnixNanoseconds) -> Outcome {
    var outcome = Outcome(channel: channelCount)
    guard isSuspended else { return outcome }
    isSuspended = false
    if isSynced {
      signOwed(journalTime(now), &outcome)
      signOrderedCancel(journalTime(now), &outcome)
    }
    if hasPassedOver, channel != .closed { close(.resumed, &outcome) }
    hasPassedOver = false
    return outcome
  }

  /// Notes that the operator does not want the node to wait for this pair after LOST_SELF.
  public mutating func waive(now: UnixNanoseconds) -> Outcome {
    var outcome = Outcome(channel: channelCount)
    record(.ordered(.waived), journalTime(now), &outcome)
    return outcome
  }

  // MARK: Writing

  /// Makes a row, applies it, and puts it into the outcome: the only way in which the state changes.
  mutating func record(_ content: JournalRow.Content, _ now: UnixNanoseconds, _ outcome: inout Outcome) {
    let row = JournalRow(content, at: now)
    do throws(NegotiationError) {
      try state.apply(row, &outcome.events)
    } catch {
      preconditionFailure("a row of one's own making must apply: \(error)")
    }
    repairing.book?.take(content)
    outcome.rows.append(row)
  }

  /// The time to decide and journal by: the wall clock, but never back.
  func journalTime(_ now: UnixNanoseconds) -> UnixNanoseconds { max(now, state.time) }
}

/// What a session knows of one dialogue.
public struct DialogueView: Hashable, Sendable {
  /// Where a dialogue stands.
  public enum Phase: Hashable, Sendable {
    /// Offers and Accepts are possible.
    case open
    /// This side's Accept has no verdict yet.
    case acceptInDoubt(StatementID)
    /// There is a trade.
    case traded
    /// It ended without one.
    case closed
  }

  /// The dialogue.
  public let id: DialogueID
  /// This side's role.
  public let role: Role
  /// Where it stands.
  public let phase: Phase
  /// What was asked.
  public let request: QuoteRequest
  /// The request's id.
  public let requestID: StatementID
  /// When it was asked, by the requester's clock.
  public let created: UnixNanoseconds
  /// The request's end, by the requester's clock.
  public let expiry: UnixNanoseconds
  /// This side's live offer.
  public let myOffer: LiveOffer?
  /// The peer's live offer.
  public let peerOffer: LiveOffer?
  /// What this side accepted and has no verdict on: what it does with the package, and how many lots.
  public let doubt: Doubt?
  /// The peer's Accept of this side's last-look offer, while this side has not decided.
  public let look: Look?
  /// Until when, by its clock, the peer may decide about this side's Accept of its last-look offer.
  public let lookUntil: UnixNanoseconds?
  /// The trade.
  public let trade: Trade?

  /// An Accept of this side's that has no verdict yet.
  public struct Doubt: Hashable, Sendable {
    /// What this side does with the package.
    public let side: Side
    /// How many lots.
    public let lots: Int64
  }
}

/// What a command led to.
public struct CommandResult: Hashable, Sendable {
  /// The dialogue.
  public let dialogue: DialogueID
  /// The statement that was signed.
  public let statement: StatementID
  /// Whether the client order id had been used for the same command before, and nothing was done now.
  public let isRepeat: Bool
  /// What to make durable, send and tell; empty when repeated.
  public let outcome: Outcome
}
