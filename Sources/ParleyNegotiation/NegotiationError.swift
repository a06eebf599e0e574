public import ParleyWire

/// Why a command was not carried out, or a journal not read: never a peer's doing.
///
/// Whatever is thrown, the session is as it was before.
public enum NegotiationError: Error, Hashable, Sendable {
  /// No synchronisation of the pair has been checked since the session was made or restored, or no channel is synchronised
  /// and the command needs one.
  case notConnected
  /// The node has lost a part of its journal, and does not sign before the others have synchronised or are waived.
  case suspended
  /// The session is frozen; only operators end that.
  case frozen(NegotiationCode)
  /// There is no such dialogue here, or it was forgotten.
  case unknownDialogue(DialogueID)
  /// The dialogue is over.
  case dialogueClosed(DialogueID)
  /// The command belongs to the other role.
  case wrongRole
  /// An Accept of one's own has no verdict yet.
  case acceptUndecided(StatementID)
  /// One's own offer is held until this time.
  case held(until: UnixNanoseconds)
  /// There is no live offer of that id.
  case noLiveOffer
  /// The offer is only indicative.
  case indicative
  /// By this node's clock the offer may end before an Accept of it arrives.
  case tooLate(expiry: UnixNanoseconds)
  /// The peer's clock is not measured yet, on this channel or since a clock was set.
  case clockUnmeasured
  /// The peer's clock differs from this one by so many nanoseconds, or may.
  case clocksApart(offset: Int64, bound: Int64)
  /// The peer's Accept of this side's last-look offer is to be decided first.
  case looking(StatementID)
  /// There is no Accept of that id to decide.
  case noLook
  /// The look has ended: the Accept lapses.
  case lookOver(until: UnixNanoseconds)
  /// There is no Accept of a last-look offer to withdraw, or it was withdrawn.
  case nothingToWithdraw
  /// The request allows no more Counters.
  case noRoundsLeft
  /// The peer has not quoted yet.
  case notQuotedYet
  /// The values given make no valid statement; the fault says which, as if the peer had sent it.
  case invalid(Fault)
  /// One of ``NegotiationLimits`` stands in the way; its name.
  case limit(String)
  /// The group's cap: this many lots are still free.
  case overCap(free: Int64)
  /// The request's blind time is not over: until then nothing is countered or accepted.
  case blind(until: UnixNanoseconds)
  /// A further request of a group asks for more than its cap, which is what the first one asked for.
  case aboveGroupCap(Int64)
  /// An earlier Accept is overdue: no new one to this peer.
  case peerOverdue(StatementID)
  /// The owner's own limits stand in the way.
  case vetoed(Veto)
  /// No channel to the offer's witness is up; its DID.
  case witnessUnreachable(String)
  /// The client order id was used for something else.
  case clientOrderIDReused(String)
  /// A client order id has 1 to 64 bytes.
  case clientOrderIDLength(Int)
  /// Nothing is frozen here, or nobody can repair it; the code says why.
  case notRepairable(NegotiationCode)
  /// A journal row does not read, or cannot follow the rows before it.
  case corruptRow(String)
}
