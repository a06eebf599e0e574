import ParleyNegotiation
import ParleyWire

/// What a person reads to follow a world: one line for everything that happens, with the true time.
struct Trace {
  let write: (String) -> Void
  var time: Int64 = 0

  func line(_ text: @autoclosure () -> String) {
    let microseconds = String(time / 1_000)
    let padded = String(repeating: "0", count: max(0, 7 - microseconds.count)) + microseconds
    write("\(padded.dropLast(6)).\(padded.suffix(6))  \(text())")
  }

  /// A frame in words.
  static func text(of bytes: [UInt8]) -> String {
    guard let frame = try? Frame.decode(bytes) else { return "\(bytes.count) bytes that are no frame" }
    if case .data(let n, let statement) = frame { return "DATA \(n) \(text(ofStatement: statement))" }
    if case .ack(let n, _) = frame { return "ACK \(n)" }
    if case .sync(let sync) = frame { return "SYNC sent \(sync.sent) received \(sync.received)" }
    if case .freeze(let code, _) = frame { return "FREEZE \(code)" }
    return "\(frame)"
  }

  private static func text(ofStatement bytes: [UInt8]) -> String {
    guard let statement = try? Statement(bytes) else { return "\(bytes.count) bytes that are no statement" }
    let place = "\(short(statement.header.dialogue.bytes)) #\(statement.header.seq) is \(short(statement.id.bytes))"
    switch statement.payload {
    case .accept(let accept): return "\(place): accept \(accept.lots) of \(short(accept.offer.bytes))"
    case .decline(let decline): return "\(place): decline \(short(decline.accept.bytes)), \(decline.code)"
    case .quoteCancel(let cancel): return "\(place): cancel \(short(cancel.offer.bytes))"
    case .reject(let reject): return "\(place): reject \(short(reject.target.bytes)), \(reject.code)"
    default: return "\(place): \(statement.payload.kind)"
    }
  }

  private static func short(_ bytes: [UInt8]) -> String {
    bytes.prefix(3).map { String($0, radix: 16).leftPadded }.joined()
  }
}

extension String {
  fileprivate var leftPadded: String { count < 2 ? "0" + self : self }
}

/// What happened in a world, counted: a simulation in which nothing happens finds nothing.
public struct Tally: Sendable {
  /// Steps.
  public internal(set) var events = 0
  /// Frames that were read.
  public internal(set) var frames = 0
  /// Trades at rest.
  public internal(set) var trades = 0
  /// Times that a node died.
  public internal(set) var crashes = 0
  /// Pairs that froze because a journal had lost rows.
  public internal(set) var frozenPairs = 0
  /// Accepts that were declined.
  public internal(set) var declines = 0
  /// Statements that were refused.
  public internal(set) var rejects = 0
  /// Commands that a session carried out, by name.
  public internal(set) var commands: [String: Int] = [:]

  /// Nothing yet.
  public init() {}

  mutating func note(_ event: SessionEvent) {
    switch event {
    case .declined: declines += 1
    case .rejectedPeer: rejects += 1
    default: break
    }
  }

  /// Adds what happened in another world.
  public mutating func add(_ other: Tally) {
    events += other.events
    frames += other.frames
    trades += other.trades
    crashes += other.crashes
    frozenPairs += other.frozenPairs
    declines += other.declines
    rejects += other.rejects
    commands.merge(other.commands, uniquingKeysWith: +)
  }
}
