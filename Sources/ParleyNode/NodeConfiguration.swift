internal import ParleyHandshake
internal import ParleyIO
public import ParleyIdentity
public import ParleyNegotiation
public import ParleyStore

/// How a node runs.
public struct NodeConfiguration: Sendable {
  /// Where it keeps what is its own.
  public var home: NodeHome
  /// Where it listens; `nil` for the address that its DID names, and nowhere if that names none.
  public var listen: ListenChoice?
  /// Certificate chain (PEM) for `wss`.
  public var certificateFile: String?
  /// Private key (PEM) of the certificate.
  public var privateKeyFile: String?
  /// Certificates to trust when calling `wss` endpoints, instead of the system's.
  public var trustFile: String?
  /// The counterparties that may come in, beside those that the owner connected to.
  public var allowed: Set<DID> = []
  /// Whether every DID that proves itself may come in.
  public var allowsAnyone = false
  /// Peers that may be connected at a time; more are told that there is no room.
  public var maximumSessions = 1_000
  /// How DIDs are resolved.
  public var resolver: IdentityResolver
  /// What a peer may ask of a negotiation.
  public var limits = NegotiationLimits()
  /// A chain that the limits on prices and Greeks are held by; `nil` for the one that is quoted from.
  public var marksFile: String?
  /// At which time options in that chain are priced.
  public var marksValuation = MakerPolicy.Valuation.now
  /// The topics by which this node may be asked, told to every peer.
  public var interests: Interests = .none
  /// Quotes for those who ask; `nil` for a node that only asks.
  public var quoting: Quoting?
  /// Whether requests and counters that `quoting` does not answer wait for the owner's word, rather than being refused.
  public var quotesByHand = false
  /// Decides about Accepts of this node's last-look offers; `nil` leaves each to the owner, and else it lapses.
  ///
  /// It runs on the node's loop: it must not wait.
  public var looks: (@Sendable (Look, DialogueView) -> LookDecision)?
  /// What the journal's writer may hold, and commit at once.
  public var journalLimits = JournalWriter.Limits()
  /// For whom this node is a witness; `nil` for nobody.
  public var witnessFor: WitnessAudience?
  /// The DIDs of the witnesses that this node takes for its offers; one of did:peer:4 in its long form the first time.
  public var witnesses: [String] = []
  /// When the keys of a channel are renewed.
  var channelLimits = ChannelLimits()
  /// What those are granted who have not proved who they are.
  var admissionLimits = AdmissionLimits()
  /// When documents of connected peers are looked at again.
  var resolutionTimes = ResolutionTimes()
  /// Bounds and times of resolution.
  var resolverLimits = DIDResolver.Limits()
  /// What the operator is told.
  public var log: Log

  /// Configures a node that lets nobody in but those it calls.
  public init(home: NodeHome, resolver: IdentityResolver = IdentityResolver(), log: Log = .standardError(.info)) {
    self.home = home
    self.resolver = resolver
    self.log = log
  }

  /// The witnesses by the names that offers have for them.
  var witnessDIDs: [String] { witnesses.compactMap { try? DID(parsing: $0).shortForm.string } }
}

extension NodeConfiguration {
  /// Where the marks come from that limits are held by.
  func readMarks() throws(NodeError) -> ChainPricer? {
    guard let marksFile else { return quoting?.marks }
    return ChainPricer(chain: try Quoting.readChain(marksFile), valuation: marksValuation)
  }
}

/// Where a node listens.
public enum ListenChoice: Hashable, Sendable {
  /// An address of this machine; port 0 has the kernel choose.
  case address(host: String, port: UInt16)
  /// A listening socket that the parent process handed down.
  case descriptor(Int32)

  /// Reads `HOST:PORT`, `[IPV6]:PORT` or `fd:N`.
  public init?(text: String) {
    if text.hasPrefix("fd:") {
      guard let number = Int32(text.dropFirst(3)), number >= 0 else { return nil }
      self = .descriptor(number)
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard SocketAddress(String(host), port: port) != nil else { return nil }
    self = .address(host: String(host), port: port)
  }

  var address: ListenAddress? {
    switch self {
    case .address(let host, let port): SocketAddress(host, port: port).map(ListenAddress.address)
    case .descriptor(let number): .inherited(descriptor: number)
    }
  }
}
