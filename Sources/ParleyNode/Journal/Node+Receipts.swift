internal import ParleyJournal
internal import ParleyNegotiation
internal import ParleyWire

extension Node {
  /// Signs and proves what is in this node's journal.
  nonisolated var keeper: JournalKeeper { JournalKeeper(store: store, signer: signer) }

  /// Answers `receipt`: the trade's id and the receipt's text.
  func receipt(_ request: ControlRequest) throws -> JSONValue {
    let trade = try trade(request.text("trade"))
    let receipt = try keeper.receipt(of: trade.dialogue.bytes, under: nil)
    return [
      "trade": .string(trade.id.description), "receipt": .string(String(decoding: receipt.encoded, as: UTF8.self)),
    ]
  }

  /// The trade whose id begins with `text`.
  private func trade(_ text: String) throws(NodeError) -> Trade {
    var found: [Trade] = []
    for session in sessions.values {
      // Before its Confirm was here a trade had the Accept's id.
      for trade in session.trades where text.count >= 4 {
        if [trade.id, trade.accept].contains(where: { $0.description.hasPrefix(text) }) { found.append(trade) }
      }
    }
    guard let first = found.first else { throw .unknown("trade \(text)") }
    guard found.count == 1 else { throw .terms("several trades begin with \(text): give more of the id") }
    return first
  }
}

extension Receipt.HeldStatement {
  /// Whether it takes back all of its signer's offers.
  var isMassCancel: Bool {
    guard case .massCancel? = (try? Statement(statement))?.payload else { return false }
    return true
  }

  /// The statement in a journal row of a negotiation; `nil` for a row that holds none.
  init?(body: [UInt8]) {
    guard let row = try? JournalRow(body) else { return nil }
    switch row.content {
    case .sent(_, let statement, _): self.init(direction: .sent, statement: statement)
    case .received(_, let statement, _, _): self.init(direction: .received, statement: statement)
    case .began, .peerBegan, .acknowledged, .ended, .frozen, .evidence, .repairAgreed, .incarnationSigned, .repaired,
      .ordered, .stamped:
      return nil
    }
  }
}
