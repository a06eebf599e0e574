import ParleyNegotiation

/// A mistake that the simulator makes on purpose, so that its checks can be seen to notice.
public struct PlantedBug: Hashable, Sendable, CustomStringConvertible {
  /// Mistakes of whoever drives a session.
  enum OfDriver: String, CaseIterable {
    /// An ACK leaves before what it acknowledges is durable.
    case acknowledgesBeforeDurable
    /// Frames leave before the rows that they come with are durable.
    case sendsBeforeDurable
    /// A new channel's SYNC leaves while rows that it speaks of are still being written.
    case syncsBeforeDurable
    /// The rows of one outcome are written one by one, so that an Accept can be there without its verdict.
    case splitsTransactions
    /// A statement that comes again is taken for the next one.
    case takesRepeatsForNew
    /// What still arrives on a channel that was replaced is read.
    case readsOldChannels
    /// What other makers may fill is not looked at.
    case forgetsOtherMakers
  }

  let ofDriver: OfDriver?
  let ofSession: RuleBreak?

  /// The bug's name.
  public var description: String { ofDriver?.rawValue ?? ofSession?.rawValue ?? "" }

  /// All bugs that this build can make: those inside a session exist in debug builds only.
  public static let all: [PlantedBug] = {
    let drivers = OfDriver.allCases.map { PlantedBug(ofDriver: $0, ofSession: nil) }
    #if PARLEY_RULE_BREAKS
      return drivers + RuleBreak.allCases.map { PlantedBug(ofDriver: nil, ofSession: $0) }
    #else
      return drivers
    #endif
  }()

  /// The bug of that name.
  public init?(named name: String) {
    guard let bug = Self.all.first(where: { $0.description == name }) else { return nil }
    self = bug
  }

  private init(ofDriver: OfDriver?, ofSession: RuleBreak?) {
    self.ofDriver = ofDriver
    self.ofSession = ofSession
  }
}
