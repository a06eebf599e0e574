import ParleyWire

// Steps 5 and 6, and what follows from them.
extension DialogueVerifier {
  typealias Found<Content> = (entry: Entry, content: Content)

  /// All statements of one side in order, then those about the pair.
  private var ordered: [Entry] { strands.values.flatMap { $0 } + aside }

  var accepts: [Found<Accept>] {
    ordered.compactMap { entry in
      guard !entry.isVoid, case .accept(let accept)? = entry.statement?.payload else { return nil }
      return (entry, accept)
    }
  }

  var confirms: [Found<Confirm>] {
    ordered.compactMap { entry in
      guard !entry.isVoid, case .confirm(let confirm)? = entry.statement?.payload else { return nil }
      return (entry, confirm)
    }
  }

  private var declines: [Found<Decline>] {
    ordered.compactMap { entry in
      guard !entry.isVoid, case .decline(let decline)? = entry.statement?.payload else { return nil }
      return (entry, decline)
    }
  }

  /// The offer of that id, where its owner signed it.
  func offer(_ id: StatementID, of owner: String) -> Found<Offer>? {
    guard let entry = entries[id], entry.header.from.hasSameBytes(as: owner) else { return nil }
    switch entry.statement?.payload {
    case .quote(let offer), .counter(let offer): return (entry, offer)
    default: return nil
    }
  }

  func terms(_ accept: Accept, _ offer: Found<Offer>) throws(Fault) -> Terms {
    guard let request else { throw Fault(.unknown) }
    let requester = request.entry.header.from
    return try Terms(
      request: request.request, requester: requester, responder: request.entry.header.to, offer: offer.content,
      id: offer.entry.id, ownerIsRequester: offer.entry.header.from.hasSameBytes(as: requester),
      acceptorSide: accept.side, lots: accept.lots)
  }

  // MARK: Steps 5 and 6

  func checkConfirms() throws(Stop) {
    var traded: StatementID?
    for (entry, confirm) in confirms {
      guard let embedded = try? Statement(confirm.acceptStatement), case .accept(let accept) = embedded.payload else {
        throw Stop(.decoding, entry.id)
      }
      guard let offer = offer(accept.offer, of: entry.header.from) else {
        throw Stop(.unverifiable(missing: "offer \(accept.offer)"))
      }
      guard offer.content.mode != .indicative, let terms = try? terms(accept, offer), terms.encoded == accept.terms,
        confirm.termsDigest == Terms.digest(of: accept.terms), traded == nil || traded == embedded.id
      else { throw Stop(.terms, entry.id) }
      traded = embedded.id
    }
    for (entry, confirm) in confirms {
      guard let embedded = try? Statement(confirm.acceptStatement), case .accept(let accept) = embedded.payload,
        let offer = offer(accept.offer, of: entry.header.from)
      else { throw Stop(.terms, entry.id) }
      let end = offer.entry.header.expiry
      // Where a slot decides, it does by its witness's time.
      if offer.content.witness != nil { continue }
      guard confirm.received <= end, confirm.decided <= end.advanced(byNanoseconds: offer.content.lookNanoseconds),
        embedded.header.created <= end.advanced(byNanoseconds: 2_000_000_000)
      else { throw Stop(.times, entry.id) }
    }
  }

  // MARK: Verdict

  func verdict() throws(Stop) -> Verdict {
    let accepts = accepts
    let declines = declines
    if let missing = declines.first(where: { entries[$0.content.accept] == nil }) {
      throw Stop(.unverifiable(missing: "Accept \(missing.content.accept)"))
    }
    if let (entry, confirm) = confirms.first, let embedded = try? Statement(confirm.acceptStatement),
      case .accept(let accept) = embedded.payload, let offer = offer(accept.offer, of: entry.header.from),
      let terms = try? terms(accept, offer)
    {
      if declines.contains(where: { $0.content.accept == embedded.id }) {
        return .equivocation(by: entry.header.from)
      }
      if let stamp = stamps[accept.offer], stamp.content != embedded.slotContent {
        return .breach(owner: entry.header.from, accept: embedded.id, .witness)
      }
      return .traded(
        VerifiedTrade(
          dialogue: entry.header.dialogue, terms: terms, acceptor: embedded.header.from, owner: entry.header.from,
          accept: embedded.id, confirm: entry.id, received: confirm.received, decided: confirm.decided))
    }
    if let trade = try stampedTrade() { return trade }
    var doubt: StatementID?
    for (entry, accept) in accepts {
      let verdicts = declines.filter {
        $0.content.accept == entry.id && $0.entry.header.from.hasSameBytes(as: entry.header.to)
      }
      guard let decline = verdicts.first else {
        if stamps[accept.offer] == nil { doubt = doubt ?? entry.id }
        continue
      }
      if decline.content.code == .witness, !isWitnessedNo(entry, accept) {
        throw Stop(.unverifiable(missing: "the stamp of offer \(accept.offer)"))
      }
      if !isBorneOut(decline, entry, accept) {
        return .breach(owner: entry.header.to, accept: entry.id, decline.content.code)
      }
    }
    if let doubt { return .inDoubt(accept: doubt) }
    return accepts.isEmpty && declines.isEmpty ? .noAccept : .notTraded
  }

  /// Whether the statements bear out why a firm offer was declined.
  private func isBorneOut(_ decline: Found<Decline>, _ acceptEntry: Entry, _ accept: Accept) -> Bool {
    let code = decline.content.code
    let owner = acceptEntry.header.to
    guard let offer = offer(accept.offer, of: owner) else { return code == .unknown || code == .amnesia }
    if offer.content.mode != .firm { return true }
    let hold = offer.content.holdUntil
    let end = offer.entry.header.expiry
    // What the owner had signed before the Decline; all of it where the Decline is about the pair.
    let before = (strands[owner] ?? []).prefix { $0.id != decline.entry.id }
    let after = before.drop { $0.id != offer.entry.id }.dropFirst()
    let theirs = strands[other(owner)] ?? []
    func isCancelled() -> Bool {
      theirs.contains { rejects($0, offer.entry.id) }
        || after.contains { entry in
          guard case .quoteCancel(let cancel)? = entry.statement?.payload else { return false }
          return cancel.offer == offer.entry.id && entry.header.created >= hold
        }
        || aside.contains { isMassCancel($0, by: owner, of: offer.entry.header, hold, before: decline.content.decided) }
    }
    func isSuperseded() -> Bool {
      after.contains { entry in
        switch entry.statement?.payload {
        case .quote, .counter: entry.header.created >= hold
        default: false
        }
      }
    }
    func isCrossed() -> Bool {
      after.contains { entry in
        guard case .accept? = entry.statement?.payload else { return false }
        return entry.header.created >= hold
      }
    }
    switch code {
    case .amnesia: return true
    case .witness: return isWitnessedNo(acceptEntry, accept)
    case .late: return decline.content.received > end && offer.content.witness == nil
    case .cancelled: return isCancelled()
    case .superseded: return isSuperseded()
    case .taken: return !confirms.isEmpty
    case .crossed: return isCrossed()
    case .closed:
      let isDead = decline.content.received > end || isCancelled() || isSuperseded() || isCrossed()
      return isClosed(before, theirs, decline.content, isDead: isDead)
    case .terms, .lots: return termsFault(accept, offer) == code
    case .blind:
      guard let request, acceptEntry.header.from.hasSameBytes(as: request.entry.header.from) else { return false }
      return acceptEntry.header.created
        < request.entry.header.created.advanced(byNanoseconds: request.request.blindNanoseconds)
    case .chain: return acceptEntry.isRefused && breaksChain(acceptEntry)
    case .critical: return acceptEntry.header.extensions.contains(where: \.isCritical)
    default: return false
    }
  }

  /// Whether a MassCancel took the offer back before the owner decided.
  private func isMassCancel(
    _ entry: Entry, by owner: String, of offer: Header, _ hold: UnixNanoseconds, before decided: UnixNanoseconds
  ) -> Bool {
    guard case .massCancel? = entry.statement?.payload, !entry.isVoid else { return false }
    let created = entry.header.created
    return entry.header.from.hasSameBytes(as: owner) && created >= max(hold, offer.created) && created <= decided
  }

  private func isClosed(
    _ before: some Sequence<Entry>, _ theirs: [Entry], _ decline: Decline, isDead: Bool
  ) -> Bool {
    guard let request else { return false }
    func ends(_ entry: Entry) -> Bool {
      if case .pass? = entry.statement?.payload { return true }
      return rejects(entry, request.entry.id)
    }
    if before.contains(where: ends) || theirs.contains(where: ends) { return true }
    return isDead && request.entry.header.expiry < decline.decided
  }

  func rejects(_ entry: Entry, _ target: StatementID) -> Bool {
    guard case .reject(let reject)? = entry.statement?.payload else { return false }
    return reject.target == target
  }

  private func termsFault(_ accept: Accept, _ offer: Found<Offer>) -> NegotiationCode? {
    do throws(Fault) {
      return try terms(accept, offer).encoded == accept.terms ? nil : .terms
    } catch {
      return error.code
    }
  }

  func breaksChain(_ entry: Entry) -> Bool {
    (strands[entry.header.from] ?? []).contains { $0.id == entry.id && $0.breaksChain }
  }
}
