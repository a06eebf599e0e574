import ParleyIdentity
import ParleyNegotiation
import ParleyWire

/// One node's side of a pair: a session, and the order in which a node lets out what it decides.
///
/// The rule is that of `PeerSession` in `ParleyNode`: outcomes leave in the order in which they came, each when its rows and
/// all rows before them are durable; a new channel's SYNC waits until nothing does.
final class Link {
  /// An outcome on its way out.
  struct Pending {
    let ticket: Int
    let outcome: Outcome
    let order: Int?
    var isDurable: Bool
  }

  /// A command that was given under a name, so that it can be given again.
  struct Order {
    let give: Give
    /// What it led to, once that is durable.
    var statement: StatementID?

    init(_ give: @escaping Give) { self.give = give }

    typealias Give = (inout PairSession, UnixNanoseconds) throws(NegotiationError) -> CommandResult
  }

  /// The link's index in its node.
  let index: Int
  let pair: Int
  /// Which end of the pair's channels it has: 0 is the taker's.
  let end: Int
  let signer: any Signer
  let peer: PeerIdentity
  var session: PairSession
  /// A fold of the durable rows only.
  var shadow: PairSession

  var queue: [Pending] = []
  private var lastTicket = 0
  var channel: Int?
  var channelNumber = 0
  /// The channel before, for the bug that goes on with it.
  var oldChannel: Int?
  var opensWhenDrained = false
  /// Frames that came before this side's SYNC could leave.
  var early: [[UInt8]] = []
  var timer = 0
  var timerTime: Int64?
  var orders: [Order] = []

  // What the rest of the world has seen of it.
  var acknowledgedOnWire: Int64 = 0
  /// The ids of the statements that have left, by number.
  var sentOnWire: [StatementID?] = []
  /// Whether durable rows were lost.
  var hasLostRows = false

  init(index: Int, pair: Int, end: Int, signer: any Signer, peer: PeerIdentity) {
    self.index = index
    self.pair = pair
    self.end = end
    self.signer = signer
    self.peer = peer
    session = PairSession(signer: signer, peer: peer)
    shadow = PairSession(signer: signer, peer: peer)
  }

  /// Puts an outcome into the queue.
  ///
  /// - Returns: What to write; `nil` if it has no rows.
  func enqueue(_ outcome: Outcome, order: Int?) -> Write? {
    lastTicket += 1
    queue.append(
      Pending(ticket: lastTicket, outcome: outcome, order: order, isDurable: outcome.rows.isEmpty))
    guard !outcome.rows.isEmpty else { return nil }
    return Write(link: index, ticket: lastTicket, rows: outcome.rows.map(Row.init))
  }

  func noteDurable(_ ticket: Int) {
    guard let place = queue.firstIndex(where: { $0.ticket == ticket }) else { return }
    queue[place].isDurable = true
  }

  /// The next outcome that may leave.
  func nextDurable() -> Pending? {
    guard let first = queue.first, first.isDurable else { return nil }
    return queue.removeFirst()
  }

  /// Forgets the channel, and says which it was.
  func leaveChannel() -> Int? {
    defer {
      channel = nil
      channelNumber = 0
      opensWhenDrained = false
      early = []
    }
    if channel != nil { session.channelClosed() }
    return channel
  }

  /// What a process that died leaves: nothing but what is durable.
  func forget() {
    queue = []
    channel = nil
    channelNumber = 0
    opensWhenDrained = false
    early = []
    timer += 1
    timerTime = nil
  }
}

/// One trader's computer: a clock that may be wrong, a disk that may be slow, and a session with each peer.
final class SimulatedNode {
  let index: Int
  let name: String
  var links: [Link] = []
  var disk: Disk
  /// How far its clock is ahead of the true time, in nanoseconds.
  var offset: Int64
  var isUp = true
  /// How often it was started.
  var life = 1
  /// At which of its next batches it dies; 0 at none.
  var lastBatches = 0
  /// Until when a write takes long.
  var slowUntil: Int64 = 0
  /// Until when a write fails.
  var fullUntil: Int64 = 0

  init(index: Int, name: String, linkCount: Int, offset: Int64) {
    self.index = index
    self.name = name
    self.offset = offset
    disk = Disk(linkCount: linkCount)
  }
}
