import Foundation
import Parley

/// What the journal of a node says about its only peer, read by somebody else, again and again as the journal grows.
struct Ledger {
  /// Whose journal.
  let name: String
  private let path: String
  private var size: UInt64 = 0
  private var root = Digest.zero

  /// This side's statements; the n-th is at `n - 1`.
  private(set) var sent: [[UInt8]] = []
  /// The peer's statements; the n-th is at `n - 1`.
  private(set) var received: [[UInt8]] = []
  /// How many of ``sent`` the peer has acknowledged.
  private(set) var acknowledged = 0
  /// Which of ``sent`` was signed for a client's order, by the order's name.
  private(set) var orders: [String: Int] = [:]
  /// The names of all statements.
  private(set) var identifiers: Set<String> = []

  init(of node: RunningNode) {
    name = node.name
    path = node.home.journal.path()
  }

  /// Reads what is new.
  ///
  /// - Parameter isVerified: Whether the whole journal is checked too, from its first entry on.
  /// - Throws: ``Failure`` when what was read before is not there any more, or when the rows do not fit together.
  mutating func read(verifying isVerified: Bool) throws {
    let reader = try JournalReader(path: path)
    let head = try isVerified ? reader.verify() : reader.head()
    guard head.size >= size else { throw Failure("\(name): \(size) entries have become \(head.size)") }
    guard try size == 0 || reader.root(size: size) == root else {
      throw Failure("\(name): the first \(size) entries are not what they were")
    }
    for entry in try reader.entries(matching: EntryQuery(range: size..<head.size), limit: .max) {
      try take(JournalRow(entry.body))
    }
    (size, root) = (head.size, head.root)
  }

  private mutating func take(_ row: JournalRow) throws {
    switch row.content {
    case .began, .peerBegan, .ended, .ordered, .stamped: break
    case .sent(let n, let statement, let order):
      sent.append(statement)
      try note(n, statement, of: sent, "sent")
      guard let order else { return }
      guard orders.updateValue(sent.count, forKey: order.id) == nil else {
        throw Failure("\(name): the order \(order.id) was carried out twice")
      }
    case .received(let n, let statement, _, _):
      received.append(statement)
      try note(n, statement, of: received, "received")
    case .acknowledged(let n, _): acknowledged = Int(n)
    case .frozen(let code, _, _): throw Failure("\(name): frozen with \(code)")
    case .repairAgreed, .incarnationSigned, .repaired: throw Failure("\(name): a repair")
    case .evidence: throw Failure("\(name): a statement came while frozen")
    }
  }

  private mutating func note(_ n: Int64, _ statement: [UInt8], of rows: [[UInt8]], _ what: String) throws {
    guard rows.count == Int(n) else { throw Failure("\(name): \(what) \(n) stands where \(rows.count) belongs") }
    identifiers.insert(try Envelope(statement).id.description)
  }

  /// Checks that this side kept every statement of the other's that it acknowledged, as the other sent it, and that
  /// the other kept every statement that it let out.
  ///
  /// - Parameter count: How many statements the other side knows to be acknowledged.
  func check(against other: Ledger, acknowledged count: Int) throws {
    guard count <= other.sent.count else {
      throw Failure("\(name) acknowledged \(count) statements, \(other.name) holds \(other.sent.count) of its own")
    }
    guard received.count >= count else {
      throw Failure("\(name) acknowledged \(count) statements and holds \(received.count)")
    }
    guard received.count <= other.sent.count else {
      throw Failure("\(name) holds \(received.count) statements, \(other.name) only \(other.sent.count) of its own")
    }
    guard received.elementsEqual(other.sent.prefix(received.count)) else {
      throw Failure("\(name) holds other statements than \(other.name) sent")
    }
  }

  /// All statements, by dialogue.
  func dialogues() throws -> [DialogueID: [Statement]] {
    try Dictionary(grouping: (sent + received).map { try Statement($0) }, by: \.header.dialogue)
  }
}

extension Statement {
  /// Whether it makes a trade.
  var isConfirm: Bool { if case .confirm = payload { true } else { false } }
}
