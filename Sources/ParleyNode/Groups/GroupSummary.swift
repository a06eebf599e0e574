internal import ParleyIO
internal import ParleyIdentity
internal import ParleyMarket
internal import ParleyNegotiation
internal import ParleyWire

/// A group of requests as the command line shows it.
struct GroupSummary {
  let group: [UInt8]
  /// Its dialogues, at least one.
  let members: [GroupMember]
  let package: Package
  let ledger: GroupLedger
  let book: BestQuotes
  let failed: [GroupFailure]

  var json: JSONValue {
    let peers = Dictionary(uniqueKeysWithValues: members.map { ($0.view.id, $0.peer) })
    let blind = members.map { UnixNanoseconds.now.nanoseconds(to: $0.view.blindEnd) }.max() ?? 0
    func quotes(_ quotes: [BestQuotes.Quote]) -> JSONValue {
      .array(quotes.map { $0.json(package, peer: peers[$0.dialogue] ?? "") })
    }
    return [
      "group": .string(group.hex), "instrument": .string(package.description),
      "side": .string(DialogueSummary(members[0].view, members[0].session).side),
      "amount": .string(package.text(lots: ledger.cap)), "filled": .string(package.text(lots: ledger.filled)),
      "in_doubt": .string(package.text(lots: ledger.inDoubt)), "offered": .string(package.text(lots: ledger.offered)),
      "free": .string(package.text(lots: ledger.free)), "blind_ms": .integer(max(0, blind) / 1_000_000),
      "bids": quotes(book.bids), "asks": quotes(book.asks),
      "dialogues": .array(members.map { DialogueSummary($0.view, $0.session).json }),
      "failed": .array(failed.map(\.json)),
    ]
  }
}

/// A maker that could not be asked.
struct GroupFailure {
  let peer: String
  /// Which kind of reason, for programs.
  let code: String
  let message: String

  init(peer: String, _ error: any Error) {
    self.peer = peer
    switch error {
    case let error as NegotiationError:
      code = error.name
      message = error.sentence
    case let error as NodeError:
      code = "unknown"
      message = error.description
    default:
      code = "failed"
      message = "\(error)"
    }
  }

  var json: JSONValue { ["peer": .string(peer), "code": .string(code), "message": .string(message)] }
}

/// One Accept of several that fill an amount.
struct GroupFill {
  /// The dialogue as it was then.
  let member: GroupMember
  let lots: Int64
  /// Why nothing was signed; `nil` when it was.
  let why: String?

  /// What became of it, by the dialogue as it is now.
  func json(_ now: GroupMember) -> JSONValue {
    var object: JSONObject = ["dialogue": .string(now.view.id.description), "peer": .string(now.peer)]
    if let package = try? now.view.package() {
      let lots = now.view.trade?.terms.lots ?? lots
      if lots > 0 { object["amount"] = .string(package.text(lots: lots)) }
    }
    guard why == nil else {
      object["state"] = "not accepted"
      object["why"] = why.map(JSONValue.string)
      return .object(object)
    }
    switch now.view.phase {
    case .traded:
      object["state"] = "filled"
      object["trade"] = now.view.trade.map { TradeSummary($0, now.session.peer.did).json }
    case .acceptInDoubt: object["state"] = "in doubt"
    case .open, .closed:
      object["state"] = "declined"
      object["why"] = now.session.endings[now.view.id].map(JSONValue.string)
    }
    return .object(object)
  }
}

extension BestQuotes.Quote {
  /// The offer for programs.
  fileprivate func json(_ package: Package, peer: String) -> JSONValue {
    let mode: JSONValue =
      switch live.offer.mode {
      case .firm: "firm"
      case .lastLook: "last look"
      case .indicative: "indicative"
      }
    return [
      "dialogue": .string(dialogue.description), "peer": .string(peer), "offer": .string(live.id.description),
      "price": .string(package.text(ticks: net)), "price_ticks": .integer(net),
      "amount": .string(package.text(lots: lotsMax)),
      "least": .string(package.text(lots: live.offer.isAllOrNone ? lotsMax : lotsMin)), "mode": mode,
      "expires_in_ms": .integer(max(0, UnixNanoseconds.now.nanoseconds(to: live.expiry)) / 1_000_000),
    ]
  }
}

extension NegotiationError {
  /// The case's name: which kind of reason, for programs.
  var name: String { String("\(self)".prefix { $0 != "(" }) }
}
