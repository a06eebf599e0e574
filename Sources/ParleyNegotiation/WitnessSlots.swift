public import ParleyIdentity
public import ParleyWire

/// How much a witness does for one peer.
public struct WitnessLimits: Hashable, Sendable {
  /// Questions in a second; more are refused with RATE.
  public var questionsPerSecond = 50
  /// Slots that a peer has written and that are kept; one more is refused with LIMIT.
  public var slotsPerPeer = 100_000
  /// How far ahead a deadline may be, in nanoseconds; one beyond is refused with HORIZON.
  public var horizon: Int64 = 120_000_000_000
  /// For how long after its deadline a slot is kept, in nanoseconds; later it is refused with FORGOTTEN.
  public var retention: Int64 = 30 * 86_400 * 1_000_000_000

  /// The protocol's defaults.
  public init() {}
}

/// The slots of a witness: each is written once, and the first that asks after the deadline finds it closed.
///
/// A sans-IO machine: a question goes in, rows to make durable and then an answer to send come out. Of an empty slot
/// nothing is kept: once the journal's time is past its deadline it is closed, because every later write has a later
/// time. docs/protocol/witness.md, section 5.
///
/// Invariant: all that was answered follows from the rows, and folding them again signs nothing.
public struct WitnessSlots: ~Copyable {
  /// What a question leads to: the answer leaves when the rows, and those of all earlier questions, are durable.
  public struct Outcome: Hashable, Sendable {
    /// What must be durable.
    public var rows: [WitnessRow] = []
    /// What to send then.
    public var answer: WitnessMessage
  }

  private struct Written {
    let content: Hash256
    let time: UnixNanoseconds
    let peer: [UInt8]
  }

  private let signer: any Signer
  private let limits: WitnessLimits
  private var time = UnixNanoseconds(0)
  private var slots: [Slot: Written] = [:]
  /// The slots in the order of their writing; those before ``first`` are forgotten.
  private var order: [Slot] = []
  private var first = 0
  private var counts: [[UInt8]: Int] = [:]
  /// Until which deadline slots may have been written that are not here.
  private var lost = UnixNanoseconds(0)
  private var rates: [[UInt8]: Rates.Window] = [:]

  /// Begins without a slot.
  ///
  /// - Parameters:
  ///   - signer: Signs the stamps.
  ///   - limits: How much one peer gets.
  public init(signer: any Signer, limits: WitnessLimits = WitnessLimits()) {
    self.signer = signer
    self.limits = limits
  }

  /// Slots that are written and kept.
  public var count: Int { slots.count }

  /// Folds one row: all of them, in order, before the first question.
  ///
  /// - Parameters:
  ///   - bytes: The row.
  ///   - peer: Whose question led to it.
  /// - Throws: ``NegotiationError/corruptRow(_:)``.
  public mutating func restore(_ bytes: [UInt8], peer: String) throws(NegotiationError) {
    let row = try WitnessRow(bytes)
    if case .written(let slot, _) = row.content, slots[slot] != nil { throw .corruptRow("a slot was written twice") }
    apply(row, Array(peer.utf8))
  }

  /// Says that the journal was restored from a backup: what was written after that may be missing, so of slots whose
  /// deadline could have been named by then only the written ones are answered for.
  ///
  /// - Parameter time: When it was restored, by the same clock.
  public mutating func wasRestored(at time: UnixNanoseconds) {
    lost = max(lost, time.advanced(byNanoseconds: limits.horizon))
  }

  /// Answers a question.
  ///
  /// - Parameters:
  ///   - message: One message of the stream.
  ///   - peer: Who asks, as the channel proved it.
  ///   - isServed: Whether this node is a witness for that peer.
  ///   - now: The wall clock.
  /// - Returns: What to make durable, and then to answer.
  /// - Throws: MALFORMED, also for what only a witness sends: the stream ends, and nothing else happens.
  public mutating func receive(
    _ message: [UInt8], from peer: String, isServed: Bool, now: UnixNanoseconds
  ) throws(Fault) -> Outcome {
    let slot: Slot
    let write: SlotWrite?
    switch try WitnessMessage(message) {
    case .write(let asked, let content): (slot, write) = (asked, content)
    case .query(let asked): (slot, write) = (asked, nil)
    case .stamp, .open, .refused: throw Fault(.malformed, field: 1, "only a witness says that")
    }
    let now = max(now, time)
    let peer = Array(peer.utf8)
    if let fault = refusal(slot, write, peer, isServed, now) {
      return Outcome(answer: .refused(slot.id, fault))
    }
    var rows: [WitnessRow] = []
    if let written = slots[slot] { return Outcome(answer: stamp(slot, written.content, written.time)) }
    if now > slot.deadline {
      if time <= slot.deadline { record(WitnessRow(.passed, at: now), peer, &rows) }
      return Outcome(rows: rows, answer: stamp(slot, nil, time))
    }
    guard let write else { return Outcome(answer: .open(slot.id, now: now)) }
    guard counts[peer, default: 0] < limits.slotsPerPeer else {
      return Outcome(answer: .refused(slot.id, Fault(.limit, "too many slots")))
    }
    record(WitnessRow(.written(slot, write), at: now), peer, &rows)
    return Outcome(rows: rows, answer: stamp(slot, write.content, now))
  }

  private mutating func refusal(
    _ slot: Slot, _ write: SlotWrite?, _ peer: [UInt8], _ isServed: Bool, _ now: UnixNanoseconds
  ) -> Fault? {
    guard isServed else { return Fault(.noWitness) }
    guard rates[peer, default: Rates.Window(length: 1_000_000_000)].take(limits.questionsPerSecond, now) else {
      return Fault(.rate)
    }
    if now.nanoseconds(to: slot.deadline) > limits.horizon { return Fault(.horizon) }
    let isLost = slot.deadline <= lost && slots[slot] == nil
    if isLost || slot.deadline.nanoseconds(to: now) > limits.retention { return Fault(.forgotten) }
    if let write, !slot.isWritten(write.signature, of: write.content) { return Fault(.signature) }
    return nil
  }

  private func stamp(_ slot: Slot, _ content: Hash256?, _ time: UnixNanoseconds) -> WitnessMessage {
    .stamp(Stamp(slot, content: content, time: time, signer: signer))
  }

  // MARK: Fold

  private mutating func record(_ row: WitnessRow, _ peer: [UInt8], _ rows: inout [WitnessRow]) {
    apply(row, peer)
    rows.append(row)
  }

  private mutating func apply(_ row: WitnessRow, _ peer: [UInt8]) {
    time = max(time, row.time)
    if case .written(let slot, let write) = row.content {
      slots[slot] = Written(content: write.content, time: row.time, peer: peer)
      order.append(slot)
      counts[peer, default: 0] += 1
    }
    forget()
  }

  /// Forgets slots that are refused as forgotten; in the order of writing some stay a little longer.
  private mutating func forget() {
    while first < order.count, order[first].deadline.nanoseconds(to: time) > limits.retention {
      let slot = order[first]
      first += 1
      guard let written = slots.removeValue(forKey: slot) else { continue }
      counts[written.peer] = counts[written.peer].flatMap { $0 > 1 ? $0 - 1 : nil }
    }
    guard first > 1_024, first > order.count / 2 else { return }
    order.removeFirst(first)
    first = 0
  }
}

/// One row of a witness's journal: section 8 of docs/protocol/witness.md.
public struct WitnessRow: Hashable, Sendable {
  /// What happened.
  public enum Content: Hashable, Sendable {
    /// A slot was written.
    case written(Slot, SlotWrite)
    /// The time was needed: the slots whose deadline it has passed are closed.
    case passed
  }

  /// The journal time.
  public let time: UnixNanoseconds
  /// What happened.
  public let content: Content

  init(_ content: Content, at time: UnixNanoseconds) {
    self.content = content
    self.time = time
  }

  /// The slot that was written; `nil` where none was.
  public var slot: Slot? {
    switch content {
    case .written(let slot, _): slot
    case .passed: nil
    }
  }

  /// The row's bytes.
  public var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 224)
    switch content {
    case .written(let slot, let write):
      writer.appendArray(count: 8)
      writer.append(1 as UInt8)
      writer.append(1 as UInt8)
      writer.append(time)
      writer.append(slot)
      writer.append(write.content)
      writer.appendBinary(write.signature)
    case .passed:
      writer.appendArray(count: 3)
      writer.append(1 as UInt8)
      writer.append(2 as UInt8)
      writer.append(time)
    }
    return writer.bytes
  }

  /// Reads a row.
  ///
  /// - Throws: ``NegotiationError/corruptRow(_:)``.
  public init(_ bytes: [UInt8]) throws(NegotiationError) {
    do throws(Fault) {
      self = try Self.decode(bytes)
    } catch {
      throw .corruptRow("a witness's row does not read: \(error)")
    }
  }

  private static func decode(_ bytes: [UInt8]) throws(Fault) -> WitnessRow {
    guard bytes.count > 3, bytes[2] == 1 || bytes[2] == 2 else { throw Fault(.malformed, field: 2) }
    let isWritten = bytes[2] == 1
    var reader = try FieldReader(bytes.rawSpan, count: isWritten ? 8 : 3, base: 0)
    _ = try reader.int(1, in: 1...1)
    _ = try reader.uint(2)
    let time = try reader.time(3)
    var content = Content.passed
    if isWritten {
      let slot = try reader.slot(4)
      let write = SlotWrite(content: try reader.hash(7), signature: try reader.bin(8, count: Slot.writeByteCount))
      guard time <= slot.deadline, write.content != .zero else { throw Fault(.malformed, field: 3) }
      content = .written(slot, write)
    }
    try reader.finish()
    return WitnessRow(content, at: time)
  }
}
