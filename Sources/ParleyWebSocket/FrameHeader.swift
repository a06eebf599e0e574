internal import ParleyWire

/// What a frame carries (RFC 6455 section 5.2).
public enum FrameOpcode: UInt8, Sendable {
  /// More of the message that an earlier frame began.
  case continuation = 0x0
  /// A text message, or its beginning.
  case text = 0x1
  /// A binary message, or its beginning.
  case binary = 0x2
  /// The closing handshake.
  case close = 0x8
  /// Asks for a pong.
  case ping = 0x9
  /// Answers a ping, or says unasked that the sender is there.
  case pong = 0xA

  /// Whether the frame is a control frame: whole, at most 125 bytes, allowed between fragments.
  public var isControl: Bool { rawValue & 0x8 != 0 }
}

/// The first 2 to 14 bytes of a frame (RFC 6455 section 5.2).
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-------+-+-------------+-------------------------------+
///     |F|R|R|R| opcode|M| length (7)  |  length (16 or 64, if 126/127)|
///     |I|S|S|S|  (4)  |A|             |                               |
///     |N|V|V|V|       |S|             |                               |
///     | |1|2|3|       |K|             |                               |
///     +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
///     |                 masking key (0 or 4 bytes)                    |
///     +---------------------------------------------------------------+
public struct FrameHeader: Hashable, Sendable {
  /// The most bytes a header can have.
  public static let maximumEncodedSize = 14
  /// The most bytes a control frame may carry.
  public static let maximumControlByteCount = 125

  /// Whether this frame is the last of its message.
  public var isFinal: Bool
  /// Whether the frame begins a compressed message: its first reserved bit (RFC 7692 section 6).
  public var isCompressed: Bool
  /// What the frame carries.
  public var opcode: FrameOpcode
  /// The key of a client's frame, `nil` in a server's.
  public var maskingKey: MaskingKey?
  /// Bytes of payload that follow, below 2^63.
  public var byteCount: Int

  /// Creates a header to send.
  ///
  /// - Precondition: `byteCount >= 0`, and at most 125 in a control frame.
  public init(
    isFinal: Bool = true, isCompressed: Bool = false, opcode: FrameOpcode, maskingKey: MaskingKey? = nil,
    byteCount: Int
  ) {
    precondition(byteCount >= 0 && (!opcode.isControl || byteCount <= Self.maximumControlByteCount && isFinal))
    self.isFinal = isFinal
    self.isCompressed = isCompressed
    self.opcode = opcode
    self.maskingKey = maskingKey
    self.byteCount = byteCount
  }

  /// Reads the header at the start of `bytes`, strictly: it fails at the first byte that shows a fault.
  ///
  /// - Parameters:
  ///   - bytes: the frame from its first byte.
  ///   - sender: whose frames these are: a client's must be masked, a server's must not.
  ///   - allowsCompression: whether permessage-deflate was agreed, which gives the first reserved bit a meaning.
  /// - Returns: the header and its size, or `nil` while `bytes` holds too few.
  /// - Throws: the rule of RFC 6455 section 5 that the header breaks.
  public static func decode(
    _ bytes: RawSpan, from sender: WebSocketMachine.Role, allowsCompression: Bool = false
  ) throws(WebSocketError) -> (header: FrameHeader, size: Int)? {
    var reader = ByteReader(bytes)
    guard let first = reader.readUInt8() else { return nil }
    let isCompressed = first & 0x40 != 0
    guard first & 0x30 == 0, allowsCompression || !isCompressed else { throw .reservedBits(first >> 4 & 0x7) }
    guard let opcode = FrameOpcode(rawValue: first & 0xF) else { throw .reservedOpcode(first & 0xF) }
    let isFinal = first & 0x80 != 0
    guard isFinal || !opcode.isControl else { throw .fragmentedControlFrame }
    // Only a message's first frame says that it is compressed (RFC 7692 section 6.1).
    guard !isCompressed || opcode == .text || opcode == .binary else { throw .reservedBits(first >> 4 & 0x7) }

    guard let second = reader.readUInt8() else { return nil }
    let isMasked = second & 0x80 != 0
    guard isMasked || sender == .server else { throw .unmaskedFrame }
    guard !isMasked || sender == .client else { throw .maskedFrame }
    let short = second & 0x7F
    guard !opcode.isControl || short <= UInt8(maximumControlByteCount) else { throw .controlFrameTooLong(short) }
    guard let byteCount = try readLength(short, &reader) else { return nil }

    var maskingKey: MaskingKey?
    if isMasked {
      guard let key = reader.readBigEndian(as: UInt32.self) else { return nil }
      maskingKey = MaskingKey(random: key.byteSwapped)
    }
    let header = FrameHeader(
      isFinal: isFinal, isCompressed: isCompressed, opcode: opcode, maskingKey: maskingKey, byteCount: byteCount)
    return (header, reader.consumed)
  }

  private static func readLength(_ short: UInt8, _ reader: inout ByteReader) throws(WebSocketError) -> Int? {
    switch short {
    case 126:
      guard let length = reader.readBigEndian(as: UInt16.self) else { return nil }
      guard length > 125 else { throw .nonMinimalLength(UInt64(length)) }
      return Int(length)
    case 127:
      guard let length = reader.readBigEndian(as: UInt64.self) else { return nil }
      guard let count = Int(exactly: length) else { throw .lengthTopBitSet }
      guard count > Int(UInt16.max) else { throw .nonMinimalLength(length) }
      return count
    default:
      return Int(short)
    }
  }

  /// Appends the header's bytes to `output`, the length in its shortest form.
  public func encode(into output: inout [UInt8]) {
    output.append(addingCapacity: Self.maximumEncodedSize) { encode(into: &$0) }
  }

  /// Appends the header and a payload that needs no masking.
  @inline(__always)
  func encode(with payload: RawSpan, into output: inout [UInt8]) {
    output.append(addingCapacity: Self.maximumEncodedSize &+ payload.byteCount) { span in
      encode(into: &span)
      unsafe payload.withUnsafeBytes { payload in
        unsafe span.withUnsafeMutableBufferPointer { buffer, count in
          // The room for it was made above.
          let room = UnsafeMutableRawBufferPointer(buffer)
          unsafe UnsafeMutableRawBufferPointer(rebasing: room[count...]).copyMemory(from: payload)
          count &+= payload.count
        }
      }
    }
  }

  /// The size of the header of a frame without a mask.
  @inline(__always)
  public static func encodedSize(ofByteCount byteCount: Int) -> Int {
    byteCount <= 125 ? 2 : byteCount <= Int(UInt16.max) ? 4 : 10
  }

  /// Appends the header's bytes to memory that has room for them.
  @inline(__always)
  public func encode(into span: inout OutputSpan<UInt8>) {
    span.append((isFinal ? 0x80 : 0) | (isCompressed ? 0x40 : 0) | opcode.rawValue)
    let mask: UInt8 = maskingKey == nil ? 0 : 0x80
    switch byteCount {
    case ...125:
      span.append(mask | UInt8(truncatingIfNeeded: byteCount))
    case ...Int(UInt16.max):
      span.append(mask | 126)
      span.append(UInt8(truncatingIfNeeded: byteCount >> 8))
      span.append(UInt8(truncatingIfNeeded: byteCount))
    default:
      span.append(mask | 127)
      for shift in stride(from: 56, through: 0, by: -8) { span.append(UInt8(truncatingIfNeeded: byteCount >> shift)) }
    }
    if let (first, second, third, fourth) = maskingKey?.bytes {
      span.append(first)
      span.append(second)
      span.append(third)
      span.append(fourth)
    }
  }
}

// MARK: Loads

extension FrameHeader {
  /// The byte at `offset`.
  @inline(__always)
  static func byte(_ bytes: RawSpan, _ offset: Int) -> UInt8 {
    unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
  }

  /// The big-endian word at `offset`.
  @inline(__always)
  static func word(_ bytes: RawSpan, _ offset: Int) -> UInt64 {
    unsafe UInt64(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  /// The masking key at `offset`.
  @inline(__always)
  static func maskingKey(_ bytes: RawSpan, _ offset: Int) -> MaskingKey {
    unsafe MaskingKey(
      random: UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self)))
  }
}
