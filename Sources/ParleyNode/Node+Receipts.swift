internal import ParleyIdentity
internal import ParleyJournal
internal import ParleyNegotiation
internal import ParleyStore
internal import ParleyWire

extension Node {
  /// Answers `receipt`: the trade's id and the receipt's text.
  func receipt(_ request: ControlRequest) throws -> JSONValue {
    let (session, trade) = try trade(request.text("trade"))
    let receipt = try receipt(of: trade.dialogue, session)
    return [
      "trade": .string(trade.confirm.description), "receipt": .string(String(decoding: receipt.encoded, as: UTF8.self)),
    ]
  }

  /// The receipt of a dialogue: its statements, both documents, and the proof that the journal holds them.
  private func receipt(of dialogue: DialogueID, _ session: PeerSession) throws -> Receipt {
    let head = store.head
    let query = EntryQuery(
      peer: session.peer.did.string, group: dialogue.bytes, kind: PeerSession.entryKind, range: 0..<head.size)
    var items: [Receipt.Item] = []
    try store.reader.forEachEntry(matching: query) { entry throws(StoreError) in
      guard let held = Receipt.HeldStatement(body: entry.body) else { return }
      let proof = try store.reader.inclusionProof(of: entry.sequence, size: head.size)
      items.append(Receipt.Item(direction: held.direction, statement: held.statement, entry: entry, proof: proof))
    }
    return Receipt(
      issuer: Receipt.Party(identity), counterparty: Receipt.Party(session.peer), statements: items,
      checkpoint: Checkpoint.sign(head, by: signer))
  }

  /// The trade whose id begins with `text`.
  private func trade(_ text: String) throws(NodeError) -> (PeerSession, Trade) {
    var found: [(PeerSession, Trade)] = []
    for session in sessions.values {
      for trade in session.trades where text.count >= 4 && trade.confirm.description.hasPrefix(text) {
        found.append((session, trade))
      }
    }
    guard let first = found.first else { throw .unknown("trade \(text)") }
    guard found.count == 1 else { throw .terms("several trades begin with \(text): give more of the id") }
    return first
  }
}

extension Receipt.HeldStatement {
  /// The statement in a journal row of a negotiation; `nil` for a row that holds none.
  init?(body: [UInt8]) {
    guard let row = try? JournalRow(body) else { return nil }
    switch row.content {
    case .sent(_, let statement, _): self.init(direction: .sent, statement: statement)
    case .received(_, let statement, _, _): self.init(direction: .received, statement: statement)
    case .began, .peerBegan, .acknowledged, .ended, .frozen, .evidence: return nil
    }
  }
}
