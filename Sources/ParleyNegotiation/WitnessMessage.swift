public import ParleyWire

/// A message of the stream `/parley/witness/1`: section 4 of docs/protocol/witness.md.
public enum WitnessMessage: Hashable, Sendable {
  /// Write a slot, or say what is in it.
  case write(Slot, SlotWrite)
  /// Say what is in a slot; after its deadline that closes it.
  case query(Slot)
  /// What is in a slot.
  case stamp(Stamp)
  /// The slot, named by its id, is empty and may still be written; the time is the witness's.
  case open(Hash256, now: UnixNanoseconds)
  /// The question about the slot of this id is not answered.
  case refused(Hash256, Fault)

  /// The stream's protocol.
  public static let protocolName = "/parley/witness/1"
  /// The longest message, in bytes.
  public static let byteLimit = 8_192

  /// The message's bytes.
  public var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 256)
    func begin(_ count: Int, _ type: UInt8) {
      writer.appendArray(count: count + 1)
      writer.append(type)
    }
    switch self {
    case .write(let slot, let write):
      begin(5, 1)
      writer.append(slot)
      writer.append(write.content)
      writer.appendBinary(write.signature)
    case .query(let slot):
      begin(3, 2)
      writer.append(slot)
    case .stamp(let stamp):
      begin(1, 3)
      writer.appendBinary(stamp.bytes)
    case .open(let slot, let now):
      begin(2, 4)
      writer.append(slot)
      writer.append(now)
    case .refused(let slot, let fault):
      begin(3, 5)
      writer.append(slot)
      writer.append(fault.code)
      writer.append(fault.text)
    }
    return writer.bytes
  }

  /// Reads a message.
  ///
  /// - Throws: MALFORMED: the stream ends.
  public init(_ bytes: [UInt8]) throws(Fault) {
    let counts: [UInt8: Int] = [1: 6, 2: 4, 3: 2, 4: 3, 5: 4]
    // Array head and type are one byte each.
    guard bytes.count > 1, bytes.count <= Self.byteLimit, let count = counts[bytes[1]] else {
      throw Fault(.malformed, field: 1)
    }
    var reader = try FieldReader(bytes.rawSpan, count: count, base: 0)
    switch try reader.uint(1) {
    case 1:
      let slot = try reader.slot(2)
      let write = SlotWrite(
        content: try reader.hash(5), signature: try reader.bin(6, count: Slot.writeByteCount))
      guard write.content != .zero else { throw Fault(.malformed, field: 5) }
      self = .write(slot, write)
    case 2: self = .query(try reader.slot(2))
    case 3: self = .stamp(try Stamp(try reader.bin(2, limit: Stamp.byteLimit)))
    case 4: self = .open(try reader.hash(2), now: try reader.time(3))
    default:
      let slot = try reader.hash(2)
      let code = try reader.code(3)
      self = .refused(slot, Fault(code, try reader.string(4, limit: Reject.textByteLimit, minimum: 0)))
    }
    try reader.finish()
  }
}

extension FieldReader {
  /// A slot, in three fields from `first`.
  mutating func slot(_ first: UInt8) throws(Fault) -> Slot {
    Slot(offer: try hash(first), key: try hash(first &+ 1), deadline: try time(first &+ 2))
  }
}

extension MessagePackWriter {
  mutating func append(_ slot: Slot) {
    append(slot.offer)
    append(slot.key)
    append(slot.deadline)
  }
}
