internal import ParleyDesk
internal import ParleyIO
internal import ParleyIdentity
internal import ParleyJournal
internal import ParleyNegotiation
internal import ParleyStore
internal import ParleyWire

// What the limits see of the sessions, and what they do to them.
extension Node {
  /// The owner's own limits, asked by a session before it signs.
  func vet(_ commitment: Commitment, with peer: DID) -> Veto? {
    do throws(DeskRefusal) {
      try desk.check(commitment, with: peer.string, now: .now)
      return nil
    } catch {
      note(error, commitment.recordedAct, peer, commitment.dialogue)
      return error.veto
    }
  }

  /// Why a counterparty's request is not looked at; `nil` when it is.
  func requestRefusal(of peer: DID, _ dialogue: DialogueID) -> Fault? {
    do throws(DeskRefusal) {
      try desk.checkRequest(from: peer.string, now: .now)
      return nil
    } catch {
      note(error, nil, peer, dialogue)
      return error.fault
    }
  }

  private func note(_ refusal: DeskRefusal, _ act: DeskIntent.Act?, _ peer: DID, _ dialogue: DialogueID) {
    log.warning(
      "limit", ["which": "\(refusal.limit)", "peer": peer.string, "dialogue": "\(dialogue)", "why": "\(refusal)"])
    // Before the answer that it leads to: the journal keeps the order.
    submit(DeskRecord(refusal, act), peer: peer, group: dialogue.bytes)
  }

  /// Takes in what a session has just signed or received, before any of it is durable: a limit must not lag behind.
  func observe(_ views: [DialogueView], _ events: [SessionEvent], of peer: DID) {
    for view in views { desk.track(view, with: peer.string) }
    for event in events {
      switch event {
      case .requestArrived: desk.asked(peer.string, .now)
      case .traded(let trade):
        guard let freeze = desk.note(trade, with: peer.string, now: .now) else { continue }
        log.warning("quotes-pulled", ["why": freeze.cause, "until": freeze.until?.iso8601 ?? "reset"])
        submit(.frozen(freeze))
        pullOffers(.paused)
      default: break
      }
    }
  }

  /// Brings the limits to where the journal says that they were.
  func restoreDesk() throws(NodeError) {
    var past: [(did: String, time: UnixNanoseconds, trade: Trade?)] = []
    for session in sessions.values {
      let did = session.peer.did.string
      for view in session.published.values {
        if view.role == .responder { past.append((did, view.created, nil)) }
        desk.track(view, with: did)
      }
      past += session.trades.map { (did, $0.decided, $0) }
    }
    // In the order of time, whoever it was with. What pulled the quotes then is in the journal.
    for item in past.sorted(by: { $0.time < $1.time }) {
      guard let trade = item.trade else {
        desk.asked(item.did, item.time)
        continue
      }
      _ = desk.note(trade, with: item.did, now: .now)
    }
    desk.freeze(nil)
    try NodeError.ofJournal {
      try store.reader.forEachEntry(matching: EntryQuery(kind: DeskRecord.switchKind)) { entry throws(StoreError) in
        guard let record = try? DeskRecord(decoding: entry.body, kind: entry.kind) else { return }
        apply(record, entry.time)
      }
      let last = try store.reader.lastEntry(kind: DeskRecord.limitsKind)?.body
      guard last != DeskRecord.limits(desk.file).encoded, last != nil || !desk.file.isEmpty else { return }
      try append(.limits(desk.file))
    }
    if desk.isKilled { log.warning("killed", ["why": "and not lifted: nothing is signed that binds"]) }
  }

  private func apply(_ record: DeskRecord, _ time: UnixNanoseconds) {
    switch record {
    case .killed: desk.setKilled(true)
    case .lifted: desk.setKilled(false)
    case .frozen(let freeze): desk.freeze(freeze)
    case .reset: desk.resetProtection(at: time)
    case .disconnected, .refused, .limits: break
    }
  }

  // MARK: Cancelling

  /// Takes back every offer of this node's that may be taken back; those that are held, as soon as they may.
  ///
  /// - Returns: How many were taken back, and how many are held.
  @discardableResult
  func pullOffers(_ code: NegotiationCode) -> (cancelled: Int, held: Int) {
    var (cancelled, held) = (0, 0)
    for session in sessions.values {
      let live = session.liveOffers
      do throws(NegotiationError) {
        let result = try session.massCancelNow(code)
        cancelled += result.cancelled.count
        held += result.held.count
        for view in live where result.held.contains(view.id) { pullLater(view, of: session.peer.did, code) }
      } catch {
        // A frozen pair confirms nothing either.
        guard !live.isEmpty else { continue }
        log.warning("not-pulled", ["peer": session.peer.did.string, "why": error.sentence])
      }
    }
    return (cancelled, held)
  }

  /// Takes an offer back once it is held no more, if it is still the one that is live then.
  private func pullLater(_ view: DialogueView, of did: DID, _ code: NegotiationCode) {
    guard let offer = view.myOffer else { return }
    let wait = Duration.nanoseconds(max(0, UnixNanoseconds.now.nanoseconds(to: offer.offer.holdUntil)))
    _ = loop.schedule(after: wait + .milliseconds(1)) { [weak self] in
      self?.assumeIsolated { node in
        guard let session = node.sessions[did], session.liveOffers.contains(where: { $0.myOffer?.id == offer.id })
        else {
          return
        }
        do throws(NegotiationError) {
          try session.performNow { engine throws(NegotiationError) in
            try engine.cancelOffer(view.id, code: code, now: .now)
          }
        } catch {
          // Not before the first SYNC since the start: what is ordered is signed with it.
          _ = try? session.massCancelNow(code)
        }
      }
    }
  }

  // MARK: The journal

  /// Has a record written before whatever is signed from here on.
  private func submit(_ record: DeskRecord, peer: DID? = nil, group: [UInt8] = []) {
    do {
      let draft = try EntryDraft(
        time: .now, kind: record.entryKind, peer: peer?.string ?? "", group: group, body: record.encoded)
      makeDurable([draft]) {}
    } catch {
      log.error("record-not-kept", ["why": "\(error)"])
    }
  }

  /// Writes a record, and returns when it is durable.
  private func append(_ record: DeskRecord) throws {
    _ = try store.append([EntryDraft(time: .now, kind: record.entryKind, body: record.encoded)])
  }

  private func keep(_ record: DeskRecord) throws(NodeError) {
    try NodeError.ofJournal { try append(record) }
  }

  // MARK: Requests

  /// Carries out a request about the limits; `nil` for another method.
  func answerDesk(_ request: ControlRequest) throws -> JSONValue? {
    switch request.method {
    case "limits": return limitsJSON
    case "limits_reload":
      try reloadLimits()
      return limitsJSON
    case "refusals": return try refusals(request)
    case "kill":
      let reason = DeskRecord.clipped(request.optionalText("reason") ?? "")
      try keep(.killed(reason: reason))
      desk.setKilled(true)
      log.warning("killed", ["why": reason])
      let (cancelled, held) = pullOffers(.killed)
      return ["killed": true, "cancelled": .integer(Int64(cancelled)), "held": .integer(Int64(held))]
    case "lift":
      try keep(.lifted)
      desk.setKilled(false)
      log.warning("lifted", [:])
      return ["killed": false]
    case "mmp_reset":
      try keep(.reset)
      desk.resetProtection(at: .now)
      log.warning("protection-reset", [:])
      return ["frozen": .null]
    default: return nil
    }
  }

  /// A client that asked for it is gone: what it may have steered is taken back.
  func clientIsGone() {
    guard !isStopping else { return }
    submit(.disconnected)
    let (cancelled, held) = pullOffers(.none)
    log.warning("client-gone", ["cancelled": "\(cancelled)", "held": "\(held)"])
  }

  private func reloadLimits() throws(NodeError) {
    let (limits, file) = try configuration.home.readLimits()
    let pricer = try configuration.readMarks()
    if file != desk.file { try keep(.limits(file)) }
    desk.adopt(limits, file: file, pricer: pricer)
    log.info("limits", ["bytes": "\(file.count)"])
  }

  private var limitsJSON: JSONValue {
    let now = UnixNanoseconds.now
    var object: JSONObject = ["killed": .bool(desk.isKilled)]
    object["frozen"] =
      desk.frozen(now: now).map { freeze in
        ["cause": .string(freeze.cause), "until": freeze.until.map { .string($0.iso8601) } ?? .null]
      } ?? .null
    object["uses"] = .array(
      desk.uses(now: now).map { use in
        [
          "limit": .string("\(use.limit)"), "id": .integer(Int64(use.limit.rawValue)),
          "peer": use.peer.map(JSONValue.string) ?? .null,
          "underlying": use.underlying.isEmpty ? .null : .string(use.underlying), "used": .number(use.used),
          "bound": .number(use.bound),
        ]
      })
    object["file"] = desk.file.isEmpty ? .null : (try? JSONValue.parse(desk.file)) ?? .null
    return .object(object)
  }

  /// What was not signed and why, the newest last.
  private func refusals(_ request: ControlRequest) throws -> JSONValue {
    var list: [JSONValue] = []
    try NodeError.ofJournal {
      try store.reader.forEachEntry(matching: EntryQuery(kind: DeskRecord.refusalKind)) { entry throws(StoreError) in
        guard
          case .refused(let act, let limit, let subject, let value, let bound)? =
            try? DeskRecord(decoding: entry.body, kind: entry.kind)
        else { return }
        list.append([
          "time": .string(entry.time.iso8601), "peer": .string(entry.peer), "dialogue": .string(entry.group.hex),
          "act": .string(act.map { "\($0)" } ?? "theirs"), "id": .integer(Int64(limit)),
          "limit": .string(DeskLimit(rawValue: limit).map { "\($0)" } ?? "limit \(limit)"), "subject": .string(subject),
          "value": .string(value), "bound": .string(bound),
        ])
        if list.count > 1_000 { list.removeFirst(500) }
      }
    }
    return .array(Array(try request.page(of: list)))
  }
}

extension Desk {
  var isKilled: Bool { sentry.isKilled }
  func frozen(now: UnixNanoseconds) -> DeskFreeze? { sentry.frozen(now: now) }
}
