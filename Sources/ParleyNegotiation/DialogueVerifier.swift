public import ParleyIdentity
public import ParleyWire

/// Says what the statements of a dialogue prove, to somebody who took no part in it.
///
/// Section 11 of docs/protocol/negotiation.md. It never proves that nothing else was signed.
public struct DialogueVerifier {
  /// A trade that both sides signed.
  public struct VerifiedTrade: Hashable, Sendable {
    /// The dialogue.
    public let dialogue: DialogueID
    /// What was agreed.
    public let terms: Terms
    /// Who accepted.
    public let acceptor: String
    /// Who owned the offer.
    public let owner: String
    /// The Accept.
    public let accept: StatementID
    /// The Confirm; ``Hash256/zero`` where a witness's stamp alone makes the trade.
    public let confirm: StatementID
    /// When the Accept arrived, by the owner; without a Confirm when the witness wrote it.
    public let received: UnixNanoseconds
    /// When the owner decided, by itself; without a Confirm when the witness wrote it.
    public let decided: UnixNanoseconds
  }

  /// Which check failed.
  public enum Step: Int, Hashable, Sendable {
    /// A statement does not decode.
    case decoding = 1
    /// Names, key, document or suite are not those of the two identities.
    case identity = 2
    /// A signature does not verify.
    case signature = 3
    /// The statements do not form two strands of one dialogue.
    case chain = 4
    /// The terms are not those of request and offer.
    case terms = 5
    /// A Confirm is later than the offer allowed.
    case times = 6
    /// A stamp is not a given witness's, or of no offer here.
    case stamps = 7
  }

  /// What is proved.
  public enum Verdict: Hashable, Sendable {
    /// There is a trade.
    case traded(VerifiedTrade)
    /// Every Accept was declined.
    case notTraded
    /// An Accept has no verdict here.
    case inDoubt(accept: StatementID)
    /// Nobody accepted.
    case noAccept
    /// The owner declined what it was bound to.
    case breach(owner: String, accept: StatementID, NegotiationCode)
    /// Somebody signed two statements that exclude each other.
    case equivocation(by: String)
    /// A check failed.
    case invalid(Step, StatementID?)
    /// A statement that others prove to exist is not given.
    case unverifiable(missing: String)
  }

  /// Judges the statements of one dialogue.
  ///
  /// - Parameters:
  ///   - statements: Their bytes, in any order; one given twice counts once.
  ///   - first: One side.
  ///   - second: The other side.
  ///   - stamps: What witnesses said of the slots of the dialogue's offers, in any order.
  ///   - witnesses: Who those are.
  /// - Returns: The verdict.
  public static func verify(
    _ statements: [[UInt8]], _ first: PeerIdentity, _ second: PeerIdentity, stamps: [[UInt8]] = [],
    witnesses: [PeerIdentity] = []
  ) -> Verdict {
    do throws(Stop) {
      var verifier = DialogueVerifier(first, second)
      try verifier.read(statements)
      try verifier.checkStrands()
      try verifier.checkConfirms()
      try verifier.check(stamps, of: witnesses)
      return try verifier.verdict()
    } catch {
      return error.verdict
    }
  }

  /// Ends the verification.
  struct Stop: Error {
    let verdict: Verdict
    init(_ verdict: Verdict) { self.verdict = verdict }
    init(_ step: Step, _ id: StatementID?) { verdict = .invalid(step, id) }
  }

  /// One statement of the set.
  struct Entry {
    let envelope: Envelope
    let header: Header
    /// `nil` where the payload does not decode, which only a statement that was refused for it may.
    let statement: Statement?
    /// Whether the other side refused it for what it is.
    var isRefused = false
    /// Whether it was refused for good reason, so that it only counts.
    var isVoid = false
    /// Whether it stands where its strand does not continue.
    var breaksChain = false

    var id: StatementID { envelope.id }

    /// Whether its faults are answered by a verdict, so that it stays an Accept.
    var isDeclinable: Bool {
      if case .accept? = statement?.payload { return isRefused }
      return false
    }
  }

  private let identities: [PeerIdentity]
  var entries: [StatementID: Entry] = [:]
  /// Statements in dialogue 0.
  var aside: [Entry] = []
  /// Each side's statements by seq.
  var strands: [String: [Entry]] = [:]
  var request: (entry: Entry, request: QuoteRequest)?
  /// What is in the slots, by offer.
  var stamps: [StatementID: Stamp] = [:]

  private init(_ first: PeerIdentity, _ second: PeerIdentity) { identities = [first, second] }

  private func identity(_ did: String) -> PeerIdentity? {
    identities.first { $0.did.string.hasSameBytes(as: did) }
  }

  func other(_ did: String) -> String {
    (identities.first { !$0.did.string.hasSameBytes(as: did) } ?? identities[0]).did.string
  }

  // MARK: Steps 1 to 3

  private mutating func read(_ statements: [[UInt8]]) throws(Stop) {
    let refused = refusals(statements)
    var all: [Entry] = []
    for bytes in statements {
      guard let envelope = try? Envelope(bytes), let header = try? Header.decode(envelope.header) else {
        let id = (try? Envelope(bytes))?.id ?? Envelope.malformedID(bytes)
        // One that could not be read was refused, and is in no strand.
        if refused.contains(id) { continue }
        throw Stop(.decoding, id)
      }
      all.append(
        Entry(
          envelope: envelope, header: header, statement: try? Statement(envelope, header),
          isRefused: refused.contains(envelope.id)))
      guard case .confirm(let confirm)? = all.last?.statement?.payload else { continue }
      guard let embedded = try? Statement(confirm.acceptStatement), case .accept = embedded.payload,
        embedded.header.dialogue == header.dialogue, embedded.header.from.hasSameBytes(as: header.to),
        embedded.header.to.hasSameBytes(as: header.from)
      else { throw Stop(.decoding, envelope.id) }
      all.append(Entry(envelope: embedded.envelope, header: embedded.header, statement: embedded))
    }
    try check(&all)
    for entry in all where entries[entry.id] == nil {
      entries[entry.id] = entry
      if entry.header.dialogue == .pair { aside.append(entry) }
    }
  }

  /// Steps 1 to 3 on what was read, each over all before the next.
  ///
  /// What the other side refused for the fault that it has is void, not a reason to doubt the rest.
  private func check(_ all: inout [Entry]) throws(Stop) {
    let checks: [(Step, (Entry) -> Bool)] = [
      (.decoding, { $0.statement != nil && (!$0.header.extensions.contains(where: \.isCritical) || $0.isDeclinable) }),
      (.identity, isRightlyNamed),
      (.signature, { entry in identity(entry.header.from).map(entry.envelope.isSigned) ?? false }),
    ]
    for (step, passes) in checks {
      for index in all.indices where !all[index].isVoid && !passes(all[index]) {
        guard all[index].isRefused else { throw Stop(step, all[index].id) }
        all[index].isVoid = true
      }
    }
  }

  /// The ids of statements that the other side refused for what they are, by Rejects and Declines that it signed.
  private func refusals(_ statements: [[UInt8]]) -> Set<StatementID> {
    var refused: Set<StatementID> = []
    for bytes in statements {
      guard let statement = try? Statement(bytes), let signer = identity(statement.header.from),
        statement.envelope.isSigned(by: signer)
      else { continue }
      let targets: (id: StatementID, code: NegotiationCode)
      switch statement.payload {
      case .reject(let reject): targets = (reject.target, reject.code)
      case .decline(let decline): targets = (decline.accept, decline.code)
      case .quoteRequest, .quote, .counter, .accept, .confirm, .quoteCancel, .withdraw, .pass, .tradeAck, .massCancel,
        .incarnation:
        continue
      }
      guard Self.refusingCodes.contains(targets.code) else { continue }
      // Nobody refuses a statement of one's own.
      let isOwn = statements.contains { candidate in
        guard let envelope = try? Envelope(candidate), envelope.id == targets.id,
          let header = try? Header.decode(envelope.header)
        else { return false }
        return header.from.hasSameBytes(as: statement.header.from)
      }
      if !isOwn { refused.insert(targets.id) }
    }
    return refused
  }

  private static let refusingCodes: Set<NegotiationCode> = [
    .malformed, .version, .kind, .critical, .signature, .key, .chain,
  ]

  private func isRightlyNamed(_ entry: Entry) -> Bool {
    let header = entry.header
    guard let from = identity(header.from), header.to.hasSameBytes(as: other(header.from)) else { return false }
    return header.fromKey.hasSameBytes(as: from.keyFragment) && header.docHash.bytes == from.documentHash
      && entry.envelope.signature.suite == from.suite
  }

  // MARK: Step 4

  private mutating func checkStrands() throws(Stop) {
    let inDialogue = entries.values.filter { $0.header.dialogue != .pair }
    for entry in aside {
      switch entry.statement?.payload {
      case .reject, .decline, .massCancel: break
      default: throw Stop(.chain, entry.id)
      }
    }
    try findRequest(inDialogue)
    for identity in identities {
      let did = identity.did.string
      let own = inDialogue.filter { $0.header.from.hasSameBytes(as: did) }
      strands[did] = try strand(own, of: did)
    }
    for identity in identities { try checkSeen(identity.did.string) }
  }

  private mutating func findRequest(_ candidates: [Entry]) throws(Stop) {
    var found: [(entry: Entry, request: QuoteRequest)] = []
    for entry in candidates {
      if case .quoteRequest(let request)? = entry.statement?.payload, !entry.isVoid { found.append((entry, request)) }
    }
    guard let first = found.first else { throw Stop(.unverifiable(missing: "the QuoteRequest")) }
    guard found.count == 1 else {
      if found.allSatisfy({ $0.entry.header.seq == 1 && $0.entry.header.from == first.entry.header.from }) {
        throw Stop(.equivocation(by: first.entry.header.from))
      }
      throw Stop(.chain, found[1].entry.id)
    }
    let header = first.entry.header
    let id = DialogueID(requester: header.from, responder: header.to, nonce: first.request.nonce)
    guard header.dialogue == id, header.seq == 1 else { throw Stop(.chain, first.entry.id) }
    for entry in candidates where entry.header.dialogue != id { throw Stop(.chain, entry.id) }
    request = first
  }

  /// A side's statements in order, none missing in between.
  private func strand(_ own: [Entry], of did: String) throws(Stop) -> [Entry] {
    var bySeq: [Int64: Entry] = [:]
    for entry in own where !entry.isRefused {
      if let known = bySeq[entry.header.seq], known.id != entry.id { throw Stop(.equivocation(by: did)) }
      bySeq[entry.header.seq] = entry
    }
    let last = bySeq.keys.max() ?? 0
    var strand: [Entry] = []
    while Int64(strand.count) < last {
      let seq = Int64(strand.count) + 1
      if let entry = bySeq[seq] {
        strand.append(entry)
      } else if let refused = own.first(where: {
        $0.isRefused && ($0.header.seq == seq || $0.id == bySeq[seq + 1]?.header.own)
      }) {
        strand.append(refused)
      } else {
        throw Stop(.unverifiable(missing: "statement \(seq) of \(did)"))
      }
    }
    for entry in own where entry.isRefused && !strand.contains(where: { $0.id == entry.id }) { strand.append(entry) }
    for index in strand.indices {
      let header = strand[index].header
      let previous = index == 0 ? nil : strand[index - 1]
      let isRight =
        header.seq == Int64(index) + 1 && header.own == (previous?.id ?? .zero)
        && header.created >= (previous?.header.created ?? UnixNanoseconds(0))
      if isRight { continue }
      guard strand[index].isRefused else { throw Stop(.chain, strand[index].id) }
      strand[index].breaksChain = true
    }
    return strand
  }

  /// What a side had seen never shrinks, and is all there.
  private mutating func checkSeen(_ did: String) throws(Stop) {
    guard var strand = strands[did], let others = strands[other(did)] else { return }
    var count = 0
    for index in strand.indices {
      let seen = strand[index].header.seen
      let place = seen == .zero ? 0 : others.firstIndex { $0.id == seen }.map { $0 + 1 }
      if let place, place >= count {
        count = place
      } else if strand[index].isRefused {
        strand[index].breaksChain = true
      } else if place == nil, entries[seen] == nil {
        throw Stop(.unverifiable(missing: "statement \(seen)"))
      } else {
        throw Stop(.chain, strand[index].id)
      }
    }
    strands[did] = strand
  }
}
