import ParleyWire

/// All that a session must not forget: a fold of its journal's rows, and nothing else.
struct PairState: Equatable {
  /// A statement of this side's that the peer has not acknowledged.
  struct Outbound: Equatable {
    let n: Int64
    let link: Hash256
    let bytes: [UInt8]
  }

  /// What this pair's requests of one group ask for and have filled together.
  struct Group: Equatable {
    var cap: Int64
    var filled: Int64 = 0
    var dialogueCount = 0
  }

  /// What a client order led to.
  struct OrderResult: Equatable {
    let content: Hash256
    let dialogue: DialogueID
    let statement: StatementID
  }

  /// How many of the peer's ids are kept at least, to tell a duplicate from a fork.
  static let recentLimit = 1_024
  /// How many statements are kept as evidence while frozen.
  static let evidenceLimit = 64
  /// How many closed dialogues are remembered.
  static let closedLimit = 10_000
  /// How long a closed dialogue is remembered, in nanoseconds.
  static let memory: Int64 = 90 * 86_400 * 1_000_000_000
  /// How many ids of a strand are kept.
  static let strandLimit = 8_192

  let local: String
  let peer: String
  /// The last journaled time.
  var time = UnixNanoseconds(0)

  var incarnation: [UInt8]?
  var peerIncarnation: [UInt8]?

  var sent: Int64 = 0
  var sentLink = Hash256.zero
  var acknowledged: Int64 = 0
  var acknowledgedLink = Hash256.zero
  var outbox: [Outbound] = []
  var outboxByteCount = 0

  var received: Int64 = 0
  var receivedLink = Hash256.zero
  /// The ids of the last statements received; the last is that of number ``received``.
  var recent: [StatementID] = []

  var dialogues: [DialogueID: Dialogue] = [:]
  /// Open dialogues in the order in which they opened.
  var open: [DialogueID] = []
  /// Closed dialogues in the order in which they closed.
  var closed: [DialogueID] = []
  /// Trades that this side confirmed and the peer has not acknowledged.
  var unacknowledged: [DialogueID] = []
  /// Statements about the pair.
  var minePair = Strand()
  var theirsPair = Strand()
  var groups: [[UInt8]: Group] = [:]
  /// Results by client order id, in UTF-8.
  var orders: [[UInt8]: OrderResult] = [:]

  /// A MassCancel that was ordered before the first SYNC, and why.
  var orderedCancel: NegotiationCode?
  /// What became of this side's Accepts of the peer's last-look offers, the latest.
  var looks = LookHistory()

  /// The incarnation to begin once both operators have agreed; `nil` while this side's has not.
  var newIncarnation: [UInt8]?
  /// This side's Incarnation of the running repair.
  var signedIncarnation: [UInt8]?
  /// This side's Incarnation of the last repair, while the peer may not have it.
  var unconfirmedIncarnation: [UInt8]?
  /// Answers to adopted statements.
  var owed: [Owed] = []

  /// When this side last found that it had lost statements of its own.
  var lostSelfAt: UnixNanoseconds?
  /// When the operator last said that the node need not wait for this pair.
  var waivedAt: UnixNanoseconds?

  var frozen: NegotiationCode?
  /// Whether the peer froze first.
  var isFrozenByPeer = false
  /// Statements that arrived while frozen.
  var evidence: [StatementID] = []

  init(local: String, peer: String) {
    self.local = local
    self.peer = peer
  }

  // MARK: Sums

  var openDialogues: some Sequence<Dialogue> { open.lazy.compactMap { dialogues[$0] } }
  var firmLots: Int64 { openDialogues.reduce(0) { $0 + $1.firmLots } }
  var inDoubt: (count: Int, lots: Int64) {
    openDialogues.reduce((0, 0)) { ($0.0 + ($1.pending == nil ? 0 : 1), $0.1 + ($1.pending?.lots ?? 0)) }
  }

  // MARK: Links

  static func link(after previous: Hash256, n: Int64, id: StatementID) -> Hash256 {
    var number = [UInt8]()
    number.appendBigEndian(UInt64(n))
    return .tagged("parley/neg1 link", previous.bytes, number, id.bytes)
  }

  static func firstLink(from: String, to: String, _ fromIncarnation: [UInt8], _ toIncarnation: [UInt8]) -> Hash256 {
    var parties = [UInt8]()
    parties.appendLengthPrefixed(Array(from.utf8))
    parties.appendLengthPrefixed(Array(to.utf8))
    return .tagged("parley/neg1 link0", parties, fromIncarnation, toIncarnation)
  }

  /// The link of this side's statement `n`, where it is still known.
  func myLink(_ n: Int64) -> Hash256? {
    if n == acknowledged { return acknowledgedLink }
    guard n > acknowledged, n <= sent else { return nil }
    return outbox[Int(n - acknowledged) - 1].link
  }

  /// The id of the peer's statement `n`, where it is still known.
  func receivedID(_ n: Int64) -> StatementID? {
    let index = Int64(recent.count) - 1 - (received - n)
    guard n <= received, index >= 0 else { return nil }
    return recent[Int(index)]
  }

  // MARK: Looking up

  /// The dialogue in which this side's Accept `id` waits for its verdict.
  func dialogue(pending id: StatementID) -> DialogueID? {
    openDialogues.first { $0.pending?.accept == id }?.id
  }

  /// The dialogue whose request, sent by this side, or whose live offer is `id`.
  func dialogue(ofMine id: StatementID) -> DialogueID? {
    openDialogues.first { ($0.role == .requester && $0.requestID == id) || $0.myOffer?.id == id }?.id
  }
}
