/// Which of a desk's limits stood in the way; the number is what a Decline carries, and the name a Reject.
///
/// Section 1 of docs/desk.md has them all. Neither says where the limit lies: a counterparty learns that there is one.
public enum DeskLimit: UInt16, Hashable, Sendable, CaseIterable, CustomStringConvertible {
  /// The price is too far on the wrong side of the reference.
  case priceBand = 1
  /// Contracts in one trade.
  case tradeSize = 2
  /// Open contracts with one counterparty.
  case counterpartySize = 3
  /// Open contracts with all of them.
  case totalSize = 4
  /// Delta with one counterparty.
  case counterpartyDelta = 5
  /// Delta in all.
  case totalDelta = 6
  /// Gamma with one counterparty.
  case counterpartyGamma = 7
  /// Gamma in all.
  case totalGamma = 8
  /// Vega with one counterparty.
  case counterpartyVega = 9
  /// Vega in all.
  case totalVega = 10
  /// Quotes were pulled because too much was traded in too short a time.
  case marketMakerProtection = 11
  /// The operator has stopped trading.
  case killSwitch = 12
  /// The counterparty belongs to this desk.
  case selfTrade = 13
  /// The counterparty is denied, or not among those that are allowed.
  case counterparty = 14
  /// The counterparty asks much and trades little: indicative quotes only.
  case credits = 15
  /// A limit on prices or Greeks is set, and there is no mark to hold it by.
  case unmarked = 16

  /// The name, as the command line and a Reject have it.
  public var description: String {
    switch self {
    case .priceBand: "price-band"
    case .tradeSize: "trade-size"
    case .counterpartySize: "counterparty-size"
    case .totalSize: "total-size"
    case .counterpartyDelta: "counterparty-delta"
    case .totalDelta: "total-delta"
    case .counterpartyGamma: "counterparty-gamma"
    case .totalGamma: "total-gamma"
    case .counterpartyVega: "counterparty-vega"
    case .totalVega: "total-vega"
    case .marketMakerProtection: "market-maker-protection"
    case .killSwitch: "kill-switch"
    case .selfTrade: "self-trade"
    case .counterparty: "counterparty"
    case .credits: "credits"
    case .unmarked: "unmarked"
    }
  }
}

/// Why a desk does not sign something: which limit, what it would have come to, and where the limit lies.
///
/// For the owner and the journal. Of all this a counterparty is told the limit alone.
public struct DeskRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  /// The limit.
  public let limit: DeskLimit
  /// What it is about: an underlying, an instrument, a rule; empty where there is nothing to name.
  public let subject: String
  /// What it would have come to, as text.
  public let value: String
  /// Where the limit lies, as text.
  public let bound: String

  init(_ limit: DeskLimit, _ subject: String = "", value: String = "", bound: String = "") {
    self.limit = limit
    self.subject = subject
    self.value = value
    self.bound = bound
  }

  /// All of it in one line.
  public var description: String {
    var text = "\(limit)"
    if !subject.isEmpty { text += " (\(subject))" }
    if !value.isEmpty { text += ": \(value)" }
    if !bound.isEmpty { text += ", the limit is \(bound)" }
    return text
  }
}

/// What is wrong with a file that the operator wrote, or with a record in the journal.
public enum DeskError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The limits do not read: where (`mmp.interval_s`), and what is wanted there.
  case limits(path: String, String)
  /// A record in the journal does not read.
  case malformedRecord

  /// What is wrong, for a person.
  public var description: String {
    switch self {
    case .limits(let path, let why): path.isEmpty ? why : "\(path): \(why)"
    case .malformedRecord: "a record of the desk does not read"
    }
  }
}
