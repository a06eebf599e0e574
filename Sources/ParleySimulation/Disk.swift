import ParleyNegotiation

/// One transaction on its way to a node's journal: the rows of one outcome.
struct Write {
  let link: Int
  let ticket: Int
  let rows: [Row]
}

/// A row, and the statement in it where it took effect here.
struct Row {
  let content: JournalRow.Content
  let bytes: [UInt8]
  let statement: Statement?

  init(_ row: JournalRow) {
    content = row.content
    bytes = row.encoded
    switch row.content {
    case .sent(_, let bytes, _), .received(_, let bytes, _, .full): statement = try? Statement(bytes)
    default: statement = nil
    }
  }
}

/// A node's disk: it writes what waits all at once, in order, and a crash may find it anywhere in between.
struct Disk {
  /// Durable rows, by link.
  var rows: [[Row]]
  /// How many rows each durable transaction had, and of which link.
  var history: [(link: Int, count: Int)] = []
  /// Being written.
  var current: [Write] = []
  /// To be written next.
  var waiting: [Write] = []

  init(linkCount: Int) { rows = Array(repeating: [], count: linkCount) }

  var isIdle: Bool { current.isEmpty && waiting.isEmpty }

  /// Takes all that waits as the next batch.
  ///
  /// - Returns: Whether there is a new one to write.
  mutating func beginBatch() -> Bool {
    guard current.isEmpty, !waiting.isEmpty else { return false }
    current = waiting
    waiting = []
    return true
  }

  /// Makes one transaction durable.
  mutating func keep(_ write: Write) {
    rows[write.link] += write.rows
    history.append((write.link, write.rows.count))
  }

  /// Forgets what was not durable, and what a disk forgets that lies: the last `count` transactions.
  mutating func lose(last count: Int) {
    for _ in 0..<min(count, history.count) {
      let (link, rowCount) = history.removeLast()
      rows[link].removeLast(rowCount)
    }
  }
}
