/// How much one peer may ask of a session, and how far it goes itself.
public struct NegotiationLimits: Hashable, Sendable {
  /// Dialogues open at once, both sides' together.
  public var openDialogues: Int
  /// Requests that a peer may send in a minute; more are refused with RATE.
  public var requestsPerMinute: Int
  /// Statements that a peer may send in a second; more close the channel.
  public var statementsPerSecond: Int
  /// Rejects that a peer may make necessary in a second; more close the channel.
  public var rejectsPerSecond: Int
  /// Bytes of one's own statements that wait for an acknowledgement; beyond, only answers are signed.
  public var unackedBytes: Int
  /// Statements of one side in one dialogue.
  public var statementsPerDialogue: Int
  /// One's own Accepts without a verdict.
  public var acceptsInDoubt: Int
  /// Lots in one's own Accepts without a verdict.
  public var lotsInDoubt: Int64
  /// Lots in one's own live firm offers.
  public var firmLots: Int64
  /// Legs that a request may have.
  public var legs: Int
  /// How far the two clocks may be apart, in nanoseconds; beyond, nothing is asked, offered or accepted.
  public var clocksApart: Int64
  /// PINGs that a peer may send in a second; more close the channel.
  public var pingsPerSecond: Int
  /// What an Accept is given to arrive at least, in nanoseconds.
  public var transitAllowance: Int64

  /// The protocol's defaults.
  public init() {
    openDialogues = 64
    requestsPerMinute = 60
    statementsPerSecond = 200
    rejectsPerSecond = 10
    unackedBytes = 1 << 20
    statementsPerDialogue = 4_096
    acceptsInDoubt = 16
    lotsInDoubt = QuoteRequest.lotsLimit
    firmLots = QuoteRequest.lotsLimit
    legs = QuoteRequest.legLimit
    clocksApart = 2_000_000_000
    pingsPerSecond = 20
    transitAllowance = 5_000_000
  }

  var announced: Sync.Limits {
    Sync.Limits(
      dialogues: Int64(openDialogues), unackedBytes: Int64(unackedBytes),
      statementsPerSecond: Int64(statementsPerSecond), requestsPerMinute: Int64(requestsPerMinute))
  }
}

/// Which requests a node takes, as data, so that a session can answer without asking.
///
/// What it says is written into the journal with each decision, so it may change at any time.
public struct NegotiationPolicy: Hashable, Sendable {
  /// Why requests are refused, such as ``NegotiationCode/policy`` or ``NegotiationCode/killed``; `nil` while they
  /// are taken.
  public var requestRefusal: NegotiationCode?
  /// Every instrument that is traded, and the hash of its definition; `nil` to leave the question to the caller, who
  /// can still refuse an open request.
  public var instruments: [String: Hash256]?
  /// The DIDs of the witnesses that this node takes; requests that name none of them but others are refused.
  public var witnesses: [String] = []
  /// The topics that this node has declared: requests that are addressed to others are refused.
  public var interests: Set<Topic>

  /// Takes every request.
  public init(
    requestRefusal: NegotiationCode? = nil, instruments: [String: Hash256]? = nil, interests: Set<Topic> = []
  ) {
    self.requestRefusal = requestRefusal
    self.instruments = instruments
    self.interests = interests
  }
}
