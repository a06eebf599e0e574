import ParleyWire

/// The little of Protocol Buffers that libp2p's messages need: varints and bytes.
///
/// Source: protobuf.dev, "Encoding". Fields of other numbers are passed over, as the format demands.
enum Protobuf {
  enum Value: Hashable, Sendable {
    case varint(UInt64)
    case bytes([UInt8])
    /// Of a kind that is not looked into.
    case other
  }

  /// The fields of a message, in order; `nil` for bytes that are none.
  static func fields(_ bytes: [UInt8]) -> [(number: UInt64, value: Value)]? {
    var fields: [(number: UInt64, value: Value)] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let key = varint(&rest), key >> 3 > 0 else { return nil }
      let value: Value
      switch key & 7 {
      case 0:
        guard let number = varint(&rest) else { return nil }
        value = .varint(number)
      case 1, 5:
        let count = key & 7 == 1 ? 8 : 4
        guard rest.count >= count else { return nil }
        rest = rest.dropFirst(count)
        value = .other
      case 2:
        guard let count = varint(&rest), count <= UInt64(rest.count) else { return nil }
        value = .bytes(Array(rest.prefix(Int(count))))
        rest = rest.dropFirst(Int(count))
      case _: return nil
      }
      fields.append((key >> 3, value))
    }
    return fields
  }

  static func encode(_ number: UInt64, _ bytes: [UInt8]) -> [UInt8] {
    Varint.encode(number << 3 | 2) + Varint.encode(UInt64(bytes.count)) + bytes
  }

  static func encode(_ number: UInt64, varint value: UInt64) -> [UInt8] {
    Varint.encode(number << 3) + Varint.encode(value)
  }

  /// Of 63 bits, which is more than any length or number here needs.
  private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
    guard let (value, count) = try? Varint.decode(Array(rest.prefix(9))) else { return nil }
    rest = rest.dropFirst(count)
    return value
  }
}
