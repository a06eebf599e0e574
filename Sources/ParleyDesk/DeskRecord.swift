import ParleyWire

/// What a desk writes into the journal: the bodies of its entries, by kind.
///
/// Strict MessagePack, `[1, type, ...]`; section 9 of `docs/protocol/journal.md`. Being entries, they are in the chain and in
/// the tree: that a limit was held, and that trading was stopped, is on record.
public enum DeskRecord: Hashable, Sendable {
  /// Something was not signed: what, and why. The entry's peer and group are the counterparty and the dialogue.
  case refused(DeskIntent.Act?, limit: UInt16, subject: String, value: String, bound: String)
  /// The operator stopped trading, and why.
  case killed(reason: String)
  /// The operator lets trading go on.
  case lifted
  /// Market-maker protection pulled the quotes.
  case frozen(DeskFreeze)
  /// The operator lets quotes be made again.
  case reset
  /// The connection of a client that had asked for it is gone, and offers were cancelled.
  case disconnected
  /// These limits are in force from here on: the file's bytes.
  case limits([UInt8])

  /// Entries that say what was not signed.
  public static let refusalKind: UInt8 = 5
  /// Entries that say what was switched.
  public static let switchKind: UInt8 = 6
  /// Entries that say what the limits are.
  public static let limitsKind: UInt8 = 7

  /// The longest text, in bytes.
  public static let textByteLimit = 256

  /// The kind of the entry that holds the record.
  public var entryKind: UInt8 {
    switch self {
    case .refused: Self.refusalKind
    case .killed, .lifted, .frozen, .reset, .disconnected: Self.switchKind
    case .limits: Self.limitsKind
    }
  }

  /// Notes a refusal.
  public init(_ refusal: DeskRefusal, _ act: DeskIntent.Act?) {
    self = .refused(
      act, limit: refusal.limit.rawValue, subject: Self.clipped(refusal.subject), value: Self.clipped(refusal.value),
      bound: Self.clipped(refusal.bound))
  }

  /// A text cut to what a record may hold, between two characters.
  public static func clipped(_ text: String) -> String {
    var text = text
    while text.utf8.count > textByteLimit { text = String(text.prefix(max(0, text.count - max(1, text.count / 8)))) }
    return text
  }

  /// The record's bytes.
  ///
  /// - Precondition: no text is longer than ``textByteLimit``.
  public var encoded: [UInt8] {
    var writer = MessagePackWriter()
    func begin(_ type: UInt64, _ count: Int) {
      writer.appendArray(count: count + 2)
      writer.append(1 as UInt64)
      writer.append(type)
    }
    func text(_ value: String) {
      precondition(value.utf8.count <= Self.textByteLimit)
      writer.append(value)
    }
    switch self {
    case .refused(let act, let limit, let subject, let value, let bound):
      begin(1, 5)
      writer.append(UInt64(act?.rawValue ?? 0))
      writer.append(UInt64(limit))
      text(subject)
      text(value)
      text(bound)
    case .killed(let reason):
      begin(1, 1)
      text(reason)
    case .lifted: begin(2, 0)
    case .frozen(let freeze):
      begin(3, 2)
      writer.append(freeze.until?.rawValue ?? 0)
      text(freeze.cause)
    case .reset: begin(4, 0)
    case .disconnected: begin(5, 0)
    case .limits(let file):
      begin(1, 1)
      writer.appendBinary(file)
    }
    return writer.bytes
  }

  /// Reads the body of an entry of one of the three kinds; every byte must belong to it.
  ///
  /// - Throws: ``DeskError/malformedRecord``.
  public init(decoding bytes: [UInt8], kind: UInt8) throws(DeskError) {
    var reader = MessagePackReader(bytes.rawSpan)
    do throws(MessagePackError) {
      let count = try reader.readArrayHeader()
      guard count >= 2, try reader.readUInt64() == 1 else { throw .outOfRange }
      let type = try reader.readUInt64()
      self = try Self.read(kind, type, count - 2, &reader)
      try reader.finish()
    } catch {
      throw .malformedRecord
    }
  }

  private static func read(
    _ kind: UInt8, _ type: UInt64, _ count: Int, _ reader: inout MessagePackReader
  ) throws(MessagePackError) -> DeskRecord {
    func text() throws(MessagePackError) -> String { try reader.readString(limit: textByteLimit) }
    switch (kind, type, count) {
    case (refusalKind, 1, 5):
      let number = try reader.readInteger(as: UInt8.self)
      let act = DeskIntent.Act(rawValue: number)
      let limit = try reader.readInteger(as: UInt16.self)
      guard number == 0 || act != nil, limit > 0 else { throw .outOfRange }
      return .refused(act, limit: limit, subject: try text(), value: try text(), bound: try text())
    case (switchKind, 1, 1): return .killed(reason: try text())
    case (switchKind, 2, 0): return .lifted
    case (switchKind, 3, 2):
      let until = try reader.readInt64()
      guard until >= 0 else { throw .outOfRange }
      return .frozen(DeskFreeze(until: until == 0 ? nil : UnixNanoseconds(until), cause: try text()))
    case (switchKind, 4, 0): return .reset
    case (switchKind, 5, 0): return .disconnected
    case (limitsKind, 1, 1): return .limits(try reader.readBinary(limit: DeskLimits.fileByteLimit))
    default: throw .outOfRange
    }
  }
}
