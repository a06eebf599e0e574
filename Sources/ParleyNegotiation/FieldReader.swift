import ParleyWire

/// Reads one MessagePack array of the protocol, and knows which of its fields a fault is in.
///
/// Every method throws MALFORMED with the field that was named to it.
struct FieldReader: ~Copyable, ~Escapable {
  private var reader: MessagePackReader
  private let base: UInt8

  /// Begins an array of `count` elements; field numbers count from `base`.
  @_lifetime(copy bytes)
  init(_ bytes: RawSpan, count: Int, base: UInt8) throws(Fault) {
    reader = MessagePackReader(bytes)
    self.base = base
    do throws(MessagePackError) { try reader.readArrayHeader(count: count) } catch { throw Fault(.malformed) }
  }

  private func fault(_ field: UInt8, _ text: String = "") -> Fault {
    Fault(.malformed, field: base &+ field, text)
  }

  mutating func int(_ field: UInt8, in range: ClosedRange<Int64>) throws(Fault) -> Int64 {
    do throws(MessagePackError) {
      let value = try reader.readInt64()
      guard range.contains(value) else { throw .outOfRange }
      return value
    } catch { throw fault(field) }
  }

  /// A number that is not negative: a time, or a count.
  mutating func uint(_ field: UInt8) throws(Fault) -> Int64 { try int(field, in: 0...Int64.max) }

  mutating func time(_ field: UInt8) throws(Fault) -> UnixNanoseconds { UnixNanoseconds(try uint(field)) }

  mutating func code(_ field: UInt8) throws(Fault) -> NegotiationCode {
    NegotiationCode(rawValue: UInt16(truncatingIfNeeded: try int(field, in: 0...0xFFFF)))
  }

  mutating func bool(_ field: UInt8) throws(Fault) -> Bool {
    do throws(MessagePackError) { return try reader.readBool() } catch { throw fault(field) }
  }

  mutating func isNil(_ field: UInt8) throws(Fault) -> Bool {
    do throws(MessagePackError) { return try reader.readNilIfPresent() } catch { throw fault(field) }
  }

  mutating func null(_ field: UInt8) throws(Fault) {
    guard try isNil(field) else { throw fault(field, "must be nil") }
  }

  mutating func bin(_ field: UInt8, count: Int) throws(Fault) -> [UInt8] {
    do throws(MessagePackError) { return try reader.readBinary(count: count) } catch { throw fault(field) }
  }

  mutating func bin(_ field: UInt8, limit: Int) throws(Fault) -> [UInt8] {
    do throws(MessagePackError) { return try reader.readBinary(limit: limit) } catch { throw fault(field) }
  }

  mutating func hash(_ field: UInt8) throws(Fault) -> Hash256 {
    guard let hash = Hash256(try bin(field, count: Hash256.byteCount)) else { throw fault(field) }
    return hash
  }

  mutating func string(_ field: UInt8, limit: Int, minimum: Int = 1) throws(Fault) -> String {
    do throws(MessagePackError) {
      let text = try reader.readString(limit: limit)
      guard text.utf8.count >= minimum else { throw .outOfRange }
      return text
    } catch { throw fault(field) }
  }

  mutating func array(_ field: UInt8, count: Int) throws(Fault) {
    do throws(MessagePackError) { try reader.readArrayHeader(count: count) } catch { throw fault(field) }
  }

  mutating func array(_ field: UInt8, in range: ClosedRange<Int>) throws(Fault) -> Int {
    do throws(MessagePackError) {
      let count = try reader.readArrayHeader()
      guard range.contains(count) else { throw .outOfRange }
      return count
    } catch { throw fault(field) }
  }

  /// A number that names one of an enumeration's cases.
  mutating func choice<Value: RawRepresentable<UInt8>>(_ field: UInt8, _ type: Value.Type) throws(Fault) -> Value {
    let raw = try int(field, in: 0...255)
    guard let value = Value(rawValue: UInt8(truncatingIfNeeded: raw)) else { throw fault(field) }
    return value
  }

  /// Checks that the array ends here.
  func finish() throws(Fault) {
    do throws(MessagePackError) { try reader.finish() } catch { throw Fault(.malformed, "bytes after the end") }
  }
}

extension MessagePackWriter {
  mutating func append(_ hash: Hash256) { appendBinary(hash.bytes) }
  mutating func append(_ time: UnixNanoseconds) { append(time.rawValue) }
  mutating func append(_ code: NegotiationCode) { append(UInt64(code.rawValue)) }
  mutating func append(_ number: UInt8) { append(UInt64(number)) }
}
