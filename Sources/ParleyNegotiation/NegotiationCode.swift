/// Why a statement was refused, an Accept declined, an offer withdrawn or a session frozen.
///
/// Any number up to 65535 may come from a peer; those named here are the protocol's.
public struct NegotiationCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  /// The number on the wire.
  public let rawValue: UInt16

  /// Creates a code from its number on the wire.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  private init(_ rawValue: UInt16) { self.rawValue = rawValue }

  /// No reason given.
  public static let none = Self(0)
  /// The bytes are not a statement of the protocol.
  public static let malformed = Self(1)
  /// The statement is of another version.
  public static let version = Self(2)
  /// The kind is not served here.
  public static let kind = Self(3)
  /// A critical extension is not known here.
  public static let critical = Self(4)
  /// A signature does not verify.
  public static let signature = Self(5)
  /// The names, key or document are not those of the pair.
  public static let key = Self(6)
  /// The statement does not continue its sender's strand.
  public static let chain = Self(7)
  /// The statement was here before.
  public static let duplicate = Self(8)
  /// The dialogue or offer is not known.
  public static let unknown = Self(9)
  /// The statement belongs to the other role.
  public static let role = Self(10)
  /// The round is out of order or beyond the request's rounds.
  public static let rounds = Self(11)
  /// The offer does not name the one that it replaces.
  public static let replaces = Self(12)
  /// There is no such offer.
  public static let noOffer = Self(13)
  /// The offer was only indicative.
  public static let indicative = Self(14)
  /// The request or offer had ended when it arrived.
  public static let dead = Self(15)
  /// The Accept came after the offer's end.
  public static let late = Self(16)
  /// The look passed without a decision.
  public static let lapsed = Self(17)
  /// The offer had been cancelled.
  public static let cancelled = Self(18)
  /// The offer had been replaced.
  public static let superseded = Self(19)
  /// The offer, or the dialogue, has its trade.
  public static let taken = Self(20)
  /// Both sides accepted at once.
  public static let crossed = Self(21)
  /// A verdict has been given.
  public static let decided = Self(22)
  /// The offer is held.
  public static let held = Self(23)
  /// The dialogue is over.
  public static let closed = Self(24)
  /// The Accept was withdrawn.
  public static let withdrawn = Self(25)
  /// Nothing asked for this answer.
  public static let unsolicited = Self(26)
  /// The terms are not those of the offer or request.
  public static let terms = Self(27)
  /// The number of lots is outside the offer's.
  public static let lots = Self(28)
  /// The instrument is not known, or known otherwise.
  public static let spec = Self(29)
  /// The clocks are too far apart.
  public static let clock = Self(30)
  /// The price is outside the band.
  public static let band = Self(31)
  /// The trade would be too small.
  public static let dust = Self(32)
  /// A limit stands in the way.
  public static let limit = Self(33)
  /// Too many in too short a time.
  public static let rate = Self(34)
  /// The receiver's policy forbids it.
  public static let policy = Self(35)
  /// The counterparty is not served.
  public static let counterparty = Self(36)
  /// Too many requests for too few trades.
  public static let fishing = Self(37)
  /// Too many declined looks.
  public static let lookAbuse = Self(38)
  /// The price is not good enough.
  public static let price = Self(39)
  /// The operator stopped trading.
  public static let killed = Self(40)
  /// The node has too much to do.
  public static let overload = Self(41)
  /// Witnesses are not served, or the witness is not there.
  public static let witness = Self(42)
  /// The signer lost the Accept after acknowledging it.
  public static let amnesia = Self(43)
  /// Too much was traded in too short a time: no quotes for now.
  public static let paused = Self(44)
  /// The two sides belong together.
  public static let selfTrade = Self(45)
  /// A Counter or an Accept was signed within the request's blind time.
  public static let blind = Self(50)

  /// This node is no witness, or none for this peer.
  public static let noWitness = Self(53)
  /// The slot's deadline is too far away.
  public static let horizon = Self(54)
  /// The slot's deadline is longer ago than slots are kept.
  public static let forgotten = Self(55)

  /// Freeze: the peer holds statements of mine that I lack.
  public static let lostSelf = Self(64)
  /// Freeze: the peer lacks statements that it had sent or acknowledged.
  public static let lostPeer = Self(65)
  /// Freeze: the two sides hold different statements under one number.
  public static let fork = Self(66)
  /// Freeze: the peer began anew.
  public static let newIncarnation = Self(67)
  /// Freeze: one side signed two statements that exclude each other.
  public static let equivocation = Self(68)
  /// Freeze: a Confirm holds an Accept that nobody signed.
  public static let forged = Self(69)
  /// Freeze: synchronising again and again leads nowhere.
  public static let resyncLoop = Self(70)

  private static let names: [UInt16: String] = [
    0: "NONE", 1: "MALFORMED", 2: "VERSION", 3: "KIND", 4: "CRITICAL", 5: "SIGNATURE", 6: "KEY", 7: "CHAIN",
    8: "DUPLICATE", 9: "UNKNOWN", 10: "ROLE", 11: "ROUNDS", 12: "REPLACES", 13: "NO_OFFER", 14: "INDICATIVE",
    15: "DEAD", 16: "LATE", 17: "LAPSED", 18: "CANCELLED", 19: "SUPERSEDED", 20: "TAKEN", 21: "CROSSED",
    22: "DECIDED", 23: "HELD", 24: "CLOSED", 25: "WITHDRAWN", 26: "UNSOLICITED", 27: "TERMS", 28: "LOTS",
    29: "SPEC", 30: "CLOCK", 31: "BAND", 32: "DUST", 33: "LIMIT", 34: "RATE", 35: "POLICY", 36: "CPTY",
    37: "FISHING", 38: "LOOK_ABUSE", 39: "PRICE", 40: "KILLED", 41: "OVERLOAD", 42: "WITNESS", 43: "AMNESIA",
    44: "PAUSED", 45: "SELF_TRADE", 50: "BLIND", 53: "NO_WITNESS", 54: "HORIZON", 55: "FORGOTTEN",
    64: "LOST_SELF", 65: "LOST_PEER", 66: "FORK", 67: "NEW_INCARNATION", 68: "EQUIVOCATION", 69: "FORGED",
    70: "RESYNC_LOOP",
  ]

  /// The protocol's name of the code, or its number.
  public var description: String { Self.names[rawValue] ?? "code \(rawValue)" }

  /// Creates a code from the protocol's name of it, such as `LATE`; `nil` for another text.
  public init?(name: String) {
    guard let found = Self.names.first(where: { $0.value == name }) else { return nil }
    self.init(found.key)
  }
}
