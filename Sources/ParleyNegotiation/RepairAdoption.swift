import ParleyIdentity
import ParleyWire

/// Takes back what this side had signed and received, from what the other side hands back: section 5.1 of
/// docs/protocol/negotiation.md.
///
/// What this side signed binds it: its signature is the proof, and decisions are taken over, not made again. What the other
/// side signed comes in where this side's statements show that it was taken in: before the first that names it.
struct RepairAdoption {
  /// How many statements, and bytes of them, are adopted at once.
  static let countLimit = 65_536
  static let byteLimit = 64 << 20

  private let identity: PeerIdentity
  private let peer: PeerIdentity
  private var state: PairState
  /// What this side's returned statements say of the other side's.
  private var answers: [StatementID: (code: NegotiationCode, isAboutPair: Bool)] = [:]
  private var confirmed: Set<StatementID> = []
  private(set) var contents: [JournalRow.Content] = []

  private init(_ state: PairState, _ identity: PeerIdentity, _ peer: PeerIdentity) {
    self.state = state
    self.identity = identity
    self.peer = peer
  }

  /// The rows that take everything over, in order; `nil` where it does not follow what is here, or is not signed.
  static func contents(
    mine: [[UInt8]], theirs: [[UInt8]], onto state: PairState, _ identity: PeerIdentity, _ peer: PeerIdentity
  ) -> [JournalRow.Content]? {
    var adoption = RepairAdoption(state, identity, peer)
    for bytes in mine { adoption.noteAnswer(bytes) }
    let places = Dictionary(
      theirs.enumerated().map { ((try? Envelope($1))?.id ?? Envelope.malformedID($1), $0) }, uniquingKeysWith: max)
    var next = 0
    for bytes in mine {
      let last = RepairBook.named(bytes).compactMap { places[$0] }.max() ?? -1
      while next <= last {
        guard adoption.receive(theirs[next]) else { return nil }
        next += 1
      }
      guard adoption.send(bytes) else { return nil }
    }
    for bytes in theirs[next...] where !adoption.receive(bytes) { return nil }
    return adoption.contents
  }

  private mutating func noteAnswer(_ bytes: [UInt8]) {
    guard let statement = try? Statement(bytes) else { return }
    let isAboutPair = statement.header.dialogue == .pair
    switch statement.payload {
    case .reject(let reject): answers[reject.target] = (reject.code, isAboutPair)
    case .decline(let decline): answers[decline.accept] = (decline.code, isAboutPair)
    case .confirm(let confirm):
      if let id = (try? Envelope(confirm.acceptStatement))?.id { confirmed.insert(id) }
    case .tradeAck(let ack): confirmed.insert(ack.confirm)
    default: break
    }
  }

  private mutating func apply(_ content: JournalRow.Content) -> Bool {
    var events: [SessionEvent] = []
    do throws(NegotiationError) {
      try state.apply(JournalRow(content, at: state.time), &events)
    } catch {
      return false
    }
    contents.append(content)
    return true
  }

  /// A statement of one's own: it must bear one's signature, and follow one's strand.
  private mutating func send(_ bytes: [UInt8]) -> Bool {
    guard let statement = try? Statement(bytes), statement.envelope.isSigned(by: identity) else { return false }
    let header = statement.header
    guard header.from.hasSameBytes(as: state.local), header.to.hasSameBytes(as: state.peer) else { return false }
    let strand = header.dialogue == .pair ? state.minePair : state.dialogues[header.dialogue]?.mine ?? Strand()
    guard header.seq == strand.count + 1, header.own == strand.last else { return false }
    return apply(.sent(n: state.sent + 1, statement: bytes, order: nil))
  }

  /// A statement of the other side's, with what it did then.
  private mutating func receive(_ bytes: [UInt8]) -> Bool {
    let (code, effect) = judge(bytes)
    return apply(.received(n: state.received + 1, statement: bytes, code: code, effect: effect))
  }

  private func judge(_ bytes: [UInt8]) -> (NegotiationCode, JournalRow.Effect) {
    guard let envelope = try? Envelope(bytes), let header = try? Header.decode(envelope.header) else {
      return (.malformed, .none)
    }
    let answer = answers[envelope.id]
    guard state.isFromPeer(header), header.fromKey.hasSameBytes(as: peer.keyFragment),
      header.docHash.bytes == peer.documentHash, envelope.isSigned(by: peer)
    else { return (answer?.code ?? .signature, .none) }
    guard let statement = try? Statement(envelope, header) else { return (answer?.code ?? .malformed, .none) }
    let dialogue = state.dialogues[header.dialogue]
    switch statement.payload {
    case .quoteRequest(let request):
      let id = DialogueID(requester: state.peer, responder: state.local, nonce: request.nonce)
      // A request that was taken, and refused later, is refused in its dialogue.
      if let answer, answer.isAboutPair { return (answer.code, .none) }
      return dialogue == nil && id == header.dialogue ? (.none, .full) : (.duplicate, .none)
    case .accept:
      if let answer { return (answer.code, .full) }
      // This side had taken it in and nobody knows its verdict: it is declined AMNESIA.
      return (confirmed.contains(envelope.id) ? .none : .amnesia, .full)
    case .confirm(let confirm):
      if let answer { return (answer.code, answer.code == .chain ? .full : .none) }
      if confirmed.contains(envelope.id) { return (.none, .full) }
      return isTrade(confirm, dialogue) ? (.amnesia, .full) : (.unsolicited, .none)
    case .decline: return answer.map { ($0.code, $0.code == .chain ? .full : .none) } ?? (.none, .full)
    case .quote, .counter:
      guard let answer else { return (.none, .full) }
      let isReplaced = ![.role, .closed, .held, .duplicate, .chain, .unknown, .limit].contains(answer.code)
      return (answer.code, isReplaced ? .refusedOffer : .none)
    case .quoteCancel, .withdraw, .pass, .reject, .tradeAck, .massCancel, .incarnation:
      return answer.map { ($0.code, .none) } ?? (.none, .full)
    }
  }

  /// Whether a Confirm that this side has not answered is the verdict on its pending Accept, and a trade to a stranger.
  private func isTrade(_ confirm: Confirm, _ dialogue: Dialogue?) -> Bool {
    guard let pending = dialogue?.pending, let embedded = try? Statement(confirm.acceptStatement),
      embedded.id == pending.accept, embedded.envelope.isSigned(by: identity)
    else { return false }
    let end = pending.expiry.advanced(byNanoseconds: pending.look)
    return confirm.termsDigest == Terms.digest(of: pending.terms) && confirm.decided <= end
  }
}
