import ParleyWire

// The repair in the fold.
extension PairState {
  /// An answer that this side owes to a statement that it adopted.
  struct Owed: Equatable {
    let statement: StatementID
    let dialogue: DialogueID
    /// A TradeAck; else the Decline of an Accept.
    let isTrade: Bool
  }

  /// What this side's Incarnation of the running repair says.
  var mySignedIncarnation: Incarnation? { signedIncarnation.flatMap(Self.incarnation) }

  static func incarnation(_ statement: [UInt8]) -> Incarnation? {
    guard case .incarnation(let content)? = (try? Statement(statement))?.payload else { return nil }
    return content
  }

  mutating func applyAgreed(_ incarnation: [UInt8]) {
    guard frozen != nil, incarnation != self.incarnation else { return }
    newIncarnation = newIncarnation ?? incarnation
  }

  mutating func applySigned(incarnation statement: [UInt8]) {
    guard frozen != nil, newIncarnation != nil else { return }
    signedIncarnation = statement
  }

  /// Both have signed: the numbers go on, the links begin anew from what both have.
  mutating func applyRepaired(_ statement: [UInt8], _ events: inout [SessionEvent]) {
    guard let theirs = Self.incarnation(statement) else { return }
    if theirs.peerNew == incarnation {
      // Folded before.
      endFreeze()
      return
    }
    guard let bytes = signedIncarnation, let mine = mySignedIncarnation, mine.old == incarnation else {
      (newIncarnation, signedIncarnation) = (nil, nil)
      return
    }
    incarnation = mine.new
    peerIncarnation = mine.peerNew
    acknowledgedLink = Self.firstLink(from: local, to: peer, mine.new, mine.peerNew)
    receivedLink = Self.firstLink(from: peer, to: local, mine.peerNew, mine.new)
    acknowledged = max(acknowledged, theirs.received)
    outbox.removeAll { $0.n <= acknowledged }
    outboxByteCount = outbox.reduce(0) { $0 + $1.bytes.count }
    sentLink = acknowledgedLink
    for index in outbox.indices {
      let (n, bytes) = (outbox[index].n, outbox[index].bytes)
      let id = (try? Envelope(bytes))?.id ?? Envelope.malformedID(bytes)
      sentLink = Self.link(after: sentLink, n: n, id: id)
      outbox[index] = Outbound(n: n, link: sentLink, bytes: bytes)
    }
    unconfirmedIncarnation = bytes
    endFreeze()
    events.append(.repaired)
  }

  private mutating func endFreeze() {
    (frozen, isFrozenByPeer, evidence) = (nil, false, [])
    (newIncarnation, signedIncarnation) = (nil, nil)
  }

  /// Notes an adopted statement whose answer is lost.
  mutating func noteOwed(_ statement: Statement) {
    switch statement.payload {
    case .accept: owed.append(Owed(statement: statement.id, dialogue: statement.header.dialogue, isTrade: false))
    case .confirm: owed.append(Owed(statement: statement.id, dialogue: statement.header.dialogue, isTrade: true))
    default: break
    }
  }

  /// Notes an answer.
  mutating func notePaid(_ payload: Payload) {
    guard !owed.isEmpty else { return }
    switch payload {
    case .decline(let decline): owed.removeAll { $0.statement == decline.accept }
    case .tradeAck(let ack): owed.removeAll { $0.statement == ack.confirm }
    default: break
    }
  }
}
