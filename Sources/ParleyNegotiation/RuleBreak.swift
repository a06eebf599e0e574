// For the simulator's tests only: what a session does wrong on purpose, so that the simulator can be seen to notice.
//
// A release build has no place to say which rule to break: `breaks` is constantly false there, and the compiler leaves
// nothing of it. In a debug build only this package's own code can say it.

/// A rule of the session that can be broken on purpose.
package enum RuleBreak: String, CaseIterable, Sendable {
  /// An owner takes the Accept of any of its offers for one of the offer that is live.
  case acceptsByDialogue
  /// An owner confirms the Accept of an offer that is dead.
  case confirmsDeadOffers
  /// An owner confirms after the offer's end.
  case confirmsAfterTheEnd
  /// An acceptor takes its Accept for declined when the verdict is overdue.
  case timeoutVoidsAccepts
  /// An owner cancels what it has confirmed.
  case cancelsAfterConfirm
  /// The numbers and links of a SYNC are believed, not compared.
  case believesSync
  /// An Accept without a verdict counts as nothing in its group.
  case forgetsDoubt
  /// A dialogue does not end by the clock.
  case neverEnds
}

extension PairSession {
  /// Whether this session breaks `rule` on purpose: never in a release build.
  @inline(__always)
  func breaks(_ rule: RuleBreak) -> Bool {
    #if PARLEY_RULE_BREAKS
      broken == rule
    #else
      false
    #endif
  }
}
