public import ParleyWire

/// Who asked and who was asked.
public enum Role: UInt8, Hashable, Sendable {
  /// The taker, who sends the request and Counters.
  case requester = 1
  /// The maker, who sends Quotes.
  case responder = 2

  /// The other role.
  public var other: Role { self == .requester ? .responder : .requester }
}

/// An offer in a slot.
public struct LiveOffer: Hashable, Sendable {
  /// The offer's id, which an Accept names.
  public var id: StatementID
  /// What is offered.
  public var offer: Offer
  /// When its owner signed it.
  public var created: UnixNanoseconds
  /// Its end, by its owner's clock.
  public var expiry: UnixNanoseconds
}

/// Why an offer died.
public enum OfferEnd: UInt8, Hashable, Sendable {
  /// Its time was over.
  case expired = 1
  /// Its owner took it back.
  case cancelled = 2
  /// Its owner made another.
  case superseded = 3
  /// It made a trade.
  case taken = 4
  /// Its owner accepted the other side's.
  case crossed = 5
  /// The other side refused it.
  case rejected = 6
  /// The dialogue ended.
  case closed = 7
}

/// Why a dialogue closed without a trade.
public enum DialogueEnd: Hashable, Sendable {
  /// The request's time was over and nothing was live.
  case expired
  /// This side passed.
  case passed(NegotiationCode)
  /// The other side passed.
  case peerPassed(NegotiationCode)
  /// The request was refused, by either side.
  case refused(NegotiationCode)
}

/// A trade: the Confirm that makes it is in the journal, and is all that settlement needs.
public struct Trade: Hashable, Sendable {
  /// The dialogue.
  public var dialogue: DialogueID
  /// The offer that was taken.
  public var offer: StatementID
  /// The Accept.
  public var accept: StatementID
  /// The Confirm; ``Hash256/zero`` while a witness's stamp alone says that there is a trade.
  public var confirm: StatementID
  /// What was agreed.
  public var terms: Terms
  /// What this side of the session does with the package.
  public var side: Side
  /// Whether this side accepted; else it owned the offer.
  public var isAcceptor: Bool
  /// When the Accept arrived, by the owner's journal; without a Confirm when the witness wrote it.
  public var received: UnixNanoseconds
  /// When the owner decided, by its journal; without a Confirm when the witness wrote it.
  public var decided: UnixNanoseconds

  /// What the trade is called: the Confirm's id, and before that is here the Accept's.
  public var id: StatementID { confirm == .zero ? accept : confirm }
}

/// What a session tells the node, after the rows that came with it are durable.
public enum SessionEvent: Hashable, Sendable {
  /// Both sides stand at the same place; so many statements are being sent again. The clock is the peer's, when it sent.
  case synced(resent: Int, peerClock: UnixNanoseconds)
  /// The peer has statements 1...n, durable.
  case acknowledged(n: Int64)
  /// The peer asks; the caller may quote or refuse.
  case requestArrived(DialogueID, QuoteRequest, expiry: UnixNanoseconds)
  /// The responder's offer is live.
  case quoteArrived(DialogueID, LiveOffer)
  /// The requester's offer is live.
  case counterArrived(DialogueID, LiveOffer)
  /// An offer is dead.
  case offerEnded(DialogueID, offer: StatementID, isMine: Bool, OfferEnd)
  /// There is a trade.
  case traded(Trade)
  /// The peer has the Confirm.
  case tradeAcknowledged(DialogueID)
  /// The peer declined this side's Accept.
  case declined(DialogueID, accept: StatementID, NegotiationCode)
  /// The peer has accepted this side's last-look offer: to be decided before the look's end.
  case lookBegan(DialogueID, Look)
  /// This side declined the peer's Accept.
  case declinedPeer(DialogueID, accept: StatementID, NegotiationCode)
  /// The peer refused one of this side's statements; `nil` when it is in no dialogue that is still known.
  case rejected(DialogueID?, target: StatementID, Fault)
  /// This side refused one of the peer's statements.
  case rejectedPeer(DialogueID?, target: StatementID, Fault)
  /// The dialogue is over without a trade.
  case dialogueClosed(DialogueID, DialogueEnd)
  /// The verdict on this side's Accept should have been here; it stays in doubt.
  case overdue(DialogueID, accept: StatementID)
  /// For 24 hours no TradeAck has come.
  case tradeUnacknowledged(DialogueID)
  /// The session signs nothing more.
  case frozen(NegotiationCode, byPeer: Bool)
  /// A statement arrived while frozen and was kept.
  case evidenceKept
  /// The peer of a frozen pair has said where it stands, and whether its operator agrees to the repair.
  case repairOffered(isAgreed: Bool)
  /// So many statements of one's own, and so many of the peer's, are here again.
  case adopted(own: Int, received: Int)
  /// Nobody can repair the pair: the two sides hold different histories, or what was handed back is not signed.
  case repairFailed(NegotiationCode)
  /// Both operators have agreed and nothing is missing: the pair goes on with the next SYNC.
  case repaired
  /// The owner's Confirm of a trade that a witness's stamp had made; the trade has its id now.
  case tradeConfirmed(Trade)
  /// The witness has signed two stamps of this offer's slot that contradict each other.
  case witnessEquivocated(DialogueID, offer: StatementID)
}

/// Why the driver must close the channel.
public enum ChannelClose: Hashable, Sendable {
  /// A frame that is malformed, unknown, or out of place.
  case badFrame(Fault)
  /// A statement is missing in between.
  case gap(expected: Int64, got: Int64)
  /// Nothing is wrong: statements were passed over while nothing was signed, and the next SYNC brings them back.
  case resumed
  /// More statements in a second than the limits allow.
  case statementRate
  /// More PINGs in a second than the limits allow.
  case pingRate
  /// More faults in a second than the limits allow.
  case rejectRate
}

/// What one call to a session leads to.
///
/// The driver keeps outcomes in the order in which it got them. It journals ``rows`` in one transaction (it may put
/// the rows of several outcomes, in order, into one), and only when those **and all rows of earlier outcomes** are
/// durable does it send ``frames``, in order, and deliver ``events``. The session does not wait: it may be called
/// again meanwhile. Frames whose ``channel`` is not the current one are dropped: the next SYNC makes up for them.
/// If a commit fails, the session is lost: make a new one and restore it from what is durable.
public struct Outcome: Hashable, Sendable {
  /// What must be durable, as one transaction.
  public var rows: [JournalRow] = []
  /// What to send then.
  public var frames: [[UInt8]] = []
  /// What to tell then.
  public var events: [SessionEvent] = []
  /// Whether to close the channel after that, and why.
  public var close: ChannelClose?
  /// Which channel the frames are for, counted by ``PairSession/channelOpened(now:)``.
  public var channel: Int

  /// Whether there is nothing to do.
  public var isEmpty: Bool { rows.isEmpty && frames.isEmpty && events.isEmpty && close == nil }

  init(channel: Int) { self.channel = channel }
}
