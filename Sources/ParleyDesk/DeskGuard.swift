public import ParleyWire

/// Holds a desk's limits: asked before anything is signed, and told of all that was.
///
/// A sans-IO machine fed with numbers: what was traded, what may still be, and what each instrument is worth. It never
/// looks at an offer again that it has let through: a live firm offer is counted at its worst side until it dies, so the
/// Accept that takes it needs no further question. What shows in a journal is enough to make it anew:
///
///     init ──▶ adopt limits, meet peers, fill trades, reserve what is live, switches ──▶ check, reserve, fill, ...
///
/// Invariant: as long as marks and limits stay, nothing that ``check(_:now:)`` has let through can bring an exposure past
/// its limit, whichever of the open offers and Accepts come about, and in whatever part.
public struct DeskGuard: ~Copyable {
  /// What is allowed.
  public private(set) var limits = DeskLimits()
  /// Whether the operator has stopped trading.
  public private(set) var isKilled = false

  var marks: [String: DeskMark] = [:]
  var instruments: [String: DeskInstrument] = [:]
  var total = DeskBook()
  var books: [String: DeskBook] = [:]
  var reservations: [[UInt8]: DeskReservation] = [:]
  var window = FillWindow()
  var peers: [String: DeskPeer] = [:]
  var accounts: [String: CreditAccount] = [:]
  private var areGreeksStale = false
  /// When the next instrument held or reserved ceases to be.
  private var nextExpiry: UnixNanoseconds?

  /// Knows nothing and limits nothing.
  public init() {}

  // MARK: What it is told

  /// Takes other limits; what was signed under the old ones stands.
  public mutating func adopt(_ limits: DeskLimits) { self.limits = limits }

  /// Stops trading, or lets it go on.
  public mutating func setKilled(_ isKilled: Bool) { self.isKilled = isKilled }

  /// Notes what the documents of a counterparty say; until then its DID alone is known.
  public mutating func meet(_ peer: DeskPeer) { peers[peer.did] = peer }

  /// Takes what an instrument is worth now; `nil` when nobody knows.
  public mutating func setMark(_ mark: DeskMark?, of instrument: String) {
    guard marks[instrument] != mark else { return }
    marks[instrument] = mark
    areGreeksStale = true
  }

  /// What marks are wanted of: everything that is held, or may be.
  public var instrumentsHeld: [DeskInstrument] { Array(instruments.values) }

  /// Notes what may be traded in a dialogue without asking again; none of either is nothing.
  ///
  /// - Parameters:
  ///   - dialogue: Which.
  ///   - peer: With whom.
  ///   - package: What.
  ///   - buys: Lots that this desk may come to buy.
  ///   - sells: Lots that it may come to sell instead.
  public mutating func reserve(
    _ dialogue: [UInt8], peer: String, package: DeskPackage, buys: Int64, sells: Int64
  ) {
    guard buys > 0 || sells > 0 else {
      reservations[dialogue] = nil
      return
    }
    note(package)
    reservations[dialogue] = DeskReservation(peer: peer, package: package, buys: max(0, buys), sells: max(0, sells))
  }

  /// Counts a trade.
  ///
  /// - Parameters:
  ///   - peer: With whom.
  ///   - package: What.
  ///   - lots: How much this desk bought; negative when it sold.
  ///   - isMaker: Whether its own offer was taken.
  ///   - time: When it was decided.
  ///   - now: The present time: trades of the past are told again after a restart.
  /// - Returns: Until when no offers are made, if this trade is what pulls the quotes.
  public mutating func fill(
    peer: String, package: DeskPackage, lots: Int64, isMaker: Bool, time: UnixNanoseconds, now: UnixNanoseconds
  ) -> DeskFreeze? {
    if let credits = limits.credits { accounts[peer, default: CreditAccount(credits, time)].traded(credits, time) }
    note(package)
    var greeks: [String: DeskGreeks] = [:]
    for leg in package.legs {
      if let expiry = leg.instrument.expiry, expiry <= now { continue }
      let amount = Int128(leg.weight) * Int128(lots)
      let mark = marks[leg.instrument.name]
      total.add(amount, of: leg.instrument, mark)
      books[peer, default: DeskBook()].add(amount, of: leg.instrument, mark)
      // Nobody knows how much of a Greek this was: as much as pulls the quotes.
      let unknown = DeskGreeks(delta: .infinity, gamma: .infinity, vega: .infinity)
      guard let mark, greeks[leg.instrument.underlying] != unknown else {
        greeks[leg.instrument.underlying] = unknown
        continue
      }
      greeks[leg.instrument.underlying, default: DeskGreeks()].add(mark, lots: Double(amount))
    }
    guard isMaker, let protection = limits.protection else { return nil }
    return window.fill(greeks, protection, time)
  }

  /// Notes that a counterparty has asked for a quote.
  public mutating func asked(peer: String, time: UnixNanoseconds) {
    guard let credits = limits.credits else { return }
    accounts[peer, default: CreditAccount(credits, time)].asked(credits, time)
  }

  // MARK: Protection

  /// Stops new offers until then, as a journal says that it was; `nil` for no freeze.
  public mutating func freeze(_ freeze: DeskFreeze?) { window.freeze = freeze }

  /// Lets offers be made again, and forgets the fills until that time.
  public mutating func resetProtection(at time: UnixNanoseconds) { window.reset(time) }

  /// Until when no offer is made; `nil` while offers are.
  public func frozen(now: UnixNanoseconds) -> DeskFreeze? { window.freeze.flatMap { $0.holds(now) ? $0 : nil } }

  // MARK: Bookkeeping

  private mutating func note(_ package: DeskPackage) {
    for leg in package.legs where instruments[leg.instrument.name] == nil {
      instruments[leg.instrument.name] = leg.instrument
      guard let expiry = leg.instrument.expiry else { continue }
      nextExpiry = min(nextExpiry ?? expiry, expiry)
    }
  }

  /// Brings books to the present: what has expired is gone, and Greeks are those of today's marks.
  mutating func settle(now: UnixNanoseconds) {
    if let next = nextExpiry, next <= now { dropExpired(now) }
    guard areGreeksStale else { return }
    areGreeksStale = false
    total.remark(instruments, marks)
    for peer in books.keys { books[peer]?.remark(instruments, marks) }
  }

  private mutating func dropExpired(_ now: UnixNanoseconds) {
    nextExpiry = nil
    for (name, instrument) in instruments {
      guard let expiry = instrument.expiry else { continue }
      guard expiry <= now else {
        nextExpiry = min(nextExpiry ?? expiry, expiry)
        continue
      }
      if let lots = total.lots[name] { total.add(-lots, of: instrument, nil) }
      for (peer, book) in books {
        if let lots = book.lots[name] { books[peer]?.add(-lots, of: instrument, nil) }
      }
      instruments[name] = nil
      marks[name] = nil
      areGreeksStale = true
    }
    // What is reserved in them can no longer come about: an offer does not outlive its instrument.
    reservations = reservations.filter { entry in
      entry.value.package.legs.allSatisfy { ($0.instrument.expiry ?? UnixNanoseconds(.max)) > now }
    }
  }
}
